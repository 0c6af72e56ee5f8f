//! Where the entry Service may point.

use std::collections::BTreeSet;

use ofn_contract::dns::{is_dns_name, is_label};
use ofn_contract::{Entry, EntryTarget};

use super::decision::Asked;
use super::terms::may_be_name_of;
use super::{Broken, Rules};

const MOST_ADDRESSES: usize = 16;
/// One for each listener: a Gateway has at most 64.
const MOST_PORTS: usize = 64;

pub(super) fn check_entry(rules: &Rules, entry: &Entry, asked: &Asked) -> Result<(), Broken> {
    let terms = asked.terms;
    match &entry.target {
        EntryTarget::Service(name) => {
            rules.must(is_label(&name.namespace) && is_label(&name.name), || {
                format!("the entry {name} is not a Service")
            })?;
            rules.must(asked.services.contains(name), || {
                format!("the entry {name} is not one of the Services that it was shown")
            })?;
            rules.must(name != asked.entry, || {
                format!("the entry {name} is itself")
            })?;
            rules.must(terms.allow_service(name), || {
                format!("the entry {name} is not a Service that a function may be sent to")
            })?;
        }
        EntryTarget::HostName(name) => {
            rules.must(is_dns_name(name), || {
                format!("the entry {name:?} is not a DNS name")
            })?;
            rules.must(!may_be_name_of(name, asked.entry), || {
                format!("the entry {name:?} is itself")
            })?;
            rules.must(
                terms.allow_host_name(name, &asked.spec.cluster_domain),
                || format!("the entry {name:?} is not a name that a function may be sent to"),
            )?;
        }
        EntryTarget::IpAddresses(ips) => {
            rules.must((1..=MOST_ADDRESSES).contains(&ips.len()), || {
                format!("{} entry addresses, not 1 to {MOST_ADDRESSES}", ips.len())
            })?;
            let mut known = BTreeSet::new();
            for ip in ips {
                rules.must(
                    ip.parse().is_ok_and(|parsed| {
                        terms.allow_address(parsed, &entry.ports) && known.insert(parsed)
                    }),
                    || {
                        format!(
                            "the entry address {ip:?} is not one that a function may be sent to, \
                             or there twice"
                        )
                    },
                )?;
            }
        }
    }
    rules.must((1..=MOST_PORTS).contains(&entry.ports.len()), || {
        format!(
            "the entry has {} ports, not 1 to {MOST_PORTS}",
            entry.ports.len()
        )
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
