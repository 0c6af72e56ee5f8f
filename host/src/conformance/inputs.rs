//! What a component is asked about.

mod huge;
mod odd;
mod ordinary;
mod recorded;

use std::collections::BTreeMap;

use kube::ResourceExt;
use ofn_contract::{Description, ServiceQuery};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

pub use self::odd::{mostly, text as odd_text};
use crate::{api, cluster, names};

/// The field of a listener that is yet to be invented.
pub(super) const FUTURE: &str = "yetToBeInvented";

/// As many Services as a component may ask for.
const MOST_QUERIES: usize = 24;

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
        [Self::Ordinary, Self::Odd, Self::Huge]
            .into_iter()
            .chain(recorded::names().map(Self::Recorded))
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
            ordinary::gateway(),
            option::weighted(0.8, ordinary::kubernetes_gateway()).boxed(),
        ),
        Kind::Recorded(file) => (
            ordinary::gateway(),
            recorded::kubernetes_gateway(file).prop_map(Some).boxed(),
        ),
        Kind::Odd => (
            odd::gateway(policy),
            option::weighted(0.9, odd::kubernetes_gateway()).boxed(),
        ),
        Kind::Huge => (
            huge::gateway(),
            option::weighted(0.9, huge::kubernetes_gateway()).boxed(),
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

/// The object that a spec, the one that was acted on last, and annotations make.
fn gateway(spec: Value, old: Option<Value>, annotations: BTreeMap<String, String>) -> api::Gateway {
    let spec = serde_json::from_value(spec).unwrap_or_default();
    let mut gateway = api::Gateway::new("openfunction", spec);
    gateway.metadata.namespace = Some("ofn".to_owned());
    gateway.metadata.generation = Some(1);
    gateway.annotations_mut().extend(annotations);
    if let Some(old) = old {
        let key = names::LAST_APPLIED_ANNOTATION.to_owned();
        gateway.annotations_mut().insert(key, old.to_string());
    }
    gateway
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
