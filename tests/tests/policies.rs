//! The components as `make policies` left them: what each may be, and which one serves whom.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use kube::api::DynamicObject;
use ofn_contract::ObjectName;
use ofn_gateway::cluster::offline::Offline;
use ofn_gateway::cluster::{Cluster, Kind};
use ofn_tests::stage::{POLICIES, pass_in};
use serde_json::{Value, json};
use wasmparser::{Parser, Payload};

/// The budget of a component, in bytes.
const LARGEST: usize = 250_000;

/// The components by name.
fn components() -> BTreeMap<String, Vec<u8>> {
    let folder = ofn_tests::host::policies().expect("make build");
    let files = fs::read_dir(folder).expect("a folder");
    let path = |file: std::io::Result<fs::DirEntry>| file.expect("a file").path();
    let is_component = |path: &PathBuf| path.extension().is_some_and(|end| end == "wasm");
    files
        .map(path)
        .filter(is_component)
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy();
            (name.into_owned(), fs::read(&path).expect("a component"))
        })
        .collect()
}

#[test]
fn every_component_of_the_makefile_is_built_and_loads() {
    let makefile = fs::read_to_string(ofn_tests::host::workspace().join("Makefile")).unwrap();
    let listed = makefile
        .lines()
        .find_map(|line| line.strip_prefix("POLICIES := "))
        .expect("a list of policies");
    let loaded: Vec<&str> = POLICIES.names().collect();
    for name in listed.split_whitespace() {
        assert!(components().contains_key(name), "{name} is not built");
        assert!(loaded.contains(&name), "{name} does not load");
    }
}

#[test]
fn every_component_imports_nothing() {
    for (name, bytes) in components() {
        let mut imports = 0;
        // A part of a component imports from its other parts.
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(&bytes) {
            match payload.expect("WebAssembly") {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(section) if depth == 0 => {
                    imports += section.count();
                }
                _ => {}
            }
        }
        assert_eq!(imports, 0, "{name}");
    }
}

#[test]
fn every_component_is_within_the_budget_of_size() {
    for (name, bytes) in components() {
        let size = bytes.len();
        assert!(size <= LARGEST, "{name} has {size} bytes");
    }
}

#[test]
fn a_component_serves_the_controllers_that_it_names_and_the_standard_one_all_others() {
    for (controller, name) in [
        ("projectcontour.io/gateway-controller", "contour"),
        ("projectcontour.io/projectcontour/contour", "contour"),
        ("istio.io/gateway-controller", "istio"),
        ("istio.io/mesh-controller", "istio"),
        ("istio.io/eastwest-controller", "istio"),
        ("istio.io/unmanaged-gateway", "istio"),
        ("istio.io/agentgateway-waypoint-controller", "istio"),
        ("istio.io/agentgateway-controller", "standard"),
        (
            "gateway.envoyproxy.io/gatewayclass-controller",
            "envoy-gateway",
        ),
        ("apisix.apache.org/apisix-ingress-controller", "apisix"),
        ("apisix.apache.org/gateway-controller", "apisix"),
        ("traefik.io/gateway-controller", "traefik"),
        ("io.cilium/gateway-controller", "cilium"),
        (
            "gateway.nginx.org/nginx-gateway-controller",
            "nginx-gateway-fabric",
        ),
        ("konghq.com/kic-gateway-controller", "kong"),
        ("konghq.com/gateway-operator", "standard"),
        ("kgateway.dev/kgateway", "standard"),
        ("gateway.k8s.aws/alb", "standard"),
        ("gateway.k8s.aws/nlb", "standard"),
        (
            "application-networking.k8s.aws/gateway-api-controller",
            "standard",
        ),
        ("haproxy.org/gateway-controller", "standard"),
        ("networking.gke.io/gateway", "standard"),
    ] {
        let policy = POLICIES.for_controller(controller);
        assert_eq!(policy.description.name, name, "{controller}");
    }
}

#[test]
fn no_two_components_claim_the_same_controller() {
    let mut claimed = BTreeMap::new();
    for name in POLICIES.names() {
        let description = &POLICIES.named(name).expect("a policy").description;
        for controller in &description.controller_names {
            let before = claimed.insert(controller.clone(), name);
            assert_eq!(before, None, "{controller}");
        }
    }
}

fn insert(cluster: &Offline, kind: Kind, object: Value) {
    let object: DynamicObject = serde_json::from_value(object).expect("an object");
    cluster.insert(kind, &object);
}

fn class(cluster: &Offline, name: &str, controller: &str) {
    let object = json!({"metadata": {"name": name}, "spec": {"controllerName": controller}});
    insert(cluster, Kind::GatewayClass, object);
}

fn openfunction(cluster: &Offline, spec: Value) {
    let object = json!({
        "metadata": {"namespace": "ofn", "name": "openfunction"},
        "spec": spec,
    });
    insert(cluster, Kind::Gateway, object);
}

/// Traefik's class, a Gateway with one listener of somebody else, and an OpenFunction Gateway with
/// one listener `mine`, after a pass.
fn traefik(theirs: Value, mine: Value) -> (Offline, Value) {
    let cluster = Offline::default();
    class(&cluster, "traefik", "traefik.io/gateway-controller");
    insert(
        &cluster,
        Kind::KubernetesGateway,
        json!({
            "metadata": {"namespace": "infra", "name": "web", "uid": "theirs"},
            "spec": {"gatewayClassName": "traefik", "listeners": [theirs]},
        }),
    );
    openfunction(
        &cluster,
        json!({
            "domain": "ofn.io",
            "gatewayRef": {"namespace": "infra", "name": "web"},
            "gatewaySpec": {"listeners": [mine]},
        }),
    );
    let gateway = passed(&cluster);
    (cluster, gateway)
}

fn get(cluster: &Offline, kind: Kind, namespace: &str, name: &str) -> Value {
    let name = ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    json!(futures::executor::block_on(cluster.get(kind, &name)).expect("offline"))
}

/// The OpenFunction Gateway after a pass.
fn passed(cluster: &Offline) -> Value {
    pass_in(cluster, &mut Vec::new()).expect("a pass");
    get(cluster, Kind::Gateway, "ofn", "openfunction")
}

fn listener(name: &str, port: u16, hostname: &str) -> Value {
    json!({"name": name, "port": port, "protocol": "HTTP", "hostname": hostname})
}

/// Why a listener is not ready.
fn ready(gateway: &Value, name: &str) -> String {
    let listeners = gateway["status"]["listeners"].as_array().expect("a status");
    let listener = listeners.iter().find(|listener| listener["name"] == name);
    let ready = &listener.expect("a listener")["conditions"][0];
    let text = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
    format!("{}: {}", text("reason"), text("message"))
}

#[test]
fn a_port_that_traefik_maps_is_written_mapped_and_shown_as_the_user_wrote_it() {
    let theirs = listener("theirs", 8443, "a.example.com");
    let (cluster, gateway) = traefik(theirs, listener("mine", 80, "*.ofn.io"));
    let written = cluster
        .results()
        .into_iter()
        .find(|object| object["spec"]["gatewayClassName"] == "traefik")
        .expect("it is written");
    let ports: Vec<_> = written["spec"]["listeners"]
        .as_array()
        .expect("listeners")
        .iter()
        .map(|listener| (&listener["name"], &listener["port"]))
        .map(|(name, port)| format!("{name} {port}"))
        .collect();
    assert_eq!(
        ports,
        [
            "\"theirs\" 8443",
            "\"mine\" 8000",
            "\"ofn-http-internal\" 8000"
        ]
    );
    let listeners = &gateway["spec"]["gatewaySpec"]["listeners"];
    assert_eq!(listeners[0]["port"], 80);
}

/// As when a chart is installed anew.
#[test]
fn without_its_class_a_gateway_is_decided_on_as_before() {
    let theirs = listener("theirs", 8443, "a.example.com");
    let (cluster, _) = traefik(theirs, listener("mine", 80, "*.ofn.io"));
    let listeners = |cluster: &Offline| {
        get(cluster, Kind::KubernetesGateway, "infra", "web")["spec"]["listeners"].clone()
    };
    let before = listeners(&cluster);
    assert_eq!(before[1]["port"], 8000);
    let mut web = get(&cluster, Kind::KubernetesGateway, "infra", "web");
    web["spec"]["gatewayClassName"] = json!("gone");
    insert(&cluster, Kind::KubernetesGateway, web);
    let gateway = passed(&cluster);
    assert_eq!(listeners(&cluster), before);
    assert_eq!(gateway["status"]["policy"]["name"], "traefik");
    let scheduled = &gateway["status"]["conditions"][0];
    assert_eq!(
        scheduled["message"],
        "GatewayClass gone does not exist: create it, or name another one"
    );
}

/// As an Istio, Envoy Gateway or NGINX whose controller was given another name.
#[test]
fn an_annotation_names_the_component_for_a_controller_that_nobody_knows() {
    let theirs = listener("theirs", 8443, "a.example.com");
    let (cluster, mut gateway) = traefik(theirs, listener("mine", 80, "*.ofn.io"));
    class(&cluster, "traefik", "example.com/a-traefik-of-ours");
    let decided = |gateway: &Value| gateway["status"]["policy"]["name"].clone();
    assert_eq!(decided(&passed(&cluster)), "standard");
    gateway["metadata"]["annotations"]["networking.openfunction.io/policy"] = json!("traefik");
    insert(&cluster, Kind::Gateway, gateway);
    assert_eq!(decided(&passed(&cluster)), "traefik");
    let written = get(&cluster, Kind::KubernetesGateway, "infra", "web");
    assert_eq!(written["spec"]["listeners"][1]["port"], 8000);
}

/// The API server would take no Gateway without listeners.
#[test]
fn where_every_listener_is_refused_no_gateway_is_created() {
    let cluster = Offline::default();
    class(&cluster, "waypoint", "istio.io/mesh-controller");
    openfunction(
        &cluster,
        json!({
            "domain": "ofn.io",
            "gatewayDef": {"namespace": "infra", "name": "web", "gatewayClassName": "waypoint"},
        }),
    );
    let gateway = passed(&cluster);
    let made = get(&cluster, Kind::KubernetesGateway, "infra", "web");
    assert_eq!(made, Value::Null);
    let why = ready(&gateway, "ofn-http-internal");
    assert!(why.contains("is for the mesh"), "{why}");
}

#[test]
fn settings_are_judged_when_it_is_known_for_whom_they_are() {
    let theirs = listener("theirs", 8443, "a.example.com");
    let (cluster, mut gateway) = traefik(theirs, listener("mine", 80, "*.ofn.io"));
    let ready = |gateway: &Value| gateway["status"]["conditions"][1]["reason"].clone();
    // Nothing of ours was put into this one.
    gateway["spec"]["gatewayRef"]["name"] = json!("other");
    gateway["metadata"]["annotations"]["policy.networking.openfunction.io/odd"] = json!("1");
    insert(&cluster, Kind::Gateway, gateway);
    let mut other = get(&cluster, Kind::KubernetesGateway, "infra", "web");
    other["metadata"] = json!({"namespace": "infra", "name": "other", "uid": "other"});
    other["spec"] = json!({
        "gatewayClassName": "gone",
        "listeners": [listener("theirs", 8443, "a.example.com")],
    });
    insert(&cluster, Kind::KubernetesGateway, other.clone());
    assert_eq!(ready(&passed(&cluster)), "NotFound");
    other["spec"]["gatewayClassName"] = json!("traefik");
    insert(&cluster, Kind::KubernetesGateway, other);
    assert_eq!(ready(&passed(&cluster)), "Invalid");
}

#[test]
fn a_listener_of_somebody_else_on_a_mapped_port_is_a_conflict_that_names_it() {
    let theirs = listener("theirs", 8000, "*.ofn.io");
    let (_, gateway) = traefik(theirs, listener("mine", 80, "*.ofn.io"));
    assert_eq!(
        ready(&gateway, "mine"),
        "ListenerConflict: listener theirs of Gateway infra/web serves HTTP for *.ofn.io on port \
         8000 already: give one of them another host name or port"
    );
}
