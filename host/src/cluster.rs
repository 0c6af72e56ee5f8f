//! Reading and writing objects: in a real cluster ([`live`]) or among given ones ([`offline`]).

pub mod live;
pub mod offline;

use std::fmt;
use std::future::Future;

use gateway_api::{gatewayclasses, gateways};
use jiff::Timestamp;
use json_patch::Patch;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{DynamicObject, TypeMeta};
use kube::core::ApiResource;
use kube::{Resource, ResourceExt};
use ofn_contract::{ObjectName, ServiceQuery};
use serde_json::Value;

use crate::api;

/// So many Services are read for all that a component asks. A question that would bring more gets none:
/// it means no data plane, and must not cost us the memory that they take.
pub const MOST_SERVICES: u16 = 100;

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
    const ALL: [Self; 5] = [
        Self::Gateway,
        Self::KubernetesGateway,
        Self::GatewayClass,
        Self::Service,
        Self::EndpointSlice,
    ];

    /// What an object is by its group, whatever its version; none of another kind.
    pub fn of(object: &DynamicObject) -> Option<Self> {
        let types = object.types.as_ref()?;
        let group = |api_version: &str| {
            let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
            group.to_owned()
        };
        Self::ALL.into_iter().find(|kind| {
            let known = kind.types("v1");
            known.kind == types.kind && group(&known.api_version) == group(&types.api_version)
        })
    }

    /// Group, version and names, where the Gateway API is served in this version. Its objects are
    /// the same in all versions that we know.
    pub fn resource(self, gateway_api_version: &str) -> ApiResource {
        let gateway_api = |resource: ApiResource| ApiResource {
            version: gateway_api_version.to_owned(),
            api_version: format!("{}/{gateway_api_version}", resource.group),
            ..resource
        };
        match self {
            Self::Gateway => ApiResource::erase::<api::Gateway>(&()),
            Self::KubernetesGateway => gateway_api(ApiResource::erase::<gateways::Gateway>(&())),
            Self::GatewayClass => {
                gateway_api(ApiResource::erase::<gatewayclasses::GatewayClass>(&()))
            }
            Self::Service => ApiResource::erase::<Service>(&()),
            Self::EndpointSlice => ApiResource::erase::<EndpointSlice>(&()),
        }
    }

    /// What stands at the top of an object of this kind.
    pub fn types(self, gateway_api_version: &str) -> TypeMeta {
        let resource = self.resource(gateway_api_version);
        TypeMeta {
            api_version: resource.api_version,
            kind: resource.kind,
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
    /// Deletes the object if it still is as it was seen.
    Delete {
        /// `metadata.uid`.
        uid: String,
        /// `metadata.resourceVersion`.
        resource_version: Option<String>,
    },
    /// Server-side apply. With a uid in its metadata the object must be that one, which is ours, and
    /// it is forced; without one it must not exist, and what others say of it is not overruled.
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
    pub source: Box<kube::Error>,
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
        source: Box<kube::Error>,
    },
}

/// Where objects are.
pub trait Cluster: Sync {
    /// The time, as far as decisions rest on it.
    fn now(&self) -> Timestamp;

    /// The object, if it exists. Its kind may be unknown to the cluster: then it does not exist.
    fn get(
        &self,
        kind: Kind,
        name: &ObjectName,
    ) -> impl Future<Output = Result<Option<DynamicObject>, ReadError>> + Send;

    /// The Services or EndpointSlices that a query means.
    fn list(
        &self,
        kind: Kind,
        query: &ServiceQuery,
    ) -> impl Future<Output = Result<Vec<DynamicObject>, ReadError>> + Send;

    /// Writes. Answers the object as it is afterwards; none if it is gone.
    fn write(
        &self,
        write: &Write,
    ) -> impl Future<Output = Result<Option<DynamicObject>, WriteError>> + Send;
}

/// Namespace and name of an object.
pub fn name_of<K: Resource>(object: &K) -> ObjectName {
    ObjectName {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
    }
}
