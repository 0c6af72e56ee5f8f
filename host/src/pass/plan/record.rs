//! What is written on the OpenFunction Gateway itself: the finalizer, the targets, the spec that is
//! acted on, and the defaults that the user can see.

use jiff::Timestamp;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::clean::is_created_by_us;
use super::handover::{self, Readiness};
use super::{Guarded, uid};
use crate::cluster::{Change, Kind, Write, name_of};
use crate::managed_fields::{applier_of, applier_of_field, last_editor};
use crate::names::reason;
use crate::pass::report::Notice;
use crate::pass::vet::Wish;
use crate::pass::world::{Target, World, last_applied, recorded_targets};
use crate::{api, names};

/// One write with all that must stand there before anything else is touched.
pub(super) fn serving(
    world: &World,
    wish: &Wish,
    readiness: Readiness,
    visible: Option<&api::GatewaySpec>,
    notices: &mut Vec<Notice>,
) -> Option<Write> {
    let gateway = &world.gateway;
    let metadata = &gateway.metadata;
    let mut patch = Guarded::new(metadata);
    let guards = patch.0.len();
    let finalizers = gateway.finalizers();
    if !is_held(world) {
        if finalizers.is_empty() {
            patch.test(&["metadata", "finalizers"], Value::Null);
            patch.add(&["metadata", "finalizers"], json!([names::FINALIZER]));
        } else {
            patch.test(&["metadata", "finalizers"], json!(finalizers));
            patch.add(&["metadata", "finalizers", "-"], json!(names::FINALIZER));
        }
    }
    let effective = api::GatewaySpec::from_effective(&wish.spec);
    let mut annotations = Vec::new();
    // Told once for each effective spec, and once when it is given up.
    let mut is_news = false;
    if last_applied(gateway).as_ref() != Some(&effective) {
        is_news = true;
        annotations.push((
            names::LAST_APPLIED_ANNOTATION,
            Some(json!({"spec": effective}).to_string()),
        ));
    }
    let targets = targets(world, wish, handover::ready_since(world, wish, readiness));
    if json!(targets) != recorded(gateway) {
        annotations.push((names::TARGETS_ANNOTATION, Some(json!(targets).to_string())));
    }
    let shown = visible.map(|visible| show(gateway, visible));
    if let Some(Shown {
        taken_out: Some(record),
        ..
    }) = &shown
    {
        is_news = true;
        annotations.push((names::TAKEN_OUT_ANNOTATION, Some(json!(record).to_string())));
    }
    patch.annotate(metadata, &annotations);
    if let Some(shown) = shown {
        notices.extend(shown.withheld.filter(|_| is_news));
        patch.0.extend(shown.patch.0);
    }
    (patch.0.len() > guards).then(|| write(world, patch))
}

/// Whether the OpenFunction Gateway stays until we have let it go.
pub(super) fn is_held(world: &World) -> bool {
    let mut finalizers = world.gateway.finalizers().iter();
    finalizers.any(|finalizer| finalizer == names::FINALIZER)
}

/// The last write of a deletion. None if there is nothing of ours on the object.
pub(super) fn released(world: &World) -> Option<Write> {
    let finalizers = world.gateway.finalizers();
    let index = finalizers
        .iter()
        .position(|finalizer| finalizer == names::FINALIZER)?;
    let mut patch = Guarded::new(&world.gateway.metadata);
    patch.test(&["metadata", "finalizers"], json!(finalizers));
    patch.remove(&["metadata", "finalizers", &index.to_string()]);
    Some(write(world, patch))
}

fn write(world: &World, patch: Guarded) -> Write {
    Write {
        kind: Kind::Gateway,
        name: name_of(&world.gateway),
        change: Change::Patch(patch.finish()),
    }
}

fn recorded(gateway: &api::Gateway) -> Value {
    gateway
        .annotations()
        .get(names::TARGETS_ANNOTATION)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// The present target, and the past ones that still have something of ours.
fn targets(world: &World, wish: &Wish, ready: Option<Timestamp>) -> Vec<Target> {
    let gateway = &world.gateway;
    let present = &wish.spec.target.name;
    let mut targets = recorded_targets(gateway);
    targets.retain(|target| {
        let name = target.object_name();
        name == *present || super::clean::is_dirty(world, &name)
    });
    if !targets
        .iter()
        .any(|target| target.object_name() == *present)
    {
        targets.push(Target {
            kind: "Gateway".to_owned(),
            namespace: present.namespace.clone(),
            name: present.name.clone(),
            uid: None,
            created: false,
            left: None,
            ready: None,
        });
    }
    for target in &mut targets {
        let name = target.object_name();
        let defined = name == *present && wish.spec.target.class_name.is_some();
        match world.targets.get(&name).and_then(Option::as_ref) {
            // What comes under this name after it is another one. What we are about to create is
            // recorded before: between the two writes this may be the last pass.
            None => {
                target.created = defined;
                target.uid = None;
            }
            Some(live) => {
                // Who refers to it as to an existing one wants it to stay.
                let is_kept = name == *present && !defined;
                target.created = !is_kept && is_created_by_us(target, live, &uid(gateway));
                target.uid.clone_from(&live.metadata.uid);
            }
        }
        target.left = match &target.left {
            _ if name == *present => None,
            None => Some(world.now),
            left => *left,
        };
        target.ready = ready.filter(|_| name == *present);
    }
    targets
}

/// Who has taken defaults out of the spec that were shown in it, and how often.
#[derive(Serialize, Deserialize)]
struct TakenOut {
    manager: String,
    times: u32,
}

/// So often the same manager may take defaults out before they are written no more: a client-side
/// apply of a whole list would do so for ever.
const MOST_TAKEN_OUT: u32 = 2;

/// How the defaults are made visible.
struct Shown {
    patch: Guarded,
    /// What is to be recorded anew.
    taken_out: Option<TakenOut>,
    /// Why some are not.
    withheld: Option<Notice>,
}

/// Makes the defaults visible, except in what somebody else applies: a field of ours in there would
/// stay behind when they rename it, and make their next apply fail.
fn show(gateway: &api::Gateway, visible: &api::GatewaySpec) -> Shown {
    let mut shown = Shown {
        patch: Guarded(Vec::new()),
        taken_out: None,
        withheld: None,
    };
    let patch = &mut shown.patch;
    let written = &gateway.spec;
    let path = ["f:spec", "f:gatewaySpec", "f:listeners"];
    let mut listeners = visible.gateway_spec.listeners.clone();
    for listener in &mut listeners {
        let theirs = written_listener(written, &listener.name);
        let applier = applier_of(&gateway.metadata, &path, &listener.name);
        if let (Some(theirs), Some(applier)) = (theirs, applier)
            && theirs != listener
        {
            let message = format!(
                "listener {} of the spec is applied by {applier}, so what is filled in for it is \
                 effective without being written there: {}",
                listener.name,
                json!(listener)
            );
            shown.withheld = Some(Notice::new(reason::DEFAULTS_WITHHELD, message));
            listener.clone_from(theirs);
        }
    }
    if listeners != written.gateway_spec.listeners {
        let mut give_up = false;
        if is_taken_out(gateway, &listeners) {
            let manager = last_editor(&gateway.metadata);
            let before = taken_out(gateway)
                .filter(|record| record.manager == manager)
                .map_or(0, |record| record.times);
            let times = before.saturating_add(1);
            give_up = times >= MOST_TAKEN_OUT;
            if before < MOST_TAKEN_OUT {
                shown.taken_out = Some(TakenOut {
                    manager: manager.to_owned(),
                    times,
                });
                let message = format!(
                    "{manager} has taken listeners or host names that were filled in out of the \
                     spec again: they stay effective, and are written there no more. Write them \
                     into the file that {manager} applies, or apply it server-side"
                );
                let notice = Notice::new(reason::DEFAULTS_WITHHELD, message);
                shown.withheld = shown.withheld.or(Some(notice).filter(|_| give_up));
            }
        }
        if !give_up {
            // The object may have been stored before `gatewaySpec` was required.
            patch.add(&["spec", "gatewaySpec"], json!({"listeners": listeners}));
        }
    }
    let named = visible
        .gateway_def
        .as_ref()
        .and_then(|def| def.name.as_ref());
    // Somebody who takes it out does not miss it.
    let is_known = last_applied(gateway)
        .and_then(|last| last.gateway_def?.name)
        .is_some();
    if let (Some(name), Some(def)) = (named, &written.gateway_def)
        && def.name.is_none()
        && !is_known
        && applier_of_field(&gateway.metadata, &["f:spec", "f:gatewayDef"]).is_none()
    {
        patch.add(&["spec", "gatewayDef", "name"], json!(name));
    }
    for (field, visible, written) in [
        (
            "clusterDomain",
            &visible.cluster_domain,
            &written.cluster_domain,
        ),
        (
            "hostTemplate",
            &visible.host_template,
            &written.host_template,
        ),
        (
            "pathTemplate",
            &visible.path_template,
            &written.path_template,
        ),
        (
            "httpRouteLabelKey",
            &visible.http_route_label_key,
            &written.http_route_label_key,
        ),
    ] {
        if visible != written {
            patch.add(&["spec", field], json!(visible));
        }
    }
    shown
}

/// Whether something is missing in the spec that was shown in it before.
fn is_taken_out(gateway: &api::Gateway, shown: &[api::Listener]) -> bool {
    let Some(last) = last_applied(gateway) else {
        return false;
    };
    shown.iter().any(|listener| {
        let name = &listener.name;
        let written = written_listener(&gateway.spec, name);
        written != Some(listener)
            && written_listener(&last, name).is_some_and(|last| {
                last == listener || written.is_none_or(|written| written.hostname.is_none())
            })
    })
}

fn written_listener<'a>(spec: &'a api::GatewaySpec, name: &str) -> Option<&'a api::Listener> {
    let mut listeners = spec.gateway_spec.listeners.iter();
    listeners.find(|listener| listener.name == name)
}

fn taken_out(gateway: &api::Gateway) -> Option<TakenOut> {
    let text = gateway.annotations().get(names::TAKEN_OUT_ANNOTATION)?;
    serde_json::from_str(text).ok()
}
