//! A real cluster. Reads go to the API server, not to a cache: what a pass sees is never older
//! than the event that caused it.

use std::net::{IpAddr, SocketAddr};

use gateway_api::gateways;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions,
};
use kube::core::{ApiResource, Status};
use kube::{Client, Resource};
use ofn_contract::dns::{is_label, is_subdomain};
use ofn_contract::{KeyValue, ObjectName, ServiceQuery};
use serde_json::json;

use super::{Change, Cluster, Kind, MOST_SERVICES, ReadError, Write, WriteError};
use crate::names;

/// A cluster, spoken to through a client.
#[derive(Clone)]
pub struct Live {
    client: Client,
    gateway_api_version: String,
}

impl Live {
    /// A cluster that serves the Gateway API in this version: `v1` or `v1beta1`.
    pub fn new(client: Client, gateway_api_version: impl Into<String>) -> Self {
        Self {
            client,
            gateway_api_version: gateway_api_version.into(),
        }
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Group, version and names of a kind in this cluster.
    pub fn resource(&self, kind: Kind) -> ApiResource {
        kind.resource(&self.gateway_api_version)
    }

    fn api(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        let resource = self.resource(kind);
        match kind {
            Kind::GatewayClass => Api::all_with(self.client.clone(), &resource),
            _ => Api::namespaced_with(self.client.clone(), namespace, &resource),
        }
    }
}

/// Whether any object may have this name; some fields take others, too.
fn may_exist(name: &ObjectName) -> bool {
    is_subdomain(&name.name) && (name.namespace.is_empty() || is_label(&name.namespace))
}

impl Cluster for Live {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn get(&self, kind: Kind, name: &ObjectName) -> Result<Option<DynamicObject>, ReadError> {
        // A path that is made of it would be that of something else.
        if !may_exist(name) {
            return Ok(None);
        }
        self.api(kind, &name.namespace)
            .get_opt(&name.name)
            .await
            .map_err(|source| ReadError {
                what: format!("{kind} {name}"),
                source: Box::new(source),
            })
    }

    async fn list(
        &self,
        kind: Kind,
        query: &ServiceQuery,
    ) -> Result<Vec<DynamicObject>, ReadError> {
        let resource = self.resource(kind);
        let everywhere = || Api::all_with(self.client.clone(), &resource);
        let (api, parameters) = match query {
            ServiceQuery::ByName(name) => {
                return Ok(self.get(kind, name).await?.into_iter().collect());
            }
            ServiceQuery::ByLabels(query) => (
                match &query.namespace {
                    Some(namespace) => self.api(kind, namespace),
                    None => everywhere(),
                },
                ListParams::default().labels(&selector(&query.labels)),
            ),
            ServiceQuery::ByClusterIp(ip) => (
                everywhere(),
                ListParams::default().fields(&format!("spec.clusterIP={ip}")),
            ),
        };
        // A list that must be the newest waits for the API server's cache, a tenth of a second. Of
        // EndpointSlices others' are only told, and what changes later causes another pass.
        let parameters = match kind {
            Kind::EndpointSlice => parameters.match_any(),
            _ => parameters.limit(MOST_SERVICES.into()),
        };
        let listed = api.list(&parameters).await.map_err(|source| ReadError {
            what: format!("each {kind} for {query:?}"),
            source: Box::new(source),
        })?;
        // More than one page of them.
        let is_cut = listed
            .metadata
            .continue_
            .is_some_and(|more| !more.is_empty());
        Ok(if is_cut { Vec::new() } else { listed.items })
    }

    async fn write(&self, write: &Write) -> Result<Option<DynamicObject>, WriteError> {
        let api = self.api(write.kind, &write.name.namespace);
        let name = &write.name.name;
        let manager = PatchParams {
            field_manager: Some(names::MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let result = match &write.change {
            Change::Patch(patch) => api
                .patch(name, &manager, &Patch::Json::<()>(patch.clone()))
                .await
                .map(Some),
            Change::Create(object) => {
                let parameters = PostParams {
                    field_manager: Some(names::MANAGER.to_owned()),
                    ..PostParams::default()
                };
                let mut object = object.clone();
                object.types = Some(write.kind.types(&self.gateway_api_version));
                api.create(&parameters, &object).await.map(Some)
            }
            Change::Delete {
                uid,
                resource_version,
            } => {
                let parameters = DeleteParams {
                    preconditions: Some(Preconditions {
                        uid: Some(uid.clone()),
                        resource_version: resource_version.clone(),
                    }),
                    ..DeleteParams::default()
                };
                let deleted = api.delete(name, &parameters).await;
                // Some kinds answer the object that was; only one with a finalizer still is.
                deleted.map(|either| {
                    either
                        .left()
                        .filter(|object| object.metadata.deletion_timestamp.is_some())
                })
            }
            Change::Apply(object) => {
                let mut object = object.clone();
                object.types = Some(write.kind.types(&self.gateway_api_version));
                let parameters = PatchParams {
                    force: object.metadata.uid.is_some(),
                    ..manager
                };
                api.patch(name, &parameters, &Patch::Apply(&object))
                    .await
                    .map(Some)
            }
            Change::Status(status) => api
                .patch_status(name, &manager, &Patch::Merge(json!({"status": status})))
                .await
                .map(Some),
        };
        result.map_err(|error| classify(write, error))
    }
}

fn selector(labels: &[KeyValue]) -> String {
    let terms: Vec<_> = labels
        .iter()
        .map(|label| format!("{}={}", label.key, label.value))
        .collect();
    terms.join(",")
}

/// What an error means for a pass.
fn classify(write: &Write, error: kube::Error) -> WriteError {
    let kube::Error::Api(status) = &error else {
        return WriteError::Failed {
            write: write.to_string(),
            source: Box::new(error),
        };
    };
    let stale = || WriteError::Stale {
        write: write.to_string(),
        message: status.message.clone(),
    };
    let fields = fields(status);
    match (&write.change, status.code) {
        (_, 409) => stale(),
        // The namespace of an object to make does not exist: nothing to look at again.
        (Change::Create(_) | Change::Apply(_), 404) => refused(write, status, fields),
        (_, 404) => stale(),
        // A failed test of a JSON patch and a refused object are both 422; the second one has
        // causes: fields, or what an admission policy says.
        (Change::Patch(_), 422) if !has_causes(status) => stale(),
        (_, 400 | 403 | 405 | 413 | 422) => refused(write, status, fields),
        _ => WriteError::Failed {
            write: write.to_string(),
            source: Box::new(error),
        },
    }
}

fn refused(write: &Write, status: &Status, fields: Vec<String>) -> WriteError {
    WriteError::Refused {
        write: write.to_string(),
        message: status.message.clone(),
        fields,
    }
}

/// A failed test is a cause too, of a reason that says that the server itself put it there.
fn has_causes(status: &Status) -> bool {
    status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .any(|cause| cause.reason != "UnexpectedServerResponse")
}

fn fields(status: &Status) -> Vec<String> {
    status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .map(|cause| cause.field.clone())
        .filter(|field| !field.is_empty())
        .collect()
}

/// The newest version of the Gateway API that the cluster serves and that we know; none if it
/// serves none.
pub async fn gateway_api_version(client: &Client) -> kube::Result<Option<String>> {
    let group = gateways::Gateway::group(&());
    let groups = client.list_api_groups().await?;
    let served: Vec<_> = groups
        .groups
        .iter()
        .filter(|served| served.name == group)
        .flat_map(|group| &group.versions)
        .map(|version| version.version.as_str())
        .collect();
    for version in ["v1", "v1beta1"] {
        if !served.contains(&version) {
            continue;
        }
        // A version of the group may be served without this kind in it.
        let resources = client
            .list_api_group_resources(&format!("{group}/{version}"))
            .await?;
        let plural = gateways::Gateway::plural(&());
        if resources
            .resources
            .iter()
            .any(|resource| resource.name == plural)
        {
            return Ok(Some(version.to_owned()));
        }
    }
    Ok(None)
}

/// Where the API server is, as [`names::API_SERVER`] says, in order.
pub async fn api_server(client: &Client) -> kube::Result<Vec<SocketAddr>> {
    let (namespace, name) = names::API_SERVER;
    let services = Api::<Service>::namespaced(client.clone(), namespace);
    let slices = Api::<EndpointSlice>::namespaced(client.clone(), namespace);
    let of_it = ListParams::default().labels(&format!("{}={name}", names::SERVICE_NAME_LABEL));
    let (service, slices) =
        futures::future::try_join(services.get_opt(name), slices.list(&of_it)).await?;
    let spec = service.and_then(|service| service.spec).unwrap_or_default();
    let cluster_ips = spec.cluster_ips.into_iter().flatten();
    let ports: Vec<i32> = spec.ports.iter().flatten().map(|port| port.port).collect();
    let mut addresses = sockets(cluster_ips, &ports);
    for slice in slices {
        let ports: Vec<i32> = slice
            .ports
            .iter()
            .flatten()
            .filter_map(|port| port.port)
            .collect();
        let ips = slice.endpoints.into_iter().flat_map(|one| one.addresses);
        addresses.extend(sockets(ips, &ports));
    }
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

fn sockets(ips: impl Iterator<Item = String>, ports: &[i32]) -> Vec<SocketAddr> {
    ips.filter_map(|ip| ip.parse::<IpAddr>().ok())
        .flat_map(|ip| {
            let ports = ports.iter().filter_map(|port| u16::try_from(*port).ok());
            ports.map(move |port| SocketAddr::new(ip, port))
        })
        .collect()
}
