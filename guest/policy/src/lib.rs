//! The decisions about an OpenFunction Gateway, as a pure library.
//!
//! A [`Policy`] answers the questions of the contract. Its provided methods are the standard
//! behaviour, which suits every implementation of the Gateway API; a vendor's policy overrides
//! what differs there:
//!
//! - [`Policy::data_plane_queries`] and [`Policy::data_plane`]: where the vendor's Service is;
//! - [`Policy::map_listener`]: which listeners the vendor takes, and with which ports;
//! - [`Policy::template`]: what a new Gateway needs;
//! - [`Policy::read_status`]: how the vendor's conditions read.
//!
//! Nothing here knows WebAssembly, a cluster or a clock: the same input gives the same answer.

pub mod defaults;
pub mod entry;

pub mod route;
pub mod settings;
pub mod status;
pub mod template;
pub mod violation;

use ofn_contract::{
    Decision, Description, EffectiveSpec, Gateway, GatewaySpec, GatewayStatus, GatewayTemplate,
    KubernetesGateway, Listener, ObjectName, Observation, Refusal, Route, Service, ServiceQuery,
    Violation,
};

/// Prefix of the annotations by which an OpenFunction Gateway steers this project.
pub const ANNOTATION_PREFIX: &str = "networking.openfunction.io/";

/// The opinions about one kind of Gateway API implementation. See the [crate's](crate)
/// documentation for what to override.
pub trait Policy {
    /// What this policy is. The only question without a standard answer.
    fn describe(&self) -> Description;

    /// Defaults and validates a spec. Not for vendors: admission asks without knowing the vendor.
    fn default_spec(
        &self,
        new: &Gateway,
        old: Option<&GatewaySpec>,
    ) -> Result<EffectiveSpec, Vec<Violation>> {
        defaults::default_spec(new, old)
    }

    /// Host names, path and label of a function.
    fn route_of(
        &self,
        spec: &EffectiveSpec,
        function: &ObjectName,
    ) -> Result<Route, Vec<Violation>> {
        route::route_of(spec, function)
    }

    /// The Services in which [`Policy::data_plane`] may find its answer. Few: there is room for
    /// eight queries, and the standard rules take up to five.
    fn data_plane_queries(&self, _seen: &Observation) -> Vec<ServiceQuery> {
        Vec::new()
    }

    /// The vendor's data plane Service among those seen. It goes before the standard rules.
    fn data_plane<'a>(&self, _seen: &'a Observation) -> Option<&'a Service> {
        None
    }

    /// A listener of the spec as the vendor must see it, or why the vendor refuses it.
    fn map_listener(&self, _seen: &Observation, listener: &Listener) -> Result<Listener, Refusal> {
        Ok(defaults::for_kubernetes(listener))
    }

    /// What a Gateway of this vendor needs when it is created.
    fn template(&self, _seen: &Observation) -> GatewayTemplate {
        GatewayTemplate {
            labels: Vec::new(),
            annotations: Vec::new(),
            infrastructure: None,
        }
    }

    /// The Kubernetes Gateway with its status in today's terms (`Accepted`, `Programmed`).
    fn read_status(&self, gateway: &KubernetesGateway) -> KubernetesGateway {
        gateway.clone()
    }

    /// Which Services a decision needs to see.
    fn service_queries(&self, seen: &Observation) -> Result<Vec<ServiceQuery>, Vec<Violation>> {
        settings::check(&self.describe().settings, &seen.settings)?;
        entry::queries(seen, self.data_plane_queries(seen))
    }

    /// What is wished, given what is there.
    fn decide(&self, seen: &Observation) -> Result<Decision, Vec<Violation>> {
        settings::check(&self.describe().settings, &seen.settings)?;
        let mut listeners = Vec::new();
        let mut refusals = Vec::new();
        for listener in &seen.spec.listeners {
            match self.map_listener(seen, listener) {
                Ok(mapped) => listeners.push(mapped),
                Err(refusal) => refusals.push(refusal),
            }
        }
        Ok(Decision {
            listeners,
            refusals,
            entry: entry::entry(seen, self.data_plane(seen))?,
            template: self.template(seen),
        })
    }

    /// The status of the OpenFunction Gateway.
    fn aggregate_status(&self, seen: &Observation) -> GatewayStatus {
        let gateway = seen
            .kubernetes_gateway
            .as_ref()
            .map(|gateway| self.read_status(gateway));
        status::aggregate(&seen.spec, gateway.as_ref(), seen.gateway_class.is_some())
    }
}

/// The standard policy: every rule as it stands here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standard;

impl Policy for Standard {
    fn describe(&self) -> Description {
        Description {
            name: "standard".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            controller_names: Vec::new(),
            settings: Vec::new(),
        }
    }
}
