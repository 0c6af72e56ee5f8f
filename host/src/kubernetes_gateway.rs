//! Objects of the Gateway API as they are in the cluster.
//!
//! They are read leniently, as JSON: an implementation's odd status must not stop us, and what we
//! do not know must survive a write.

use std::collections::BTreeSet;

use gateway_api::gateways::Gateway;
use kube::Resource;
use kube::api::{DynamicObject, ObjectMeta};
use ofn_contract as contract;
use ofn_contract::{KeyValue, ObjectName};
use serde_json::{Map, Value};

use crate::{managed_fields, names};

/// A Gateway has room for as many listeners. Source: its CRD.
pub const MOST_LISTENERS: usize = 64;

/// The way to the listeners in `managedFields`.
const LISTENERS: [&str; 2] = ["f:spec", "f:listeners"];

/// A Kubernetes Gateway.
#[derive(Clone, Debug)]
pub struct KubernetesGateway {
    /// Its metadata.
    pub metadata: ObjectMeta,
    spec: Value,
    status: Value,
}

/// A class of Kubernetes Gateways.
#[derive(Clone, Debug)]
pub struct GatewayClass {
    metadata: ObjectMeta,
    spec: Value,
}

impl From<DynamicObject> for KubernetesGateway {
    fn from(mut object: DynamicObject) -> Self {
        Self {
            spec: object.data["spec"].take(),
            status: object.data["status"].take(),
            metadata: object.metadata,
        }
    }
}

impl From<DynamicObject> for GatewayClass {
    fn from(mut object: DynamicObject) -> Self {
        Self {
            spec: object.data["spec"].take(),
            metadata: object.metadata,
        }
    }
}

impl GatewayClass {
    /// Which implementation serves it.
    pub fn controller_name(&self) -> &str {
        text(&self.spec, "controllerName")
    }

    /// It as a component sees it.
    pub fn to_contract(&self) -> contract::GatewayClass {
        contract::GatewayClass {
            name: self.metadata.name.clone().unwrap_or_default(),
            controller_name: self.controller_name().to_owned(),
            annotations: pairs(self.metadata.annotations.as_ref()),
            spec_rest: rest(&self.spec, &["controllerName"]),
        }
    }
}

impl KubernetesGateway {
    /// Its namespace and name.
    pub fn name(&self) -> ObjectName {
        ObjectName {
            namespace: self.metadata.namespace.clone().unwrap_or_default(),
            name: self.metadata.name.clone().unwrap_or_default(),
        }
    }

    /// `metadata.uid`.
    pub fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// `metadata.generation`.
    pub fn generation(&self) -> i64 {
        self.metadata.generation.unwrap_or_default()
    }

    /// An annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata
            .annotations
            .as_ref()?
            .get(key)
            .map(String::as_str)
    }

    /// The name of its class.
    pub fn class_name(&self) -> &str {
        text(&self.spec, "gatewayClassName")
    }

    /// `spec.listeners`.
    pub fn listeners(&self) -> &[Value] {
        list(&self.spec, "listeners")
    }

    /// The listeners that we recorded on it as put there by us.
    pub fn recorded(&self) -> Vec<Value> {
        self.annotation(names::INJECTED_ANNOTATION)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// The names of the listeners that are ours: recorded, and not owned by somebody who applied
    /// them. A listener is one unit: whoever owns its key owns it all. One that somebody applied over
    /// ours and gave up again is what the API server left of ours.
    pub fn ours(&self) -> BTreeSet<String> {
        let recorded = self.recorded();
        let names = recorded.iter().map(listener_name);
        let recorded = names.filter(|name| self.applied_by(name).is_none());
        let left = self.listeners().iter().map(listener_name);
        let left =
            left.filter(|name| managed_fields::is_ours_alone(&self.metadata, &LISTENERS, name));
        recorded.chain(left).map(str::to_owned).collect()
    }

    /// The manager, other than us, that owns a listener by server-side apply.
    pub fn applied_by(&self, listener: &str) -> Option<&str> {
        managed_fields::applier_of(&self.metadata, &LISTENERS, listener)
    }

    /// A person's guess at who made a listener, for a message.
    pub fn owner_of(&self, listener: &str) -> Option<&str> {
        managed_fields::owner_of(&self.metadata, &LISTENERS, listener)
    }

    /// The generation that we recorded for our own last change of the spec. 0 if there is none, or
    /// if the record is of another life: somebody has made the Gateway anew with what was written
    /// on the one before, as `kubectl replace --force` and restored backups do.
    pub fn recorded_generation(&self) -> i64 {
        let record = self
            .annotation(names::GENERATION_ANNOTATION)
            .unwrap_or_default();
        let (generation, is_of_this_life) = match record.split_once(' ') {
            Some((generation, uid)) => (generation, uid == self.uid()),
            None => (record, managed_fields::may_have_written(&self.metadata)),
        };
        let generation = generation.parse().ok().filter(|_| is_of_this_life);
        generation.unwrap_or_default()
    }

    /// What to record for a generation that our own change produces.
    pub fn generation_record(&self, generation: i64) -> String {
        format!("{generation} {}", self.uid())
    }

    /// The generation that our own last change produced. A record beyond the present generation
    /// counts for nothing.
    pub fn written_generation(&self) -> i64 {
        Some(self.recorded_generation())
            .filter(|written| *written <= self.generation())
            .unwrap_or_default()
    }

    /// The most routes that one of these listeners has, as far as the implementation says.
    pub fn most_routes(&self, listeners: &BTreeSet<String>) -> i64 {
        let statuses = list(&self.status, "listeners").iter();
        statuses
            .filter(|status| listeners.contains(listener_name(status)))
            .filter_map(|status| status["attachedRoutes"].as_i64())
            .max()
            .unwrap_or_default()
    }

    /// It as a component sees it.
    pub fn to_contract(&self) -> contract::KubernetesGateway {
        contract::KubernetesGateway {
            name: self.name(),
            labels: pairs(self.metadata.labels.as_ref()),
            annotations: pairs(self.metadata.annotations.as_ref()),
            class_name: self.class_name().to_owned(),
            generation: self.generation(),
            written_generation: self.written_generation(),
            listeners: self.listeners().iter().map(listener_to_contract).collect(),
            spec_rest: rest(&self.spec, &["gatewayClassName", "listeners"]),
            addresses: list(&self.status, "addresses")
                .iter()
                .map(|address| contract::Address {
                    type_: match text(address, "type") {
                        "" => "IPAddress".to_owned(),
                        type_ => type_.to_owned(),
                    },
                    value: text(address, "value").to_owned(),
                })
                .collect(),
            conditions: conditions(&self.status),
            listener_statuses: list(&self.status, "listeners")
                .iter()
                .map(|listener| contract::ListenerStatus {
                    name: text(listener, "name").to_owned(),
                    attached_routes: listener["attachedRoutes"]
                        .as_i64()
                        .and_then(|count| i32::try_from(count).ok())
                        .unwrap_or_default(),
                    supported_kinds: list(listener, "supportedKinds")
                        .iter()
                        .map(|kind| contract::RouteKind {
                            group: kind["group"]
                                .as_str()
                                .unwrap_or(&Gateway::group(&()))
                                .to_owned(),
                            kind: text(kind, "kind").to_owned(),
                        })
                        .collect(),
                    conditions: conditions(listener),
                })
                .collect(),
        }
    }
}

/// The name of a listener.
pub fn listener_name(listener: &Value) -> &str {
    text(listener, "name")
}

/// What must be unique in a Gateway besides the names. Source: a rule of the Gateway CRD.
pub fn listener_key(listener: &Value) -> (i64, &str, &str) {
    (
        listener["port"].as_i64().unwrap_or_default(),
        text(listener, "protocol"),
        text(listener, "hostname"),
    )
}

/// A listener as a component sees it.
pub fn listener_to_contract(listener: &Value) -> contract::Listener {
    contract::Listener {
        name: listener_name(listener).to_owned(),
        hostname: listener["hostname"].as_str().map(str::to_owned),
        port: listener["port"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or_default(),
        protocol: text(listener, "protocol").to_owned(),
        rest: rest(listener, &["name", "hostname", "port", "protocol"]),
    }
}

/// A listener as the cluster sees it. Its `rest` must be a JSON object; anything else is dropped.
pub fn listener_from_contract(listener: &contract::Listener) -> Value {
    let mut object: Map<String, Value> = serde_json::from_str(&listener.rest).unwrap_or_default();
    object.insert("name".to_owned(), listener.name.clone().into());
    object.insert("port".to_owned(), listener.port.into());
    object.insert("protocol".to_owned(), listener.protocol.clone().into());
    if let Some(hostname) = &listener.hostname {
        object.insert("hostname".to_owned(), hostname.clone().into());
    }
    Value::Object(object)
}

/// Whether all that `wanted` says is so in `there`, which may say more: the API server fills in
/// defaults, deep inside atomic lists too.
pub fn is_subset(wanted: &Value, there: &Value) -> bool {
    match (wanted, there) {
        (Value::Object(wanted), Value::Object(there)) => wanted
            .iter()
            .all(|(key, value)| there.get(key).is_some_and(|there| is_subset(value, there))),
        (Value::Array(wanted), Value::Array(there)) => {
            wanted.len() == there.len()
                && wanted
                    .iter()
                    .zip(there)
                    .all(|(wanted, there)| is_subset(wanted, there))
        }
        _ => wanted == there,
    }
}

/// A map of labels or annotations as a component sees it, by key.
pub fn pairs<'a>(
    map: impl IntoIterator<Item = &'a std::collections::BTreeMap<String, String>>,
) -> Vec<KeyValue> {
    map.into_iter()
        .flatten()
        .map(|(key, value)| KeyValue {
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
}

fn conditions(of: &Value) -> Vec<contract::Condition> {
    list(of, "conditions")
        .iter()
        .map(|condition| contract::Condition {
            type_: text(condition, "type").to_owned(),
            status: text(condition, "status").to_owned(),
            reason: text(condition, "reason").to_owned(),
            message: text(condition, "message").to_owned(),
            observed_generation: condition["observedGeneration"].as_i64(),
        })
        .collect()
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or_default()
}

fn list<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    object[key]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn rest(object: &Value, known: &[&str]) -> String {
    let rest: Map<String, Value> = object
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !known.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Value::Object(rest).to_string()
}
