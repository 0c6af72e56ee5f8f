use anyhow::{Result, ensure};
use ofn_tests::cluster::{Kind, condition, has_condition};
use ofn_tests::control_plane::User;
use serde_json::json;

use crate::scene::{ALL, OURS, Scene, listener, listener_names, own_listener, tests};

tests![
    a_defined_gateway_is_created_with_its_class_updated_and_deleted,
    a_gateway_that_existed_under_the_defined_name_is_never_deleted,
    a_created_gateway_stays_when_others_have_put_listeners_into_it,
    a_gateway_that_does_not_exist_yet_is_reported_and_served_when_it_comes,
    a_class_that_does_not_exist_yet_is_reported_and_forgotten_when_it_comes,
    a_namespace_that_does_not_exist_yet_is_reported_and_used_when_it_comes,
    the_oldest_openfunction_gateway_is_served_and_the_next_one_takes_over,
    one_that_is_created_while_the_first_is_being_deleted_takes_over_when_that_is_gone,
    of_two_that_were_created_in_one_second_the_first_by_name_is_served,
    of_two_that_were_created_in_one_second_in_two_namespaces_the_first_by_namespace_is_served,
    one_that_stands_by_and_is_deleted_leaves_the_gateway_of_the_served_one_alone,
    a_copy_of_a_created_gateway_is_not_deleted,
    a_gateway_that_somebody_made_before_we_could_is_not_deleted,
    a_created_gateway_that_somebody_made_anew_is_not_deleted,
    a_created_gateway_that_somebody_deletes_is_made_anew,
    an_existing_gateway_of_another_class_keeps_it_and_is_reported,
    a_definition_without_a_name_makes_a_gateway_of_the_objects_own_name,
];

async fn a_defined_gateway_is_created_with_its_class_updated_and_deleted(
    scene: &Scene,
) -> Result<()> {
    scene.class().await?;
    scene.serve(scene.defined_spec("made", "contour")).await?;
    let made = scene.has_listeners("made", &OURS).await?;
    ensure!(made["spec"]["gatewayClassName"] == "contour");
    scene.program("made").await?;
    scene.is_ready().await?;
    scene
        .edit(json!({"spec": {"domain": "example.org"}}))
        .await?;
    scene
        .gateway("made", "has the new domain", |gateway| {
            gateway["spec"]["listeners"][1]["hostname"] == "*.example.org"
        })
        .await?;
    scene
        .edit(json!({"spec": {"gatewayDef": {"gatewayClassName": "other"}}}))
        .await?;
    scene
        .gateway("made", "has the new class", |gateway| {
            gateway["spec"]["gatewayClassName"] == "other"
        })
        .await?;
    scene
        .cluster
        .delete(Kind::Ofn, &scene.ofn, "openfunction")
        .await?;
    scene
        .cluster
        .eventually_gone(Kind::Gateway, &scene.infra, "made")
        .await?;
    scene
        .cluster
        .eventually_gone(Kind::Ofn, &scene.ofn, "openfunction")
        .await
}

async fn a_gateway_that_existed_under_the_defined_name_is_never_deleted(
    scene: &Scene,
) -> Result<()> {
    let before = scene.platform("theirs").await?;
    scene.serve(scene.defined_spec("theirs", "contour")).await?;
    scene.has_listeners("theirs", &ALL).await?;
    scene.delete_openfunction().await?;
    let after = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "theirs")
        .await?;
    ensure!(after["spec"] == before["spec"], "{after:#}");
    ensure!(after["metadata"]["uid"] == before["metadata"]["uid"]);
    Ok(())
}

async fn a_created_gateway_stays_when_others_have_put_listeners_into_it(
    scene: &Scene,
) -> Result<()> {
    scene.class().await?;
    scene.serve(scene.defined_spec("made", "contour")).await?;
    scene.has_listeners("made", &OURS).await?;
    let theirs = json!({"spec": {"gatewayClassName": "contour", "listeners": [own_listener()]}});
    scene
        .cluster
        .apply(Kind::Gateway, &scene.infra, "made", "neighbour", theirs)
        .await?;
    scene.delete_openfunction().await?;
    let left = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "made")
        .await?;
    ensure!(listener_names(&left) == ["platform"], "{left:#}");
    scene.event("GatewayLeft").await?;
    Ok(())
}

async fn a_gateway_that_does_not_exist_yet_is_reported_and_served_when_it_comes(
    scene: &Scene,
) -> Result<()> {
    scene.serve(scene.default_spec("late")).await?;
    let object = scene
        .served("says that the Gateway is missing", |object| {
            has_condition(object, "Ready", "False", Some("NotFound"))
        })
        .await?;
    let message = format!(
        "Gateway {}/late does not exist: create it, or name another one",
        scene.infra
    );
    ensure!(
        condition(&object, "Scheduled")
            .is_some_and(|scheduled| scheduled["message"] == message.as_str())
    );
    does_not_spin(scene).await?;
    scene.platform("late").await?;
    scene.has_listeners("late", &ALL).await?;
    scene.program("late").await?;
    scene.is_ready().await?;
    Ok(())
}

/// Nothing is written while nothing happens.
pub async fn does_not_spin(scene: &Scene) -> Result<()> {
    let before = scene.plane.writes(User::Host)?.len();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let writes = scene.plane.writes(User::Host)?;
    // The pass after the last status write may have been under way.
    ensure!(writes.len() <= before + 1, "{:?}", &writes[before..]);
    Ok(())
}

async fn a_class_that_does_not_exist_yet_is_reported_and_forgotten_when_it_comes(
    scene: &Scene,
) -> Result<()> {
    let class = format!("class-of-{}", scene.infra);
    scene.serve(scene.defined_spec("made", &class)).await?;
    let object = scene
        .served("says that the class is missing", |object| {
            has_condition(object, "Ready", "False", Some("NotFound"))
        })
        .await?;
    let message = format!("GatewayClass {class} does not exist: create it, or name another one");
    ensure!(
        condition(&object, "Ready").is_some_and(|ready| ready["message"] == message.as_str()),
        "{object:#}"
    );
    does_not_spin(scene).await?;
    let spec = json!({"spec": {"controllerName": "example.com/controller"}});
    scene
        .cluster
        .create(Kind::GatewayClass, "", &class, spec)
        .await?;
    scene
        .served("waits for the implementation", |object| {
            has_condition(object, "Ready", "Unknown", Some("Pending"))
        })
        .await?;
    scene.cluster.delete(Kind::GatewayClass, "", &class).await
}

async fn a_namespace_that_does_not_exist_yet_is_reported_and_used_when_it_comes(
    scene: &Scene,
) -> Result<()> {
    scene.class().await?;
    let namespace = format!("late-{}", scene.infra);
    let mut spec = scene.defined_spec("made", "contour");
    spec["gatewayDef"]["namespace"] = json!(namespace);
    scene.serve(spec).await?;
    let object = scene
        .served("says that the Gateway cannot be made", |object| {
            has_condition(object, "Ready", "False", Some("CreationFailure"))
        })
        .await?;
    let message = condition(&object, "Ready")
        .map(|ready| ready["message"].to_string())
        .unwrap_or_default();
    ensure!(
        message.contains(&format!("namespaces \\\"{namespace}\\\" not found")),
        "{message}"
    );
    does_not_spin(scene).await?;
    scene.cluster.namespace(&namespace).await?;
    scene
        .cluster
        .eventually(Kind::Gateway, &namespace, "made", "is made", |gateway| {
            listener_names(gateway) == OURS
        })
        .await?;
    scene
        .served("waits for the implementation", |object| {
            has_condition(object, "Ready", "Unknown", Some("Pending"))
        })
        .await?;
    Ok(())
}

async fn the_oldest_openfunction_gateway_is_served_and_the_next_one_takes_over(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    let envoy = json!({"spec": {"ports": [{"port": 80}]}});
    scene
        .cluster
        .create(Kind::Service, &scene.infra, "envoy", envoy)
        .await?;
    scene.gateway_with("other", json!([own_listener()])).await?;
    scene.serve(scene.default_spec("contour")).await?;
    scene.has_listeners("contour", &ALL).await?;
    // Creation times count in seconds; among equals the name decides.
    let mut spec = scene.default_spec("other");
    spec["gatewaySpec"]["listeners"] = json!([listener("second", "*.ofn.io")]);
    scene
        .cluster
        .create(Kind::Ofn, &scene.ofn, "the-second", json!({"spec": spec}))
        .await?;
    let second = scene
        .cluster
        .eventually(Kind::Ofn, &scene.ofn, "the-second", "stands by", |object| {
            has_condition(object, "Ready", "False", Some("NotServed"))
        })
        .await?;
    ensure!(second["metadata"].get("finalizers").is_none());
    let other = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "other")
        .await?;
    ensure!(listener_names(&other) == ["platform"]);
    scene
        .cluster
        .delete(Kind::Ofn, &scene.ofn, "openfunction")
        .await?;
    scene
        .has_listeners("other", &["platform", "second", "ofn-http-internal"])
        .await?;
    scene.has_listeners("contour", &["platform"]).await?;
    scene
        .cluster
        .eventually(Kind::Ofn, &scene.ofn, "the-second", "is served", |object| {
            object["metadata"]["finalizers"] == json!(["networking.openfunction.io/finalizer"])
                && condition(object, "Ready").is_some_and(|ready| ready["reason"] != "NotServed")
                && condition(object, "Scheduled")
                    .is_some_and(|scheduled| scheduled["reason"] != "NotServed")
        })
        .await?;
    scene
        .entry("is the second one's", |entry| {
            entry["metadata"]["ownerReferences"][0]["uid"] == second["metadata"]["uid"]
        })
        .await?;
    Ok(())
}

async fn one_that_is_created_while_the_first_is_being_deleted_takes_over_when_that_is_gone(
    scene: &Scene,
) -> Result<()> {
    scene.serve_default().await?;
    // The other one has a later name: both may be created in one second.
    // Somebody else's finalizer makes its end last.
    let finalizers = ["networking.openfunction.io/finalizer", "example.com/other"];
    scene
        .edit(json!({"metadata": {"finalizers": finalizers}}))
        .await?;
    scene.stop_host()?;
    scene
        .cluster
        .delete(Kind::Ofn, &scene.ofn, "openfunction")
        .await?;
    let mut spec = scene.default_spec("contour");
    spec["gatewaySpec"]["listeners"] = json!([listener("second", "*.ofn.io")]);
    scene
        .cluster
        .create(Kind::Ofn, &scene.ofn, "z-second", json!({"spec": spec}))
        .await?;
    scene.start_host()?;
    scene.has_listeners("contour", &["platform"]).await?;
    scene
        .cluster
        .eventually(Kind::Ofn, &scene.ofn, "z-second", "stands by", |object| {
            has_condition(object, "Ready", "False", Some("NotServed"))
        })
        .await?;
    scene.has_listeners("contour", &["platform"]).await?;
    scene
        .edit(json!({"metadata": {"finalizers": null}}))
        .await?;
    scene
        .has_listeners("contour", &["platform", "second", "ofn-http-internal"])
        .await?;
    Ok(())
}

async fn of_two_that_were_created_in_one_second_the_first_by_name_is_served(
    scene: &Scene,
) -> Result<()> {
    first_of_a_pair_is_served(scene, (&scene.ofn, "a"), (&scene.ofn, "b")).await
}

async fn of_two_that_were_created_in_one_second_in_two_namespaces_the_first_by_namespace_is_served(
    scene: &Scene,
) -> Result<()> {
    let next = format!("{}-next", scene.ofn);
    scene.cluster.namespace(&next).await?;
    let result = first_of_a_pair_is_served(scene, (&scene.ofn, "b"), (&next, "a")).await;
    // Whatever has come of it, the next test must not find it.
    for left in scene.cluster.list(Kind::Ofn, &next).await? {
        let name = left["metadata"]["name"].as_str().unwrap_or_default();
        scene.cluster.delete(Kind::Ofn, &next, name).await?;
        scene
            .cluster
            .eventually_gone(Kind::Ofn, &next, name)
            .await?;
    }
    result
}

/// Namespaces and beginnings of names.
async fn first_of_a_pair_is_served(
    scene: &Scene,
    first: (&str, &str),
    second: (&str, &str),
) -> Result<()> {
    scene.platform("contour").await?;
    scene.stop_host()?;
    // Creation times count in seconds: two in the same one are soon had.
    let mut pair = 0;
    let named = |(_, name): (&str, &str), pair| format!("{name}-{pair}");
    loop {
        let mut times = Vec::new();
        for one in [second, first] {
            let body = json!({"spec": scene.default_spec("contour")});
            let made = scene
                .cluster
                .create(Kind::Ofn, one.0, &named(one, pair), body)
                .await?;
            times.push(made["metadata"]["creationTimestamp"].clone());
        }
        if times[0] == times[1] {
            break;
        }
        for one in [first, second] {
            scene
                .cluster
                .delete(Kind::Ofn, one.0, &named(one, pair))
                .await?;
        }
        pair += 1;
    }
    scene.start_host()?;
    let not_served =
        |object: &serde_json::Value| has_condition(object, "Ready", "False", Some("NotServed"));
    scene
        .cluster
        .eventually(
            Kind::Ofn,
            second.0,
            &named(second, pair),
            "stands by",
            not_served,
        )
        .await?;
    scene
        .cluster
        .eventually(
            Kind::Ofn,
            first.0,
            &named(first, pair),
            "is served",
            |object| condition(object, "Ready").is_some() && !not_served(object),
        )
        .await?;
    Ok(())
}

async fn one_that_stands_by_and_is_deleted_leaves_the_gateway_of_the_served_one_alone(
    scene: &Scene,
) -> Result<()> {
    let before = scene.serve_default().await?;
    // As the old controller left it; and somebody else's finalizer, which makes its end last.
    let finalizers = ["networking.openfunction.io/finalizer", "example.com/other"];
    let body = json!({
        "metadata": {"finalizers": finalizers},
        "spec": scene.default_spec("contour"),
    });
    scene
        .cluster
        .create(Kind::Ofn, &scene.ofn, "the-second", body)
        .await?;
    scene
        .cluster
        .delete(Kind::Ofn, &scene.ofn, "the-second")
        .await?;
    scene
        .cluster
        .eventually(Kind::Ofn, &scene.ofn, "the-second", "is let go", |object| {
            object["metadata"]["finalizers"] == json!(["example.com/other"])
        })
        .await?;
    let after = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "contour")
        .await?;
    ensure!(
        after["metadata"]["generation"] == before["metadata"]["generation"],
        "{after:#}"
    );
    let release = json!({"metadata": {"finalizers": null}});
    scene
        .cluster
        .edit(Kind::Ofn, &scene.ofn, "the-second", release)
        .await?;
    Ok(())
}

async fn a_copy_of_a_created_gateway_is_not_deleted(scene: &Scene) -> Result<()> {
    scene.class().await?;
    scene.serve(scene.defined_spec("made", "contour")).await?;
    let made = scene.has_listeners("made", &OURS).await?;
    // As somebody makes it who exports the Gateway and renames it.
    let copy = json!({
        "metadata": {"annotations": made["metadata"]["annotations"]},
        "spec": made["spec"],
    });
    scene
        .cluster
        .create(Kind::Gateway, &scene.infra, "copy", copy)
        .await?;
    let reference = json!({"name": "copy", "namespace": scene.infra});
    scene
        .edit(json!({"spec": {"gatewayDef": null, "gatewayRef": reference}}))
        .await?;
    scene.settle("copy").await?;
    scene.delete_openfunction().await?;
    scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "copy")
        .await?;
    Ok(())
}

async fn a_gateway_that_somebody_made_before_we_could_is_not_deleted(scene: &Scene) -> Result<()> {
    scene.class().await?;
    let namespace = format!("late-{}", scene.infra);
    let mut spec = scene.defined_spec("made", "contour");
    spec["gatewayDef"]["namespace"] = json!(namespace);
    scene.serve(spec).await?;
    scene
        .served("says that the Gateway cannot be made", |object| {
            has_condition(object, "Ready", "False", Some("CreationFailure"))
        })
        .await?;
    scene.stop_host()?;
    scene.cluster.namespace(&namespace).await?;
    let theirs = json!({"spec": {"gatewayClassName": "contour", "listeners": [own_listener()]}});
    scene
        .cluster
        .create(Kind::Gateway, &namespace, "made", theirs)
        .await?;
    scene.start_host()?;
    scene
        .cluster
        .eventually(Kind::Gateway, &namespace, "made", "serves ours", |made| {
            listener_names(made) == ALL
        })
        .await?;
    scene.delete_openfunction().await?;
    let left = scene
        .cluster
        .must_get(Kind::Gateway, &namespace, "made")
        .await?;
    ensure!(
        left["spec"]["listeners"] == json!([own_listener()]),
        "{left:#}"
    );
    Ok(())
}

async fn a_created_gateway_that_somebody_made_anew_is_not_deleted(scene: &Scene) -> Result<()> {
    scene.class().await?;
    scene.serve(scene.defined_spec("made", "contour")).await?;
    let made = scene.has_listeners("made", &OURS).await?;
    scene.settle("made").await?;
    scene.stop_host()?;
    scene
        .cluster
        .delete(Kind::Gateway, &scene.infra, "made")
        .await?;
    let anew = json!({
        "metadata": {
            "labels": made["metadata"]["labels"],
            "annotations": made["metadata"]["annotations"],
        },
        "spec": made["spec"],
    });
    let anew = scene
        .cluster
        .create(Kind::Gateway, &scene.infra, "made", anew)
        .await?;
    scene.start_host()?;
    scene.settle("made").await?;
    scene.delete_openfunction().await?;
    let left = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "made")
        .await?;
    ensure!(
        left["metadata"]["uid"] == anew["metadata"]["uid"],
        "{left:#}"
    );
    Ok(())
}

async fn a_created_gateway_that_somebody_deletes_is_made_anew(scene: &Scene) -> Result<()> {
    scene.class().await?;
    scene.serve(scene.defined_spec("made", "contour")).await?;
    let made = scene.has_listeners("made", &OURS).await?;
    scene
        .cluster
        .delete(Kind::Gateway, &scene.infra, "made")
        .await?;
    scene
        .gateway("made", "is another one", |anew| {
            anew["metadata"]["uid"] != made["metadata"]["uid"] && listener_names(anew) == OURS
        })
        .await?;
    scene.delete_openfunction().await?;
    scene
        .cluster
        .eventually_gone(Kind::Gateway, &scene.infra, "made")
        .await
}

async fn an_existing_gateway_of_another_class_keeps_it_and_is_reported(
    scene: &Scene,
) -> Result<()> {
    let before = scene.platform("theirs").await?;
    scene.serve(scene.defined_spec("theirs", "other")).await?;
    let object = scene
        .served("says that the class is another one", |object| {
            has_condition(object, "Ready", "False", Some("GatewayClassConflict"))
        })
        .await?;
    let ready = condition(&object, "Ready").map(|ready| ready["message"].to_string());
    let ready = ready.unwrap_or_default();
    let message = "theirs existed before and has class contour, not other";
    ensure!(ready.contains(message), "{ready}");
    let during = scene.has_listeners("theirs", &ALL).await?;
    ensure!(
        during["spec"]["gatewayClassName"] == "contour",
        "{during:#}"
    );
    scene.delete_openfunction().await?;
    let after = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "theirs")
        .await?;
    ensure!(after["spec"] == before["spec"], "{after:#}");
    Ok(())
}

async fn a_definition_without_a_name_makes_a_gateway_of_the_objects_own_name(
    scene: &Scene,
) -> Result<()> {
    scene.class().await?;
    let mut spec = scene.defined_spec("", "contour");
    spec["gatewayDef"] = json!({"namespace": scene.infra, "gatewayClassName": "contour"});
    scene.serve(spec).await?;
    scene.has_listeners("openfunction", &OURS).await?;
    scene
        .served("shows the name", |object| {
            object["spec"]["gatewayDef"]["name"] == "openfunction"
        })
        .await?;
    Ok(())
}
