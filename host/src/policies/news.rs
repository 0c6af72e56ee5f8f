//! What is new in the folders of components.

use std::fmt;

use ofn_contract::text::printable;

use crate::metrics;
use crate::names::reason;
use crate::sandbox::PolicyComponent;

/// Something that is new in the folders of components.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// A component serves.
    Serves {
        /// Its file.
        file: String,
        /// The component.
        policy: Named,
        /// The digest of the one of this name that served before.
        before: Option<String>,
    },
    /// A file cannot be used.
    Refused {
        /// Why, as one word.
        reason: &'static str,
        /// The file, and why.
        error: String,
        /// What serves in its place, and the file that it is from.
        serving: Option<(Named, String)>,
    },
    /// No file gives a component any more.
    Left {
        /// The file that it is from.
        file: String,
        /// The component.
        policy: Named,
    },
    /// The component of a file has the name of another one.
    NameTaken {
        /// The file.
        file: String,
        /// The name of the component.
        name: String,
        /// The file that comes first.
        by: String,
    },
    /// A component claims a controller that is another one's.
    ControllerTaken {
        /// Its file.
        file: String,
        /// The name of the controller.
        controller: String,
        /// The name of the component that comes first.
        by: String,
    },
    /// The folder cannot be read.
    Unreadable {
        /// The folder.
        folder: String,
        /// Why.
        error: String,
    },
}

/// A component as people know it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// What it calls itself.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `sha256:` and the digest of its file.
    pub digest: String,
}

impl Named {
    pub(super) fn of(policy: &PolicyComponent) -> Self {
        Self {
            name: policy.description.name.clone(),
            version: policy.description.version.clone(),
            digest: policy.digest.clone(),
        }
    }
}

impl News {
    /// It as one word, for events, logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Serves { before: None, .. } => "PolicyLoaded",
            Self::Serves { .. } => reason::POLICY_SWAPPED,
            Self::Refused { reason, .. } => reason,
            Self::Left { .. } => "PolicyFileGone",
            Self::NameTaken { .. } => "PolicyNameTaken",
            Self::ControllerTaken { .. } => "PolicyControllerTaken",
            Self::Unreadable { .. } => "PolicyFolderUnreadable",
        }
    }

    /// Whether a person has something to mend.
    pub fn is_warning(&self) -> bool {
        !matches!(self, Self::Serves { .. })
    }

    /// Logs and counts it.
    pub fn record(&self) {
        let reason = self.reason();
        // The name of a file may be anything.
        let told = printable(&self.to_string());
        match self {
            Self::Serves { policy, .. } => {
                tracing::info!(reason, "{told}");
                metrics::policy_serves(&policy.name);
            }
            _ => {
                tracing::warn!(reason, "{told}");
                metrics::policy_refused(reason);
            }
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            version,
            digest,
        } = self;
        write!(f, "policy {name} {version} ({digest})")
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serves {
                file,
                policy,
                before,
            } => {
                write!(f, "{policy} of {file} serves")?;
                match before {
                    Some(before) => write!(f, " in place of {before}"),
                    None => Ok(()),
                }
            }
            Self::Refused { error, serving, .. } => {
                f.write_str(error)?;
                match serving {
                    Some((policy, file)) => write!(f, "; {policy} of {file} serves in its place"),
                    None => Ok(()),
                }
            }
            Self::Left { file, policy } => write!(
                f,
                "{file} does not give {policy} any more; it goes on serving until another file \
                 gives one of this name, or this program ends"
            ),
            Self::NameTaken { file, name, by } => write!(
                f,
                "{file} is left out: its component is called {name}, as that of {by}, which comes \
                 first"
            ),
            Self::ControllerTaken {
                file,
                controller,
                by,
            } => write!(
                f,
                "the component of {file} does not serve the controller {controller}: policy {by} \
                 claims it too, and comes first"
            ),
            Self::Unreadable { folder, error } => write!(
                f,
                "the folder of policies, {folder}, cannot be read ({error}); what was loaded goes \
                 on serving"
            ),
        }
    }
}
