//! The OpenFunction Gateway: `gateways.networking.openfunction.io`, version `v1alpha1`.
//!
//! The schema accepts every object that the old controller's CRD and webhook accepted.

#![allow(
    clippy::duplicated_attributes,
    reason = "each print column has a type and a path of its own"
)]

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResource, CustomResourceExt, KubeSchema};
use ofn_contract as contract;
use ofn_contract::ObjectName;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// How sync functions are reached: domain, host and path templates, listeners.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "networking.openfunction.io",
    version = "v1alpha1",
    kind = "Gateway",
    doc = "An OpenFunction Gateway defines how users reach sync functions. It is backed by a Kubernetes Gateway.",
    namespaced,
    status = "GatewayStatus",
    derive = "PartialEq",
    printcolumn(
        name = "Address",
        type_ = "string",
        json_path = ".status.addresses[*].value"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.gatewayRef) != has(self.gatewayDef)")
    .message("set exactly one of gatewayRef and gatewayDef"))]
pub struct GatewaySpec {
    /// The domain under which functions are reached from outside, such as `ofn.io`. Listeners
    /// get the host name `*.<domain>` unless they have one under it.
    #[serde(default)]
    pub domain: String,
    /// The domain of the cluster, for requests from inside it.
    #[serde(default = "default::cluster_domain")]
    pub cluster_domain: String,
    /// A Go template of a function's external host name. It may use `.Name`, `.Namespace` and
    /// `.Domain`.
    #[serde(default = "default::host_template")]
    pub host_template: String,
    /// A Go template of a function's path. It may use `.Name` and `.Namespace`.
    #[serde(default = "default::path_template")]
    pub path_template: String,
    /// Key of the label of a function's HTTPRoutes. Its value is `<namespace>.<name>`.
    #[serde(default = "default::route_label_key")]
    pub http_route_label_key: String,
    /// An existing Kubernetes Gateway, which gets the listeners beside its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_ref: Option<GatewayRef>,
    /// A Kubernetes Gateway to create, and to delete together with this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_def: Option<GatewayDef>,
    /// What the Kubernetes Gateway gets.
    #[serde(default)]
    pub gateway_spec: KubernetesGatewaySpec,
}

/// Reference to an existing Kubernetes Gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GatewayRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAMESPACE))]
    pub namespace: String,
}

/// Definition of a new Kubernetes Gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayDef {
    /// Its name. The name of this object if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// Its namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAMESPACE))]
    pub namespace: String,
    /// Its GatewayClass: which implementation serves it.
    #[schemars(length(min = 1, max = 253))]
    pub gateway_class_name: String,
}

/// The part of a Kubernetes Gateway's spec that is ours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KubernetesGatewaySpec {
    /// Listeners as the Gateway API defines them. `ofn-http-internal` is added if it is missing.
    #[serde(default)]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"]
    ))]
    pub listeners: Vec<Listener>,
}

/// A listener. Fields beyond these four are kept as they are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = keep_unknown_fields)]
pub struct Listener {
    /// Its name, unique in the Kubernetes Gateway.
    #[schemars(length(min = 1, max = 253), regex(pattern = SUBDOMAIN))]
    pub name: String,
    /// The host name that it serves. Made from `domain` if it does not lie under `domain` or
    /// `clusterDomain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = HOSTNAME))]
    pub hostname: Option<String>,
    /// The port that it serves.
    #[schemars(schema_with = "port")]
    pub port: u16,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or a vendor's own.
    #[schemars(length(min = 1, max = 255))]
    pub protocol: String,
    /// `tls`, `allowedRoutes`, and what is yet to be invented.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What is known of the Kubernetes Gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// The generation of this object that the status was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The component that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyStatus>,
    /// The addresses of the Kubernetes Gateway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub addresses: Vec<Address>,
    /// `Scheduled` and `Ready`, and what the implementation says besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Vec<Condition>,
    /// The state of each listener of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"]
    ))]
    pub listeners: Vec<ListenerStatus>,
}

impl GatewayStatus {
    /// Whether it says that all is well.
    pub fn is_ready(&self) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
    }

    /// The conditions of the whole and of each listener.
    pub fn all_conditions(&mut self) -> impl Iterator<Item = &mut Condition> {
        let listeners = self.listeners.iter_mut();
        let of_listeners = listeners.flat_map(|listener| &mut listener.conditions);
        self.conditions.iter_mut().chain(of_listeners)
    }

    /// Bytes of it as the API server stores it, which is as Go writes JSON: `<`, `>` and `&` are six each.
    pub fn stored_size(&self) -> usize {
        let json = serde_json::json!(self).to_string();
        let escaped = json.bytes().filter(|byte| b"<>&".contains(byte)).count();
        json.len() + 5 * escaped
    }
}

/// A policy component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyStatus {
    /// What it calls itself.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The digest of its file: `sha256:` and 64 hexadecimal digits.
    pub digest: String,
}

/// An address of the Kubernetes Gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Address {
    /// `IPAddress`, `Hostname`, or a vendor's own.
    #[serde(rename = "type", default = "default::address_type")]
    pub type_: String,
    /// The address.
    #[schemars(length(min = 1, max = 253))]
    pub value: String,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, for a person.
    pub message: String,
}

/// The state of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = SUBDOMAIN))]
    pub name: String,
    /// The kinds of routes that may attach to it.
    #[schemars(length(max = 8))]
    pub supported_kinds: Vec<RouteKind>,
    /// How many routes are attached to it.
    pub attached_routes: i32,
    /// `Ready`, and what the implementation says besides.
    #[schemars(length(max = 8), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Vec<Condition>,
}

/// A kind of route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RouteKind {
    /// Its API group.
    #[serde(default = "default::route_group")]
    #[schemars(length(max = 253))]
    pub group: String,
    /// Its kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
}

const NAMESPACE: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const HOSTNAME: &str = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

pub(crate) mod default {
    pub fn cluster_domain() -> String {
        "cluster.local".to_owned()
    }

    pub fn host_template() -> String {
        "{{.Name}}.{{.Namespace}}.{{.Domain}}".to_owned()
    }

    pub fn path_template() -> String {
        "{{.Namespace}}/{{.Name}}".to_owned()
    }

    pub fn route_label_key() -> String {
        "app.kubernetes.io/managed-by".to_owned()
    }

    pub fn address_type() -> String {
        "IPAddress".to_owned()
    }

    pub fn route_group() -> String {
        "gateway.networking.k8s.io".to_owned()
    }
}

fn port(_: &mut schemars::SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535})
}

fn keep_unknown_fields(schema: &mut Schema) {
    schema.remove("additionalProperties");
    schema.insert(
        "x-kubernetes-preserve-unknown-fields".to_owned(),
        json!(true),
    );
}

/// The definition of this API for a cluster.
pub fn definition() -> CustomResourceDefinition {
    let mut definition = Gateway::crd();
    for version in &mut definition.spec.versions {
        let spec = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
            .and_then(|schema| schema.properties.as_mut())
            .and_then(|properties| properties.get_mut("spec"));
        if let Some(spec) = spec {
            // Both may be left out when an object is read, so that what is wrong with one can be
            // said in its status; but not when it is written.
            spec.required = Some(vec!["domain".to_owned(), "gatewaySpec".to_owned()]);
            for field in spec.properties.iter_mut().flatten() {
                if matches!(field.0.as_str(), "domain" | "gatewaySpec") {
                    field.1.default = None;
                }
            }
        }
    }
    definition
}

impl GatewaySpec {
    /// It as a component sees it.
    pub fn to_contract(&self) -> contract::GatewaySpec {
        contract::GatewaySpec {
            domain: self.domain.clone(),
            cluster_domain: self.cluster_domain.clone(),
            host_template: self.host_template.clone(),
            path_template: self.path_template.clone(),
            http_route_label_key: self.http_route_label_key.clone(),
            gateway_ref: self.gateway_ref.as_ref().map(|reference| ObjectName {
                namespace: reference.namespace.clone(),
                name: reference.name.clone(),
            }),
            gateway_def: self
                .gateway_def
                .as_ref()
                .map(|def| contract::GatewayDefinition {
                    namespace: def.namespace.clone(),
                    name: def.name.clone(),
                    class_name: def.gateway_class_name.clone(),
                }),
            listeners: self
                .gateway_spec
                .listeners
                .iter()
                .map(Listener::to_contract)
                .collect(),
        }
    }

    /// An effective spec as it is written into an object.
    pub fn from_effective(effective: &contract::EffectiveSpec) -> Self {
        let contract::Target { name, class_name } = effective.target.clone();
        let (gateway_ref, gateway_def) = match class_name {
            None => (
                Some(GatewayRef {
                    name: name.name,
                    namespace: name.namespace,
                }),
                None,
            ),
            Some(gateway_class_name) => (
                None,
                Some(GatewayDef {
                    name: Some(name.name),
                    namespace: name.namespace,
                    gateway_class_name,
                }),
            ),
        };
        Self {
            domain: effective.domain.clone(),
            cluster_domain: effective.cluster_domain.clone(),
            host_template: effective.host_template.clone(),
            path_template: effective.path_template.clone(),
            http_route_label_key: effective.http_route_label_key.clone(),
            gateway_ref,
            gateway_def,
            gateway_spec: KubernetesGatewaySpec {
                listeners: effective
                    .listeners
                    .iter()
                    .map(Listener::from_contract)
                    .collect(),
            },
        }
    }
}

impl Listener {
    pub(crate) fn to_contract(&self) -> contract::Listener {
        contract::Listener {
            name: self.name.clone(),
            hostname: self.hostname.clone(),
            port: self.port,
            protocol: self.protocol.clone(),
            rest: Value::Object(self.rest.clone()).to_string(),
        }
    }

    /// Its `rest` must be a JSON object; anything else is dropped.
    fn from_contract(listener: &contract::Listener) -> Self {
        Self {
            name: listener.name.clone(),
            hostname: listener.hostname.clone(),
            port: listener.port,
            protocol: listener.protocol.clone(),
            rest: serde_json::from_str(&listener.rest).unwrap_or_default(),
        }
    }
}

impl From<contract::GatewayStatus> for GatewayStatus {
    fn from(status: contract::GatewayStatus) -> Self {
        let conditions = |conditions: Vec<contract::Condition>| {
            conditions
                .into_iter()
                .map(|condition| Condition {
                    type_: condition.type_,
                    status: condition.status,
                    reason: condition.reason,
                    message: condition.message,
                })
                .collect()
        };
        Self {
            observed_generation: None,
            policy: None,
            addresses: status
                .addresses
                .into_iter()
                .map(|address| Address {
                    type_: address.type_,
                    value: address.value,
                })
                .collect(),
            conditions: conditions(status.conditions),
            listeners: status
                .listeners
                .into_iter()
                .map(|listener| ListenerStatus {
                    name: listener.name,
                    supported_kinds: listener
                        .supported_kinds
                        .into_iter()
                        .map(|kind| RouteKind {
                            group: kind.group,
                            kind: kind.kind,
                        })
                        .collect(),
                    attached_routes: listener.attached_routes,
                    conditions: conditions(listener.conditions),
                })
                .collect(),
        }
    }
}
