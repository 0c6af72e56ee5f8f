//! The decisions about an OpenFunction Gateway, as a pure library.
//!
//! A [`Policy`] answers the questions of the contract. Its provided methods are the standard
//! behaviour, which suits every implementation of the Gateway API; a vendor's policy overrides
//! what differs there:
//!
//! - [`Policy::data_plane`]: where the vendor's Service is;
//! - [`Policy::is_reached`]: which Services lead nowhere;
//! - [`Policy::map_listener`]: which listeners the vendor takes, and with which ports;
//! - [`Policy::template`]: what a new Gateway needs;
//! - [`Policy::read_status`]: how the vendor's conditions read.
//!
//! Nothing here knows WebAssembly, a cluster or a clock: the same input gives the same answer.

pub mod defaults;
pub mod entry;
pub mod exposed;
pub mod helm;
pub mod listeners;
pub mod ports;
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

use settings::Declared;

/// Prefix of the annotations by which an OpenFunction Gateway steers this project.
pub const ANNOTATION_PREFIX: &str = "networking.openfunction.io/";

/// What a policy says of itself.
#[derive(Clone, Copy)]
pub struct About {
    /// Lower case letters, digits and `-`.
    pub name: &'static str,
    /// A semantic version.
    pub version: &'static str,
    /// The values of `GatewayClass.spec.controllerName` that it is meant for. Those that no policy
    /// claims are served by the one called `standard`, whatever it claims.
    pub controller_names: &'static [&'static str],
    /// What users may set.
    pub settings: &'static [&'static dyn Declared],
}

/// The opinions about one kind of Gateway API implementation. See the [crate's](crate)
/// documentation for what to override.
pub trait Policy {
    /// What this policy is. The only question without a standard answer.
    fn about(&self) -> About;

    /// The same, in the terms of the contract.
    fn describe(&self) -> Description {
        let about = self.about();
        Description {
            name: about.name.to_owned(),
            version: about.version.to_owned(),
            controller_names: about
                .controller_names
                .iter()
                .map(ToString::to_string)
                .collect(),
            settings: about
                .settings
                .iter()
                .map(|setting| setting.declare())
                .collect(),
        }
    }

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

    /// Where the vendor's data plane Service may be, the best place first: the first query that a
    /// Service answers gives the entry, before the standard rules. Few: there is room for eight
    /// queries, and the standard rules take up to five.
    fn data_plane(&self, _seen: &Observation) -> Vec<ServiceQuery> {
        Vec::new()
    }

    /// Whether requests to a Service that a query finds reach the data plane. Not asked of one that
    /// the user chose.
    fn is_reached(&self, _seen: &Observation, _service: &Service) -> bool {
        true
    }

    /// A listener of the spec as the vendor must see it, or why the vendor refuses it. `beside`
    /// are the listeners that it will stand beside: those of others, then those of the spec that
    /// go before it, mapped. One with the port, protocol and host name of another needs no word
    /// here: [`listeners::place`] refuses it if both are ours, else the host reports whose it is.
    fn map_listener(
        &self,
        _seen: &Observation,
        listener: &Listener,
        _beside: &[Listener],
    ) -> Result<Listener, Refusal> {
        Ok(defaults::for_kubernetes(listener))
    }

    /// What a Gateway of this vendor needs when it is created.
    fn template(&self, _seen: &Observation) -> Result<GatewayTemplate, Violation> {
        Ok(GatewayTemplate {
            labels: Vec::new(),
            annotations: Vec::new(),
            infrastructure: None,
        })
    }

    /// The Kubernetes Gateway with its status in today's terms (`Accepted`, `Programmed`).
    fn read_status(&self, _seen: &Observation, gateway: &KubernetesGateway) -> KubernetesGateway {
        gateway.clone()
    }

    /// Which Services a decision needs to see.
    fn service_queries(&self, seen: &Observation) -> Result<Vec<ServiceQuery>, Vec<Violation>> {
        settings::check(&self.about(), &seen.settings)?;
        entry::queries(seen, self.data_plane(seen))
    }

    /// What is wished, given what is there.
    fn decide(&self, seen: &Observation) -> Result<Decision, Vec<Violation>> {
        settings::check(&self.about(), &seen.settings)?;
        let (listeners, refusals) = listeners::place(seen, |listener, beside| {
            self.map_listener(seen, listener, beside)
        });
        Ok(Decision {
            listeners,
            refusals,
            entry: entry::entry(seen, &self.data_plane(seen), &|service| {
                self.is_reached(seen, service)
            })?,
            template: self.template(seen).map_err(|wrong| vec![wrong])?,
        })
    }

    /// The status of the OpenFunction Gateway.
    fn aggregate_status(&self, seen: &Observation) -> GatewayStatus {
        let gateway = seen
            .kubernetes_gateway
            .as_ref()
            .map(|gateway| self.read_status(seen, gateway));
        status::aggregate(&seen.spec, gateway.as_ref(), seen.gateway_class.is_some())
    }
}

/// The standard policy: every rule as it stands here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standard;

impl Policy for Standard {
    fn about(&self) -> About {
        About {
            name: "standard",
            version: env!("CARGO_PKG_VERSION"),
            controller_names: &[],
            settings: &[],
        }
    }
}
