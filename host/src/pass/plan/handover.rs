//! From past Kubernetes Gateways to the present one, so that no request is lost on the way.
//!
//! The present one gets our listeners; when it serves them and has the routes, the entry moves to it;
//! when no client can hold the entry's old address any more, the past ones lose the listeners. Both waits
//! are bounded, and what they are counted from is recorded: on the OpenFunction Gateway, and on the entry.
//! While nobody knows where the entry should lead, it leads where it did, and nothing is taken from there.

use std::cmp::Ordering;

use jiff::{SignedDuration, Timestamp};
use kube::Resource;
use kube::api::ObjectMeta;
use ofn_contract::EffectiveSpec;

use super::clean::is_dirty;
use super::entry;
use crate::names;
use crate::pass::vet::Wish;
use crate::pass::world::{Target, World, recorded_targets};

/// How long the entry and a past Kubernetes Gateway wait for the present one to be ready.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(60);
/// How long the entry waits after that: a status is ahead of the data plane. Traefik gathers changes
/// for two seconds, unless told otherwise.
pub const SETTLING: SignedDuration = SignedDuration::from_secs(3);
/// How long after the entry has moved a past Kubernetes Gateway keeps our listeners: clients may hold
/// the entry's name for its time to live, which is 30 seconds in a cluster made by kubeadm.
pub const DRAINING: SignedDuration = SignedDuration::from_secs(30);

/// Whether the present Kubernetes Gateway can take over from past ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It does not serve our listeners, or lacks routes.
    NotYet,
    /// It has all, as it says.
    Reported,
    /// It has more routes than the past ones: there is nothing to wait for.
    Ahead,
}

impl Readiness {
    /// Of a Kubernetes Gateway that serves our listeners or not: it must have the routes, too. The fullest
    /// of our listeners there is to count as many as the fullest of those in the past ones.
    ///
    /// Only the fullest are compared. A route comes to all listeners of its parent in one go, but
    /// implementations do not count alike: for Contour it counts in listeners with another host name too,
    /// for Traefik it does not, so that listener by listener the count might never be reached. Where routes
    /// have a single parent and leave the past one for the present one, what must be reached sinks as they
    /// go.
    pub fn of(serves: bool, world: &World, spec: &EffectiveSpec) -> Self {
        let ours = spec.listeners.iter().map(|listener| listener.name.clone());
        let ours = ours.collect();
        let present = world.target(spec).map(|live| live.most_routes(&ours));
        let past = world
            .targets
            .iter()
            .filter(|(name, _)| **name != spec.target.name)
            .filter_map(|(_, live)| live.as_ref())
            .map(|live| live.most_routes(&live.ours()))
            .max();
        match present.unwrap_or_default().cmp(&past.unwrap_or_default()) {
            Ordering::Equal if serves => Self::Reported,
            Ordering::Greater if serves => Self::Ahead,
            _ => Self::NotYet,
        }
    }
}

/// How long the entry stays where it is, for lack of a ready Kubernetes Gateway. None: it may move.
pub(super) fn wait(world: &World, wish: &Wish, readiness: Readiness) -> Option<SignedDuration> {
    let left = past(world, wish).filter_map(|target| target.left).max()?;
    let patience = remaining(world, left, PATIENCE)?;
    let is_there = !entry::leads_elsewhere(world, wish);
    match readiness {
        Readiness::NotYet => Some(patience),
        _ if is_there => None,
        // Nobody knows yet where it should lead.
        _ if wish.entry.is_none() => Some(patience),
        Readiness::Ahead => None,
        Readiness::Reported => match present(world, wish).and_then(|target| target.ready) {
            Some(ready) => remaining(world, ready, SETTLING).map(|wait| wait.min(patience)),
            None => Some(patience),
        },
    }
}

/// How long past Kubernetes Gateways keep our listeners because clients may still come there. None:
/// nobody does.
pub(super) fn drain(world: &World, wish: &Wish) -> Option<SignedDuration> {
    past(world, wish).next()?;
    let entry = world.entry.as_ref().map(Resource::meta);
    let slices = world.slices.values().map(Resource::meta);
    let moved = entry.into_iter().chain(slices).filter_map(moved).max()?;
    remaining(world, moved, DRAINING)
}

/// What [`Target::ready`] of the present one is to be.
pub(super) fn ready_since(world: &World, wish: &Wish, readiness: Readiness) -> Option<Timestamp> {
    past(world, wish).next()?;
    let known = present(world, wish).and_then(|target| target.ready);
    match readiness {
        Readiness::NotYet => None,
        Readiness::Reported if known.is_none() && entry::leads_elsewhere(world, wish) => {
            Some(world.now)
        }
        _ => known,
    }
}

/// Whether a past Kubernetes Gateway still has something of ours.
pub(super) fn is_under_way(world: &World, wish: &Wish) -> bool {
    past(world, wish).next().is_some()
}

fn past(world: &World, wish: &Wish) -> impl Iterator<Item = Target> {
    let present = &wish.spec.target.name;
    let targets = recorded_targets(&world.gateway).into_iter();
    targets.filter(move |target| {
        let name = target.object_name();
        name != *present && is_dirty(world, &name)
    })
}

fn present(world: &World, wish: &Wish) -> Option<Target> {
    let mut targets = recorded_targets(&world.gateway).into_iter();
    targets.find(|target| target.object_name() == wish.spec.target.name)
}

fn moved(metadata: &ObjectMeta) -> Option<Timestamp> {
    let text = metadata
        .annotations
        .as_ref()?
        .get(names::MOVED_ANNOTATION)?;
    text.parse().ok()
}

/// What is left of a time that began at `since`.
fn remaining(world: &World, since: Timestamp, whole: SignedDuration) -> Option<SignedDuration> {
    let gone = world.now.duration_since(since);
    // A time far to come is one of a clock that went wrong.
    if -gone > whole {
        return None;
    }
    Some(whole - gone.max(SignedDuration::ZERO)).filter(|left| left.is_positive())
}
