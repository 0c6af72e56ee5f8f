//! Taking what is ours out of Kubernetes Gateways that are not used any more.

use ofn_contract::ObjectName;

use super::{Guarded, Plan, uid};
use crate::cluster::{Change, Kind, Write};
use crate::kubernetes_gateway::{KubernetesGateway, listener_name};
use crate::names::{self, reason};
use crate::pass::report::Notice;
use crate::pass::vet::Wish;
use crate::pass::world::{Target, World, recorded_targets};

/// Cleans past targets.
pub(super) fn past(world: &World, wish: &Wish, plan: &mut Plan) {
    for target in recorded_targets(&world.gateway) {
        let name = target.object_name();
        if name != wish.spec.target.name {
            clean(world, &name, plan);
        }
    }
}

/// Cleans all targets. Those of one that was never served, and may share them with the one that
/// is, are only those that were created for it.
pub(super) fn everything(world: &World, served: bool, plan: &mut Plan) {
    for (name, live) in &world.targets {
        let created = live
            .as_ref()
            .is_some_and(|live| is_created_for(live, &uid(&world.gateway)));
        if served || created {
            clean(world, name, plan);
        }
    }
}

/// Whether a Kubernetes Gateway has something of ours.
pub(super) fn is_dirty(world: &World, name: &ObjectName) -> bool {
    world
        .targets
        .get(name)
        .and_then(Option::as_ref)
        .is_some_and(|live| {
            live.metadata.deletion_timestamp.is_none()
                && (live.annotation(names::INJECTED_ANNOTATION).is_some()
                    || is_created_for(live, &uid(&world.gateway)))
        })
}

/// Whether we created it for an OpenFunction Gateway.
pub(super) fn is_created_for(live: &KubernetesGateway, uid: &str) -> bool {
    !uid.is_empty() && live.annotation(names::CREATED_FOR_ANNOTATION) == Some(uid)
}

/// Whether a recorded target is a Gateway that we created. The mark alone can be copied to another
/// one, the uid cannot; there is none yet where a pass ended right after the creation.
pub(super) fn is_created_by_us(target: &Target, live: &KubernetesGateway, uid: &str) -> bool {
    let same = match &target.uid {
        None => true,
        Some(recorded) => recorded == live.uid(),
    };
    target.created && same && is_created_for(live, uid)
}

/// Whether a Gateway is recorded as one that we created, and is not to stay: who refers to it now as to an
/// existing one, in a spec that was never served perhaps, wants to keep it.
pub(super) fn is_created(world: &World, live: &KubernetesGateway) -> bool {
    let name = live.name();
    let reference = world.gateway.spec.gateway_ref.as_ref();
    let is_kept = reference
        .is_some_and(|kept| (&kept.namespace, &kept.name) == (&name.namespace, &name.name));
    if is_kept {
        return false;
    }
    recorded_targets(&world.gateway)
        .iter()
        .filter(|target| target.object_name() == name)
        .any(|target| is_created_by_us(target, live, &uid(&world.gateway)))
}

fn clean(world: &World, name: &ObjectName, plan: &mut Plan) {
    if !is_dirty(world, name) {
        return;
    }
    let Some(live) = world.targets.get(name).and_then(Option::as_ref) else {
        return;
    };
    let ours = live.ours();
    let is_ours = |listener: &&serde_json::Value| ours.contains(listener_name(listener));
    let others = live.listeners().len() - live.listeners().iter().filter(is_ours).count();
    let created = is_created(world, live);
    let change = if created && others == 0 {
        Change::Delete {
            uid: live.uid().to_owned(),
            // A listener that somebody puts in meanwhile must not go with it.
            resource_version: live.metadata.resource_version.clone(),
        }
    } else {
        if created {
            let notice = Notice::new(
                reason::GATEWAY_LEFT,
                format!(
                    "Gateway {name} was created for this object and stays, because others have put listeners into it"
                ),
            );
            plan.tell(Kind::KubernetesGateway, name, [notice]);
        }
        let (patch, left) = without_ours(live, others == 0);
        plan.tell(Kind::KubernetesGateway, name, left);
        Change::Patch(patch.finish())
    };
    plan.writes.push(Write {
        kind: Kind::KubernetesGateway,
        name: name.clone(),
        change,
    });
}

/// Takes our listeners out, but one if there are no others: a Gateway must have one.
fn without_ours(live: &KubernetesGateway, keep_one: bool) -> (Guarded, Option<Notice>) {
    let ours = live.ours();
    let mut patch = Guarded::new(&live.metadata);
    let mut gone: Vec<usize> = live
        .listeners()
        .iter()
        .enumerate()
        .filter(|(_, listener)| ours.contains(listener_name(listener)))
        .map(|(index, _)| index)
        .collect();
    let left = (keep_one && !gone.is_empty()).then(|| {
        let kept = gone.remove(0);
        Notice::new(
            reason::LISTENER_LEFT,
            format!(
                "listener {} stays in Gateway {}, because a Gateway must have one and it has no other: delete the Gateway, or give it a listener of its own and delete this one",
                listener_name(&live.listeners()[kept]),
                live.name()
            ),
        )
    });
    for index in gone.iter().rev() {
        patch.remove(&["spec", "listeners", &index.to_string()]);
    }
    patch.annotate(
        &live.metadata,
        &[
            (names::INJECTED_ANNOTATION, None),
            (names::GENERATION_ANNOTATION, None),
            (names::UNDONE_ANNOTATION, None),
            (names::CREATED_FOR_ANNOTATION, None),
        ],
    );
    (patch, left)
}
