//! Traefik Proxy.
//!
//! Traefik opens no ports for a Gateway: a listener's port must be the container port of one of
//! its entry points, and one listener that is not makes it call the whole Gateway not accepted.
//! Users think of the ports of Traefik's Service, 80 and 443; this policy puts the entry points'
//! into the Kubernetes Gateway. There is one Service for all Gateways, that of the Helm release.

#[cfg(test)]
mod tests;

use ofn_contract::{KubernetesGateway, Listener, Observation, Refusal, ServiceQuery};
use ofn_policy::entry::{by_name, data_plane};
use ofn_policy::exposed;
use ofn_policy::listeners::{Hostnames, Rules, Tls, refusal};
use ofn_policy::ports::{PortRules, Ports};
use ofn_policy::settings::Setting;
use ofn_policy::{About, Policy, helm};

const ENTRY_POINTS: Setting<Ports> = Setting {
    name: "entry-points",
    default: Ports::of_traefiks_helm_chart,
    help: "Which port of Traefik's container each listener port is served on.",
};

const EXPERIMENTAL_CHANNEL: Setting<bool> = Setting {
    name: "experimental-channel",
    default: || false,
    help: "Whether Traefik runs with providers.kubernetesGateway.experimentalChannel, and serves TCP.",
};

const PORTS: PortRules = PortRules {
    vendor: "Traefik",
    port: "entry point",
};

/// Listeners of any protocol share an entry point: Traefik looks at what comes.
const RULES: Rules = Rules {
    vendor: "Traefik",
    protocols: &[&["HTTP", "HTTPS", "TLS", "TCP"]],
    hostnames: Hostnames::Any,
    tls: Tls::CertificateOrPassthrough,
    counts_unserved: false,
};

/// The policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traefik;

impl Policy for Traefik {
    fn about(&self) -> About {
        About {
            name: "traefik",
            version: env!("CARGO_PKG_VERSION"),
            controller_names: &["traefik.io/gateway-controller"],
            settings: &[&ENTRY_POINTS, &EXPERIMENTAL_CHANNEL],
        }
    }

    fn data_plane(&self, seen: &Observation) -> Vec<ServiceQuery> {
        let mut queries = helm::services(seen, "traefik");
        queries.extend(by_name(&seen.spec.target.name.namespace, "traefik"));
        queries
    }

    fn map_listener(
        &self,
        seen: &Observation,
        listener: &Listener,
        beside: &[Listener],
    ) -> Result<Listener, Refusal> {
        let placed = RULES.place(listener, &[])?;
        // Source: `supportedRouteKinds` in pkg/provider/kubernetes/gateway/kubernetes.go.
        if placed.protocol == "TCP" && !EXPERIMENTAL_CHANNEL.get(seen) {
            return Err(refusal(
                listener,
                "UnsupportedProtocol",
                format!(
                    "Traefik serves protocol TCP only with its option experimentalChannel: write \
                     protocol HTTP, HTTPS or TLS, or enable the option and write \"true\" into \
                     annotation {}",
                    EXPERIMENTAL_CHANNEL.annotation()
                ),
            ));
        }
        PORTS.place(&ENTRY_POINTS.get(seen), &ENTRY_POINTS, seen, placed, beside)
    }

    /// Traefik names the container port, which the user did not write, and does not know the ports of
    /// its Service.
    fn read_status(&self, seen: &Observation, gateway: &KubernetesGateway) -> KubernetesGateway {
        let mut gateway = gateway.clone();
        for status in &mut gateway.listener_statuses {
            let written = seen
                .spec
                .listeners
                .iter()
                .find(|listener| listener.name == status.name);
            for condition in &mut status.conditions {
                if let Some(written) = written
                    && condition.reason == "PortUnavailable"
                {
                    condition.message.push_str(&format!(
                        "; port {} is mapped by annotation {}, which is {}: write the container ports \
                         of your entry points there",
                        written.port,
                        ENTRY_POINTS.annotation(),
                        ENTRY_POINTS.text(seen)
                    ));
                }
            }
        }
        if let Some(service) = data_plane(seen, &self.data_plane(seen)) {
            let also = "Traefik's entry points";
            exposed::mark(&mut gateway, &seen.spec.listeners, service, also);
        }
        gateway
    }
}

ofn_component::export!(Traefik);
