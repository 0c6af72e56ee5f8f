//! The entry Service and its EndpointSlices as they are to be.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kube::api::{DynamicObject, ObjectMeta};
use kube::{Resource, ResourceExt};
use ofn_contract::{Entry, EntryPort, EntryTarget};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::pass::observe::SLICES;
use crate::pass::plan::handover::is_under_way;
use crate::pass::vet::Wish;
use crate::pass::world::World;
use crate::{api, names};

/// `slices` are those of the same entry.
pub(super) fn service(
    world: &World,
    wish: &Wish,
    entry: &Entry,
    slices: &BTreeMap<String, DynamicObject>,
) -> DynamicObject {
    let external_name = match &entry.target {
        EntryTarget::Service(name) => Some(format!(
            "{}.{}.svc.{}",
            name.name, name.namespace, wish.spec.cluster_domain
        )),
        EntryTarget::HostName(name) => Some(name.clone()),
        EntryTarget::IpAddresses(_) => None,
    };
    let ports: Vec<Value> = entry
        .ports
        .iter()
        .map(|port| json!({"name": port.name, "port": port.port, "protocol": port.protocol}))
        .collect();
    let mut spec = match external_name {
        Some(name) => json!({"type": "ExternalName", "externalName": name}),
        None => with_cluster_ips(world, slices),
    };
    spec["ports"] = ports.into();
    let labels = [(names::MANAGED_BY_LABEL, names::MANAGER)];
    object(
        world,
        wish,
        names::ENTRY_SERVICE,
        &labels,
        json!({"spec": spec}),
    )
}

/// A Service with cluster IPs of the slices' families: a proxy passes nothing on to another one.
fn with_cluster_ips(world: &World, slices: &BTreeMap<String, DynamicObject>) -> Value {
    let mut families = slices.values().map(|slice| &slice.data["addressType"]);
    let there = world.entry.as_ref().and_then(|entry| entry.spec.as_ref());
    let first = there.and_then(|spec| spec.ip_families.as_ref()?.first());
    let (policy, families) = match (families.next(), families.next(), first) {
        // The first family of a Service stays what it is, as long as it has cluster IPs.
        (Some(family), None, Some(first)) if family != first => {
            ("PreferDualStack", json!([first, family]))
        }
        (Some(family), None, _) => ("SingleStack", json!([family])),
        // Those that there are, in the cluster's order.
        _ => return json!({"type": "ClusterIP", "ipFamilyPolicy": "PreferDualStack"}),
    };
    json!({"type": "ClusterIP", "ipFamilyPolicy": policy, "ipFamilies": families})
}

pub(super) fn slices(world: &World, wish: &Wish, entry: &Entry) -> BTreeMap<String, DynamicObject> {
    let EntryTarget::IpAddresses(ips) = &entry.target else {
        return BTreeMap::new();
    };
    let ips: Vec<IpAddr> = ips.iter().filter_map(|ip| ip.parse().ok()).collect();
    let (ipv4, ipv6): (Vec<IpAddr>, Vec<IpAddr>) = ips.into_iter().partition(IpAddr::is_ipv4);
    [("IPv4", SLICES[0], ipv4), ("IPv6", SLICES[1], ipv6)]
        .into_iter()
        .filter(|(_, _, addresses)| !addresses.is_empty())
        .map(|(family, name, addresses)| {
            (
                name.to_owned(),
                slice(world, wish, name, family, &addresses, &entry.ports),
            )
        })
        .collect()
}

fn slice(
    world: &World,
    wish: &Wish,
    name: &str,
    family: &str,
    addresses: &[IpAddr],
    ports: &[EntryPort],
) -> DynamicObject {
    let endpoints: Vec<Value> = addresses
        .iter()
        .map(|address| json!({"addresses": [address.to_string()], "conditions": {"ready": true}}))
        .collect();
    let ports: Vec<Value> = ports
        .iter()
        .map(|port| json!({"name": port.name, "port": port.port, "protocol": port.protocol}))
        .collect();
    let labels = [
        (names::MANAGED_BY_LABEL, names::MANAGER),
        (names::SERVICE_NAME_LABEL, names::ENTRY_SERVICE),
        (names::SLICE_MANAGED_BY_LABEL, names::MANAGER),
    ];
    let data = json!({"addressType": family, "endpoints": endpoints, "ports": ports});
    object(world, wish, name, &labels, data)
}

fn object(
    world: &World,
    wish: &Wish,
    name: &str,
    labels: &[(&str, &str)],
    data: Value,
) -> DynamicObject {
    let mut annotations = BTreeMap::from([(names::APPLIED_ANNOTATION.to_owned(), digest(&data))]);
    if is_under_way(world, wish) {
        annotations.insert(names::MOVED_ANNOTATION.to_owned(), world.now.to_string());
    }
    let labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    DynamicObject {
        types: None,
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: world.gateway.namespace(),
            uid: if name == names::ENTRY_SERVICE {
                world.entry.as_ref().and_then(ResourceExt::uid)
            } else {
                world.slices.get(name).and_then(ResourceExt::uid)
            },
            labels: Some(labels.collect()),
            annotations: Some(annotations),
            owner_references: api::Gateway::controller_owner_ref(&world.gateway, &())
                .map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data,
    }
}

fn digest(data: &Value) -> String {
    format!("{:.16x}", Sha256::digest(data.to_string()))
}
