//! Which listeners a Kubernetes Gateway gets, and why implementations refuse some: each reason is
//! said once, here.

use ofn_contract::dns::is_under;
use ofn_contract::{KubernetesGateway, Listener, Observation, Refusal};
use serde_json::Value;

use crate::defaults::for_kubernetes;

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
        let mapped = map(listener, &beside).and_then(|mapped| distinct(mapped, &beside[foreign..]));
        match mapped {
            Ok(mapped) => beside.push(mapped),
            Err(refusal) => refusals.push(refusal),
        }
    }
    (beside.split_off(foreign), refusals)
}

/// Refuses a listener that the Gateway API calls the same as one of ours before it.
fn distinct(listener: Listener, ours: &[Listener]) -> Result<Listener, Refusal> {
    let Some(other) = ours.iter().find(|other| is_same(other, &listener)) else {
        return Ok(listener);
    };
    Err(refusal(
        &listener,
        "ListenerConflict",
        format!(
            "listener {} of this object serves {} for {} on port {} already: give one of them \
             another host name or port",
            other.name,
            listener.protocol,
            listener.hostname.as_deref().unwrap_or("every host"),
            listener.port
        ),
    ))
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

/// What a vendor asks of its listeners.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The vendor, as messages name it.
    pub vendor: &'static str,
    /// The protocols that it serves, in groups: those of one group can share a port.
    pub protocols: &'static [&'static [&'static str]],
    /// What is asked of the host names of listeners that share a port with different protocols.
    pub hostnames: Hostnames,
    /// What is asked of the field `tls` of listeners of the protocols `HTTPS` and `TLS`.
    pub tls: Tls,
    /// Whether another listener is in the way where the vendor does not serve its protocol.
    pub counts_unserved: bool,
}

/// What is asked of two host names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostnames {
    /// Nothing.
    Any,
    /// They are not the same.
    Different,
    /// No request can be meant for both.
    Disjoint,
    /// No request can be meant for both, where one is `HTTPS` and the other leaves TLS to the function.
    DisjointFromPassthrough,
}

/// What is asked of the field `tls`. The Gateway API wants one where there is TLS, and its CRD does not
/// enforce it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// That it is there: with a certificate.
    Certificate,
    /// The same, or that a listener of protocol `TLS` leaves TLS to the function: `tls.mode: Passthrough`.
    CertificateOrPassthrough,
    /// Nothing: there is a certificate for all.
    Nothing,
}

impl Rules {
    /// The listener as it goes into the Kubernetes Gateway, beside these others.
    pub fn place(&self, listener: &Listener, beside: &[Listener]) -> Result<Listener, Refusal> {
        self.check_protocol(listener)?;
        self.check_tls(listener)?;
        let placed = for_kubernetes(listener);
        for other in beside {
            if !self.counts_unserved && !self.serves(other) {
                continue;
            }
            // The host reports those that are the same, and whose the other is.
            if other.port == placed.port && !is_same(other, &placed) {
                self.check_neighbour(&placed, other)?;
            }
        }
        Ok(placed)
    }

    fn serves(&self, listener: &Listener) -> bool {
        let mut protocols = self.protocols.iter().copied().flatten();
        protocols.any(|served| *served == listener.protocol)
    }

    fn check_protocol(&self, listener: &Listener) -> Result<(), Refusal> {
        if self.serves(listener) {
            return Ok(());
        }
        let mut served: Vec<&str> = Vec::new();
        for protocol in self.protocols.iter().copied().flatten() {
            if !served.contains(protocol) {
                served.push(protocol);
            }
        }
        Err(refusal(
            listener,
            "UnsupportedProtocol",
            format!(
                "{} does not serve protocol {}: write one of {}",
                self.vendor,
                listener.protocol,
                served.join(", ")
            ),
        ))
    }

    fn check_tls(&self, listener: &Listener) -> Result<(), Refusal> {
        let needed =
            self.tls != Tls::Nothing && matches!(listener.protocol.as_str(), "HTTPS" | "TLS");
        if !needed || field(listener, "tls").is_some() {
            return Ok(());
        }
        let or = if self.tls == Tls::CertificateOrPassthrough && listener.protocol == "TLS" {
            ", or tls.mode Passthrough"
        } else {
            ""
        };
        Err(refusal(
            listener,
            "InvalidTLSConfiguration",
            format!(
                "{} does not serve protocol {} without a certificate: write one into \
                 tls.certificateRefs of the listener{or}",
                self.vendor, listener.protocol
            ),
        ))
    }

    fn check_neighbour(&self, listener: &Listener, other: &Listener) -> Result<(), Refusal> {
        let can_share = self.protocols.iter().any(|group| {
            [listener, other]
                .iter()
                .all(|one| group.contains(&one.protocol.as_str()))
        });
        if !can_share {
            return Err(refusal(
                listener,
                "ProtocolConflict",
                format!(
                    "{} cannot serve {} on port {}, where listener {} has {}: write another port",
                    self.vendor, listener.protocol, listener.port, other.name, other.protocol
                ),
            ));
        }
        // TCP and UDP have no host names to tell apart.
        let named = [listener, other]
            .iter()
            .all(|one| !matches!(one.protocol.as_str(), "TCP" | "UDP"));
        let clash = named
            && other.protocol != listener.protocol
            && match self.hostnames {
                Hostnames::Any => false,
                Hostnames::Different => listener.hostname == other.hostname,
                Hostnames::Disjoint => overlap(listener, other),
                Hostnames::DisjointFromPassthrough => {
                    let pair = [listener, other];
                    pair.iter().any(|one| is_passed_through(one))
                        && pair.iter().any(|one| one.protocol == "HTTPS")
                        && overlap(listener, other)
                }
            };
        if clash {
            return Err(refusal(
                listener,
                "HostnameConflict",
                format!(
                    "{} tells the listeners of a port apart by their host names, and on port {} \
                     listener {} has {} already: write another host name or another port",
                    self.vendor,
                    listener.port,
                    other.name,
                    other.hostname.as_deref().unwrap_or("all of them")
                ),
            ));
        }
        Ok(())
    }
}

/// Whether a listener leaves TLS to the function.
fn is_passed_through(listener: &Listener) -> bool {
    let tls = field(listener, "tls");
    listener.protocol == "TLS" && tls.is_some_and(|tls| tls["mode"] == "Passthrough")
}

/// Whether there is a host name that both listeners take.
fn overlap(a: &Listener, b: &Listener) -> bool {
    match (&a.hostname, &b.hostname) {
        (Some(a), Some(b)) => a == b || covers(a, b) || covers(b, a),
        _ => true,
    }
}

fn covers(wildcard: &str, name: &str) -> bool {
    wildcard
        .strip_prefix("*.")
        .is_some_and(|domain| name != domain && is_under(name, domain))
}

/// The vendor needs this port for something else.
pub fn is_taken(
    vendor: &str,
    port: u16,
    what_for: &str,
    listener: &Listener,
) -> Result<(), Refusal> {
    if listener.port != port {
        return Ok(());
    }
    Err(refusal(
        listener,
        "PortUnavailable",
        format!("{vendor} needs port {port} for {what_for}: write another port"),
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
