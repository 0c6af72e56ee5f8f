//! From the old controller to us: what it left is read as it was meant.

use anyhow::{Result, ensure};
use ofn_tests::cluster::{Kind, has_condition, named};
use serde_json::{Value, json};

use crate::scene::{
    ALL, OURS, Scene, condition, listener, listener_names, own_listener, programmed, tests,
};

tests![
    a_move_that_only_the_old_webhook_recorded_is_made_up_for,
    a_move_that_only_the_old_controller_recorded_is_made_up_for,
    a_gateway_that_the_old_controller_defined_stays_with_one_listener,
    a_status_of_the_old_controller_is_replaced_as_a_whole,
];

const FINALIZER: &str = "networking.openfunction.io/finalizer";
const INJECTED: &str = "networking.openfunction.io/injected-listeners";
const LAST_APPLIED: &str = "networking.openfunction.io/last-applied-configuration";

/// A Kubernetes Gateway as the old controller left it.
async fn with_injected(
    scene: &Scene,
    gateway: &str,
    injected: &Value,
    own: &[Value],
) -> Result<()> {
    let mut all = own.to_vec();
    all.extend(injected.as_array().into_iter().flatten().cloned());
    scene.gateway_with(gateway, json!(all)).await?;
    let record = json!({"metadata": {"annotations": {INJECTED: injected.to_string()}}});
    scene
        .cluster
        .edit(Kind::Gateway, &scene.infra, gateway, record)
        .await?;
    Ok(())
}

/// An OpenFunction Gateway as the old controller left it, with what was last applied.
async fn left_behind(scene: &Scene, spec: Value, last: &Value) -> Result<()> {
    let body = json!({
        "metadata": {
            "finalizers": [FINALIZER],
            "annotations": {LAST_APPLIED: last.to_string()},
        },
        "spec": spec,
    });
    scene
        .cluster
        .create(Kind::Ofn, &scene.ofn, "openfunction", body)
        .await?;
    Ok(())
}

/// The user chose another Gateway and a shorter domain after the old controller had ended.
async fn a_move_recorded_as(scene: &Scene, format: impl Fn(Value) -> Value) -> Result<()> {
    scene.stop_host()?;
    scene.class().await?;
    let injected = json!([
        listener(OURS[0], "*.cluster.local"),
        listener(OURS[1], "*.b.a.io"),
    ]);
    with_injected(scene, "first", &injected, &[own_listener()]).await?;
    scene
        .gateway_with("second", json!([own_listener()]))
        .await?;
    let mut last = scene.default_spec("first");
    last["domain"] = json!("b.a.io");
    last["gatewaySpec"]["listeners"] = injected.clone();
    let mut spec = scene.default_spec("second");
    spec["domain"] = json!("a.io");
    spec["gatewaySpec"]["listeners"] = injected;
    left_behind(scene, spec, &format(last)).await?;
    scene.start_host()?;
    let second = scene.has_listeners("second", &ALL).await?;
    ensure!(
        second["spec"]["listeners"][2]["hostname"] == "*.a.io",
        "{second:#}"
    );
    scene.settle("second").await?;
    // Traffic may still come to the first.
    scene.has_listeners("first", &ALL).await?;
    scene.program("second").await?;
    let first = scene.has_listeners("first", &["platform"]).await?;
    ensure!(first["spec"]["listeners"][0] == own_listener(), "{first:#}");
    scene.is_ready().await?;
    Ok(())
}

async fn a_move_that_only_the_old_webhook_recorded_is_made_up_for(scene: &Scene) -> Result<()> {
    a_move_recorded_as(scene, |spec| spec).await
}

async fn a_move_that_only_the_old_controller_recorded_is_made_up_for(scene: &Scene) -> Result<()> {
    a_move_recorded_as(scene, |spec| json!({"spec": spec})).await
}

async fn a_gateway_that_the_old_controller_defined_stays_with_one_listener(
    scene: &Scene,
) -> Result<()> {
    scene.stop_host()?;
    scene.class().await?;
    let spec = scene.defined_spec("made", "contour");
    let injected = spec["gatewaySpec"]["listeners"].clone();
    with_injected(scene, "made", &injected, &[]).await?;
    left_behind(scene, spec.clone(), &json!({"spec": spec})).await?;
    scene.start_host()?;
    scene.settle("made").await?;
    scene.delete_openfunction().await?;
    let left = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "made")
        .await?;
    ensure!(listener_names(&left) == [OURS[0]], "{left:#}");
    ensure!(
        left["metadata"]["annotations"] == json!({"team": "platform"}),
        "{left:#}"
    );
    scene.event("ListenerLeft").await?;
    Ok(())
}

async fn a_status_of_the_old_controller_is_replaced_as_a_whole(scene: &Scene) -> Result<()> {
    scene.stop_host()?;
    scene.platform("contour").await?;
    let spec = scene.default_spec("contour");
    left_behind(scene, spec.clone(), &json!({"spec": spec})).await?;
    let old = |type_, status, reason| {
        let mut old = condition(type_, status, reason, "of the old controller", 0);
        if let Some(old) = old.as_object_mut() {
            old.remove("lastTransitionTime");
        }
        old
    };
    let mut gone = programmed(&["gone"], 0)["listeners"].clone();
    gone[0]["conditions"] = json!([old("Programmed", "True", "Programmed")]);
    let status = json!({
        "addresses": [{"type": "IPAddress", "value": "192.0.2.66"}],
        "conditions": [
            old("Ready", "False", "NotReconciled"),
            old("Accepted", "True", "Accepted"),
            old("Programmed", "True", "Programmed"),
        ],
        "listeners": gone,
    });
    scene
        .cluster
        .write_status(Kind::Ofn, &scene.ofn, "openfunction", status)
        .await?;
    scene.start_host()?;
    scene.has_listeners("contour", &ALL).await?;
    scene.program("contour").await?;
    scene
        .served("has the new status and nothing of the old one", |object| {
            let status = &object["status"];
            let types = |conditions: &Value| {
                let conditions = conditions.as_array().into_iter().flatten();
                conditions
                    .map(|condition| condition["type"].clone())
                    .collect::<Vec<_>>()
            };
            let listener = |name| named(&status["listeners"], name);
            has_condition(object, "Scheduled", "True", Some("Scheduled"))
                && has_condition(object, "Ready", "True", Some("Valid"))
                && types(&status["conditions"]) == ["Scheduled", "Ready"]
                && status.get("addresses").is_none()
                && listener("gone").is_none()
                && OURS.iter().all(|name| {
                    listener(name)
                        .is_some_and(|listener| types(&listener["conditions"]) == ["Ready"])
                })
        })
        .await?;
    Ok(())
}
