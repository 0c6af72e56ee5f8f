//! Exports a [`Policy`] as a component.
//!
//! A vendor crate is a type that implements [`Policy`] and one line:
//!
//! ```
//! # use ofn_component::Policy;
//! #[derive(Default)]
//! struct Mine;
//!
//! impl Policy for Mine {
//!     // …
//! #   fn about(&self) -> ofn_policy::About { unimplemented!() }
//! }
//!
//! ofn_component::export!(Mine);
//! ```

use std::marker::PhantomData;

use ofn_contract as contract;
pub use ofn_policy::Policy;

/// What `wit-bindgen` makes of the contract. The types are those of [`ofn_contract`].
#[allow(
    missing_docs,
    reason = "generated from the contract, where the documentation stands"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/gateway.wit",
        world: "policy-component",
        pub_export_macro: true,
        default_bindings_module: "ofn_component::bindings",
        with: {
            "openfunction:gateway/policy@0.1.0/object-name": ofn_contract::ObjectName,
            "openfunction:gateway/policy@0.1.0/key-value": ofn_contract::KeyValue,
            "openfunction:gateway/policy@0.1.0/listener": ofn_contract::Listener,
            "openfunction:gateway/policy@0.1.0/gateway-definition": ofn_contract::GatewayDefinition,
            "openfunction:gateway/policy@0.1.0/gateway-spec": ofn_contract::GatewaySpec,
            "openfunction:gateway/policy@0.1.0/gateway": ofn_contract::Gateway,
            "openfunction:gateway/policy@0.1.0/target": ofn_contract::Target,
            "openfunction:gateway/policy@0.1.0/effective-spec": ofn_contract::EffectiveSpec,
            "openfunction:gateway/policy@0.1.0/violation": ofn_contract::Violation,
            "openfunction:gateway/policy@0.1.0/setting": ofn_contract::Setting,
            "openfunction:gateway/policy@0.1.0/description": ofn_contract::Description,
            "openfunction:gateway/policy@0.1.0/route": ofn_contract::Route,
            "openfunction:gateway/policy@0.1.0/condition": ofn_contract::Condition,
            "openfunction:gateway/policy@0.1.0/address": ofn_contract::Address,
            "openfunction:gateway/policy@0.1.0/route-kind": ofn_contract::RouteKind,
            "openfunction:gateway/policy@0.1.0/listener-status": ofn_contract::ListenerStatus,
            "openfunction:gateway/policy@0.1.0/kubernetes-gateway": ofn_contract::KubernetesGateway,
            "openfunction:gateway/policy@0.1.0/gateway-class": ofn_contract::GatewayClass,
            "openfunction:gateway/policy@0.1.0/service-port": ofn_contract::ServicePort,
            "openfunction:gateway/policy@0.1.0/service": ofn_contract::Service,
            "openfunction:gateway/policy@0.1.0/label-query": ofn_contract::LabelQuery,
            "openfunction:gateway/policy@0.1.0/service-query": ofn_contract::ServiceQuery,
            "openfunction:gateway/policy@0.1.0/observation": ofn_contract::Observation,
            "openfunction:gateway/policy@0.1.0/entry-target": ofn_contract::EntryTarget,
            "openfunction:gateway/policy@0.1.0/entry-port": ofn_contract::EntryPort,
            "openfunction:gateway/policy@0.1.0/entry": ofn_contract::Entry,
            "openfunction:gateway/policy@0.1.0/refusal": ofn_contract::Refusal,
            "openfunction:gateway/policy@0.1.0/gateway-template": ofn_contract::GatewayTemplate,
            "openfunction:gateway/policy@0.1.0/decision": ofn_contract::Decision,
            "openfunction:gateway/policy@0.1.0/gateway-status": ofn_contract::GatewayStatus,
        },
    });
}

/// Exports a policy. To be called once, at the top of a crate of type `cdylib`.
#[macro_export]
macro_rules! export {
    ($policy:ty) => {
        type Exported = $crate::Component<$policy>;
        $crate::bindings::export!(Exported with_types_in $crate::bindings);
    };
}

/// A policy behind the contract's exports. `P` is made anew for each call: it holds nothing.
pub struct Component<P>(PhantomData<P>);

impl<P: Policy + Default> bindings::exports::openfunction::gateway::policy::Guest for Component<P> {
    fn describe() -> contract::Description {
        P::default().describe()
    }

    fn default(
        new: contract::Gateway,
        old: Option<contract::GatewaySpec>,
    ) -> Result<contract::EffectiveSpec, Vec<contract::Violation>> {
        P::default().default_spec(&new, old.as_ref())
    }

    fn route_of(
        spec: contract::EffectiveSpec,
        function: contract::ObjectName,
    ) -> Result<contract::Route, Vec<contract::Violation>> {
        P::default().route_of(&spec, &function)
    }

    fn service_queries(
        seen: contract::Observation,
    ) -> Result<Vec<contract::ServiceQuery>, Vec<contract::Violation>> {
        P::default().service_queries(&seen)
    }

    fn decide(seen: contract::Observation) -> Result<contract::Decision, Vec<contract::Violation>> {
        P::default().decide(&seen)
    }

    fn aggregate_status(seen: contract::Observation) -> contract::GatewayStatus {
        P::default().aggregate_status(&seen)
    }
}
