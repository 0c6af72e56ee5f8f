//! For vendors with one data plane for all Gateways, behind a Service whose ports somebody else writes:
//! a listener on another port is programmed and yet never reached.

use ofn_contract::protocol::transport;
use ofn_contract::{Condition, KubernetesGateway, Listener, ListenerStatus, Service};

/// Says of each of our listeners whose port is not one of the Service that it is not reached: the
/// entry has the ports that the user wrote. `also` is what has to open the port besides the Service,
/// such as `Envoy`.
pub fn mark(
    gateway: &mut KubernetesGateway,
    listeners: &[Listener],
    service: &Service,
    also: &str,
) {
    for status in &mut gateway.listener_statuses {
        let mut listeners = listeners.iter();
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

fn has_port(service: &Service, listener: &Listener) -> bool {
    let transport = transport(&listener.protocol);
    ports(service, transport).any(|port| port == listener.port)
}

fn ports(service: &Service, transport: &str) -> impl Iterator<Item = u16> {
    let ports = service.ports.iter();
    ports
        .filter(move |port| port.protocol == transport)
        .map(|port| port.port)
}

fn not_reached(status: &mut ListenerStatus, service: &Service, listener: &Listener, also: &str) {
    let transport = transport(&listener.protocol);
    let mut there = String::new();
    for port in ports(service, transport) {
        if !there.is_empty() {
            there.push_str(", ");
        }
        there.push_str(&port.to_string());
    }
    if there.is_empty() {
        there.push_str("none");
    }
    let message = format!(
        "Service {} has no port {}/{transport}: write one that it has ({there}), or add it to the \
         Service and to {also}",
        service.name, listener.port
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
