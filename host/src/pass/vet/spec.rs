//! The effective spec, and what holds for a listener wherever it stands.

use std::collections::BTreeSet;

use ofn_contract::dns::{is_dns_name, is_hostname, is_subdomain, is_under};
use ofn_contract::{EffectiveSpec, Listener, ObjectName, Target};
use serde_json::{Map, Value};

use super::text::is_printable;
use super::{Broken, Rules};
use crate::api;
use crate::kubernetes_gateway::{MOST_LISTENERS, is_subset, listener_from_contract};
use crate::names;
use crate::pass::world::target_of;

/// All listeners together become an annotation; Kubernetes takes 256 KiB of all annotations.
const MOST_TEXT: usize = 96 << 10;

/// The fields of a listener that are not in its `rest`.
const TYPED: [&str; 4] = ["name", "hostname", "port", "protocol"];

/// Bytes of a template that a component fills in.
const LONGEST_TEMPLATE: usize = 1024;

/// An effective spec for what the user wrote. The domains and the Kubernetes Gateway are the
/// user's: a component that could choose them could reach what is another's.
pub fn spec(
    spec: EffectiveSpec,
    written: &api::GatewaySpec,
    name: &ObjectName,
) -> Result<EffectiveSpec, Broken> {
    let rules = Rules("default");
    // The contract says what an empty one means.
    let cluster_domain = match written.cluster_domain.as_str() {
        "" => api::default::cluster_domain(),
        cluster_domain => cluster_domain.to_owned(),
    };
    for (what, answered, written) in [
        ("domain", &spec.domain, &written.domain),
        ("cluster domain", &spec.cluster_domain, &cluster_domain),
    ] {
        rules.must(is_dns_name(answered), || {
            format!("{what} {answered:?} is not a DNS name")
        })?;
        rules.must(answered == written, || {
            format!("{what} {answered:?} is not {written:?}, which the user wrote")
        })?;
    }
    for (what, answered, written) in [
        ("host template", &spec.host_template, &written.host_template),
        ("path template", &spec.path_template, &written.path_template),
        (
            "label key",
            &spec.http_route_label_key,
            &written.http_route_label_key,
        ),
    ] {
        rules.must(written.is_empty() || answered == written, || {
            format!("{what} {answered:?} is not {written:?}, which the user wrote")
        })?;
        rules.must(
            !written.is_empty() || answered.len() <= LONGEST_TEMPLATE && is_printable(answered),
            || format!("{what} {answered:?} is too long or not printable"),
        )?;
    }
    let target = &spec.target;
    let class_name = written
        .gateway_def
        .as_ref()
        .map(|def| def.gateway_class_name.clone());
    let expected = target_of(written, &name.name).map(|name| Target { name, class_name });
    rules.must(expected.as_ref() == Some(target), || {
        format!(
            "the target {}{} is not the Kubernetes Gateway that the user wrote",
            target.name,
            target
                .class_name
                .as_ref()
                .map(|class| format!(" of class {class:?}"))
                .unwrap_or_default()
        )
    })?;
    rules.must((1..=MOST_LISTENERS).contains(&spec.listeners.len()), || {
        format!(
            "{} listeners, not 1 to {MOST_LISTENERS}",
            spec.listeners.len()
        )
    })?;
    let mut names = BTreeSet::new();
    for listener in &spec.listeners {
        check_listener(&rules, listener, &spec)?;
        rules.must(names.insert(&listener.name), || {
            format!("two listeners are called {:?}", listener.name)
        })?;
        // OpenFunction's Function controller needs one in every listener.
        rules.must(listener.hostname.is_some(), || {
            format!("listener {:?} has no host name", listener.name)
        })?;
    }
    check_size(&rules, &spec.listeners)?;
    for listener in &spec.listeners {
        let mut written = written.gateway_spec.listeners.iter();
        let written = written.find(|written| written.name == listener.name);
        if let Some(written) = written.filter(|_| listener.name != names::DEFAULT_LISTENER) {
            check_rest(&rules, listener, &written.to_contract())?;
        }
    }
    Ok(spec)
}

/// A component may add to a listener what it knows better. But what it allows is the user's: who may put
/// routes there, and with which keys it is TLS.
pub(super) fn check_rest(
    rules: &Rules,
    listener: &Listener,
    users: &Listener,
) -> Result<(), Broken> {
    let [answered, users] = [listener, users].map(listener_from_contract);
    let rest = users.as_object().into_iter().flatten();
    let mut rest = rest.filter(|(field, _)| !TYPED.contains(&field.as_str()));
    let is_the_users = |path: &str| answered.pointer(path) == users.pointer(path);
    rules.must(
        rest.all(|(field, value)| is_subset(value, &answered[field]))
            && is_the_users("/tls")
            && is_the_users("/allowedRoutes/namespaces"),
        || {
            format!(
                "listener {:?} does not have tls, allowedRoutes and the other fields as the user \
                 wrote them",
                listener.name
            )
        },
    )
}

/// What holds for a listener of a spec as for one of a decision.
pub(super) fn check_listener(
    rules: &Rules,
    listener: &Listener,
    spec: &EffectiveSpec,
) -> Result<(), Broken> {
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
    rules.must(
        rest.is_some_and(|rest| !TYPED.iter().any(|field| rest.contains_key(*field))),
        || {
            format!(
                "the rest of listener {name:?} is not a JSON object without {}",
                TYPED.join(", ")
            )
        },
    )
}

pub(super) fn check_size(rules: &Rules, listeners: &[Listener]) -> Result<(), Broken> {
    // As it is written: a number may be longer than a component has it.
    let size = |listener: &Listener| listener_from_contract(listener).to_string().len();
    rules.at_most(
        MOST_TEXT,
        listeners.iter().map(size).sum(),
        "bytes of listeners",
    )
}
