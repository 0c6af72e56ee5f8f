//! Step two, pure: asking the component. Every answer is vetted before it leaves this module.

use std::sync::Arc;

use ofn_contract::{EffectiveSpec, ObjectName, Route, ServiceQuery, Violation};

use super::vet::{self, Broken, Wish};
use super::world::{World, gateway_to_contract, last_applied};
use crate::api;
use crate::names::{self, reason};
use crate::pass::report::Problem;
use crate::policies::Policies;
use crate::sandbox::{CallError, PolicyComponent};
use kube::ResourceExt;

/// The component did not do its part.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It trapped or overran a limit.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Its answer breaks a rule.
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl Failure {
    /// As the user sees it.
    pub fn problem(&self, policy: &PolicyComponent) -> Problem {
        let description = &policy.description;
        let reason = match self {
            Self::Call(error) => error.fault.reason(),
            Self::Broken(_) => reason::POLICY_ANSWER_INVALID,
        };
        Problem::general(
            reason,
            format!(
                "policy {} {} ({}) is at fault, and what it decided before stays: {self}",
                description.name, description.version, policy.digest
            ),
        )
    }
}

/// The answer of a component: what was asked for, or what the user must mend.
pub type Answer<T> = Result<Result<T, Vec<Violation>>, Failure>;

/// The component that the object itself names; none if it names none.
pub fn named_policy<'a>(
    policies: &'a Policies,
    gateway: &api::Gateway,
) -> Option<Result<&'a Arc<PolicyComponent>, Problem>> {
    let name = gateway.annotations().get(names::POLICY_ANNOTATION)?;
    Some(policies.named(name).ok_or_else(|| {
        let known: Vec<_> = policies.names().collect();
        Problem::general(
            reason::NOT_RECONCILED,
            format!(
                "metadata.annotations[{}]: there is no policy {name:?}; there is {}",
                names::POLICY_ANNOTATION,
                known.join(", ")
            ),
        )
    }))
}

/// The effective spec of an object.
pub fn spec(policy: &PolicyComponent, gateway: &api::Gateway) -> Answer<EffectiveSpec> {
    let old = last_applied(gateway).map(|spec| spec.to_contract());
    let answer = policy
        .instance()?
        .default_spec(gateway_to_contract(gateway), old)?;
    Ok(match answer {
        Ok(spec) => Ok(vet::spec(spec)?),
        Err(violations) => Err(violations),
    })
}

/// The effective spec that was acted on last, while the present one is not valid.
pub fn last_good_spec(policy: &PolicyComponent, gateway: &api::Gateway) -> Option<EffectiveSpec> {
    let mut last = gateway.clone();
    last.spec = last_applied(gateway)?;
    spec(policy, &last).ok()?.ok()
}

/// How a function is reached.
pub fn route(
    policy: &PolicyComponent,
    spec: &EffectiveSpec,
    function: &ObjectName,
) -> Answer<Route> {
    let answer = policy
        .instance()?
        .route_of(spec.clone(), function.clone())?;
    Ok(match answer {
        Ok(route) => Ok(vet::route(route)?),
        Err(violations) => Err(violations),
    })
}

/// The Services that the decision needs to see.
pub fn service_queries(
    policy: &PolicyComponent,
    world: &World,
    spec: &EffectiveSpec,
) -> Answer<Vec<ServiceQuery>> {
    Ok(
        match policy
            .instance()?
            .service_queries(world.observation(spec))?
        {
            Ok(queries) => Ok(vet::queries(queries)?),
            Err(violations) => Err(violations),
        },
    )
}

/// What is wished.
pub fn wish(policy: &PolicyComponent, world: &World, spec: &EffectiveSpec) -> Answer<Wish> {
    Ok(match policy.instance()?.decide(world.observation(spec))? {
        Ok(decision) => Ok(vet::decision(decision, spec)?),
        Err(violations) => Err(violations),
    })
}

/// What the Kubernetes Gateway's status means.
pub fn status(
    policy: &PolicyComponent,
    world: &World,
    spec: &EffectiveSpec,
) -> Result<api::GatewayStatus, Failure> {
    let status = policy
        .instance()?
        .aggregate_status(world.observation(spec))?;
    Ok(vet::status(status, spec)?.into())
}
