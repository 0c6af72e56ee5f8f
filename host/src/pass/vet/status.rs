//! What a status may say. Source of the limits: the definition in [`crate::api`].

use std::collections::BTreeSet;

use ofn_contract::{Condition, EffectiveSpec, GatewayStatus};

use super::text::{make_printable, vet_reason};
use super::{Broken, Rules};
use crate::api;

const MOST_ADDRESSES: usize = 16;
/// Conditions of a status, and of a listener's.
pub(in crate::pass) const MOST_CONDITIONS: usize = 8;
const MOST_KINDS: usize = 8;
/// Kubernetes' own limit for the type of a condition.
const LONGEST_TYPE: usize = 316;
/// All messages together: the API server stores objects of at most 1.5 MiB.
const MOST_TEXT: usize = 256 << 10;

/// All but the messages, as it is stored: of those a report takes as many as there is room for.
const MOST_REST: usize = 640 << 10;

/// A status for a vetted spec.
pub fn status(mut status: GatewayStatus, spec: &EffectiveSpec) -> Result<GatewayStatus, Broken> {
    let rules = Rules("aggregate-status");
    vet_conditions(&rules, &mut status.conditions, &["Scheduled", "Ready"])?;
    rules.at_most(MOST_ADDRESSES, status.addresses.len(), "addresses")?;
    for address in &mut status.addresses {
        make_printable(&mut address.value);
        make_printable(&mut address.type_);
        rules.must(
            is_short(&address.value, 253) && is_short(&address.type_, 253),
            || "an address is empty or too long".to_owned(),
        )?;
    }
    let answered = status.listeners.iter().map(|listener| &listener.name);
    let expected = spec.listeners.iter().map(|listener| &listener.name);
    rules.must(answered.eq(expected), || {
        "the listeners are not those of the spec, in their order".to_owned()
    })?;
    for listener in &mut status.listeners {
        let name = &listener.name;
        vet_conditions(&rules, &mut listener.conditions, &["Ready"])?;
        rules.must(listener.attached_routes >= 0, || {
            format!("listener {name:?} has a negative number of routes")
        })?;
        for kind in &mut listener.supported_kinds {
            make_printable(&mut kind.group);
            make_printable(&mut kind.kind);
        }
        rules.must(
            listener.supported_kinds.len() <= MOST_KINDS
                && listener.supported_kinds.iter().all(|kind| {
                    is_short(&kind.kind, 63)
                        && (kind.group.is_empty() || is_short(&kind.group, 253))
                }),
            || format!("listener {name:?} has impossible kinds of routes"),
        )?;
    }
    let listeners = status.listeners.iter().map(|listener| &listener.conditions);
    let text = std::iter::once(&status.conditions)
        .chain(listeners)
        .flatten()
        .map(|condition| condition.message.len());
    rules.at_most(MOST_TEXT, text.sum(), "bytes of messages")?;
    let mut rest = api::GatewayStatus::from(status.clone());
    for condition in rest.all_conditions() {
        condition.message.clear();
    }
    rules.at_most(MOST_REST, rest.stored_size(), "bytes beside the messages")?;
    Ok(status)
}

/// Whether a text is there and not too long, in characters as Kubernetes counts them.
fn is_short(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count())
}

fn vet_conditions(
    rules: &Rules,
    conditions: &mut [Condition],
    first: &[&str],
) -> Result<(), Broken> {
    rules.at_most(MOST_CONDITIONS, conditions.len(), "conditions")?;
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
        make_printable(&mut condition.type_);
        vet_reason(rules, &mut condition.reason, &mut condition.message)?;
        let type_ = condition.type_.as_str();
        rules.must(is_short(type_, LONGEST_TYPE) && types.insert(type_), || {
            format!("condition {type_:?} is there twice, empty or too long")
        })?;
        rules.must(
            matches!(condition.status.as_str(), "True" | "False" | "Unknown"),
            || format!("condition {type_:?} has status {:?}", condition.status),
        )?;
    }
    Ok(())
}
