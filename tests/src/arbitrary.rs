//! Answers of components, good and bad, for property tests and fuzzing. Most are near one that is
//! good: what is wild throughout is refused at its first field.

use ofn_contract::{
    Address, Condition, Decision, Description, EffectiveSpec, Entry, EntryPort, EntryTarget,
    GatewayStatus, GatewayTemplate, KeyValue, LabelQuery, Listener, ListenerStatus, ObjectName,
    Refusal, Route, RouteKind, ServiceQuery, Setting, Target, Violation,
};
use ofn_gateway::conformance::inputs::{mostly, odd_text};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// How many cases a property is tried with: what `PROPTEST_CASES` says, else this many.
pub fn cases(default: u32) -> u32 {
    let cases = std::env::var("PROPTEST_CASES").ok();
    cases
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(default)
}

/// The spec that the answers are for: listeners of each kind, and a Gateway that is to be made.
pub fn spec(namespace: &str) -> EffectiveSpec {
    let listener = |name: &str, hostname: &str, port, protocol: &str| Listener {
        name: name.to_owned(),
        hostname: Some(hostname.to_owned()),
        port,
        protocol: protocol.to_owned(),
        rest: PLAIN[0].to_owned(),
    };
    EffectiveSpec {
        domain: "ofn.io".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        host_template: "{{.Name}}.{{.Namespace}}.{{.Domain}}".to_owned(),
        path_template: "{{.Namespace}}/{{.Name}}".to_owned(),
        http_route_label_key: "app.kubernetes.io/managed-by".to_owned(),
        target: Target {
            name: ObjectName {
                namespace: namespace.to_owned(),
                name: "made".to_owned(),
            },
            class_name: Some("any".to_owned()),
        },
        listeners: vec![
            listener("web", "*.ofn.io", 80, "HTTP"),
            listener("inside", "*.cluster.local", 80, "HTTP"),
            listener("plain", "*.ofn.io", 9000, "TCP"),
        ],
    }
}

/// A Service that a component was shown.
pub fn service() -> ObjectName {
    ObjectName {
        namespace: "infra".to_owned(),
        name: "envoy".to_owned(),
    }
}

/// The entry Service.
pub fn entry() -> ObjectName {
    ObjectName {
        namespace: "ofn".to_owned(),
        name: "gateway".to_owned(),
    }
}

fn pair() -> impl Strategy<Value = KeyValue> {
    let key = mostly(vec!["a", "example.com/b", "C_d.e"]);
    (key, mostly(vec!["", "x", "a-b.c"])).prop_map(|(key, value)| KeyValue { key, value })
}

fn pairs() -> impl Strategy<Value = Vec<KeyValue>> {
    prop_oneof![4 => vec(pair(), 0..1), 1 => vec(pair(), 0..12)]
}

/// The rest of a listener of [`spec`], and one with more, in which there is nothing that only the API server
/// can judge.
pub const PLAIN: [&str; 2] = [
    r#"{"allowedRoutes":{"namespaces":{"from":"All"}}}"#,
    r#"{"allowedRoutes":{"kinds":[{"kind":"HTTPRoute"}],"namespaces":{"from":"All"}}}"#,
];

prop_compose! {
    fn listener()(
        name in mostly(vec!["web", "inside", "plain"]),
        hostname in option::weighted(0.7, mostly(vec![
            "*.ofn.io", "a.ofn.io", "*.b.ofn.io", "*.cluster.local", "ofn.io", "example.com",
        ])),
        port in prop_oneof![8 => select(vec![80, 443, 9000, 65535]), 1 => any::<u16>()],
        protocol in mostly(vec!["HTTP", "HTTP", "TCP", "UDP", "HTTPS", "example.com/own"]),
        rest in prop_oneof![8 => select(PLAIN.to_vec()), 1 => select(vec![
            r#"{"allowedRoutes":{"namespaces":{"from":"All"}},"tls":{"mode":"Passthrough"}}"#,
            r#"{"allowedRoutes":{"namespaces":{"from":"Same"}}}"#,
            r#"{"allowedRoutes":{"namespaces":{"from":"All"},"kinds":[{"kind":"9"}]}}"#,
            r#"{"allowedRoutes":{"namespaces":{"from":"All"},"kinds":7}}"#,
            r#"{"allowedRoutes":{"namespaces":{"from":"All"}},"name":"other"}"#,
            "[]",
            "",
        ])],
    ) -> Listener {
        Listener { name, hostname, port, protocol, rest: rest.to_owned() }
    }
}

fn target() -> impl Strategy<Value = EntryTarget> {
    let service = (mostly(vec!["infra"]), mostly(vec!["envoy"]));
    let ip = mostly(vec![
        "192.0.2.1",
        "198.51.100.255",
        "2001:db8::1",
        "10.0.0.77",
        "::ffff:192.0.2.1",
        "255.255.255.255",
        "64:ff9b::1",
        "fc00::1",
        // Not for functions.
        "169.254.169.254",
        "fd00:ec2::23",
    ]);
    prop_oneof![
        service.prop_map(|(namespace, name)| EntryTarget::Service(ObjectName { namespace, name })),
        mostly(vec![
            "lb.example.com",
            "a.b",
            "a1.cluster.local",
            "gateway.ofn.svc"
        ])
        .prop_map(EntryTarget::HostName),
        vec(ip, 0..4).prop_map(EntryTarget::IpAddresses),
    ]
}

fn port() -> impl Strategy<Value = EntryPort> {
    let number = prop_oneof![8 => select(vec![80, 443, 9000]), 1 => any::<u16>()];
    (
        mostly(vec!["web", "tcp-9000", "a", "0"]),
        number,
        mostly(vec!["TCP", "UDP"]),
    )
        .prop_map(|(name, port, protocol)| EntryPort {
            name,
            port,
            protocol,
        })
}

prop_compose! {
    /// Answers of `default` for [`spec`] of namespace `infra`.
    pub fn effective()(
        domain in mostly(vec!["ofn.io"]),
        cluster_domain in mostly(vec!["cluster.local"]),
        host_template in mostly(vec!["{{.Name}}.{{.Namespace}}.{{.Domain}}"]),
        path_template in mostly(vec!["{{.Namespace}}/{{.Name}}"]),
        http_route_label_key in mostly(vec!["app.kubernetes.io/managed-by"]),
        target in (mostly(vec!["infra"]), mostly(vec!["made"])),
        class_name in option::weighted(0.97, mostly(vec!["any"])),
        listeners in vec(listener(), 0..4),
    ) -> EffectiveSpec {
        EffectiveSpec {
            domain,
            cluster_domain,
            host_template,
            path_template,
            http_route_label_key,
            target: Target {
                name: ObjectName { namespace: target.0, name: target.1 },
                class_name,
            },
            listeners,
        }
    }
}

/// The function that [`route`] is for.
pub fn function() -> ObjectName {
    ObjectName {
        namespace: "default".to_owned(),
        name: "hello".to_owned(),
    }
}

/// The route of [`function`] for [`spec`].
pub fn good_route() -> Route {
    Route {
        hostnames: vec!["hello.default.svc.cluster.local".to_owned()],
        path: "/default/hello".to_owned(),
        label: KeyValue {
            key: "app.kubernetes.io/managed-by".to_owned(),
            value: "default.hello".to_owned(),
        },
    }
}

prop_compose! {
    /// Answers of `route-of` for [`spec`] and [`function`].
    pub fn route()(
        hostnames in vec(mostly(vec!["hello.ofn.io", "hello.default.svc.cluster.local"]), 0..4),
        path in mostly(vec!["/", "/default/hello"]),
        key in mostly(vec!["app.kubernetes.io/managed-by"]),
        value in mostly(vec!["default.hello"]),
    ) -> Route {
        Route { hostnames, path, label: KeyValue { key, value } }
    }
}

fn query() -> impl Strategy<Value = ServiceQuery> {
    let namespace = || mostly(vec!["infra", "ofn"]);
    prop_oneof![
        (namespace(), mostly(vec!["envoy"]))
            .prop_map(|(namespace, name)| ServiceQuery::ByName(ObjectName { namespace, name })),
        (option::of(namespace()), vec(pair(), 1..3)).prop_map(|(namespace, labels)| {
            ServiceQuery::ByLabels(LabelQuery { namespace, labels })
        }),
        mostly(vec!["10.0.0.1", "fd00::1"]).prop_map(ServiceQuery::ByClusterIp),
    ]
}

/// Answers of `service-queries`.
pub fn queries() -> impl Strategy<Value = Vec<ServiceQuery>> {
    vec(query(), 0..30)
}

prop_compose! {
    fn violation()(
        field in mostly(vec!["spec.domain"]),
        reason in mostly(vec!["FieldValueInvalid"]),
        message in prop_oneof![mostly(vec!["is wrong"]), Just("ä".repeat(3000))],
    ) -> Violation {
        Violation { field, reason, message }
    }
}

/// Violations, in place of any answer.
pub fn violations() -> impl Strategy<Value = Vec<Violation>> {
    prop_oneof![9 => vec(violation(), 0..4), 1 => vec(violation(), 60..70)]
}

prop_compose! {
    fn setting()(
        name in mostly(vec!["port", "mode"]),
        kind in mostly(vec!["port"]),
        default_value in mostly(vec!["", "80"]),
        help in mostly(vec!["Any."]),
    ) -> Setting {
        Setting { name, kind, default_value, help }
    }
}

prop_compose! {
    /// Answers of `describe`.
    pub fn description()(
        name in mostly(vec!["contour"]),
        version in mostly(vec!["1.2.3", "0.1.0-rc.1+build"]),
        controller_names in vec(mostly(vec!["example.com/gateway"]), 0..3),
        settings in vec(setting(), 0..3),
    ) -> Description {
        Description { name, version, controller_names, settings }
    }
}

fn infrastructure() -> impl Strategy<Value = Option<String>> {
    let texts = vec![
        "{}",
        r#"{"labels":{"a":"b"},"annotations":{"example.com/c":"any text"}}"#,
        r#"{"labels":{"a":"b c"}}"#,
        r#"{"annotations":{"a b":""}}"#,
        r#"{"parametersRef":{"group":"example.com","kind":"Proxy","name":"p"}}"#,
        r#"{"parametersRef":{"group":"","kind":"ConfigMap","name":"p"}}"#,
        r#"{"parametersRef":{"group":"a b","kind":"9","name":""}}"#,
        r#"{"parametersRef":{}}"#,
        r#"{"labels":{"a":1}}"#,
        r#"{"unknown":true}"#,
    ];
    option::weighted(0.3, mostly(texts))
}

prop_compose! {
    /// Answers of `decide` for [`spec`].
    pub fn decision()(
        listeners in vec(listener(), 0..4),
        refusals in vec((mostly(vec!["web", "inside", "plain"]), odd_text(), odd_text()), 0..2),
        entry in option::of((target(), vec(port(), 1..4))),
        labels in pairs(),
        annotations in pairs(),
        infrastructure in infrastructure(),
    ) -> Decision {
        Decision {
            listeners,
            refusals: refusals
                .into_iter()
                .map(|(listener, reason, message)| Refusal { listener, reason, message })
                .collect(),
            entry: entry.map(|(target, ports)| Entry { target, ports }),
            template: GatewayTemplate { labels, annotations, infrastructure },
        }
    }
}

prop_compose! {
    fn condition()(
        type_ in mostly(vec!["Accepted", "Programmed", "Other", "example.com/Own"]),
        status in mostly(vec!["True", "False", "Unknown"]),
        reason in mostly(vec!["", "Fine", "Broken"]),
        message in mostly(vec!["", "Any text, on\ntwo lines."]),
    ) -> Condition {
        Condition { type_, status, reason, message, observed_generation: None }
    }
}

/// Conditions that begin as they must, mostly.
fn conditions(first: &'static [&'static str]) -> impl Strategy<Value = Vec<Condition>> {
    let begun = prop_oneof![12 => Just(true), 1 => Just(false)];
    (begun, vec(condition(), 2), vec(condition(), 0..7)).prop_map(|(begun, firsts, more)| {
        let firsts = first
            .iter()
            .zip(firsts)
            .map(|(type_, condition)| Condition {
                type_: (*type_).to_owned(),
                ..condition
            });
        let firsts: Vec<_> = if begun { firsts.collect() } else { Vec::new() };
        firsts.into_iter().chain(more).collect()
    })
}

fn listener_status(name: &'static str) -> impl Strategy<Value = ListenerStatus> {
    let kind = (
        mostly(vec!["", "gateway.networking.k8s.io"]),
        mostly(vec!["HTTPRoute", "TCPRoute"]),
    );
    let kinds = vec(
        kind.prop_map(|(group, kind)| RouteKind { group, kind }),
        0..3,
    );
    let routes = prop_oneof![12 => 0..9_i32, 1 => any::<i32>()];
    (mostly(vec![name]), routes, kinds, conditions(&["Ready"])).prop_map(
        |(name, attached_routes, supported_kinds, conditions)| ListenerStatus {
            name,
            attached_routes,
            supported_kinds,
            conditions,
        },
    )
}

prop_compose! {
    /// Answers of `aggregate-status` for [`spec`].
    pub fn status()(
        conditions in conditions(&["Scheduled", "Ready"]),
        addresses in vec((mostly(vec!["IPAddress", "Hostname"]), mostly(vec!["192.0.2.1"])), 0..3),
        listeners in (listener_status("web"), listener_status("inside"), listener_status("plain")),
    ) -> GatewayStatus {
        GatewayStatus {
            conditions,
            addresses: addresses
                .into_iter()
                .map(|(type_, value)| Address { type_, value })
                .collect(),
            listeners: vec![listeners.0, listeners.1, listeners.2],
        }
    }
}
