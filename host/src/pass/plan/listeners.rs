//! What is written on the present Kubernetes Gateway.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::{DynamicObject, ObjectMeta};
use ofn_contract::KeyValue;
use serde_json::{Value, json};

use super::clean::is_created;
use super::undone::{Cause, put_right};
use super::{Guarded, Plan, uid};
use crate::cluster::{Change, Kind, Write};
use crate::kubernetes_gateway::{
    KubernetesGateway, MOST_LISTENERS, is_subset, listener_from_contract, listener_key,
    listener_name,
};
use crate::names::{self, reason};
use crate::pass::report::Problem;
use crate::pass::vet::Wish;
use crate::pass::world::World;

/// Puts the wished listeners in, takes those that are not wished any more out, and reports what
/// somebody else is in the way of.
///
/// `again` is what is wished, as [`super::undone::wish_of`] tells it.
pub(super) fn touch(world: &World, wish: &Wish, again: &str, plan: &mut Plan) {
    for refusal in &wish.refusals {
        plan.problems.push(Problem::listener(
            &refusal.listener,
            &refusal.reason,
            &refusal.message,
        ));
    }
    let wished: Vec<Value> = wish.listeners.iter().map(listener_from_contract).collect();
    let change = match world.target(&wish.spec) {
        None => {
            let Some(class_name) = &wish.spec.target.class_name else {
                return;
            };
            let fitting = fitting(&wished, None, plan);
            // The API server takes no Gateway without a listener. Why there is none is told above.
            if fitting.is_empty() {
                return;
            }
            Some(Change::Create(Box::new(created(
                world, wish, class_name, &fitting,
            ))))
        }
        // It is going; what comes after it is a new one.
        Some(live) if live.metadata.deletion_timestamp.is_some() => None,
        Some(live) => {
            let ours = live.ours();
            let fitting = fitting(&wished, Some((live, &ours)), plan);
            let mut patch = Guarded::new(&live.metadata);
            let guards = patch.0.len();
            let spec_changes = listeners(live, &ours, &fitting, &mut patch)
                | class(world, wish, live, &mut patch, plan);
            let mut annotations = Vec::new();
            if spec_changes && let Some(cause) = cause(world, live, &wished, &fitting) {
                let what = format!("Gateway {}", live.name());
                let seen = &live.metadata;
                let Some(undone) = put_right(world, again, cause, &what, seen, plan) else {
                    return;
                };
                annotations.push((names::UNDONE_ANNOTATION, Some(undone.to_text())));
            }
            // A change that comes to nothing, because the API server drops what it does not know,
            // makes no generation; the record is set right after it.
            let generation = if spec_changes {
                Some(live.generation() + 1)
            } else {
                Some(live.generation()).filter(|seen| live.recorded_generation() > *seen)
            };
            if live.recorded() != fitting {
                annotations.push((names::INJECTED_ANNOTATION, Some(json!(fitting).to_string())));
            }
            if let Some(generation) = generation {
                let record = live.generation_record(generation);
                annotations.push((names::GENERATION_ANNOTATION, Some(record)));
            }
            patch.annotate(&live.metadata, &annotations);
            (patch.0.len() > guards).then(|| Change::Patch(patch.finish()))
        }
    };
    plan.writes.extend(change.map(|change| Write {
        kind: Kind::KubernetesGateway,
        name: wish.spec.target.name.clone(),
        change,
    }));
}

/// Whose fault it is that the listeners of a Gateway are written again; nobody's where the user
/// wishes something new, or where a conflict came or went.
fn cause(
    world: &World,
    live: &KubernetesGateway,
    wished: &[Value],
    fitting: &[Value],
) -> Option<Cause> {
    let recorded = live.recorded();
    if recorded == fitting {
        let by_others = live.generation() > live.written_generation();
        return by_others.then_some(Cause::Others);
    }
    let status = world.gateway.status.as_ref();
    let generation = world.gateway.metadata.generation;
    let is_served = status.is_some_and(|status| status.observed_generation == generation);
    let otherwise = recorded.iter().any(|listener| !wished.contains(listener));
    (is_served && otherwise).then_some(Cause::Policy)
}

/// Those of the wished listeners that the Gateway can take beside those of others. The API server
/// would refuse the whole Gateway for one that it cannot.
fn fitting(
    wished: &[Value],
    live: Option<(&KubernetesGateway, &BTreeSet<String>)>,
    plan: &mut Plan,
) -> Vec<Value> {
    let theirs: Vec<&Value> = live
        .iter()
        .flat_map(|(live, ours)| {
            let listeners = live.listeners().iter();
            listeners.filter(|listener| !ours.contains(listener_name(listener)))
        })
        .collect();
    let mut fitting: Vec<Value> = Vec::new();
    for listener in wished {
        let name = listener_name(listener);
        let clashes = |other: &&Value| {
            listener_name(other) == name || listener_key(other) == listener_key(listener)
        };
        let conflict = if let Some(other) = theirs.iter().copied().find(clashes) {
            Some(format!("{} {}", whose(live, other), clash(listener, other)))
        } else if let Some(other) = fitting.iter().find(clashes) {
            let other_name = listener_name(other);
            Some(format!(
                "listener {other_name} of this object {}",
                clash(listener, other)
            ))
        } else if theirs.len() + fitting.len() >= MOST_LISTENERS {
            Some(format!(
                "a Gateway has room for {MOST_LISTENERS} listeners, and they are taken"
            ))
        } else {
            None
        };
        match conflict {
            None => fitting.push(listener.clone()),
            Some(message) => {
                plan.problems
                    .push(Problem::listener(name, reason::LISTENER_CONFLICT, message));
            }
        }
    }
    plan.order = live
        .iter()
        .flat_map(|(live, _)| live.listeners())
        .filter(|listener| {
            let same = |other: &Value| listener_name(other) == listener_name(listener);
            theirs.iter().any(|other| same(other)) || fitting.iter().any(same)
        })
        .map(listener_name)
        .map(str::to_owned)
        .collect();
    for listener in &fitting {
        let name = listener_name(listener);
        if !plan.order.iter().any(|known| known == name) {
            plan.order.push(name.to_owned());
        }
    }
    fitting
}

fn whose(live: Option<(&KubernetesGateway, &BTreeSet<String>)>, listener: &Value) -> String {
    let name = listener_name(listener);
    let owner = live.and_then(|(live, _)| live.owner_of(name));
    format!(
        "listener {name} of Gateway {}{}",
        live.map(|(live, _)| live.name().to_string())
            .unwrap_or_default(),
        owner
            .map(|owner| format!(", which {owner} made,"))
            .unwrap_or_default()
    )
}

fn clash(listener: &Value, other: &Value) -> String {
    if listener_name(listener) == listener_name(other) {
        return "has this name and is not ours: rename that one".to_owned();
    }
    let (port, protocol, hostname) = listener_key(listener);
    format!(
        "serves {protocol} for {} on port {port} already: give one of them another host name or \
         port",
        if hostname.is_empty() {
            "every host"
        } else {
            hostname
        }
    )
}

/// Operations on single listeners; tells whether there are any. The list cannot have changed since
/// it was seen: the patch tests the generation.
fn listeners(
    live: &KubernetesGateway,
    ours: &BTreeSet<String>,
    wished: &[Value],
    patch: &mut Guarded,
) -> bool {
    let before = patch.0.len();
    let recorded = live.recorded();
    let by_name = |list: &[Value], name: &str| {
        list.iter()
            .find(|listener| listener_name(listener) == name)
            .cloned()
    };
    let mut gone = Vec::new();
    for (index, listener) in live.listeners().iter().enumerate() {
        let name = listener_name(listener);
        if !ours.contains(name) {
            continue;
        }
        match by_name(wished, name) {
            None => gone.push(index),
            Some(wish) => {
                // A field that is wished no more shows only in what was recorded. What is there
                // since our own last change is what the API server made of our wish.
                let same = by_name(&recorded, name).as_ref() == Some(&wish);
                let untouched = live.recorded_generation() >= live.generation();
                if !same || !(untouched || is_subset(&wish, listener)) {
                    patch.replace(&["spec", "listeners", &index.to_string()], wish);
                }
            }
        }
    }
    for index in gone.into_iter().rev() {
        patch.remove(&["spec", "listeners", &index.to_string()]);
    }
    for listener in wished {
        if by_name(live.listeners(), listener_name(listener)).is_none() {
            patch.add(&["spec", "listeners", "-"], listener.clone());
        }
    }
    patch.0.len() > before
}

/// The class of a Gateway that we created follows the spec; another's stays.
fn class(
    world: &World,
    wish: &Wish,
    live: &KubernetesGateway,
    patch: &mut Guarded,
    plan: &mut Plan,
) -> bool {
    match &wish.spec.target.class_name {
        Some(class_name) if live.class_name() != class_name => {
            let created = is_created(world, live);
            if created {
                patch.replace(&["spec", "gatewayClassName"], json!(class_name));
            } else {
                plan.problems.push(Problem::general(
                    reason::CLASS_CONFLICT,
                    format!(
                        "Gateway {} existed before and has class {}, not {class_name}: use it with \
                         gatewayRef, or choose another name in gatewayDef",
                        live.name(),
                        live.class_name()
                    ),
                ));
            }
            created
        }
        _ => false,
    }
}

fn created(world: &World, wish: &Wish, class_name: &str, listeners: &[Value]) -> DynamicObject {
    let name = &wish.spec.target.name;
    let map = |pairs: &[KeyValue]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|pair| (pair.key.clone(), pair.value.clone()))
            .collect()
    };
    let mut labels = map(&wish.template.labels);
    labels.insert(
        names::MANAGED_BY_LABEL.to_owned(),
        names::MANAGER.to_owned(),
    );
    let mut annotations = map(&wish.template.annotations);
    annotations.extend([
        (
            names::INJECTED_ANNOTATION.to_owned(),
            json!(listeners).to_string(),
        ),
        (names::GENERATION_ANNOTATION.to_owned(), "1".to_owned()),
        (
            names::CREATED_FOR_ANNOTATION.to_owned(),
            uid(&world.gateway),
        ),
    ]);
    let mut spec = json!({"gatewayClassName": class_name, "listeners": listeners});
    let infrastructure = wish.template.infrastructure.as_deref();
    if let Some(infrastructure) = infrastructure.and_then(|text| serde_json::from_str(text).ok()) {
        spec["infrastructure"] = infrastructure;
    }
    DynamicObject {
        types: None,
        metadata: ObjectMeta {
            name: Some(name.name.clone()),
            namespace: Some(name.namespace.clone()),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        data: json!({"spec": spec}),
    }
}
