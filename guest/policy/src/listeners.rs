//! Which listeners a Kubernetes Gateway gets, and why implementations refuse some: each reason is
//! said once, here.

use ofn_contract::{KubernetesGateway, Listener, Observation, Refusal};
use serde_json::Value;

/// The annotation of a Kubernetes Gateway with the listeners that we put there.
const INJECTED_ANNOTATION: &str = "networking.openfunction.io/injected-listeners";

/// Maps the listeners of the spec, in their order. Each is shown those that it will stand beside.
pub fn place(
    seen: &Observation,
    map: impl Fn(&Listener, &[Listener]) -> Result<Listener, Refusal>,
) -> (Vec<Listener>, Vec<Refusal>) {
    let mut beside = seen
        .kubernetes_gateway
        .as_ref()
        .map(of_others)
        .unwrap_or_default();
    let foreign = beside.len();
    let mut refusals = Vec::new();
    for listener in &seen.spec.listeners {
        match map(listener, &beside) {
            Ok(mapped) => beside.push(mapped),
            Err(refusal) => refusals.push(refusal),
        }
    }
    (beside.split_off(foreign), refusals)
}

/// The listeners of a Gateway that we did not put there.
fn of_others(gateway: &KubernetesGateway) -> Vec<Listener> {
    let ours: Vec<Value> = gateway
        .annotations
        .iter()
        .find(|annotation| annotation.key == INJECTED_ANNOTATION)
        .and_then(|annotation| serde_json::from_str(&annotation.value).ok())
        .unwrap_or_default();
    gateway
        .listeners
        .iter()
        .filter(|listener| !ours.iter().any(|ours| ours["name"] == *listener.name))
        .cloned()
        .collect()
}

/// A refusal. The message is one sentence: the vendor's reason, and what to write instead.
pub fn refusal(listener: &Listener, reason: &str, message: impl Into<String>) -> Refusal {
    Refusal {
        listener: listener.name.clone(),
        reason: reason.to_owned(),
        message: message.into(),
    }
}

/// The vendor has no such protocol.
pub fn is_served(vendor: &str, protocols: &[&str], listener: &Listener) -> Result<(), Refusal> {
    if protocols.contains(&listener.protocol.as_str()) {
        return Ok(());
    }
    Err(refusal(
        listener,
        "UnsupportedProtocol",
        format!(
            "{vendor} does not serve protocol {}: write one of {}",
            listener.protocol,
            protocols.join(", ")
        ),
    ))
}

/// It terminates or passes TLS on, but says nothing of how. The Gateway API wants that said, and
/// its CRD does not enforce it.
pub fn with_tls(vendor: &str, listener: &Listener) -> Result<(), Refusal> {
    let needed = matches!(listener.protocol.as_str(), "HTTPS" | "TLS");
    if !needed || field(listener, "tls").is_some() {
        return Ok(());
    }
    Err(refusal(
        listener,
        "InvalidTLSConfiguration",
        format!(
            "{vendor} does not serve protocol {} without a certificate: write one into \
             tls.certificateRefs of the listener",
            listener.protocol
        ),
    ))
}

/// A field of a listener that the contract does not name.
pub fn field(listener: &Listener, name: &str) -> Option<Value> {
    let rest: Value = serde_json::from_str(&listener.rest).ok()?;
    rest.get(name).cloned()
}

/// Whether the Gateway API calls two listeners the same: no Gateway may have both.
pub fn is_same(a: &Listener, b: &Listener) -> bool {
    (a.port, &a.protocol, &a.hostname) == (b.port, &b.protocol, &b.hostname)
}
