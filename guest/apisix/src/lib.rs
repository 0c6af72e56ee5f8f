//! Apache APISIX, with version 1 or 2 of its ingress controller.
//!
//! One APISIX serves all Gateways. Version 2 accepts no Gateway without a GatewayProxy, which says
//! where APISIX's admin API is. Version 1 looks at a Gateway once, when that is created, and says
//! nothing of listeners.

mod old_status;
#[cfg(test)]
mod tests;

use ofn_contract::{
    GatewayTemplate, KubernetesGateway, Listener, Observation, Refusal, ServiceQuery, Violation,
};
use ofn_policy::entry::{by_labels, data_plane};
use ofn_policy::exposed;
use ofn_policy::listeners::{Hostnames, Rules, Tls, field, refusal};
use ofn_policy::ports::{PortRules, Ports};
use ofn_policy::settings::{Name, Setting};
use ofn_policy::{About, Policy};

const RULES: Rules = Rules {
    vendor: "APISIX",
    protocols: &[&["HTTP", "HTTPS", "TLS", "TCP", "UDP"]],
    hostnames: Hostnames::Any,
    tls: Tls::Certificate,
    counts_unserved: false,
};

const VERSION_1: &str = "apisix.apache.org/gateway-controller";
const VERSION_2: &str = "apisix.apache.org/apisix-ingress-controller";

const GATEWAY_PROXY: Setting<Option<Name>> = Setting {
    name: "gateway-proxy",
    default: || None,
    help: "The GatewayProxy, in the Gateway's namespace, for a Gateway that gatewayDef creates.",
};

/// With `listener_port_match_mode` auto, the default of 2.1.0 and of Helm chart 1.3.0, or explicit, version 2
/// serves a route only where the connection came to a port with the listener's number: inside of APISIX,
/// whose chart has 9080 behind 80. In 2.2.0 the default is off, and listeners that all have host names are
/// not compared. Source: `shouldInjectServerPortVars` and, of 2.2.0, `collectServerPortMatchPorts` in
/// internal/adc/translator/translator.go; docs/en/latest/reference/troubleshoot.md.
const LISTENING: Setting<Option<Ports>> = Setting {
    name: "ports",
    default: || None,
    help: "Which port of APISIX's container each listener port is served on; its listener_port_match_mode \
           needs it.",
};

const PORTS: PortRules = PortRules {
    vendor: "APISIX",
    port: "open port",
};

/// The policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Apisix;

impl Policy for Apisix {
    fn about(&self) -> About {
        About {
            name: "apisix",
            version: env!("CARGO_PKG_VERSION"),
            controller_names: &[VERSION_2, VERSION_1],
            settings: &[&GATEWAY_PROXY, &LISTENING],
        }
    }

    fn data_plane(&self, _seen: &Observation) -> Vec<ServiceQuery> {
        let label = ("app.kubernetes.io/service", "apisix-gateway");
        by_labels(None, &[label]).into_iter().collect()
    }

    fn map_listener(
        &self,
        seen: &Observation,
        listener: &Listener,
        beside: &[Listener],
    ) -> Result<Listener, Refusal> {
        let placed = RULES.place(listener, &[])?;
        let placed = match LISTENING.get(seen) {
            Some(ports) => PORTS.place(&ports, &LISTENING, seen, placed, beside)?,
            None => placed,
        };
        if is_version_1(seen) {
            check_kinds(&placed)?;
        } else {
            check_tls_mode(&placed, beside)?;
        }
        Ok(placed)
    }

    fn template(&self, seen: &Observation) -> Result<GatewayTemplate, Violation> {
        let proxy = GATEWAY_PROXY.get(seen);
        let to_create = seen.kubernetes_gateway.is_none() && seen.spec.target.class_name.is_some();
        if proxy.is_none() && to_create && !is_version_1(seen) {
            return Err(GATEWAY_PROXY.missing(
                "must be set: APISIX accepts no Gateway without a GatewayProxy, and spec.gatewayDef \
                 is to create one",
            ));
        }
        Ok(GatewayTemplate {
            labels: Vec::new(),
            annotations: Vec::new(),
            infrastructure: proxy.map(|proxy| {
                format!(
                    r#"{{"parametersRef":{{"group":"apisix.apache.org","kind":"GatewayProxy","name":"{}"}}}}"#,
                    proxy.as_str()
                )
            }),
        })
    }

    fn read_status(&self, seen: &Observation, gateway: &KubernetesGateway) -> KubernetesGateway {
        let mut gateway = if is_version_1(seen) {
            old_status::read(seen, gateway)
        } else {
            gateway.clone()
        };
        if let Some(service) = data_plane(seen, &self.data_plane(seen)) {
            exposed::mark(&mut gateway, &seen.spec.listeners, service, "APISIX");
        }
        for condition in &mut gateway.conditions {
            if condition.message == "gateway proxy not found" {
                let field = format!(
                    "spec.infrastructure.parametersRef of Gateway {}",
                    gateway.name
                );
                let to_do = match condition.reason.as_str() {
                    // One is named there. Source: internal/controller/gateway_controller.go.
                    "InvalidParameters" => format!(": {field} must name one that exists"),
                    _ => format!(": write a GatewayProxy of its namespace into {field}"),
                };
                condition.message.push_str(&to_do);
            }
        }
        gateway
    }
}

fn is_version_1(seen: &Observation) -> bool {
    let class = seen.gateway_class.as_ref();
    class.is_some_and(|class| class.controller_name == VERSION_1)
}

/// Version 1 leaves out the kinds that it does not expect, and a listener of which none is left.
/// Source: `getAllowedKinds` in pkg/providers/gateway/translation/gateway.go.
fn check_kinds(listener: &Listener) -> Result<(), Refusal> {
    let expected = match listener.protocol.as_str() {
        "HTTP" | "HTTPS" => "HTTPRoute",
        "TLS" => "TLSRoute",
        "TCP" => "TCPRoute",
        _ => "UDPRoute",
    };
    let allowed = field(listener, "allowedRoutes").unwrap_or_default();
    let Some(kinds) = allowed["kinds"].as_array() else {
        return Ok(());
    };
    if kinds.is_empty() || kinds.iter().any(|kind| kind["kind"] == expected) {
        return Ok(());
    }
    Err(refusal(
        listener,
        "InvalidRouteKinds",
        format!(
            "version 1 of APISIX's ingress controller takes only {expected} for protocol {}: write \
             that into allowedRoutes.kinds of the listener, or remove them",
            listener.protocol
        ),
    ))
}

/// Version 2 does not pass TLS on, and does not end it on a port where another listener wants it
/// passed on. Source: docs/en/latest/concepts/gateway-api.md; `portsWithConflictingTLSMode` in
/// internal/controller/utils.go.
fn check_tls_mode(listener: &Listener, beside: &[Listener]) -> Result<(), Refusal> {
    if is_passed_on(listener) {
        return Err(refusal(
            listener,
            "UnsupportedValue",
            "APISIX does not pass TLS on: write tls.mode Terminate, and a certificate into \
             tls.certificateRefs of the listener",
        ));
    }
    let clash = beside.iter().find(|other| {
        other.port == listener.port
            && [listener, other].iter().all(|one| one.protocol == "TLS")
            && is_passed_on(other)
    });
    match clash {
        None => Ok(()),
        Some(other) => Err(refusal(
            listener,
            "ProtocolConflict",
            format!(
                "APISIX cannot end TLS on port {}, where listener {} has tls.mode Passthrough: write \
                 another port",
                listener.port, other.name
            ),
        )),
    }
}

fn is_passed_on(listener: &Listener) -> bool {
    field(listener, "tls").is_some_and(|tls| tls["mode"] == "Passthrough")
}

ofn_component::export!(Apisix);
