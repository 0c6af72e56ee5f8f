//! Step three, pure: what a component's answer may contain.
//!
//! The host trusts no component. An answer that breaks a rule here is refused as a whole; nothing
//! is written, and the rule is named. What passes has a type of its own, so that no other answer
//! can be planned.
//!
//! | answer | what it may contain | where |
//! |---|---|---|
//! | `describe` | a name, a version, a few controller names and settings, one line each | `vet/describe.rs` |
//! | `default` | the domains, the templates and the Kubernetes Gateway that the user wrote; 1 to 64 listeners with host names under these domains | `vet/spec.rs` |
//! | `route-of` | host names, one of them inside the cluster, as the templates that the user wrote give them; a path, a label | `vet/route.rs` |
//! | `service-queries` | at most 24 questions; those outside the namespaces of [`Terms`] are not asked | `vet/queries.rs` |
//! | `decide` | listeners of the spec, no two of them for the same requests; an entry that traffic may be sent to by [`Terms`] | `vet/decision.rs`, `vet/entry.rs` |
//! | violations of these | texts, made printable and cut to a length that fits into a status | `vet/violations.rs` |
//! | `aggregate-status` | what the definition of the OpenFunction Gateway takes; its texts are made printable | `vet/status.rs` |
//!
//! Whatever passes is accepted by the API server, with one exception: the fields of a listener that
//! the contract has no words for (`tls`, `allowedRoutes`, …). Of these only the API server knows
//! what it takes; a listener that it refuses is left out alone.

mod decision;
mod describe;
mod entry;
mod queries;
mod route;
mod spec;
mod status;
mod terms;
mod text;
mod violations;

use ofn_contract::text::{cut, printable};

pub use self::decision::{Asked, Wish, decision};
pub use self::describe::description;
pub use self::queries::queries;
pub use self::route::route;
pub use self::spec::spec;
pub(super) use self::status::MOST_CONDITIONS;
pub use self::status::status;
pub use self::terms::Terms;
pub use self::violations::violations;

/// Bytes that are told of a rule that was broken.
const LONGEST_RULE: usize = 1000;

/// A rule that an answer broke.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer of {function} is refused: {rule}")]
pub struct Broken {
    function: &'static str,
    rule: String,
}

impl Broken {
    /// `default` does not come to rest.
    pub(super) fn unsettled() -> Self {
        Self {
            function: "default",
            rule: "asked about its own answer, it answers otherwise, again and again".to_owned(),
        }
    }
}

/// The rules for the answer of one function of the contract.
struct Rules(&'static str);

impl Rules {
    fn must(&self, holds: bool, rule: impl FnOnce() -> String) -> Result<(), Broken> {
        if holds {
            Ok(())
        } else {
            // It may quote the component.
            let rule = cut(printable(&rule()), LONGEST_RULE);
            Err(Broken {
                function: self.0,
                rule,
            })
        }
    }

    fn at_most(&self, most: usize, number: usize, of_what: &str) -> Result<(), Broken> {
        self.must(number <= most, || {
            format!("{number} {of_what}, not at most {most}")
        })
    }
}
