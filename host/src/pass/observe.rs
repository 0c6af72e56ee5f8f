//! Step one, I/O: reading what a decision rests on.

use std::collections::BTreeMap;

use futures::future::{try_join_all, try_join4};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::DynamicObject;
use kube::{Resource, ResourceExt};
use ofn_contract::{EffectiveSpec, KeyValue, LabelQuery, ObjectName, ServiceQuery};
use serde::de::DeserializeOwned;

use super::world::{World, recorded_targets, target_of};
use crate::cluster::{Cluster, Kind, ReadError, name_of};
use crate::kubernetes_gateway::{GatewayClass, KubernetesGateway};
use crate::{api, names};

/// What a pass looks at besides its own object. Whoever causes passes must cause one when any of
/// it changes; it is told before anything is read, so that no change is missed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interest {
    /// Kubernetes Gateways.
    pub targets: Vec<ObjectName>,
    /// The class of the present one.
    pub class: Option<String>,
    /// Services.
    pub services: Vec<ServiceQuery>,
}

/// An OpenFunction Gateway that cannot be read as one, with the place in it.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unreadable {
    error: serde_path_to_error::Error<serde_json::Error>,
    object: Box<DynamicObject>,
}

impl Unreadable {
    /// Whether it is being deleted.
    pub fn is_going(&self) -> bool {
        self.object.metadata.deletion_timestamp.is_some()
    }

    /// Its metadata and its status, with an empty spec.
    pub fn as_far_as_known(&self) -> api::Gateway {
        api::Gateway {
            metadata: self.object.metadata.clone(),
            spec: api::GatewaySpec::default(),
            status: serde_json::from_value(self.object.data["status"].clone()).ok(),
        }
    }
}

/// The OpenFunction Gateway itself.
pub async fn gateway<C: Cluster>(
    cluster: &C,
    name: &ObjectName,
) -> Result<Option<Result<api::Gateway, Unreadable>>, ReadError> {
    let Some(object) = cluster.get(Kind::Gateway, name).await? else {
        return Ok(None);
    };
    let parsed = serde_path_to_error::deserialize(serde_json::json!(object));
    Ok(Some(parsed.map_err(|error| Unreadable {
        error,
        object: Box::new(object),
    })))
}

/// The Kubernetes Gateways, the class, the entry Service and its slices, ours and others. `spec` is what will be
/// served; without one only what must be cleaned is read.
pub async fn world<C: Cluster>(
    cluster: &C,
    gateway: api::Gateway,
    spec: Option<&EffectiveSpec>,
    interested: &mut (impl FnMut(&Interest) + Send),
) -> Result<World, ReadError> {
    let own = name_of(&gateway);
    let mut targets: Vec<ObjectName> = recorded_targets(&gateway)
        .iter()
        .map(super::world::Target::object_name)
        .chain(target_of(&gateway.spec, &own.name))
        .chain(spec.map(|spec| spec.target.name.clone()))
        .collect();
    targets.sort();
    targets.dedup();
    let mut interest = Interest {
        targets: targets.clone(),
        class: spec.and_then(|spec| spec.target.class_name.clone()),
        services: Vec::new(),
    };
    interested(&interest);
    let reads = targets.into_iter().map(async |name| {
        let object = cluster.get(Kind::KubernetesGateway, &name).await?;
        Ok((name, object.map(KubernetesGateway::from)))
    });
    let entry_name = |name: &str| ObjectName {
        namespace: own.namespace.clone(),
        name: name.to_owned(),
    };
    let slices = SLICES.map(async |name| {
        let slice =
            typed::<EndpointSlice, C>(cluster, Kind::EndpointSlice, &entry_name(name)).await?;
        Ok(slice.map(|slice| (name.to_owned(), slice)))
    });
    let service = entry_name(names::ENTRY_SERVICE);
    let label = KeyValue {
        key: names::SERVICE_NAME_LABEL.to_owned(),
        value: names::ENTRY_SERVICE.to_owned(),
    };
    let of_the_entry = ServiceQuery::ByLabels(LabelQuery {
        namespace: Some(own.namespace.clone()),
        labels: vec![label],
    });
    let (targets, entry, slices, all_slices) = try_join4(
        try_join_all(reads),
        typed::<Service, C>(cluster, Kind::Service, &service),
        try_join_all(slices),
        cluster.list(Kind::EndpointSlice, &of_the_entry),
    )
    .await?;
    let targets: BTreeMap<_, _> = targets.into_iter().collect();
    let class_name = spec.and_then(|spec| {
        let live = targets.get(&spec.target.name)?.as_ref();
        live.map(|live| live.class_name().to_owned())
            .or_else(|| spec.target.class_name.clone())
    });
    interest.class.clone_from(&class_name);
    interested(&interest);
    let class = match class_name {
        None => None,
        Some(name) => {
            let name = ObjectName {
                namespace: String::new(),
                name,
            };
            cluster.get(Kind::GatewayClass, &name).await?
        }
    };
    Ok(World {
        now: cluster.now(),
        gateway,
        targets,
        class: class.map(GatewayClass::from),
        services: Vec::new(),
        entry,
        slices: slices.into_iter().flatten().collect(),
        other_slices: all_slices
            .into_iter()
            .filter(|slice| !SLICES.contains(&slice.name_any().as_str()))
            .map(|slice| slice.metadata)
            .collect(),
    })
}

/// The Services that the component asked for, each once, by namespace and name.
pub async fn services<C: Cluster>(
    cluster: &C,
    queries: Vec<ServiceQuery>,
    world: &mut World,
    interested: &mut (impl FnMut(&Interest) + Send),
    interest: Interest,
) -> Result<(), ReadError> {
    let interest = Interest {
        services: queries,
        ..interest
    };
    interested(&interest);
    let found = try_join_all(
        interest
            .services
            .iter()
            .map(|query| cluster.list(Kind::Service, query)),
    )
    .await?;
    let mut services: Vec<Service> = found
        .into_iter()
        .flatten()
        .filter_map(|object| object.try_parse().ok())
        .collect();
    services.sort_by_key(|service| (service.namespace(), service.name_any()));
    services.dedup_by_key(|service| (service.namespace(), service.name_any()));
    let own = name_of(&world.gateway);
    // The entry itself is never its own data plane.
    services.retain(|service| {
        service.namespace().as_deref() != Some(&own.namespace)
            || service.name_any() != names::ENTRY_SERVICE
    });
    world.services = services;
    Ok(())
}

/// The names of the entry's EndpointSlices, one for each address family.
pub const SLICES: [&str; 2] = ["gateway-ipv4", "gateway-ipv6"];

async fn typed<K, C>(cluster: &C, kind: Kind, name: &ObjectName) -> Result<Option<K>, ReadError>
where
    K: Resource + DeserializeOwned,
    C: Cluster,
{
    let object = cluster.get(kind, name).await?;
    object
        .map(|object| {
            serde_json::from_value(serde_json::json!(object)).map_err(|source| ReadError {
                what: format!("{kind} {name}"),
                source: Box::new(kube::Error::SerdeError(source)),
            })
        })
        .transpose()
}
