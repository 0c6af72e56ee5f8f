//! What version 1 of APISIX's ingress controller writes: `Ready` of a Gateway, when it has looked
//! at it, and nothing of listeners.

use ofn_contract::{Condition, KubernetesGateway, ListenerStatus, Observation};

/// The status in today's terms: what is true of the Gateway is true of its listeners.
pub fn read(seen: &Observation, gateway: &KubernetesGateway) -> KubernetesGateway {
    let mut gateway = gateway.clone();
    let Some(ready) = gateway
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready")
        .cloned()
    else {
        return gateway;
    };
    let is_current = |generation: i64| generation == 0 || generation >= gateway.written_generation;
    let (status, reason, message) = if is_current(ready.observed_generation.unwrap_or_default()) {
        (
            ready.status.as_str(),
            ready.reason.as_str(),
            ready.message.clone(),
        )
    } else {
        (
            "Unknown",
            "Pending",
            "version 1 of APISIX's ingress controller does not see that a Gateway changes: restart \
             it, or have the Gateway created with spec.gatewayDef"
                .to_owned(),
        )
    };
    let reported = |type_: &str| Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.clone(),
        observed_generation: None,
    };
    gateway.conditions = vec![reported("Accepted"), reported("Programmed")];
    gateway.listener_statuses = seen
        .spec
        .listeners
        .iter()
        .map(|listener| ListenerStatus {
            name: listener.name.clone(),
            attached_routes: 0,
            supported_kinds: Vec::new(),
            conditions: vec![reported("Accepted"), reported("Programmed")],
        })
        .collect();
    gateway
}
