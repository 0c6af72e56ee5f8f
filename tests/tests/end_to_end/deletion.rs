use anyhow::{Result, ensure};
use ofn_tests::cluster::Kind;
use serde_json::json;

use crate::scene::{ALL, OURS, Scene, listener_names, own_listener, tests};

tests![
    a_deletion_takes_our_listeners_and_the_entry_with_it,
    a_deletion_ends_where_ours_are_the_only_listeners_and_says_what_stayed,
    a_deletion_ends_where_the_gateway_is_gone,
    a_deletion_while_the_host_was_down_is_made_up_for,
    a_deletion_after_another_name_for_a_defined_gateway_leaves_neither_gateway,
];

async fn a_deletion_takes_our_listeners_and_the_entry_with_it(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    let envoy = json!({"spec": {"ports": [{"port": 80}]}});
    scene
        .cluster
        .create(Kind::Service, &scene.infra, "envoy", envoy)
        .await?;
    scene.serve(scene.default_spec("contour")).await?;
    scene.has_listeners("contour", &ALL).await?;
    scene.entry("exists", |_| true).await?;
    scene
        .cluster
        .delete(Kind::Ofn, &scene.ofn, "openfunction")
        .await?;
    scene.has_listeners("contour", &["platform"]).await?;
    scene
        .cluster
        .eventually_gone(Kind::Ofn, &scene.ofn, "openfunction")
        .await?;
    scene
        .cluster
        .eventually_gone(Kind::Service, &scene.ofn, "gateway")
        .await
}

async fn a_deletion_ends_where_ours_are_the_only_listeners_and_says_what_stayed(
    scene: &Scene,
) -> Result<()> {
    scene.serve_default().await?;
    let remove = json!({"spec": {"listeners": []}});
    let ours = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "contour")
        .await?["spec"]["listeners"]
        .clone();
    let only_ours: Vec<_> = ours
        .as_array()
        .into_iter()
        .flatten()
        .skip(1)
        .cloned()
        .collect();
    ensure!(
        scene
            .cluster
            .edit(Kind::Gateway, &scene.infra, "contour", remove)
            .await
            .is_err()
    );
    let edit = json!({"spec": {"listeners": only_ours}});
    scene
        .cluster
        .edit(Kind::Gateway, &scene.infra, "contour", edit)
        .await?;
    scene.delete_openfunction().await?;
    let left = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "contour")
        .await?;
    ensure!(listener_names(&left) == ["ofn-http-internal"], "{left:#}");
    let annotations = left["metadata"]["annotations"].to_string();
    ensure!(!annotations.contains("openfunction.io"), "{annotations}");
    let event = scene.event("ListenerLeft").await?;
    ensure!(
        event["note"]
            .to_string()
            .contains("listener ofn-http-internal stays in Gateway"),
        "{event:#}"
    );
    Ok(())
}

async fn a_deletion_ends_where_the_gateway_is_gone(scene: &Scene) -> Result<()> {
    scene.serve_default().await?;
    scene
        .cluster
        .delete(Kind::Gateway, &scene.infra, "contour")
        .await?;
    scene.delete_openfunction().await
}

async fn a_deletion_while_the_host_was_down_is_made_up_for(scene: &Scene) -> Result<()> {
    scene.class().await?;
    scene
        .gateway_with("contour", json!([own_listener()]))
        .await?;
    scene.serve(scene.default_spec("contour")).await?;
    scene.has_listeners("contour", &ALL).await?;
    scene.stop_host()?;
    scene
        .cluster
        .delete(Kind::Ofn, &scene.ofn, "openfunction")
        .await?;
    scene.start_host()?;
    scene
        .cluster
        .eventually_gone(Kind::Ofn, &scene.ofn, "openfunction")
        .await?;
    scene.has_listeners("contour", &["platform"]).await?;
    Ok(())
}

async fn a_deletion_after_another_name_for_a_defined_gateway_leaves_neither_gateway(
    scene: &Scene,
) -> Result<()> {
    scene.class().await?;
    scene.serve(scene.defined_spec("first", "contour")).await?;
    scene.has_listeners("first", &OURS).await?;
    scene.stop_host()?;
    scene
        .edit(json!({"spec": {"gatewayDef": {"name": "second"}}}))
        .await?;
    scene
        .cluster
        .delete(Kind::Ofn, &scene.ofn, "openfunction")
        .await?;
    scene.start_host()?;
    scene
        .cluster
        .eventually_gone(Kind::Ofn, &scene.ofn, "openfunction")
        .await?;
    let left = scene.cluster.list(Kind::Gateway, &scene.infra).await?;
    ensure!(left.is_empty(), "{left:#?}");
    Ok(())
}
