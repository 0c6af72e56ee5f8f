//! A component that turns bad: what it costs, and whom. Which misdeed it is to do is said by an
//! annotation; see `tests/hostile/`.

use anyhow::{Context, Result, ensure};
use ofn_tests::cluster::{Kind, condition, has_condition, named};
use ofn_tests::control_plane::User;
use serde_json::{Value, json};

use crate::scene::{ALL, Scene, tests};

tests![
    a_component_that_traps_is_named_and_the_last_good_state_stays,
    an_endless_loop_is_ended_and_told,
    an_endless_recursion_is_ended_and_told,
    memory_without_end_is_refused_and_told,
    a_foreign_listener_in_an_answer_is_refused,
    an_entry_to_the_metadata_of_a_cloud_is_refused,
    an_entry_to_the_api_server_is_refused,
    a_target_that_the_user_did_not_write_is_refused,
    a_domain_that_the_user_did_not_write_is_refused,
    a_huge_status_is_refused,
    a_status_that_is_not_printable_is_made_so,
    two_decisions_in_turn_are_no_storm_of_writes,
    two_defaults_in_turn_are_not_written,
    one_more_default_each_time_is_not_written,
    what_a_component_does_wrong_is_counted,
    health_is_answered_while_a_component_uses_all_its_time,
    an_api_server_that_has_moved_is_no_entry_within_seconds,
    a_component_that_fails_from_the_start_is_not_told_as_the_one_that_decides,
];

/// The OpenFunction Gateway, served well by the component until now.
async fn served(scene: &Scene) -> Result<Value> {
    scene.platform("contour").await?;
    scene.serve(scene.default_spec("contour")).await?;
    misdeed(scene, "none yet").await?;
    scene.has_listeners("contour", &ALL).await?;
    scene.program("contour").await?;
    let envoy = json!({"spec": {"ports": [{"port": 80}]}});
    scene
        .cluster
        .create(Kind::Service, &scene.infra, "envoy", envoy)
        .await?;
    scene.entry("exists", |_| true).await?;
    scene
        .served("is served by the component", |object| {
            object["status"]["policy"]["name"] == "hostile"
                && has_condition(object, "Ready", "True", None)
        })
        .await
}

async fn misdeed(scene: &Scene, what: &str) -> Result<()> {
    let annotations = json!({
        "networking.openfunction.io/policy": "hostile",
        "networking.openfunction.io/misdeed": what,
    });
    scene
        .edit(json!({"metadata": {"annotations": annotations}}))
        .await?;
    Ok(())
}

/// After a misdeed the reason is told, what was there stays, and another component serves at once.
async fn costs_one_pass(scene: &Scene, what: &str, reason: &str, message: &str) -> Result<()> {
    let good = served(scene).await?;
    let (gateway, entry) = written(scene).await?;
    misdeed(scene, what).await?;
    let object = scene
        .served(&format!("says {reason}"), |object| {
            has_condition(object, "Ready", "False", Some(reason))
        })
        .await?;
    let said = condition(&object, "Ready").context("Ready")?["message"].to_string();
    ensure!(said.contains("policy hostile 0.1.0 (sha256:"), "{said}");
    ensure!(said.contains(message), "{said}");
    ensure!(
        object["status"]["listeners"] == good["status"]["listeners"],
        "{object:#}"
    );
    ensure!(written(scene).await? == (gateway, entry));
    scene.event(reason).await?;
    let standard =
        json!({"metadata": {"annotations": {"networking.openfunction.io/policy": null}}});
    scene.edit(standard).await?;
    scene
        .served("is served by the standard component", |object| {
            object["status"]["policy"]["name"] == "standard"
                && has_condition(object, "Ready", "True", None)
        })
        .await?;
    Ok(())
}

/// What we have written into the cluster besides the OpenFunction Gateway.
async fn written(scene: &Scene) -> Result<(Value, Value)> {
    let get = async |kind, namespace: &str, name| {
        let object = scene.cluster.must_get(kind, namespace, name).await?;
        anyhow::Ok(object["spec"].clone())
    };
    Ok((
        get(Kind::Gateway, &scene.infra, "contour").await?,
        get(Kind::Service, &scene.ofn, "gateway").await?,
    ))
}

async fn a_component_that_traps_is_named_and_the_last_good_state_stays(
    scene: &Scene,
) -> Result<()> {
    costs_one_pass(scene, "trap", "PolicyTrapped", "decide trapped").await
}

async fn an_endless_loop_is_ended_and_told(scene: &Scene) -> Result<()> {
    let message = "decide took longer than 200ms (--policy-time)";
    costs_one_pass(scene, "endless loop", "PolicyTimeout", message).await
}

async fn an_endless_recursion_is_ended_and_told(scene: &Scene) -> Result<()> {
    let message = "(--policy-stack)";
    costs_one_pass(scene, "endless recursion", "PolicyOutOfStack", message).await
}

async fn memory_without_end_is_refused_and_told(scene: &Scene) -> Result<()> {
    let message = "(--policy-memory)";
    costs_one_pass(scene, "endless memory", "PolicyOutOfMemory", message).await
}

async fn a_foreign_listener_in_an_answer_is_refused(scene: &Scene) -> Result<()> {
    let message = "platform\\\" is not one of the spec";
    costs_one_pass(scene, "a foreign listener", "PolicyAnswerInvalid", message).await
}

async fn an_entry_to_the_metadata_of_a_cloud_is_refused(scene: &Scene) -> Result<()> {
    let misdeed = "entry to the metadata of a cloud";
    let message = "is not one that a function may be sent to";
    costs_one_pass(scene, misdeed, "PolicyAnswerInvalid", message).await
}

async fn an_entry_to_the_api_server_is_refused(scene: &Scene) -> Result<()> {
    let misdeed = "entry to the API server";
    let message = "the entry default/kubernetes is not";
    costs_one_pass(scene, misdeed, "PolicyAnswerInvalid", message).await
}

async fn a_target_that_the_user_did_not_write_is_refused(scene: &Scene) -> Result<()> {
    let message = "somebody-elses is not the Kubernetes Gateway that the user wrote";
    costs_one_pass(scene, "other target", "PolicyAnswerInvalid", message).await
}

async fn a_domain_that_the_user_did_not_write_is_refused(scene: &Scene) -> Result<()> {
    let message = "which the user wrote";
    costs_one_pass(scene, "other domain", "PolicyAnswerInvalid", message).await
}

async fn a_huge_status_is_refused(scene: &Scene) -> Result<()> {
    let message = "aggregate-status is larger than 1.0 MiB (--policy-answer)";
    costs_one_pass(scene, "a huge status", "PolicyAnswerTooLarge", message).await
}

async fn a_status_that_is_not_printable_is_made_so(scene: &Scene) -> Result<()> {
    served(scene).await?;
    misdeed(scene, "a status that is not printable").await?;
    scene
        .served("says more", |object| {
            condition(object, "More").is_some_and(|more| more["message"] == " [2J")
                && has_condition(object, "Ready", "True", None)
        })
        .await?;
    Ok(())
}

/// A status and an event for what changes, and some for the vendor's answers in between.
const MOST_TOLD: usize = 12;

/// What the host has sent until it has said why it sends no more, and after it.
struct Writes {
    /// Of objects that requests depend on.
    objects: usize,
    /// Of what tells people: the status and events.
    told: usize,
}

async fn writes_until(scene: &Scene, what: &str, reason: &str) -> Result<Writes> {
    served(scene).await?;
    let before = scene.plane.writes(User::Host)?.len();
    misdeed(scene, what).await?;
    scene
        .served(&format!("says {reason}"), |object| {
            has_condition(object, "Ready", "False", Some(reason))
        })
        .await?;
    // What it answers now would be written at once, if it were written.
    for _ in 0..5 {
        scene.settle("contour").await?;
    }
    let tells = [
        "patch gateways/status openfunction",
        "create events ",
        "patch events ",
    ];
    let writes = scene.plane.writes(User::Host)?.split_off(before);
    let tells = |write: &&String| tells.iter().any(|tell| write.starts_with(tell));
    let told = writes.iter().filter(tells).count();
    Ok(Writes {
        objects: writes.len() - told,
        told,
    })
}

async fn two_decisions_in_turn_are_no_storm_of_writes(scene: &Scene) -> Result<()> {
    let writes = writes_until(scene, "two decisions in turn", "PolicyUnstable").await?;
    // The first one is what the component decides now; the entry's ports are the user's.
    ensure!(
        (1..=4).contains(&writes.objects),
        "{} writes",
        writes.objects
    );
    ensure!(
        (1..=MOST_TOLD).contains(&writes.told),
        "{} told",
        writes.told
    );
    let object = scene
        .cluster
        .must_get(Kind::Ofn, &scene.ofn, "openfunction")
        .await?;
    let said = condition(&object, "Ready").context("Ready")?["message"].to_string();
    ensure!(said.contains("changed its mind on Gateway"), "{said}");
    let gateway = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "contour")
        .await?;
    ensure!(
        named(&gateway["spec"]["listeners"], "platform").is_some(),
        "{gateway:#}"
    );
    Ok(())
}

async fn two_defaults_in_turn_are_not_written(scene: &Scene) -> Result<()> {
    let writes = writes_until(scene, "two defaults in turn", "PolicyAnswerInvalid").await?;
    ensure!(writes.objects == 0, "{} writes", writes.objects);
    ensure!(
        (1..=MOST_TOLD).contains(&writes.told),
        "{} told",
        writes.told
    );
    Ok(())
}

async fn one_more_default_each_time_is_not_written(scene: &Scene) -> Result<()> {
    let misdeed = "one more default each time";
    let writes = writes_until(scene, misdeed, "PolicyAnswerInvalid").await?;
    ensure!(writes.objects == 0, "{} writes", writes.objects);
    ensure!(
        (1..=MOST_TOLD).contains(&writes.told),
        "{} told",
        writes.told
    );
    Ok(())
}

async fn what_a_component_does_wrong_is_counted(scene: &Scene) -> Result<()> {
    served(scene).await?;
    for (what, reason) in [
        ("trap", "PolicyTrapped"),
        ("endless loop", "PolicyTimeout"),
        ("a foreign listener", "PolicyAnswerInvalid"),
    ] {
        misdeed(scene, what).await?;
        let counted =
            format!("ofn_gateway_policy_faults_total{{policy=\"hostile\",reason=\"{reason}\"}}");
        scene.counted(&counted).await?;
    }
    let all = scene.metrics()?;
    for name in [
        "ofn_gateway_passes_total{result=\"done\"}",
        "ofn_gateway_policy_call_duration_seconds_bucket{policy=\"hostile\",function=\"default\"",
        "ofn_gateway_pass_duration_seconds_count",
    ] {
        ensure!(all.contains(name), "{name} is not in\n{all}");
    }
    Ok(())
}

/// Passes are not made by the thread that answers.
async fn health_is_answered_while_a_component_uses_all_its_time(scene: &Scene) -> Result<()> {
    served(scene).await?;
    scene.stop_host()?;
    scene.start_host_patiently("10s")?;
    scene.counted("ofn_gateway_passes_total").await?;
    misdeed(scene, "endless loop").await?;
    let fault = "ofn_gateway_policy_faults_total{policy=\"hostile\",reason=\"PolicyTimeout\"}";
    // The call begins some milliseconds after the edit, and lasts.
    for _ in 0..20 {
        let figures = scene.metrics()?;
        ensure!(!figures.contains(fault), "the call has ended: {figures}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    scene.counted(fault).await
}

async fn an_api_server_that_has_moved_is_no_entry_within_seconds(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    let mut spec = scene.default_spec("contour");
    spec["gatewaySpec"]["listeners"][1]["port"] = json!(6443);
    scene.serve(spec).await?;
    scene.has_listeners("contour", &ALL).await?;
    let status = json!({"addresses": [{"type": "IPAddress", "value": "192.0.2.99"}]});
    scene
        .cluster
        .write_status(Kind::Gateway, &scene.infra, "contour", status)
        .await?;
    scene.entry("stands for the address", |_| true).await?;
    let slice = json!({
        "metadata": {"labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.99"]}],
        "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
    });
    scene
        .cluster
        .create(Kind::EndpointSlice, "default", "moved", slice)
        .await?;
    let told = scene
        .served("says that the address is refused", |object| {
            has_condition(object, "Ready", "False", Some("PolicyAnswerInvalid"))
        })
        .await;
    scene
        .cluster
        .delete(Kind::EndpointSlice, "default", "moved")
        .await?;
    let ready = told?["status"]["conditions"][1].to_string();
    ensure!(ready.contains("192.0.2.99"), "{ready}");
    Ok(())
}

async fn a_component_that_fails_from_the_start_is_not_told_as_the_one_that_decides(
    scene: &Scene,
) -> Result<()> {
    scene.serve_ready().await?;
    misdeed(scene, "trap").await?;
    let object = scene
        .served("says that it traps", |object| {
            has_condition(object, "Ready", "False", Some("PolicyTrapped"))
        })
        .await?;
    ensure!(
        object["status"]["policy"]["name"] == "standard",
        "{object:#}"
    );
    let unknown = json!({"networking.openfunction.io/policy": "no-such"});
    scene
        .edit(json!({"metadata": {"annotations": unknown}}))
        .await?;
    let object = scene
        .served("says that there is none", |object| {
            has_condition(object, "Ready", "False", Some("NotReconciled"))
        })
        .await?;
    ensure!(
        object["status"]["policy"]["name"] == "standard",
        "{object:#}"
    );
    let events = scene.events().await?;
    let swapped = events
        .iter()
        .find(|event| event["reason"] == "PolicySwapped");
    ensure!(swapped.is_none(), "{swapped:?}");
    Ok(())
}
