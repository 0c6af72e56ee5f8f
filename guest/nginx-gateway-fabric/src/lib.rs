//! NGINX Gateway Fabric.
//!
//! Version 2 makes a data plane for each Gateway, beside it. Version 1 has one for all, in the
//! namespace of its release.

#[cfg(test)]
mod tests;

use ofn_contract::{Listener, Observation, Refusal, ServiceQuery};
use ofn_policy::entry::{by_labels, by_name};
use ofn_policy::helm::NAME_LABEL;
use ofn_policy::listeners::{Hostnames, Rules, is_taken};
use ofn_policy::settings::{Port, Setting};
use ofn_policy::{About, Policy};

const RULES: Rules = Rules {
    vendor: "NGINX Gateway Fabric",
    protocols: &[&["HTTP"], &["HTTPS", "TLS"], &["TCP", "UDP"]],
    hostnames: Hostnames::Disjoint,
};

const METRICS_PORT: Setting<Option<Port>> = Setting {
    name: "metrics-port",
    default: || Some(Port(9113)),
    help: "Where NGINX shows its metrics, and so serves no listener; empty: nowhere.",
};

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
        let queries = [
            by_name(&name.namespace, &its_own),
            // That of version 1: of its chart, of its manifests.
            by_labels(None, &[(NAME_LABEL, "nginx-gateway-fabric")]),
            by_labels(None, &[(NAME_LABEL, "nginx-gateway")]),
        ];
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
        RULES.place(listener, beside)
    }
}

ofn_component::export!(NginxGatewayFabric);
