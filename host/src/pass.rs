//! One pass: the whole way, once, for one OpenFunction Gateway.
//!
//! The steps are modules, in this order: [`observe`] (I/O), [`decide`] and [`vet`] (pure),
//! [`plan`] (pure), [`apply`] (I/O), [`report`] (pure); [`mod@carry_out`] repeats the two before it
//! until nothing is left to do. A pass remembers nothing: all memory is in
//! the cluster's objects. `run` and `render` make the same passes, on different clusters.

pub mod apply;
pub mod carry_out;
pub mod decide;
pub mod observe;
pub mod plan;
pub mod report;
pub mod vet;
pub mod world;

use std::sync::Arc;

use jiff::SignedDuration;
use ofn_contract::{EffectiveSpec, ObjectName};

use self::carry_out::carry_out;
use self::decide::Failure;
use self::observe::Interest;
use self::plan::Intent;
use self::plan::handover::Readiness;
use self::report::{Notice, Problem};
use self::world::World;
use crate::api::{self, Condition, GatewayStatus, PolicyStatus};
use crate::cluster::{Change, Cluster, Kind, ReadError, Write, WriteError};
use crate::metrics;
use crate::names::reason;
use crate::policies::Policies;
use crate::sandbox::PolicyComponent;

/// A pass that did not come to its end. It is made again, later.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Something could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// There was always something left to take out: somebody puts it back, or it has no effect.
    #[error("too many rounds of writes, and still not done: the last was to {0}")]
    Endless(String),
}

/// What a pass found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What is not as wished. Each is in the status too.
    pub problems: Vec<Problem>,
    /// The problems that were not in the status before.
    pub new_problems: Vec<Problem>,
    /// When to pass again although nothing changes.
    pub again: Option<SignedDuration>,
    /// Whether it has written anything but a status.
    pub has_written: bool,
}

impl Outcome {
    /// A component did not do its part: it is counted and told, and asked again later.
    fn at_fault(&mut self, policy: &PolicyComponent, failure: &Failure) {
        metrics::policy_failed(&policy.description.name, failure.reason());
        self.problems.push(failure.problem(policy));
        self.again = Some(
            self.again
                .map_or(FAULT_AGAIN, |again| again.min(FAULT_AGAIN)),
        );
    }
}

/// When a component that was at fault is asked again although nothing changes: it may have been the
/// machine that was slow.
const FAULT_AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// How often a pass begins again because an object changed under it.
const MOST_ATTEMPTS: usize = 5;

/// Makes a pass for the OpenFunction Gateway with this name, which is the one that is served.
/// `interested` is told what must cause the next pass. `notices` gets what has happened, also where the
/// pass fails after it: it does not happen again.
pub async fn pass<C: Cluster>(
    cluster: &C,
    policies: &Policies,
    name: &ObjectName,
    interested: &mut (impl FnMut(&Interest) + Send),
    notices: &mut Vec<Notice>,
) -> Result<Outcome, Error> {
    let mut attempt = 1;
    loop {
        match try_pass(cluster, policies, name, interested, notices).await {
            Err(Error::Write(error @ WriteError::Stale { .. })) if attempt < MOST_ATTEMPTS => {
                tracing::debug!(%error, attempt, "looking again");
                attempt += 1;
            }
            result => return result,
        }
    }
}

/// Says in the status of an OpenFunction Gateway that another one is served. One that is being
/// deleted is let go: what it may share with the other one stays. `notices` is as in [`pass`].
pub async fn stand_by<C: Cluster>(
    cluster: &C,
    name: &ObjectName,
    served: &ObjectName,
    notices: &mut Vec<Notice>,
) -> Result<(), Error> {
    let gateway = match observe::gateway(cluster, name).await? {
        None => return Ok(()),
        Some(Ok(gateway)) => gateway,
        Some(Err(unreadable)) => unreadable.as_far_as_known(),
    };
    if gateway.metadata.deletion_timestamp.is_some() {
        let mut world = observe::world(cluster, gateway, None, &mut |_| ()).await?;
        let intent = Intent::Delete { served: false };
        carry_out(cluster, &mut world, &intent, notices).await?;
        return Ok(());
    }
    let status = report::not_served(served, gateway.metadata.generation);
    write_status(cluster, name, gateway.status.as_ref(), &status).await
}

async fn try_pass<C: Cluster>(
    cluster: &C,
    policies: &Policies,
    name: &ObjectName,
    interested: &mut (impl FnMut(&Interest) + Send),
    notices: &mut Vec<Notice>,
) -> Result<Outcome, Error> {
    let gateway = match observe::gateway(cluster, name).await? {
        None => return Ok(Outcome::default()),
        Some(Ok(gateway)) => gateway,
        Some(Err(unreadable)) if !unreadable.is_going() => {
            return report_unreadable(cluster, name, &unreadable).await;
        }
        Some(Err(unreadable)) => unreadable.as_far_as_known(),
    };
    if gateway.metadata.deletion_timestamp.is_some() {
        let mut world = observe::world(cluster, gateway, None, interested).await?;
        let intent = Intent::Delete { served: true };
        return carry_out(cluster, &mut world, &intent, notices).await;
    }
    let before = gateway.status.clone();
    let mut pass = serve(cluster, policies, gateway, interested, notices).await?;
    let status = pass.status();
    write_status(cluster, name, before.as_ref(), &status).await?;
    let before = before.unwrap_or_default();
    if let (None, Some(now)) = (&before.policy, &status.policy) {
        tracing::info!(gateway = %name, "{now} decides");
    }
    notices.extend(report::news(&before, &status));
    pass.outcome.new_problems = pass
        .outcome
        .problems
        .iter()
        .filter(|problem| !is_known(&before, problem))
        .cloned()
        .collect();
    Ok(pass.outcome)
}

/// A pass under way.
struct Pass {
    world: World,
    /// The component and the spec that it serves, as far as they are known.
    policy: Option<Arc<PolicyComponent>>,
    spec: Option<EffectiveSpec>,
    /// Whether the component has decided.
    is_decided: bool,
    /// What to say of a Kubernetes Gateway that is ready while the entry cannot lead to it.
    no_way: Option<Problem>,
    outcome: Outcome,
}

impl Pass {
    fn new(world: World) -> Self {
        Self {
            world,
            policy: None,
            spec: None,
            is_decided: false,
            no_way: None,
            outcome: Outcome::default(),
        }
    }

    /// The status of what is there now.
    fn status(&mut self) -> GatewayStatus {
        let aggregated = match (&self.policy, &self.spec) {
            (Some(policy), Some(spec)) => {
                decide::status(policy, &self.world, spec).unwrap_or_else(|failure| {
                    self.outcome.at_fault(policy, &failure);
                    let before = self.world.gateway.status.clone();
                    before.unwrap_or_else(|| report::unknown(spec))
                })
            }
            _ => {
                let mut before = self.world.gateway.status.clone().unwrap_or_default();
                // It is served now, if not well.
                before
                    .conditions
                    .retain(|condition| condition.reason != reason::NOT_SERVED);
                before
            }
        };
        if aggregated.is_ready() {
            self.outcome.problems.extend(self.no_way.take());
        }
        // Where nothing is decided, what was decided before stays.
        let decided = self.policy.as_deref().filter(|_| self.is_decided);
        let gateway = &self.world.gateway;
        let before = gateway.status.as_ref();
        let mut status = report::status(
            aggregated,
            &self.outcome.problems,
            decided
                .map(PolicyStatus::of)
                .or_else(|| before.and_then(|before| before.policy.clone())),
            gateway.metadata.generation,
        );
        report::warn_of_unknown_annotations(&mut status, gateway);
        status
    }

    /// Whether the present Kubernetes Gateway can take over from past ones.
    fn readiness(&self, policy: &PolicyComponent, spec: &EffectiveSpec) -> Readiness {
        if !self.world.has_past(spec) {
            return Readiness::Ahead;
        }
        let serves =
            decide::status(policy, &self.world, spec).is_ok_and(|status| status.is_ready());
        Readiness::of(serves, &self.world, spec)
    }
}

/// Observe, decide, vet, plan and apply for an OpenFunction Gateway that is to be served.
async fn serve<C: Cluster>(
    cluster: &C,
    policies: &Policies,
    gateway: api::Gateway,
    interested: &mut (impl FnMut(&Interest) + Send),
    notices: &mut Vec<Notice>,
) -> Result<Pass, Error> {
    let mut outcome = Outcome::default();
    let named = match decide::named_policy(policies, &gateway) {
        None => None,
        Some(Ok(policy)) => Some(policy),
        Some(Err(problem)) => {
            outcome.problems.push(problem);
            None
        }
    };
    let named_is_missing = !outcome.problems.is_empty();
    // Before the vendor is known: defaults do not depend on it.
    let defaulting = named.unwrap_or(policies.standard());
    let (spec, is_valid) = effective_spec(defaulting, &gateway, &mut outcome);
    let mut interest = Interest::default();
    let mut note = |seen: &Interest| {
        interest.clone_from(seen);
        interested(seen);
    };
    let world = observe::world(cluster, gateway, spec.as_ref(), &mut note).await?;
    let mut pass = Pass::new(world);
    pass.outcome = outcome;
    let Some(spec) = spec else { return Ok(pass) };
    let class = pass.world.class.as_ref();
    let controller_name = class.map(|class| class.controller_name().to_owned());
    let policy = match (named, controller_name) {
        (Some(named), _) => named,
        (None, Some(controller_name)) => policies.for_controller(&controller_name),
        (None, None) => decided_before(policies, &pass.world, &spec),
    };
    let policy = Arc::clone(policy);
    pass.spec = Some(spec.clone());
    pass.policy = Some(Arc::clone(&policy));
    if named_is_missing {
        return Ok(pass);
    }
    let terms = policies.terms();
    let Some(queries) = answered(
        decide::service_queries(&policy, &pass.world, &spec, terms),
        &policy,
        &mut pass.outcome,
    ) else {
        return Ok(pass);
    };
    let world = &mut pass.world;
    observe::services(cluster, queries, terms, world, interested, interest).await?;
    let Some(wish) = answered(
        decide::wish(&policy, &pass.world, &spec, terms),
        &policy,
        &mut pass.outcome,
    ) else {
        return Ok(pass);
    };
    pass.is_decided = true;
    if wish.entry.is_none() {
        pass.no_way = report::data_plane_unknown(&pass.world, &spec, terms);
    }
    let visible = is_valid.then(|| Box::new(api::GatewaySpec::from_effective(&spec)));
    let readiness = pass.readiness(&policy, &spec);
    let intent = Intent::Serve {
        wish: Box::new(wish),
        policy: policy.digest.clone(),
        visible,
        readiness,
    };
    if is_valid && let Err(failure) = decide::settles(defaulting, &pass.world, &intent) {
        pass.outcome.at_fault(defaulting, &failure);
        return Ok(pass);
    }
    let problems = std::mem::take(&mut pass.outcome.problems);
    let mut outcome = carry_out(cluster, &mut pass.world, &intent, notices).await?;
    outcome.problems.splice(0..0, problems);
    pass.outcome = outcome;
    Ok(pass)
}

/// Where the class is missing, and with it the vendor's name: the component that decided what is in
/// the Kubernetes Gateway now.
fn decided_before<'a>(
    policies: &'a Policies,
    world: &World,
    spec: &EffectiveSpec,
) -> &'a Arc<PolicyComponent> {
    world
        .decided_before(spec)
        .and_then(|name| policies.named(name))
        .unwrap_or(policies.standard())
}

/// The spec to serve: the present one, or the last good one while the present one is not valid.
fn effective_spec(
    policy: &PolicyComponent,
    gateway: &api::Gateway,
    outcome: &mut Outcome,
) -> (Option<EffectiveSpec>, bool) {
    match decide::spec(policy, gateway) {
        Ok(Ok(spec)) => (Some(spec), true),
        Ok(Err(violations)) => {
            outcome.problems.push(Problem::violations(&violations));
            (decide::last_good_spec(policy, gateway), false)
        }
        Err(failure) => {
            outcome.at_fault(policy, &failure);
            (None, false)
        }
    }
}

fn answered<T>(
    answer: decide::Answer<T>,
    policy: &PolicyComponent,
    outcome: &mut Outcome,
) -> Option<T> {
    match answer {
        Ok(Ok(answer)) => return Some(answer),
        Ok(Err(violations)) => outcome.problems.push(Problem::violations(&violations)),
        Err(failure) => outcome.at_fault(policy, &failure),
    }
    None
}

async fn report_unreadable<C: Cluster>(
    cluster: &C,
    name: &ObjectName,
    unreadable: &observe::Unreadable,
) -> Result<Outcome, Error> {
    let problem = Problem::general(reason::INVALID, unreadable.to_string());
    let gateway = unreadable.as_far_as_known();
    let before = gateway.status.clone();
    let status = report::status(
        before.clone().unwrap_or_default(),
        std::slice::from_ref(&problem),
        before.as_ref().and_then(|before| before.policy.clone()),
        gateway.metadata.generation,
    );
    write_status(cluster, name, before.as_ref(), &status).await?;
    Ok(Outcome {
        problems: vec![problem],
        ..Outcome::default()
    })
}

async fn write_status<C: Cluster>(
    cluster: &C,
    name: &ObjectName,
    before: Option<&GatewayStatus>,
    status: &GatewayStatus,
) -> Result<(), Error> {
    if before == Some(status) {
        return Ok(());
    }
    let write = Write {
        kind: Kind::Gateway,
        name: name.clone(),
        change: Change::Status(report::merge_patch(status)),
    };
    cluster.write(&write).await?;
    Ok(())
}

fn is_known(before: &GatewayStatus, problem: &Problem) -> bool {
    // Of the whole it has all problems, as far as there is room, and the reason of the first; of a listener
    // the last one.
    let says = |conditions: &[Condition], text: &str| {
        let mut ready = conditions.iter().filter(|one| one.type_ == "Ready");
        ready.any(|ready| ready.message.contains(text))
    };
    let mut listeners = before.listeners.iter();
    says(&before.conditions, &problem.to_string())
        || listeners
            .find(|listener| Some(&listener.name) == problem.listener.as_ref())
            .is_some_and(|listener| says(&listener.conditions, &problem.message))
}
