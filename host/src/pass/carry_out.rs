//! Steps four and five together: planning and applying until nothing is left to do.

use jiff::SignedDuration;
use ofn_contract::Listener;

use super::plan::{self, Intent};
use super::report::{Notice, Problem};
use super::vet::Wish;
use super::world::World;
use super::{Error, Outcome, apply};
use crate::cluster::{Cluster, Kind, Write, WriteError};
use crate::kubernetes_gateway::{
    KubernetesGateway, listener_from_contract, listener_name, listener_to_contract,
};
use crate::names::reason;

/// When a refused write is tried again although nothing changed.
const REFUSED_AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// More rounds than any plan has.
const MOST_ROUNDS: usize = 24;
/// When to pass again where what is written is other than it was written, each time.
const ENDLESS_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// Plans and applies until nothing is left to do. `notices` gets what is to be told of each write that
/// is done.
pub async fn carry_out<C: Cluster>(
    cluster: &C,
    world: &mut World,
    intent: &Intent,
    notices: &mut Vec<Notice>,
) -> Result<Outcome, Error> {
    let mut intent = intent.clone();
    let mut outcome = Outcome::default();
    let mut rejected: Vec<Problem> = Vec::new();
    // Told when all is done: until then each pass gives up the same ones.
    let mut given_up = Vec::new();
    let mut last = String::new();
    let mut rounds = 0;
    // A round that only left out a listener does not count: there are at most 64 of them.
    while rounds < MOST_ROUNDS + rejected.len() {
        rounds += 1;
        let plan = plan::next(world, &intent);
        outcome.again = plan.again;
        if plan.writes.is_empty() {
            outcome.problems = [rejected, plan.problems].concat();
            notices.extend(given_up);
            return Ok(outcome);
        }
        outcome.has_written = true;
        let results = apply::apply(cluster, &plan.writes, world).await;
        for (write, result) in plan.writes.iter().zip(&results) {
            if result.is_ok() {
                notices.extend(plan.notices_of(write));
            }
        }
        for error in apply::refused(results)? {
            let Intent::Serve { wish, .. } = &mut intent else {
                given_up.push(give_up_target(error, &plan.writes, world)?);
                continue;
            };
            let is_present = |write: &Write| write.name == wish.spec.target.name;
            let found = if refused_gateway(&error, &plan.writes).is_some_and(is_present) {
                reject_listeners(wish, &error, &plan.order, world)
            } else {
                Vec::new()
            };
            if found.is_empty() {
                // Nothing to leave out: what can be done is done.
                rejected.push(Problem::general(
                    reason::CREATION_FAILURE,
                    error.to_string(),
                ));
                outcome.problems = [rejected, plan.problems].concat();
                // What forbids it may go without a change of any object that is watched.
                outcome.again = Some(REFUSED_AGAIN);
                return Ok(outcome);
            }
            rejected.extend(found);
        }
        last = plan
            .writes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
    }
    if let Intent::Delete { .. } = intent {
        return Err(Error::Endless(last));
    }
    let problem = Problem::general(
        reason::UNDONE,
        format!(
            "it is changed as it comes in, by an admission policy perhaps, so that there was no end of \
             writing it: {last}. Take this object out of what changes it"
        ),
    );
    outcome.problems = [rejected, vec![problem]].concat();
    outcome.again = Some(ENDLESS_AGAIN);
    Ok(outcome)
}

/// A Kubernetes Gateway that cannot be cleaned does not hold up a deletion: what stays is told.
fn give_up_target(error: WriteError, writes: &[Write], world: &mut World) -> Result<Notice, Error> {
    match refused_gateway(&error, writes) {
        Some(write) => {
            world.targets.remove(&write.name);
            Ok(Notice::new(
                reason::LISTENER_LEFT,
                format!("what is ours in Gateway {} stays: {error}", write.name),
            ))
        }
        None => Err(Error::Write(error)),
    }
}

/// The write to a Kubernetes Gateway that was refused.
fn refused_gateway<'a>(error: &WriteError, writes: &'a [Write]) -> Option<&'a Write> {
    let WriteError::Refused { write: refused, .. } = error else {
        return None;
    };
    writes
        .iter()
        .find(|write| write.kind == Kind::KubernetesGateway && write.to_string() == *refused)
}

/// The names of the listeners that the API server objects to: it names them by their index, or says
/// of the whole list which rule one of them breaks.
fn objected(wish: &Wish, message: &str, fields: &[String], order: &[String]) -> Vec<String> {
    let mut names: Vec<String> = fields
        .iter()
        .filter_map(|field| {
            let (index, _) = field.strip_prefix("spec.listeners[")?.split_once(']')?;
            order.get(index.parse::<usize>().ok()?).cloned()
        })
        .collect();
    if fields.iter().any(|field| field == "spec.listeners") {
        let listeners = wish.listeners.iter();
        names.extend(
            listeners
                .filter(|listener| breaks_a_rule_of_the_list(listener, message))
                .map(|listener| listener.name.clone()),
        );
    }
    names
}

/// Whether a listener breaks one of the rules that the message tells of. Source: the validations of
/// `spec.listeners` in the Gateway's definition, v0.8.0 to v1.5.1, that one listener alone can break.
fn breaks_a_rule_of_the_list(listener: &Listener, message: &str) -> bool {
    let value = listener_from_contract(listener);
    let tls = &value["tls"];
    let protocol = listener.protocol.as_str();
    let is_encrypted = matches!(protocol, "HTTPS" | "TLS");
    let is_plain = matches!(protocol, "HTTP" | "TCP" | "UDP");
    let ends_tls = matches!(tls["mode"].as_str(), None | Some("" | "Terminate"));
    [
        ("tls must not be specified", is_plain && !tls.is_null()),
        ("tls must be specified", is_encrypted && tls.is_null()),
        ("tls mode must be set", protocol == "TLS" && tls.is_null()),
        (
            "tls mode must be Terminate",
            protocol == "HTTPS" && !ends_tls,
        ),
    ]
    .iter()
    .any(|(rule, is_broken)| *is_broken && message.contains(rule))
}

/// Takes the listeners that the API server objects to out of the wish. Where the Kubernetes
/// Gateway has a version of one that it took before, that one stays.
fn reject_listeners(
    wish: &mut Wish,
    error: &WriteError,
    order: &[String],
    world: &World,
) -> Vec<Problem> {
    let WriteError::Refused {
        message, fields, ..
    } = error
    else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    for name in &objected(wish, message, fields, order) {
        let Some(at) = wish
            .listeners
            .iter()
            .position(|listener| listener.name == *name)
        else {
            continue;
        };
        let rejected = wish.listeners.remove(at);
        let recorded = world.target(&wish.spec).map(KubernetesGateway::recorded);
        let before = recorded
            .iter()
            .flatten()
            .find(|listener| listener_name(listener) == name)
            .map(listener_to_contract)
            .filter(|before| *before != rejected);
        if let Some(before) = before {
            wish.listeners.insert(at, before);
        }
        let ours = wish
            .spec
            .listeners
            .iter()
            .position(|listener| listener.name == *name);
        problems.push(Problem::listener(
            name,
            reason::LISTENER_REJECTED,
            format!(
                "spec.gatewaySpec.listeners[{}]: the API server does not take it: {message}",
                ours.unwrap_or_default()
            ),
        ));
    }
    problems
}
