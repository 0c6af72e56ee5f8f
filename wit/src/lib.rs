//! The types of the contract in `gateway.wit`, written once for all that speak it: the policy
//! library, the components made of it and the host.
//!
//! Each type has the name and the fields of its WIT counterpart. That they agree is checked by the
//! compiler in a component (the bindings build these types) and at load time in the host (a
//! component's type is checked against them).

pub mod dns;
pub mod labels;
pub mod path;
pub mod protocol;
pub mod text;

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};
#[cfg(feature = "wasmtime")]
use wasmtime::component::{ComponentType, Lift, Lower};

/// Name and version of the interface that a component exports.
pub const INTERFACE: &str = "openfunction:gateway/policy@0.1.0";

/// Name of the Service by which functions are reached, in the namespace of the OpenFunction Gateway.
pub const ENTRY_SERVICE: &str = "gateway";

/// Name of the default listener, for requests from inside the cluster.
pub const DEFAULT_LISTENER: &str = "ofn-http-internal";

/// Namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct ObjectName {
    /// A DNS label.
    pub namespace: String,
    /// A DNS subdomain.
    pub name: String,
}

/// A key with its value: a label, an annotation or a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct KeyValue {
    /// Unique in its list.
    pub key: String,
    /// Any text.
    pub value: String,
}

/// A listener as the Gateway API defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct Listener {
    /// Unique among the listeners of its Gateway: a DNS subdomain of at most 253 characters.
    pub name: String,
    /// A DNS name, or `*.` and a DNS name.
    pub hostname: Option<String>,
    /// 1 to 65535.
    pub port: u16,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or a vendor's own such as `example.com/mine`.
    pub protocol: String,
    /// Every other field of the listener: `tls`, `allowedRoutes`, and what is yet to be invented.
    pub rest: String,
}

/// `spec.gatewayDef`: the Kubernetes Gateway to create.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct GatewayDefinition {
    /// Where to create it.
    pub namespace: String,
    /// The OpenFunction Gateway's own name where this is left out.
    pub name: Option<String>,
    /// `spec.gatewayClassName` of the Kubernetes Gateway.
    #[cfg_attr(feature = "wasmtime", component(name = "class-name"))]
    pub class_name: String,
}

/// `spec` of an OpenFunction Gateway as it was written, right or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct GatewaySpec {
    /// The domain of functions as seen from outside. Empty where it was left out.
    pub domain: String,
    /// The domain of the cluster. Empty: `cluster.local`.
    #[cfg_attr(feature = "wasmtime", component(name = "cluster-domain"))]
    pub cluster_domain: String,
    /// A Go text/template with `.Name`, `.Namespace` and `.Domain`. Empty: `{{.Name}}.{{.Namespace}}.{{.Domain}}`.
    #[cfg_attr(feature = "wasmtime", component(name = "host-template"))]
    pub host_template: String,
    /// A Go text/template with `.Name` and `.Namespace`. Empty: `{{.Namespace}}/{{.Name}}`.
    #[cfg_attr(feature = "wasmtime", component(name = "path-template"))]
    pub path_template: String,
    /// The key of the label of routes. Empty: `app.kubernetes.io/managed-by`.
    #[cfg_attr(feature = "wasmtime", component(name = "http-route-label-key"))]
    pub http_route_label_key: String,
    /// The Kubernetes Gateway to use. Exactly one of this and the next is right.
    #[cfg_attr(feature = "wasmtime", component(name = "gateway-ref"))]
    pub gateway_ref: Option<ObjectName>,
    /// The Kubernetes Gateway to create.
    #[cfg_attr(feature = "wasmtime", component(name = "gateway-def"))]
    pub gateway_def: Option<GatewayDefinition>,
    /// `spec.gatewaySpec.listeners`.
    pub listeners: Vec<Listener>,
}

/// An OpenFunction Gateway as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct Gateway {
    /// Namespace and name of the object itself.
    pub name: ObjectName,
    /// Those of its annotations whose key begins with `networking.openfunction.io/`. Settings of
    /// the component are not among them.
    pub annotations: Vec<KeyValue>,
    /// The spec.
    pub spec: GatewaySpec,
}

/// The Kubernetes Gateway that gets the listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct Target {
    /// Where it is, or will be.
    pub name: ObjectName,
    /// The class to create it with (`gatewayDef`); none for one that exists (`gatewayRef`).
    #[cfg_attr(feature = "wasmtime", component(name = "class-name"))]
    pub class_name: Option<String>,
}

/// `spec` of an OpenFunction Gateway, defaulted and found valid.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct EffectiveSpec {
    /// A DNS name in lower case.
    pub domain: String,
    /// A DNS name in lower case.
    #[cfg_attr(feature = "wasmtime", component(name = "cluster-domain"))]
    pub cluster_domain: String,
    /// Gives a valid host name for every function that OpenFunction can name.
    #[cfg_attr(feature = "wasmtime", component(name = "host-template"))]
    pub host_template: String,
    /// Gives a path.
    #[cfg_attr(feature = "wasmtime", component(name = "path-template"))]
    pub path_template: String,
    /// A label key.
    #[cfg_attr(feature = "wasmtime", component(name = "http-route-label-key"))]
    pub http_route_label_key: String,
    /// The Kubernetes Gateway that gets the listeners.
    pub target: Target,
    /// 1 to 64, each with a host name under `domain` or `cluster-domain`.
    pub listeners: Vec<Listener>,
}

/// Something wrong that a user can mend, in the terms of a Kubernetes status cause.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct Violation {
    /// Path from the root of the object, such as `spec.gatewaySpec.listeners[1].hostname`.
    pub field: String,
    /// One word in camel case, such as `FieldValueInvalid` or `FieldValueRequired`.
    pub reason: String,
    /// One sentence: what is wrong and what to write instead.
    pub message: String,
}

/// A setting that users give a component by an annotation of the OpenFunction Gateway:
/// `policy.networking.openfunction.io/<name>: <value>`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct Setting {
    /// Unique among the settings of the component: the last part of an annotation key.
    pub name: String,
    /// What a value looks like, for a person: `true or false`, `a port`, `namespace/name`.
    pub kind: String,
    /// What holds where the annotation is absent.
    #[cfg_attr(feature = "wasmtime", component(name = "default-value"))]
    pub default_value: String,
    /// One line.
    pub help: String,
}

/// What a component says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct Description {
    /// Lower case letters, digits and `-`, at most 63 characters.
    pub name: String,
    /// A semantic version.
    pub version: String,
    /// The values of `GatewayClass.spec.controllerName` that it is meant for. Those that no component
    /// claims are served by the one called `standard`, whatever it claims.
    #[cfg_attr(feature = "wasmtime", component(name = "controller-names"))]
    pub controller_names: Vec<String>,
    /// What users may set. Any other setting is a violation.
    pub settings: Vec<Setting>,
}

/// A function to route to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct Route {
    /// The external host name first, then the one inside the cluster.
    pub hostnames: Vec<String>,
    /// Begins with `/`.
    pub path: String,
    /// The label of the function's routes.
    /// Its value is `<namespace>.<name>`.
    pub label: KeyValue,
}

/// A condition as Kubernetes has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct Condition {
    /// Unique in its list.
    #[cfg_attr(feature = "wasmtime", component(name = "type"))]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word in camel case.
    pub reason: String,
    /// For a person. May be empty.
    pub message: String,
    /// The generation of the object that the condition was made for. None in an answer.
    #[cfg_attr(feature = "wasmtime", component(name = "observed-generation"))]
    pub observed_generation: Option<i64>,
}

/// An address of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct Address {
    /// `IPAddress`, `Hostname`, or a vendor's own type.
    #[cfg_attr(feature = "wasmtime", component(name = "type"))]
    pub type_: String,
    /// The address itself.
    pub value: String,
}

/// A kind of route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct RouteKind {
    /// An API group. Empty: the core group.
    pub group: String,
    /// Such as `HTTPRoute`.
    pub kind: String,
}

/// The status of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct ListenerStatus {
    /// The name of the listener.
    pub name: String,
    /// How many routes are attached.
    #[cfg_attr(feature = "wasmtime", component(name = "attached-routes"))]
    pub attached_routes: i32,
    /// The kinds of routes that may attach.
    #[cfg_attr(feature = "wasmtime", component(name = "supported-kinds"))]
    pub supported_kinds: Vec<RouteKind>,
    /// In an answer: `Ready` first.
    pub conditions: Vec<Condition>,
}

/// A Gateway of the Gateway API as it is in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct KubernetesGateway {
    /// Where it is.
    pub name: ObjectName,
    /// All of them.
    pub labels: Vec<KeyValue>,
    /// All of them.
    pub annotations: Vec<KeyValue>,
    /// `spec.gatewayClassName`.
    #[cfg_attr(feature = "wasmtime", component(name = "class-name"))]
    pub class_name: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// The generation that the host's own last change produced. A condition with a smaller
    /// `observed-generation` is stale. 0 where the host has not changed it yet.
    #[cfg_attr(feature = "wasmtime", component(name = "written-generation"))]
    pub written_generation: i64,
    /// All listeners, whoever owns them.
    pub listeners: Vec<Listener>,
    /// The rest of `spec`: `addresses`, `infrastructure` and so on.
    #[cfg_attr(feature = "wasmtime", component(name = "spec-rest"))]
    pub spec_rest: String,
    /// `status.addresses`.
    pub addresses: Vec<Address>,
    /// `status.conditions`.
    pub conditions: Vec<Condition>,
    /// `status.listeners`, in any order: match them by name.
    #[cfg_attr(feature = "wasmtime", component(name = "listener-statuses"))]
    pub listener_statuses: Vec<ListenerStatus>,
}

/// The class of the Kubernetes Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct GatewayClass {
    /// Its name.
    pub name: String,
    /// `spec.controllerName`: which implementation serves it.
    #[cfg_attr(feature = "wasmtime", component(name = "controller-name"))]
    pub controller_name: String,
    /// All of them.
    pub annotations: Vec<KeyValue>,
    /// The rest of `spec`: `parametersRef` and so on.
    #[cfg_attr(feature = "wasmtime", component(name = "spec-rest"))]
    pub spec_rest: String,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct ServicePort {
    /// None: the only port.
    pub name: Option<String>,
    /// The port of the Service, not of its pods.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
}

/// A Service as it is in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct Service {
    /// Where it is.
    pub name: ObjectName,
    /// All of them.
    pub labels: Vec<KeyValue>,
    /// All of them.
    pub annotations: Vec<KeyValue>,
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    #[cfg_attr(feature = "wasmtime", component(name = "type"))]
    pub type_: String,
    /// `spec.clusterIPs` without `None`.
    #[cfg_attr(feature = "wasmtime", component(name = "cluster-ips"))]
    pub cluster_ips: Vec<String>,
    /// `spec.ports`.
    pub ports: Vec<ServicePort>,
}

/// Labels that a Service must have, all of them, with just these values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct LabelQuery {
    /// None: in every namespace.
    pub namespace: Option<String>,
    /// At least one.
    pub labels: Vec<KeyValue>,
}

/// A question for Services.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(variant))]
pub enum ServiceQuery {
    /// The Service of this name.
    #[cfg_attr(feature = "wasmtime", component(name = "by-name"))]
    ByName(ObjectName),
    /// Every Service with these labels.
    #[cfg_attr(feature = "wasmtime", component(name = "by-labels"))]
    ByLabels(LabelQuery),
    /// The Service that has this first cluster IP.
    #[cfg_attr(feature = "wasmtime", component(name = "by-cluster-ip"))]
    ByClusterIp(String),
}

/// All that a decision rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct Observation {
    /// Namespace and name of the OpenFunction Gateway.
    pub name: ObjectName,
    /// As in `gateway`.
    pub annotations: Vec<KeyValue>,
    /// What the user set for this component: names without the prefix.
    pub settings: Vec<KeyValue>,
    /// The spec, defaulted and valid.
    pub spec: EffectiveSpec,
    /// The Kubernetes Gateway that `spec.target` names. None: it does not exist.
    #[cfg_attr(feature = "wasmtime", component(name = "kubernetes-gateway"))]
    pub kubernetes_gateway: Option<KubernetesGateway>,
    /// Its class. None: it does not exist, or its name is not known yet.
    #[cfg_attr(feature = "wasmtime", component(name = "gateway-class"))]
    pub gateway_class: Option<GatewayClass>,
    /// The Services that `service-queries` asked for and that exist, each once, by namespace and
    /// name. Empty when `service-queries` itself is called.
    pub services: Vec<Service>,
}

/// Where the entry Service points.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(variant))]
pub enum EntryTarget {
    /// A Service in the cluster.
    #[cfg_attr(feature = "wasmtime", component(name = "service"))]
    Service(ObjectName),
    /// A DNS name, never an IP address.
    #[cfg_attr(feature = "wasmtime", component(name = "host-name"))]
    HostName(String),
    /// 1 to 16 IP addresses, IPv4 and IPv6 as they come. None of them a Service's cluster IP.
    #[cfg_attr(feature = "wasmtime", component(name = "ip-addresses"))]
    IpAddresses(Vec<String>),
}

/// A port of the entry Service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct EntryPort {
    /// A DNS label, unique in its list.
    pub name: String,
    /// As the user wrote it in a listener. Unique in its list together with `protocol`.
    pub port: u16,
    /// `TCP` or `UDP`.
    pub protocol: String,
}

/// The one entry for functions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct Entry {
    /// Where the entry Service points.
    pub target: EntryTarget,
    /// At least one.
    pub ports: Vec<EntryPort>,
}

/// A listener that the implementation is known to refuse. The host does not apply it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct Refusal {
    /// The listener's name.
    pub listener: String,
    /// As in a condition.
    pub reason: String,
    /// One sentence: the vendor's reason in plain words, and what to write instead.
    pub message: String,
}

/// What a Kubernetes Gateway needs when it is created.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct GatewayTemplate {
    /// For its metadata.
    pub labels: Vec<KeyValue>,
    /// For its metadata.
    pub annotations: Vec<KeyValue>,
    /// `spec.infrastructure`, if it needs one.
    pub infrastructure: Option<String>,
}

/// What is wished.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct Decision {
    /// The listeners to put into the Kubernetes Gateway. Each has the name of a listener of the
    /// spec; port, protocol and host name may differ from it.
    pub listeners: Vec<Listener>,
    /// The listeners of the spec that are left out, each with its reason.
    pub refusals: Vec<Refusal>,
    /// None: nothing is known yet; the host leaves the entry as it is.
    pub entry: Option<Entry>,
    /// Used where the host creates the Kubernetes Gateway.
    pub template: GatewayTemplate,
}

/// Status of the OpenFunction Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "wasmtime", derive(ComponentType, Lift, Lower))]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "wasmtime", component(record))]
pub struct GatewayStatus {
    /// At most 8, with unique types, `Scheduled` and `Ready` first.
    pub conditions: Vec<Condition>,
    /// At most 16.
    pub addresses: Vec<Address>,
    /// One for each listener of the spec, in its order. At most 8 conditions each.
    pub listeners: Vec<ListenerStatus>,
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
