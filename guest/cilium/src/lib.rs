//! Cilium's Gateway API.

#[cfg(test)]
mod tests;

use ofn_contract::{Listener, Observation, Refusal, Service, ServiceQuery};
use ofn_policy::entry::{by_labels, by_name};
use ofn_policy::listeners::{Hostnames, Rules, Tls};
use ofn_policy::{About, Policy};

const RULES: Rules = Rules {
    vendor: "Cilium",
    protocols: &[&["HTTP", "HTTPS", "TLS"], &["TCP", "UDP"]],
    // Source: `listenerPairConflict` in operator/pkg/gateway-api/.
    hostnames: Hostnames::DisjointFromPassthrough,
    tls: Tls::CertificateOrPassthrough,
    counts_unserved: false,
};

/// The policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cilium;

impl Policy for Cilium {
    fn about(&self) -> About {
        About {
            name: "cilium",
            version: env!("CARGO_PKG_VERSION"),
            controller_names: &["io.cilium/gateway-controller"],
            settings: &[],
        }
    }

    fn data_plane(&self, seen: &Observation) -> Vec<ServiceQuery> {
        let name = &seen.spec.target.name;
        // Older versions have no other label.
        let label = ("io.cilium.gateway/owning-gateway", name.name.as_str());
        let queries = [
            by_labels(Some(&name.namespace), &[label]),
            by_name(&name.namespace, &format!("cilium-gateway-{}", name.name)),
        ];
        queries.into_iter().flatten().collect()
    }

    /// In the host's network Envoy listens on the nodes, and the Service is none for load balancers.
    /// It may be none by the parameters of the class too: where there are some, nothing is known.
    /// Source: `toServiceType` in operator/pkg/model/translation/gateway-api/translator.go.
    fn is_reached(&self, seen: &Observation, service: &Service) -> bool {
        let class = seen.gateway_class.as_ref();
        let is_chosen = class.is_none_or(|class| class.spec_rest.contains("\"parametersRef\""));
        is_chosen || service.type_ == "LoadBalancer"
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

ofn_component::export!(Cilium);
