//! Cilium's Gateway API, with a load balancer and in the host's network.

use ofn_scene::objects::{class, gateway, service};
use ofn_scene::{Answer, Scene};
use serde_json::{Value, json};

use crate::Cilium;

fn scene(rest: &str) -> Scene {
    Scene::with_ref("infra/web")
        .objects(&class("cilium", "io.cilium/gateway-controller"))
        .objects(&gateway("infra/web", "cilium", rest))
}

fn asked(scene: Scene) -> Answer {
    scene.ask(&Cilium)
}

#[test]
fn the_service_of_the_gateway_is_the_entry() {
    let labels = [
        ("io.cilium.gateway/owning-gateway", "web"),
        ("gateway.networking.k8s.io/gateway-name", "web"),
    ];
    let status = "status: {addresses: [{type: IPAddress, value: 192.0.2.30}]}";
    let answer = asked(scene(status).objects(&service("infra/cilium-gateway-web", &labels, &[80])));
    assert_eq!(answer.entry(), "infra/cilium-gateway-web");
    assert!(answer.queries().len() <= 8);
}

#[test]
fn the_label_of_older_versions_is_enough() {
    let labels = [("io.cilium.gateway/owning-gateway", "web")];
    let answer = asked(scene("{}").objects(&service("infra/shortened", &labels, &[80])));
    assert_eq!(answer.entry(), "infra/shortened");
}

#[test]
fn the_name_is_enough() {
    let answer = asked(scene("{}").objects(&service("infra/cilium-gateway-web", &[], &[80])));
    assert_eq!(answer.entry(), "infra/cilium-gateway-web");
}

#[test]
fn a_service_whose_name_was_shortened_is_reached_by_the_address() {
    let name = format!("infra/{}", "w".repeat(70));
    let status = "status: {addresses: [{type: Hostname, value: lb.example.com}]}";
    let scene = Scene::with_ref(&name).objects(&gateway(&name, "cilium", status));
    assert_eq!(asked(scene).entry(), "lb.example.com");
}

#[test]
fn in_the_hosts_network_the_nodes_are_the_entry() {
    let status = "
status:
  addresses:
  - {type: IPAddress, value: 192.0.2.31}
  - {type: IPAddress, value: 192.0.2.32}
";
    assert_eq!(asked(scene(status)).entry(), "192.0.2.31 192.0.2.32");
    // Today's type, and that of older versions.
    for type_ in ["NodePort", "ClusterIP"] {
        let answer = asked(scene(status).objects(&made(type_)));
        assert_eq!(answer.entry(), "192.0.2.31 192.0.2.32", "{type_}");
    }
}

/// What Cilium makes for the Gateway.
fn made(type_: &str) -> String {
    let labels = [
        ("io.cilium.gateway/owning-gateway", "web"),
        ("gateway.networking.k8s.io/gateway-name", "web"),
    ];
    service("infra/cilium-gateway-web", &labels, &[80]).replace("LoadBalancer", type_)
}

#[test]
fn a_type_that_the_parameters_of_the_class_may_have_chosen_says_nothing_of_the_hosts_network() {
    let class = "
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: cilium}
spec:
  controllerName: io.cilium/gateway-controller
  parametersRef: {group: cilium.io, kind: CiliumGatewayClassConfig, name: c, namespace: infra}
";
    let status = "status: {addresses: [{type: IPAddress, value: 192.0.2.31}]}";
    let answer = asked(scene(status).objects(class).objects(&made("NodePort")));
    assert_eq!(answer.entry(), "infra/cilium-gateway-web");
}

#[test]
fn in_the_hosts_network_the_service_that_the_user_chose_is_the_entry() {
    let chosen = "infra/cilium-gateway-web";
    let answer = asked(
        scene("{}")
            .annotation("networking.openfunction.io/entry-service", chosen)
            .objects(&made("NodePort")),
    );
    assert_eq!(answer.entry(), chosen);
}

#[test]
fn tcp_owns_its_port_and_shares_it_with_udp_only() {
    let answer = asked(
        scene("{}")
            .listener("raw", 5300, "TCP")
            .listener("dns", 5300, "UDP")
            .listener("web", 5300, "HTTP"),
    );
    assert_eq!(
        answer.refusal("web"),
        "ProtocolConflict: Cilium cannot serve HTTP on port 5300, where listener raw has TCP: write \
         another port"
    );
    assert_eq!(answer.refused(), ["web"]);
}

#[test]
fn host_names_of_https_and_tls_on_a_port_must_not_overlap() {
    let listener = |name: &str, protocol: &str, hostname: &str, tls: Value| {
        json!({
            "name": name,
            "port": 443,
            "protocol": protocol,
            "hostname": hostname,
            "tls": tls,
        })
    };
    let ends = || json!({"certificateRefs": [{"name": "certificate"}]});
    let passes = || json!({"mode": "Passthrough"});
    let answer = asked(
        scene("{}")
            .listener_as(listener("web", "HTTPS", "*.ofn.io", ends()))
            .listener_as(listener("under", "TLS", "a.ofn.io", passes()))
            .listener_as(listener("above", "TLS", "ofn.io", passes())),
    );
    assert_eq!(
        answer.refusal("under"),
        "HostnameConflict: Cilium tells the listeners of a port apart by their host names, and on \
         port 443 listener web has *.ofn.io already: write another host name or another port"
    );
    assert_eq!(answer.refused(), ["under"]);
    // Where TLS ends at Cilium, it looks at what comes.
    let answer = asked(
        scene("{}")
            .listener("plain", 8443, "HTTP")
            .listener_as(listener("web", "HTTPS", "*.ofn.io", ends()))
            .listener_as(listener("under", "TLS", "*.ofn.io", ends()))
            .listener("secure", 8443, "HTTPS"),
    );
    assert_eq!(answer.refused(), [""; 0]);
}

#[test]
fn an_unknown_protocol_is_refused() {
    let answer = asked(scene("{}").listener("own", 80, "example.com/own"));
    assert_eq!(
        answer.refusal("own"),
        "UnsupportedProtocol: Cilium does not serve protocol example.com/own: write one of HTTP, \
         HTTPS, TLS, TCP, UDP"
    );
}

#[test]
fn a_gateway_without_an_address_is_not_ready_in_ciliums_words() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: 'True', reason: Accepted, message: Gateway successfully scheduled, observedGeneration: 1}
  - {type: Programmed, status: 'False', reason: AddressNotAssigned, message: Address is not ready, observedGeneration: 1}
";
    let answer = asked(scene(status));
    assert_eq!(
        answer.condition("Scheduled"),
        "True Scheduled: Gateway is scheduled"
    );
    assert_eq!(
        answer.condition("Ready"),
        "False AddressNotAssigned: Address is not ready"
    );
}

#[test]
fn a_gateway_that_cilium_serves_is_ready() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: 'True', reason: Accepted, message: Gateway successfully scheduled, observedGeneration: 1}
  - {type: Programmed, status: 'True', reason: Programmed, message: Gateway successfully reconciled, observedGeneration: 1}
  listeners:
  - name: ofn-http-internal
    attachedRoutes: 0
    supportedKinds: [{group: gateway.networking.k8s.io, kind: HTTPRoute}, {group: gateway.networking.k8s.io, kind: GRPCRoute}]
    conditions:
    - {type: Programmed, status: 'True', reason: Programmed, message: Listener Programmed, observedGeneration: 1}
    - {type: Accepted, status: 'True', reason: Accepted, message: Listener Accepted, observedGeneration: 1}
    - {type: ResolvedRefs, status: 'True', reason: ResolvedRefs, message: Resolved Refs, observedGeneration: 1}
";
    let answer = asked(scene(status));
    assert_eq!(answer.condition("Ready"), "True Valid: Valid Gateway");
    assert_eq!(
        answer.listener_ready("ofn-http-internal"),
        "True Ready: Valid listener"
    );
}

#[test]
fn parameters_that_cilium_does_not_take_make_a_gateway_unready() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: 'False', reason: InvalidParameters, message: infrastructure.parametersRef is not supported, observedGeneration: 1}
  - {type: Programmed, status: 'True', reason: Programmed, message: Gateway successfully reconciled, observedGeneration: 1}
";
    let answer = asked(scene(status));
    for type_ in ["Scheduled", "Ready"] {
        assert_eq!(
            answer.condition(type_),
            "False InvalidParameters: infrastructure.parametersRef is not supported"
        );
    }
}

#[test]
fn a_listener_in_conflict_is_not_ready() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: 'True', reason: ListenersNotValid, message: Gateway successfully scheduled, observedGeneration: 1}
  - {type: Programmed, status: 'True', reason: Programmed, message: Gateway successfully reconciled, observedGeneration: 1}
  listeners:
  - name: ofn-http-internal
    attachedRoutes: 0
    supportedKinds: [{group: gateway.networking.k8s.io, kind: HTTPRoute}]
    conditions:
    - {type: Conflicted, status: 'True', reason: HostnameConflict, message: Listener hostname conflicts, observedGeneration: 1}
    - {type: Programmed, status: 'False', reason: HostnameConflict, message: Listener not programmed, observedGeneration: 1}
";
    let answer = asked(scene(status));
    assert_eq!(
        answer.condition("Ready"),
        "False HostnameConflict: Listener ofn-http-internal: Listener hostname conflicts"
    );
}
