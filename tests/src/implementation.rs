//! What an implementation of the Gateway API writes.

use kube::api::DynamicObject;
use ofn_contract::{KubernetesGateway, Listener};
use ofn_gateway::kubernetes_gateway;
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

/// A Gateway of which an implementation says as much as the definition of the Gateway API lets it say of these
/// listeners.
pub fn all_it_may_say(listeners: &[Listener]) -> KubernetesGateway {
    let conditions: Vec<_> = (0..8)
        .map(|number| {
            json!({
                "type": format!("{number}{}", "x".repeat(315)), "status": "Unknown",
                "reason": "x".repeat(1024), "message": "<".repeat(2048),
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        })
        .collect();
    let kind = json!({"group": dns_name(253), "kind": "K".repeat(63)});
    let of_listener = |listener: &Listener| {
        json!({
            "name": listener.name, "attachedRoutes": i32::MAX,
            "supportedKinds": vec![&kind; 8], "conditions": conditions,
        })
    };
    let address = json!({"type": format!("{}/x", dns_name(251)), "value": "<".repeat(253)});
    let gateway: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"namespace": "infra", "name": "made"},
        "spec": {"gatewayClassName": "any", "listeners": []},
        "status": {
            "addresses": vec![address; 16],
            "conditions": conditions,
            "listeners": listeners.iter().map(of_listener).collect::<Vec<_>>(),
        },
    }))
    .expect("a Gateway");
    kubernetes_gateway::KubernetesGateway::from(gateway).to_contract()
}

/// A DNS subdomain of so many characters.
pub fn dns_name(length: usize) -> String {
    let label = format!("{}.", "a".repeat(62));
    let mut name = label.repeat(length / label.len() + 1);
    name.truncate(length);
    if name.ends_with('.') {
        name.replace_range(length - 1.., "a");
    }
    name
}
