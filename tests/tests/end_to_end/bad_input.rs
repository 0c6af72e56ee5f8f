use anyhow::{Result, ensure};
use ofn_tests::cluster::{Kind, PATIENCE, condition, has_condition, named};
use serde_json::{Value, json};

use crate::scene::{Scene, listener, tests};

tests![
    no_domain_is_reported_with_its_path_and_the_last_good_state_stays,
    a_bad_template_is_reported_with_its_place,
    a_name_that_no_gateway_can_have_is_reported_and_keeps_no_deletion_from_its_end,
    a_bad_domain_is_reported,
    the_schema_refuses_both_targets_and_none,
    both_targets_are_reported_where_the_schema_let_them_in,
    a_listener_that_the_api_server_refuses_is_reported_and_the_others_are_served,
    listeners_that_break_a_rule_of_the_list_are_reported_and_the_others_are_served,
    an_unknown_setting_and_an_unknown_policy_are_reported,
    each_event_has_the_text_of_its_own_problem,
];

async fn is_invalid(scene: &Scene, expected: &str) -> Result<Value> {
    let object = scene
        .served("says that it is invalid", |object| {
            has_condition(object, "Ready", "False", Some("Invalid"))
        })
        .await?;
    let message = condition(&object, "Ready")
        .map(|ready| ready["message"].clone())
        .unwrap_or_default();
    ensure!(
        message
            .as_str()
            .is_some_and(|message| message.contains(expected)),
        "{message}"
    );
    Ok(object)
}

async fn no_domain_is_reported_with_its_path_and_the_last_good_state_stays(
    scene: &Scene,
) -> Result<()> {
    scene.serve_ready().await?;
    let good = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "contour")
        .await?;
    scene.edit(json!({"spec": {"domain": ""}})).await?;
    let object = is_invalid(scene, "spec.domain: must be set").await?;
    ensure!(
        has_condition(&object, "Scheduled", "True", None),
        "{object:#}"
    );
    let kept = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "contour")
        .await?;
    ensure!(kept["spec"] == good["spec"]);
    scene
        .edit(json!({"spec": {"domain": "example.org"}}))
        .await?;
    scene
        .gateway("contour", "serves the next good domain", |gateway| {
            named(&gateway["spec"]["listeners"], "ofn-http-external")
                .is_some_and(|listener| listener["hostname"] == "*.example.org")
        })
        .await?;
    scene.program("contour").await?;
    scene.is_ready().await?;
    Ok(())
}

async fn a_bad_template_is_reported_with_its_place(scene: &Scene) -> Result<()> {
    scene.serve_ready().await?;
    scene
        .edit(json!({"spec": {"hostTemplate": "{{.Nme}}.{{.Domain}}"}}))
        .await?;
    is_invalid(
        scene,
        "spec.hostTemplate: at character 3: .Nme is not known here",
    )
    .await?;
    scene
        .edit(json!({"spec": {"hostTemplate": "{{.Name}}.{{.Domain}}"}}))
        .await?;
    scene.is_ready().await?;
    Ok(())
}

/// A path that were made of it would be that of something else, or none.
async fn a_name_that_no_gateway_can_have_is_reported_and_keeps_no_deletion_from_its_end(
    scene: &Scene,
) -> Result<()> {
    scene.serve_ready().await?;
    for name in ["contour?x", "my gateway", "..", "contour/status"] {
        scene
            .edit(json!({"spec": {"gatewayRef": {"name": name}}}))
            .await?;
        let expected = format!("spec.gatewayRef.name: {name:?} is not the name of an object");
        let tells = |object: &Value| {
            let message = condition(object, "Ready").map(|ready| ready["message"].to_string());
            message.is_some_and(|message| message.contains(&expected.replace('"', "\\\"")))
        };
        scene.served("says which name is wrong", tells).await?;
    }
    scene.delete_openfunction().await?;
    scene.has_listeners("contour", &["platform"]).await?;
    Ok(())
}

async fn a_bad_domain_is_reported(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    let mut spec = scene.default_spec("contour");
    spec["domain"] = json!("Not A Domain");
    scene.serve(spec).await?;
    is_invalid(scene, "spec.domain: \"Not A Domain\" is not a DNS name").await?;
    Ok(())
}

async fn the_schema_refuses_both_targets_and_none(scene: &Scene) -> Result<()> {
    let both = with_both(scene);
    let refused = scene.serve(both).await.map_err(|error| error.to_string());
    ensure!(
        refused
            .is_err_and(|message| message.contains("set exactly one of gatewayRef and gatewayDef"))
    );
    let mut none = scene.default_spec("contour");
    none["gatewayRef"] = Value::Null;
    ensure!(scene.serve(none).await.is_err());
    Ok(())
}

fn with_both(scene: &Scene) -> Value {
    let mut spec = scene.default_spec("contour");
    spec["gatewayDef"] = json!({"namespace": scene.infra, "gatewayClassName": "contour"});
    spec
}

async fn both_targets_are_reported_where_the_schema_let_them_in(scene: &Scene) -> Result<()> {
    // An old CRD has no such rule.
    let name = "gateways.networking.openfunction.io";
    let definition = scene.cluster.must_get(Kind::Definition, "", name).await?;
    let mut without = json!({"spec": definition["spec"]});
    without["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] =
        Value::Null;
    scene
        .cluster
        .edit(Kind::Definition, "", name, without)
        .await?;
    let result = async {
        // The API server takes a moment to go by the new schema.
        let deadline = std::time::Instant::now() + ofn_tests::cluster::PATIENCE;
        while scene.serve(with_both(scene)).await.is_err() {
            ensure!(
                std::time::Instant::now() < deadline,
                "the schema still has its rule"
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        is_invalid(scene, "spec.gatewayRef: and spec.gatewayDef are both set").await
    }
    .await;
    let with = json!({"spec": {"versions": definition["spec"]["versions"]}});
    scene.cluster.edit(Kind::Definition, "", name, with).await?;
    result.map(|_| ())
}

async fn a_listener_that_the_api_server_refuses_is_reported_and_the_others_are_served(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    let mut spec = scene.default_spec("contour");
    let mut bad = listener("bad", "*.bad.ofn.io");
    bad["allowedRoutes"] = json!({"namespaces": {"from": "Nowhere"}});
    spec["gatewaySpec"]["listeners"] = json!([bad, listener("good", "*.ofn.io")]);
    scene.serve(spec).await?;
    scene
        .has_listeners("contour", &["platform", "good", "ofn-http-internal"])
        .await?;
    let object = scene
        .served("says which listener is refused", |object| {
            has_condition(object, "Ready", "False", Some("ListenerRejected"))
        })
        .await?;
    let bad = named(&object["status"]["listeners"], "bad")
        .cloned()
        .unwrap_or_default();
    let message = bad["conditions"][0]["message"].as_str().unwrap_or_default();
    ensure!(
        message.starts_with("spec.gatewaySpec.listeners[0]:"),
        "{bad:#}"
    );
    ensure!(
        message.contains("Unsupported value: \"Nowhere\""),
        "{bad:#}"
    );
    Ok(())
}

/// Of these rules the API server says only that the list breaks them.
async fn listeners_that_break_a_rule_of_the_list_are_reported_and_the_others_are_served(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    let with = |name: &str, protocol: &str, tls: Value| {
        json!({
            "name": name, "port": 8443, "protocol": protocol, "tls": tls,
            "hostname": format!("{name}.ofn.io"),
        })
    };
    let tls = |mode: &str| json!({"mode": mode, "certificateRefs": [{"name": "c"}]});
    let mut spec = scene.default_spec("contour");
    spec["gatewaySpec"]["listeners"] = json!([
        with("plain", "HTTP", tls("Terminate")),
        with("passing", "HTTPS", tls("Passthrough")),
        with("bare", "TLS", Value::Null),
        listener("good", "*.ofn.io"),
    ]);
    scene.serve(spec).await?;
    scene
        .has_listeners("contour", &["platform", "good", "ofn-http-internal"])
        .await?;
    let object = scene
        .served("says that listeners are refused", |object| {
            has_condition(object, "Ready", "False", Some("ListenerRejected"))
        })
        .await?;
    for name in ["plain", "passing", "bare"] {
        let bad = named(&object["status"]["listeners"], name);
        let reason = bad.map(|bad| &bad["conditions"][0]["reason"]);
        ensure!(
            reason == Some(&json!("ListenerRejected")),
            "{name}: {object:#}"
        );
    }
    Ok(())
}

async fn an_unknown_setting_and_an_unknown_policy_are_reported(scene: &Scene) -> Result<()> {
    scene.serve_ready().await?;
    let annotate = |key: &str, value: Value| json!({"metadata": {"annotations": {key: value}}});
    let setting = "policy.networking.openfunction.io/nonsense";
    scene.edit(annotate(setting, json!("1"))).await?;
    is_invalid(
        scene,
        &format!("metadata.annotations[{setting}]: is not known"),
    )
    .await?;
    scene.edit(annotate(setting, Value::Null)).await?;
    scene.is_ready().await?;
    let policy = "networking.openfunction.io/policy";
    scene.edit(annotate(policy, json!("nobody"))).await?;
    let object = scene
        .served("says that there is no such policy", |object| {
            has_condition(object, "Ready", "False", Some("NotReconciled"))
        })
        .await?;
    let message = condition(&object, "Ready")
        .map(|ready| ready["message"].to_string())
        .unwrap_or_default();
    ensure!(
        message.contains("there is no policy \\\"nobody\\\"; there is ")
            && message.contains("standard"),
        "{message}"
    );
    scene.edit(annotate(policy, json!("standard"))).await?;
    scene.is_ready().await?;
    Ok(())
}

async fn each_event_has_the_text_of_its_own_problem(scene: &Scene) -> Result<()> {
    scene.serve_ready().await?;
    for domain in ["a..io", "b..io"] {
        scene.edit(json!({"spec": {"domain": domain}})).await?;
        scene
            .served("says so", |object| {
                let ready = condition(object, "Ready");
                ready.is_some_and(|ready| ready["message"].to_string().contains(domain))
            })
            .await?;
    }
    let deadline = std::time::Instant::now() + PATIENCE;
    for domain in ["a..io", "b..io"] {
        let is_told = |event: &Value| {
            event["reason"] == "Invalid" && event["note"].to_string().contains(domain)
        };
        while !scene.events().await?.iter().any(is_told) {
            ensure!(std::time::Instant::now() < deadline, "{domain} is not told");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    Ok(())
}
