//! What most users have.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{FUTURE, object};
use crate::api;

/// One that is new, or whose user has just changed the domain, where the host names that were
/// generated for the one before still stand.
pub(super) fn gateway() -> BoxedStrategy<api::Gateway> {
    let target = select(vec![
        ("gatewayRef", json!({"namespace": "infra", "name": "web"})),
        (
            "gatewayDef",
            json!({"namespace": "infra", "name": "web", "gatewayClassName": "class"}),
        ),
    ]);
    let external = |hostname| {
        json!({
            "name": "ofn-http-external", "hostname": hostname, "port": 80, "protocol": "HTTP",
            "allowedRoutes": {"namespaces": {"from": "All"}},
            FUTURE: {"any": [1, "thing"]},
        })
    };
    let listeners = select(vec![
        (json!([]), None),
        (json!([external("*.ofn.io")]), None),
        (json!([external("*.ofn.io")]), Some("ofn.io")),
        (json!([external("*.old.io")]), Some("old.io")),
    ]);
    (target, listeners)
        .prop_map(|((field, target), (listeners, old_domain))| {
            let spec = |domain| {
                json!({
                    "domain": domain,
                    field: target,
                    "gatewaySpec": {"listeners": listeners},
                })
            };
            super::gateway(spec("ofn.io"), old_domain.map(spec), BTreeMap::new())
        })
        .boxed()
}

/// One that is well, or about to be.
pub(super) fn kubernetes_gateway() -> impl Strategy<Value = Value> {
    let address = select(vec![
        json!([{"type": "IPAddress", "value": "192.0.2.1"}]),
        json!([{"type": "Hostname", "value": "lb.example.com"}]),
        json!([]),
    ]);
    let status = select(vec!["True", "Unknown", "False"]);
    let name = select(vec!["platform", "ofn-http-internal"]);
    (address, status, name, any::<bool>()).prop_map(|(addresses, status, name, recorded)| {
        let condition = |type_: &str| {
            json!({
                "type": type_, "status": status, "reason": type_, "message": "",
                "observedGeneration": 2, "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        let conditions = [condition("Accepted"), condition("Programmed")];
        let listener =
            json!({"name": name, "hostname": "*.cluster.local", "port": 80, "protocol": "HTTP"});
        let listeners = json!([{
            "name": name, "attachedRoutes": 1, "conditions": conditions,
            "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
        }]);
        let status =
            json!({"addresses": addresses, "conditions": conditions, "listeners": listeners});
        object("class", vec![listener], status, recorded)
    })
}
