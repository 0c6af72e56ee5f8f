//! Much of everything.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{FUTURE, object};
use crate::api;

pub(super) fn gateway() -> BoxedStrategy<api::Gateway> {
    let protocols = select(vec!["HTTP", "HTTPS", "TCP"]);
    (1..=64_usize, 0..1200_usize, protocols)
        .prop_map(|(number, rest, protocol)| {
            let listener = |number: usize| {
                json!({
                    "name": format!("{number}-{}", "x".repeat(240)),
                    "hostname": format!("*.{number}.{}ofn.io", "a.".repeat(100)),
                    "port": 1000 + number,
                    "protocol": protocol,
                    FUTURE: "x".repeat(rest),
                })
            };
            let listeners: Vec<_> = (0..number).map(listener).collect();
            let spec = json!({
                "domain": "ofn.io",
                "gatewayRef": {"namespace": "infra", "name": "web"},
                "gatewaySpec": {"listeners": listeners},
            });
            super::gateway(spec, None, BTreeMap::new())
        })
        .boxed()
}

/// Large, with up to as many listeners as there can be.
pub(super) fn kubernetes_gateway() -> impl Strategy<Value = Value> {
    (1..=64_usize, 0..2000_usize).prop_map(|(number, text)| {
        let condition = |number: usize| {
            json!({
                "type": format!("example.com/Condition{number}"), "status": "False",
                "reason": "Any", "message": "x".repeat(text), "observedGeneration": 2,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        let conditions: Vec<_> = (0..8).map(condition).collect();
        let name = |number: usize| format!("{number}-{}", "x".repeat(240));
        let listener = |number| {
            json!({
                "name": name(number), "hostname": format!("*.{number}.example.com"),
                "port": 1000 + number, "protocol": "HTTP", FUTURE: "x".repeat(text),
            })
        };
        let status = |number| {
            json!({
                "name": name(number), "attachedRoutes": i32::MAX, "supportedKinds": [],
                "conditions": [condition(0), condition(1)],
            })
        };
        let addresses: Vec<_> = (0..16)
            .map(|number| json!({"type": "IPAddress", "value": format!("192.0.2.{number}")}))
            .collect();
        let statuses: Vec<_> = (0..number).map(status).collect();
        let status =
            json!({"addresses": addresses, "conditions": conditions, "listeners": statuses});
        object("class", (0..number).map(listener).collect(), status, false)
    })
}
