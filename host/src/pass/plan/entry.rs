//! The entry Service and its EndpointSlices.

use std::collections::BTreeMap;
use std::net::IpAddr;

use json_patch::Patch;
use k8s_openapi::api::core::v1::Service;
use kube::api::{DynamicObject, ObjectMeta};
use kube::{Resource, ResourceExt};
use ofn_contract::{Entry, EntryPort, EntryTarget, ObjectName};
use serde_json::{Value, json};

use super::handover::is_under_way;
use super::undone::{Cause, put_right};
use super::{Guarded, Plan};
use crate::api;
use crate::cluster::{Change, Kind, Write, name_of};
use crate::kubernetes_gateway::is_subset;
use crate::managed_fields::is_applied_by_us;
use crate::names::{self, reason};
use crate::pass::observe::SLICES;
use crate::pass::report::Problem;
use crate::pass::vet::Wish;
use crate::pass::world::{World, is_owned_by};

/// The slices first, then the Service, then the slices that it needs no more: at no time does the
/// Service stand for addresses that nobody has. Where it waits for a Kubernetes Gateway to take over, what
/// is there stays.
///
/// `again` is what is wished, as [`super::undone::wish_of`] tells it.
pub(super) fn next(world: &World, wish: &Wish, again: &str, waits: bool, plan: &mut Plan) {
    if let Some(problem) = foreign(world) {
        plan.problems.push(problem);
        return;
    }
    // Nothing is known: what was known before stays.
    let Some(entry) = &wish.entry else { return };
    let slices = slices(world, wish, entry);
    if !slices.is_empty() {
        plan.problems.extend(beside(world));
    }
    if waits && world.entry.is_some() {
        return;
    }
    let service = service(world, wish, entry);
    let wanted: Vec<Write> = slices
        .iter()
        .filter(|(name, wanted)| {
            world
                .slices
                .get(*name)
                .is_none_or(|there| !is_current(wanted, &json!(there)))
        })
        .map(|(name, wanted)| apply(Kind::EndpointSlice, world, name, wanted))
        .collect();
    if !wanted.is_empty() {
        plan.writes.extend(wanted);
        return;
    }
    let there = world.entry.as_ref().map(|there| json!(there));
    if there.is_none_or(|there| !is_current(&service, &there)) {
        let change = change(world, again, service, plan);
        plan.writes.extend(change);
        return;
    }
    for (name, there) in &world.slices {
        if !slices.contains_key(name)
            && let Some(uid) = there.uid()
        {
            plan.writes.push(Write {
                kind: Kind::EndpointSlice,
                name: in_namespace(world, name),
                change: Change::Delete {
                    uid,
                    resource_version: there.resource_version(),
                },
            });
        }
    }
}

/// Whether there is an entry of ours, and it is not known to lead where it should.
pub(super) fn leads_elsewhere(world: &World, wish: &Wish) -> bool {
    let ours = |entry: &&Service| is_owned_by(entry.meta(), &world.gateway);
    let Some(there) = world.entry.as_ref().filter(ours) else {
        return false;
    };
    let Some(entry) = &wish.entry else {
        return true;
    };
    let is_other = |(name, wanted): (&String, &DynamicObject)| {
        let there = world.slices.get(name);
        there.is_none_or(|there| !is_current(wanted, &json!(there)))
    };
    !is_current(&service(world, wish, entry), &json!(there))
        || slices(world, wish, entry).iter().any(is_other)
}

/// Takes the entry and its slices away. The garbage collector would do that too, but late, and an
/// OpenFunction Gateway that is made anew in the meantime would find them in its way.
pub(super) fn removed(world: &World, plan: &mut Plan) {
    let service = world
        .entry
        .as_ref()
        .map(|service| (Kind::Service, service.meta()));
    let slices = world
        .slices
        .values()
        .map(|slice| (Kind::EndpointSlice, slice.meta()));
    let all = service.into_iter().chain(slices);
    for (kind, metadata) in all.filter(|(_, metadata)| metadata.deletion_timestamp.is_none()) {
        if let (true, Some(name), Some(uid)) = (
            is_owned_by(metadata, &world.gateway),
            &metadata.name,
            &metadata.uid,
        ) {
            plan.writes.push(Write {
                kind,
                name: in_namespace(world, name),
                change: Change::Delete {
                    uid: uid.clone(),
                    resource_version: metadata.resource_version.clone(),
                },
            });
        }
    }
}

/// Objects with our names that are not ours.
fn foreign(world: &World) -> Option<Problem> {
    let conflict = |kind: Kind, metadata: &ObjectMeta| {
        (!is_owned_by(metadata, &world.gateway)).then(|| {
            let owner = metadata
                .managed_fields
                .iter()
                .flatten()
                .find_map(|entry| entry.manager.as_deref());
            Problem::general(
                reason::SERVICE_CONFLICT,
                format!(
                    "{kind} {}/{} is not ours{}: it stays as it is, and functions cannot be \
                     reached through it until it is deleted or renamed",
                    metadata.namespace.as_deref().unwrap_or_default(),
                    metadata.name.as_deref().unwrap_or_default(),
                    owner
                        .map(|owner| format!(" (made by {owner})"))
                        .unwrap_or_default()
                ),
            )
        })
    };
    let service = world.entry.as_ref();
    service
        .and_then(|service| conflict(Kind::Service, service.meta()))
        .or_else(|| {
            world
                .slices
                .values()
                .find_map(|slice| conflict(Kind::EndpointSlice, slice.meta()))
        })
}

/// EndpointSlices that somebody gave to the entry beside ours, by hand or as an Endpoints object, from
/// which the control plane makes them: a part of the traffic goes there.
fn beside(world: &World) -> Option<Problem> {
    let slice = world.other_slices.first()?;
    let mirrored = slice
        .labels
        .iter()
        .flatten()
        .any(|(key, value)| key == names::SLICE_MANAGED_BY_LABEL && value == names::MIRROR);
    let namespace = slice.namespace.as_deref().unwrap_or_default();
    let name = slice.name.as_deref().unwrap_or_default();
    let whose = if mirrored {
        format!("Endpoints {namespace}/{}", names::ENTRY_SERVICE)
    } else {
        format!("EndpointSlice {namespace}/{name}")
    };
    Some(Problem::general(
        reason::SERVICE_CONFLICT,
        format!(
            "{whose} is not ours, and sends a part of the functions' traffic to other addresses than \
             those of the Gateway: delete it"
        ),
    ))
}

/// Whether what is there says all that is wanted. Lists must be equally long.
fn is_current(wanted: &DynamicObject, there: &Value) -> bool {
    let wanted = json!(wanted);
    is_subset(&wanted["metadata"]["labels"], &there["metadata"]["labels"])
        && ["spec", "addressType", "endpoints", "ports"]
            .iter()
            .all(|field| is_subset(&wanted[field], &there[field]))
        && odd_fields(&wanted, there).next().is_none()
}

/// Fields of a Service that would send requests elsewhere, and that are not wanted: the first two we
/// never set.
fn odd_fields(wanted: &Value, there: &Value) -> impl Iterator<Item = &'static str> {
    ["selector", "externalIPs", "externalName"]
        .into_iter()
        .filter(|field| wanted["spec"][field].is_null() && !is_empty(&there["spec"][field]))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => value.is_null(),
    }
}

/// What makes the entry the wanted one. None if it is not time to, because somebody changes it again
/// and again.
fn change(world: &World, again: &str, mut wanted: DynamicObject, plan: &mut Plan) -> Option<Write> {
    let mut patch = None;
    if let Some(there) = &world.entry {
        let mut record = None;
        if is_undone(&wanted, there) {
            let what = format!("Service {}", name_of(there));
            let undone = put_right(world, again, Cause::Others, &what, there.meta(), plan)?;
            record = Some(undone.to_text());
        }
        patch = without_odd_fields(&wanted, there, record.as_ref());
        // What is remembered of before goes with an apply that does not say it.
        let remembered = there.annotations().get(names::UNDONE_ANNOTATION).cloned();
        let record = record
            .or(remembered)
            .map(|record| (names::UNDONE_ANNOTATION.to_owned(), record));
        wanted.annotations_mut().extend(record);
    }
    let applied = apply(Kind::Service, world, names::ENTRY_SERVICE, &wanted);
    Some(match patch {
        None => applied,
        Some(patch) => Write {
            change: Change::Patch(patch),
            ..applied
        },
    })
}

/// Whether a field that says where the entry leads is not ours any more.
fn is_lost(wanted: &DynamicObject, there: &Service) -> bool {
    ["type", "externalName"]
        .iter()
        .filter(|field| !wanted.data["spec"][field].is_null())
        // One that is not there is one that we did not want before.
        .filter(|field| !is_empty(&json!(there)["spec"][field]))
        .any(|field| !is_applied_by_us(there.meta(), &["f:spec", &format!("f:{field}")]))
}

/// Whether somebody else has written what we wrote before: we do not own it any more.
fn is_undone(wanted: &DynamicObject, there: &Service) -> bool {
    let owns = |path: &[&str]| is_applied_by_us(there.meta(), path);
    let value = json!(there);
    // A name that is ours goes with our next apply.
    let has_odd_field =
        odd_fields(&json!(wanted), &value).any(|field| !owns(&["f:spec", &format!("f:{field}")]));
    let has_odd_port = ports(&value).iter().any(|port| {
        let (number, protocol) = port_key(port);
        let key = json!({"port": number, "protocol": protocol});
        !owns(&["f:spec", "f:ports", &format!("k:{key}")])
    });
    owns(&["f:spec"]) && (is_lost(wanted, there) || has_odd_port || has_odd_field)
}

/// Ports that somebody else put there (the old controller, or a person) stay in an apply, because
/// the list is a map with owners, and so do other fields; they are taken out before it. `undone` is
/// recorded with the last write that puts right what was undone at once, so that it counts once.
fn without_odd_fields(
    wanted: &DynamicObject,
    there: &Service,
    undone: Option<&String>,
) -> Option<Patch> {
    let (wanted_value, there_value) = (json!(wanted), json!(there));
    let (wanted_ports, there_ports) = (ports(&wanted_value), ports(&there_value));
    let is_wanted = |port: &Value| {
        wanted_ports
            .iter()
            .any(|other| port_key(other) == port_key(port))
    };
    let metadata = there.meta();
    let mut patch = Guarded(Vec::new());
    patch.test(&["metadata", "uid"], json!(metadata.uid));
    let guards = patch.0.len();
    if !there_ports.iter().all(is_wanted) {
        patch.test(&["spec", "ports"], json!(there_ports));
        patch.replace(&["spec", "ports"], json!(wanted_ports));
    }
    let spec = &there_value["spec"];
    for field in odd_fields(&wanted_value, &there_value) {
        if is_applied_by_us(metadata, &["f:spec", &format!("f:{field}")]) {
            continue;
        }
        patch.test(&["spec", field], spec[field].clone());
        if field == "externalName" {
            // A Service of its type must have one.
            patch.replace(&["spec", "type"], wanted_value["spec"]["type"].clone());
        }
        patch.remove(&["spec", field]);
    }
    if patch.0.len() == guards {
        return None;
    }
    if let Some(undone) = undone
        && !is_lost(wanted, there)
    {
        patch.annotate(
            metadata,
            &[(names::UNDONE_ANNOTATION, Some(undone.clone()))],
        );
    }
    Some(patch.finish())
}

fn ports(service: &Value) -> Vec<Value> {
    let ports = service["spec"]["ports"].as_array();
    ports.cloned().unwrap_or_default()
}

/// What must be unique among the ports of a Service besides the names.
fn port_key(port: &Value) -> (Option<i64>, &str) {
    (
        port["port"].as_i64(),
        port["protocol"].as_str().unwrap_or("TCP"),
    )
}

fn service(world: &World, wish: &Wish, entry: &Entry) -> DynamicObject {
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
    let spec = match external_name {
        Some(name) => json!({"type": "ExternalName", "externalName": name, "ports": ports}),
        None => json!({"type": "ClusterIP", "ports": ports}),
    };
    let labels = [(names::MANAGED_BY_LABEL, names::MANAGER)];
    object(
        world,
        wish,
        names::ENTRY_SERVICE,
        &labels,
        json!({"spec": spec}),
    )
}

fn slices(world: &World, wish: &Wish, entry: &Entry) -> BTreeMap<String, DynamicObject> {
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
    let moved = (names::MOVED_ANNOTATION.to_owned(), world.now.to_string());
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
            annotations: is_under_way(world, wish).then(|| BTreeMap::from([moved])),
            owner_references: api::Gateway::controller_owner_ref(&world.gateway, &())
                .map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data,
    }
}

fn apply(kind: Kind, world: &World, name: &str, object: &DynamicObject) -> Write {
    Write {
        kind,
        name: in_namespace(world, name),
        change: Change::Apply(Box::new(object.clone())),
    }
}

fn in_namespace(world: &World, name: &str) -> ObjectName {
    ObjectName {
        namespace: name_of(&world.gateway).namespace,
        name: name.to_owned(),
    }
}
