use anyhow::{Result, ensure};
use ofn_tests::cluster::{Kind, condition, has_condition, named};
use serde_json::{Value, json};

use crate::scene::{Scene, listener, listener_names, own_listener, tests};

tests![
    a_foreign_listener_of_our_name_stays_and_is_reported,
    a_listener_on_a_foreign_port_and_host_name_is_reported_and_the_others_are_served,
    a_listener_that_somebody_applies_over_ours_is_theirs,
    our_listeners_come_back_when_somebody_removes_them,
    listeners_that_the_old_controller_put_there_are_ours,
];

async fn conflict(scene: &Scene, name: &str) -> Result<String> {
    let object = scene
        .served("reports the conflict", |object| {
            has_condition(object, "Ready", "False", Some("ListenerConflict"))
        })
        .await?;
    let status = named(&object["status"]["listeners"], name)
        .cloned()
        .unwrap_or_default();
    ensure!(
        status["conditions"][0]["reason"] == "ListenerConflict",
        "{object:#}"
    );
    Ok(condition(&object, "Ready")
        .map(|ready| ready["message"].to_string())
        .unwrap_or_default())
}

async fn a_foreign_listener_of_our_name_stays_and_is_reported(scene: &Scene) -> Result<()> {
    scene.class().await?;
    let mut theirs = listener("ofn-http-external", "theirs.example.com");
    theirs["port"] = json!(8080);
    scene.gateway_with("contour", json!([theirs])).await?;
    scene.serve(scene.default_spec("contour")).await?;
    let gateway = scene
        .has_listeners("contour", &["ofn-http-external", "ofn-http-internal"])
        .await?;
    ensure!(gateway["spec"]["listeners"][0] == theirs, "{gateway:#}");
    let message = conflict(scene, "ofn-http-external").await?;
    ensure!(message.contains("which platform-team made"), "{message}");
    scene
        .cluster
        .delete(Kind::Ofn, &scene.ofn, "openfunction")
        .await?;
    scene
        .cluster
        .eventually_gone(Kind::Ofn, &scene.ofn, "openfunction")
        .await?;
    let gateway = scene
        .has_listeners("contour", &["ofn-http-external"])
        .await?;
    ensure!(gateway["spec"]["listeners"][0] == theirs, "{gateway:#}");
    Ok(())
}

async fn a_listener_on_a_foreign_port_and_host_name_is_reported_and_the_others_are_served(
    scene: &Scene,
) -> Result<()> {
    scene.class().await?;
    scene
        .gateway_with("contour", json!([listener("theirs", "*.ofn.io")]))
        .await?;
    scene.serve(scene.default_spec("contour")).await?;
    scene
        .has_listeners("contour", &["theirs", "ofn-http-internal"])
        .await?;
    let message = conflict(scene, "ofn-http-external").await?;
    ensure!(
        message.contains("serves HTTP for *.ofn.io on port 80 already"),
        "{message}"
    );
    // The way is free again.
    let rename = json!({"spec": {"listeners": [own_listener(), listener("ofn-http-internal", "*.cluster.local")]}});
    scene
        .cluster
        .edit(Kind::Gateway, &scene.infra, "contour", rename)
        .await?;
    scene
        .has_listeners(
            "contour",
            &["platform", "ofn-http-internal", "ofn-http-external"],
        )
        .await?;
    Ok(())
}

async fn a_listener_that_somebody_applies_over_ours_is_theirs(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    scene.serve(scene.default_spec("contour")).await?;
    scene
        .has_listeners(
            "contour",
            &["platform", "ofn-http-internal", "ofn-http-external"],
        )
        .await?;
    let theirs = listener("ofn-http-external", "*.theirs.example.com");
    let applied = json!({"spec": {"gatewayClassName": "contour", "listeners": [theirs]}});
    scene
        .cluster
        .apply(Kind::Gateway, &scene.infra, "contour", "neighbour", applied)
        .await?;
    let message = conflict(scene, "ofn-http-external").await?;
    ensure!(message.contains("which neighbour made"), "{message}");
    scene
        .cluster
        .delete(Kind::Ofn, &scene.ofn, "openfunction")
        .await?;
    scene
        .cluster
        .eventually_gone(Kind::Ofn, &scene.ofn, "openfunction")
        .await?;
    let gateway = scene
        .has_listeners("contour", &["platform", "ofn-http-external"])
        .await?;
    ensure!(gateway["spec"]["listeners"][1] == theirs, "{gateway:#}");
    Ok(())
}

async fn our_listeners_come_back_when_somebody_removes_them(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    scene.serve(scene.default_spec("contour")).await?;
    scene
        .has_listeners(
            "contour",
            &["platform", "ofn-http-internal", "ofn-http-external"],
        )
        .await?;
    // As a client-side apply of the platform team's own file does.
    let wipe = json!({"spec": {"listeners": [own_listener()]}});
    scene
        .cluster
        .edit(Kind::Gateway, &scene.infra, "contour", wipe)
        .await?;
    scene
        .has_listeners(
            "contour",
            &["platform", "ofn-http-internal", "ofn-http-external"],
        )
        .await?;
    let odd =
        json!({"spec": {"listeners": [own_listener(), listener("ofn-http-internal", "*.odd.io")]}});
    scene
        .cluster
        .edit(Kind::Gateway, &scene.infra, "contour", odd)
        .await?;
    scene
        .gateway("contour", "has our listeners as they were", |gateway| {
            let hostname = |name| {
                named(&gateway["spec"]["listeners"], name).map(|listener| &listener["hostname"])
            };
            hostname("ofn-http-internal") == Some(&json!("*.cluster.local"))
                && hostname("ofn-http-external") == Some(&json!("*.ofn.io"))
        })
        .await?;
    Ok(())
}

async fn listeners_that_the_old_controller_put_there_are_ours(scene: &Scene) -> Result<()> {
    scene.class().await?;
    let injected: Vec<Value> = vec![
        listener("ofn-http-internal", "*.cluster.local"),
        listener("ofn-http-external", "*.old.io"),
        listener("retired", "*.retired.old.io"),
    ];
    let mut all = injected.clone();
    all.insert(0, own_listener());
    scene.gateway_with("contour", json!(all)).await?;
    let record =
        json!({"networking.openfunction.io/injected-listeners": json!(injected).to_string()});
    scene
        .cluster
        .edit(
            Kind::Gateway,
            &scene.infra,
            "contour",
            json!({"metadata": {"annotations": record}}),
        )
        .await?;
    scene.serve(scene.default_spec("contour")).await?;
    let gateway = scene
        .gateway("contour", "has the listeners of the spec", |gateway| {
            listener_names(gateway) == ["platform", "ofn-http-internal", "ofn-http-external"]
        })
        .await?;
    ensure!(
        gateway["spec"]["listeners"][2]["hostname"] == "*.ofn.io",
        "{gateway:#}"
    );
    Ok(())
}
