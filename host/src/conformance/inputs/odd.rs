//! Right and wrong, as it comes.

use std::collections::BTreeMap;

use ofn_contract::Description;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::{FUTURE, object};
use crate::{api, names};

/// Texts that something will trip over.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => select(vec![
            "", ".", "-", "*", "*.", "/", "a/b/c", "A", "localhost", "kubernetes.default.svc",
            "127.0.0.1", "169.254.169.254", "192.0.2.1", "::1", "2001:db8::1", "fe80::1%eth0",
            "\u{0}", "\u{1b}[2J", "\u{202e}", "\u{fffd}", "{}", "[]", "null",
        ])
        .prop_map(str::to_owned),
        2 => "[a-z0-9./:*-]{0,70}",
        3 => ".{0,12}",
        1 => (1..3000_usize).prop_map(|length| "x".repeat(length)),
    ]
}

/// Mostly one of these, sometimes a text that is odd.
pub fn mostly(these: Vec<&'static str>) -> impl Strategy<Value = String> {
    prop_oneof![
        40 => select(these).prop_map(str::to_owned),
        1 => text(),
    ]
}

/// What is odd in a spec.
#[derive(Clone, Debug)]
enum Oddity {
    /// Fields of it.
    Fields(Value),
    /// One listener more.
    Listener(Value),
}

/// One that is right but for an oddity or two, so that most of it is looked at.
pub(super) fn gateway(policy: &Description) -> BoxedStrategy<api::Gateway> {
    let old = option::weighted(0.3, spec());
    (spec(), old, annotations(policy))
        .prop_map(|(spec, old, annotations)| super::gateway(spec, old, annotations))
        .boxed()
}

fn spec() -> impl Strategy<Value = Value> {
    let listeners = vec![
        json!({"name": "a", "hostname": "*.ofn.io", "port": 80, "protocol": "HTTP", FUTURE: 1}),
        json!({"name": "ofn-http-external", "port": 8080, "protocol": "HTTP"}),
        json!({
            "name": "ofn-http-internal", "hostname": "*.cluster.local", "port": 80,
            "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "Same"}}, FUTURE: true,
        }),
        json!({
            "name": "tls", "hostname": "a.ofn.io", "port": 443, "protocol": "HTTPS",
            "tls": {"mode": "Terminate", "certificateRefs": [{"name": "c"}]}, FUTURE: [],
        }),
        json!({"name": "b", "hostname": "*.b.ofn.io", "port": 9000, "protocol": "HTTP"}),
    ];
    let listeners = subsequence(listeners, 0..=5);
    (listeners, vec(oddity(), 0..=2)).prop_map(|(listeners, oddities)| {
        let mut spec = json!({
            "domain": "ofn.io",
            "gatewayRef": {"namespace": "infra", "name": "web"},
            "gatewaySpec": {"listeners": listeners},
        });
        for oddity in oddities {
            match oddity {
                Oddity::Fields(fields) => json_patch::merge(&mut spec, &fields),
                Oddity::Listener(listener) => {
                    if let Some(listeners) = spec["gatewaySpec"]["listeners"].as_array_mut() {
                        listeners.push(listener);
                    }
                }
            }
        }
        spec
    })
}

fn oddity() -> impl Strategy<Value = Oddity> {
    let field = |name: &'static str, value: BoxedStrategy<String>| {
        value.prop_map(move |value| json!({name: value})).boxed()
    };
    let long = "a.".repeat(124) + "io";
    let domains = mostly(vec![
        "ofn.io",
        "b.ofn.io",
        "apps.cluster.local",
        "",
        "OFN.io",
        "a..b",
    ]);
    let templates = mostly(vec![
        "",
        "{{.Name}}.{{.Namespace}}.{{.Domain}}",
        "{{.Name}}.{{.Domain}}",
        "fixed.ofn.io",
        "{{.Name",
        "{{.Other}}",
        "{{printf \"%s\" .Name}}.{{.Domain}}",
        "{{range}}",
    ]);
    let paths = mostly(vec![
        "",
        "{{.Namespace}}/{{.Name}}",
        "/{{.Name}}",
        "{{.Domain}}",
        "{{",
    ]);
    let labels = mostly(vec![
        "",
        "app.kubernetes.io/managed-by",
        "example.com/by",
        "a b",
    ]);
    let cluster_domains = mostly(vec!["cluster.local", "", "ofn.io", "corp.example.com"]);
    let name = || mostly(vec!["web", "a.b", "A", ""]);
    let targets = prop_oneof![
        4 => name().prop_map(|name| json!({"gatewayRef": {"namespace": "infra", "name": name}})),
        4 => option::of(name()).prop_map(|name| json!({
            "gatewayRef": null,
            "gatewayDef": {"namespace": "infra", "name": name, "gatewayClassName": "class"},
        })),
        1 => Just(json!({"gatewayRef": null})),
        1 => Just(json!({"gatewayDef": {"namespace": "infra", "gatewayClassName": "class"}})),
    ];
    let fields = prop_oneof![
        field(
            "domain",
            prop_oneof![20 => domains, 1 => Just(long)].boxed()
        ),
        field("clusterDomain", cluster_domains.boxed()),
        field("hostTemplate", templates.boxed()),
        field("pathTemplate", paths.boxed()),
        field("httpRouteLabelKey", labels.boxed()),
        targets.boxed(),
    ];
    prop_oneof![
        2 => fields.prop_map(Oddity::Fields),
        1 => listener().prop_map(Oddity::Listener),
    ]
}

fn listener() -> impl Strategy<Value = Value> {
    let names = vec![
        "a",
        "ofn-http-internal",
        "ofn-http-external",
        "b",
        "c.d",
        "A",
        "",
    ];
    let hostnames = vec![
        "*.ofn.io",
        "a.ofn.io",
        "*.cluster.local",
        "*.b.ofn.io",
        "ofn.io",
        "*.example.com",
        "*.OFN.io",
        "*",
        "a..b",
        "192.0.2.1",
    ];
    let rest = select(vec![
        json!({}),
        json!({FUTURE: {"any": [1, "thing"]}}),
        json!({"allowedRoutes": {"namespaces": {"from": "Same"}}}),
        json!({"tls": {"mode": "Terminate", "certificateRefs": [{"name": "c"}]}}),
        json!({"allowedRoutes": 7, "tls": null}),
    ]);
    let port =
        prop_oneof![8 => select(vec![80_u16, 443, 8080, 53, 9000, 65535]), 1 => any::<u16>()];
    (
        mostly(names),
        option::of(mostly(hostnames)),
        port,
        mostly(vec![
            "HTTP",
            "HTTPS",
            "TLS",
            "TCP",
            "UDP",
            "example.com/own",
            "http",
        ]),
        rest,
    )
        .prop_map(|(name, hostname, port, protocol, mut rest)| {
            rest["name"] = name.into();
            rest["port"] = port.into();
            rest["protocol"] = protocol.into();
            if let Some(hostname) = hostname {
                rest["hostname"] = hostname.into();
            }
            rest
        })
}

/// Annotations that steer this project, and settings of the component, right and wrong.
fn annotations(policy: &Description) -> impl Strategy<Value = BTreeMap<String, String>> + use<> {
    let known = [
        ("default-listener", "disabled"),
        ("entry-service", "edge/proxy"),
        ("entry-service", "edge"),
        ("other", "x"),
    ]
    .map(|(key, value)| {
        (
            format!("{}{key}", names::ANNOTATION_PREFIX),
            value.to_owned(),
        )
    });
    let settings = policy.settings.iter().map(|setting| {
        let key = format!("{}{}", names::SETTING_PREFIX, setting.name);
        (key, setting.default_value.clone())
    });
    let known: Vec<_> = known.into_iter().chain(settings).collect();
    let annotation = (select(known), option::weighted(0.3, text()));
    vec(annotation, 0..3).prop_map(|annotations| {
        let annotations = annotations.into_iter();
        annotations
            .map(|((key, value), odd)| (key, odd.unwrap_or(value)))
            .collect()
    })
}

pub(super) fn kubernetes_gateway() -> impl Strategy<Value = Value> {
    let addresses = vec(
        (
            mostly(vec!["IPAddress", "Hostname", "example.com/Own"]),
            mostly(vec![
                "192.0.2.1",
                "2001:db8::1",
                "10.0.0.7",
                "lb.example.com",
                "127.0.0.1",
            ]),
        )
            .prop_map(|(type_, value)| json!({"type": type_, "value": value})),
        0..4,
    );
    let status = (
        mostly(vec!["a", "ofn-http-internal", "b"]),
        any::<i32>(),
        vec(condition(), 0..5),
    );
    let statuses = vec(status, 0..5).prop_map(|statuses| {
        let mut names = Vec::new();
        // A list with unique names.
        let is_new = |(name, ..): &(String, i32, Vec<Value>)| {
            let is_new = !names.contains(name);
            names.push(name.clone());
            is_new
        };
        let listener = |(name, routes, conditions)| {
            json!({
                "name": name, "attachedRoutes": routes, "conditions": conditions,
                "supportedKinds": [],
            })
        };
        let statuses = statuses.into_iter().filter(is_new).map(listener);
        statuses.collect::<Vec<Value>>()
    });
    (
        vec(listener(), 0..5),
        addresses,
        vec(condition(), 0..6),
        statuses,
        any::<bool>(),
    )
        .prop_map(|(listeners, addresses, conditions, statuses, recorded)| {
            let status = json!({
                "addresses": addresses, "conditions": conditions, "listeners": statuses,
            });
            object("class", listeners, status, recorded)
        })
}

fn condition() -> impl Strategy<Value = Value> {
    (
        mostly(vec![
            "Accepted",
            "Programmed",
            "Ready",
            "Scheduled",
            "Conflicted",
            "example.com/Own",
        ]),
        mostly(vec!["True", "False", "Unknown"]),
        mostly(vec!["Fine", "Pending", "Invalid", "ListenersNotValid"]),
        mostly(vec!["", "Any text, on\ntwo lines."]),
        option::of(0..4_i64),
    )
        .prop_map(|(type_, status, reason, message, generation)| {
            json!({
                "type": type_, "status": status, "reason": reason, "message": message,
                "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        })
}
