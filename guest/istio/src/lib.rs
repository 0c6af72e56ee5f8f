//! Istio's ingress gateways.
//!
//! Istio makes a Service for each Gateway, or, where `spec.addresses` has a host name, uses the
//! Service of that name (a manual deployment). Its other classes are for the mesh.

#[cfg(test)]
mod tests;

use ofn_contract::{
    GatewayTemplate, KubernetesGateway, Listener, Observation, Refusal, ServiceQuery, Violation,
};
use ofn_policy::entry::{by_name, data_plane};
use ofn_policy::exposed;
use ofn_policy::listeners::{Hostnames, Rules, Tls, is_taken, refusal};
use ofn_policy::status::LISTENERS_NOT_VALID;
use ofn_policy::{About, Policy};
use serde_json::Value;

const RULES: Rules = Rules {
    vendor: "Istio",
    protocols: &[&["HTTP", "HTTPS", "TLS", "TCP"]],
    hostnames: Hostnames::Any,
    tls: Tls::CertificateOrPassthrough,
    counts_unserved: false,
};

const INGRESS: &str = "istio.io/gateway-controller";
/// Those of the classes that serve no requests from outside the mesh.
const WAYPOINT: &str = "istio.io/mesh-controller";
const EAST_WEST: &str = "istio.io/eastwest-controller";
const REMOTE: &str = "istio.io/unmanaged-gateway";
/// `istio.io/agentgateway-controller` is not among them: it takes requests from outside, and the
/// standard component serves it.
const AGENT_WAYPOINT: &str = "istio.io/agentgateway-waypoint-controller";

const NAME_OVERRIDE_ANNOTATION: &str = "gateway.istio.io/name-override";

/// The policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Istio;

impl Policy for Istio {
    fn about(&self) -> About {
        About {
            name: "istio",
            version: env!("CARGO_PKG_VERSION"),
            controller_names: &[INGRESS, WAYPOINT, EAST_WEST, REMOTE, AGENT_WAYPOINT],
            settings: &[],
        }
    }

    fn data_plane(&self, seen: &Observation) -> Vec<ServiceQuery> {
        let Some(gateway) = &seen.kubernetes_gateway else {
            return Vec::new();
        };
        let manual: Vec<ServiceQuery> = manual_services(gateway).collect();
        if !manual.is_empty() {
            return manual;
        }
        let name = &gateway.name;
        let renamed = gateway
            .annotations
            .iter()
            .find(|annotation| annotation.key == NAME_OVERRIDE_ANNOTATION)
            .map(|annotation| annotation.value.clone());
        let of_its_class = format!("{}-{}", name.name, gateway.class_name);
        // Up to 1.16 it had the Gateway's own name.
        [renamed, Some(of_its_class), Some(name.name.clone())]
            .into_iter()
            .flatten()
            .filter_map(|service| by_name(&name.namespace, &service))
            .collect()
    }

    fn map_listener(
        &self,
        seen: &Observation,
        listener: &Listener,
        beside: &[Listener],
    ) -> Result<Listener, Refusal> {
        if let Some(class) = &seen.gateway_class
            && matches!(
                class.controller_name.as_str(),
                WAYPOINT | EAST_WEST | REMOTE | AGENT_WAYPOINT
            )
        {
            return Err(refusal(
                listener,
                "UnsupportedProtocol",
                format!(
                    "GatewayClass {} of Istio is for the mesh, and takes no requests from outside: \
                     write a Gateway of class istio",
                    class.name
                ),
            ));
        }
        is_taken("Istio", 15021, "its health checks", listener)?;
        RULES.place(listener, beside)
    }

    /// Of a manual deployment Istio says of the whole Gateway, and of no listener, that its Service lacks a
    /// port: also one of a listener of somebody else. Source: `ResolveGatewayInstances` in
    /// pilot/pkg/config/kube/gateway/context.go.
    fn read_status(&self, seen: &Observation, gateway: &KubernetesGateway) -> KubernetesGateway {
        let mut gateway = gateway.clone();
        let manual: Vec<ServiceQuery> = manual_services(&gateway).collect();
        let ([_], Some(service)) = (&manual[..], data_plane(seen, &manual)) else {
            return gateway;
        };
        let listeners = &seen.spec.listeners;
        exposed::mark(&mut gateway, listeners, service, "Istio's gateway");
        // Of those that the Service lacks, ours say so themselves.
        let is_served = |port: u16| {
            listeners.iter().any(|listener| listener.port == port)
                && service.ports.iter().any(|other| other.port == port)
        };
        for condition in &mut gateway.conditions {
            if condition.type_ == "Programmed"
                && let Some(ports) = ports_not_found(&condition.message)
                && !ports.into_iter().any(is_served)
            {
                condition.reason = LISTENERS_NOT_VALID.to_owned();
            }
        }
        gateway
    }

    /// Where there are none here, Istio copies labels and annotations of the Gateway into the pods
    /// that it makes, and so starts them anew when our record changes. Source:
    /// `extractInfrastructureMetadata` in pilot/pkg/config/kube/gateway/deploymentcontroller.go.
    fn template(&self, _seen: &Observation) -> Result<GatewayTemplate, Violation> {
        Ok(GatewayTemplate {
            labels: Vec::new(),
            annotations: Vec::new(),
            infrastructure: Some(r#"{"labels":{},"annotations":{}}"#.to_owned()),
        })
    }
}

/// The ports that Istio did not find, where that is all that it says.
fn ports_not_found(message: &str) -> Option<Vec<u16>> {
    let (_, said) = message.split_once("failed to assign to all requested addresses: ")?;
    said.split("; ")
        .map(|one| {
            let (port, _) = one
                .strip_prefix("port ")?
                .split_once(" not found for hostname ")?;
            port.parse().ok()
        })
        .collect()
}

/// The Services that a user made and named in `spec.addresses`: by name, or with their DNS names.
fn manual_services(gateway: &KubernetesGateway) -> impl Iterator<Item = ServiceQuery> {
    let spec: Value = serde_json::from_str(&gateway.spec_rest).unwrap_or_default();
    let addresses = spec["addresses"].as_array().cloned().unwrap_or_default();
    addresses
        .into_iter()
        .filter(|address| address["type"] == "Hostname")
        .filter_map(|address| {
            let name = address["value"].as_str()?;
            match name.split('.').collect::<Vec<_>>()[..] {
                [name] => by_name(&gateway.name.namespace, name),
                [name, namespace, "svc", ..] => by_name(namespace, name),
                _ => None,
            }
        })
        .take(MOST_MANUAL_SERVICES)
}

/// There is room for as many beside the standard queries.
const MOST_MANUAL_SERVICES: usize = 3;

ofn_component::export!(Istio);
