//! Step four, pure: from what is there and what is wished to the next writes.
//!
//! [`next`] answers writes that are independent of each other, and is asked again when they are
//! done, until there are none. What comes first is what a restart must find: before a Kubernetes
//! Gateway is touched for the first time, its name stands on the OpenFunction Gateway.

mod clean;
mod entry;
pub mod handover;
mod listeners;
mod record;
mod undone;

use jiff::SignedDuration;
use json_patch::jsonptr::PointerBuf;
use json_patch::{
    AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation,
};
use kube::ResourceExt;
use kube::api::ObjectMeta;
use ofn_contract::ObjectName;
use serde_json::{Value, json};

use self::handover::Readiness;
use super::report::{Notice, Problem};
use super::vet::Wish;
use super::world::World;
use crate::api;
use crate::cluster::{Change, Kind, Write, name_of};

/// What an OpenFunction Gateway is to become.
#[derive(Clone, Debug)]
pub enum Intent {
    /// Served.
    Serve {
        /// What is wished for it.
        wish: Box<Wish>,
        /// The digest of the component that decided so.
        policy: String,
        /// What its spec should read, so that defaults can be seen; none while the spec that the
        /// user wrote is not the one that is served.
        visible: Option<Box<api::GatewaySpec>>,
        /// Whether the present Kubernetes Gateway can take over from past ones before their time is up.
        readiness: Readiness,
    },
    /// Gone, with all that was put into the cluster for it.
    Delete {
        /// Whether it is the one that is served.
        served: bool,
    },
}

/// The next writes and what stands in the way of others.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Independent of each other. Empty: nothing is left to do now.
    pub writes: Vec<Write>,
    /// What cannot be had, and why.
    pub problems: Vec<Problem>,
    /// What to tell once the write to an object is done.
    notices: Vec<(Kind, ObjectName, Notice)>,
    /// The names of the listeners of the present Kubernetes Gateway after the writes, in order: the
    /// API server names them by their index.
    pub order: Vec<String>,
    /// When to look again although nothing changes.
    pub again: Option<SignedDuration>,
}

/// The OpenFunction Gateway as it will be when what must stand on it is written; none if it stands
/// there, or if nothing is to be served.
pub fn gateway_after(world: &World, intent: &Intent) -> Option<api::Gateway> {
    let Intent::Serve {
        wish,
        visible,
        readiness,
        ..
    } = intent
    else {
        return None;
    };
    let write = record::serving(world, wish, *readiness, visible.as_deref(), &mut Vec::new())?;
    let Change::Patch(change) = &write.change else {
        return None;
    };
    let mut after = json!(world.gateway);
    json_patch::patch(&mut after, change).ok()?;
    serde_json::from_value(after).ok()
}

/// The next writes.
pub fn next(world: &World, intent: &Intent) -> Plan {
    let mut plan = Plan::default();
    match intent {
        Intent::Serve {
            wish,
            policy,
            visible,
            readiness,
        } => {
            let mut notices = Vec::new();
            plan.writes.extend(record::serving(
                world,
                wish,
                *readiness,
                visible.as_deref(),
                &mut notices,
            ));
            plan.tell(Kind::Gateway, &name_of(&world.gateway), notices);
            if !plan.writes.is_empty() {
                return plan;
            }
            let again = undone::wish_of(world, policy);
            listeners::touch(world, wish, &again, &mut plan);
            let wait = handover::wait(world, wish, *readiness);
            // It never leads to where we have put nothing yet, nor away to where there is no place.
            let has_ours = clean::is_dirty(world, &wish.spec.target.name);
            let waits = wait.is_some() || !has_ours && handover::is_under_way(world, wish);
            if has_ours || plan.writes.is_empty() {
                entry::next(world, wish, &again, waits, &mut plan);
            }
            if plan.writes.is_empty() {
                match wait.or_else(|| handover::drain(world, wish)) {
                    Some(wait) => plan.look_again(wait),
                    // Where requests still come is not taken from them, however long it takes.
                    None if !has_ours || entry::leads_elsewhere(world, wish) => {}
                    None => clean::past(world, wish, &mut plan),
                }
            }
        }
        // What comes after that is others' to wait for.
        Intent::Delete { .. } if !record::is_held(world) => {}
        Intent::Delete { served } => {
            clean::everything(world, *served, &mut plan);
            entry::removed(world, &mut plan);
            if plan.writes.is_empty() {
                plan.writes.extend(record::released(world));
            }
        }
    }
    plan
}

impl Plan {
    /// What to tell once a write of it is done.
    pub fn notices_of(&self, write: &Write) -> impl Iterator<Item = Notice> {
        let notices = self.notices.iter();
        let of_it = notices.filter(|(kind, name, _)| (*kind, name) == (write.kind, &write.name));
        of_it.map(|(.., notice)| notice.clone())
    }

    fn tell(&mut self, kind: Kind, of: &ObjectName, notices: impl IntoIterator<Item = Notice>) {
        let notices = notices.into_iter();
        self.notices
            .extend(notices.map(|notice| (kind, of.clone(), notice)));
    }

    /// To look again after some time, or before.
    fn look_again(&mut self, after: SignedDuration) {
        self.again = Some(self.again.map_or(after, |again| again.min(after)));
    }
}

/// A JSON patch that holds only for an object as it was seen.
struct Guarded(Vec<PatchOperation>);

impl Guarded {
    /// Tests uid and generation. Status writers do not disturb it, writers of the spec do.
    fn new(seen: &ObjectMeta) -> Self {
        let mut patch = Self(Vec::new());
        patch.test(&["metadata", "uid"], json!(seen.uid));
        patch.test(&["metadata", "generation"], json!(seen.generation));
        patch
    }

    fn test(&mut self, path: &[&str], value: Value) {
        self.0.push(PatchOperation::Test(TestOperation {
            path: pointer(path),
            value,
        }));
    }

    fn add(&mut self, path: &[&str], value: Value) {
        self.0.push(PatchOperation::Add(AddOperation {
            path: pointer(path),
            value,
        }));
    }

    fn replace(&mut self, path: &[&str], value: Value) {
        self.0.push(PatchOperation::Replace(ReplaceOperation {
            path: pointer(path),
            value,
        }));
    }

    fn remove(&mut self, path: &[&str]) {
        self.0.push(PatchOperation::Remove(RemoveOperation {
            path: pointer(path),
        }));
    }

    /// Sets annotations (none: removes) that are as they were seen. Annotations do not count into
    /// the generation, so they are tested themselves; a test for null passes where there is
    /// nothing.
    fn annotate(&mut self, seen: &ObjectMeta, annotations: &[(&str, Option<String>)]) {
        if seen.annotations.as_ref().is_none_or(|all| all.is_empty()) {
            if annotations.iter().all(|(_, value)| value.is_none()) {
                return;
            }
            self.test(&["metadata", "annotations"], Value::Null);
            self.add(&["metadata", "annotations"], json!({}));
        }
        for (key, value) in annotations {
            let before = seen.annotations.as_ref().and_then(|all| all.get(*key));
            let path = ["metadata", "annotations", key];
            match value {
                Some(value) if before != Some(value) => {
                    if before.is_some()
                        || seen.annotations.as_ref().is_some_and(|all| !all.is_empty())
                    {
                        self.test(&path, json!(before));
                    }
                    self.add(&path, json!(value));
                }
                None if before.is_some() => {
                    self.test(&path, json!(before));
                    self.remove(&path);
                }
                _ => {}
            }
        }
    }

    fn finish(self) -> Patch {
        Patch(self.0)
    }
}

fn pointer(path: &[&str]) -> PointerBuf {
    PointerBuf::from_tokens(path.iter().copied())
}

fn uid(gateway: &api::Gateway) -> String {
    gateway.uid().unwrap_or_default()
}
