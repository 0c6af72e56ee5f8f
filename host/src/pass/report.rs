//! Step six, pure: the status, from what was applied and observed.

use std::fmt;

use kube::ResourceExt;
use ofn_contract::text::cut;
use ofn_contract::{EffectiveSpec, Violation};
use serde_json::{Value, json};

use super::vet::{MOST_CONDITIONS, Terms};
use super::world::World;
use crate::api::{self, Condition, GatewayStatus, ListenerStatus, PolicyStatus};
use crate::names::{self, reason};
use crate::sandbox::PolicyComponent;

/// Something that is not as it was wished. The host found it; a component cannot hide it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The listener that it is about; none: all of them.
    pub listener: Option<String>,
    /// As in a condition.
    pub reason: String,
    /// For a person.
    pub message: String,
}

/// Something that a user must know and that no status can say: it has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether something may have to be done about it.
    pub is_warning: bool,
    /// As in an event.
    pub reason: String,
    /// For a person.
    pub message: String,
}

/// Bytes of a problem's message: an object has room for 1.5 MiB, and there may be one for each listener.
const LONGEST_PROBLEM: usize = 8 << 10;
/// Bytes of a status as it is stored: the object has room for 1.5 MiB, and has a spec and annotations.
const MOST_STATUS: usize = 1 << 20;
/// Messages are not cut shorter for it.
const SHORTEST_CUT: usize = 64;
/// Kubernetes' own limit for the message of a condition.
const LONGEST_MESSAGE: usize = 32_768;

impl Problem {
    /// A problem of the whole object.
    pub fn general(reason: &str, message: impl Into<String>) -> Self {
        Self {
            listener: None,
            reason: reason.to_owned(),
            message: cut(message.into(), LONGEST_PROBLEM),
        }
    }

    /// A problem of one listener.
    pub fn listener(listener: &str, reason: &str, message: impl Into<String>) -> Self {
        Self {
            listener: Some(listener.to_owned()),
            reason: reason.to_owned(),
            message: cut(message.into(), LONGEST_PROBLEM),
        }
    }

    /// What a component found wrong with the spec, with the paths of the fields.
    pub fn violations(violations: &[Violation]) -> Self {
        let texts: Vec<_> = violations
            .iter()
            .map(|violation| format!("{}: {}", violation.field, violation.message))
            .collect();
        Self::general(reason::INVALID, texts.join("; "))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(listener) = &self.listener {
            write!(f, "Listener {listener}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl Notice {
    /// One that something may have to be done about.
    pub fn new(reason: &str, message: impl Into<String>) -> Self {
        Self {
            is_warning: true,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }
}

impl fmt::Display for PolicyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy {} {} ({})", self.name, self.version, self.digest)
    }
}

impl PolicyStatus {
    /// It as a status names it.
    pub fn of(policy: &PolicyComponent) -> Self {
        Self {
            name: policy.description.name.clone(),
            version: policy.description.version.clone(),
            digest: policy.digest.clone(),
        }
    }
}

/// What a status says that the one before did not, and that is told once: the status remembers it.
pub fn news(before: &GatewayStatus, now: &GatewayStatus) -> Vec<Notice> {
    let swapped = before
        .policy
        .as_ref()
        .zip(now.policy.as_ref())
        .filter(|(before, now)| before != now)
        .map(|(before, now)| Notice {
            is_warning: false,
            reason: reason::POLICY_SWAPPED.to_owned(),
            message: format!("{now} decides in place of {before}"),
        });
    let unknown = now
        .conditions
        .iter()
        .filter(|condition| condition.type_ == UNKNOWN_ANNOTATIONS)
        .filter(|condition| !before.conditions.contains(condition))
        .map(|condition| Notice::new(&condition.reason, &*condition.message));
    swapped.into_iter().chain(unknown).collect()
}

/// The status that says all: what the component made of the Kubernetes Gateway, and the host's
/// own problems over it.
pub fn status(
    aggregated: GatewayStatus,
    problems: &[Problem],
    policy: Option<PolicyStatus>,
    generation: Option<i64>,
) -> GatewayStatus {
    let mut status = aggregated;
    status.observed_generation = generation;
    status.policy = policy;
    for type_ in ["Scheduled", "Ready"] {
        if !status
            .conditions
            .iter()
            .any(|condition| condition.type_ == type_)
        {
            let unknown = Problem::general(reason::NOT_RECONCILED, "Nothing is known yet");
            let condition = condition(type_, "Unknown", &unknown.reason, unknown.message);
            let index = usize::from(type_ == "Ready").min(status.conditions.len());
            status.conditions.insert(index, condition);
        }
    }
    for problem in problems {
        if let Some(name) = &problem.listener {
            let ready = condition("Ready", "False", &problem.reason, problem.message.clone());
            match status
                .listeners
                .iter_mut()
                .find(|listener| listener.name == *name)
            {
                Some(listener) => set(&mut listener.conditions, ready),
                None => status.listeners.push(ListenerStatus {
                    name: name.clone(),
                    supported_kinds: Vec::new(),
                    attached_routes: 0,
                    conditions: vec![ready],
                }),
            }
        }
    }
    // The whole is told before a part.
    let telling = problems
        .iter()
        .find(|problem| problem.listener.is_none())
        .or_else(|| problems.first());
    if let Some(problem) = telling {
        let message: Vec<String> = problems.iter().map(Problem::to_string).collect();
        let ready = condition(
            "Ready",
            "False",
            &problem.reason,
            cut(message.join("; "), LONGEST_MESSAGE),
        );
        set(&mut status.conditions, ready);
    }
    let mut longest = LONGEST_MESSAGE;
    while longest > SHORTEST_CUT && status.stored_size() > MOST_STATUS {
        longest /= 2;
        for condition in status.all_conditions() {
            condition.message = cut(std::mem::take(&mut condition.message), longest);
        }
    }
    status
}

/// Why the entry cannot lead to the present Kubernetes Gateway, where the component does not know its data
/// plane. None: nobody has said where it should be, and nothing leads elsewhere.
pub fn data_plane_unknown(world: &World, spec: &EffectiveSpec, terms: &Terms) -> Option<Problem> {
    let annotation = names::ENTRY_SERVICE_ANNOTATION;
    let why = match world.gateway.annotations().get(annotation) {
        Some(service) => {
            let namespace = service.split('/').next().unwrap_or_default();
            let why = if terms.allow_namespace(namespace) {
                "does not exist: create it, or name another one"
            } else {
                "may not be looked up: its namespace is none of those of --policy-namespace"
            };
            format!("metadata.annotations[{annotation}]: Service {service} {why}")
        }
        None if world.has_past(spec) => format!(
            "it is not known where the data plane of Gateway {} is: it has no address, and no Service is \
             known to be its. Name one in annotation {annotation} of this object",
            spec.target.name
        ),
        None => return None,
    };
    let entry = world.entry_name();
    let until_then = match world.entry {
        Some(_) => format!("Service {entry} leads where it did before"),
        None => format!("there is no Service {entry}, and functions cannot be reached"),
    };
    Some(Problem::general(
        reason::DATA_PLANE_UNKNOWN,
        format!("{why}. Until then {until_then}"),
    ))
}

/// Says in a status which annotations nobody knows, in place of what it said of them before. They keep
/// nothing from being served: a newer version may know them.
pub fn warn_of_unknown_annotations(status: &mut GatewayStatus, gateway: &api::Gateway) {
    let (users, ours) = names::GATEWAY_ANNOTATIONS;
    let keys = gateway.annotations().keys().map(String::as_str);
    let unknown: Vec<_> = keys
        .filter(|key| key.starts_with(names::ANNOTATION_PREFIX))
        .filter(|key| !users.contains(key) && !ours.contains(key))
        .map(|key| format!("metadata.annotations[{key}]"))
        .collect();
    let conditions = &mut status.conditions;
    conditions.retain(|condition| condition.type_ != UNKNOWN_ANNOTATIONS);
    if unknown.is_empty() {
        return;
    }
    let message = format!(
        "{}: is not known, and does nothing: remove it, or write one of {}",
        unknown.join(", "),
        users.join(", ")
    );
    conditions.truncate(MOST_CONDITIONS - 1);
    conditions.push(condition(
        UNKNOWN_ANNOTATIONS,
        "True",
        reason::UNKNOWN_ANNOTATION,
        cut(message, LONGEST_PROBLEM),
    ));
}

/// Type of the condition that is there while there are unknown annotations.
const UNKNOWN_ANNOTATIONS: &str = "UnknownAnnotations";

/// The status of an OpenFunction Gateway beside the one that is served.
pub fn not_served(served: &ofn_contract::ObjectName, generation: Option<i64>) -> GatewayStatus {
    let message = format!(
        "OpenFunction Gateway {served} is served: there is one for a cluster, the oldest. This one \
         takes over when that is gone"
    );
    let no = |type_| condition(type_, "False", reason::NOT_SERVED, message.clone());
    GatewayStatus {
        observed_generation: generation,
        conditions: vec![no("Scheduled"), no("Ready")],
        ..GatewayStatus::default()
    }
}

/// What a listener's status is while a component cannot say: one entry for each listener.
pub fn unknown(spec: &EffectiveSpec) -> GatewayStatus {
    GatewayStatus {
        listeners: spec
            .listeners
            .iter()
            .map(|listener| ListenerStatus {
                name: listener.name.clone(),
                supported_kinds: Vec::new(),
                attached_routes: 0,
                conditions: vec![condition(
                    "Ready",
                    "Unknown",
                    reason::NOT_RECONCILED,
                    "Nothing is known yet",
                )],
            })
            .collect(),
        ..GatewayStatus::default()
    }
}

/// The merge patch that turns any status into this one.
pub fn merge_patch(status: &GatewayStatus) -> Value {
    let mut patch = json!({
        "observedGeneration": null,
        "policy": null,
        "addresses": null,
        "conditions": null,
        "listeners": null,
    });
    if let (Value::Object(patch), Value::Object(status)) = (&mut patch, json!(status)) {
        patch.extend(status);
    }
    patch
}

fn condition(type_: &str, status: &str, reason: &str, message: impl Into<String>) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.into(),
    }
}

fn set(conditions: &mut Vec<Condition>, condition: Condition) {
    match conditions
        .iter_mut()
        .find(|known| known.type_ == condition.type_)
    {
        Some(known) => *known = condition,
        None => conditions.insert(0, condition),
    }
}
