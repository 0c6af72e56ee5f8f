//! From one Kubernetes Gateway to another.

use anyhow::{Result, ensure};
use ofn_tests::cluster::{Kind, has_condition};
use serde_json::{Value, json};

use crate::scene::{OURS, Scene, listener, listener_names, own_listener, programmed, tests};

tests![
    a_move_to_another_gateway_cleans_the_first_one_when_the_second_is_ready,
    a_move_while_the_host_was_down_is_made_up_for,
    a_move_from_a_created_gateway_to_an_existing_one_deletes_the_created_one,
    a_move_from_an_existing_gateway_to_a_created_one_cleans_the_existing_one,
    another_name_for_a_defined_gateway_makes_another_and_deletes_the_first,
    another_namespace_for_a_defined_gateway_makes_one_there_and_deletes_the_first,
    a_move_back_before_the_first_has_ended_leaves_the_first_as_it_was,
    a_move_back_while_the_host_was_down_is_made_up_for,
    a_move_and_a_deletion_while_the_host_was_down_clean_every_gateway,
    a_listener_removed_while_the_host_was_down_leaves_the_gateway,
    whatever_becomes_of_a_definition_while_the_host_was_down_is_made_up_for,
    a_move_to_a_gateway_without_room_is_reported_and_leaves_the_first_as_it_was,
    a_move_back_to_a_defined_gateway_before_it_has_ended_leaves_that_as_it_was,
    a_move_to_a_gateway_that_is_never_ready_ends_after_a_minute,
];

const WITH_OURS: [&str; 3] = ["platform", OURS[0], OURS[1]];

async fn a_move_to_another_gateway_cleans_the_first_one_when_the_second_is_ready(
    scene: &Scene,
) -> Result<()> {
    scene.platform("first").await?;
    scene
        .gateway_with("second", json!([own_listener()]))
        .await?;
    scene.serve(scene.default_spec("first")).await?;
    scene.has_listeners("first", &WITH_OURS).await?;
    scene
        .edit(json!({"spec": {"gatewayRef": {"name": "second"}}}))
        .await?;
    scene.has_listeners("second", &WITH_OURS).await?;
    scene.settle("second").await?;
    // The second is not ready: traffic may still come to the first.
    scene.has_listeners("first", &WITH_OURS).await?;
    scene.program("second").await?;
    let first = scene.has_listeners("first", &["platform"]).await?;
    ensure!(
        first["metadata"]["annotations"]
            .get("networking.openfunction.io/injected-listeners")
            .is_none(),
        "{first:#}"
    );
    scene.is_ready().await?;
    Ok(())
}

async fn a_move_to_a_gateway_that_is_never_ready_ends_after_a_minute(scene: &Scene) -> Result<()> {
    scene.platform("first").await?;
    scene
        .gateway_with("second", json!([own_listener()]))
        .await?;
    scene.serve(scene.default_spec("first")).await?;
    scene.has_listeners("first", &WITH_OURS).await?;
    scene
        .edit(json!({"spec": {"gatewayRef": {"name": "second"}}}))
        .await?;
    scene.has_listeners("second", &WITH_OURS).await?;
    tokio::time::sleep(std::time::Duration::from_secs(50)).await;
    scene.has_listeners("first", &WITH_OURS).await?;
    scene.has_listeners("first", &["platform"]).await?;
    Ok(())
}

async fn a_move_while_the_host_was_down_is_made_up_for(scene: &Scene) -> Result<()> {
    scene.platform("first").await?;
    scene
        .gateway_with("second", json!([own_listener()]))
        .await?;
    scene.serve(scene.default_spec("first")).await?;
    scene.has_listeners("first", &WITH_OURS).await?;
    scene.stop_host()?;
    scene
        .edit(json!({"spec": {"gatewayRef": {"name": "second"}}}))
        .await?;
    scene.start_host()?;
    scene.has_listeners("second", &WITH_OURS).await?;
    scene.program("second").await?;
    scene.has_listeners("first", &["platform"]).await?;
    Ok(())
}

async fn a_move_from_a_created_gateway_to_an_existing_one_deletes_the_created_one(
    scene: &Scene,
) -> Result<()> {
    scene.platform("theirs").await?;
    scene.serve(scene.defined_spec("made", "contour")).await?;
    scene.has_listeners("made", &OURS).await?;
    let reference = json!({"name": "theirs", "namespace": scene.infra});
    scene
        .edit(json!({"spec": {"gatewayDef": null, "gatewayRef": reference}}))
        .await?;
    scene.has_listeners("theirs", &WITH_OURS).await?;
    scene.program("theirs").await?;
    scene
        .cluster
        .eventually_gone(Kind::Gateway, &scene.infra, "made")
        .await
}

async fn a_move_from_an_existing_gateway_to_a_created_one_cleans_the_existing_one(
    scene: &Scene,
) -> Result<()> {
    scene.platform("existing").await?;
    scene.serve(scene.default_spec("existing")).await?;
    scene.has_listeners("existing", &WITH_OURS).await?;
    scene
        .edit(json!({"spec": {
            "gatewayRef": null,
            "gatewayDef": {"name": "made", "namespace": scene.infra, "gatewayClassName": "contour"},
        }}))
        .await?;
    scene.has_listeners("made", &OURS).await?;
    scene.settle("made").await?;
    scene.has_listeners("existing", &WITH_OURS).await?;
    scene.program("made").await?;
    scene.has_listeners("existing", &["platform"]).await?;
    Ok(())
}

async fn another_name_for_a_defined_gateway_makes_another_and_deletes_the_first(
    scene: &Scene,
) -> Result<()> {
    scene.class().await?;
    scene.serve(scene.defined_spec("first", "contour")).await?;
    scene.has_listeners("first", &OURS).await?;
    scene
        .edit(json!({"spec": {"gatewayDef": {"name": "second"}}}))
        .await?;
    scene.has_listeners("second", &OURS).await?;
    scene.settle("second").await?;
    scene.has_listeners("first", &OURS).await?;
    scene.program("second").await?;
    scene
        .cluster
        .eventually_gone(Kind::Gateway, &scene.infra, "first")
        .await?;
    scene.is_ready().await?;
    Ok(())
}

async fn another_namespace_for_a_defined_gateway_makes_one_there_and_deletes_the_first(
    scene: &Scene,
) -> Result<()> {
    scene.class().await?;
    scene.serve(scene.defined_spec("made", "contour")).await?;
    scene.has_listeners("made", &OURS).await?;
    scene
        .edit(json!({"spec": {"gatewayDef": {"namespace": scene.ofn}}}))
        .await?;
    let made = scene
        .cluster
        .eventually(Kind::Gateway, &scene.ofn, "made", "is there", |made| {
            listener_names(made) == OURS
        })
        .await?;
    let status = programmed(&OURS, made["metadata"]["generation"].as_i64().unwrap_or(0));
    scene
        .cluster
        .write_status(Kind::Gateway, &scene.ofn, "made", status)
        .await?;
    scene
        .cluster
        .eventually_gone(Kind::Gateway, &scene.infra, "made")
        .await?;
    scene.is_ready().await?;
    Ok(())
}

async fn a_move_back_before_the_first_has_ended_leaves_the_first_as_it_was(
    scene: &Scene,
) -> Result<()> {
    scene.platform("first").await?;
    scene
        .gateway_with("second", json!([own_listener()]))
        .await?;
    scene.serve(scene.default_spec("first")).await?;
    let before = scene.has_listeners("first", &WITH_OURS).await?;
    scene.program("first").await?;
    scene.is_ready().await?;
    scene
        .edit(json!({"spec": {"gatewayRef": {"name": "second"}}}))
        .await?;
    scene.has_listeners("second", &WITH_OURS).await?;
    scene
        .edit(json!({"spec": {"gatewayRef": {"name": "first"}}}))
        .await?;
    scene.has_listeners("second", &["platform"]).await?;
    scene.settle("first").await?;
    let after = scene.has_listeners("first", &WITH_OURS).await?;
    ensure!(
        after["metadata"]["generation"] == before["metadata"]["generation"],
        "{after:#}"
    );
    scene.is_ready().await?;
    Ok(())
}

async fn a_move_back_while_the_host_was_down_is_made_up_for(scene: &Scene) -> Result<()> {
    scene.platform("first").await?;
    scene
        .gateway_with("second", json!([own_listener()]))
        .await?;
    scene.serve(scene.default_spec("first")).await?;
    scene.has_listeners("first", &WITH_OURS).await?;
    scene.program("first").await?;
    scene
        .edit(json!({"spec": {"gatewayRef": {"name": "second"}}}))
        .await?;
    scene.has_listeners("second", &WITH_OURS).await?;
    scene.stop_host()?;
    scene
        .edit(json!({"spec": {"gatewayRef": {"name": "first"}}}))
        .await?;
    scene.start_host()?;
    scene.has_listeners("second", &["platform"]).await?;
    scene.has_listeners("first", &WITH_OURS).await?;
    scene.is_ready().await?;
    Ok(())
}

async fn a_move_and_a_deletion_while_the_host_was_down_clean_every_gateway(
    scene: &Scene,
) -> Result<()> {
    scene.platform("first").await?;
    scene
        .gateway_with("second", json!([own_listener()]))
        .await?;
    scene.gateway_with("third", json!([own_listener()])).await?;
    scene.serve(scene.default_spec("first")).await?;
    scene.has_listeners("first", &WITH_OURS).await?;
    scene
        .edit(json!({"spec": {"gatewayRef": {"name": "second"}}}))
        .await?;
    scene.has_listeners("second", &WITH_OURS).await?;
    scene.stop_host()?;
    scene
        .edit(json!({"spec": {"gatewayRef": {"name": "third"}}}))
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
    for gateway in ["first", "second", "third"] {
        scene.has_listeners(gateway, &["platform"]).await?;
    }
    Ok(())
}

async fn a_listener_removed_while_the_host_was_down_leaves_the_gateway(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    scene.serve(scene.default_spec("contour")).await?;
    scene.has_listeners("contour", &WITH_OURS).await?;
    scene.stop_host()?;
    scene
        .edit(json!({"spec": {"gatewaySpec": {"listeners": [listener("ofn-http-internal", "*.cluster.local")]}}}))
        .await?;
    scene.start_host()?;
    scene
        .has_listeners("contour", &["platform", "ofn-http-internal"])
        .await?;
    Ok(())
}

async fn whatever_becomes_of_a_definition_while_the_host_was_down_is_made_up_for(
    scene: &Scene,
) -> Result<()> {
    scene.platform("existing").await?;
    let other = json!({"spec": {"controllerName": "example.com/gateway-controller"}});
    scene
        .cluster
        .apply(Kind::GatewayClass, "", "other", "platform-team", other)
        .await?;
    let while_down = async |change: Value| {
        scene.stop_host()?;
        scene.edit(json!({"spec": change})).await?;
        scene.start_host()
    };
    let gone = async |namespace: &str, name: &str| {
        let cluster = &scene.cluster;
        cluster
            .eventually_gone(Kind::Gateway, namespace, name)
            .await
    };
    scene.serve(scene.defined_spec("first", "contour")).await?;
    scene.has_listeners("first", &OURS).await?;
    // Its name.
    while_down(json!({"gatewayDef": {"name": "second"}})).await?;
    scene.has_listeners("second", &OURS).await?;
    scene.program("second").await?;
    gone(&scene.infra, "first").await?;
    // Its class.
    while_down(json!({"gatewayDef": {"gatewayClassName": "other"}})).await?;
    scene
        .gateway("second", "has the other class", |gateway| {
            gateway["spec"]["gatewayClassName"] == "other"
        })
        .await?;
    // An existing Gateway instead.
    let existing = json!({"name": "existing", "namespace": scene.infra});
    while_down(json!({"gatewayDef": null, "gatewayRef": existing})).await?;
    scene.has_listeners("existing", &WITH_OURS).await?;
    scene.program("existing").await?;
    gone(&scene.infra, "second").await?;
    // And back.
    let third = json!({"name": "third", "namespace": scene.infra, "gatewayClassName": "contour"});
    while_down(json!({"gatewayRef": null, "gatewayDef": third})).await?;
    scene.has_listeners("third", &OURS).await?;
    scene.program("third").await?;
    scene.has_listeners("existing", &["platform"]).await?;
    // Its namespace.
    while_down(json!({"gatewayDef": {"namespace": scene.ofn}})).await?;
    let made = scene
        .cluster
        .eventually(Kind::Gateway, &scene.ofn, "third", "is there", |made| {
            listener_names(made) == OURS
        })
        .await?;
    let status = programmed(&OURS, made["metadata"]["generation"].as_i64().unwrap_or(0));
    scene
        .cluster
        .write_status(Kind::Gateway, &scene.ofn, "third", status)
        .await?;
    gone(&scene.infra, "third").await?;
    scene.is_ready().await?;
    Ok(())
}

async fn a_move_to_a_gateway_without_room_is_reported_and_leaves_the_first_as_it_was(
    scene: &Scene,
) -> Result<()> {
    scene.platform("first").await?;
    let theirs: Vec<_> = (0..64)
        .map(|number| {
            let hostname = format!("{number}.example.com");
            listener(&format!("theirs-{number}"), &hostname)
        })
        .collect();
    scene.gateway_with("second", json!(theirs)).await?;
    let envoy = json!({"spec": {"ports": [{"port": 80}]}});
    for name in ["envoy-first", "envoy-second"] {
        scene
            .cluster
            .create(Kind::Service, &scene.infra, name, envoy.clone())
            .await?;
    }
    scene.serve(scene.default_spec("first")).await?;
    scene.has_listeners("first", &WITH_OURS).await?;
    scene.program("first").await?;
    let entry = scene.entry("is there", |_| true).await?;
    scene
        .edit(json!({"spec": {"gatewayRef": {"name": "second"}}}))
        .await?;
    let object = scene
        .served("reports that there is no room", |object| {
            has_condition(object, "Ready", "False", Some("ListenerConflict"))
        })
        .await?;
    let ready = object["status"]["conditions"][1].to_string();
    ensure!(ready.contains("has room for 64 listeners"), "{ready}");
    scene.settle("second").await?;
    scene.has_listeners("first", &WITH_OURS).await?;
    let now = scene.entry("is there", |_| true).await?;
    ensure!(now["spec"] == entry["spec"], "{now:#}");
    Ok(())
}

async fn a_move_back_to_a_defined_gateway_before_it_has_ended_leaves_that_as_it_was(
    scene: &Scene,
) -> Result<()> {
    scene.class().await?;
    scene.serve(scene.defined_spec("first", "contour")).await?;
    scene.has_listeners("first", &OURS).await?;
    scene.program("first").await?;
    scene.is_ready().await?;
    let before = scene.has_listeners("first", &OURS).await?;
    let rename = async |name: &str| {
        let edit = json!({"spec": {"gatewayDef": {"name": name}}});
        scene.edit(edit).await
    };
    rename("second").await?;
    scene.has_listeners("second", &OURS).await?;
    rename("first").await?;
    scene
        .cluster
        .eventually_gone(Kind::Gateway, &scene.infra, "second")
        .await?;
    scene.settle("first").await?;
    let after = scene.has_listeners("first", &OURS).await?;
    for field in ["uid", "generation"] {
        ensure!(
            after["metadata"][field] == before["metadata"][field],
            "{after:#}"
        );
    }
    scene.is_ready().await?;
    Ok(())
}
