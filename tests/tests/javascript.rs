//! The component in JavaScript, as `make javascript` left it: that the sandbox takes it as it takes
//! the others, and what it decides about load balancers of AWS.

use std::fs;
use std::sync::{Arc, LazyLock};

use futures::executor::block_on;
use kube::api::DynamicObject;
use ofn_contract::{Gateway, GatewayClass, GatewaySpec, Listener, ObjectName, Observation};
use ofn_gateway::cluster::offline::Offline;
use ofn_gateway::cluster::{Cluster, Kind};
use ofn_gateway::kubernetes_gateway::KubernetesGateway;
use ofn_gateway::pass::pass;
use ofn_gateway::pass::vet::{self, Terms};
use ofn_gateway::policies::{Folders, Policies};
use ofn_gateway::sandbox::{CallError, Fault, Instance, Limits, PolicyComponent};
use ofn_policy::{Policy, Standard};
use ofn_tests::host;
use ofn_tests::implementation::{self, condition};
use serde::Deserialize;
use serde_json::{Value, json};

const NAME: &str = "aws-load-balancer";
const ALB: &str = "gateway.k8s.aws/alb";
const NLB: &str = "gateway.k8s.aws/nlb";

/// The budget of a component with an engine in it, in bytes.
const LARGEST: u64 = 2_000_000;

/// It and the standard one, under the default limits.
static POLICIES: LazyLock<Arc<Policies>> = LazyLock::new(|| {
    let folders = vec![
        host::policies().expect("make build"),
        host::javascript().expect("make javascript"),
    ];
    let sandbox = host::sandbox(Limits::default()).expect("the engine starts");
    let (folders, news) = Folders::open(folders, sandbox, Terms::default()).expect("they load");
    news.iter().for_each(|news| println!("{news}"));
    Arc::clone(folders.policies())
});

/// It loads only if it imports nothing.
fn component() -> &'static PolicyComponent {
    POLICIES.named(NAME).expect("it loads")
}

#[test]
fn it_loads_under_the_default_limits_and_serves_both_controllers() {
    assert_eq!(component().description.controller_names, [ALB, NLB]);
    for controller in [ALB, NLB] {
        let policy = POLICIES.for_controller(controller);
        assert_eq!(policy.description.name, NAME);
    }
}

#[test]
fn it_is_within_its_budget_of_size() {
    let folder = host::javascript().expect("make javascript");
    let file = folder.join(NAME).with_extension("wasm");
    let size = fs::metadata(file).expect("a file").len();
    assert!(size <= LARGEST, "it has {size} bytes");
}

fn name(namespace: &str, name: &str) -> ObjectName {
    ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn parsed(object: Value) -> DynamicObject {
    serde_json::from_value(object).expect("an object")
}

fn insert(cluster: &Offline, kind: Kind, object: Value) {
    cluster.insert(kind, &parsed(object));
}

/// An OpenFunction Gateway after a pass, and the objects that the pass wrote.
struct Played {
    gateway: Value,
    written: Vec<Value>,
}

fn play(cluster: &Offline) -> Played {
    let ofn = name("ofn", "openfunction");
    block_on(pass(cluster, &POLICIES, &ofn, &mut |_| (), &mut Vec::new())).expect("a pass");
    let gateway = block_on(cluster.get(Kind::Gateway, &ofn)).expect("offline");
    Played {
        gateway: json!(gateway),
        written: cluster.results(),
    }
}

/// A Gateway `infra/web` of a controller of AWS with this status, and an OpenFunction Gateway with
/// these listeners.
fn cluster(controller: &str, listeners: Value, status: Value) -> Offline {
    let cluster = Offline::default();
    insert(
        &cluster,
        Kind::GatewayClass,
        json!({"metadata": {"name": "aws"}, "spec": {"controllerName": controller}}),
    );
    let theirs = json!({"name": "theirs", "port": 8443, "protocol": "TLS"});
    insert(
        &cluster,
        Kind::KubernetesGateway,
        json!({
            "metadata": {"namespace": "infra", "name": "web", "uid": "theirs"},
            "spec": {"gatewayClassName": "aws", "listeners": [theirs]},
            "status": status,
        }),
    );
    insert(
        &cluster,
        Kind::Gateway,
        json!({
            "metadata": {"namespace": "ofn", "name": "openfunction"},
            "spec": {
                "domain": "ofn.io",
                "gatewayRef": {"namespace": "infra", "name": "web"},
                "gatewaySpec": {"listeners": listeners},
            },
        }),
    );
    cluster
}

/// One listener more than the default one, for a load balancer that says nothing yet.
fn beside_the_default_one(controller: &str, listener: Value) -> Played {
    play(&cluster(controller, json!([listener]), json!({})))
}

impl Played {
    /// Why a listener is not ready, or that it is.
    fn listener(&self, name: &str) -> String {
        let listeners = self.gateway["status"]["listeners"].as_array();
        let listener = listeners
            .into_iter()
            .flatten()
            .find(|listener| listener["name"] == name);
        said(&listener.expect("a listener")["conditions"][0])
    }

    /// A condition of the Gateway.
    fn condition(&self, type_: &str) -> String {
        let conditions = self.gateway["status"]["conditions"].as_array();
        let condition = conditions
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == type_);
        said(condition.expect("a condition"))
    }

    /// The names of the listeners of the Kubernetes Gateway.
    fn listeners(&self) -> Vec<&str> {
        let written = self
            .written
            .iter()
            .find(|object| object["spec"]["gatewayClassName"] == "aws");
        let listeners = written.expect("it is written")["spec"]["listeners"].as_array();
        let names = listeners.into_iter().flatten();
        names
            .filter_map(|listener| listener["name"].as_str())
            .collect()
    }
}

fn said(condition: &Value) -> String {
    let text = |field: &str| condition[field].as_str().unwrap_or_default();
    format!("{} {}: {}", text("status"), text("reason"), text("message"))
}

#[test]
fn an_application_load_balancer_refuses_tcp_and_says_what_to_write_instead() {
    let tcp = json!({"name": "db", "port": 5432, "protocol": "TCP"});
    let played = beside_the_default_one(ALB, tcp);
    assert_eq!(
        played.listener("db"),
        "False UnsupportedProtocol: an Application Load Balancer does not serve TCP: write HTTP or \
         HTTPS, or take a Gateway whose class has the controller gateway.k8s.aws/nlb"
    );
    assert_eq!(played.listeners(), ["theirs", "ofn-http-internal"]);
}

#[test]
fn a_network_load_balancer_refuses_http_and_the_default_listener_with_it() {
    let http = json!({"name": "web", "port": 80, "protocol": "HTTP"});
    let spec = json!([http, {"name": "db", "port": 5432, "protocol": "TCP"}]);
    let played = play(&cluster(NLB, spec, json!({})));
    assert_eq!(
        played.listener("web"),
        "False UnsupportedProtocol: a Network Load Balancer does not serve HTTP: write TCP, UDP or \
         TLS, or take a Gateway whose class has the controller gateway.k8s.aws/alb"
    );
    assert_eq!(
        played.listener("ofn-http-internal"),
        "False UnsupportedProtocol: a Network Load Balancer does not serve HTTP: set annotation \
         networking.openfunction.io/default-listener to \"disabled\", or take a Gateway whose class \
         has the controller gateway.k8s.aws/alb"
    );
    assert_eq!(played.listeners(), ["theirs", "db"]);
}

#[test]
fn a_port_has_one_protocol() {
    let https = json!({"name": "web", "port": 80, "protocol": "HTTPS"});
    let plain = json!({"name": "plain", "port": 80, "protocol": "HTTP"});
    let played = play(&cluster(ALB, json!([plain, https]), json!({})));
    assert_eq!(
        played.listener("web"),
        "False ProtocolConflict: an Application Load Balancer cannot serve HTTPS on port 80, where \
         listener plain has HTTP: write another port"
    );
}

#[test]
fn tcp_and_udp_share_a_port() {
    let tcp = json!({"name": "dns-tcp", "port": 53, "protocol": "TCP"});
    let udp = json!({"name": "dns-udp", "port": 53, "protocol": "UDP"});
    let played = play(&cluster(NLB, json!([tcp, udp]), json!({})));
    assert_eq!(played.listeners(), ["theirs", "dns-tcp", "dns-udp"]);
}

#[test]
fn a_listener_of_somebody_else_that_is_refused_is_in_nobodys_way() {
    // An Application Load Balancer does not serve `theirs`, which has TLS on this port.
    let https = json!({"name": "web", "port": 8443, "protocol": "HTTPS"});
    let played = beside_the_default_one(ALB, https);
    assert_eq!(played.listeners(), ["theirs", "web", "ofn-http-internal"]);
}

#[test]
fn routes_of_a_kind_that_the_load_balancer_has_not_are_refused() {
    let mut web = json!({"name": "web", "port": 443, "protocol": "HTTPS"});
    web["allowedRoutes"] = json!({"kinds": [{"kind": "HTTPRoute"}, {"kind": "TCPRoute"}]});
    assert_eq!(
        beside_the_default_one(ALB, web).listener("web"),
        "False InvalidRouteKinds: an Application Load Balancer has no routes of kind \"TCPRoute\": \
         write HTTPRoute or GRPCRoute into allowedRoutes.kinds"
    );
}

/// What the AWS Load Balancer Controller writes. `conflicted` is what it says where there is no
/// conflict; statuses of listeners are in any order.
fn status(is_programmed: bool, conflicted: &str) -> Value {
    let (gateway, listener) = if is_programmed {
        (
            condition("Programmed", "True", "Programmed", "arn:aws:elb", 1),
            condition(
                "Programmed",
                "True",
                "Programmed",
                "Listener is programmed.",
                1,
            ),
        )
    } else {
        let (waiting, pending) = (
            "Waiting for load balancer to be active.",
            "Listener is pending to be programmed.",
        );
        (
            condition("Programmed", "Unknown", "Pending", waiting, 1),
            condition("Programmed", "False", "Pending", pending, 1),
        )
    };
    let listener = |name: &str| {
        json!({
            "name": name,
            "attachedRoutes": 0,
            "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
            "conditions": [
                condition("Conflicted", conflicted, "NoConflicts", "Listener has no conflict.", 1),
                condition("Accepted", "True", "Accepted", "Listener is accepted.", 1),
                condition("ResolvedRefs", "True", "ResolvedRefs", "Listener has all refs resolved.", 1),
                listener,
            ],
        })
    };
    json!({
        "conditions": [condition("Accepted", "True", "ListenersNotValid", "", 1), gateway],
        "addresses": [{"type": "Hostname", "value": "web-1.elb.eu-west-1.amazonaws.com"}],
        "listeners": [listener("ofn-http-internal"), listener("theirs"), listener("web")],
    })
}

fn served(status: Value) -> Played {
    let web = json!({"name": "web", "port": 443, "protocol": "HTTPS"});
    let cluster = cluster(ALB, json!([web]), status);
    // The first pass writes the listeners: what was said before is not of them.
    play(&cluster);
    cluster_says_so_again(&cluster);
    play(&cluster)
}

/// The status that there is, of the generation that there is.
fn cluster_says_so_again(cluster: &Offline) {
    let web = name("infra", "web");
    let gateway = block_on(cluster.get(Kind::KubernetesGateway, &web)).expect("offline");
    let mut gateway = json!(gateway);
    let generation = gateway["metadata"]["generation"].clone();
    let renew = |conditions: &mut Value| {
        for condition in conditions.as_array_mut().into_iter().flatten() {
            condition["observedGeneration"] = generation.clone();
        }
    };
    renew(&mut gateway["status"]["conditions"]);
    for listener in gateway["status"]["listeners"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        renew(&mut listener["conditions"]);
    }
    insert(cluster, Kind::KubernetesGateway, gateway);
}

#[test]
fn while_the_load_balancer_is_provisioned_it_is_not_ready_in_the_words_of_the_vendor() {
    let played = served(status(false, "False"));
    assert_eq!(
        played.condition("Ready"),
        "Unknown Pending: Waiting for load balancer to be active."
    );
    assert_eq!(
        played.listener("web"),
        "False Pending: Listener is pending to be programmed."
    );
}

#[test]
fn it_is_ready_when_the_load_balancer_is_also_where_conflicted_is_the_wrong_way_round() {
    for conflicted in ["False", "True"] {
        let played = served(status(true, conflicted));
        assert_eq!(played.condition("Ready"), "True Valid: Valid Gateway");
        assert_eq!(played.listener("web"), "True Ready: Valid listener");
    }
}

#[test]
fn what_was_said_before_the_last_change_makes_nothing_ready() {
    let web = json!({"name": "web", "port": 443, "protocol": "HTTPS"});
    let played = play(&cluster(ALB, json!([web]), status(true, "False")));
    assert!(played.condition("Ready").starts_with("Unknown Pending"));
    assert!(played.listener("web").starts_with("Unknown Pending"));
}

#[test]
fn the_entry_is_the_host_name_of_the_load_balancer() {
    let played = served(status(true, "False"));
    let is_service = |object: &&Value| object["kind"] == "Service";
    let service = played.written.iter().find(is_service).expect("an entry");
    assert_eq!(
        service["spec"]["externalName"],
        "web-1.elb.eu-west-1.amazonaws.com"
    );
}

#[test]
fn the_name_of_the_machine_itself_is_no_entry() {
    let mut status = status(true, "False");
    status["addresses"] = json!([
        {"type": "Hostname", "value": "localhost"},
        {"type": "Hostname", "value": "web.localhost"},
    ]);
    let played = served(status);
    let mut written = played.written.iter();
    assert!(!written.any(|object| object["kind"] == "Service"));
}

#[test]
fn the_entry_itself_is_none_that_a_user_can_choose() {
    let cluster = cluster(ALB, json!([]), json!({}));
    let ofn = name("ofn", "openfunction");
    let gateway = block_on(cluster.get(Kind::Gateway, &ofn)).expect("offline");
    let mut gateway = json!(gateway);
    gateway["metadata"]["annotations"] =
        json!({"networking.openfunction.io/entry-service": "ofn/gateway"});
    insert(&cluster, Kind::Gateway, gateway);
    assert_eq!(
        play(&cluster).condition("Ready"),
        "False Invalid: metadata.annotations[networking.openfunction.io/entry-service]: \
         \"ofn/gateway\" is the entry itself: write the Service of the data plane"
    );
}

#[test]
fn an_unknown_setting_is_told_with_its_field() {
    let cluster = cluster(ALB, json!([]), json!({}));
    let ofn = name("ofn", "openfunction");
    let gateway = block_on(cluster.get(Kind::Gateway, &ofn)).expect("offline");
    let mut gateway = json!(gateway);
    gateway["metadata"]["annotations"] = json!({"policy.networking.openfunction.io/size": "2"});
    insert(&cluster, Kind::Gateway, gateway);
    assert_eq!(
        play(&cluster).condition("Ready"),
        "False Invalid: metadata.annotations[policy.networking.openfunction.io/size]: is not known: \
         remove it, as policy aws-load-balancer, which serves this Gateway, has no settings"
    );
}

/// What a pass writes for the samples of `deploy/`, decided by a policy.
fn samples(policy: &str) -> Value {
    let cluster = Offline::default();
    let folder = host::workspace().join("deploy/samples");
    for file in ["default-gateway.yaml", "contour.yaml"] {
        let text = fs::read_to_string(folder.join(file)).expect("a sample");
        for document in serde_yaml_ng::Deserializer::from_str(&text) {
            let mut object = Value::deserialize(document).expect("YAML");
            let kind = Kind::of(&parsed(object.clone())).expect("a kind of ours");
            if kind == Kind::Gateway {
                object["metadata"]["annotations"] =
                    json!({"networking.openfunction.io/policy": policy});
            }
            insert(&cluster, kind, object);
        }
    }
    let ofn = name("openfunction", "openfunction");
    block_on(pass(
        &cluster,
        &POLICIES,
        &ofn,
        &mut |_| (),
        &mut Vec::new(),
    ))
    .expect("a pass");
    let gateway = block_on(cluster.get(Kind::Gateway, &ofn)).expect("offline");
    json!(gateway)
}

#[test]
fn where_the_annotation_names_it_its_defaults_are_those_of_the_standard_one() {
    let (ours, standard) = (samples(NAME), samples("standard"));
    assert_eq!(ours["status"]["policy"]["name"], NAME);
    assert_eq!(ours["spec"], standard["spec"]);
    let applied = "networking.openfunction.io/last-applied-configuration";
    let spec = |object: &Value| {
        let text = object["metadata"]["annotations"][applied].as_str();
        serde_json::from_str::<Value>(text.expect("an annotation")).expect("JSON")
    };
    assert_eq!(spec(&ours), spec(&standard));
}

/// An OpenFunction Gateway as the contract has it.
fn written(listeners: Vec<Listener>) -> Gateway {
    Gateway {
        name: name("ofn", "openfunction"),
        annotations: Vec::new(),
        spec: GatewaySpec {
            domain: "ofn.io".to_owned(),
            cluster_domain: String::new(),
            host_template: String::new(),
            path_template: String::new(),
            http_route_label_key: String::new(),
            gateway_ref: Some(name("infra", "web")),
            gateway_def: None,
            listeners,
        },
    }
}

fn listener(name: &str, port: u16, rest: &str) -> Listener {
    Listener {
        name: name.to_owned(),
        hostname: None,
        port,
        protocol: "HTTP".to_owned(),
        rest: rest.to_owned(),
    }
}

#[test]
fn a_number_that_javascript_cannot_hold_stays_in_a_listener_that_is_corrected() {
    let rest =
        r#"{"tls":{},"odd":{"n":12345678901234567890,"f":1.0},"allowedRoutes":{"kinds":[]}}"#;
    let gateway = written(vec![listener("ofn-http-internal", 81, rest)]);
    let mut instance = component().instance().expect("an instance");
    let answer = instance.default_spec(gateway, None).expect("an answer");
    assert_eq!(
        answer.expect("a spec").listeners[0].rest,
        r#"{"odd":{"n":12345678901234567890,"f":1.0},"allowedRoutes":{"kinds":[],"namespaces":{"from":"All"}}}"#
    );
}

/// As the host does: it may be the machine that is slow, and no component can know.
fn asked_again_when_late<T>(
    ask: impl Fn(Instance) -> Result<T, CallError>,
) -> Result<T, CallError> {
    let mut answers = (0..50).map(|_| ask(component().instance().expect("an instance")));
    let is_in_time = |answer: &Result<T, CallError>| !matches!(answer, Err(error) if matches!(error.fault, Fault::Time));
    answers
        .find(is_in_time)
        .expect("an answer in time, once in fifty times")
}

#[test]
fn odd_and_huge_specs_are_violations_within_the_default_limits() {
    let with_rest = |rest: String| written(vec![listener("ofn-http-internal", 80, &rest)]);
    let mut long_template = written(Vec::new());
    long_template.spec.host_template = "{{.Name}}".repeat(100_000);
    let mut odd_template = written(Vec::new());
    odd_template.spec.path_template = "{{range 9}}".repeat(100_000);
    let mut long_domain = written(Vec::new());
    long_domain.spec.domain = "a.".repeat(500_000);
    let many = (0..20_000).map(|number| listener(&format!("{number}-\u{202e}"), 0, "[]"));
    for (what, gateway) in [
        ("deep", with_rest("[".repeat(90_000))),
        ("deep objects", with_rest("{\"a\":".repeat(19_000))),
        (
            "large",
            with_rest(format!("{{\"a\":\"{}\"}}", "x".repeat(1_000_000))),
        ),
        (
            "unended",
            with_rest(format!("{{\"a\":\"{}", "\\\"".repeat(45_000))),
        ),
        ("a long template", long_template),
        ("an odd template", odd_template),
        ("a long domain", long_domain),
        ("many listeners", written(many.collect())),
    ] {
        let answer =
            asked_again_when_late(|mut instance| instance.default_spec(gateway.clone(), None));
        let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
        let wrong = answer.expect_err(what);
        vet::violations("default", wrong).expect(what);
    }
}

/// What implementations were recorded with, for a spec that has all the listeners, and what else may
/// be of it: with and without a class, read as new and as stale, its parts in another order.
fn recorded() -> Vec<(String, Observation)> {
    let folder = host::workspace().join("tests/recorded");
    let mut all = Vec::new();
    for file in fs::read_dir(folder).expect("a folder") {
        let path = file.expect("a file").path();
        let text = fs::read_to_string(&path).expect("a file");
        let object: DynamicObject = serde_yaml_ng::from_str(&text).expect("YAML");
        let mut gateway = KubernetesGateway::from(object).to_contract();
        for (generation, has_class) in [(0, true), (0, false), (1_000, true), (1_000, false)] {
            gateway.written_generation = generation;
            gateway.listener_statuses.reverse();
            gateway.conditions.reverse();
            let what = format!("{} {generation} {has_class}", path.display());
            all.push((what, observation(&gateway, has_class)));
        }
    }
    all
}

fn observation(gateway: &ofn_contract::KubernetesGateway, has_class: bool) -> Observation {
    let mut gateway_spec = written(gateway.listeners.clone());
    gateway_spec.spec.gateway_ref = Some(gateway.name.clone());
    Observation {
        name: gateway_spec.name.clone(),
        annotations: Vec::new(),
        settings: Vec::new(),
        spec: Standard.default_spec(&gateway_spec, None).expect("a spec"),
        kubernetes_gateway: Some(gateway.clone()),
        gateway_class: has_class.then(|| GatewayClass {
            name: gateway.class_name.clone(),
            controller_name: ALB.to_owned(),
            annotations: Vec::new(),
            spec_rest: "{}".to_owned(),
        }),
        services: Vec::new(),
    }
}

#[test]
fn it_reads_every_recorded_status_as_the_standard_one_does() {
    let recorded = recorded();
    assert!(!recorded.is_empty());
    for (what, seen) in recorded {
        let mut instance = component().instance().expect("an instance");
        let status = instance.aggregate_status(seen.clone()).expect("an answer");
        assert_eq!(status, Standard.aggregate_status(&seen), "{what}");
    }
}

#[test]
fn as_much_as_an_implementation_may_say_of_64_listeners_fits_into_a_status() {
    let default = listener("ofn-http-internal", 80, "{}");
    let others = (1..64).map(|number| listener(&format!("l{number}"), 8000 + number, "{}"));
    let listeners: Vec<_> = [default].into_iter().chain(others).collect();
    let mut gateway = implementation::all_it_may_say(&listeners);
    gateway.listeners = listeners;
    let seen = observation(&gateway, true);
    let status = asked_again_when_late(|mut instance| instance.aggregate_status(seen.clone()));
    let status = status.expect("an answer");
    vet::status(status, &seen.spec).expect("a status within the rules");
}
