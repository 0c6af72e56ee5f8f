//! What an OpenFunction Gateway's status says of its Kubernetes Gateway.
//!
//! `Scheduled` and `Ready` are always there. They are made of the conditions of today (`Accepted`,
//! `Programmed`) or, where an implementation does not write those, of the ones before Gateway API
//! v0.6 (`Scheduled`, `Ready`). When true they read as they always did; when not, reason and
//! message are the implementation's own.

use ofn_contract::text::{cut, is_printable, printable};
use ofn_contract::{
    Condition, EffectiveSpec, GatewayStatus, KubernetesGateway, Listener, ListenerStatus,
};

/// The CRD allows as many conditions.
const MOST_CONDITIONS: usize = 8;
/// Bytes of a reason that are passed on: a vendor's is a word, and 64 listeners with eight conditions must
/// fit into an object.
const LONGEST_REASON: usize = 256;
/// Bytes of a message that are passed on: there is room for the name of a listener before it.
const LONGEST_MESSAGE: usize = 32_000;
/// Bytes of all messages together: an object has room for 1.5 MiB.
const MOST_TEXT: usize = 200_000;
/// The CRD allows as many addresses.
const MOST_ADDRESSES: usize = 16;
/// The CRD allows as many kinds of routes.
const MOST_KINDS: usize = 8;
/// Bytes of names that are passed on; one that is longer, or not printable, is left out.
const LONGEST_ADDRESS: usize = 253;
const LONGEST_GROUP: usize = 253;
const LONGEST_KIND: usize = 63;
const LONGEST_TYPE: usize = 316;

/// The status for a spec whose Kubernetes Gateway is `gateway`, or does not exist, and whose class
/// exists or not: nobody reports on a Gateway without a class.
pub fn aggregate(
    spec: &EffectiveSpec,
    gateway: Option<&KubernetesGateway>,
    class_exists: bool,
) -> GatewayStatus {
    let Some(gateway) = gateway else {
        return not_found(spec);
    };
    let listeners: Vec<ListenerStatus> = spec
        .listeners
        .iter()
        .map(|listener| listener_status(listener, gateway))
        .collect();
    let seen = Conditions::of(&gateway.conditions, gateway.written_generation);
    let bad = listeners.iter().find_map(|listener| {
        let ready = &listener.conditions[0];
        (ready.status != "True").then_some((listener.name.as_str(), ready))
    });
    let accepted = seen.accepted();
    let scheduled = match &accepted {
        // One bad listener of somebody else makes some implementations refuse the Gateway, while
        // they serve its other listeners.
        Verdict::No(reported) if reported.reason == LISTENERS_NOT_VALID => match bad {
            None => scheduled(),
            Some(_) => reported.renamed("Scheduled"),
        },
        Verdict::Yes => scheduled(),
        _ if !class_exists => condition(
            "Scheduled",
            "False",
            "NotFound",
            format!(
                "GatewayClass {} does not exist: create it, or name another one",
                gateway.class_name
            ),
        ),
        verdict => verdict.condition("Scheduled", scheduled()),
    };
    let programmed = seen.programmed();
    let judged_by_listeners = match programmed {
        Verdict::Yes => true,
        Verdict::No(reported) => reported.reason == LISTENERS_NOT_VALID,
        // Traefik says only `Accepted: ListenersNotValid` then, and nothing of `Programmed`.
        Verdict::Nothing(_) => seen.refused_for_listeners(),
    };
    // Some say that they programmed what they do not accept.
    let refused = matches!(
        &accepted,
        Verdict::No(said) if said.status == "False" && said.reason != LISTENERS_NOT_VALID
    );
    let ready = match (judged_by_listeners, bad) {
        (true, _) if refused => accepted.condition("Ready", ready()),
        (true, None) => ready(),
        (true, Some((name, bad))) => listener_condition(name, bad),
        (false, _) if !class_exists && scheduled.status != "True" => scheduled.renamed("Ready"),
        (false, _) => programmed.condition("Ready", ready()),
    };
    let mut conditions = vec![scheduled, ready];
    for silent in conditions.iter_mut().filter(|told| is_default(told)) {
        silent.message.push_str(&format!(
            " of GatewayClass {}: if this stays so, see whether it runs",
            gateway.class_name
        ));
    }
    conditions.extend(seen.others());
    conditions.truncate(MOST_CONDITIONS);
    let fits = |text: &str| is_name(text, LONGEST_ADDRESS);
    let addresses = gateway.addresses.iter();
    let mut status = GatewayStatus {
        conditions,
        addresses: addresses
            .filter(|address| fits(&address.type_) && fits(&address.value))
            .take(MOST_ADDRESSES)
            .cloned()
            .collect(),
        listeners,
    };
    shorten(&mut status);
    status
}

/// Cuts messages where all together are too long, the last ones first.
fn shorten(status: &mut GatewayStatus) {
    let listeners = status.listeners.iter_mut();
    let conditions = listeners.flat_map(|listener| &mut listener.conditions);
    let mut left = MOST_TEXT;
    for condition in status.conditions.iter_mut().chain(conditions) {
        let message = &mut condition.message;
        message.truncate(message.floor_char_boundary(left));
        left -= message.len();
    }
}

/// The reason by which an implementation says of a whole Gateway that some listener is bad: then ours are
/// judged one by one.
pub const LISTENERS_NOT_VALID: &str = "ListenersNotValid";

fn scheduled() -> Condition {
    condition("Scheduled", "True", "Scheduled", "Gateway is scheduled")
}

fn ready() -> Condition {
    condition("Ready", "True", "Valid", "Valid Gateway")
}

fn condition(type_: &str, status: &str, reason: &str, message: impl Into<String>) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.into(),
        observed_generation: None,
    }
}

/// `Ready` of the Gateway where one of our listeners is not: the listener's own words.
fn listener_condition(listener: &str, bad: &Condition) -> Condition {
    condition(
        "Ready",
        &bad.status,
        &bad.reason,
        format!("Listener {listener}: {}", bad.message),
    )
}

fn not_found(spec: &EffectiveSpec) -> GatewayStatus {
    let name = &spec.target.name;
    let mut message = format!("Gateway {name} does not exist");
    // One that is defined is created by us.
    if spec.target.class_name.is_none() {
        message.push_str(": create it, or name another one");
    }
    let missing = |type_| condition(type_, "False", "NotFound", message.clone());
    GatewayStatus {
        conditions: vec![missing("Scheduled"), missing("Ready")],
        addresses: Vec::new(),
        listeners: spec
            .listeners
            .iter()
            .map(|listener| ListenerStatus {
                name: listener.name.clone(),
                attached_routes: 0,
                supported_kinds: Vec::new(),
                conditions: vec![missing("Ready")],
            })
            .collect(),
    }
}

fn listener_status(listener: &Listener, gateway: &KubernetesGateway) -> ListenerStatus {
    let Some(seen) = gateway
        .listener_statuses
        .iter()
        .find(|status| status.name == listener.name)
    else {
        return ListenerStatus {
            name: listener.name.clone(),
            attached_routes: 0,
            supported_kinds: Vec::new(),
            conditions: vec![pending("Ready")],
        };
    };
    let conditions = Conditions::of(&seen.conditions, gateway.written_generation);
    let valid = condition("Ready", "True", "Ready", "Valid listener");
    let ready = match conditions.unhealthy() {
        Some(reported) => Condition {
            status: "False".to_owned(),
            ..reported.renamed("Ready")
        },
        None => conditions.programmed().condition("Ready", valid),
    };
    let mut listed = vec![ready];
    listed.extend(conditions.others());
    listed.truncate(MOST_CONDITIONS);
    let kinds = seen.supported_kinds.iter();
    ListenerStatus {
        name: listener.name.clone(),
        attached_routes: seen.attached_routes.max(0),
        supported_kinds: kinds
            .filter(|kind| {
                let group = kind.group.is_empty() || is_name(&kind.group, LONGEST_GROUP);
                group && is_name(&kind.kind, LONGEST_KIND)
            })
            .take(MOST_KINDS)
            .cloned()
            .collect(),
        conditions: listed,
    }
}

fn pending(type_: &str) -> Condition {
    condition(type_, "Unknown", "Pending", WAITING)
}

/// What is said where nobody has said anything: the words of the CRD's defaults.
pub const WAITING: &str = "Waiting for controller";

/// What an implementation says about one thing.
enum Verdict<'a> {
    Yes,
    /// Not true: the condition as it was reported, and still current.
    No(&'a Condition),
    /// Nothing, or nothing current: the stale condition, if there is one.
    Nothing(Option<&'a Condition>),
}

impl Verdict<'_> {
    fn condition(&self, type_: &str, good: Condition) -> Condition {
        match self {
            Self::Yes => good,
            Self::No(reported) => reported.renamed(type_),
            Self::Nothing(None) => pending(type_),
            Self::Nothing(Some(stale)) => condition(
                type_,
                "Unknown",
                "Pending",
                format!(
                    "{WAITING}: what it last said ({} {}) is of generation {}, before \
                     the last change",
                    stale.type_,
                    stale.status,
                    stale.observed_generation.unwrap_or_default()
                ),
            ),
        }
    }
}

trait Renamed {
    /// The same report under another type.
    fn renamed(&self, type_: &str) -> Condition;
}

impl Renamed for Condition {
    fn renamed(&self, type_: &str) -> Condition {
        let status = match self.status.as_str() {
            known @ ("True" | "False") => known,
            _ => "Unknown",
        };
        condition(
            type_,
            status,
            &cut(printable(&self.reason), LONGEST_REASON),
            cut(printable(&self.message), LONGEST_MESSAGE),
        )
    }
}

/// Whether what an implementation wrote can be passed on as a name of at most so many bytes.
fn is_name(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.chars().all(is_printable)
}

/// A condition that nobody wrote: the CRD fills in today's types, and an implementation that writes
/// the old ones leaves them. Source: the defaults of the Gateway CRD.
pub fn is_default(condition: &Condition) -> bool {
    condition.status == "Unknown" && condition.message == WAITING
}

/// Whether it says that there is no conflict, whatever its status. Source: the AWS Load Balancer
/// Controller, whose v2.15.0 to v3.1.0 have it the wrong way round, in
/// controllers/gateway/listener_status_utils.go.
fn is_no_conflict(condition: &Condition) -> bool {
    condition.reason == "NoConflicts"
}

/// The conditions of a Gateway or a listener.
struct Conditions<'a> {
    all: &'a [Condition],
    written_generation: i64,
}

impl<'a> Conditions<'a> {
    fn of(all: &'a [Condition], written_generation: i64) -> Self {
        Self {
            all,
            written_generation,
        }
    }

    fn get(&self, type_: &str) -> Option<&'a Condition> {
        self.all.iter().find(|condition| condition.type_ == type_)
    }

    /// A condition without a generation, or with 0, counts as current.
    fn is_current(&self, condition: &Condition) -> bool {
        match condition.observed_generation {
            None | Some(0) => true,
            Some(generation) => generation >= self.written_generation,
        }
    }

    fn current(&self, type_: &str) -> Option<&'a Condition> {
        self.get(type_)
            .filter(|condition| self.is_current(condition))
    }

    /// The first of two types that somebody wrote, today's before the old one.
    fn verdict(&self, today: &str, before: &str) -> Verdict<'a> {
        let said = |type_| {
            self.current(type_)
                .filter(|condition| !is_default(condition))
        };
        let there = || self.current(today).or_else(|| self.current(before));
        match said(today).or_else(|| said(before)).or_else(there) {
            Some(condition) if condition.status == "True" => Verdict::Yes,
            Some(condition) => Verdict::No(condition),
            None => Verdict::Nothing(self.get(today).or_else(|| self.get(before))),
        }
    }

    fn accepted(&self) -> Verdict<'a> {
        self.verdict("Accepted", "Scheduled")
    }

    fn programmed(&self) -> Verdict<'a> {
        self.verdict("Programmed", "Ready")
    }

    fn refused_for_listeners(&self) -> bool {
        self.current("Accepted").is_some_and(|accepted| {
            accepted.status == "False" && accepted.reason == LISTENERS_NOT_VALID
        })
    }

    /// The condition that keeps a listener from being ready, the most telling first.
    fn unhealthy(&self) -> Option<&'a Condition> {
        let is = |type_: &str, status: &str| {
            self.current(type_)
                .filter(|condition| condition.status == status && !is_no_conflict(condition))
        };
        is("Accepted", "False")
            .or_else(|| is("Conflicted", "True"))
            .or_else(|| is("Detached", "True"))
            .or_else(|| is("ResolvedRefs", "False"))
    }

    /// What `Scheduled` and `Ready` do not say already, sorted by type.
    fn others(&self) -> Vec<Condition> {
        let mut others: Vec<Condition> = self
            .all
            .iter()
            .filter(|condition| self.is_current(condition))
            .filter(|condition| is_name(&condition.type_, LONGEST_TYPE))
            .filter(|condition| {
                let is_said_already = matches!(
                    (condition.type_.as_str(), condition.status.as_str()),
                    ("Accepted" | "Programmed" | "Scheduled" | "Ready", _)
                        | ("ResolvedRefs", "True")
                        | ("Conflicted" | "Detached", "False")
                );
                !is_said_already && !is_no_conflict(condition)
            })
            .map(|condition| condition.renamed(&condition.type_))
            .collect();
        others.sort_by(|a, b| a.type_.cmp(&b.type_));
        others.dedup_by(|a, b| a.type_ == b.type_);
        others
    }
}
