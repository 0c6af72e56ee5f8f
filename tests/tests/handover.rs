//! From one Kubernetes Gateway to another: when the entry moves, and when our listeners leave.

use jiff::{SignedDuration, Timestamp};
use kube::api::DynamicObject;
use ofn_contract::{ObjectName, ServiceQuery};
use ofn_gateway::cluster::offline::Offline;
use ofn_gateway::cluster::{Change, Cluster, Kind, ReadError, Write, WriteError};
use ofn_gateway::pass::Outcome;
use ofn_gateway::pass::plan::handover::{DRAINING, PATIENCE, SETTLING};
use ofn_tests::cluster::named;
use ofn_tests::implementation::programmed;
use ofn_tests::stage::{name, pass_in};
use serde_json::{Value, json};

const OURS: [&str; 2] = ["ofn-http-internal", "web"];
const MOMENT: SignedDuration = SignedDuration::from_millis(1);

fn data_plane(gateway: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "infra", "name": format!("{gateway}-envoy"), "uid": gateway},
        "spec": {"ports": [{"port": 80}]},
    })
}

/// A cluster with a clock that is ours. Gateways `a`, `b` and `c` have a data plane each; the OpenFunction
/// Gateway uses `a`.
struct Stage {
    cluster: Offline,
    now: Timestamp,
}

impl Cluster for Stage {
    fn now(&self) -> Timestamp {
        self.now
    }

    async fn get(&self, kind: Kind, name: &ObjectName) -> Result<Option<DynamicObject>, ReadError> {
        self.cluster.get(kind, name).await
    }

    async fn list(
        &self,
        kind: Kind,
        query: &ServiceQuery,
    ) -> Result<Vec<DynamicObject>, ReadError> {
        self.cluster.list(kind, query).await
    }

    async fn write(&self, write: &Write) -> Result<Option<DynamicObject>, WriteError> {
        self.cluster.write(write).await
    }
}

impl Stage {
    /// Served by `a` since long, with so many routes.
    fn on_a(routes: i64) -> Self {
        let stage = Self {
            cluster: Offline::default(),
            now: Timestamp::UNIX_EPOCH,
        };
        stage.insert(
            Kind::GatewayClass,
            json!({
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "GatewayClass",
                "metadata": {"name": "class"},
                "spec": {"controllerName": "example.com/controller"},
            }),
        );
        for gateway in ["a", "b", "c"] {
            let own =
                json!({"name": "own", "hostname": "*.own.io", "port": 80, "protocol": "HTTP"});
            stage.insert(
                Kind::KubernetesGateway,
                json!({
                    "apiVersion": "gateway.networking.k8s.io/v1",
                    "kind": "Gateway",
                    "metadata": {"namespace": "infra", "name": gateway, "uid": gateway},
                    "spec": {"gatewayClassName": "class", "listeners": [own]},
                }),
            );
            stage.insert(Kind::Service, data_plane(gateway));
        }
        stage.insert(
            Kind::Gateway,
            json!({
                "apiVersion": "networking.openfunction.io/v1alpha1",
                "kind": "Gateway",
                "metadata": {"namespace": "ofn", "name": "openfunction"},
                "spec": {
                    "domain": "ofn.io",
                    "gatewayRef": {"namespace": "infra", "name": "a"},
                    "gatewaySpec": {"listeners": [{"name": "web", "port": 80, "protocol": "HTTP"}]},
                },
            }),
        );
        stage.pass();
        stage.report("a", [routes; 2]);
        stage.pass();
        assert_eq!(stage.entry(), "a");
        stage
    }

    fn insert(&self, kind: Kind, value: Value) {
        let object: DynamicObject = serde_json::from_value(value).expect("an object");
        self.cluster.insert(kind, &object);
    }

    fn remove(&self, kind: Kind, name: &ObjectName) {
        let uid = &self.get(kind, name)["metadata"]["uid"];
        let delete = Write {
            kind,
            name: name.clone(),
            change: Change::Delete {
                uid: uid.as_str().unwrap_or_default().to_owned(),
                resource_version: None,
            },
        };
        futures::executor::block_on(self.write(&delete)).expect("it is deleted");
    }

    fn change(&self, kind: Kind, name: &ObjectName, change: impl FnOnce(&mut Value)) {
        let mut object = self.get(kind, name);
        change(&mut object);
        self.insert(kind, object);
    }

    fn get(&self, kind: Kind, name: &ObjectName) -> Value {
        let object = futures::executor::block_on(self.cluster.get(kind, name)).expect("offline");
        json!(object)
    }

    /// A pass; answers when the next is due although nothing changes.
    fn pass(&self) -> Option<SignedDuration> {
        let outcome = self.try_pass();
        assert_eq!(outcome.problems, []);
        outcome.again
    }

    fn try_pass(&self) -> Outcome {
        pass_in(self, &mut Vec::new()).expect("a pass")
    }

    /// The pass that is due after a time.
    fn pass_after(&mut self, wait: SignedDuration) -> Option<SignedDuration> {
        self.now += wait;
        self.pass()
    }

    /// The user changes `gatewayRef`, and a pass follows.
    fn move_to(&self, gateway: &str) {
        self.point_to(gateway);
        self.pass();
    }

    fn point_to(&self, gateway: &str) {
        self.change(Kind::Gateway, &name("ofn", "openfunction"), |ofn| {
            ofn["spec"]["gatewayRef"]["name"] = gateway.into();
            let generation = ofn["metadata"]["generation"].as_i64().unwrap_or_default();
            ofn["metadata"]["generation"] = (generation + 1).into();
        });
    }

    /// The implementation reports that all is well, with so many routes in our listeners.
    fn report(&self, gateway: &str, routes: [i64; 2]) {
        let mut object = self.get(Kind::KubernetesGateway, &name("infra", gateway));
        let generation = object["metadata"]["generation"]
            .as_i64()
            .unwrap_or_default();
        let mut status = programmed(&["own", OURS[0], OURS[1]], generation);
        for (listener, count) in [1, 2].into_iter().zip(routes) {
            status["listeners"][listener]["attachedRoutes"] = count.into();
        }
        object["status"] = status;
        self.insert(Kind::KubernetesGateway, object);
    }

    /// The Gateway that the entry leads to.
    fn entry(&self) -> String {
        let entry = self.get(Kind::Service, &name("ofn", "gateway"));
        let host = entry["spec"]["externalName"].as_str().unwrap_or_default();
        let gateway = host.strip_suffix("-envoy.infra.svc.cluster.local");
        gateway.unwrap_or(host).to_owned()
    }

    fn has_ours(&self, gateway: &str) -> bool {
        let gateway = self.get(Kind::KubernetesGateway, &name("infra", gateway));
        OURS.iter()
            .all(|ours| named(&gateway["spec"]["listeners"], ours).is_some())
    }
}

#[test]
fn the_entry_stays_while_the_new_gateway_does_not_serve() {
    let mut stage = Stage::on_a(1);
    stage.move_to("b");
    assert!(stage.has_ours("b"));
    assert_eq!(stage.pass_after(PATIENCE - MOMENT), Some(MOMENT));
    assert_eq!(stage.entry(), "a");
    assert!(stage.has_ours("a"));
}

#[test]
fn the_entry_stays_while_the_new_gateway_has_fewer_routes() {
    let mut stage = Stage::on_a(2);
    stage.move_to("b");
    stage.report("b", [1, 1]);
    assert_eq!(stage.pass_after(PATIENCE - MOMENT), Some(MOMENT));
    assert_eq!(stage.entry(), "a");
}

#[test]
fn after_its_time_the_entry_moves_to_a_gateway_that_is_not_ready() {
    let mut stage = Stage::on_a(2);
    stage.move_to("b");
    stage.pass_after(PATIENCE);
    assert_eq!(stage.entry(), "b");
    assert!(stage.has_ours("a"));
}

#[test]
fn the_entry_moves_a_little_after_the_new_gateway_has_reported_all() {
    let mut stage = Stage::on_a(2);
    stage.move_to("b");
    stage.report("b", [2, 2]);
    assert_eq!(stage.pass(), Some(SETTLING));
    assert_eq!(stage.entry(), "a");
    assert_eq!(stage.pass_after(SETTLING - MOMENT), Some(MOMENT));
    assert_eq!(stage.entry(), "a");
    stage.pass_after(MOMENT);
    assert_eq!(stage.entry(), "b");
}

#[test]
fn a_gateway_that_loses_what_it_had_reported_must_report_it_anew() {
    let mut stage = Stage::on_a(2);
    stage.move_to("b");
    stage.report("b", [2, 2]);
    stage.pass();
    stage.report("b", [1, 1]);
    stage.pass_after(SETTLING);
    assert_eq!(stage.entry(), "a");
    stage.report("b", [2, 2]);
    assert_eq!(stage.pass(), Some(SETTLING));
}

#[test]
fn the_entry_moves_at_once_where_the_routes_have_left_the_old_gateway() {
    let stage = Stage::on_a(2);
    stage.move_to("b");
    stage.report("a", [0, 0]);
    stage.report("b", [1, 1]);
    stage.pass();
    assert_eq!(stage.entry(), "b");
}

#[test]
fn routes_that_the_old_gateway_counts_in_listeners_of_other_host_names_hold_nothing_up() {
    let stage = Stage::on_a(2);
    stage.move_to("b");
    stage.report("b", [2, 1]);
    assert_eq!(stage.pass(), Some(SETTLING));
}

#[test]
fn listeners_stay_in_the_old_gateway_while_clients_may_hold_its_address() {
    let mut stage = Stage::on_a(2);
    stage.move_to("b");
    stage.report("b", [2, 2]);
    stage.pass();
    stage.pass_after(SETTLING);
    assert_eq!(stage.entry(), "b");
    assert_eq!(stage.pass_after(DRAINING - MOMENT), Some(MOMENT));
    assert!(stage.has_ours("a"));
    assert_eq!(stage.pass_after(MOMENT), None);
    assert!(!stage.has_ours("a"));
    assert!(stage.has_ours("b"));
}

#[test]
fn listeners_leave_a_gateway_at_once_that_the_entry_never_led_to() {
    let stage = Stage::on_a(2);
    stage.move_to("b");
    assert!(stage.has_ours("b"));
    stage.move_to("a");
    assert!(!stage.has_ours("b"));
    assert_eq!(stage.entry(), "a");
}

#[test]
fn an_entry_that_is_gone_during_a_move_leads_to_the_new_gateway_at_once() {
    let stage = Stage::on_a(2);
    stage.move_to("b");
    stage.remove(Kind::Service, &name("ofn", "gateway"));
    stage.pass();
    assert_eq!(stage.entry(), "b");
}

#[test]
fn a_move_back_leaves_the_entry_where_it_is() {
    let mut stage = Stage::on_a(2);
    stage.move_to("b");
    stage.report("b", [2, 2]);
    stage.pass();
    stage.move_to("a");
    assert_eq!(stage.pass_after(SETTLING), None);
    assert_eq!(stage.entry(), "a");
    assert!(!stage.has_ours("b"));
}

#[test]
fn a_move_to_a_gateway_that_does_not_exist_takes_nothing_from_the_old_one() {
    let mut stage = Stage::on_a(2);
    stage.point_to("missing");
    stage.try_pass();
    stage.now += PATIENCE + DRAINING;
    stage.try_pass();
    assert_eq!(stage.entry(), "a");
    assert!(stage.has_ours("a"));
}

#[test]
fn a_move_to_where_nothing_of_ours_is_takes_nothing_from_the_old_one() {
    let full = |gateway: &mut Value| {
        let listener = |port| json!({"name": format!("l-{port}"), "port": port, "protocol": "TCP"});
        gateway["spec"]["listeners"] = (1000..1064).map(listener).collect();
    };
    // The user chose a Service, or there is no entry, so that it has not to move.
    for (chosen, target) in [
        (Some("infra/a-envoy"), "missing"),
        (None, "missing"),
        (Some("infra/a-envoy"), "b"),
    ] {
        let mut stage = Stage::on_a(2);
        stage.remove(Kind::Service, &name("infra", "a-envoy"));
        if let Some(chosen) = chosen {
            stage.insert(Kind::Service, data_plane("a"));
            stage.change(Kind::Gateway, &name("ofn", "openfunction"), |ofn| {
                ofn["metadata"]["annotations"]["networking.openfunction.io/entry-service"] =
                    chosen.into();
            });
        } else {
            stage.remove(Kind::Service, &name("ofn", "gateway"));
        }
        stage.change(Kind::KubernetesGateway, &name("infra", "b"), full);
        stage.point_to(target);
        stage.try_pass();
        stage.now += PATIENCE + DRAINING;
        stage.try_pass();
        assert!(stage.has_ours("a"), "{chosen:?} {target}");
    }
}

#[test]
fn the_old_gateway_serves_on_while_nobody_knows_the_new_ones_data_plane() {
    let mut stage = Stage::on_a(2);
    stage.remove(Kind::Service, &name("infra", "b-envoy"));
    stage.move_to("b");
    stage.report("b", [2, 2]);
    stage.now += PATIENCE + DRAINING;
    let problems = stage.try_pass().problems;
    assert_eq!(problems[0].reason, "DataPlaneUnknown", "{problems:?}");
    assert_eq!(stage.entry(), "a");
    assert!(stage.has_ours("a"));
    stage.insert(Kind::Service, data_plane("b"));
    stage.pass();
    assert_eq!(stage.entry(), "b");
    stage.pass_after(DRAINING);
    assert!(!stage.has_ours("a"));
}

#[test]
fn a_second_move_before_the_first_has_ended_leaves_nothing_behind() {
    let mut stage = Stage::on_a(2);
    stage.move_to("b");
    stage.move_to("c");
    stage.report("c", [2, 2]);
    stage.pass();
    stage.pass_after(SETTLING);
    assert_eq!(stage.entry(), "c");
    stage.pass_after(DRAINING);
    assert!(!stage.has_ours("a"));
    assert!(!stage.has_ours("b"));
    assert!(stage.has_ours("c"));
}

#[test]
fn a_clock_that_went_back_holds_nothing_up_for_long() {
    let mut stage = Stage::on_a(2);
    stage.now += SignedDuration::from_hours(1);
    stage.move_to("b");
    stage.now -= SignedDuration::from_hours(1);
    stage.pass();
    assert_eq!(stage.entry(), "b");
}
