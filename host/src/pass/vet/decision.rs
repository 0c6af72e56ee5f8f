//! What is wished.

use std::collections::BTreeSet;

use gateway_api::gateways::GatewayInfrastructure;
use ofn_contract::dns::is_subdomain;
use ofn_contract::labels::{is_label_key, is_label_value};
use ofn_contract::protocol::is_protocol;
use ofn_contract::{
    Decision, EffectiveSpec, Entry, GatewayTemplate, Listener, ObjectName, Refusal,
};

use serde_json::{Map, Value};

use super::entry::check_entry;
use super::spec::{check_listener, check_rest, check_size};
use super::text::{check_annotations, check_labels, is_printable, vet_reason};
use super::{Broken, Rules, Terms};

/// Kubernetes' own limit for the reason of an event, which a refusal becomes.
const LONGEST_REASON: usize = 128;
/// As many labels and annotations `spec.infrastructure` takes of each.
const MOST_INFRASTRUCTURE: usize = 8;
/// As long as the value of an annotation in `spec.infrastructure` may be.
const LONGEST_ANNOTATION: usize = 4096;

/// A decision that broke no rule, for a spec that broke none.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The spec that it is for.
    pub spec: EffectiveSpec,
    /// The listeners that the Kubernetes Gateway must have.
    pub listeners: Vec<Listener>,
    /// Those that it must not have, with reasons.
    pub refusals: Vec<Refusal>,
    /// Where functions are reached.
    pub entry: Option<Entry>,
    /// What a new Kubernetes Gateway needs.
    pub template: GatewayTemplate,
}

/// What a decision was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// A vetted spec.
    pub spec: &'a EffectiveSpec,
    /// The entry Service, which must not lead to itself.
    pub entry: &'a ObjectName,
    /// The names of the Services that the component was shown.
    pub services: &'a BTreeSet<ObjectName>,
    /// Where it may send traffic.
    pub terms: &'a Terms,
}

/// A decision.
pub fn decision(mut decision: Decision, asked: Asked) -> Result<Wish, Broken> {
    let rules = Rules("decide");
    let spec = asked.spec;
    let known: BTreeSet<&str> = spec
        .listeners
        .iter()
        .map(|listener| listener.name.as_str())
        .collect();
    let mut named = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for listener in &decision.listeners {
        check_listener(&rules, listener, spec)?;
        let Listener {
            name,
            hostname,
            port,
            protocol,
            ..
        } = listener;
        rules.must(known.contains(name.as_str()), || {
            format!("listener {name:?} is not one of the spec")
        })?;
        rules.must(named.insert(name), || {
            format!("listener {name:?} is there twice")
        })?;
        rules.must(is_protocol(protocol), || {
            format!("protocol {protocol:?} of listener {name:?} is not valid")
        })?;
        rules.must(
            hostname.is_none() || !matches!(protocol.as_str(), "TCP" | "UDP"),
            || format!("listener {name:?} is of {protocol} and has a host name"),
        )?;
        rules.must(keys.insert((port, protocol, hostname)), || {
            format!("listener {name:?} has port, protocol and host name of another one")
        })?;
    }
    check_size(&rules, &decision.listeners)?;
    for listener in &decision.listeners {
        let mut users = spec.listeners.iter();
        if let Some(users) = users.find(|users| users.name == listener.name) {
            check_rest(&rules, listener, users)?;
        }
    }
    for refusal in &mut decision.refusals {
        let name = &refusal.listener;
        rules.must(known.contains(name.as_str()), || {
            format!("refused listener {name:?} is not one of the spec")
        })?;
        rules.must(named.insert(name), || {
            format!("refused listener {name:?} is there twice")
        })?;
        vet_reason(&rules, &mut refusal.reason, &mut refusal.message)?;
        rules.must((1..=LONGEST_REASON).contains(&refusal.reason.len()), || {
            format!("the reason of refused listener {name:?} is empty or too long for an event")
        })?;
    }
    if let Some(entry) = &decision.entry {
        check_entry(&rules, entry, &asked)?;
    }
    check_template(&rules, &decision.template)?;
    Ok(Wish {
        spec: spec.clone(),
        listeners: decision.listeners,
        refusals: decision.refusals,
        entry: decision.entry,
        template: decision.template,
    })
}

fn check_template(rules: &Rules, template: &GatewayTemplate) -> Result<(), Broken> {
    check_labels(rules, &template.labels)?;
    check_annotations(rules, &template.annotations)?;
    let Some(text) = &template.infrastructure else {
        return Ok(());
    };
    // An array would be read as the fields in their order.
    let object: Option<Map<String, Value>> = serde_json::from_str(text).ok();
    let infrastructure: Option<GatewayInfrastructure> =
        object.and_then(|object| serde_json::from_value(Value::Object(object)).ok());
    rules.must(
        infrastructure.is_some_and(|all| is_infrastructure(&all)),
        || "infrastructure is not the JSON of a Gateway's spec.infrastructure".to_owned(),
    )
}

/// Source: the schema of the Gateway API.
fn is_infrastructure(infrastructure: &GatewayInfrastructure) -> bool {
    let labels = infrastructure.labels.iter().flatten();
    let annotations = infrastructure.annotations.iter().flatten();
    labels.clone().count() <= MOST_INFRASTRUCTURE
        && annotations.clone().count() <= MOST_INFRASTRUCTURE
        && labels
            .into_iter()
            .all(|(key, value)| is_label_key(key) && is_label_value(value))
        && annotations
            .into_iter()
            .all(|(key, value)| is_label_key(key) && value.len() <= LONGEST_ANNOTATION)
        && infrastructure
            .parameters_ref
            .as_ref()
            .is_none_or(|parameters| {
                (parameters.group.is_empty() || is_subdomain(&parameters.group))
                    && (1..=63).contains(&parameters.kind.len())
                    && parameters
                        .kind
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                    && parameters
                        .kind
                        .starts_with(|char: char| char.is_ascii_alphabetic())
                    && !parameters.kind.ends_with('-')
                    && (1..=253).contains(&parameters.name.len())
                    && is_printable(&parameters.name)
            })
}
