//! What holds for passes over any cluster, with the standard component, offline. `PROPTEST_CASES`
//! sets how many clusters are tried.

use std::ops::RangeInclusive;

use ofn_gateway::cluster::{Kind, Write, WriteError};
use ofn_tests::stage::{Stage, Writing, list, name, object, pass_in, platform};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Few names, ports and host names, so that clashes are common.
fn listener() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["a", "b", "c", "ofn-http-internal"]);
    let hostname = prop::sample::select(vec![
        "*.ofn.io",
        "a.ofn.io",
        "*.cluster.local",
        "*.example.com",
    ]);
    (name, hostname, 80..82_u16).prop_map(|(name, hostname, port)| {
        json!({"name": name, "hostname": hostname, "port": port, "protocol": "HTTP"})
    })
}

/// Listeners that a Gateway can have together.
fn listeners(count: RangeInclusive<usize>) -> impl Strategy<Value = Vec<Value>> {
    vec(listener(), count).prop_map(|listeners| {
        let mut fitting: Vec<Value> = Vec::new();
        for listener in listeners {
            let clashes = fitting.iter().any(|other| {
                other["name"] == listener["name"]
                    || (&other["port"], &other["hostname"])
                        == (&listener["port"], &listener["hostname"])
            });
            if !clashes {
                fitting.push(listener);
            }
        }
        fitting
    })
}

proptest! {
    #[test]
    fn foreign_listeners_stay_as_and_where_they_are(theirs in listeners(0..=3), ours in listeners(0..=4)) {
        let stage = Stage::new(&theirs, &ours);
        stage.pass();
        let after = list(&stage.gateway()["spec"]["listeners"]);
        prop_assert_eq!(&after[..theirs.len()], &theirs[..]);
    }

    #[test]
    fn every_wished_listener_is_there_or_reported(theirs in listeners(0..=3), ours in listeners(0..=4)) {
        let stage = Stage::new(&theirs, &ours);
        let outcome = stage.pass();
        let gateway = stage.gateway();
        let injected = gateway["metadata"]["annotations"]["networking.openfunction.io/injected-listeners"].as_str();
        let injected: Vec<Value> = serde_json::from_str(injected.unwrap_or("[]")).unwrap();
        for listener in list(&stage.ofn()["spec"]["gatewaySpec"]["listeners"]) {
            let name = listener["name"].as_str();
            let is_there = injected.iter().any(|injected| injected["name"].as_str() == name);
            let is_reported = outcome.problems.iter().any(|problem| problem.listener.as_deref() == name);
            prop_assert!(is_there != is_reported, "{listener} {gateway} {outcome:?}");
        }
    }

    #[test]
    fn a_second_pass_changes_nothing(theirs in listeners(0..=3), ours in listeners(0..=4)) {
        let stage = Stage::new(&theirs, &ours);
        stage.pass();
        let (gateway, ofn) = (stage.gateway(), stage.ofn());
        stage.pass();
        prop_assert_eq!(stage.gateway(), gateway);
        prop_assert_eq!(stage.ofn(), ofn);
    }

    #[test]
    fn after_any_change_of_the_spec_only_its_listeners_are_ours(
        theirs in listeners(0..=3), first in listeners(0..=4), second in listeners(0..=4),
    ) {
        let stage = Stage::new(&theirs, &first);
        stage.pass();
        stage.change(Kind::Gateway, stage.ofn(), |ofn| ofn["spec"]["gatewaySpec"]["listeners"] = json!(second));
        stage.pass();
        let after = list(&stage.gateway()["spec"]["listeners"]);
        prop_assert_eq!(&after[..theirs.len()], &theirs[..]);
        for listener in &after[theirs.len()..] {
            let name = &listener["name"];
            prop_assert!(name == "ofn-http-internal" || second.iter().any(|second| second["name"] == *name));
        }
    }

    #[test]
    fn a_deletion_leaves_the_gateway_as_it_was(theirs in listeners(1..=3), ours in listeners(0..=4)) {
        let stage = Stage::new(&theirs, &ours);
        let before = stage.gateway();
        stage.pass();
        stage.delete();
        let after = stage.gateway();
        prop_assert_eq!(&after["spec"], &before["spec"]);
        let annotations = &after["metadata"]["annotations"];
        prop_assert!(annotations.as_object().is_none_or(Map::is_empty), "{annotations}");
        prop_assert_eq!(stage.ofn(), Value::Null);
    }

    #[test]
    fn a_restored_backup_of_the_gateway_is_understood(ours in listeners(0..=4)) {
        let theirs = [json!({"name": "platform", "hostname": "*.platform.io", "port": 80, "protocol": "HTTP"})];
        let stage = Stage::new(&theirs, &ours);
        let first = stage.pass();
        let spec = stage.gateway()["spec"].clone();
        // Another life: the generation begins anew, the annotations tell of the old one.
        let mut restored = stage.gateway();
        restored["metadata"]["generation"] = json!(1);
        restored["metadata"]["annotations"]["networking.openfunction.io/injected-generation"] = json!("57");
        stage.cluster.insert(Kind::KubernetesGateway, &object(restored));
        let outcome = stage.pass();
        prop_assert_eq!(&stage.gateway()["spec"], &spec);
        prop_assert_eq!(outcome.problems, first.problems);
    }
}

/// The user lets the OpenFunction Gateway create a Gateway `infra/<name>`.
fn define(stage: &Stage, name: &str, class: &str) {
    stage.change(Kind::Gateway, stage.ofn(), |ofn| {
        ofn["metadata"]["uid"] = json!("ours");
        ofn["spec"]["gatewayRef"] = Value::Null;
        ofn["spec"]["gatewayDef"] =
            json!({"namespace": "infra", "name": name, "gatewayClassName": class});
    });
}

/// The user lets it use the Gateway `infra/<name>` as one that exists.
fn refer(stage: &Stage, name: &str) {
    stage.change(Kind::Gateway, stage.ofn(), |ofn| {
        ofn["spec"]["gatewayDef"] = Value::Null;
        ofn["spec"]["gatewayRef"] = json!({"namespace": "infra", "name": name});
    });
}

/// A copy of a Gateway that we created has our mark, too.
#[test]
fn a_copy_of_a_created_gateway_is_somebody_elses_where_it_is_defined() {
    let stage = Stage::new(&[platform()], &[]);
    define(&stage, "contour", "other");
    stage.change(Kind::KubernetesGateway, stage.gateway(), |gateway| {
        gateway["metadata"]["annotations"] =
            json!({"networking.openfunction.io/created-for": "ours"});
    });
    let problems = stage.pass().problems;
    assert_eq!(problems[0].reason, "GatewayClassConflict", "{problems:?}");
    assert_eq!(stage.gateway()["spec"]["gatewayClassName"], "contour");
    stage.delete();
    assert_eq!(list(&stage.gateway()["spec"]["listeners"]), [platform()]);
}

#[test]
fn a_created_gateway_that_is_referred_to_afterwards_stays() {
    let stage = Stage::new(&[platform()], &[]);
    let made = || stage.get(Kind::KubernetesGateway, &name("infra", "made"));
    define(&stage, "made", "contour");
    stage.pass();
    assert!(made().is_object());
    refer(&stage, "made");
    stage.pass();
    stage.delete();
    assert!(made().is_object());
}

#[test]
fn what_has_happened_is_told_although_the_pass_fails_after_it() {
    let stage = Stage::new(&[], &[]);
    stage.change(Kind::KubernetesGateway, stage.gateway(), |gateway| {
        gateway["status"]["addresses"] = json!([{"type": "IPAddress", "value": "192.0.2.1"}]);
    });
    stage.pass();
    stage.change(Kind::Gateway, stage.ofn(), |ofn| {
        ofn["metadata"]["deletionTimestamp"] = json!("2026-11-23T00:00:00Z");
    });
    let mut notices = Vec::new();
    // The entry is never as it was seen.
    let cluster = Writing(&stage, |stage: &Stage, write: &Write| match write.kind {
        Kind::Service => Err(WriteError::Stale {
            write: write.to_string(),
            message: "it is another one".to_owned(),
        }),
        _ => stage.write(write),
    });
    let ended = pass_in(&cluster, &mut notices);
    ended.expect_err("the entry cannot be deleted");
    let reasons: Vec<_> = notices.iter().map(|notice| &*notice.reason).collect();
    assert_eq!(reasons, ["ListenerLeft"]);
}

#[test]
fn an_admission_that_takes_our_record_out_of_a_gateway_is_told_and_does_not_end_the_pass() {
    let stage = Stage::new(&[platform()], &[]);
    let cluster = Writing(&stage, |stage: &Stage, write: &Write| {
        let written = stage.write(write)?;
        if write.kind != Kind::KubernetesGateway {
            return Ok(written);
        }
        stage.change(write.kind, json!(written), |gateway| {
            gateway["metadata"]["annotations"] = Value::Null;
            gateway["metadata"]["managedFields"] = json!([{
                "manager": "ofn-gateway", "operation": "Update",
                "fieldsV1": {"f:spec": {"f:listeners": {
                    "k:{\"name\":\"ofn-http-internal\"}": {},
                }}},
            }]);
        });
        Ok(Some(object(stage.get(write.kind, &write.name))))
    });
    let mut notices = Vec::new();
    let ended = pass_in(&cluster, &mut notices);
    let outcome = ended.expect("a pass");
    assert_eq!(outcome.problems[0].reason, "Undone");
    assert!(
        outcome.problems[0]
            .message
            .contains("Gateway infra/contour"),
        "{outcome:?}"
    );
    assert!(outcome.again.is_some());
    assert_eq!(stage.ofn()["status"]["conditions"][1]["reason"], "Undone");
}

#[test]
fn what_stays_after_a_deletion_is_told_once_though_others_hold_the_object() {
    let stage = Stage::new(&[platform()], &[]);
    stage.pass();
    stage.change(Kind::Gateway, stage.ofn(), |ofn| {
        ofn["metadata"]["deletionTimestamp"] = json!("2026-11-23T00:00:00Z");
        ofn["metadata"]["finalizers"]
            .as_array_mut()
            .expect("ours")
            .push(json!("example.com/theirs"));
    });
    let cluster = Writing(&stage, |stage: &Stage, write: &Write| match write.kind {
        Kind::KubernetesGateway => Err(WriteError::Refused {
            write: write.to_string(),
            message: "an admission policy forbids it".to_owned(),
            fields: Vec::new(),
        }),
        _ => stage.write(write),
    });
    let mut notices = Vec::new();
    for _ in 0..3 {
        let ended = pass_in(&cluster, &mut notices);
        ended.expect("a pass");
    }
    let reasons: Vec<_> = notices.iter().map(|notice| &*notice.reason).collect();
    assert_eq!(reasons, ["ListenerLeft"]);
}

#[test]
fn an_annotation_of_ours_that_nobody_knows_is_told_once_and_keeps_nothing_from_being_served() {
    let annotate = |stage: &Stage, key: &'static str| {
        stage.change(Kind::Gateway, stage.ofn(), |ofn| {
            ofn["metadata"]["annotations"][format!("networking.openfunction.io/{key}")] =
                json!("disabled");
        });
    };
    let told = |stage: &Stage| {
        let mut notices = Vec::new();
        pass_in(&Writing(stage, Stage::write), &mut notices).expect("a pass");
        notices
    };
    let stage = Stage::new(&[platform()], &[]);
    annotate(&stage, "default-listner");
    let notices = told(&stage);
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0].reason, "UnknownAnnotation");
    let message = "metadata.annotations[networking.openfunction.io/default-listner]: is not known, and \
                   does nothing: remove it, or write one of networking.openfunction.io/default-listener, \
                   networking.openfunction.io/entry-service, networking.openfunction.io/policy";
    assert_eq!(notices[0].message, message);
    assert_eq!(list(&stage.gateway()["spec"]["listeners"]).len(), 2);
    assert_eq!(told(&stage), []);
    let said = list(&stage.ofn()["status"]["conditions"]);
    let said: Vec<_> = said.iter().map(|said| said["type"].clone()).collect();
    assert_eq!(said, ["Scheduled", "Ready", "UnknownAnnotations"]);
    stage.change(Kind::Gateway, stage.ofn(), |ofn| {
        let annotations = ofn["metadata"]["annotations"].as_object_mut();
        annotations
            .expect("ours")
            .remove("networking.openfunction.io/default-listner");
    });
    assert_eq!(told(&stage), []);
    assert_eq!(list(&stage.ofn()["status"]["conditions"]).len(), 2);
}

#[test]
fn a_created_gateway_that_is_referred_to_stays_though_no_pass_came_before_the_deletion() {
    let stage = Stage::new(&[platform()], &[]);
    let made = || stage.get(Kind::KubernetesGateway, &name("infra", "made"));
    define(&stage, "made", "contour");
    stage.pass();
    assert!(made().is_object());
    refer(&stage, "made");
    stage.delete();
    assert!(made().is_object());
}

#[test]
fn of_several_problems_each_is_new_once() {
    let stage = Stage::new(&[platform()], &[]);
    define(&stage, "contour", "other");
    let theirs = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "ofn", "name": "gateway", "uid": "theirs"},
        "spec": {"ports": [{"port": 80}]},
    });
    stage.cluster.insert(Kind::Service, &object(theirs));
    let reasons = || {
        let new = stage.pass().new_problems.into_iter();
        new.map(|problem| problem.reason).collect::<Vec<_>>()
    };
    assert_eq!(reasons(), ["GatewayClassConflict", "ServiceConflict"]);
    assert_eq!(reasons(), [""; 0]);
}

#[test]
fn services_with_more_than_a_component_has_memory_for_are_not_seen_and_nobody_is_at_fault() {
    let annotations = json!({"odd": "x".repeat(250_000)});
    let of_text = |number| traefiks(number, annotations.clone(), json!([{"port": 80}]));
    let port = |port: u16| json!({"name": format!("p{port}"), "port": port});
    let ports: Value = (1..10_000).map(port).collect();
    let of_ports = |number| traefiks(number, json!({}), ports.clone());
    seen_by_nobody((0..80).map(of_text).collect());
    seen_by_nobody((0..24).map(of_ports).collect());
}

fn traefiks(number: u8, annotations: Value, ports: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "namespace": "tenant",
            "name": format!("traefik-{number}"),
            "labels": {"app.kubernetes.io/name": "traefik"},
            "annotations": annotations,
        },
        "spec": {"ports": ports},
    })
}

fn seen_by_nobody(services: Vec<Value>) {
    let stage = Stage::new(&[platform()], &[]);
    let class = json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": "contour"},
        "spec": {"controllerName": "traefik.io/gateway-controller"},
    });
    stage.cluster.insert(Kind::GatewayClass, &object(class));
    for service in services {
        stage.cluster.insert(Kind::Service, &object(service));
    }
    let problems = stage.pass().problems;
    assert_eq!(problems, []);
    assert_eq!(list(&stage.gateway()["spec"]["listeners"]).len(), 2);
}

#[test]
fn a_slice_that_somebody_holds_while_it_is_deleted_is_not_deleted_again() {
    let stage = Stage::new(&[platform()], &[]);
    let slice = || stage.get(Kind::EndpointSlice, &name("ofn", "gateway-ipv4"));
    let addressed = |type_: &str, value: &str| {
        stage.change(Kind::KubernetesGateway, stage.gateway(), |gateway| {
            gateway["status"]["addresses"] = json!([{"type": type_, "value": value}]);
        });
    };
    addressed("IPAddress", "192.0.2.1");
    stage.pass();
    stage.change(Kind::EndpointSlice, slice(), |slice| {
        slice["metadata"]["deletionTimestamp"] = json!("2026-11-23T00:00:00Z");
    });
    addressed("Hostname", "lb.example.com");
    stage.pass();
    assert!(slice().is_object());
}
