//! What an implementation of the Gateway API writes.

use serde_json::{Value, json};

/// A condition; of no generation if that is 0.
pub fn condition(type_: &str, status: &str, reason: &str, message: &str, generation: i64) -> Value {
    let mut condition = json!({
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-11-23T19:39:34Z",
    });
    if generation > 0 {
        condition["observedGeneration"] = generation.into();
    }
    condition
}

/// The status that today's implementations write when all is well.
pub fn programmed(listeners: &[&str], generation: i64) -> Value {
    let listeners: Vec<_> = listeners
        .iter()
        .map(|name| {
            json!({
                "name": name,
                "attachedRoutes": 0,
                "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
                "conditions": [
                    condition("Programmed", "True", "Programmed", "Valid listener", generation),
                    condition("Accepted", "True", "Accepted", "Listener accepted", generation),
                    condition("ResolvedRefs", "True", "ResolvedRefs", "Listener references resolved", generation),
                ],
            })
        })
        .collect();
    json!({
        "conditions": [
            condition("Accepted", "True", "Accepted", "Gateway is accepted", generation),
            condition("Programmed", "True", "Programmed", "Valid Gateway", generation),
        ],
        "listeners": listeners,
    })
}
