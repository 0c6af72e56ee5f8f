//! What somebody undoes again and again is put right less and less often, and they are named.

use ofn_gateway::cluster::{Kind, Write};
use ofn_gateway::pass::Outcome;
use ofn_tests::stage::{Stage, Writing, list, name, object, pass_in, platform};
use serde_json::{Value, json};

const UNDONE: &str = "networking.openfunction.io/undone";

/// A Gateway whose owner, here `argocd`, writes its own list again and again.
fn fight() -> Stage {
    let stage = Stage::new(&[platform()], &[]);
    stage.pass();
    for _ in 0..10 {
        wipe(&stage);
        stage.pass();
    }
    stage
}

fn wipe(stage: &Stage) {
    stage.change(Kind::KubernetesGateway, stage.gateway(), |gateway| {
        gateway["spec"]["listeners"] = json!([platform()]);
        gateway["metadata"]["managedFields"] = json!([{
            "manager": "argocd", "operation": "Update", "fieldsV1": {"f:spec": {}},
        }]);
    });
}

fn undone(stage: &Stage) -> Value {
    let text = stage.gateway()["metadata"]["annotations"][UNDONE].clone();
    serde_json::from_str(text.as_str().unwrap_or("null")).expect("JSON")
}

/// As if the last correction had been so much longer ago.
fn wait(stage: &Stage, seconds: i64) {
    let mut record = undone(stage);
    let at: jiff::Timestamp = record["at"].as_str().unwrap_or_default().parse().unwrap();
    record["at"] = json!(at - jiff::SignedDuration::from_secs(seconds));
    let mut gateway = stage.gateway();
    gateway["metadata"]["annotations"][UNDONE] = json!(record.to_string());
    stage
        .cluster
        .insert(Kind::KubernetesGateway, &object(gateway));
}

fn has_ours(stage: &Stage) -> bool {
    list(&stage.gateway()["spec"]["listeners"])
        .iter()
        .any(|listener| listener["name"] == "ofn-http-internal")
}

#[test]
fn a_name_that_is_filled_in_and_taken_out_is_not_written_again() {
    let stage = Stage::new(&[platform()], &[]);
    let def = json!({"namespace": "infra", "gatewayClassName": "contour"});
    let replace = |ofn: &mut Value| {
        ofn["spec"]["gatewayRef"] = Value::Null;
        ofn["spec"]["gatewayDef"] = def.clone();
    };
    stage.change(Kind::Gateway, stage.ofn(), replace);
    stage.pass();
    assert_eq!(stage.ofn()["spec"]["gatewayDef"]["name"], "openfunction");
    stage.change(Kind::Gateway, stage.ofn(), replace);
    stage.pass();
    assert_eq!(stage.ofn()["spec"]["gatewayDef"]["name"], Value::Null);
    let made = stage.get(Kind::KubernetesGateway, &name("infra", "openfunction"));
    assert!(made["spec"].is_object(), "{made}");
}

#[test]
fn who_takes_our_listeners_out_again_and_again_is_named_and_answered_less_often() {
    let stage = fight();
    assert_eq!(undone(&stage)["times"], 3);
    assert!(!has_ours(&stage));
    let outcome = stage.pass();
    let problem = outcome.problems.first().expect("a problem");
    assert_eq!(problem.reason, "Undone");
    assert!(
        problem.message.contains("argocd has changed"),
        "{problem:?}"
    );
    let again = outcome.again.expect("another look").as_secs();
    assert!((1..=10).contains(&again), "{again}");
}

#[test]
fn what_is_undone_is_put_right_after_a_wait_that_doubles() {
    let stage = fight();
    let mut waits = Vec::new();
    for _ in 0..8 {
        let again = stage.pass().again.expect("another look");
        waits.push(again.as_secs() + 1);
        wait(&stage, again.as_secs() + 1);
        assert_eq!(stage.pass().problems, []);
        assert!(has_ours(&stage));
        wipe(&stage);
    }
    for (wait, expected) in waits.iter().zip([10, 20, 40, 80, 160, 320, 600, 600]) {
        // The clock goes on a little meanwhile.
        assert!((expected - 5..=expected).contains(wait), "{waits:?}");
    }
}

#[test]
fn what_was_undone_long_ago_is_put_right_at_once() {
    let stage = fight();
    wait(&stage, 20 * 60);
    assert_eq!(stage.pass().problems, []);
    assert!(has_ours(&stage));
    assert_eq!(undone(&stage)["times"], 1);
}

#[test]
fn another_wish_is_written_at_once_although_somebody_undid_the_last() {
    let stage = fight();
    stage.change(Kind::Gateway, stage.ofn(), |ofn| {
        ofn["spec"]["gatewaySpec"]["listeners"] =
            json!([{"name": "a", "port": 80, "protocol": "HTTP"}]);
    });
    assert_eq!(stage.pass().problems, []);
    assert!(has_ours(&stage));
}

/// A Gateway with an address, and so an entry with a slice.
fn with_entry() -> Stage {
    let stage = Stage::new(&[platform()], &[]);
    at(&stage, "192.0.2.1");
    assert_eq!(stage.pass().problems, []);
    stage
}

fn at(stage: &Stage, address: &str) {
    let mut gateway = stage.gateway();
    gateway["status"]["addresses"] = json!([{"type": "IPAddress", "value": address}]);
    stage
        .cluster
        .insert(Kind::KubernetesGateway, &object(gateway));
}

fn entry(stage: &Stage, kind: Kind) -> Value {
    let of_it = match kind {
        Kind::Service => "gateway",
        _ => "gateway-ipv4",
    };
    stage.get(kind, &name("ofn", of_it))
}

/// An edit of the entry, or of its slice.
type Edit = (Kind, &'static str, fn(&mut Value));

const EDITS: [Edit; 8] = [
    (Kind::Service, "a port less", |entry| {
        entry["spec"]["ports"] = json!([])
    }),
    (Kind::Service, "a port more", |entry| {
        let more = json!({"name": "odd", "port": 9999, "protocol": "TCP"});
        entry["spec"]["ports"]
            .as_array_mut()
            .expect("ports")
            .push(more);
    }),
    (Kind::Service, "a port's name", |entry| {
        entry["spec"]["ports"][0]["name"] = json!("odd")
    }),
    (Kind::Service, "a selector", |entry| {
        entry["spec"]["selector"] = json!({"app": "odd"})
    }),
    (Kind::Service, "a label", |entry| {
        entry["metadata"]["labels"] = json!({})
    }),
    (Kind::EndpointSlice, "an address", |slice| {
        slice["endpoints"][0]["addresses"] = json!(["192.0.2.99"]);
    }),
    (Kind::EndpointSlice, "a port", |slice| {
        slice["ports"][0]["port"] = json!(9999)
    }),
    (Kind::EndpointSlice, "whose it is", |slice| {
        slice["metadata"]["labels"]["kubernetes.io/service-name"] = json!("odd");
    }),
];

#[test]
fn whatever_somebody_changes_of_the_entry_again_and_again_is_answered_less_often() {
    for (kind, what, edit) in EDITS {
        let stage = with_entry();
        let before = entry(&stage, kind);
        for _ in 0..3 {
            stage.change(kind, entry(&stage, kind), edit);
            assert_eq!(stage.pass().problems, [], "{what}");
            for field in ["spec", "endpoints", "ports"] {
                assert_eq!(entry(&stage, kind)[field], before[field], "{what}");
            }
            assert_eq!(
                entry(&stage, kind)["metadata"]["labels"],
                before["metadata"]["labels"]
            );
        }
        stage.change(kind, entry(&stage, kind), edit);
        let changed = entry(&stage, kind);
        let outcome = stage.pass();
        let reasons: Vec<_> = outcome
            .problems
            .iter()
            .map(|problem| &*problem.reason)
            .collect();
        assert_eq!(reasons, ["Undone"], "{what}");
        assert!(outcome.again.is_some(), "{what}");
        assert_eq!(entry(&stage, kind), changed, "{what}");
    }
}

#[test]
fn an_entry_that_follows_its_gateway_fights_with_nobody() {
    let stage = with_entry();
    for last in 2..10 {
        let address = format!("192.0.2.{last}");
        at(&stage, &address);
        assert_eq!(stage.pass().problems, []);
        assert_eq!(
            entry(&stage, Kind::EndpointSlice)["endpoints"][0]["addresses"],
            json!([address])
        );
    }
}

#[test]
fn an_entry_that_is_deleted_is_made_anew_although_somebody_fights_over_its_slice() {
    let stage = with_entry();
    for _ in 0..4 {
        stage.change(
            Kind::EndpointSlice,
            entry(&stage, Kind::EndpointSlice),
            |slice| {
                slice["ports"][0]["port"] = json!(9999);
            },
        );
        stage.pass();
    }
    stage.remove(Kind::Service, &name("ofn", "gateway"));
    stage.pass();
    assert!(entry(&stage, Kind::Service).is_object());
}

/// A pass in a cluster in which every write to the entry is changed as it comes in.
fn pass_with(stage: &Stage, admission: fn(&mut Value)) -> Outcome {
    let cluster = Writing(stage, |stage: &Stage, write: &Write| {
        let written = stage.write(write)?;
        if write.kind != Kind::Service {
            return Ok(written);
        }
        stage.change(write.kind, json!(written), admission);
        Ok(Some(object(stage.get(write.kind, &write.name))))
    });
    pass_in(&cluster, &mut Vec::new()).expect("a pass")
}

#[test]
fn an_admission_that_changes_every_write_to_the_entry_is_answered_less_often() {
    let admissions: [fn(&mut Value); 3] = [
        |entry| entry["spec"]["selector"] = json!({"app": "odd"}),
        |entry| entry["spec"]["ports"][0]["name"] = json!("odd"),
        |entry| {
            let odd = json!({"name": "odd", "port": 9999, "protocol": "TCP"});
            let ports = entry["spec"]["ports"].as_array_mut().expect("ports");
            if !ports.contains(&odd) {
                ports.push(odd);
            }
        },
    ];
    for admission in admissions {
        let stage = Stage::new(&[platform()], &[]);
        at(&stage, "192.0.2.1");
        let reasons = |outcome: Outcome| {
            let problems = outcome.problems.into_iter();
            problems.map(|problem| problem.reason).collect::<Vec<_>>()
        };
        assert_eq!(reasons(pass_with(&stage, admission)), ["Undone"]);
        let before = entry(&stage, Kind::Service);
        assert_eq!(reasons(pass_with(&stage, admission)), ["Undone"]);
        assert_eq!(entry(&stage, Kind::Service), before);
    }
}

const APPLIED: &str = "networking.openfunction.io/applied";

#[test]
fn an_entry_that_is_right_is_left_alone_though_somebody_has_taken_the_record_out() {
    let stage = with_entry();
    stage.change(Kind::Service, entry(&stage, Kind::Service), |entry| {
        entry["metadata"]["annotations"] = Value::Null;
        entry["metadata"]["managedFields"] = json!([{
            "manager": "ofn-gateway", "operation": "Apply", "fieldsV1": {"f:spec": {}},
        }]);
    });
    let before = entry(&stage, Kind::Service);
    assert_eq!(stage.pass().problems, []);
    assert_eq!(entry(&stage, Kind::Service), before);
}

/// Exported with all that we had written on it, and kept so by a tool.
#[test]
fn who_keeps_the_entry_as_it_once_was_is_answered_less_often() {
    let stage = with_entry();
    let mut old = entry(&stage, Kind::Service);
    old["metadata"]["annotations"][APPLIED] = json!("another time");
    old["spec"]["ports"] = json!([{"name": "odd", "port": 9999, "protocol": "TCP"}]);
    let annotations = json!({format!("f:{APPLIED}"): {}});
    let restore = |stage: &Stage| {
        let seen = entry(stage, Kind::Service);
        stage.change(Kind::Service, seen, |entry| {
            entry["spec"]["ports"] = old["spec"]["ports"].clone();
            entry["metadata"]["annotations"][APPLIED] = json!("another time");
            entry["metadata"]["managedFields"] = json!([{
                "manager": "argocd", "operation": "Update",
                "fieldsV1": {"f:metadata": {"f:annotations": annotations}},
            }]);
        });
    };
    for _ in 0..3 {
        restore(&stage);
        assert_eq!(stage.pass().problems, []);
    }
    restore(&stage);
    assert_eq!(stage.pass().problems[0].reason, "Undone");
}

#[test]
fn who_takes_the_record_out_with_each_change_is_answered_less_often() {
    let stage = with_entry();
    let change = |stage: &Stage| {
        stage.change(Kind::Service, entry(stage, Kind::Service), |entry| {
            entry["spec"]["ports"][0]["name"] = json!("odd");
            let annotations = entry["metadata"]["annotations"].as_object_mut();
            annotations.expect("ours").remove(APPLIED);
            entry["metadata"]["managedFields"] = json!([{
                "manager": "ofn-gateway", "operation": "Apply", "fieldsV1": {"f:spec": {}},
            }]);
        });
    };
    for _ in 0..3 {
        change(&stage);
        assert_eq!(stage.pass().problems, []);
    }
    change(&stage);
    assert_eq!(stage.pass().problems[0].reason, "Undone");
}
