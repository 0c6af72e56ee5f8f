//! For vendors with one data plane for all Gateways, behind a Service whose ports somebody else writes:
//! a listener on another port is programmed and yet never reached.

use ofn_contract::{Condition, KubernetesGateway, Listener, ListenerStatus, Service};

/// Says of each listener whose port is not one of the Service that it is not reached. `also` is what
/// has to open the port besides the Service, such as `Envoy`.
pub fn mark(gateway: &mut KubernetesGateway, service: &Service, also: &str) {
    for status in &mut gateway.listener_statuses {
        let mut listeners = gateway.listeners.iter();
        let listener = listeners.find(|listener| listener.name == status.name);
        // What the vendor says is wrong goes before.
        let mut conditions = status.conditions.iter();
        let is_programmed = !conditions
            .any(|condition| condition.type_ == "Programmed" && condition.status != "True");
        if let Some(listener) = listener
            && is_programmed
            && !has_port(service, listener)
        {
            not_reached(status, service, listener, also);
        }
    }
}

fn transport(listener: &Listener) -> &'static str {
    if listener.protocol == "UDP" {
        "UDP"
    } else {
        "TCP"
    }
}

fn has_port(service: &Service, listener: &Listener) -> bool {
    let mut ports = service.ports.iter();
    ports.any(|port| port.port == listener.port && port.protocol == transport(listener))
}

fn not_reached(status: &mut ListenerStatus, service: &Service, listener: &Listener, also: &str) {
    let message = format!(
        "Service {} has no port {}/{}: write one that it has, or add it to the Service and to {also}",
        service.name,
        listener.port,
        transport(listener)
    );
    status
        .conditions
        .retain(|condition| condition.type_ != "Programmed");
    status.conditions.push(Condition {
        type_: "Programmed".to_owned(),
        status: "False".to_owned(),
        reason: "PortUnavailable".to_owned(),
        message,
        observed_generation: None,
    });
}
