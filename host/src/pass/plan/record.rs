//! What is written on the OpenFunction Gateway itself: the finalizer, the targets, the spec that is
//! acted on, and the defaults that the user can see.

use kube::ResourceExt;
use serde_json::{Value, json};

use super::clean::{is_created_by_us, is_created_for};
use super::{Guarded, uid};
use crate::cluster::{Change, Kind, Write, name_of};
use crate::kubernetes_gateway::applier_of;
use crate::pass::vet::Wish;
use crate::pass::world::{Target, World, last_applied, recorded_targets};
use crate::{api, names};

/// One write with all that must stand there before anything else is touched.
pub(super) fn serving(
    world: &World,
    wish: &Wish,
    visible: Option<&api::GatewaySpec>,
) -> Option<Write> {
    let gateway = &world.gateway;
    let metadata = &gateway.metadata;
    let mut patch = Guarded::new(metadata);
    let guards = patch.0.len();
    let finalizers = gateway.finalizers();
    if !finalizers
        .iter()
        .any(|finalizer| finalizer == names::FINALIZER)
    {
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
    if last_applied(gateway).as_ref() != Some(&effective) {
        annotations.push((
            names::LAST_APPLIED_ANNOTATION,
            Some(json!({"spec": effective}).to_string()),
        ));
    }
    let targets = targets(world, wish);
    if json!(targets) != recorded(gateway) {
        annotations.push((names::TARGETS_ANNOTATION, Some(json!(targets).to_string())));
    }
    patch.annotate(metadata, &annotations);
    if let Some(visible) = visible {
        show(gateway, visible, &mut patch);
    }
    (patch.0.len() > guards).then(|| write(world, patch))
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
fn targets(world: &World, wish: &Wish) -> Vec<Target> {
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
                target.created = is_created_by_us(target, live, &uid(gateway))
                    || (defined && is_created_for(live, &uid(gateway)));
                target.uid.clone_from(&live.metadata.uid);
            }
        }
        target.left = match &target.left {
            _ if name == *present => None,
            None => Some(world.now),
            left => *left,
        };
    }
    targets
}

/// Makes the defaults visible, except in listeners that somebody else applies: a field of ours in
/// them would stay behind when they rename one, and make their next apply fail.
fn show(gateway: &api::Gateway, visible: &api::GatewaySpec, patch: &mut Guarded) {
    let written = &gateway.spec;
    let path = ["f:spec", "f:gatewaySpec", "f:listeners"];
    let mut listeners = visible.gateway_spec.listeners.clone();
    for listener in &mut listeners {
        let theirs = written
            .gateway_spec
            .listeners
            .iter()
            .find(|theirs| theirs.name == listener.name)
            .filter(|_| applier_of(&gateway.metadata, &path, &listener.name).is_some());
        if let Some(theirs) = theirs {
            listener.clone_from(theirs);
        }
    }
    if listeners != written.gateway_spec.listeners {
        // The object may have been stored before `gatewaySpec` was required.
        patch.add(&["spec", "gatewaySpec"], json!({"listeners": listeners}));
    }
    let named = visible
        .gateway_def
        .as_ref()
        .and_then(|def| def.name.as_ref());
    if let (Some(name), Some(def)) = (named, &written.gateway_def)
        && def.name.is_none()
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
}
