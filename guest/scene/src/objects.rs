//! Objects of which only a little matters, as JSON.

use serde_json::{Map, Value, json};

use crate::object_name;

/// A GatewayClass.
pub fn class(name: &str, controller_name: &str) -> String {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": name},
        "spec": {"controllerName": controller_name},
    })
    .to_string()
}

/// A Kubernetes Gateway, `<namespace>/<name>`, with the rest of its spec and its status in YAML.
pub fn gateway(name: &str, class: &str, rest: &str) -> String {
    let mut gateway: Value = serde_yaml_ng::from_str(rest).expect("YAML");
    let name = object_name(name);
    let mut metadata = json!({"namespace": name.namespace, "name": name.name, "generation": 1});
    merge(&mut metadata, gateway["metadata"].take());
    let mut spec = json!({"gatewayClassName": class, "listeners": []});
    merge(&mut spec, gateway["spec"].take());
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": metadata,
        "spec": spec,
        "status": gateway["status"],
    })
    .to_string()
}

/// The rest of a Kubernetes Gateway with one listener, `web`, that is programmed.
pub fn programmed(port: u16, protocol: &str) -> String {
    let conditions = ["Accepted", "Programmed"]
        .map(|type_| json!({"type": type_, "status": "True", "reason": type_, "message": ""}));
    json!({
        "spec": {"listeners": [{"name": "web", "port": port, "protocol": protocol}]},
        "status": {
            "conditions": conditions,
            "listeners": [{
                "name": "web",
                "attachedRoutes": 0,
                "supportedKinds": [],
                "conditions": conditions,
            }],
        },
    })
    .to_string()
}

/// A Service, `<namespace>/<name>`.
pub fn service(name: &str, labels: &[(&str, &str)], ports: &[u16]) -> String {
    let name = object_name(name);
    let labels: Map<String, Value> = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect();
    let ports: Vec<Value> = ports
        .iter()
        .map(|port| json!({"name": format!("port-{port}"), "port": port, "protocol": "TCP"}))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": name.namespace, "name": name.name, "labels": labels},
        "spec": {"type": "LoadBalancer", "ports": ports},
    })
    .to_string()
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
