//! Envoy Gateway.
//!
//! It makes a Service for each Gateway, or for each class with merged Gateways, with a name that
//! may be hashed or chosen, in its own namespace or beside the Gateway. The labels are always the
//! same.

#[cfg(test)]
mod tests;

use ofn_contract::{Listener, Observation, Refusal, ServiceQuery};
use ofn_policy::entry::by_labels;
use ofn_policy::listeners::{Hostnames, Rules, Tls};
use ofn_policy::{About, Policy};

const RULES: Rules = Rules {
    vendor: "Envoy Gateway",
    protocols: &[&["HTTP", "UDP"], &["HTTPS", "TLS", "UDP"], &["TCP", "UDP"]],
    hostnames: Hostnames::Different,
    tls: Tls::CertificateOrPassthrough,
    counts_unserved: false,
};

/// The policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct EnvoyGateway;

impl Policy for EnvoyGateway {
    fn about(&self) -> About {
        About {
            name: "envoy-gateway",
            version: env!("CARGO_PKG_VERSION"),
            controller_names: &["gateway.envoyproxy.io/gatewayclass-controller"],
            settings: &[],
        }
    }

    fn data_plane(&self, seen: &Observation) -> Vec<ServiceQuery> {
        let name = &seen.spec.target.name;
        let of_the_gateway = by_labels(
            None,
            &[
                ("gateway.envoyproxy.io/owning-gateway-name", &name.name),
                (
                    "gateway.envoyproxy.io/owning-gateway-namespace",
                    &name.namespace,
                ),
            ],
        );
        let of_the_class = seen.kubernetes_gateway.as_ref().and_then(|gateway| {
            let label = "gateway.envoyproxy.io/owning-gatewayclass";
            by_labels(None, &[(label, &gateway.class_name)])
        });
        [of_the_gateway, of_the_class]
            .into_iter()
            .flatten()
            .collect()
    }

    fn map_listener(
        &self,
        _seen: &Observation,
        listener: &Listener,
        beside: &[Listener],
    ) -> Result<Listener, Refusal> {
        RULES.place(listener, beside)
    }
}

ofn_component::export!(EnvoyGateway);
