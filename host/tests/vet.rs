//! Answers of components that must not be acted on, each a change of one that may.

use ofn_contract::{
    Address, Condition, Decision, EffectiveSpec, Entry, EntryPort, EntryTarget, GatewayStatus,
    GatewayTemplate, KeyValue, LabelQuery, Listener, ListenerStatus, ObjectName, Refusal, Route,
    RouteKind, ServiceQuery, Target,
};
use std::collections::BTreeSet;

use ofn_contract::Violation;
use ofn_gateway::api;
use ofn_gateway::pass::vet::{self, Asked, Broken, Terms, Wish};

fn name() -> ObjectName {
    ObjectName {
        namespace: "infra".to_owned(),
        name: "contour".to_owned(),
    }
}

/// The entry Service.
fn entry() -> ObjectName {
    ObjectName {
        namespace: "openfunction".to_owned(),
        name: "gateway".to_owned(),
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

/// What the user wrote for [`spec`].
fn written() -> api::GatewaySpec {
    api::GatewaySpec::from_effective(&spec())
}

fn vetted_spec(spec: EffectiveSpec) -> Result<EffectiveSpec, Broken> {
    vet::spec(spec, &written(), &name())
}

fn vetted_under(decision: Decision, terms: &Terms) -> Result<Wish, Broken> {
    let seen = BTreeSet::from([name(), api_server()]);
    let asked = Asked {
        spec: &spec(),
        entry: &entry(),
        services: &seen,
        terms,
    };
    vet::decision(decision, asked)
}

fn vetted(decision: Decision) -> Result<Wish, Broken> {
    vetted_under(decision, &Terms::default())
}

fn api_server() -> ObjectName {
    ObjectName {
        namespace: "default".to_owned(),
        name: "kubernetes".to_owned(),
    }
}

fn to(target: EntryTarget) -> Decision {
    let mut decision = decision();
    decision.entry.as_mut().expect("an entry").target = target;
    decision
}

fn to_ip(ip: &str) -> Decision {
    to(EntryTarget::IpAddresses(vec![ip.to_owned()]))
}

fn refused_spec(change: impl FnOnce(&mut EffectiveSpec), expected: &str) {
    let mut changed = spec();
    change(&mut changed);
    let broken = vetted_spec(changed).expect_err(expected).to_string();
    assert!(broken.contains(expected), "{broken}");
}

/// Whether a changed decision is refused for a rule whose text has `expected` in it.
fn refused(change: impl FnOnce(&mut Decision), expected: &str) {
    let mut changed = decision();
    change(&mut changed);
    let broken = vetted(changed).expect_err(expected).to_string();
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
    assert!(vetted_spec(spec()).is_ok());
    assert!(vetted(decision()).is_ok());
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
fn the_domains_and_the_gateway_are_the_users() {
    refused_spec(
        |spec| spec.domain = "example.com".to_owned(),
        "domain \"example.com\" is not \"ofn.io\", which the user wrote",
    );
    refused_spec(
        |spec| spec.cluster_domain = "cluster.example".to_owned(),
        "which the user wrote",
    );
    refused_spec(
        |spec| spec.target.name.namespace = "kube-system".to_owned(),
        "the target kube-system/contour is not the Kubernetes Gateway that the user wrote",
    );
    refused_spec(
        |spec| spec.target.class_name = Some("mine".to_owned()),
        "the target infra/contour of class \"mine\" is not",
    );
}

#[test]
fn a_cluster_domain_that_the_user_left_empty_is_the_contracts() {
    let mut written = written();
    written.cluster_domain = String::new();
    assert!(vet::spec(spec(), &written, &name()).is_ok());
    let other = EffectiveSpec {
        cluster_domain: "cluster.example".to_owned(),
        ..spec()
    };
    assert!(vet::spec(other, &written, &name()).is_err());
}

#[test]
fn a_spec_has_named_listeners_with_host_names() {
    refused_spec(|spec| spec.listeners.clear(), "0 listeners");
    refused_spec(
        |spec| spec.listeners.push(listener()),
        "two listeners are called \"web\"",
    );
    refused_spec(
        |spec| spec.listeners[0].hostname = None,
        "listener \"web\" has no host name",
    );
}

#[test]
fn listeners_that_do_not_fit_into_an_annotation_are_refused() {
    // A number is written as it is stored.
    let numbers = vec!["1E15"; 10 << 10].join(",");
    for rest in [
        format!("{{\"tls\":\"{}\"}}", "x".repeat(100 << 10)),
        format!("{{\"x\":[{numbers}]}}"),
    ] {
        refused(
            |decision| decision.listeners[0].rest = rest.clone(),
            "bytes of listeners, not at most",
        );
        refused_spec(
            |spec| spec.listeners[0].rest = rest.clone(),
            "bytes of listeners, not at most",
        );
    }
}

#[test]
fn listeners_that_the_gateway_api_refuses_are_refused() {
    refused(
        |decision| decision.listeners[0].protocol = "HT TP".to_owned(),
        "protocol \"HT TP\" of listener \"web\" is not valid",
    );
    for protocol in ["TCP", "UDP"] {
        refused(
            |decision| decision.listeners[0].protocol = protocol.to_owned(),
            "and has a host name",
        );
    }
    let mut two = spec();
    two.listeners.push(Listener {
        name: "other".to_owned(),
        ..listener()
    });
    let both = Decision {
        listeners: two.listeners.clone(),
        ..decision()
    };
    let asked = Asked {
        spec: &two,
        entry: &entry(),
        services: &BTreeSet::new(),
        terms: &Terms::default(),
    };
    let broken = vet::decision(both, asked).expect_err("one for all requests of the other");
    assert!(broken.to_string().contains("of another one"), "{broken}");
}

#[test]
fn what_is_told_of_a_broken_rule_is_short_whatever_the_answer() {
    let mut status = status();
    status.conditions[0].status = "\u{1}".repeat(400_000);
    let broken = vet::status(status, &spec()).expect_err("it is neither true nor false");
    assert!(broken.to_string().len() < 1100, "{broken}");
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
        // Where clouds serve metadata.
        "fd00:ec2::254",
        "fd00:ec2::23",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd20:ce::254",
        "fd00:c1::a9fe:a9fe",
        // The same through a translation of addresses.
        "64:ff9b::169.254.169.254",
        "64:ff9b::100.100.100.200",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::a9fe:a9fe",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "2002:a9fe:a9fe::1",
    ] {
        let broken = vetted(to_ip(ip)).expect_err(ip).to_string();
        assert!(
            broken.contains("is not one that a function may be sent to"),
            "{broken}"
        );
    }
    for name in [
        "192.0.2.1",
        "localhost",
        "a.localhost",
        "metadata.google.internal",
        "instance-data.ec2.internal",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "kubernetes.default.svc.another.domain",
        "a.kubernetes.default.svc.cluster.local",
        "169-254-169-254.default.pod.cluster.local",
        "169-254-169-254.default.pod.another.domain",
        "fd00-ec2--254.default.pod.another.domain",
        // Resolvers read them as addresses.
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "a.1",
    ] {
        assert!(
            vetted(to(EntryTarget::HostName(name.to_owned()))).is_err(),
            "{name}"
        );
    }
    for name in [
        "lb.example.com",
        "kubernetes.default.example.com",
        "1.example.com",
        "example.0xyz",
        "a.default.pod.example.com",
    ] {
        assert!(
            vetted(to(EntryTarget::HostName(name.to_owned()))).is_ok(),
            "{name}"
        );
    }
}

/// A data plane on a node of the control plane has the API server's address.
#[test]
fn an_entry_to_the_api_servers_port_is_refused_and_to_another_port_of_its_machine_is_not() {
    let under = |port: u16| Terms {
        api_server: vec![([198, 51, 100, 7], port).into()],
        ..Terms::default()
    };
    assert!(vetted_under(to_ip("198.51.100.7"), &under(80)).is_err());
    assert!(vetted_under(to_ip("198.51.100.7"), &under(6443)).is_ok());
    assert!(vetted_under(to_ip("198.51.100.8"), &under(80)).is_ok());
}

#[test]
fn addresses_that_a_flag_allows_pass_where_kubernetes_takes_them() {
    let terms = Terms {
        addresses: vec!["100.100.0.0/16".parse().expect("a network")],
        ..Terms::default()
    };
    assert!(vetted_under(to_ip("100.100.100.200"), &terms).is_ok());
    assert!(vetted_under(to_ip("168.63.129.16"), &terms).is_err());
    let terms = Terms {
        addresses: vec!["127.0.0.0/8".parse().expect("a network")],
        ..Terms::default()
    };
    assert!(vetted_under(to_ip("127.0.0.1"), &terms).is_err());
}

#[test]
fn an_entry_to_a_service_is_one_that_was_shown_and_never_the_api_server() {
    assert!(vetted(to(EntryTarget::Service(name()))).is_ok());
    let unseen = ObjectName {
        namespace: "infra".to_owned(),
        name: "other".to_owned(),
    };
    let broken = vetted(to(EntryTarget::Service(unseen))).expect_err("not shown");
    assert!(broken.to_string().contains("that it was shown"), "{broken}");
    assert!(vetted(to(EntryTarget::Service(api_server()))).is_err());
}

#[test]
fn services_are_asked_for_and_used_in_the_allowed_namespaces_only() {
    let terms = |namespace: &str| Terms {
        namespaces: vec![namespace.to_owned()],
        ..Terms::default()
    };
    let everywhere = ServiceQuery::ByClusterIp("10.0.0.1".to_owned());
    let queries = || vec![ServiceQuery::ByName(name()), everywhere.clone()];
    let asked = |namespace| vet::queries(queries(), &terms(namespace)).expect("good queries");
    assert_eq!(asked("infra"), queries());
    // As if no Service were there: an honest component looks where its vendor's chart puts one.
    assert_eq!(asked("other"), std::slice::from_ref(&everywhere));
    let entry = || to(EntryTarget::Service(name()));
    assert!(vetted_under(entry(), &terms("infra")).is_ok());
    assert!(vetted_under(entry(), &terms("other")).is_err());
}

#[test]
fn the_name_of_a_service_leads_into_the_allowed_namespaces_only() {
    let terms = Terms {
        namespaces: vec!["infra".to_owned()],
        ..Terms::default()
    };
    let to = |name: &str| vetted_under(to(EntryTarget::HostName(name.to_owned())), &terms);
    for name in [
        "x.other",
        "x.other.svc",
        "x.other.svc.cluster.local",
        "a.x.other.svc.another.domain",
    ] {
        assert!(to(name).is_err(), "{name}");
    }
    for name in ["envoy.infra.svc.cluster.local", "lb.example.com"] {
        assert!(to(name).is_ok(), "{name}");
    }
}

#[test]
fn a_component_does_not_widen_what_a_listener_allows() {
    let users = r#"{"allowedRoutes":{"namespaces":{"from":"Same"}},"tls":{"mode":"Terminate"}}"#;
    let closed = r#"{"allowedRoutes":{"kinds":[{"kind":"HTTPRoute"}],"namespaces":{"from":"Same"}},"tls":{"mode":"Terminate"}}"#;
    let others = [
        "{}",
        r#"{"allowedRoutes":{"namespaces":{"from":"All"}},"tls":{"mode":"Terminate"}}"#,
        r#"{"allowedRoutes":{"namespaces":{"from":"Same"}},"tls":{"mode":"Passthrough"}}"#,
        r#"{"allowedRoutes":{"namespaces":{"from":"Same"}},"tls":{"mode":"Terminate","options":{"a":"b"}}}"#,
        r#"{"allowedRoutes":{"namespaces":{"from":"Same","selector":{}}},"tls":{"mode":"Terminate"}}"#,
    ];
    let mut spec = spec();
    spec.listeners[0].rest = users.to_owned();
    let decided = |rest: &str| {
        let mut decision = decision();
        decision.listeners[0].rest = rest.to_owned();
        let asked = Asked {
            spec: &spec,
            entry: &entry(),
            services: &BTreeSet::new(),
            terms: &Terms::default(),
        };
        vet::decision(decision, asked).is_ok()
    };
    let written = api::GatewaySpec::from_effective(&spec);
    let defaulted = |listener: &str, rest: &str| {
        let mut written = written.clone();
        listener.clone_into(&mut written.gateway_spec.listeners[0].name);
        let mut answer = spec.clone();
        listener.clone_into(&mut answer.listeners[0].name);
        answer.listeners[0].rest = rest.to_owned();
        vet::spec(answer, &written, &name()).is_ok()
    };
    for rest in [users, closed] {
        assert!(decided(rest) && defaulted("web", rest), "{rest}");
    }
    for rest in others {
        assert!(!decided(rest) && !defaulted("web", rest), "{rest}");
    }
    // Which is not the user's.
    assert!(defaulted("ofn-http-internal", others[1]));
}

#[test]
fn a_template_that_the_api_server_refuses_is_refused() {
    let pair = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    refused(
        |decision| decision.template.labels.push(pair("a", "b c")),
        "\"a\" is not a label",
    );
    refused(
        |decision| decision.template.annotations.push(pair("a b", "")),
        "\"a b\" is not an annotation",
    );
    refused(
        |decision| {
            let much = "x".repeat(70 << 10);
            decision.template.annotations.push(pair("a", &much));
        },
        "bytes of annotations",
    );
    for infrastructure in [
        "[]",
        "{\"labels\":{\"a\":\"b c\"}}",
        "{\"parametersRef\":{\"group\":\"\",\"kind\":\"\",\"name\":\"x\"}}",
    ] {
        refused(
            |decision| decision.template.infrastructure = Some(infrastructure.to_owned()),
            "infrastructure is not",
        );
    }
}

#[test]
fn violations_are_there_made_printable_and_fit_into_a_status() {
    let violation = |message: &str| Violation {
        field: "spec.domain".to_owned(),
        reason: "FieldValueInvalid".to_owned(),
        message: message.to_owned(),
    };
    assert!(vet::violations("default", Vec::new()).is_err());
    let shown = vet::violations("default", vec![violation("\u{1b}[2J\u{202e}gpj")]);
    assert_eq!(shown, Ok(vec![violation(" [2J gpj")]));
    let long = "ä".repeat(5000);
    let cut = vet::violations("default", vec![violation(&long); 500]).expect("cut");
    assert_eq!(cut.len(), 64);
    assert!(cut[0].message.len() <= 1024 && cut[0].message.ends_with('…'));
}

#[test]
fn impossible_ports_are_refused() {
    refused(|decision| decision.listeners[0].port = 0, "has port 0");
    refused(
        |decision| decision.entry.as_mut().unwrap().ports.clear(),
        "the entry has 0 ports",
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
fn a_refusal_has_a_reason_that_an_event_takes() {
    let refusal = |length: usize| Decision {
        listeners: Vec::new(),
        refusals: vec![Refusal {
            listener: "web".to_owned(),
            reason: "x".repeat(length),
            message: String::new(),
        }],
        ..decision()
    };
    for (length, passes) in [(0, false), (1, true), (128, true), (129, false)] {
        assert_eq!(vetted(refusal(length)).is_ok(), passes, "{length}");
    }
}

#[test]
fn a_status_that_is_too_large_as_json_is_refused() {
    // Six bytes each.
    let large = |count| {
        let more = |index| Condition {
            reason: "<".repeat(1024),
            ..condition(&format!("More-{index}"))
        };
        let mut status = status();
        let name = |index| format!("web-{index}");
        let mut spec = spec();
        spec.listeners = (0..count)
            .map(|index| Listener {
                name: name(index),
                ..listener()
            })
            .collect();
        let mut of_listener = status.listeners.remove(0);
        of_listener.conditions.extend((0..7).map(more));
        status.listeners = (0..count)
            .map(|index| ListenerStatus {
                name: name(index),
                ..of_listener.clone()
            })
            .collect();
        vet::status(status, &spec)
    };
    assert!(large(8).is_ok());
    let broken = large(64).expect_err("2.7 MB").to_string();
    assert!(broken.contains("bytes beside the messages"), "{broken}");
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
        |status| {
            let long = || Condition {
                message: "x".repeat(32_000),
                ..condition("Long")
            };
            let more = (0..6).map(|number| Condition {
                type_: format!("C{number}"),
                ..long()
            });
            status.conditions.extend(more);
            let more = (0..6).map(|number| Condition {
                type_: format!("C{number}"),
                ..long()
            });
            status.listeners[0].conditions.extend(more);
        },
        "bytes of messages",
    );
    refused_status(
        |status| status.listeners.clear(),
        "are not those of the spec",
    );
}

#[test]
fn what_a_vendor_may_have_written_is_made_printable() {
    let with = |kind: &str, address: &str| {
        let mut status = status();
        status.listeners[0].supported_kinds.push(RouteKind {
            group: String::new(),
            kind: kind.to_owned(),
        });
        status.addresses.push(Address {
            type_: "example.com/name".to_owned(),
            value: address.to_owned(),
        });
        status
    };
    let mut written = with("HTTP\u{2060}Route", "a\u{200d}b");
    written.conditions[1].reason = "a\u{200b}b\n".to_owned();
    written.conditions[1].message = "\u{1b}[31m\n\ta\u{202e}b".to_owned();
    written.conditions.push(condition("More\u{feff}"));
    written.listeners[0].conditions[0].message = "\u{7}".to_owned();
    let mut shown = with("HTTP Route", "a b");
    shown.conditions[1].reason = "a b ".to_owned();
    shown.conditions[1].message = " [31m\n\ta b".to_owned();
    shown.conditions.push(condition("More "));
    shown.listeners[0].conditions[0].message = " ".to_owned();
    assert_eq!(vet::status(written, &spec()), Ok(shown));
}

#[test]
fn what_is_said_of_a_refused_listener_is_made_printable() {
    let decision = Decision {
        listeners: Vec::new(),
        refusals: vec![Refusal {
            listener: "web".to_owned(),
            reason: "No\u{200b}".to_owned(),
            message: "\u{1b}[2J".to_owned(),
        }],
        ..decision()
    };
    let refusals = vetted(decision).expect("a decision").refusals;
    assert_eq!(refusals[0].reason, "No ");
    assert_eq!(refusals[0].message, " [2J");
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
    assert!(vet::queries(vec![labels("a.io/b", "c")], &Terms::default()).is_ok());
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
        assert!(
            vet::queries(vec![query.clone()], &Terms::default()).is_err(),
            "{query:?}"
        );
    }
    let by_name = |number| vec![ServiceQuery::ByName(name()); number];
    assert!(vet::queries(by_name(24), &Terms::default()).is_ok());
    assert!(vet::queries(by_name(25), &Terms::default()).is_err());
}

#[test]
fn a_route_that_a_function_cannot_have_is_refused() {
    let function = ObjectName {
        namespace: "default".to_owned(),
        name: "hello".to_owned(),
    };
    let route = Route {
        hostnames: vec![
            "hello.default.ofn.io".to_owned(),
            "hello.default.svc.cluster.local".to_owned(),
        ],
        path: "/default/hello".to_owned(),
        label: KeyValue {
            key: "app.kubernetes.io/managed-by".to_owned(),
            value: "default.hello".to_owned(),
        },
    };
    let vet = |route: Route| vet::route(route, &spec(), &function);
    assert!(vet(route.clone()).is_ok());
    let changes: [fn(&mut Route); 9] = [
        |route| route.hostnames.clear(),
        |route| route.hostnames.push("a b".to_owned()),
        |route| route.hostnames.truncate(1),
        |route| route.path = "default".to_owned(),
        |route| route.path.push('\n'),
        |route| route.path.push('\u{202e}'),
        |route| route.path.push_str("/../other"),
        |route| route.label.key.clear(),
        |route| route.label.value = "default.other".to_owned(),
    ];
    for change in changes {
        let mut odd = route.clone();
        change(&mut odd);
        assert!(vet(odd.clone()).is_err(), "{odd:?}");
    }
}

#[test]
fn an_entry_does_not_lead_to_itself() {
    let to = |target: EntryTarget| {
        let mut decision = decision();
        decision.entry.as_mut().expect("an entry").target = target;
        decision
    };
    let seen = BTreeSet::from([entry()]);
    let itself = vet::decision(
        to(EntryTarget::Service(entry())),
        Asked {
            spec: &spec(),
            entry: &entry(),
            services: &seen,
            terms: &Terms::default(),
        },
    );
    let broken = itself.expect_err("it would never end");
    assert!(broken.to_string().contains("is itself"), "{broken}");
    for name in [
        "gateway.openfunction",
        "gateway.openfunction.svc",
        "gateway.openfunction.svc.cluster.local",
        "gateway.openfunction.svc.example.com",
    ] {
        let broken = vetted(to(EntryTarget::HostName(name.to_owned())));
        let broken = broken.expect_err(name).to_string();
        assert!(broken.contains("is itself"), "{broken}");
    }
    for name in [
        "gateway.openfunction.example.com",
        "gateway.openfunctions.svc",
    ] {
        assert!(
            vetted(to(EntryTarget::HostName(name.to_owned()))).is_ok(),
            "{name}"
        );
    }
}

#[test]
fn what_is_told_of_a_broken_rule_shows_in_a_terminal() {
    let odd = "a\u{1b}[2J\u{202e}b";
    let to = |change: fn(&mut Entry)| {
        let mut decision = decision();
        change(decision.entry.as_mut().expect("an entry"));
        vetted(decision).expect_err("it is odd")
    };
    let service: fn(&mut Entry) = |entry| {
        entry.target = EntryTarget::Service(ObjectName {
            namespace: "a\u{1b}[2J\u{202e}b".to_owned(),
            name: "a".to_owned(),
        });
    };
    let protocol: fn(&mut Entry) =
        |entry| entry.ports[0].protocol = "a\u{1b}[2J\u{202e}b".to_owned();
    let mut spec = spec();
    spec.target.name.name = odd.to_owned();
    let broken = [
        to(service),
        to(protocol),
        vetted_spec(spec).expect_err("it is another Gateway"),
    ];
    for broken in broken {
        let told = broken.to_string();
        let is_odd = |char: char| char.is_control() || char == '\u{202e}';
        assert!(!told.contains(is_odd), "{told:?}");
    }
}

#[test]
fn the_templates_are_the_users_or_short() {
    let written = |host: &str| api::GatewaySpec {
        host_template: host.to_owned(),
        ..written()
    };
    let answer = |host: &str| EffectiveSpec {
        host_template: host.to_owned(),
        ..spec()
    };
    let is_fine = |answered: &str, by_user: &str| {
        vet::spec(answer(answered), &written(by_user), &name()).is_ok()
    };
    assert!(is_fine("{{.Name}}", "{{.Name}}"));
    assert!(!is_fine("{{.Name}}", "{{.Namespace}}"));
    assert!(is_fine("{{.Name}}", ""));
    assert!(is_fine(&"x".repeat(1024), ""));
    assert!(!is_fine(&"x".repeat(1025), ""));
    assert!(!is_fine("\u{1b}[2J", ""));
}

#[test]
fn each_question_for_services_is_asked_once_and_has_few_labels() {
    let terms = Terms::default();
    let query = |labels: u8| {
        let label = |number| KeyValue {
            key: format!("key-{number}"),
            value: String::new(),
        };
        ServiceQuery::ByLabels(LabelQuery {
            namespace: None,
            labels: (0..labels).map(label).collect(),
        })
    };
    let asked = vet::queries(vec![query(8); 24], &terms).expect("it may be asked");
    assert_eq!(asked, [query(8)]);
    assert!(vet::queries(vec![query(9)], &terms).is_err());
}
