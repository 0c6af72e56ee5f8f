//! The entry Service and its EndpointSlices.

mod objects;
mod problems;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Service;
use kube::api::{DynamicObject, ObjectMeta};
use kube::{Resource, ResourceExt};
use ofn_contract::ObjectName;
use serde_json::{Value, json};

use self::objects::{service, slices};
use self::problems::{beside, foreign};
use super::undone::{Cause, put_right};
use super::{Guarded, Plan};
use crate::cluster::{Change, Kind, Write, name_of};
use crate::kubernetes_gateway::is_subset;
use crate::managed_fields::{is_applied_by_us, is_owned_by_others};
use crate::names;
use crate::pass::vet::Wish;
use crate::pass::world::{World, is_owned_by};

/// When it is looked again whether what is not ours is still there: an EndpointSlice is watched by its
/// label, which that of somebody else need not have.
const FOREIGN_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// The slices first, then the Service, then the slices that it needs no more: at no time does the
/// Service stand for addresses that nobody has. Where it waits for a Kubernetes Gateway to take over, what
/// is there stays.
///
/// `again` is what is wished, as [`super::undone::wish_of`] tells it.
pub(super) fn next(world: &World, wish: &Wish, again: &str, waits: bool, plan: &mut Plan) {
    if let Some(problem) = foreign(world) {
        plan.problems.push(problem);
        plan.look_again(FOREIGN_AGAIN);
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
    let service = service(world, wish, entry, &slices);
    let mut wanted = Vec::new();
    for (name, slice) in &slices {
        let there = world.slices.get(name);
        let there = there.map(|there| (there.meta(), json!(there)));
        if !is_done(slice, there.as_ref())
            && let Some(kept) = kept(
                Kind::EndpointSlice,
                world,
                again,
                slice,
                there.as_ref(),
                plan,
            )
        {
            wanted.push(apply(Kind::EndpointSlice, world, slice, kept));
        }
    }
    if !wanted.is_empty() {
        plan.writes.extend(wanted);
        return;
    }
    let there = world.entry.as_ref();
    let there = there.map(|there| (there.meta(), json!(there)));
    if !is_done(&service, there.as_ref()) {
        if let Some(kept) = kept(Kind::Service, world, again, &service, there.as_ref(), plan) {
            let before =
                there.and_then(|there| without_others_fields(world, &service, &there, &kept));
            let write = before.unwrap_or_else(|| apply(Kind::Service, world, &service, kept));
            plan.writes.push(write);
        }
        return;
    }
    for (name, there) in &world.slices {
        if !slices.contains_key(name)
            && there.metadata.deletion_timestamp.is_none()
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
    let slices = slices(world, wish, entry);
    !is_current(&service(world, wish, entry, &slices), &json!(there)) || slices.iter().any(is_other)
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

/// Whether what is there says all that is wanted. Lists must be equally long.
fn is_current(wanted: &DynamicObject, there: &Value) -> bool {
    let wanted = json!(wanted);
    is_subset(&wanted["metadata"]["labels"], &there["metadata"]["labels"])
        && ["spec", "addressType", "endpoints", "ports"]
            .iter()
            .all(|field| is_subset(&wanted[field], &there[field]))
        && odd_fields(&wanted, there).next().is_none()
}

/// Fields of a Service that would send requests elsewhere, or that its type cannot have, and that are not
/// wanted: all but the last we never set.
fn odd_fields(wanted: &Value, there: &Value) -> impl Iterator<Item = &'static str> {
    [
        "selector",
        "externalIPs",
        "loadBalancerSourceRanges",
        "internalTrafficPolicy",
        "externalName",
    ]
    .into_iter()
    .filter(|field| wanted["spec"][field].is_null() && !is_empty(&there["spec"][field]))
    // Its default does nothing, anything else drops all: our addresses are on no node.
    .filter(|field| *field != "internalTrafficPolicy" || there["spec"][field] != "Cluster")
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => value.is_null(),
    }
}

/// An object as it was seen, and as JSON.
type Seen<'a> = (&'a ObjectMeta, Value);

/// Whether there is nothing left to write. Where nobody fights, what was applied need not stand there.
fn is_done(wanted: &DynamicObject, there: Option<&Seen>) -> bool {
    there.is_some_and(|(seen, there)| {
        is_current(wanted, there)
            && match Applied::of(seen, wanted) {
                Applied::This | Applied::ByOthers => true,
                Applied::Half | Applied::Other => false,
                Applied::Unknown => is_applied_by_us(seen, &[]),
            }
    })
}

/// Whether somebody else has changed what we wrote.
fn is_undone(wanted: &DynamicObject, (seen, there): &Seen) -> bool {
    match Applied::of(seen, wanted) {
        Applied::This | Applied::ByOthers => !is_current(wanted, there),
        // What was taken out is there again.
        Applied::Half => !is_free_of_others(wanted, seen, there),
        // Where it is ours, there was a record.
        Applied::Unknown => is_applied_by_us(seen, &[]) && !is_current(wanted, there),
        Applied::Other => false,
    }
}

/// What was applied to an object last, as [`names::APPLIED_ANNOTATION`] has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Applied {
    /// What is wanted now.
    This,
    /// What is wanted now is about to be: others' fields have been taken out for it.
    Half,
    /// Something else, as somebody else has it written down, with all that we once applied.
    ByOthers,
    /// Something else.
    Other,
    /// Nothing, or somebody has taken the record out.
    Unknown,
}

impl Applied {
    fn of(seen: &ObjectMeta, wanted: &DynamicObject) -> Self {
        let record = |metadata: &ObjectMeta| {
            let annotations = metadata.annotations.as_ref()?;
            annotations.get(names::APPLIED_ANNOTATION).cloned()
        };
        match (record(seen), record(&wanted.metadata)) {
            (Some(seen), Some(wanted)) if seen == wanted => Self::This,
            (Some(seen), Some(wanted)) if seen == half(&wanted) => Self::Half,
            (Some(_), _) if is_by_others(seen) => Self::ByOthers,
            (Some(_), _) => Self::Other,
            (None, _) => Self::Unknown,
        }
    }
}

fn is_by_others(seen: &ObjectMeta) -> bool {
    let field = format!("f:{}", names::APPLIED_ANNOTATION);
    let path = ["f:metadata", "f:annotations", &field];
    is_owned_by_others(seen, &path) && !is_applied_by_us(seen, &path)
}

/// The record where only others' fields have been taken out yet.
fn half(digest: &str) -> String {
    format!("half of {digest}")
}

/// Annotations with what is remembered of a fight, for the write that makes an object the wanted one.
/// None: it is not time to write it, because somebody changes it again and again.
fn kept(
    kind: Kind,
    world: &World,
    again: &str,
    wanted: &DynamicObject,
    there: Option<&Seen>,
    plan: &mut Plan,
) -> Option<BTreeMap<String, String>> {
    let Some(there) = there else {
        return Some(BTreeMap::new());
    };
    let key = names::UNDONE_ANNOTATION;
    let seen = there.0;
    let record = if is_undone(wanted, there) {
        let what = format!("{kind} {}", in_namespace(world, &wanted.name_any()));
        Some(put_right(world, again, Cause::Others, &what, seen, plan)?.to_text())
    } else {
        // An apply that does not say it would take it away.
        seen.annotations
            .as_ref()
            .and_then(|all| all.get(key).cloned())
    };
    Some(
        record
            .map(|record| (key.to_owned(), record))
            .into_iter()
            .collect(),
    )
}

fn apply(
    kind: Kind,
    world: &World,
    wanted: &DynamicObject,
    kept: BTreeMap<String, String>,
) -> Write {
    let mut wanted = wanted.clone();
    wanted.annotations_mut().extend(kept);
    Write {
        kind,
        name: in_namespace(world, &wanted.name_any()),
        change: Change::Apply(Box::new(wanted)),
    }
}

/// Whether there is nothing that an apply would leave there. Ports that somebody else put there (the old
/// controller, or a person) would stay, because the list is a map with owners, and so would other fields.
fn is_free_of_others(wanted: &DynamicObject, seen: &ObjectMeta, there: &Value) -> bool {
    let wanted = json!(wanted);
    let (wanted_ports, there_ports) = (ports(&wanted), ports(there));
    let is_wanted = |port: &Value| {
        let mut wanted = wanted_ports.iter();
        wanted.any(|other| port_key(other) == port_key(port))
    };
    there_ports.iter().all(is_wanted) && others_fields(&wanted, seen, there).next().is_none()
}

/// Odd fields that do not go with our next apply.
fn others_fields(
    wanted: &Value,
    seen: &ObjectMeta,
    there: &Value,
) -> impl Iterator<Item = &'static str> {
    odd_fields(wanted, there).filter(|field| {
        let field = format!("f:{field}");
        let path = ["f:spec", &field];
        !is_applied_by_us(seen, &path) || is_owned_by_others(seen, &path)
    })
}

/// What must be done before the entry is applied. None: nothing must.
fn without_others_fields(
    world: &World,
    wanted: &DynamicObject,
    (metadata, there): &Seen,
    kept: &BTreeMap<String, String>,
) -> Option<Write> {
    if is_free_of_others(wanted, metadata, there) {
        return None;
    }
    let value = json!(wanted);
    let mut patch = Guarded(Vec::new());
    patch.test(&["metadata", "uid"], json!(metadata.uid));
    patch.test(&["spec", "ports"], there["spec"]["ports"].clone());
    patch.add(&["spec", "ports"], json!(ports(&value)));
    for field in others_fields(&value, metadata, there) {
        patch.test(&["spec", field], there["spec"][field].clone());
        if field == "externalName" {
            // A Service of its type must have one.
            patch.replace(&["spec", "type"], value["spec"]["type"].clone());
        }
        patch.remove(&["spec", field]);
    }
    // The apply that follows does not count it again.
    let digest = wanted.annotations().get(names::APPLIED_ANNOTATION);
    let annotations = [
        (
            names::UNDONE_ANNOTATION,
            kept.get(names::UNDONE_ANNOTATION).cloned(),
        ),
        (names::APPLIED_ANNOTATION, digest.map(|digest| half(digest))),
    ];
    patch.annotate(metadata, &annotations);
    Some(Write {
        kind: Kind::Service,
        name: in_namespace(world, names::ENTRY_SERVICE),
        change: Change::Patch(patch.finish()),
    })
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

fn in_namespace(world: &World, name: &str) -> ObjectName {
    ObjectName {
        namespace: name_of(&world.gateway).namespace,
        name: name.to_owned(),
    }
}
