//! NGINX Gateway Fabric.
//!
//! Version 2 makes a data plane for each Gateway, beside it. Version 1 has one for all, in the
//! namespace of its release.

#[cfg(test)]
mod tests;

use ofn_contract::{KubernetesGateway, Listener, Observation, Refusal, Service, ServiceQuery};
use ofn_policy::entry::{GATEWAY_NAME_LABEL, by_labels, by_name, data_plane};
use ofn_policy::exposed;
use ofn_policy::helm::NAME_LABEL;
use ofn_policy::listeners::{Hostnames, Rules, Tls, is_taken};
use ofn_policy::settings::{Port, Setting};
use ofn_policy::{About, Policy};

const RULES: Rules = Rules {
    vendor: "NGINX Gateway Fabric",
    protocols: &[&["HTTP"], &["HTTPS", "TLS"], &["TCP", "UDP"]],
    hostnames: Hostnames::Disjoint,
    tls: Tls::CertificateOrPassthrough,
    counts_unserved: false,
};

/// Source: `newListenerConfiguratorFactory` in gateway_listener.go of v1.6.2.
const RULES_OF_VERSION_1: Rules = Rules {
    vendor: "version 1 of NGINX Gateway Fabric",
    protocols: &[&["HTTP"], &["HTTPS", "TLS"]],
    ..RULES
};

const METRICS_PORT: Setting<Option<Port>> = Setting {
    name: "metrics-port",
    default: || Some(Port(9113)),
    help: "Where NGINX shows its metrics, and so serves no listener; empty: nowhere.",
};

/// The name of what version 1 consists of: in its chart, in its manifests.
const VERSION_1: [&str; 2] = ["nginx-gateway-fabric", "nginx-gateway"];

/// The policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct NginxGatewayFabric;

impl Policy for NginxGatewayFabric {
    fn about(&self) -> About {
        About {
            name: "nginx-gateway-fabric",
            version: env!("CARGO_PKG_VERSION"),
            controller_names: &["gateway.nginx.org/nginx-gateway-controller"],
            settings: &[&METRICS_PORT],
        }
    }

    fn data_plane(&self, seen: &Observation) -> Vec<ServiceQuery> {
        let Some(gateway) = &seen.kubernetes_gateway else {
            return Vec::new();
        };
        let name = &gateway.name;
        let its_own = format!("{}-{}", name.name, gateway.class_name);
        let label = (GATEWAY_NAME_LABEL, name.name.as_str());
        let mut queries = vec![
            by_name(&name.namespace, &its_own),
            by_labels(Some(&name.namespace), &[label]),
        ];
        // The control plane of version 2 has the label of version 1's data plane.
        if !seen.services.iter().any(is_control_plane) {
            queries.extend(VERSION_1.map(|name| by_labels(None, &[(NAME_LABEL, name)])));
        }
        queries.into_iter().flatten().collect()
    }

    fn map_listener(
        &self,
        seen: &Observation,
        listener: &Listener,
        beside: &[Listener],
    ) -> Result<Listener, Refusal> {
        if let Some(Port(port)) = METRICS_PORT.get(seen) {
            is_taken(RULES.vendor, port, "its metrics", listener)?;
        }
        let data_plane = data_plane(seen, &self.data_plane(seen));
        let rules = match data_plane.is_some_and(is_of_version_1) {
            true => RULES_OF_VERSION_1,
            false => RULES,
        };
        rules.place(listener, beside)
    }

    /// Version 1 programs a data plane whose Service it does not change.
    fn read_status(&self, seen: &Observation, gateway: &KubernetesGateway) -> KubernetesGateway {
        let mut gateway = gateway.clone();
        if let Some(service) = data_plane(seen, &self.data_plane(seen))
            && is_of_version_1(service)
        {
            exposed::mark(&mut gateway, &seen.spec.listeners, service, "NGINX");
        }
        gateway
    }
}

/// Whether it is the one data plane of version 1. That of version 2 has another name in its label.
fn is_of_version_1(service: &Service) -> bool {
    let mut labels = service.labels.iter();
    labels.any(|label| label.key == NAME_LABEL && VERSION_1.contains(&label.value.as_str()))
}

/// Whether it is what the agents of version 2 connect to. Source: templates/service.yaml of the chart.
fn is_control_plane(service: &Service) -> bool {
    let mut ports = service.ports.iter();
    ports.any(|port| port.name.as_deref() == Some("agent-grpc"))
}

ofn_component::export!(NginxGatewayFabric);
