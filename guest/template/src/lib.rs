//! The policy for Acme: what differs from the standard. The documentation of `ofn_policy::Policy`
//! says what else there is to override.

use ofn_contract::{Observation, ServiceQuery};
use ofn_policy::entry::by_name;
use ofn_policy::{About, Policy};

/// The policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct AcmePolicy;

impl Policy for AcmePolicy {
    fn about(&self) -> About {
        About {
            name: "acme",
            version: env!("CARGO_PKG_VERSION"),
            // Yours: `spec.controllerName` of the vendor's GatewayClass.
            controller_names: &["example.com/acme"],
            settings: &[],
        }
    }

    // Yours: this vendor is taken to serve a Gateway `web` by a Service `web-acme` beside it.
    fn data_plane(&self, seen: &Observation) -> Vec<ServiceQuery> {
        let gateway = &seen.spec.target.name;
        by_name(&gateway.namespace, &format!("{}-acme", gateway.name))
            .into_iter()
            .collect()
    }
}

ofn_component::export!(AcmePolicy);

#[cfg(test)]
mod tests;
