//! Reading and writing objects: in a real cluster ([`live`]) or among given ones ([`offline`]).

pub mod live;
pub mod offline;

use std::fmt;
use std::future::Future;

use json_patch::Patch;
use kube::Resource;
use kube::api::{DynamicObject, TypeMeta};
use ofn_contract::{ObjectName, ServiceQuery};
use serde_json::Value;

use crate::{api, gateway_api};

/// The kinds of objects that are read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The OpenFunction Gateway.
    Gateway,
    /// The Gateway of the Gateway API.
    KubernetesGateway,
    /// The class of the latter, without a namespace.
    GatewayClass,
    /// A Service.
    Service,
    /// An EndpointSlice.
    EndpointSlice,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "OpenFunction Gateway",
            Self::KubernetesGateway => "Gateway",
            Self::GatewayClass => "GatewayClass",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
        })
    }
}

impl Kind {
    /// What stands at the top of an object of this kind, where the Gateway API is served in this
    /// version.
    pub fn types(self, gateway_api_version: &str) -> TypeMeta {
        let (api_version, kind) = match self {
            Self::Gateway => (api::Gateway::api_version(&()).into_owned(), "Gateway"),
            Self::KubernetesGateway => (gateway_api::version(gateway_api_version), "Gateway"),
            Self::GatewayClass => (gateway_api::version(gateway_api_version), "GatewayClass"),
            Self::Service => ("v1".to_owned(), "Service"),
            Self::EndpointSlice => ("discovery.k8s.io/v1".to_owned(), "EndpointSlice"),
        };
        TypeMeta {
            api_version,
            kind: kind.to_owned(),
        }
    }
}

/// One write.
#[derive(Clone, Debug)]
pub struct Write {
    /// The kind of the object.
    pub kind: Kind,
    /// The object.
    pub name: ObjectName,
    /// What happens to it.
    pub change: Change,
}

/// What a write does.
#[derive(Clone, Debug)]
pub enum Change {
    /// Changes an object that must be as it was seen: the patch begins with tests.
    Patch(Patch),
    /// Makes an object that must not exist.
    Create(Box<DynamicObject>),
    /// Deletes the object with this uid.
    Delete {
        /// `metadata.uid`.
        uid: String,
    },
    /// Server-side apply of an object that is ours or does not exist.
    Apply(Box<DynamicObject>),
    /// A merge patch of the whole status.
    Status(Value),
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.change {
            Change::Patch(_) => "patch",
            Change::Create(_) => "create",
            Change::Delete { .. } => "delete",
            Change::Apply(_) => "apply",
            Change::Status(_) => "patch the status of",
        };
        write!(f, "{verb} {} {}", self.kind, self.name)
    }
}

/// Reading failed: nothing is known.
#[derive(Debug, thiserror::Error)]
#[error("reading {what}: {source}")]
pub struct ReadError {
    /// The object or the question.
    pub what: String,
    /// Why.
    pub source: kube::Error,
}

/// A write was not done.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The object is not as it was seen any more: look again.
    #[error("{write}: the object has changed meanwhile ({message})")]
    Stale {
        /// The write.
        write: String,
        /// What the API server said.
        message: String,
    },
    /// The API server will not take it as it is: trying again helps only when something changes.
    #[error("{write}: {message}")]
    Refused {
        /// The write.
        write: String,
        /// What the API server said.
        message: String,
        /// The fields that it objects to.
        fields: Vec<String>,
    },
    /// The API server could not be asked, or has trouble of its own: try again later.
    #[error("{write}: {source}")]
    Failed {
        /// The write.
        write: String,
        /// Why.
        source: kube::Error,
    },
}

/// Where objects are.
pub trait Cluster: Sync {
    /// The object, if it exists. Its kind may be unknown to the cluster: then it does not exist.
    fn get(
        &self,
        kind: Kind,
        name: &ObjectName,
    ) -> impl Future<Output = Result<Option<DynamicObject>, ReadError>> + Send;

    /// The Services that a query means.
    fn services(
        &self,
        query: &ServiceQuery,
    ) -> impl Future<Output = Result<Vec<DynamicObject>, ReadError>> + Send;

    /// Writes. Answers the object as it is afterwards; none if it is gone.
    fn write(
        &self,
        write: &Write,
    ) -> impl Future<Output = Result<Option<DynamicObject>, WriteError>> + Send;
}
