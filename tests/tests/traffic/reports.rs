//! An implementation that dies, comes back, or was never there.

use anyhow::{Result, ensure};
use ofn_tests::cluster::{Kind, has_condition, named};
use ofn_tests::traffic::Vendor;
use ofn_tests::traffic::client::Client;
use serde_json::{Value, json};

use crate::scene::{Scene, tests};

tests![[Vendor::Contour];
    a_gateway_that_contour_has_never_seen_is_unknown_until_contour_comes,
    functions_answer_while_contour_is_dead_and_the_status_says_what_it_has_not_seen,
    an_address_that_the_cloud_gives_late_or_changes_is_reported,
];

fn is_waiting(of: &Value) -> bool {
    let conditions = of["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| {
        condition["type"] == "Ready"
            && condition["status"] == "Unknown"
            && condition["reason"] == "Pending"
    })
}

async fn a_gateway_that_contour_has_never_seen_is_unknown_until_contour_comes(
    scene: &Scene,
    vendor: Vendor,
) -> Result<()> {
    let mut contour = scene.stage.contour.lock().await;
    contour.kill_control();
    let gateway = vendor.gateway();
    let (namespace, name) = (&gateway.namespace, &gateway.name);
    scene.cluster.delete(Kind::Gateway, namespace, name).await?;
    vendor.install(&scene.cluster).await?;
    scene.make(scene.spec(vendor, &[])).await?;
    scene
        .served("is waiting", |object| is_waiting(&object["status"]))
        .await?;
    contour.restart_contour(&scene.stage.traffic.plane).await?;
    scene.is_ready().await?;
    Ok(())
}

async fn functions_answer_while_contour_is_dead_and_the_status_says_what_it_has_not_seen(
    scene: &Scene,
    vendor: Vendor,
) -> Result<()> {
    scene.serve(vendor).await?;
    let function = scene.function("hello").await?;
    let url = function.internal_url();
    let client = Client::default();
    scene.is_answered(&client, &url, &function).await?;
    let mut contour = scene.stage.contour.lock().await;
    contour.kill_control();
    ensure!(client.get(&url).await?.is_from(&function.name));
    let late = json!({
        "name": "late", "hostname": "*.late.ofn.io", "port": 80, "protocol": "HTTP",
    });
    let ofn = &scene.ofn;
    let spec = scene.spec(vendor, &[late]);
    scene
        .cluster
        .edit(Kind::Ofn, &ofn.namespace, &ofn.name, json!({"spec": spec}))
        .await?;
    scene
        .served("waits for Contour", |object| {
            let late = named(&object["status"]["listeners"], "late");
            is_waiting(&object["status"]) && late.is_some_and(is_waiting)
        })
        .await?;
    ensure!(client.get(&url).await?.is_from(&function.name));
    contour.restart_contour(&scene.stage.traffic.plane).await?;
    scene.is_ready().await?;
    Ok(())
}

async fn an_address_that_the_cloud_gives_late_or_changes_is_reported(
    scene: &Scene,
    vendor: Vendor,
) -> Result<()> {
    scene.serve(vendor).await?;
    let has_address = |address: &'static str| {
        move |object: &Value| {
            object["status"]["addresses"] == json!([{"type": "IPAddress", "value": address}])
                && has_condition(object, "Ready", "True", None)
        }
    };
    scene
        .served("has its address", has_address("192.0.2.11"))
        .await?;
    let other = "192.0.2.111";
    vendor
        .set_address(&scene.cluster, Some(other.parse()?))
        .await?;
    scene.served("has another", has_address(other)).await?;
    vendor.set_default_address(&scene.cluster).await?;
    scene
        .served("has the first again", has_address("192.0.2.11"))
        .await?;
    Ok(())
}
