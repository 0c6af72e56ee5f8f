use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ofn_tests::cluster::{Kind, condition, has_condition, named};
use ofn_tests::control_plane::{Kubectl, User};
use serde_json::{Value, json};

use crate::scene::{ALL, Scene, listener, listener_names, own_listener, tests};

tests![
    a_foreign_listener_of_our_name_stays_and_is_reported,
    a_listener_on_a_foreign_port_and_host_name_is_reported_and_the_others_are_served,
    a_listener_that_somebody_applies_over_ours_is_theirs,
    a_listener_that_somebody_applied_over_ours_and_gave_up_is_ours_again,
    our_listeners_come_back_when_somebody_removes_them,
    listeners_that_the_old_controller_put_there_are_ours,
    a_foreign_listener_of_our_name_stays_however_it_was_written,
    a_listener_that_somebody_applies_just_as_it_is_is_theirs_too,
    a_client_side_apply_of_the_gateways_own_file_does_not_take_our_listeners_for_long,
    who_writes_the_gateway_without_our_listeners_again_and_again_is_named_and_answered_less_often,
    who_makes_the_gateway_anew_as_fast_as_possible_is_answered_once_a_second,
    a_gateway_restored_without_managed_fields_is_served_and_cleaned_as_before,
    a_gateway_that_is_full_is_reported_and_keeps_what_it_has,
    a_gateway_with_as_many_listeners_of_others_as_it_may_have_keeps_them_all,
    a_gateway_made_anew_with_our_listeners_altered_is_put_right,
    an_openfunction_gateway_restored_with_another_uid_is_served,
    a_listener_that_became_theirs_stays_theirs_when_managed_fields_are_lost,
];

/// As many listeners of others.
fn theirs(number: usize) -> Vec<Value> {
    (0..number)
        .map(|number| {
            let hostname = format!("{number}.example.com");
            listener(&format!("theirs-{number}"), &hostname)
        })
        .collect()
}

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
    scene.delete_openfunction().await?;
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
    scene.has_listeners("contour", &ALL).await?;
    Ok(())
}

async fn a_listener_that_somebody_applies_over_ours_is_theirs(scene: &Scene) -> Result<()> {
    scene.serve_default().await?;
    let theirs = listener("ofn-http-external", "*.theirs.example.com");
    let applied = json!({"spec": {"gatewayClassName": "contour", "listeners": [theirs]}});
    scene
        .cluster
        .apply(Kind::Gateway, &scene.infra, "contour", "neighbour", applied)
        .await?;
    let message = conflict(scene, "ofn-http-external").await?;
    ensure!(message.contains("which neighbour made"), "{message}");
    scene.delete_openfunction().await?;
    let gateway = scene
        .has_listeners("contour", &["platform", "ofn-http-external"])
        .await?;
    ensure!(gateway["spec"]["listeners"][1] == theirs, "{gateway:#}");
    Ok(())
}

async fn a_listener_that_somebody_applied_over_ours_and_gave_up_is_ours_again(
    scene: &Scene,
) -> Result<()> {
    scene.serve_default().await?;
    let apply = async |listeners: Value| {
        let applied = json!({"spec": {"gatewayClassName": "contour", "listeners": listeners}});
        scene
            .cluster
            .apply(Kind::Gateway, &scene.infra, "contour", "neighbour", applied)
            .await
    };
    let theirs = listener("ofn-http-external", "*.theirs.example.com");
    apply(json!([theirs])).await?;
    conflict(scene, "ofn-http-external").await?;
    apply(json!([listener("other", "*.other.example.com")])).await?;
    scene
        .gateway("contour", "has our listener as it was", |gateway| {
            named(&gateway["spec"]["listeners"], "ofn-http-external")
                .is_some_and(|listener| listener["hostname"] == "*.ofn.io")
        })
        .await?;
    scene.delete_openfunction().await?;
    scene
        .has_listeners("contour", &["platform", "other"])
        .await?;
    Ok(())
}

async fn our_listeners_come_back_when_somebody_removes_them(scene: &Scene) -> Result<()> {
    scene.serve_default().await?;
    // As a client-side apply of the platform team's own file does.
    let wipe = json!({"spec": {"listeners": [own_listener()]}});
    scene
        .cluster
        .edit(Kind::Gateway, &scene.infra, "contour", wipe)
        .await?;
    scene.has_listeners("contour", &ALL).await?;
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
            listener_names(gateway) == ALL
        })
        .await?;
    ensure!(
        gateway["spec"]["listeners"][2]["hostname"] == "*.ofn.io",
        "{gateway:#}"
    );
    Ok(())
}

async fn a_foreign_listener_of_our_name_stays_however_it_was_written(scene: &Scene) -> Result<()> {
    scene.class().await?;
    let theirs = listener("ofn-http-external", "theirs.example.com");
    let body = json!({"spec": {"gatewayClassName": "contour", "listeners": [theirs]}});
    scene
        .cluster
        .apply(Kind::Gateway, &scene.infra, "applied", "neighbour", body)
        .await?;
    scene
        .gateway_with("edited", json!([own_listener()]))
        .await?;
    let edit = json!({"spec": {"listeners": [theirs]}});
    scene
        .cluster
        .edit(Kind::Gateway, &scene.infra, "edited", edit)
        .await?;
    scene.serve(scene.default_spec("applied")).await?;
    for (gateway, owner) in [("applied", "neighbour"), ("edited", "kubectl-edit")] {
        scene
            .edit(json!({"spec": {"gatewayRef": {"name": gateway}}}))
            .await?;
        let live = scene
            .has_listeners(gateway, &["ofn-http-external", "ofn-http-internal"])
            .await?;
        ensure!(live["spec"]["listeners"][0] == theirs, "{live:#}");
        scene
            .served("names the owner", |object| {
                let ready = condition(object, "Ready").cloned().unwrap_or_default();
                ready["reason"] == "ListenerConflict"
                    && ready["message"]
                        .as_str()
                        .is_some_and(|message| message.contains(&format!("which {owner} made")))
            })
            .await?;
    }
    scene.delete_openfunction().await?;
    for gateway in ["applied", "edited"] {
        let live = scene.has_listeners(gateway, &["ofn-http-external"]).await?;
        ensure!(live["spec"]["listeners"][0] == theirs, "{live:#}");
    }
    Ok(())
}

async fn a_listener_that_somebody_applies_just_as_it_is_is_theirs_too(scene: &Scene) -> Result<()> {
    scene.serve_default().await?;
    let same = listener("ofn-http-external", "*.ofn.io");
    let applied = json!({"spec": {"gatewayClassName": "contour", "listeners": [same]}});
    scene
        .cluster
        .apply(Kind::Gateway, &scene.infra, "contour", "neighbour", applied)
        .await?;
    scene.settle("contour").await?;
    scene.delete_openfunction().await?;
    let gateway = scene
        .has_listeners("contour", &["platform", "ofn-http-external"])
        .await?;
    ensure!(gateway["spec"]["listeners"][1] == same, "{gateway:#}");
    Ok(())
}

async fn a_client_side_apply_of_the_gateways_own_file_does_not_take_our_listeners_for_long(
    scene: &Scene,
) -> Result<()> {
    scene.class().await?;
    let file = |listeners: Value| {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "contour", "namespace": scene.infra},
            "spec": {"gatewayClassName": "contour", "listeners": listeners},
        })
    };
    let kubectl = Kubectl::new(&scene.plane)?;
    kubectl.apply(&file(json!([own_listener()])))?;
    scene.serve(scene.default_spec("contour")).await?;
    scene.has_listeners("contour", &ALL).await?;
    let before = scene.plane.writes(User::Host)?.len();
    kubectl.apply(&file(json!([
        own_listener(),
        listener("another", "*.another.io")
    ])))?;
    scene
        .has_listeners(
            "contour",
            &[
                "platform",
                "another",
                "ofn-http-internal",
                "ofn-http-external",
            ],
        )
        .await?;
    scene.settle("contour").await?;
    let writes = scene.plane.writes(User::Host)?[before..].to_vec();
    let patches = writes
        .iter()
        .filter(|write| *write == "patch gateways contour");
    ensure!(patches.count() == 1, "{writes:?}");
    Ok(())
}

async fn who_writes_the_gateway_without_our_listeners_again_and_again_is_named_and_answered_less_often(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    scene.serve(scene.default_spec("contour")).await?;
    let theirs = json!({"spec": {"listeners": [own_listener()]}});
    let take_out = || {
        let (cluster, theirs) = (&scene.cluster, theirs.clone());
        cluster.edit(Kind::Gateway, &scene.infra, "contour", theirs)
    };
    for _ in 0..3 {
        scene.has_listeners("contour", &ALL).await?;
        take_out().await?;
    }
    scene.has_listeners("contour", &ALL).await?;
    let before = take_out().await?["metadata"]["generation"].clone();
    let object = scene
        .served("names who it is", |object| {
            has_condition(object, "Ready", "False", Some("Undone"))
        })
        .await?;
    let ready = object["status"]["conditions"][1].to_string();
    ensure!(
        ready.contains("platform-team has changed what is ours in Gateway"),
        "{ready}"
    );
    scene.event("Undone").await?;
    scene.settle("contour").await?;
    let held = scene.has_listeners("contour", &["platform"]).await?;
    ensure!(held["metadata"]["generation"] == before, "{held:#}");
    // Another wish does not wait.
    scene.edit(json!({"spec": {"domain": "b.ofn.io"}})).await?;
    let gateway = scene.has_listeners("contour", &ALL).await?;
    ensure!(
        gateway["spec"]["listeners"][2]["hostname"] == "*.b.ofn.io",
        "{gateway:#}"
    );
    scene.program("contour").await?;
    scene.is_ready().await?;
    Ok(())
}

/// With what we remember of it in its annotations, as a program does that knows only its own fields.
async fn who_makes_the_gateway_anew_as_fast_as_possible_is_answered_once_a_second(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    scene.serve(scene.default_spec("contour")).await?;
    scene.has_listeners("contour", &ALL).await?;
    let before = scene.plane.writes(User::Host)?.len();
    let theirs =
        json!({"metadata": {"annotations": null}, "spec": {"listeners": [own_listener()]}});
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        let cluster = &scene.cluster;
        cluster
            .edit(Kind::Gateway, &scene.infra, "contour", theirs.clone())
            .await?;
    }
    let writes = scene.plane.writes(User::Host)?[before..].to_vec();
    let patches = writes
        .iter()
        .filter(|write| *write == "patch gateways contour");
    // Sixty at once, and then one a second.
    let most = 65 + began.elapsed().as_secs();
    let count = patches.count() as u64;
    ensure!(count <= most, "{count} answers, and not at most {most}");
    scene.has_listeners("contour", &ALL).await?;
    Ok(())
}

async fn a_gateway_restored_without_managed_fields_is_served_and_cleaned_as_before(
    scene: &Scene,
) -> Result<()> {
    scene.serve_default().await?;
    scene.stop_host()?;
    for (kind, namespace, name) in [
        (Kind::Gateway, &scene.infra, "contour"),
        (Kind::Ofn, &scene.ofn, "openfunction"),
    ] {
        let forget = json!({"metadata": {"managedFields": [{}]}});
        let live = scene.cluster.edit(kind, namespace, name, forget).await?;
        ensure!(live["metadata"].get("managedFields").is_none(), "{live:#}");
    }
    scene.start_host()?;
    scene
        .edit(json!({"spec": {"domain": "example.org"}}))
        .await?;
    scene
        .gateway("contour", "has the new domain", |gateway| {
            listener_names(gateway) == ALL
                && gateway["spec"]["listeners"][2]["hostname"] == "*.example.org"
        })
        .await?;
    scene.delete_openfunction().await?;
    let gateway = scene.has_listeners("contour", &["platform"]).await?;
    ensure!(gateway["spec"]["listeners"][0] == own_listener());
    Ok(())
}

async fn a_gateway_that_is_full_is_reported_and_keeps_what_it_has(scene: &Scene) -> Result<()> {
    scene.class().await?;
    let theirs = theirs(63);
    scene.gateway_with("contour", json!(theirs)).await?;
    scene.serve(scene.default_spec("contour")).await?;
    scene
        .served("says that the Gateway is full", |object| {
            condition(object, "Ready").is_some_and(|ready| {
                ready["message"]
                    .to_string()
                    .contains("has room for 64 listeners")
            })
        })
        .await?;
    // There is room for one.
    let gateway = scene
        .gateway("contour", "has one of ours", |gateway| {
            listener_names(gateway).len() == 64
        })
        .await?;
    ensure!(
        gateway["spec"]["listeners"]
            .as_array()
            .map(|all| &all[..63])
            == Some(&theirs[..]),
        "{gateway:#}"
    );
    Ok(())
}

async fn a_gateway_with_as_many_listeners_of_others_as_it_may_have_keeps_them_all(
    scene: &Scene,
) -> Result<()> {
    scene.class().await?;
    let before = scene.gateway_with("contour", json!(theirs(64))).await?;
    scene.serve(scene.default_spec("contour")).await?;
    for name in ["ofn-http-internal", "ofn-http-external"] {
        let message = conflict(scene, name).await?;
        ensure!(message.contains("has room for 64 listeners"), "{message}");
    }
    scene.settle("contour").await?;
    let after = scene.gateway("contour", "is there", |_| true).await?;
    ensure!(after["spec"] == before["spec"], "{after:#}");
    scene.delete_openfunction().await?;
    let after = scene.gateway("contour", "is there", |_| true).await?;
    ensure!(after["spec"] == before["spec"], "{after:#}");
    Ok(())
}

/// As by `kubectl replace --force`, or from a backup: with our record, and of another generation.
async fn a_gateway_made_anew_with_our_listeners_altered_is_put_right(scene: &Scene) -> Result<()> {
    scene.serve_default().await?;
    scene.edit(json!({"spec": {"domain": "b.io"}})).await?;
    let has_domain = |gateway: &Value| {
        listener_names(gateway) == ALL
            && gateway["spec"]["listeners"][2]["hostname"] == "*.b.io"
            && gateway["spec"]["listeners"][1]["hostname"] == "*.cluster.local"
    };
    let live = scene
        .gateway("contour", "has the new domain", has_domain)
        .await?;
    for is_down in [true, false] {
        if is_down {
            scene.stop_host()?;
        }
        scene
            .cluster
            .delete(Kind::Gateway, &scene.infra, "contour")
            .await?;
        let mut spec = live["spec"].clone();
        spec["listeners"][1]["hostname"] = json!("*.odd.io");
        let metadata = json!({"annotations": live["metadata"]["annotations"]});
        scene
            .cluster
            .create(
                Kind::Gateway,
                &scene.infra,
                "contour",
                json!({"metadata": metadata, "spec": spec}),
            )
            .await?;
        if is_down {
            scene.start_host()?;
        }
        scene
            .gateway("contour", "has our listeners as they were", has_domain)
            .await?;
    }
    scene.delete_openfunction().await?;
    scene.has_listeners("contour", &["platform"]).await?;
    Ok(())
}

async fn an_openfunction_gateway_restored_with_another_uid_is_served(scene: &Scene) -> Result<()> {
    let envoy = json!({"spec": {"ports": [{"port": 80}]}});
    scene
        .cluster
        .create(Kind::Service, &scene.infra, "envoy", envoy)
        .await?;
    scene.serve_default().await?;
    scene.entry("is there", |_| true).await?;
    let saved = scene.settle("contour").await?;
    scene.stop_host()?;
    scene
        .edit(json!({"metadata": {"finalizers": null}}))
        .await?;
    scene.delete_openfunction().await?;
    // Its owner is gone: the garbage collector takes it too, when it comes to it.
    scene
        .cluster
        .delete(Kind::Service, &scene.ofn, "gateway")
        .await?;
    let body = json!({
        "metadata": {"annotations": saved["metadata"]["annotations"]},
        "spec": saved["spec"],
    });
    let restored = scene
        .cluster
        .create(Kind::Ofn, &scene.ofn, "openfunction", body)
        .await?;
    ensure!(restored["metadata"]["uid"] != saved["metadata"]["uid"]);
    scene.start_host()?;
    scene
        .entry("is the restored one's", |entry| {
            entry["metadata"]["ownerReferences"][0]["uid"] == restored["metadata"]["uid"]
        })
        .await?;
    let gateway = scene.has_listeners("contour", &ALL).await?;
    ensure!(
        gateway["spec"]["listeners"][2]["hostname"] == "*.ofn.io",
        "{gateway:#}"
    );
    scene.delete_openfunction().await?;
    scene.has_listeners("contour", &["platform"]).await?;
    Ok(())
}

async fn a_listener_that_became_theirs_stays_theirs_when_managed_fields_are_lost(
    scene: &Scene,
) -> Result<()> {
    scene.serve_default().await?;
    let theirs = listener("ofn-http-external", "*.theirs.example.com");
    let applied = json!({"spec": {"gatewayClassName": "contour", "listeners": [theirs]}});
    scene
        .cluster
        .apply(Kind::Gateway, &scene.infra, "contour", "neighbour", applied)
        .await?;
    conflict(scene, "ofn-http-external").await?;
    scene
        .gateway("contour", "is not recorded with theirs", |gateway| {
            let annotations = &gateway["metadata"]["annotations"];
            let record = annotations["networking.openfunction.io/injected-listeners"].as_str();
            record.is_some_and(|record| !record.contains("ofn-http-external"))
        })
        .await?;
    scene.stop_host()?;
    let forget = json!({"metadata": {"managedFields": [{}]}});
    let live = scene
        .cluster
        .edit(Kind::Gateway, &scene.infra, "contour", forget)
        .await?;
    ensure!(live["metadata"].get("managedFields").is_none(), "{live:#}");
    scene.start_host()?;
    scene.settle("contour").await?;
    scene.delete_openfunction().await?;
    let gateway = scene
        .has_listeners("contour", &["platform", "ofn-http-external"])
        .await?;
    ensure!(gateway["spec"]["listeners"][1] == theirs, "{gateway:#}");
    Ok(())
}
