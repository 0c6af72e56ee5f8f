//! The components, and which of them decides.

mod folders;
mod follow;
mod news;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

pub use self::folders::Folders;
pub use self::follow::{Followed, follow};
pub use self::news::{Named, News};
use crate::pass::vet::Terms;
use crate::sandbox::{PolicyComponent, Sandbox};

/// The component that serves where no other one claims to.
pub const STANDARD: &str = "standard";

/// The components at one moment, and the terms under which they decide.
#[derive(Clone)]
pub struct Policies {
    /// Where two claim the same, the first one has it.
    all: Vec<Arc<PolicyComponent>>,
    standard: Arc<PolicyComponent>,
    terms: Terms,
}

impl Policies {
    /// The components of a folder as they are now. What cannot be used is logged and left out.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read, or has no standard component.
    pub fn load(folder: &Path, sandbox: &Sandbox, terms: Terms) -> Result<Self> {
        let (folders, news) = Folders::open(vec![folder.to_owned()], sandbox.clone(), terms)?;
        news.iter().for_each(News::record);
        Ok(Self::clone(folders.policies()))
    }

    /// None where there is no standard component.
    fn new(all: Vec<Arc<PolicyComponent>>, terms: Terms) -> Option<Self> {
        let standard = all
            .iter()
            .find(|policy| policy.description.name == STANDARD)?;
        Some(Self {
            standard: Arc::clone(standard),
            all,
            terms,
        })
    }

    /// One component, which decides for everybody.
    pub fn of_one(policy: &Arc<PolicyComponent>) -> Self {
        Self {
            all: vec![Arc::clone(policy)],
            standard: Arc::clone(policy),
            terms: Terms::default(),
        }
    }

    /// What the components may see, and where they may send traffic.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The same components, knowing where the API server is.
    pub fn beside(&self, api_server: Vec<SocketAddr>) -> Self {
        Self {
            terms: Terms {
                api_server,
                ..self.terms.clone()
            },
            ..self.clone()
        }
    }

    /// The standard component.
    pub fn standard(&self) -> &Arc<PolicyComponent> {
        &self.standard
    }

    /// The component with a name.
    pub fn named(&self, name: &str) -> Option<&Arc<PolicyComponent>> {
        self.all
            .iter()
            .find(|policy| policy.description.name == name)
    }

    /// The names of all components.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all
            .iter()
            .map(|policy| policy.description.name.as_str())
    }

    /// The component for a GatewayClass's controller; the standard one where nobody claims it.
    pub fn for_controller(&self, controller_name: &str) -> &Arc<PolicyComponent> {
        self.all
            .iter()
            .find(|policy| {
                let claimed = &policy.description.controller_names;
                claimed.iter().any(|claimed| claimed == controller_name)
            })
            .unwrap_or(&self.standard)
    }
}
