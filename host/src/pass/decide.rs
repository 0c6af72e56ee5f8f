//! Step two, pure: asking the component. Every answer is vetted before it leaves this module.

use std::sync::Arc;

use ofn_contract::{EffectiveSpec, ObjectName, Route, ServiceQuery, Violation};

use super::plan::{self, Intent};
use super::vet::{self, Asked, Broken, Terms, Wish};
use super::world::{World, gateway_to_contract, last_applied};
use crate::api;
use crate::cluster::name_of;
use crate::names::{self, reason};
use crate::pass::report::Problem;
use crate::policies::Policies;
use crate::sandbox::{CallError, Fault, PolicyComponent};
use kube::ResourceExt;

/// So often a component may answer otherwise when it is asked about its own answer: a host name that
/// was generated for one domain may read as the user's under the next one.
const MOST_THOUGHTS: usize = 3;

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
    /// What kind of failure it is, as in a condition.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Call(error) => error.fault.reason(),
            Self::Broken(_) => reason::POLICY_ANSWER_INVALID,
        }
    }

    /// As the user sees it.
    pub fn problem(&self, policy: &PolicyComponent) -> Problem {
        let description = &policy.description;
        let what = match self {
            Self::Call(error) if error.fault == Fault::Busy => "could not be asked",
            _ => "is at fault",
        };
        Problem::general(
            self.reason(),
            format!(
                "policy {} {} ({}) {what}, and what it decided before stays: {self}",
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
    vetted("default", answer, |spec| {
        vet::spec(spec, &gateway.spec, &name_of(gateway))
    })
}

/// Whether the component stands by an effective spec when it has been acted on, perhaps after a
/// second thought. One that does not would have us write the OpenFunction Gateway for ever.
pub fn settles(policy: &PolicyComponent, world: &World, intent: &Intent) -> Result<(), Failure> {
    let Some(mut after) = plan::gateway_after(world, intent) else {
        return Ok(());
    };
    let (mut world, mut intent) = (world.clone(), intent.clone());
    for _ in 0..MOST_THOUGHTS {
        world.gateway = after;
        if let (Intent::Serve { wish, visible, .. }, Ok(spec)) =
            (&mut intent, spec(policy, &world.gateway)?)
        {
            *visible = Some(Box::new(api::GatewaySpec::from_effective(&spec)));
            wish.spec = spec;
        }
        after = match plan::gateway_after(&world, &intent) {
            None => return Ok(()),
            Some(after) => after,
        };
    }
    Err(Broken::unsettled().into())
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
    vetted("route-of", answer, |route| {
        vet::route(route, spec, function)
    })
}

/// The Services that the decision needs to see.
pub fn service_queries(
    policy: &PolicyComponent,
    world: &World,
    spec: &EffectiveSpec,
    terms: &Terms,
) -> Answer<Vec<ServiceQuery>> {
    let answer = policy
        .instance()?
        .service_queries(world.observation(spec))?;
    vetted("service-queries", answer, |queries| {
        vet::queries(queries, terms)
    })
}

/// What is wished.
pub fn wish(
    policy: &PolicyComponent,
    world: &World,
    spec: &EffectiveSpec,
    terms: &Terms,
) -> Answer<Wish> {
    let answer = policy.instance()?.decide(world.observation(spec))?;
    let services = world.services.iter().map(name_of).collect();
    let entry = world.entry_name();
    vetted("decide", answer, |decision| {
        let asked = Asked {
            spec,
            entry: &entry,
            services: &services,
            terms,
        };
        vet::decision(decision, asked)
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

fn vetted<T, V>(
    function: &'static str,
    answer: Result<T, Vec<Violation>>,
    vet: impl FnOnce(T) -> Result<V, Broken>,
) -> Answer<V> {
    Ok(match answer {
        Ok(answer) => Ok(vet(answer)?),
        Err(violations) => Err(vet::violations(function, violations)?),
    })
}
