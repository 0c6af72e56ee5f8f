//! A component in JavaScript that comes while the host runs.

use std::fs;

use anyhow::{Result, ensure};
use ofn_tests::cluster::Kind;
use ofn_tests::host::{digest, javascript, policies, put};
use serde_json::{Value, json};

use crate::scene::{OURS, Scene, condition, tests};

tests![a_component_in_javascript_in_a_second_folder_decides_for_its_controller];

const ADDRESS: &str = "web-1.elb.eu-west-1.amazonaws.com";

/// An OpenFunction Gateway that is to be made for an Application Load Balancer, with a listener that
/// it does not serve.
async fn serve(scene: &Scene) -> Result<Value> {
    let class = json!({"spec": {"controllerName": "gateway.k8s.aws/alb"}});
    scene
        .cluster
        .apply(Kind::GatewayClass, "", "alb", "platform-team", class)
        .await?;
    let mut spec = scene.defined_spec("web", "alb");
    let tcp = json!({"name": "db", "port": 5432, "protocol": "TCP"});
    if let Some(listeners) = spec["gatewaySpec"]["listeners"].as_array_mut() {
        listeners.push(tcp);
    }
    scene.serve(spec).await
}

async fn a_component_in_javascript_in_a_second_folder_decides_for_its_controller(
    scene: &Scene,
) -> Result<()> {
    serve(scene).await?;
    scene
        .has_listeners("web", &[OURS[0], OURS[1], "db"])
        .await?;
    let second = tempfile::tempdir()?;
    scene.stop_host()?;
    scene.start_host_with(&[&policies()?, second.path()])?;
    scene
        .counted("ofn_gateway_policies_loaded_total{policy=\"standard\"} 1")
        .await?;
    let component = fs::read(javascript()?.join("aws-load-balancer.wasm"))?;
    put(second.path(), "aws-load-balancer.wasm", &component)?;
    let object = scene
        .served("is decided by the component", |object| {
            object["status"]["policy"]["digest"] == digest(&component)
        })
        .await?;
    ensure!(object["status"]["policy"]["name"] == "aws-load-balancer");
    scene.has_listeners("web", &OURS).await?;
    scene
        .served("says why TCP is refused", |object| {
            let ready = &object["status"]["listeners"][2]["conditions"][0];
            let message = ready["message"].as_str().unwrap_or_default();
            ready["reason"] == "UnsupportedProtocol"
                && message.starts_with("an Application Load Balancer does not serve TCP: write")
        })
        .await?;
    let waiting = "Waiting for load balancer to be active.";
    let status = json!({
        "conditions": [condition("Programmed", "Unknown", "Pending", waiting, 0)],
        "addresses": [{"type": "Hostname", "value": ADDRESS}],
    });
    scene
        .cluster
        .write_status(Kind::Gateway, &scene.infra, "web", status)
        .await?;
    scene
        .entry("leads to the load balancer", |entry| {
            entry["spec"]["externalName"] == ADDRESS
        })
        .await?;
    Ok(())
}
