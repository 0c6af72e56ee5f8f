//! The folder of components, and which of them decides.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::metrics;
use crate::pass::vet::Terms;
use crate::sandbox::{PolicyComponent, Sandbox};

/// The component that serves where no other one claims to.
pub const STANDARD: &str = "standard";

/// The components of a folder, and the terms under which they decide.
#[derive(Clone)]
pub struct Policies {
    all: Vec<Arc<PolicyComponent>>,
    standard: Arc<PolicyComponent>,
    terms: Terms,
}

impl Policies {
    /// Loads every `*.wasm` of a folder, by file name. One that cannot be used is reported and left
    /// out; the standard one must be there.
    pub fn load(folder: &Path, sandbox: &Sandbox, terms: Terms) -> Result<Self> {
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .with_context(|| {
                format!(
                    "the folder of policies, {}, cannot be read",
                    folder.display()
                )
            })?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "wasm")
            })
            .collect();
        files.sort();
        let mut all: Vec<Arc<PolicyComponent>> = Vec::new();
        for file in files {
            match sandbox.load(&file) {
                Err(error) => {
                    let reason = error.defect.reason();
                    tracing::error!(%error, reason, "a policy is left out");
                    metrics::policy_refused(reason);
                }
                Ok(policy) => {
                    let name = &policy.description.name;
                    if all.iter().any(|other| other.description.name == *name) {
                        tracing::error!(file = %file.display(), policy = name, "a policy is left out: an earlier file has this name too");
                        metrics::policy_refused("PolicyNameTaken");
                        continue;
                    }
                    tracing::info!(file = %file.display(), policy = name, version = policy.description.version, digest = policy.digest, "a policy is loaded");
                    all.push(Arc::new(policy));
                }
            }
        }
        let Some(standard) = all
            .iter()
            .find(|policy| policy.description.name == STANDARD)
            .cloned()
        else {
            bail!(
                "the folder of policies, {}, has no usable component called {STANDARD:?}",
                folder.display()
            );
        };
        Ok(Self {
            all,
            standard,
            terms,
        })
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
