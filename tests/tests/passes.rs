//! What holds for passes over any cluster, with the standard component, offline. `PROPTEST_CASES`
//! sets how many clusters are tried.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use kube::api::DynamicObject;
use ofn_contract::ObjectName;
use ofn_gateway::cluster::offline::Offline;
use ofn_gateway::cluster::{Cluster, Kind};
use ofn_gateway::pass::vet::Terms;
use ofn_gateway::pass::{Outcome, pass};
use ofn_gateway::policies::Policies;
use ofn_gateway::sandbox::Limits;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

static POLICIES: LazyLock<Policies> = LazyLock::new(|| {
    let folder = ofn_tests::host::policies().expect("make build");
    let sandbox = ofn_tests::host::sandbox(Limits::default()).expect("the engine starts");
    Policies::load(&folder, &sandbox, Terms::default()).expect("the components load")
});

fn name(namespace: &str, name: &str) -> ObjectName {
    ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

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

fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).expect("an object")
}

struct Stage(Offline);

impl Stage {
    /// A Kubernetes Gateway with `theirs`, and an OpenFunction Gateway with `ours`.
    fn new(theirs: &[Value], ours: &[Value]) -> Self {
        let cluster = Offline::default();
        cluster.insert(
            Kind::KubernetesGateway,
            &object(json!({
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "Gateway",
                "metadata": {"namespace": "infra", "name": "contour", "uid": "theirs"},
                "spec": {"gatewayClassName": "contour", "listeners": theirs},
            })),
        );
        cluster.insert(
            Kind::Gateway,
            &object(json!({
                "apiVersion": "networking.openfunction.io/v1alpha1",
                "kind": "Gateway",
                "metadata": {"namespace": "ofn", "name": "openfunction"},
                "spec": {
                    "domain": "ofn.io",
                    "gatewayRef": {"namespace": "infra", "name": "contour"},
                    "gatewaySpec": {"listeners": ours},
                },
            })),
        );
        Self(cluster)
    }

    fn pass(&self) -> Outcome {
        let name = name("ofn", "openfunction");
        futures::executor::block_on(pass(&self.0, &POLICIES, &name, &mut |_| ())).expect("a pass")
    }

    fn get(&self, kind: Kind, name: &ObjectName) -> Value {
        let object = futures::executor::block_on(self.0.get(kind, name)).expect("offline");
        json!(object)
    }

    fn gateway(&self) -> Value {
        self.get(Kind::KubernetesGateway, &name("infra", "contour"))
    }

    fn ofn(&self) -> Value {
        self.get(Kind::Gateway, &name("ofn", "openfunction"))
    }

    fn change(&self, kind: Kind, mut value: Value, change: impl FnOnce(&mut Value)) {
        change(&mut value);
        let generation = value["metadata"]["generation"].as_i64().unwrap_or_default();
        value["metadata"]["generation"] = json!(generation + 1);
        self.0.insert(kind, &object(value));
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
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
        delete(&stage);
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
        stage.0.insert(Kind::KubernetesGateway, &object(restored));
        let outcome = stage.pass();
        prop_assert_eq!(&stage.gateway()["spec"], &spec);
        prop_assert_eq!(outcome.problems, first.problems);
    }
}

/// A copy of a Gateway that we created has our mark, too.
#[test]
fn a_copy_of_a_created_gateway_is_somebody_elses_where_it_is_defined() {
    let stage = Stage::new(&[platform()], &[]);
    stage.change(Kind::Gateway, stage.ofn(), |ofn| {
        ofn["metadata"]["uid"] = json!("ours");
        ofn["spec"]["gatewayRef"] = Value::Null;
        ofn["spec"]["gatewayDef"] =
            json!({"namespace": "infra", "name": "contour", "gatewayClassName": "other"});
    });
    stage.change(Kind::KubernetesGateway, stage.gateway(), |gateway| {
        gateway["metadata"]["annotations"] =
            json!({"networking.openfunction.io/created-for": "ours"});
    });
    let problems = stage.pass().problems;
    assert_eq!(problems[0].reason, "GatewayClassConflict", "{problems:?}");
    assert_eq!(stage.gateway()["spec"]["gatewayClassName"], "contour");
    delete(&stage);
    assert_eq!(list(&stage.gateway()["spec"]["listeners"]), [platform()]);
}

#[test]
fn a_created_gateway_that_is_referred_to_afterwards_stays() {
    let stage = Stage::new(&[platform()], &[]);
    let target = |kind: &'static str, other: &'static str| {
        move |ofn: &mut Value| {
            ofn["metadata"]["uid"] = json!("ours");
            ofn["spec"][other] = Value::Null;
            ofn["spec"][kind] =
                json!({"namespace": "infra", "name": "made", "gatewayClassName": "contour"});
        }
    };
    let made = || stage.get(Kind::KubernetesGateway, &name("infra", "made"));
    stage.change(
        Kind::Gateway,
        stage.ofn(),
        target("gatewayDef", "gatewayRef"),
    );
    stage.pass();
    assert!(made().is_object());
    stage.change(
        Kind::Gateway,
        stage.ofn(),
        target("gatewayRef", "gatewayDef"),
    );
    stage.pass();
    delete(&stage);
    assert!(made().is_object());
}

fn delete(stage: &Stage) {
    stage.change(Kind::Gateway, stage.ofn(), |ofn| {
        ofn["metadata"]["deletionTimestamp"] = json!("2026-11-23T00:00:00Z");
    });
    stage.pass();
}

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

fn platform() -> Value {
    json!({"name": "platform", "hostname": "*.platform.io", "port": 80, "protocol": "HTTP"})
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
    stage.0.insert(Kind::KubernetesGateway, &object(gateway));
}

fn has_ours(stage: &Stage) -> bool {
    list(&stage.gateway()["spec"]["listeners"])
        .iter()
        .any(|listener| listener["name"] == "ofn-http-internal")
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
