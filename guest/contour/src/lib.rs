//! Contour, static or from its Gateway provisioner.
//!
//! A static Contour serves one Gateway, with the Envoy that stands beside Contour, in whatever
//! namespace. The provisioner makes an Envoy for each Gateway, beside the Gateway.

#[cfg(test)]
mod tests;

use ofn_contract::{
    Condition, KubernetesGateway, Listener, Observation, Refusal, Service, ServiceQuery,
};
use ofn_policy::entry::{by_labels, by_name, data_plane};
use ofn_policy::exposed;
use ofn_policy::helm::NAME_LABEL;
use ofn_policy::listeners::{Hostnames, Rules, Tls, refusal};
use ofn_policy::status::{WAITING, is_default};
use ofn_policy::{About, Policy};

const RULES: Rules = Rules {
    vendor: "Contour",
    protocols: &[
        &["HTTP"],
        &["HTTPS", "TLS", "projectcontour.io/https"],
        &["TCP"],
    ],
    hostnames: Hostnames::Different,
    tls: Tls::CertificateOrPassthrough,
    counts_unserved: true,
};

/// On what the provisioner makes for a Gateway.
const OWNING_GATEWAY_LABEL: &str = "projectcontour.io/owning-gateway-name";

/// The policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contour;

impl Policy for Contour {
    fn about(&self) -> About {
        About {
            name: "contour",
            version: env!("CARGO_PKG_VERSION"),
            controller_names: &[
                "projectcontour.io/gateway-controller",
                // The chart of OpenFunction configures this one.
                "projectcontour.io/projectcontour/contour",
            ],
            settings: &[],
        }
    }

    fn data_plane(&self, seen: &Observation) -> Vec<ServiceQuery> {
        let gateway = &seen.spec.target.name;
        let namespace = &gateway.namespace;
        let queries = [
            by_labels(Some(namespace), &[(OWNING_GATEWAY_LABEL, &gateway.name)]),
            by_name(namespace, &format!("envoy-{}", gateway.name)),
            by_name(namespace, "envoy"),
            // Of a chart.
            by_labels(
                None,
                &[
                    (NAME_LABEL, "contour"),
                    ("app.kubernetes.io/component", "envoy"),
                ],
            ),
            // Of Contour's own manifests.
            by_name("projectcontour", "envoy"),
        ];
        queries.into_iter().flatten().collect()
    }

    fn map_listener(
        &self,
        seen: &Observation,
        listener: &Listener,
        beside: &[Listener],
    ) -> Result<Listener, Refusal> {
        let beside = before(seen, listener, beside);
        let placed = RULES.place(listener, &beside)?;
        let envoy = container_port(placed.port);
        let clash = beside
            .iter()
            .find(|other| other.port != placed.port && container_port(other.port) == envoy);
        match clash {
            None => Ok(placed),
            Some(other) => Err(refusal(
                listener,
                "PortUnavailable",
                format!(
                    "Contour's Envoy serves port {} on its port {envoy}, and port {} of listener {} \
                     too: write another port",
                    listener.port, other.port, other.name
                ),
            )),
        }
    }

    /// A static Contour programs an Envoy whose Service it does not change, and says nothing of a
    /// Gateway that it does not serve.
    fn read_status(&self, seen: &Observation, gateway: &KubernetesGateway) -> KubernetesGateway {
        let mut gateway = gateway.clone();
        let service = data_plane(seen, &self.data_plane(seen));
        if service.is_some_and(|service| is_the_provisioners(service, &gateway)) {
            return gateway;
        }
        if let Some(service) = service {
            exposed::mark(&mut gateway, &seen.spec.listeners, service, "Envoy");
        }
        if gateway.conditions.iter().all(is_default) {
            gateway.conditions = vec![Condition {
                type_: "Accepted".to_owned(),
                status: "Unknown".to_owned(),
                reason: "Pending".to_owned(),
                message: format!(
                    "{WAITING}: a Contour without its provisioner serves only the Gateway that \
                     gateway.gatewayRef of its configuration names: write {} there",
                    gateway.name
                ),
                observed_generation: None,
            }];
        }
        gateway
    }
}

/// Without the listeners of others that stand behind it in the Gateway: of two that cannot both be served,
/// Contour serves the first. Source: `ValidateListeners` in internal/gatewayapi/listeners.go.
fn before(seen: &Observation, listener: &Listener, beside: &[Listener]) -> Vec<Listener> {
    let gateway = seen.kubernetes_gateway.iter();
    let there = gateway.flat_map(|gateway| &gateway.listeners);
    let behind: Vec<&str> = there
        .map(|other| other.name.as_str())
        .skip_while(|name| *name != listener.name)
        .collect();
    let is_ours = |name: &str| seen.spec.listeners.iter().any(|ours| ours.name == name);
    let beside = beside.iter();
    beside
        .filter(|other| is_ours(&other.name) || !behind.contains(&other.name.as_str()))
        .cloned()
        .collect()
}

/// Whether the provisioner made it for the Gateway, and keeps its ports.
fn is_the_provisioners(service: &Service, gateway: &KubernetesGateway) -> bool {
    let mut labels = service.labels.iter();
    labels.any(|label| label.key == OWNING_GATEWAY_LABEL && label.value == gateway.name.name)
}

/// Where Envoy listens for a port of a Gateway. Contour adds 8000, begins anew at the end, and
/// steps over the privileged ports.
fn container_port(port: u16) -> u16 {
    match port.checked_add(8000) {
        Some(port) => port,
        None => match port.wrapping_add(8001) {
            low @ 0..=1023 => low + 1023,
            port => port,
        },
    }
}

ofn_component::export!(Contour);
