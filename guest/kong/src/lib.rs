//! The Kong ingress controller.
//!
//! It serves all Gateways with one Kong, whose Service it writes into an annotation of each. A
//! listener's port must be one of that Service, and a class must be marked as unmanaged.

#[cfg(test)]
mod tests;

use ofn_contract::protocol::transport;
use ofn_contract::{
    Condition, KubernetesGateway, Listener, Observation, Refusal, Service, ServicePort,
    ServiceQuery,
};
use ofn_policy::entry::{ENTRY_SERVICE_ANNOTATION, by_name, data_plane, found};
use ofn_policy::listeners::{Hostnames, Rules, Tls, refusal};
use ofn_policy::{About, Policy};

const RULES: Rules = Rules {
    vendor: "Kong",
    protocols: &[&["HTTP"], &["HTTPS", "TLS"], &["TCP"], &["UDP"]],
    hostnames: Hostnames::Different,
    tls: Tls::Nothing,
    counts_unserved: false,
};

const PUBLISH_SERVICE_ANNOTATION: &str = "konghq.com/publish-service";
/// The ports of Kong's chart, by the names that they have there.
const HTTP_PORT: &str = "kong-proxy";
const HTTPS_PORT: &str = "kong-proxy-tls";
const UNMANAGED_ANNOTATION: &str = "konghq.com/gatewayclass-unmanaged";

/// The policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kong;

impl Policy for Kong {
    fn about(&self) -> About {
        About {
            name: "kong",
            version: env!("CARGO_PKG_VERSION"),
            controller_names: &["konghq.com/kic-gateway-controller"],
            settings: &[],
        }
    }

    /// The Service for TCP, then the one for UDP, if there is one.
    fn data_plane(&self, seen: &Observation) -> Vec<ServiceQuery> {
        let gateway = seen.kubernetes_gateway.as_ref();
        gateway
            .and_then(publish_service)
            .into_iter()
            .flat_map(|services| services.split(','))
            .filter_map(|service| service.trim().split_once('/'))
            .filter_map(|(namespace, name)| by_name(namespace, name))
            .take(2)
            .collect()
    }

    fn map_listener(
        &self,
        seen: &Observation,
        listener: &Listener,
        beside: &[Listener],
    ) -> Result<Listener, Refusal> {
        let placed = RULES.place(listener, beside)?;
        let queries = self.data_plane(seen);
        let services: Vec<&Service> = queries
            .iter()
            .filter_map(|query| found(seen, query))
            .collect();
        let transport = transport(&placed.protocol);
        let ports: Vec<&ServicePort> = services
            .iter()
            .flat_map(|service| &service.ports)
            .filter(|port| port.protocol == transport)
            .collect();
        let of_it = ports.iter().find(|port| port.port == placed.port);
        let problem = match of_it {
            Some(port) => match (placed.protocol.as_str(), port.name.as_deref()) {
                ("HTTP", Some(HTTPS_PORT)) => "is for HTTPS",
                ("HTTPS", Some(HTTP_PORT)) => "is for HTTP",
                _ => return Ok(placed),
            },
            // It may be one of a Service that is yet to come.
            None if services.len() < queries.len() || queries.is_empty() => return Ok(placed),
            None => "is not there",
        };
        let known: Vec<_> = ports
            .iter()
            .filter(|port| port.port != placed.port)
            .map(|port| port.port.to_string())
            .collect();
        let names: Vec<_> = services
            .iter()
            .map(|service| service.name.to_string())
            .collect();
        let other = match known.as_slice() {
            [] => "add one".to_owned(),
            known => format!("write one of {}, or add one", known.join(", ")),
        };
        Err(refusal(
            listener,
            "PortUnavailable",
            format!(
                "port {}/{transport} of Kong's Service {} {problem}: {other} to the Service and to \
                 Kong's proxy_listen or stream_listen",
                placed.port,
                names.join(", "),
            ),
        ))
    }

    /// Kong says nothing at all about Gateways of a class that is not marked, nor about those whose
    /// Service it does not find.
    fn read_status(&self, seen: &Observation, gateway: &KubernetesGateway) -> KubernetesGateway {
        let mut gateway = gateway.clone();
        let Some(class) = &seen.gateway_class else {
            return gateway;
        };
        let is_unmanaged = class.annotations.iter().any(|annotation| {
            annotation.key == UNMANAGED_ANNOTATION && !annotation.value.is_empty()
        });
        let is_accepted = gateway
            .conditions
            .iter()
            .any(|condition| condition.type_ == "Accepted" && condition.status != "Unknown");
        let why = if is_accepted {
            None
        } else if !is_unmanaged {
            Some(format!(
                "Kong leaves Gateways of GatewayClass {} alone: annotate the class with {}: \"true\"",
                class.name, UNMANAGED_ANNOTATION
            ))
        } else {
            // Where the user chose another Service, it is not asked for.
            let is_chosen = seen
                .annotations
                .iter()
                .any(|annotation| annotation.key == ENTRY_SERVICE_ANNOTATION);
            publish_service(&gateway)
                .filter(|_| !is_chosen && data_plane(seen, &self.data_plane(seen)).is_none())
                .map(|named| {
                    format!(
                        "Kong waits for the Service {named:?}, which annotation \
                         {PUBLISH_SERVICE_ANNOTATION} of Gateway {} names and which is not seen: \
                         write the Service of Kong's proxy there, or remove the annotation",
                        gateway.name
                    )
                })
        };
        if let Some(message) = why {
            gateway
                .conditions
                .retain(|condition| condition.type_ != "Accepted");
            gateway.conditions.push(Condition {
                type_: "Accepted".to_owned(),
                status: "Unknown".to_owned(),
                reason: "Pending".to_owned(),
                message,
                observed_generation: None,
            });
        }
        gateway
    }
}

fn publish_service(gateway: &KubernetesGateway) -> Option<&str> {
    let mut annotations = gateway.annotations.iter();
    annotations
        .find(|annotation| annotation.key == PUBLISH_SERVICE_ANNOTATION)
        .map(|annotation| annotation.value.as_str())
}

ofn_component::export!(Kong);
