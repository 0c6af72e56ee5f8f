//! Answers of components that must not be acted on, each a change of one that may.

use ofn_contract::{
    Condition, Decision, EffectiveSpec, Entry, EntryPort, EntryTarget, GatewayStatus,
    GatewayTemplate, KeyValue, LabelQuery, Listener, ListenerStatus, ObjectName, Refusal, Route,
    ServiceQuery, Target,
};
use ofn_gateway::pass::vet;

fn name() -> ObjectName {
    ObjectName {
        namespace: "infra".to_owned(),
        name: "contour".to_owned(),
    }
}

fn listener() -> Listener {
    Listener {
        name: "web".to_owned(),
        hostname: Some("*.ofn.io".to_owned()),
        port: 80,
        protocol: "HTTP".to_owned(),
        rest: "{}".to_owned(),
    }
}

fn spec() -> EffectiveSpec {
    EffectiveSpec {
        domain: "ofn.io".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        host_template: String::new(),
        path_template: String::new(),
        http_route_label_key: String::new(),
        target: Target {
            name: name(),
            class_name: None,
        },
        listeners: vec![listener()],
    }
}

fn decision() -> Decision {
    Decision {
        listeners: vec![listener()],
        refusals: Vec::new(),
        entry: Some(Entry {
            target: EntryTarget::IpAddresses(vec!["192.0.2.1".to_owned()]),
            ports: vec![EntryPort {
                name: "web".to_owned(),
                port: 80,
                protocol: "TCP".to_owned(),
            }],
        }),
        template: GatewayTemplate {
            labels: Vec::new(),
            annotations: Vec::new(),
            infrastructure: None,
        },
    }
}

fn condition(type_: &str) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: "True".to_owned(),
        reason: "Fine".to_owned(),
        message: String::new(),
        observed_generation: None,
    }
}

fn status() -> GatewayStatus {
    GatewayStatus {
        conditions: vec![condition("Scheduled"), condition("Ready")],
        addresses: Vec::new(),
        listeners: vec![ListenerStatus {
            name: "web".to_owned(),
            attached_routes: 0,
            supported_kinds: Vec::new(),
            conditions: vec![condition("Ready")],
        }],
    }
}

/// Whether a changed decision is refused for a rule whose text has `expected` in it.
fn refused(change: impl FnOnce(&mut Decision), expected: &str) {
    let mut changed = decision();
    change(&mut changed);
    let broken = vet::decision(changed, &spec())
        .expect_err(expected)
        .to_string();
    assert!(broken.contains(expected), "{broken}");
}

fn refused_status(change: impl FnOnce(&mut GatewayStatus), expected: &str) {
    let mut changed = status();
    change(&mut changed);
    let broken = vet::status(changed, &spec())
        .expect_err(expected)
        .to_string();
    assert!(broken.contains(expected), "{broken}");
}

#[test]
fn good_answers_pass() {
    assert!(vet::spec(spec()).is_ok());
    assert!(vet::decision(decision(), &spec()).is_ok());
    assert!(vet::status(status(), &spec()).is_ok());
}

#[test]
fn a_listener_that_is_not_of_the_spec_is_refused() {
    refused(
        |decision| decision.listeners[0].name = "theirs".to_owned(),
        "listener \"theirs\" is not one of the spec",
    );
    refused(
        |decision| decision.listeners.push(listener()),
        "is there twice",
    );
}

#[test]
fn a_host_name_outside_the_domains_is_refused() {
    for hostname in ["bank.example.com", "notofn.io", "*.io", "*", "A.ofn.io"] {
        refused(
            |decision| decision.listeners[0].hostname = Some(hostname.to_owned()),
            "is not one under ofn.io or cluster.local",
        );
    }
}

#[test]
fn the_rest_of_a_listener_cannot_smuggle_in_what_is_vetted() {
    for rest in [
        r#"{"hostname":"bank.example.com"}"#,
        r#"{"port":1}"#,
        r#"{"name":"x"}"#,
        "[]",
        "{",
    ] {
        refused(
            |decision| decision.listeners[0].rest = rest.to_owned(),
            "is not a JSON object without name, hostname, port, protocol",
        );
    }
}

#[test]
fn an_entry_to_where_no_function_may_be_sent_is_refused() {
    for ip in [
        "127.0.0.1",
        "169.254.169.254",
        "::1",
        "fe80::1",
        "0.0.0.0",
        "224.0.0.1",
        "::ffff:127.0.0.1",
        "x",
    ] {
        refused(
            |decision| {
                decision.entry.as_mut().unwrap().target =
                    EntryTarget::IpAddresses(vec![ip.to_owned()]);
            },
            "is not one that a function may be sent to",
        );
    }
    refused(
        |decision| {
            decision.entry.as_mut().unwrap().target = EntryTarget::HostName("192.0.2.1".to_owned());
        },
        "is not a DNS name",
    );
}

#[test]
fn impossible_ports_are_refused() {
    refused(|decision| decision.listeners[0].port = 0, "has port 0");
    refused(
        |decision| decision.entry.as_mut().unwrap().ports.clear(),
        "the entry has no port",
    );
    refused(
        |decision| {
            let ports = &mut decision.entry.as_mut().unwrap().ports;
            ports.push(EntryPort {
                name: "other".to_owned(),
                ..ports[0].clone()
            });
        },
        "port 80/TCP is not valid or there twice",
    );
}

#[test]
fn a_refusal_must_be_of_a_listener_that_is_left_out() {
    refused(
        |decision| {
            decision.refusals.push(Refusal {
                listener: "web".to_owned(),
                reason: "No".to_owned(),
                message: String::new(),
            });
        },
        "refused listener \"web\" is there twice",
    );
}

#[test]
fn a_status_that_the_definition_does_not_take_is_refused() {
    refused_status(
        |status| status.conditions.swap(0, 1),
        "do not begin with Scheduled and Ready",
    );
    refused_status(
        |status| status.conditions[0].status = "Maybe".to_owned(),
        "has status \"Maybe\"",
    );
    refused_status(
        |status| {
            let more = (0..7).map(|number| condition(&format!("C{number}")));
            status.conditions.extend(more);
        },
        "9 conditions, not at most 8",
    );
    refused_status(
        |status| status.conditions[1].message = "\u{1b}[31m".to_owned(),
        "not printable",
    );
    refused_status(
        |status| status.listeners.clear(),
        "are not those of the spec",
    );
}

#[test]
fn questions_that_cannot_be_asked_are_refused() {
    let labels = |key: &str, value: &str| {
        ServiceQuery::ByLabels(LabelQuery {
            namespace: None,
            labels: vec![KeyValue {
                key: key.to_owned(),
                value: value.to_owned(),
            }],
        })
    };
    assert!(vet::queries(vec![labels("a.io/b", "c")]).is_ok());
    for query in [
        labels("a,b", "c"),
        labels("a", "c,d=e"),
        labels("a", &"x".repeat(64)),
        ServiceQuery::ByClusterIp("1.2.3.4,metadata.name=x".to_owned()),
        ServiceQuery::ByName(ObjectName {
            namespace: "../..".to_owned(),
            name: "x".to_owned(),
        }),
    ] {
        assert!(vet::queries(vec![query.clone()]).is_err(), "{query:?}");
    }
    assert!(vet::queries(vec![ServiceQuery::ByName(name()); 9]).is_err());
}

#[test]
fn a_route_without_a_host_name_a_path_or_a_label_is_refused() {
    let route = Route {
        hostnames: vec!["hello.default.ofn.io".to_owned()],
        path: "/default/hello".to_owned(),
        label: KeyValue {
            key: "app.kubernetes.io/managed-by".to_owned(),
            value: "default.hello".to_owned(),
        },
    };
    assert!(vet::route(route.clone()).is_ok());
    let changes: [fn(&mut Route); 5] = [
        |route| route.hostnames.clear(),
        |route| route.hostnames.push("a b".to_owned()),
        |route| route.path = "default".to_owned(),
        |route| route.path.push('\n'),
        |route| route.label.key.clear(),
    ];
    for change in changes {
        let mut odd = route.clone();
        change(&mut odd);
        assert!(vet::route(odd.clone()).is_err(), "{odd:?}");
    }
}
