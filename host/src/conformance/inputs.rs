//! What a component is asked about.

use include_dir::{Dir, include_dir};
use kube::ResourceExt;
use ofn_contract::{Description, ServiceQuery};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::{api, cluster, names};

/// Kubernetes Gateways with the status that implementations wrote.
static RECORDED: Dir = include_dir!("$CARGO_MANIFEST_DIR/../tests/recorded");

/// The field of a listener that is yet to be invented.
pub(super) const FUTURE: &str = "yetToBeInvented";

/// As many Services as a component may ask for.
const MOST_QUERIES: usize = 8;

/// A cluster around one OpenFunction Gateway, as far as a component may see it.
#[derive(Clone, Debug)]
pub struct Input {
    /// What it is like.
    pub kind: Kind,
    /// The OpenFunction Gateway.
    pub gateway: api::Gateway,
    /// The Kubernetes Gateway that it means.
    pub kubernetes_gateway: Option<Value>,
    /// The class of that.
    pub class: Option<Value>,
    /// What the component finds with each of its questions for Services, in their order.
    pub found: Vec<Found>,
}

/// Services that answer a question.
#[derive(Clone, Debug)]
pub struct Found {
    /// How many, where there can be more than one.
    pub number: u8,
    ports: Vec<u16>,
    cluster_ip: &'static str,
}

/// What an input is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What most users have.
    Ordinary,
    /// With the status that an implementation wrote: the name of its file.
    Recorded(&'static str),
    /// Right and wrong, as it comes.
    Odd,
    /// Much of everything.
    Huge,
}

impl Kind {
    /// All kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        let recorded = RECORDED.files().filter_map(|file| file.path().to_str());
        [Self::Ordinary, Self::Odd, Self::Huge]
            .into_iter()
            .chain(recorded.map(Self::Recorded))
    }

    /// Those that a component must have seen before it serves.
    pub(super) fn few() -> [Self; 2] {
        [Self::Ordinary, Self::Odd]
    }
}

impl Input {
    /// All objects but the Services.
    pub(super) fn objects(&self) -> Vec<(cluster::Kind, Value)> {
        let gateway = (cluster::Kind::Gateway, json!(self.gateway));
        let kubernetes_gateway = self.kubernetes_gateway.clone();
        let class = self.class.clone();
        let others = [
            kubernetes_gateway.map(|object| (cluster::Kind::KubernetesGateway, object)),
            class.map(|object| (cluster::Kind::GatewayClass, object)),
        ];
        std::iter::once(gateway)
            .chain(others.into_iter().flatten())
            .collect()
    }
}

/// Inputs of a kind for a component. What comes first in a choice is simpler than what comes later.
pub fn strategy(kind: Kind, policy: &Description) -> BoxedStrategy<Input> {
    let parts = match kind {
        Kind::Ordinary => (
            ordinary_gateway(),
            option::weighted(0.8, kubernetes_gateway()).boxed(),
        ),
        Kind::Recorded(file) => (ordinary_gateway(), recorded(file).prop_map(Some).boxed()),
        Kind::Odd => (
            odd_gateway(policy),
            option::weighted(0.9, odd_kubernetes_gateway()).boxed(),
        ),
        Kind::Huge => (
            huge_gateway(),
            option::weighted(0.9, huge_kubernetes_gateway()).boxed(),
        ),
    };
    let most = if kind == Kind::Huge { 255 } else { 2 };
    let found = vec(found(most), MOST_QUERIES);
    (
        parts.0,
        parts.1,
        option::weighted(0.9, class(policy)),
        found,
    )
        .prop_map(move |(gateway, kubernetes_gateway, class, found)| Input {
            kind,
            gateway,
            kubernetes_gateway,
            class,
            found,
        })
        .boxed()
}

/// Texts that something will trip over.
pub fn odd_text() -> impl Strategy<Value = String> {
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
        1 => odd_text(),
    ]
}

/// The object that a spec and annotations make.
fn gateway(spec: Value, annotations: Map<String, Value>) -> api::Gateway {
    let spec = serde_json::from_value(spec).unwrap_or_default();
    let mut gateway = api::Gateway::new("openfunction", spec);
    gateway.metadata.namespace = Some("ofn".to_owned());
    gateway.metadata.generation = Some(1);
    for (key, value) in annotations {
        let value = value.as_str().unwrap_or_default().to_owned();
        gateway.annotations_mut().insert(key, value);
    }
    gateway
}

fn ordinary_gateway() -> BoxedStrategy<api::Gateway> {
    let target = select(vec![
        ("gatewayRef", json!({"namespace": "infra", "name": "web"})),
        (
            "gatewayDef",
            json!({"namespace": "infra", "name": "web", "gatewayClassName": "class"}),
        ),
    ]);
    let external = json!({
        "name": "ofn-http-external", "hostname": "*.ofn.io", "port": 80, "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
        FUTURE: {"any": [1, "thing"]},
    });
    let listeners = select(vec![json!([]), json!([external])]);
    (target, listeners)
        .prop_map(|((field, target), listeners)| {
            let spec = json!({
                "domain": "ofn.io",
                field: target,
                "gatewaySpec": {"listeners": listeners},
            });
            gateway(spec, Map::new())
        })
        .boxed()
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

fn odd_gateway(policy: &Description) -> BoxedStrategy<api::Gateway> {
    let long = "a.".repeat(124) + "io";
    let domains = mostly(vec![
        "ofn.io",
        "b.ofn.io",
        "apps.cluster.local",
        "",
        "OFN.io",
        "a..b",
    ]);
    let domain = prop_oneof![20 => domains, 1 => Just(long)];
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
    let label = mostly(vec![
        "",
        "app.kubernetes.io/managed-by",
        "example.com/by",
        "a b",
    ]);
    let name = || mostly(vec!["web", "a.b", "A", ""]);
    let target = prop_oneof![
        6 => name().prop_map(|name| json!({"gatewayRef": {"namespace": "infra", "name": name}})),
        6 => option::of(name()).prop_map(|name| json!({
            "gatewayDef": {"namespace": "infra", "name": name, "gatewayClassName": "class"},
        })),
        1 => Just(json!({})),
        1 => Just(json!({
            "gatewayRef": {"namespace": "infra", "name": "web"},
            "gatewayDef": {"namespace": "infra", "gatewayClassName": "class"},
        })),
    ];
    let cluster_domain = mostly(vec!["cluster.local", "", "ofn.io", "corp.example.com"]);
    let listeners = vec(listener(), 0..6);
    let texts = (domain, cluster_domain, templates, paths, label);
    (texts, target, listeners, annotations(policy))
        .prop_map(|(texts, target, listeners, annotations)| {
            let (domain, cluster_domain, host_template, path_template, label) = texts;
            let mut spec = json!({
                "domain": domain,
                "clusterDomain": cluster_domain,
                "hostTemplate": host_template,
                "pathTemplate": path_template,
                "httpRouteLabelKey": label,
                "gatewaySpec": {"listeners": listeners},
            });
            json_patch::merge(&mut spec, &target);
            gateway(spec, annotations)
        })
        .boxed()
}

/// Annotations that steer this project, and settings of the component, right and wrong.
fn annotations(policy: &Description) -> impl Strategy<Value = Map<String, Value>> + use<> {
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
    let annotation = (select(known), option::weighted(0.3, odd_text()));
    vec(annotation, 0..3).prop_map(|annotations| {
        let value = |((key, value), odd): ((String, String), Option<String>)| {
            (key, Value::from(odd.unwrap_or(value)))
        };
        annotations.into_iter().map(value).collect()
    })
}

fn huge_gateway() -> BoxedStrategy<api::Gateway> {
    let protocols = select(vec!["HTTP", "HTTPS", "TCP"]);
    (1..=64_usize, 0..1200_usize, protocols)
        .prop_map(|(number, rest, protocol)| {
            let listener = |number: usize| {
                json!({
                    "name": format!("{number}-{}", "x".repeat(240)),
                    "hostname": format!("*.{number}.{}ofn.io", "a.".repeat(100)),
                    "port": 1000 + number,
                    "protocol": protocol,
                    FUTURE: "x".repeat(rest),
                })
            };
            let listeners: Vec<_> = (0..number).map(listener).collect();
            let spec = json!({
                "domain": "ofn.io",
                "gatewayRef": {"namespace": "infra", "name": "web"},
                "gatewaySpec": {"listeners": listeners},
            });
            gateway(spec, Map::new())
        })
        .boxed()
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

/// A Kubernetes Gateway `infra/web`, of generation 2. `recorded` says whether its listeners are ours.
fn object(class: &str, listeners: Vec<Value>, status: Value, recorded: bool) -> Value {
    let mut object = json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {
            "namespace": "infra", "name": "web", "uid": "somebody-s", "generation": 2,
            "annotations": {},
        },
        "spec": {"gatewayClassName": class, "listeners": listeners},
        "status": status,
    });
    if recorded {
        let annotations = &mut object["metadata"]["annotations"];
        annotations[names::INJECTED_ANNOTATION] = json!(listeners).to_string().into();
        annotations[names::GENERATION_ANNOTATION] = "2".into();
    }
    object
}

/// One that is well, or about to be.
fn kubernetes_gateway() -> impl Strategy<Value = Value> {
    let address = select(vec![
        json!([{"type": "IPAddress", "value": "192.0.2.1"}]),
        json!([{"type": "Hostname", "value": "lb.example.com"}]),
        json!([]),
    ]);
    let status = select(vec!["True", "Unknown", "False"]);
    let name = select(vec!["platform", "ofn-http-internal"]);
    (address, status, name, any::<bool>()).prop_map(|(addresses, status, name, recorded)| {
        let condition = |type_: &str| {
            json!({
                "type": type_, "status": status, "reason": type_, "message": "",
                "observedGeneration": 2, "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        let conditions = [condition("Accepted"), condition("Programmed")];
        let listener =
            json!({"name": name, "hostname": "*.cluster.local", "port": 80, "protocol": "HTTP"});
        let listeners = json!([{
            "name": name, "attachedRoutes": 1, "conditions": conditions,
            "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
        }]);
        let status =
            json!({"addresses": addresses, "conditions": conditions, "listeners": listeners});
        object("class", vec![listener], status, recorded)
    })
}

fn recorded(file: &'static str) -> impl Strategy<Value = Value> {
    let file = RECORDED.get_file(file);
    let recorded: Value = file
        .and_then(|file| serde_yaml_ng::from_slice(file.contents()).ok())
        .unwrap_or_default();
    any::<bool>().prop_map(move |is_ours| {
        let listeners = recorded["spec"]["listeners"].as_array().cloned();
        let status = recorded["status"].clone();
        let mut object = object("class", listeners.unwrap_or_default(), status, is_ours);
        // The status is of this generation.
        let metadata = &mut object["metadata"];
        metadata["generation"] = recorded["metadata"]["generation"].clone();
        if is_ours {
            let generation = metadata["generation"].to_string();
            metadata["annotations"][names::GENERATION_ANNOTATION] = generation.into();
        }
        object
    })
}

fn odd_kubernetes_gateway() -> impl Strategy<Value = Value> {
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

/// Large, with up to as many listeners as there can be.
fn huge_kubernetes_gateway() -> impl Strategy<Value = Value> {
    (1..=64_usize, 0..2000_usize).prop_map(|(number, text)| {
        let condition = |number: usize| {
            json!({
                "type": format!("example.com/Condition{number}"), "status": "False",
                "reason": "Any", "message": "x".repeat(text), "observedGeneration": 2,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        let conditions: Vec<_> = (0..8).map(condition).collect();
        let name = |number: usize| format!("{number}-{}", "x".repeat(240));
        let listener = |number| {
            json!({
                "name": name(number), "hostname": format!("*.{number}.example.com"),
                "port": 1000 + number, "protocol": "HTTP", FUTURE: "x".repeat(text),
            })
        };
        let status = |number| {
            json!({
                "name": name(number), "attachedRoutes": i32::MAX, "supportedKinds": [],
                "conditions": [condition(0), condition(1)],
            })
        };
        let addresses: Vec<_> = (0..16)
            .map(|number| json!({"type": "IPAddress", "value": format!("192.0.2.{number}")}))
            .collect();
        let statuses: Vec<_> = (0..number).map(status).collect();
        let status =
            json!({"addresses": addresses, "conditions": conditions, "listeners": statuses});
        object("class", (0..number).map(listener).collect(), status, false)
    })
}

fn class(policy: &Description) -> impl Strategy<Value = Value> + use<> {
    let mut controllers = policy.controller_names.clone();
    if controllers.is_empty() {
        controllers.push("example.com/controller".to_owned());
    }
    select(controllers).prop_map(|controller| {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": "class"},
            "spec": {"controllerName": controller},
        })
    })
}

fn found(most: u8) -> impl Strategy<Value = Found> {
    let number = prop_oneof![4 => 0..=1_u8, 1 => 0..=most];
    let cluster_ip = select(vec!["10.0.0.7", "None", "2001:db8::7"]);
    let ports = vec(select(vec![80_u16, 443, 8080, 15021]), 0..4);
    (number, ports, cluster_ip).prop_map(|(number, ports, cluster_ip)| Found {
        number,
        ports,
        cluster_ip,
    })
}

/// A Service that answers a question.
pub(super) fn service(query: &ServiceQuery, found: &Found, question: usize, number: u8) -> Value {
    let (mut namespace, mut name) = ("infra".to_owned(), format!("found-{question}-{number}"));
    let mut labels = Map::new();
    let mut cluster_ip = found.cluster_ip;
    match query {
        ServiceQuery::ByName(wanted) => {
            namespace.clone_from(&wanted.namespace);
            name.clone_from(&wanted.name);
        }
        ServiceQuery::ByLabels(wanted) => {
            if let Some(wanted) = &wanted.namespace {
                namespace.clone_from(wanted);
            }
            for label in &wanted.labels {
                labels.insert(label.key.clone(), label.value.clone().into());
            }
        }
        ServiceQuery::ByClusterIp(wanted) => cluster_ip = wanted,
    }
    let port = |port: &u16| json!({"name": format!("p-{port}"), "port": port, "protocol": "TCP"});
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {
            "type": "LoadBalancer", "clusterIP": cluster_ip, "clusterIPs": [cluster_ip],
            "ports": found.ports.iter().map(port).collect::<Vec<_>>(),
        },
    })
}
