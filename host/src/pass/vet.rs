//! Step three, pure: what a component's answer may contain.
//!
//! The host trusts no component. An answer that breaks a rule here is refused as a whole; nothing
//! is written, and the rule is named. What passes has a type of its own, so that no other answer
//! can be planned.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ofn_contract::dns::{is_dns_name, is_hostname, is_label, is_reachable, is_subdomain, is_under};
use ofn_contract::{
    Decision, Description, EffectiveSpec, Entry, EntryTarget, GatewayStatus, GatewayTemplate,
    Listener, Refusal, Route, ServiceQuery,
};
use serde_json::{Map, Value};

use crate::kubernetes_gateway::MOST_LISTENERS;

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

/// A rule that an answer broke.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer of {function} is refused: {rule}")]
pub struct Broken {
    function: &'static str,
    rule: String,
}

const MOST_QUERIES: usize = 8;
const MOST_ADDRESSES: usize = 16;
const MOST_CONDITIONS: usize = 8;
/// Kubernetes' own limit for the message of a condition.
const LONGEST_MESSAGE: usize = 32768;

const MOST_SETTINGS: usize = 64;
const MOST_CONTROLLER_NAMES: usize = 16;
/// Of a text of one line.
const LONGEST_LINE: usize = 1024;

struct Rules(&'static str);

impl Rules {
    fn must(&self, holds: bool, rule: impl FnOnce() -> String) -> Result<(), Broken> {
        if holds {
            Ok(())
        } else {
            Err(Broken {
                function: self.0,
                rule: rule(),
            })
        }
    }
}

/// What a component says of itself.
pub fn description(description: Description) -> Result<Description, Broken> {
    let rules = Rules("describe");
    rules.must(is_label(&description.name), || {
        format!("the name {:?} is not a DNS label", description.name)
    })?;
    rules.must(semver::Version::parse(&description.version).is_ok(), || {
        format!(
            "the version {:?} is not a semantic one",
            description.version
        )
    })?;
    let names = &description.controller_names;
    rules.must(names.len() <= MOST_CONTROLLER_NAMES, || {
        format!(
            "{} controller names, not at most {MOST_CONTROLLER_NAMES}",
            names.len()
        )
    })?;
    for name in names {
        rules.must(
            (1..=253).contains(&name.len()) && is_printable(name),
            || format!("{name:?} is not the name of a controller"),
        )?;
    }
    rules.must(description.settings.len() <= MOST_SETTINGS, || {
        format!(
            "{} settings, not at most {MOST_SETTINGS}",
            description.settings.len()
        )
    })?;
    let mut known = BTreeSet::new();
    for setting in &description.settings {
        rules.must(
            !setting.name.is_empty()
                && is_label_value(&setting.name)
                && known.insert(&setting.name),
            || {
                format!(
                    "setting {:?} is not the last part of an annotation key, or there twice",
                    setting.name
                )
            },
        )?;
        for text in [&setting.kind, &setting.default_value, &setting.help] {
            rules.must(text.len() <= LONGEST_LINE && is_printable(text), || {
                format!("setting {:?} has a text that is not one line", setting.name)
            })?;
        }
    }
    Ok(description)
}

/// An effective spec.
pub fn spec(spec: EffectiveSpec) -> Result<EffectiveSpec, Broken> {
    let rules = Rules("default");
    rules.must(is_dns_name(&spec.domain), || {
        format!("domain {:?} is not a DNS name", spec.domain)
    })?;
    rules.must(is_dns_name(&spec.cluster_domain), || {
        format!("cluster domain {:?} is not a DNS name", spec.cluster_domain)
    })?;
    let target = &spec.target;
    rules.must(
        is_label(&target.name.namespace) && is_subdomain(&target.name.name),
        || format!("the target {} is not a name", target.name),
    )?;
    rules.must(
        target.class_name.as_deref().is_none_or(is_subdomain),
        || format!("the class {:?} is not a name", target.class_name),
    )?;
    let mut names = BTreeSet::new();
    rules.must((1..=MOST_LISTENERS).contains(&spec.listeners.len()), || {
        format!(
            "{} listeners, not 1 to {MOST_LISTENERS}",
            spec.listeners.len()
        )
    })?;
    for listener in &spec.listeners {
        check_listener(&rules, listener, &spec)?;
        rules.must(names.insert(&listener.name), || {
            format!("two listeners are called {:?}", listener.name)
        })?;
    }
    Ok(spec)
}

/// How a function is reached.
pub fn route(route: Route) -> Result<Route, Broken> {
    let rules = Rules("route-of");
    rules.must(!route.hostnames.is_empty(), || "no host name".to_owned())?;
    for hostname in &route.hostnames {
        rules.must(is_hostname(hostname), || {
            format!("{hostname:?} is not a host name")
        })?;
    }
    let path = &route.path;
    rules.must(
        path.starts_with('/') && !path.chars().any(char::is_control),
        || format!("{path:?} is not a path"),
    )?;
    rules.must(is_label_key(&route.label.key), || {
        format!("{:?} is not the key of a label", route.label.key)
    })?;
    Ok(route)
}

/// Queries for Services.
pub fn queries(queries: Vec<ServiceQuery>) -> Result<Vec<ServiceQuery>, Broken> {
    let rules = Rules("service-queries");
    rules.must(queries.len() <= MOST_QUERIES, || {
        format!("{} queries, not at most {MOST_QUERIES}", queries.len())
    })?;
    for query in &queries {
        let fine = match query {
            ServiceQuery::ByName(name) => is_label(&name.namespace) && is_subdomain(&name.name),
            ServiceQuery::ByLabels(query) => {
                query.namespace.as_deref().is_none_or(is_label)
                    && !query.labels.is_empty()
                    && query
                        .labels
                        .iter()
                        .all(|label| is_label_key(&label.key) && is_label_value(&label.value))
            }
            ServiceQuery::ByClusterIp(ip) => ip.parse::<IpAddr>().is_ok(),
        };
        rules.must(fine, || format!("{query:?} cannot be asked"))?;
    }
    Ok(queries)
}

/// A decision for a vetted spec.
pub fn decision(decision: Decision, spec: &EffectiveSpec) -> Result<Wish, Broken> {
    let rules = Rules("decide");
    let known: BTreeSet<&str> = spec
        .listeners
        .iter()
        .map(|listener| listener.name.as_str())
        .collect();
    let mut named = BTreeSet::new();
    for listener in &decision.listeners {
        check_listener(&rules, listener, spec)?;
        rules.must(known.contains(listener.name.as_str()), || {
            format!("listener {:?} is not one of the spec", listener.name)
        })?;
        rules.must(named.insert(&listener.name), || {
            format!("listener {:?} is there twice", listener.name)
        })?;
    }
    for refusal in &decision.refusals {
        rules.must(known.contains(refusal.listener.as_str()), || {
            format!(
                "refused listener {:?} is not one of the spec",
                refusal.listener
            )
        })?;
        rules.must(named.insert(&refusal.listener), || {
            format!("refused listener {:?} is there twice", refusal.listener)
        })?;
        check_text(&rules, &refusal.reason, &refusal.message)?;
    }
    if let Some(entry) = &decision.entry {
        check_entry(&rules, entry)?;
    }
    let template = &decision.template;
    for label in &template.labels {
        rules.must(
            is_label_key(&label.key) && is_label_value(&label.value),
            || format!("{:?} is not a label", label.key),
        )?;
    }
    for annotation in &template.annotations {
        rules.must(is_label_key(&annotation.key), || {
            format!("{:?} is not an annotation", annotation.key)
        })?;
    }
    rules.must(
        template.infrastructure.as_deref().is_none_or(is_object),
        || "infrastructure is not a JSON object".to_owned(),
    )?;
    Ok(Wish {
        spec: spec.clone(),
        listeners: decision.listeners,
        refusals: decision.refusals,
        entry: decision.entry,
        template: decision.template,
    })
}

/// A status for a vetted spec.
pub fn status(status: GatewayStatus, spec: &EffectiveSpec) -> Result<GatewayStatus, Broken> {
    let rules = Rules("aggregate-status");
    check_conditions(&rules, &status.conditions, &["Scheduled", "Ready"])?;
    rules.must(status.addresses.len() <= MOST_ADDRESSES, || {
        format!(
            "{} addresses, not at most {MOST_ADDRESSES}",
            status.addresses.len()
        )
    })?;
    for address in &status.addresses {
        rules.must(
            (1..=253).contains(&address.value.len()) && is_printable(&address.value),
            || "an address is empty, too long or not printable".to_owned(),
        )?;
    }
    let names = |listener: &ofn_contract::ListenerStatus| listener.name.clone();
    let expected: Vec<_> = spec
        .listeners
        .iter()
        .map(|listener| listener.name.clone())
        .collect();
    rules.must(status.listeners.iter().map(names).eq(expected), || {
        "the listeners are not those of the spec, in their order".to_owned()
    })?;
    for listener in &status.listeners {
        check_conditions(&rules, &listener.conditions, &["Ready"])?;
        rules.must(listener.attached_routes >= 0, || {
            format!(
                "listener {:?} has a negative number of routes",
                listener.name
            )
        })?;
        rules.must(
            listener.supported_kinds.len() <= MOST_CONDITIONS
                && listener.supported_kinds.iter().all(|kind| {
                    (1..=63).contains(&kind.kind.len())
                        && kind.group.len() <= 253
                        && is_printable(&kind.kind)
                        && is_printable(&kind.group)
                }),
            || {
                format!(
                    "listener {:?} has impossible kinds of routes",
                    listener.name
                )
            },
        )?;
    }
    Ok(status)
}

fn check_listener(rules: &Rules, listener: &Listener, spec: &EffectiveSpec) -> Result<(), Broken> {
    let name = &listener.name;
    rules.must(is_subdomain(name), || {
        format!("listener {name:?} has no valid name")
    })?;
    rules.must(listener.port > 0, || {
        format!("listener {name:?} has port 0")
    })?;
    rules.must(
        (1..=255).contains(&listener.protocol.len()) && is_printable(&listener.protocol),
        || format!("listener {name:?} has no valid protocol"),
    )?;
    if let Some(hostname) = &listener.hostname {
        rules.must(
            is_hostname(hostname)
                && (is_under(hostname, &spec.domain) || is_under(hostname, &spec.cluster_domain)),
            || {
                format!(
                    "host name {hostname:?} of listener {name:?} is not one under {} or {}",
                    spec.domain, spec.cluster_domain
                )
            },
        )?;
    }
    let rest: Option<Map<String, Value>> = serde_json::from_str(&listener.rest).ok();
    let typed = ["name", "hostname", "port", "protocol"];
    rules.must(
        rest.is_some_and(|rest| !typed.iter().any(|field| rest.contains_key(*field))),
        || {
            format!(
                "the rest of listener {name:?} is not a JSON object without {}",
                typed.join(", ")
            )
        },
    )
}

fn check_entry(rules: &Rules, entry: &Entry) -> Result<(), Broken> {
    match &entry.target {
        EntryTarget::Service(name) => {
            rules.must(is_label(&name.namespace) && is_label(&name.name), || {
                format!("the entry {name} is not a Service")
            })?;
        }
        EntryTarget::HostName(name) => {
            rules.must(is_dns_name(name), || {
                format!("the entry {name:?} is not a DNS name")
            })?;
        }
        EntryTarget::IpAddresses(ips) => {
            rules.must((1..=MOST_ADDRESSES).contains(&ips.len()), || {
                format!("{} entry addresses, not 1 to {MOST_ADDRESSES}", ips.len())
            })?;
            for ip in ips {
                rules.must(ip.parse().is_ok_and(is_reachable), || {
                    format!("the entry address {ip:?} is not one that a function may be sent to")
                })?;
            }
        }
    }
    rules.must(!entry.ports.is_empty(), || {
        "the entry has no port".to_owned()
    })?;
    let mut names = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for port in &entry.ports {
        rules.must(is_label(&port.name) && names.insert(&port.name), || {
            format!(
                "the entry's port name {:?} is not valid or there twice",
                port.name
            )
        })?;
        rules.must(
            port.port > 0
                && matches!(port.protocol.as_str(), "TCP" | "UDP")
                && numbers.insert((port.port, &port.protocol)),
            || {
                format!(
                    "the entry's port {}/{} is not valid or there twice",
                    port.port, port.protocol
                )
            },
        )?;
    }
    Ok(())
}

fn check_conditions(
    rules: &Rules,
    conditions: &[ofn_contract::Condition],
    first: &[&str],
) -> Result<(), Broken> {
    rules.must(conditions.len() <= MOST_CONDITIONS, || {
        format!(
            "{} conditions, not at most {MOST_CONDITIONS}",
            conditions.len()
        )
    })?;
    rules.must(
        conditions.len() >= first.len()
            && conditions
                .iter()
                .zip(first)
                .all(|(condition, first)| condition.type_ == *first),
        || format!("the conditions do not begin with {}", first.join(" and ")),
    )?;
    let mut types = BTreeSet::new();
    for condition in conditions {
        rules.must(
            is_printable(&condition.type_) && types.insert(&condition.type_),
            || {
                format!(
                    "condition {:?} is there twice or not printable",
                    condition.type_
                )
            },
        )?;
        rules.must(
            matches!(condition.status.as_str(), "True" | "False" | "Unknown"),
            || {
                format!(
                    "condition {:?} has status {:?}",
                    condition.type_, condition.status
                )
            },
        )?;
        check_text(rules, &condition.reason, &condition.message)?;
    }
    Ok(())
}

fn check_text(rules: &Rules, reason: &str, message: &str) -> Result<(), Broken> {
    rules.must(reason.len() <= 1024 && is_printable(reason), || {
        "a reason is too long or not printable".to_owned()
    })?;
    rules.must(
        message.len() <= LONGEST_MESSAGE
            && message
                .chars()
                .all(|char| !char.is_control() || matches!(char, '\n' | '\t')),
        || "a message is too long or not printable".to_owned(),
    )
}

fn is_printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

fn is_object(json: &str) -> bool {
    serde_json::from_str::<Map<String, Value>>(json).is_ok()
}

fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').unwrap_or(("a", key));
    is_subdomain(prefix) && !name.is_empty() && is_label_value(name)
}

fn is_label_value(value: &str) -> bool {
    let ends = |char: Option<char>| char.is_none_or(|char| char.is_ascii_alphanumeric());
    value.len() <= 63
        && ends(value.chars().next())
        && ends(value.chars().last())
        && value
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.'))
}
