//! Each limit of the vetting: what is just within it passes, and is accepted by the API server; what
//! is just beyond does not, and where Kubernetes has the limit too the API server refuses it.

use anyhow::{Context, Result, ensure};
use ofn_contract::{
    Decision, EffectiveSpec, Entry, EntryPort, EntryTarget, GatewayStatus, GatewayTemplate,
    KeyValue, Listener, RouteKind,
};
use ofn_gateway::pass::vet::{self, Wish};
use ofn_policy::status::aggregate;
use ofn_tests::implementation::{self, dns_name};
use serde_json::json;

use crate::stage::Stage;

/// A limit of a spec and the decision for it.
struct OfDecision {
    what: &'static str,
    most: usize,
    /// Makes it so large.
    set: fn(&mut EffectiveSpec, &mut Decision, usize),
    /// Whether the API server has it too.
    is_kubernetes: bool,
}

/// A limit of a status.
struct OfStatus {
    what: &'static str,
    most: usize,
    set: fn(&mut GatewayStatus, usize),
    is_kubernetes: bool,
}

/// A host name of so many characters under `ofn.io`.
fn hostname(length: usize) -> String {
    dns_name(length - ".ofn.io".len()) + ".ofn.io"
}

fn text(length: usize) -> String {
    "x".repeat(length)
}

/// So many bytes of messages, of one character alone.
fn messages(status: &mut GatewayStatus, of: &str, bytes: usize) {
    let mut left = bytes;
    for index in 0..12 {
        let mut more = status.conditions[1].clone();
        more.type_ = format!("More-{index}");
        more.message = of.repeat(left.min(32768));
        left -= more.message.len();
        status.listeners[index / 4].conditions.push(more);
    }
}

fn pairs(number: usize, value: &str) -> serde_json::Value {
    let pair = |number| (format!("key-{number}"), value.into());
    serde_json::Value::Object((0..number).map(pair).collect())
}

fn label(key: String, value: String) -> Vec<KeyValue> {
    vec![KeyValue { key, value }]
}

fn infrastructure(decision: &mut Decision, value: &serde_json::Value) {
    decision.template.infrastructure = Some(value.to_string());
}

fn parameters(decision: &mut Decision, field: &str, value: String) {
    let mut parameters = json!({"group": "example.com", "kind": "Proxy", "name": "p"});
    parameters[field] = value.into();
    infrastructure(decision, &json!({"parametersRef": parameters}));
}

fn entry(decision: &mut Decision) -> &mut Entry {
    decision.entry.get_or_insert_with(|| Entry {
        target: EntryTarget::IpAddresses(vec!["192.0.2.1".to_owned()]),
        ports: vec![EntryPort {
            name: "web".to_owned(),
            port: 80,
            protocol: "TCP".to_owned(),
        }],
    })
}

const OF_DECISIONS: [OfDecision; 18] = [
    OfDecision {
        what: "listeners",
        most: 64,
        set: |spec, decision, number| {
            let numbers = 0..u16::try_from(number).unwrap_or_default();
            let listener = |index| Listener {
                name: format!("listener-{index}"),
                port: 8000 + index,
                ..decision.listeners[0].clone()
            };
            spec.listeners = numbers.map(listener).collect();
            decision.listeners.clone_from(&spec.listeners);
        },
        is_kubernetes: true,
    },
    OfDecision {
        what: "characters of a listener's name",
        most: 253,
        set: |spec, decision, length| {
            spec.listeners[0].name = dns_name(length);
            decision.listeners[0].name = dns_name(length);
        },
        is_kubernetes: true,
    },
    OfDecision {
        what: "characters of a host name",
        most: 253,
        set: |spec, decision, length| {
            spec.listeners[0].hostname = Some(hostname(length));
            decision.listeners[0].hostname = Some(hostname(length));
        },
        is_kubernetes: true,
    },
    OfDecision {
        what: "characters of a protocol",
        most: 255,
        set: |_, decision, length| {
            decision.listeners[0].protocol = format!("a/{}", text(length - 2));
        },
        is_kubernetes: true,
    },
    OfDecision {
        what: "characters of the name of a label",
        most: 63,
        set: |_, decision, length| {
            decision.template.labels = label(dns_name(253) + "/" + &text(length), String::new());
        },
        is_kubernetes: true,
    },
    OfDecision {
        what: "characters of the prefix of a label",
        most: 253,
        set: |_, decision, length| {
            decision.template.labels = label(dns_name(length) + "/a", String::new());
        },
        is_kubernetes: true,
    },
    OfDecision {
        what: "characters of a label's value",
        most: 63,
        set: |_, decision, length| decision.template.labels = label("a".to_owned(), text(length)),
        is_kubernetes: true,
    },
    OfDecision {
        what: "bytes of annotations",
        most: 64 << 10,
        set: |_, decision, length| {
            decision.template.annotations = label("a".to_owned(), text(length - 1));
        },
        is_kubernetes: false,
    },
    OfDecision {
        what: "labels of the infrastructure",
        most: 8,
        set: |_, decision, number| infrastructure(decision, &json!({"labels": pairs(number, "")})),
        is_kubernetes: true,
    },
    OfDecision {
        what: "annotations of the infrastructure",
        most: 8,
        set: |_, decision, number| {
            infrastructure(decision, &json!({"annotations": pairs(number, "any text")}));
        },
        is_kubernetes: true,
    },
    OfDecision {
        what: "characters of an annotation of the infrastructure",
        most: 4096,
        set: |_, decision, length| {
            infrastructure(decision, &json!({"annotations": pairs(1, &text(length))}));
        },
        is_kubernetes: true,
    },
    OfDecision {
        what: "characters of the kind of parameters",
        most: 63,
        set: |_, decision, length| parameters(decision, "kind", text(length)),
        is_kubernetes: true,
    },
    OfDecision {
        what: "characters of the name of parameters",
        most: 253,
        set: |_, decision, length| parameters(decision, "name", text(length)),
        is_kubernetes: true,
    },
    OfDecision {
        what: "characters of the group of parameters",
        most: 253,
        set: |_, decision, length| parameters(decision, "group", dns_name(length)),
        is_kubernetes: true,
    },
    OfDecision {
        what: "addresses of the entry",
        most: 16,
        set: |_, decision, number| {
            let address = |index| format!("192.0.2.{index}");
            let addresses = (1..=number).map(address).collect();
            entry(decision).target = EntryTarget::IpAddresses(addresses);
        },
        is_kubernetes: false,
    },
    OfDecision {
        what: "characters of the entry's host name",
        most: 253,
        set: |_, decision, length| entry(decision).target = EntryTarget::HostName(dns_name(length)),
        is_kubernetes: true,
    },
    OfDecision {
        what: "ports of the entry",
        most: 64,
        set: |_, decision, number| {
            let numbers = 1..=u16::try_from(number).unwrap_or_default();
            let port = |port| EntryPort {
                name: format!("port-{port}"),
                port,
                protocol: "TCP".to_owned(),
            };
            entry(decision).ports = numbers.map(port).collect();
        },
        is_kubernetes: false,
    },
    OfDecision {
        what: "characters of the name of an entry's port",
        most: 63,
        set: |_, decision, length| entry(decision).ports[0].name = text(length),
        is_kubernetes: true,
    },
];

const OF_STATUSES: [OfStatus; 12] = [
    OfStatus {
        what: "conditions",
        most: 8,
        set: |status, number| {
            let mut more = status.conditions[1].clone();
            for index in status.conditions.len()..number {
                more.type_ = format!("More-{index}");
                status.conditions.push(more.clone());
            }
        },
        is_kubernetes: true,
    },
    OfStatus {
        what: "characters of the type of a condition",
        most: 316,
        set: |status, length| {
            let mut more = status.conditions[1].clone();
            more.type_ = text(length);
            status.conditions.push(more);
        },
        is_kubernetes: false,
    },
    OfStatus {
        what: "characters of a reason",
        most: 1024,
        set: |status, length| status.conditions[0].reason = text(length),
        is_kubernetes: false,
    },
    OfStatus {
        what: "characters of a message",
        most: 32768,
        set: |status, length| status.conditions[0].message = text(length),
        is_kubernetes: false,
    },
    OfStatus {
        what: "bytes of all messages",
        most: 256 << 10,
        set: |status, length| messages(status, "x", length),
        is_kubernetes: false,
    },
    OfStatus {
        what: "bytes of all messages, each six where it is stored",
        most: 256 << 10,
        set: |status, length| messages(status, "<", length),
        is_kubernetes: false,
    },
    OfStatus {
        what: "addresses",
        most: 16,
        set: |status, number| {
            let address = status.addresses[0].clone();
            status.addresses = vec![address; number];
        },
        is_kubernetes: true,
    },
    OfStatus {
        what: "characters of an address",
        most: 253,
        set: |status, length| status.addresses[0].value = text(length),
        is_kubernetes: true,
    },
    OfStatus {
        what: "characters of the type of an address",
        most: 253,
        set: |status, length| status.addresses[0].type_ = text(length),
        is_kubernetes: false,
    },
    OfStatus {
        what: "kinds of a listener",
        most: 8,
        set: |status, number| {
            let kind = status.listeners[0].supported_kinds[0].clone();
            status.listeners[0].supported_kinds = vec![kind; number];
        },
        is_kubernetes: true,
    },
    OfStatus {
        what: "characters of a kind",
        most: 63,
        set: |status, length| status.listeners[0].supported_kinds[0].kind = text(length),
        is_kubernetes: true,
    },
    OfStatus {
        what: "characters of the group of a kind",
        most: 253,
        set: |status, length| status.listeners[0].supported_kinds[0].group = text(length),
        is_kubernetes: true,
    },
];

/// What a decision becomes without the vetting.
fn unvetted(spec: &EffectiveSpec, decision: Decision) -> Wish {
    let Decision {
        listeners,
        refusals,
        entry,
        template,
    } = decision;
    Wish {
        spec: spec.clone(),
        listeners,
        refusals,
        entry,
        template,
    }
}

pub fn of_decisions_are_those_of_kubernetes(stage: &mut Stage) -> Result<()> {
    let good = Decision {
        listeners: stage.spec.listeners[..2].to_vec(),
        refusals: Vec::new(),
        entry: None,
        template: GatewayTemplate {
            labels: Vec::new(),
            annotations: Vec::new(),
            infrastructure: None,
        },
    };
    let spec = stage.spec.clone();
    for OfDecision {
        what,
        most,
        set,
        is_kubernetes,
    } in OF_DECISIONS
    {
        let mut of = |number: usize| {
            stage.spec.clone_from(&spec);
            let mut decision = good.clone();
            set(&mut stage.spec, &mut decision, number);
            let passed = stage
                .vetted_spec(&stage.spec)
                .and_then(|_| stage.vetted(decision.clone()));
            let wish = unvetted(&stage.spec, decision);
            (passed, stage.carried_out(wish))
        };
        let (passed, carried_out) = of(most);
        ensure!(passed.is_some(), "{most} {what} are refused");
        let (outcome, _) = carried_out.with_context(|| format!("{most} {what}"))?;
        ensure!(
            outcome.problems.is_empty(),
            "{most} {what}: {:?}",
            outcome.problems
        );
        let (passed, carried_out) = of(most + 1);
        ensure!(passed.is_none(), "{} {what} pass", most + 1);
        if is_kubernetes {
            let is_refused = match carried_out {
                Ok((outcome, _)) => !outcome.problems.is_empty(),
                // The OpenFunction Gateway is refused already.
                Err(error) => format!("{error:#}").contains("is invalid"),
            };
            ensure!(is_refused, "the API server takes {} {what}", most + 1);
        }
    }
    stage.spec = spec;
    Ok(())
}

pub fn of_statuses_are_those_of_the_definition(stage: &Stage) -> Result<()> {
    let condition = |type_: &str| ofn_contract::Condition {
        type_: type_.to_owned(),
        status: "True".to_owned(),
        reason: "Fine".to_owned(),
        message: String::new(),
        observed_generation: None,
    };
    let listener = |listener: &Listener| ofn_contract::ListenerStatus {
        name: listener.name.clone(),
        attached_routes: 0,
        supported_kinds: vec![RouteKind {
            group: String::new(),
            kind: "HTTPRoute".to_owned(),
        }],
        conditions: vec![condition("Ready")],
    };
    let good = GatewayStatus {
        conditions: vec![condition("Scheduled"), condition("Ready")],
        addresses: vec![ofn_contract::Address {
            type_: "IPAddress".to_owned(),
            value: "192.0.2.1".to_owned(),
        }],
        listeners: stage.spec.listeners.iter().map(listener).collect(),
    };
    for OfStatus {
        what,
        most,
        set,
        is_kubernetes,
    } in OF_STATUSES
    {
        let of = |number: usize| {
            let mut status = good.clone();
            set(&mut status, number);
            (
                vet::status(status.clone(), &stage.spec),
                stage.written(status),
            )
        };
        let (passed, written) = of(most);
        passed.with_context(|| format!("{most} {what}"))?;
        written.with_context(|| format!("{most} {what}"))?;
        let (passed, written) = of(most + 1);
        ensure!(passed.is_err(), "{} {what} pass", most + 1);
        if is_kubernetes {
            ensure!(written.is_err(), "the API server takes {} {what}", most + 1);
        }
    }
    Ok(())
}

/// As much as the definition of the Gateway API lets an implementation say of 64 listeners.
pub fn are_wide_enough_for_what_an_implementation_may_say(stage: &Stage) -> Result<()> {
    let listeners = (0..64).map(|number| Listener {
        name: format!("{number:02}{}", dns_name(251)),
        port: 8000 + number,
        ..stage.spec.listeners[0].clone()
    });
    let spec = EffectiveSpec {
        listeners: listeners.collect(),
        ..stage.spec.clone()
    };
    let gateway = implementation::all_it_may_say(&spec.listeners);
    let status = aggregate(&spec, Some(&gateway), true);
    let conditions = status.listeners.iter().map(|one| one.conditions.len());
    ensure!(conditions.min() == Some(8));
    stage.written(vet::status(status, &spec)?)
}
