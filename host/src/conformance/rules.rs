//! What must hold for every input.
//!
//! Where a component is at fault, the first rule says so and the others have nothing to say; where it
//! has violations instead of an answer, there is nothing to judge.

use std::fmt::Debug;
use std::sync::Arc;

use futures::executor::block_on;
use ofn_contract::{
    EffectiveSpec, GatewayStatus, KeyValue, Listener, ObjectName, Observation, Violation,
};
use serde_json::{Map, Value};

use super::inputs::{FUTURE, Input, Kind};
use super::scene::{Scene, instead};
use crate::cluster::offline::Offline;
use crate::cluster::{self, Cluster, name_of};
use crate::kubernetes_gateway::{KubernetesGateway, listener_name};
use crate::pass::decide::{self, Failure};
use crate::pass::pass;
use crate::pass::vet::Terms;
use crate::pass::world::{gateway_to_contract, last_applied};
use crate::policies::Policies;
use crate::sandbox::{CallError, Instance, PolicyComponent};
use crate::{api, names};

/// A rule of the contract.
pub(super) struct Rule {
    /// It as a sentence.
    pub text: &'static str,
    /// Whether it is checked before a component serves.
    pub is_quick: bool,
    check: Check,
}

/// How a rule is checked.
enum Check {
    /// With an input as it is.
    Input(fn(&PolicyComponent, &Input) -> Result<Tried, Why>),
    /// With the scene of an input for which the component has one.
    Scene(fn(&Arc<PolicyComponent>, &Scene) -> Result<Tried, Why>),
}

/// Whether there was anything to judge.
#[derive(Debug)]
pub(super) enum Tried {
    Yes,
    /// The component has these violations instead of an answer, or is at fault, as another rule says.
    No(String),
}

/// What a component did against a rule.
#[derive(Debug, thiserror::Error)]
pub(super) enum Why {
    /// It gave no answer, or one that breaks a rule by itself.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// One answer does not fit another one, or what was asked.
    #[error("{0}")]
    Misfit(String),
}

impl Rule {
    /// Whether it holds for an input; else what the component did.
    pub fn hold(&self, policy: &Arc<PolicyComponent>, input: &Input) -> Result<Tried, Why> {
        match self.check {
            Check::Input(check) => check(policy, input),
            Check::Scene(check) => match Scene::if_answered(policy, input) {
                Ok(scene) => check(policy, &scene),
                Err(instead) => Ok(Tried::No(instead)),
            },
        }
    }
}

fn misfit<T>(what: impl Into<String>) -> Result<T, Why> {
    Err(Why::Misfit(what.into()))
}

/// All rules.
pub(super) const RULES: [Rule; 10] = [
    Rule {
        text: "every answer comes within the limits, and has what the contract allows",
        is_quick: true,
        check: Check::Input(answers),
    },
    Rule {
        text: "the same question has the same answer, in every instance",
        is_quick: true,
        check: Check::Input(same_question_same_answer),
    },
    Rule {
        text: "an effective spec is its own default: default(default(x)) == default(x)",
        is_quick: true,
        check: Check::Input(defaults_settle),
    },
    Rule {
        text: "an ordinary Gateway has an effective spec, and routes",
        is_quick: false,
        check: Check::Input(ordinary_is_served),
    },
    Rule {
        text: "no field of a listener is lost",
        is_quick: false,
        check: Check::Input(no_field_is_lost),
    },
    Rule {
        text: "a setting that is not declared is a violation",
        is_quick: false,
        check: Check::Scene(unknown_settings_are_violations),
    },
    Rule {
        text: "a setting's default is what holds where the annotation is absent",
        is_quick: false,
        check: Check::Scene(defaults_of_settings_hold),
    },
    Rule {
        text: "listener statuses are matched by name, in any order",
        is_quick: false,
        check: Check::Scene(order_of_statuses_is_nothing),
    },
    Rule {
        text: "what does not exist, or has a stale status, is not Ready",
        is_quick: false,
        check: Check::Scene(missing_or_stale_is_not_ready),
    },
    Rule {
        text: "passes leave others' listeners as they are, and come to rest",
        is_quick: false,
        check: Check::Scene(passes_come_to_rest),
    },
];

fn answers(policy: &PolicyComponent, input: &Input) -> Result<Tried, Why> {
    let scene = match Scene::of(policy, input)? {
        Ok(scene) => scene,
        Err(instead) => return Ok(Tried::No(instead)),
    };
    let Scene { world, spec, .. } = &scene;
    // Violations are as good as a decision here.
    let _ = decide::wish(policy, world, spec, &Terms::default())?;
    decide::status(policy, world, spec)?;
    for names in FUNCTIONS {
        let _ = decide::route(policy, spec, &function(names))?;
    }
    Ok(Tried::Yes)
}

/// A usual one, and one with the longest names that there can be.
const FUNCTIONS: [(&str, &str); 2] = [
    ("default", "hello"),
    (
        "x23456789-123456789-123456789-123456789-123456789-123456789-123",
        "y23456789-123456789-123456789-123456789-123456789-123456789-123",
    ),
];

fn function((namespace, name): (&str, &str)) -> ObjectName {
    ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn same_question_same_answer(policy: &PolicyComponent, input: &Input) -> Result<Tried, Why> {
    let gateway = gateway_to_contract(&input.gateway);
    let old = last_applied(&input.gateway).map(|spec| spec.to_contract());
    twice(policy, "default", |instance| {
        instance.default_spec(gateway.clone(), old.clone())
    })?;
    let scene = match Scene::if_answered(policy, input) {
        Ok(scene) => scene,
        Err(instead) => return Ok(Tried::No(instead)),
    };
    let seen = scene.observation();
    let unasked = Observation {
        services: Vec::new(),
        ..seen.clone()
    };
    twice(policy, "service-queries", |instance| {
        instance.service_queries(unasked.clone())
    })?;
    twice(policy, "decide", |instance| instance.decide(seen.clone()))?;
    twice(policy, "aggregate-status", |instance| {
        instance.aggregate_status(seen.clone())
    })?;
    twice(policy, "route-of", |instance| {
        instance.route_of(scene.spec.clone(), function(FUNCTIONS[0]))
    })?;
    Ok(Tried::Yes)
}

/// Asks one instance twice, and another one.
fn twice<T: PartialEq + Debug>(
    policy: &PolicyComponent,
    function: &str,
    ask: impl Fn(&mut Instance<'_>) -> Result<T, CallError>,
) -> Result<(), Why> {
    let mut instance = policy.instance().map_err(Failure::from)?;
    // Whoever cannot be asked at all breaks another rule.
    let Ok(first) = ask(&mut instance) else {
        return Ok(());
    };
    let again = ask(&mut instance).map_err(Failure::from)?;
    drop(instance);
    let mut other = policy.instance().map_err(Failure::from)?;
    let elsewhere = ask(&mut other).map_err(Failure::from)?;
    same(&first, &again, || {
        format!("asked again, {function} answers otherwise")
    })?;
    same(&first, &elsewhere, || {
        format!("in another instance, {function} answers otherwise")
    })
}

/// Says where two things differ, if they do.
fn same<T: PartialEq + Debug>(
    expected: &T,
    answered: &T,
    what: impl FnOnce() -> String,
) -> Result<(), Why> {
    if expected == answered {
        return Ok(());
    }
    let (expected, answered) = (format!("{expected:#?}"), format!("{answered:#?}"));
    let mut differing = expected
        .lines()
        .zip(answered.lines())
        .filter(|(expected, answered)| expected != answered)
        .map(|(expected, answered)| (expected.trim(), answered.trim()));
    let (expected, answered) = differing.next().unwrap_or(("more", "less"));
    misfit(format!("{}: at first {expected}, then {answered}", what()))
}

/// The effective spec, or what there is instead.
fn effective(policy: &PolicyComponent, input: &Input) -> Result<EffectiveSpec, String> {
    match decide::spec(policy, &input.gateway) {
        Ok(Ok(spec)) => Ok(spec),
        Ok(Err(violations)) => Err(instead("default", &violations)),
        Err(failure) => Err(failure.to_string()),
    }
}

fn defaults_settle(policy: &PolicyComponent, input: &Input) -> Result<Tried, Why> {
    let spec = match effective(policy, input) {
        Ok(spec) => spec,
        Err(instead) => return Ok(Tried::No(instead)),
    };
    let again = gateway_to_contract(&api::Gateway {
        spec: api::GatewaySpec::from_effective(&spec),
        ..input.gateway.clone()
    });
    let written = again.spec.clone();
    let default = |old| -> Result<Result<EffectiveSpec, Vec<Violation>>, CallError> {
        policy.instance()?.default_spec(again.clone(), old)
    };
    for old in [None, Some(written)] {
        let what = match &old {
            None => "without an old spec",
            Some(_) => "with itself as the old spec",
        };
        if let Ok(answer) = default(old) {
            same(&Ok(spec.clone()), &answer, || {
                format!("asked about its own answer {what}, default answers otherwise")
            })?;
        }
    }
    Ok(Tried::Yes)
}

fn ordinary_is_served(policy: &PolicyComponent, input: &Input) -> Result<Tried, Why> {
    if input.kind != Kind::Ordinary {
        return Ok(Tried::No("it is not an ordinary one".to_owned()));
    }
    let spec = match decide::spec(policy, &input.gateway) {
        Ok(Ok(spec)) => spec,
        Ok(Err(violations)) => return misfit(instead("default", &violations)),
        Err(failure) => return Ok(Tried::No(failure.to_string())),
    };
    match decide::route(policy, &spec, &function(FUNCTIONS[0])) {
        Ok(Err(violations)) => misfit(instead("route-of", &violations)),
        _ => Ok(Tried::Yes),
    }
}

fn no_field_is_lost(policy: &PolicyComponent, input: &Input) -> Result<Tried, Why> {
    let spec = match effective(policy, input) {
        Ok(spec) => spec,
        Err(instead) => return Ok(Tried::No(instead)),
    };
    let written = gateway_to_contract(&input.gateway).spec.listeners;
    kept(&written, &spec.listeners, "default")?;
    let scene = match Scene::if_answered(policy, input) {
        Ok(scene) => scene,
        Err(instead) => return Ok(Tried::No(instead)),
    };
    match decide::wish(policy, &scene.world, &spec, &Terms::default()) {
        Ok(Ok(wish)) => kept(&spec.listeners, &wish.listeners, "decide").map(|()| Tried::Yes),
        Ok(Err(violations)) => Ok(Tried::No(instead("decide", &violations))),
        Err(failure) => Ok(Tried::No(failure.to_string())),
    }
}

/// Whether a field that no component can know is there afterwards, too.
fn kept(before: &[Listener], after: &[Listener], function: &str) -> Result<(), Why> {
    let field = |listener: &Listener| -> Option<Value> {
        let rest: Map<String, Value> = serde_json::from_str(&listener.rest).ok()?;
        rest.get(FUTURE).cloned()
    };
    for listener in before {
        let after = after.iter().find(|after| after.name == listener.name);
        if after.is_some_and(|after| field(listener) != field(after)) {
            return misfit(format!(
                "{function} loses, or changes, field {FUTURE} of listener {:?}",
                listener.name
            ));
        }
    }
    Ok(())
}

fn unknown_settings_are_violations(
    policy: &Arc<PolicyComponent>,
    scene: &Scene,
) -> Result<Tried, Why> {
    let mut seen = scene.observation();
    seen.settings.push(KeyValue {
        key: "not-declared".to_owned(),
        value: "x".to_owned(),
    });
    let decide = || policy.instance()?.decide(seen.clone());
    let field = format!(
        "metadata.annotations[{}not-declared]",
        names::SETTING_PREFIX
    );
    match decide() {
        Ok(Ok(_)) => misfit("decide takes a setting that the component does not declare"),
        Ok(Err(violations)) if !violations.iter().any(|wrong| wrong.field == field) => {
            misfit(format!(
                "no violation has the field {field}, but {}",
                instead("decide", &violations)
            ))
        }
        Ok(Err(_)) => Ok(Tried::Yes),
        Err(error) => Ok(Tried::No(error.to_string())),
    }
}

fn defaults_of_settings_hold(policy: &Arc<PolicyComponent>, scene: &Scene) -> Result<Tried, Why> {
    let seen = scene.observation();
    let decide = |seen: &Observation| policy.instance()?.decide(seen.clone());
    for setting in &policy.description.settings {
        let is_set = seen.settings.iter().any(|given| given.key == setting.name);
        // One without a default is off, or must be set.
        if is_set || setting.default_value.is_empty() {
            continue;
        }
        let mut set = seen.clone();
        set.settings.push(KeyValue {
            key: setting.name.clone(),
            value: setting.default_value.clone(),
        });
        if let (Ok(without), Ok(with)) = (decide(&seen), decide(&set)) {
            same(&without, &with, || {
                format!(
                    "with setting {}={}, which is its default, decide answers otherwise",
                    setting.name, setting.default_value
                )
            })?;
        }
    }
    Ok(Tried::Yes)
}

fn status(policy: &PolicyComponent, seen: Observation) -> Option<GatewayStatus> {
    policy.instance().ok()?.aggregate_status(seen).ok()
}

fn order_of_statuses_is_nothing(
    policy: &Arc<PolicyComponent>,
    scene: &Scene,
) -> Result<Tried, Why> {
    let seen = scene.observation();
    let mut turned = seen.clone();
    if let Some(gateway) = &mut turned.kubernetes_gateway {
        gateway.listener_statuses.reverse();
    }
    match (status(policy, seen), status(policy, turned)) {
        (Some(straight), Some(turned)) => same(&straight, &turned, || {
            "with the listener statuses in reverse, aggregate-status answers otherwise".to_owned()
        })
        .map(|()| Tried::Yes),
        _ => Ok(Tried::No("aggregate-status is at fault".to_owned())),
    }
}

fn missing_or_stale_is_not_ready(
    policy: &Arc<PolicyComponent>,
    scene: &Scene,
) -> Result<Tried, Why> {
    let seen = scene.observation();
    let mut stale = seen.clone();
    if let Some(gateway) = &mut stale.kubernetes_gateway {
        gateway.generation = 7;
        gateway.written_generation = 7;
        let of_listeners = gateway.listener_statuses.iter_mut();
        let of_listeners = of_listeners.flat_map(|status| &mut status.conditions);
        for condition in gateway.conditions.iter_mut().chain(of_listeners) {
            condition.observed_generation = Some(6);
        }
    }
    let missing = Observation {
        kubernetes_gateway: None,
        ..seen
    };
    for (what, seen) in [
        ("the Kubernetes Gateway does not exist", missing),
        (
            "every condition is older than the host's last change",
            stale,
        ),
    ] {
        let Some(status) = status(policy, seen) else {
            continue;
        };
        let is_ready = |condition: &ofn_contract::Condition| {
            condition.type_ == "Ready" && condition.status == "True"
        };
        if status.conditions.iter().any(is_ready) {
            return misfit(format!("Ready is True although {what}"));
        }
        if let Some(listener) = status
            .listeners
            .iter()
            .find(|listener| listener.conditions.iter().any(is_ready))
        {
            return misfit(format!(
                "listener {:?} is Ready although {what}",
                listener.name
            ));
        }
    }
    Ok(Tried::Yes)
}

fn passes_come_to_rest(policy: &Arc<PolicyComponent>, scene: &Scene) -> Result<Tried, Why> {
    let policies = Policies::of_one(policy);
    let (cluster, name) = (&scene.cluster, name_of(&scene.world.gateway));
    let others = listeners_of_others(cluster, &scene.spec);
    let mut before = cluster.all();
    for number in 1..=MOST_PASSES {
        if let Err(error) = block_on(pass(
            cluster,
            &policies,
            &name,
            &mut |_| (),
            &mut Vec::new(),
        )) {
            return misfit(format!("pass {number} does not come to its end: {error}"));
        }
        same(&others, &listeners_of_others(cluster, &scene.spec), || {
            format!("pass {number} changes a listener of somebody else")
        })?;
        let after = cluster.all();
        if after == before {
            return Ok(Tried::Yes);
        }
        before = after;
    }
    misfit(format!(
        "though nobody else changes anything, pass {MOST_PASSES} still writes"
    ))
}

/// What the first pass makes, the second one sees; after that there is nothing to write.
const MOST_PASSES: u32 = 3;

/// The listeners of the Kubernetes Gateway that we did not put there.
fn listeners_of_others(offline: &Offline, spec: &EffectiveSpec) -> Vec<Value> {
    let gateway = block_on(offline.get(cluster::Kind::KubernetesGateway, &spec.target.name));
    let Some(gateway) = gateway.ok().flatten().map(KubernetesGateway::from) else {
        return Vec::new();
    };
    let ours = gateway.ours();
    let listeners = gateway.listeners().iter();
    listeners
        .filter(|listener| !ours.contains(listener_name(listener)))
        .cloned()
        .collect()
}
