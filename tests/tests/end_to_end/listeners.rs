use anyhow::{Context, Result, ensure};
use ofn_tests::cluster::{Kind, has_condition, named};
use ofn_tests::control_plane::{Kubectl, User};
use serde_json::{Value, json};

use crate::scene::{ALL, Scene, condition, listener, own_listener, tests};

tests![
    the_default_gateway_gets_the_documents_status_where_contour_says_scheduled_and_ready,
    the_default_gateway_gets_the_documents_status_where_contour_says_accepted_and_programmed,
    what_the_kubernetes_gateway_had_is_untouched,
    the_default_listener_is_added_and_can_be_seen,
    an_odd_default_listener_is_corrected,
    a_disabled_default_listener_is_not_added,
    defaults_that_the_same_manager_takes_out_again_are_effective_and_written_no_more,
    what_is_applied_server_side_is_served_with_defaults_and_stays_as_it_was_written,
    a_file_that_kubectl_applies_again_and_again_costs_a_bounded_number_of_generations,
    a_file_that_is_applied_server_side_again_and_again_costs_nothing,
    what_is_created_and_edited_costs_one_write_of_its_spec_each,
    a_change_of_domain_reaches_the_gateway_the_entry_and_the_status,
    a_change_of_cluster_domain_reaches_the_gateway_and_the_entry,
    a_domain_that_moves_under_itself_and_back_takes_generated_names_along_and_leaves_the_users,
    a_domain_under_the_cluster_domain_is_a_domain_of_its_own,
    of_two_listeners_that_come_to_one_host_name_and_port_the_first_is_served,
    a_host_name_in_upper_case_or_too_long_is_refused_with_its_field,
    a_listener_that_leaves_the_spec_leaves_the_gateway,
    tls_and_fields_unknown_to_us_are_passed_through,
    tcp_and_udp_listeners_have_no_host_name_in_the_kubernetes_gateway,
    a_default_listener_that_is_disabled_later_goes_and_comes_back_with_the_annotation,
    an_odd_value_of_the_default_listener_annotation_is_invalid_with_its_path,
    a_listener_that_is_renamed_where_the_object_is_applied_server_side_is_renamed_without_a_fight,
    of_two_tcp_listeners_on_one_port_the_first_is_served_and_the_second_reported,
];

/// The status in the document that we implement.
fn documented() -> Value {
    let listener = |name: &str| {
        json!({
            "attachedRoutes": 0,
            "conditions": [
                {"message": "Valid listener", "reason": "Ready", "status": "True", "type": "Ready"},
            ],
            "name": name,
            "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
        })
    };
    json!({
        "conditions": [
            {"message": "Gateway is scheduled", "reason": "Scheduled", "status": "True", "type": "Scheduled"},
            {"message": "Valid Gateway", "reason": "Valid", "status": "True", "type": "Ready"},
        ],
        "listeners": [listener("ofn-http-internal"), listener("ofn-http-external")],
    })
}

async fn the_default_gateway_gets_the_documents_status_where_contour_says_scheduled_and_ready(
    scene: &Scene,
) -> Result<()> {
    scene.serve_default().await?;
    let listeners: Vec<_> = ALL
        .iter()
        .map(|name| {
            json!({
                "name": name,
                "attachedRoutes": 0,
                "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
                "conditions": [condition("Ready", "True", "Ready", "Valid listener", 0)],
            })
        })
        .collect();
    let status = json!({
        "conditions": [
            condition("Scheduled", "True", "Scheduled", "Gateway is scheduled", 2),
            condition("Ready", "True", "Valid", "Valid Gateway", 2),
        ],
        "listeners": listeners,
    });
    scene
        .cluster
        .write_status(Kind::Gateway, &scene.infra, "contour", status)
        .await?;
    // The API server's own "waiting" conditions went with this write: a status is a whole.
    is_documented(scene).await
}

async fn the_default_gateway_gets_the_documents_status_where_contour_says_accepted_and_programmed(
    scene: &Scene,
) -> Result<()> {
    scene.serve_default().await?;
    scene.program("contour").await?;
    is_documented(scene).await
}

async fn is_documented(scene: &Scene) -> Result<()> {
    let expected = documented();
    scene
        .served("has the document's status", |object| {
            let status = &object["status"];
            status["conditions"] == expected["conditions"]
                && status["listeners"] == expected["listeners"]
        })
        .await?;
    Ok(())
}

async fn what_the_kubernetes_gateway_had_is_untouched(scene: &Scene) -> Result<()> {
    let before = scene.platform("contour").await?;
    scene.serve(scene.default_spec("contour")).await?;
    let during = scene.has_listeners("contour", &ALL).await?;
    ensure!(during["spec"]["listeners"][0] == before["spec"]["listeners"][0]);
    ensure!(during["metadata"]["labels"] == before["metadata"]["labels"]);
    ensure!(during["metadata"]["annotations"]["team"] == "platform");
    let injected =
        during["metadata"]["annotations"]["networking.openfunction.io/injected-listeners"]
            .as_str()
            .unwrap_or_default();
    let injected: Value = serde_json::from_str(injected)?;
    ensure!(
        injected
            == json!([
                listener("ofn-http-internal", "*.cluster.local"),
                listener("ofn-http-external", "*.ofn.io"),
            ])
    );
    scene.delete_openfunction().await?;
    let after = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "contour")
        .await?;
    ensure!(after["spec"] == before["spec"], "{:#}", after["spec"]);
    ensure!(after["metadata"]["labels"] == before["metadata"]["labels"]);
    ensure!(after["metadata"]["annotations"] == before["metadata"]["annotations"]);
    Ok(())
}

async fn the_default_listener_is_added_and_can_be_seen(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    let mut spec = scene.default_spec("contour");
    spec["gatewaySpec"]["listeners"] = json!([{"name": "web", "port": 8080, "protocol": "HTTP"}]);
    scene.serve(spec).await?;
    scene
        .has_listeners("contour", &["platform", "web", "ofn-http-internal"])
        .await?;
    let object = scene
        .served("shows the default listener", |object| {
            named(
                &object["spec"]["gatewaySpec"]["listeners"],
                "ofn-http-internal",
            )
            .is_some()
        })
        .await?;
    let listeners = &object["spec"]["gatewaySpec"]["listeners"];
    ensure!(listeners[0]["hostname"] == "*.ofn.io", "{listeners:#}");
    ensure!(
        listeners[1] == listener("ofn-http-internal", "*.cluster.local"),
        "{listeners:#}"
    );
    Ok(())
}

async fn an_odd_default_listener_is_corrected(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    let mut spec = scene.default_spec("contour");
    spec["gatewaySpec"]["listeners"][0] = json!({
        "name": "ofn-http-internal",
        "hostname": "odd.example.com",
        "port": 81,
        "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "certificateRefs": [{"name": "odd"}]},
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    });
    scene.serve(spec).await?;
    let expected = listener("ofn-http-internal", "*.cluster.local");
    scene
        .gateway("contour", "has the corrected listener", |gateway| {
            named(&gateway["spec"]["listeners"], "ofn-http-internal") == Some(&expected)
        })
        .await?;
    scene
        .served("shows the corrected listener", |object| {
            named(
                &object["spec"]["gatewaySpec"]["listeners"],
                "ofn-http-internal",
            ) == Some(&expected)
        })
        .await?;
    Ok(())
}

async fn a_disabled_default_listener_is_not_added(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    let mut spec = scene.default_spec("contour");
    spec["gatewaySpec"]["listeners"] = json!([listener("web", "*.ofn.io")]);
    let body = json!({
        "metadata": {"annotations": {"networking.openfunction.io/default-listener": "disabled"}},
        "spec": spec,
    });
    scene
        .cluster
        .create(Kind::Ofn, &scene.ofn, "openfunction", body)
        .await?;
    scene.has_listeners("contour", &["platform", "web"]).await?;
    scene.settle("contour").await?;
    scene.has_listeners("contour", &["platform", "web"]).await?;
    Ok(())
}

async fn defaults_that_the_same_manager_takes_out_again_are_effective_and_written_no_more(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    // As a client-side apply sends it: the whole list, each time.
    let file = json!([{"name": "web", "port": 80, "protocol": "HTTP"}]);
    let mut spec = scene.default_spec("contour");
    spec["gatewaySpec"]["listeners"] = file.clone();
    scene.serve(spec).await?;
    let apply = json!({"spec": {"gatewaySpec": {"listeners": file}}});
    let is_shown = |object: &Value| {
        let listeners = &object["spec"]["gatewaySpec"]["listeners"];
        named(listeners, "ofn-http-internal").is_some()
            && named(listeners, "web").is_some_and(|web| web["hostname"] == "*.ofn.io")
    };
    scene.served("shows the defaults", is_shown).await?;
    scene.edit(apply.clone()).await?;
    scene.served("shows them again", is_shown).await?;
    for _ in 0..3 {
        scene.edit(apply.clone()).await?;
        scene.settle("contour").await?;
    }
    let event = scene.event("DefaultsWithheld").await?;
    let note = event["note"].as_str().unwrap_or_default();
    // Who only takes something out leaves no trace: it is said of whose list it is.
    ensure!(note.starts_with("platform-team has"), "{note}");
    let object = scene.served("exists", |_| true).await?;
    ensure!(
        object["spec"]["gatewaySpec"]["listeners"] == file,
        "{object:#}"
    );
    // One for the creation, one for what was shown, one for each take-out and each showing: the
    // applies that changed nothing made none.
    ensure!(object["metadata"]["generation"] == 5, "{object:#}");
    let gateway = scene
        .has_listeners("contour", &["platform", "web", "ofn-http-internal"])
        .await?;
    ensure!(gateway["spec"]["listeners"][1]["hostname"] == "*.ofn.io");
    Ok(())
}

async fn what_is_applied_server_side_is_served_with_defaults_and_stays_as_it_was_written(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    let mut spec = scene.default_spec("contour");
    let file = json!([{"name": "web", "port": 80, "protocol": "HTTP"}]);
    spec["gatewaySpec"]["listeners"] = file.clone();
    let apply = async || {
        let body = json!({"spec": spec});
        scene
            .cluster
            .apply(Kind::Ofn, &scene.ofn, "openfunction", "gitops", body)
            .await
    };
    apply().await?;
    let gateway = scene
        .has_listeners("contour", &["platform", "web", "ofn-http-internal"])
        .await?;
    ensure!(gateway["spec"]["listeners"][1]["hostname"] == "*.ofn.io");
    let event = scene.event("DefaultsWithheld").await?;
    let note = event["note"].as_str().unwrap_or_default();
    ensure!(note.contains("is applied by gitops"), "{note}");
    let before = scene.served("exists", |_| true).await?;
    let listeners = &before["spec"]["gatewaySpec"]["listeners"];
    ensure!(listeners[0] == file[0], "{listeners:#}");
    apply().await?;
    scene.settle("contour").await?;
    let after = scene.served("exists", |_| true).await?;
    ensure!(after["spec"] == before["spec"], "{after:#}");
    Ok(())
}

/// How often the host has written the OpenFunction Gateway itself, not its status.
fn writes_of_the_spec(scene: &Scene) -> Result<usize> {
    let writes = scene.plane.writes(User::Host)?;
    let of_it = |write: &&String| *write == "patch gateways openfunction";
    Ok(writes.iter().filter(of_it).count())
}

/// The file that a user has: only what must be there.
fn file(scene: &Scene) -> Value {
    json!({
        "apiVersion": "networking.openfunction.io/v1alpha1",
        "kind": "Gateway",
        "metadata": {"name": "openfunction", "namespace": scene.ofn},
        "spec": {
            "domain": "ofn.io",
            "gatewayRef": {"name": "contour", "namespace": scene.infra},
            "gatewaySpec": {"listeners": [{"name": "web", "port": 80, "protocol": "HTTP"}]},
        },
    })
}

async fn generation(scene: &Scene) -> Result<i64> {
    scene.settle("contour").await?;
    let object = scene.served("exists", |_| true).await?;
    let generation = object["metadata"]["generation"].as_i64();
    generation.context("a generation")
}

async fn a_file_that_kubectl_applies_again_and_again_costs_a_bounded_number_of_generations(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    let kubectl = Kubectl::new(&scene.plane)?;
    let before = writes_of_the_spec(scene)?;
    for _ in 0..5 {
        kubectl.apply(&file(scene))?;
        scene
            .has_listeners("contour", &["platform", "web", "ofn-http-internal"])
            .await?;
        scene.settle("contour").await?;
    }
    // Made, shown, taken out, shown again, and taken out for good.
    let bounded = generation(scene).await?;
    ensure!(bounded == 5, "{bounded}");
    let writes = writes_of_the_spec(scene)? - before;
    for _ in 0..5 {
        kubectl.apply(&file(scene))?;
        scene.settle("contour").await?;
    }
    ensure!(generation(scene).await? == bounded);
    ensure!(writes_of_the_spec(scene)? - before == writes, "{writes}");
    Ok(())
}

async fn a_file_that_is_applied_server_side_again_and_again_costs_nothing(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    let apply = async || {
        let body = json!({"spec": file(scene)["spec"]});
        let cluster = &scene.cluster;
        cluster
            .apply(Kind::Ofn, &scene.ofn, "openfunction", "gitops", body)
            .await
    };
    apply().await?;
    scene
        .has_listeners("contour", &["platform", "web", "ofn-http-internal"])
        .await?;
    let first = generation(scene).await?;
    let writes = scene.plane.writes(User::Host)?.len();
    for _ in 0..5 {
        apply().await?;
    }
    ensure!(generation(scene).await? == first);
    // What settles is seen and told in the status, twice.
    let after = scene.plane.writes(User::Host)?.split_off(writes);
    let status = |write: &&String| *write == "patch gateways/status openfunction";
    ensure!(after.iter().all(|write| status(&write)), "{after:?}");
    Ok(())
}

async fn what_is_created_and_edited_costs_one_write_of_its_spec_each(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    let before = writes_of_the_spec(scene)?;
    scene.serve(file(scene)["spec"].clone()).await?;
    scene
        .has_listeners("contour", &["platform", "web", "ofn-http-internal"])
        .await?;
    ensure!(generation(scene).await? == 2);
    // The defaults with our finalizer, then the uid of the Gateway that was touched.
    let created = writes_of_the_spec(scene)? - before;
    ensure!((1..=2).contains(&created), "{created}");
    for domain in ["a.io", "b.io", "c.io"] {
        let before = writes_of_the_spec(scene)?;
        let edited = scene.edit(json!({"spec": {"domain": domain}})).await?;
        let edited = edited["metadata"]["generation"].as_i64();
        scene
            .gateway("contour", "has the domain", |gateway| {
                gateway["spec"]["listeners"][1]["hostname"] == format!("*.{domain}")
            })
            .await?;
        let after = generation(scene).await?;
        ensure!(Some(after) == edited.map(|edited| edited + 1), "{after}");
        ensure!(writes_of_the_spec(scene)? - before == 1);
    }
    Ok(())
}

async fn a_domain_that_moves_under_itself_and_back_takes_generated_names_along_and_leaves_the_users(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    let mut spec = scene.default_spec("contour");
    spec["domain"] = json!("a.io");
    spec["gatewaySpec"]["listeners"] = json!([
        {"name": "generated", "port": 80, "protocol": "HTTP"},
        {"name": "users", "port": 80, "protocol": "HTTP", "hostname": "blue.b.a.io"},
    ]);
    scene.serve(spec).await?;
    scene
        .has_listeners(
            "contour",
            &["platform", "generated", "users", "ofn-http-internal"],
        )
        .await?;
    for (domain, generation) in [("b.a.io", 4), ("a.io", 6)] {
        scene.edit(json!({"spec": {"domain": domain}})).await?;
        let gateway = scene
            .gateway("contour", "has the new name", |gateway| {
                named(&gateway["spec"]["listeners"], "generated")
                    .is_some_and(|listener| listener["hostname"] == format!("*.{domain}"))
            })
            .await?;
        let users = named(&gateway["spec"]["listeners"], "users");
        ensure!(
            users.is_some_and(|users| users["hostname"] == "blue.b.a.io"),
            "{gateway:#}"
        );
        let object = scene.settle("contour").await?;
        // The creation and what was filled in, then each edit and what was filled in for it.
        ensure!(object["metadata"]["generation"] == generation, "{object:#}");
    }
    Ok(())
}

async fn a_domain_under_the_cluster_domain_is_a_domain_of_its_own(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    let mut spec = scene.default_spec("contour");
    spec["domain"] = json!("apps.cluster.local");
    spec["gatewaySpec"]["listeners"] = json!([
        {"name": "web", "port": 80, "protocol": "HTTP"},
        {"name": "inside", "port": 80, "protocol": "HTTP", "hostname": "a.svc.cluster.local"},
    ]);
    scene.serve(spec).await?;
    let all = ["platform", "web", "inside", "ofn-http-internal"];
    let gateway = scene.has_listeners("contour", &all).await?;
    let hostnames = |gateway: &Value| {
        let listeners = gateway["spec"]["listeners"].as_array().cloned();
        let hostnames = listeners.into_iter().flatten();
        hostnames
            .skip(1)
            .map(|listener| listener["hostname"].clone())
            .collect::<Vec<_>>()
    };
    let internal = "*.cluster.local";
    ensure!(hostnames(&gateway) == ["*.apps.cluster.local", "a.svc.cluster.local", internal]);
    scene.edit(json!({"spec": {"domain": "ofn.io"}})).await?;
    let gateway = scene
        .gateway("contour", "has the new name", |gateway| {
            hostnames(gateway)[0] == "*.ofn.io"
        })
        .await?;
    ensure!(hostnames(&gateway)[1..] == ["a.svc.cluster.local", internal]);
    let back = json!({"spec": {"domain": "apps.cluster.local"}});
    scene.edit(back).await?;
    let gateway = scene
        .gateway("contour", "has the first name again", |gateway| {
            hostnames(gateway)[0] == "*.apps.cluster.local"
        })
        .await?;
    ensure!(hostnames(&gateway)[1..] == ["a.svc.cluster.local", internal]);
    Ok(())
}

async fn of_two_listeners_that_come_to_one_host_name_and_port_the_first_is_served(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    let mut spec = scene.default_spec("contour");
    spec["gatewaySpec"]["listeners"] = json!([
        {"name": "one", "port": 80, "protocol": "HTTP"},
        {"name": "two", "port": 80, "protocol": "HTTP"},
        {"name": "other-port", "port": 8080, "protocol": "HTTP"},
    ]);
    scene.serve(spec).await?;
    let all = ["platform", "one", "other-port", "ofn-http-internal"];
    scene.has_listeners("contour", &all).await?;
    let object = scene
        .served("reports the second", |object| {
            named(&object["status"]["listeners"], "two").is_some_and(|listener| {
                has_condition(
                    &json!({"status": listener}),
                    "Ready",
                    "False",
                    Some("ListenerConflict"),
                )
            })
        })
        .await?;
    let two = named(&object["status"]["listeners"], "two").map(Value::to_string);
    let two = two.unwrap_or_default();
    ensure!(
        two.contains("listener one of this object serves HTTP for *.ofn.io on port 80"),
        "{two}"
    );
    Ok(())
}

async fn a_host_name_in_upper_case_or_too_long_is_refused_with_its_field(
    scene: &Scene,
) -> Result<()> {
    for hostname in [
        "Web.ofn.io",
        "*.*.ofn.io",
        &format!("{}.ofn.io", ["a"; 130].join(".")),
    ] {
        let mut spec = scene.default_spec("contour");
        spec["gatewaySpec"]["listeners"][1]["hostname"] = json!(hostname);
        let refused = scene
            .serve(spec)
            .await
            .err()
            .map(|error| format!("{error:#}"));
        let refused = refused.unwrap_or_default();
        ensure!(
            refused.contains("spec.gatewaySpec.listeners[1].hostname"),
            "{hostname}: {refused}"
        );
    }
    Ok(())
}

async fn a_change_of_domain_reaches_the_gateway_the_entry_and_the_status(
    scene: &Scene,
) -> Result<()> {
    scene.serve_ready().await?;
    scene
        .edit(json!({"spec": {"domain": "example.org"}}))
        .await?;
    scene
        .gateway("contour", "serves the new domain", |gateway| {
            named(&gateway["spec"]["listeners"], "ofn-http-external")
                .is_some_and(|listener| listener["hostname"] == "*.example.org")
        })
        .await?;
    let object = scene
        .served("waits for the implementation", |object| {
            has_condition(object, "Ready", "Unknown", Some("Pending"))
        })
        .await?;
    ensure!(object["spec"]["gatewaySpec"]["listeners"][1]["hostname"] == "*.example.org");
    scene.program("contour").await?;
    scene.is_ready().await?;
    Ok(())
}

async fn a_change_of_cluster_domain_reaches_the_gateway_and_the_entry(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    scene
        .cluster
        .create(
            Kind::Service,
            &scene.infra,
            "envoy",
            json!({"spec": {"ports": [{"port": 80}]}}),
        )
        .await?;
    let mut spec = scene.default_spec("contour");
    spec["gatewaySpec"]["listeners"][1] =
        json!({"name": "inside", "hostname": "*.cluster.local", "port": 8080, "protocol": "HTTP"});
    scene.serve(spec).await?;
    let before = format!("envoy.{}.svc.cluster.local", scene.infra);
    scene
        .entry("points at Envoy", |entry| {
            entry["spec"]["externalName"] == before.as_str()
        })
        .await?;
    scene
        .edit(json!({"spec": {"clusterDomain": "corp.internal"}}))
        .await?;
    scene
        .gateway("contour", "serves the new cluster domain", |gateway| {
            ["ofn-http-internal", "inside"].iter().all(|name| {
                named(&gateway["spec"]["listeners"], name)
                    .is_some_and(|listener| listener["hostname"] == "*.corp.internal")
            })
        })
        .await?;
    let after = format!("envoy.{}.svc.corp.internal", scene.infra);
    scene
        .entry("is in the new domain", |entry| {
            entry["spec"]["externalName"] == after.as_str()
        })
        .await?;
    Ok(())
}

async fn a_listener_that_leaves_the_spec_leaves_the_gateway(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    let mut spec = scene.default_spec("contour");
    let all = json!([
        listener("ofn-http-internal", "*.cluster.local"),
        listener("ofn-http-external", "*.ofn.io"),
        listener("blue", "*.blue.ofn.io"),
    ]);
    spec["gatewaySpec"]["listeners"] = all.clone();
    scene.serve(spec).await?;
    scene
        .has_listeners(
            "contour",
            &["platform", "ofn-http-internal", "ofn-http-external", "blue"],
        )
        .await?;
    let fewer = json!([all[0], all[2]]);
    scene
        .edit(json!({"spec": {"gatewaySpec": {"listeners": fewer}}}))
        .await?;
    let gateway = scene
        .has_listeners("contour", &["platform", "ofn-http-internal", "blue"])
        .await?;
    ensure!(gateway["spec"]["listeners"][0] == own_listener());
    scene
        .served("reports on two listeners", |object| {
            object["status"]["listeners"]
                .as_array()
                .is_some_and(|listeners| listeners.len() == 2)
        })
        .await?;
    Ok(())
}

async fn tls_and_fields_unknown_to_us_are_passed_through(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    let mut spec = scene.default_spec("contour");
    let https = json!({
        "name": "https",
        "hostname": "*.ofn.io",
        "port": 443,
        "protocol": "HTTPS",
        "tls": {"certificateRefs": [{"name": "cert"}], "options": {"example.com/min": "1.3"}},
        "allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}},
        "yetToBeInvented": {"deep": [1, "two"]},
    });
    spec["gatewaySpec"]["listeners"] = json!([https]);
    scene.serve(spec).await?;
    let gateway = scene
        .has_listeners("contour", &["platform", "https", "ofn-http-internal"])
        .await?;
    let live = &gateway["spec"]["listeners"][1];
    ensure!(
        live["tls"]["options"] == https["tls"]["options"],
        "{live:#}"
    );
    ensure!(
        live["tls"]["certificateRefs"][0]["name"] == "cert",
        "{live:#}"
    );
    ensure!(live["allowedRoutes"] == https["allowedRoutes"], "{live:#}");
    let object = scene
        .served("shows the default listener", |object| {
            named(
                &object["spec"]["gatewaySpec"]["listeners"],
                "ofn-http-internal",
            )
            .is_some()
        })
        .await?;
    ensure!(
        object["spec"]["gatewaySpec"]["listeners"][0] == https,
        "{object:#}"
    );
    // The API server filled in defaults, in the Gateway; they are no reason to write again.
    let writes = scene
        .plane
        .writes(ofn_tests::control_plane::User::Host)?
        .len();
    scene.settle("contour").await?;
    let more = scene.plane.writes(ofn_tests::control_plane::User::Host)?;
    let more: Vec<_> = more[writes..]
        .iter()
        .filter(|write| !write.contains("gateways/status"))
        .collect();
    ensure!(more.is_empty(), "{more:?}");
    Ok(())
}

async fn tcp_and_udp_listeners_have_no_host_name_in_the_kubernetes_gateway(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    let mut spec = scene.default_spec("contour");
    spec["gatewaySpec"]["listeners"] = json!([
        {"name": "tcp", "port": 9000, "protocol": "TCP"},
        {"name": "udp", "port": 9000, "protocol": "UDP"},
    ]);
    scene.serve(spec).await?;
    let gateway = scene
        .has_listeners("contour", &["platform", "tcp", "udp", "ofn-http-internal"])
        .await?;
    ensure!(gateway["spec"]["listeners"][1].get("hostname").is_none());
    ensure!(gateway["spec"]["listeners"][2].get("hostname").is_none());
    let object = scene
        .served("shows host names for all", |object| {
            object["spec"]["gatewaySpec"]["listeners"]
                .as_array()
                .is_some_and(|listeners| {
                    listeners
                        .iter()
                        .all(|listener| listener["hostname"].is_string())
                })
        })
        .await?;
    ensure!(object["spec"]["gatewaySpec"]["listeners"][0]["hostname"] == "*.ofn.io");
    Ok(())
}

const DEFAULT_LISTENER: &str = "networking.openfunction.io/default-listener";

async fn a_default_listener_that_is_disabled_later_goes_and_comes_back_with_the_annotation(
    scene: &Scene,
) -> Result<()> {
    scene.serve_default().await?;
    let is_shown = |object: &Value| {
        let listeners = &object["spec"]["gatewaySpec"]["listeners"];
        named(listeners, "ofn-http-internal").is_some()
    };
    let others = json!([listener("ofn-http-external", "*.ofn.io")]);
    scene
        .edit(json!({
            "metadata": {"annotations": {DEFAULT_LISTENER: "disabled"}},
            "spec": {"gatewaySpec": {"listeners": others}},
        }))
        .await?;
    let without = ["platform", "ofn-http-external"];
    scene.has_listeners("contour", &without).await?;
    let object = scene.settle("contour").await?;
    scene.has_listeners("contour", &without).await?;
    ensure!(!is_shown(&object), "{object:#}");
    scene
        .edit(json!({"metadata": {"annotations": {DEFAULT_LISTENER: null}}}))
        .await?;
    scene
        .has_listeners(
            "contour",
            &["platform", "ofn-http-external", "ofn-http-internal"],
        )
        .await?;
    scene.served("shows it again", is_shown).await?;
    scene.settle("contour").await?;
    let events = scene.events().await?;
    let withheld = events
        .iter()
        .find(|event| event["reason"] == "DefaultsWithheld");
    ensure!(withheld.is_none(), "{withheld:#?}");
    Ok(())
}

async fn an_odd_value_of_the_default_listener_annotation_is_invalid_with_its_path(
    scene: &Scene,
) -> Result<()> {
    scene.serve_default().await?;
    scene
        .edit(json!({"metadata": {"annotations": {DEFAULT_LISTENER: "off"}}}))
        .await?;
    let object = scene
        .served("says so", |object| {
            has_condition(object, "Ready", "False", Some("Invalid"))
        })
        .await?;
    let ready = object["status"]["conditions"][1].to_string();
    let field = format!("metadata.annotations[{DEFAULT_LISTENER}]");
    ensure!(ready.contains(&field), "{ready}");
    scene.has_listeners("contour", &ALL).await?;
    Ok(())
}

async fn a_listener_that_is_renamed_where_the_object_is_applied_server_side_is_renamed_without_a_fight(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    let apply = async |name: &str| {
        let mut spec = file(scene)["spec"].clone();
        spec["gatewaySpec"]["listeners"][0]["name"] = json!(name);
        let body = json!({"spec": spec});
        let cluster = &scene.cluster;
        cluster
            .apply(Kind::Ofn, &scene.ofn, "openfunction", "gitops", body)
            .await
    };
    apply("web").await?;
    scene
        .has_listeners("contour", &["platform", "web", "ofn-http-internal"])
        .await?;
    let before = generation(scene).await?;
    apply("site").await?;
    let gateway = scene
        .gateway("contour", "has the new name alone", |gateway| {
            let listeners = &gateway["spec"]["listeners"];
            named(listeners, "site").is_some() && named(listeners, "web").is_none()
        })
        .await?;
    let names = crate::scene::listener_names(&gateway);
    ensure!(
        names == ["platform", "ofn-http-internal", "site"],
        "{names:?}"
    );
    // The rename, and nothing of ours.
    let after = generation(scene).await?;
    ensure!(after == before + 1, "{before} became {after}");
    let object = scene.served("exists", |_| true).await?;
    let listeners = &object["spec"]["gatewaySpec"]["listeners"];
    ensure!(named(listeners, "web").is_none(), "{listeners:#}");
    apply("site").await?;
    ensure!(generation(scene).await? == after);
    Ok(())
}

async fn of_two_tcp_listeners_on_one_port_the_first_is_served_and_the_second_reported(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    let mut spec = scene.default_spec("contour");
    spec["gatewaySpec"]["listeners"] = json!([
        {"name": "one", "port": 9000, "protocol": "TCP"},
        {"name": "two", "port": 9000, "protocol": "TCP", "hostname": "two.ofn.io"},
    ]);
    scene.serve(spec).await?;
    let all = ["platform", "one", "ofn-http-internal"];
    scene.has_listeners("contour", &all).await?;
    let object = scene
        .served("reports the conflict", |object| {
            has_condition(object, "Ready", "False", Some("ListenerConflict"))
        })
        .await?;
    let two = named(&object["status"]["listeners"], "two").map(Value::to_string);
    let two = two.unwrap_or_default();
    ensure!(
        two.contains("listener one of this object serves TCP for every host on port 9000"),
        "{two}"
    );
    let one = named(&object["status"]["listeners"], "one").map(Value::to_string);
    ensure!(
        one.is_some_and(|one| !one.contains("ListenerConflict")),
        "{object:#}"
    );
    scene.has_listeners("contour", &all).await?;
    Ok(())
}
