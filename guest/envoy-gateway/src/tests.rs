//! Envoy Gateway in each of its deployment modes.

use ofn_scene::objects::{class, gateway, service};
use ofn_scene::{Answer, Scene};

use crate::EnvoyGateway;

const SYSTEM: &str = "envoy-gateway-system";
/// On the Service of Gateway apps/web, beside the labels of all of Envoy Gateway's.
const OWNED: [(&str, &str); 5] = [
    ("app.kubernetes.io/name", "envoy"),
    ("app.kubernetes.io/component", "proxy"),
    ("app.kubernetes.io/managed-by", "envoy-gateway"),
    ("gateway.envoyproxy.io/owning-gateway-name", "web"),
    ("gateway.envoyproxy.io/owning-gateway-namespace", "apps"),
];

fn scene() -> Scene {
    let controller = "gateway.envoyproxy.io/gatewayclass-controller";
    let status = "status: {addresses: [{type: IPAddress, value: 192.0.2.13}]}";
    Scene::with_ref("apps/web")
        .objects(&class("eg", controller))
        .objects(&gateway("apps/web", "eg", status))
}

fn asked(scene: Scene) -> Answer {
    scene.ask(&EnvoyGateway)
}

#[test]
fn the_service_with_a_hashed_name_is_found_in_envoy_gateways_namespace() {
    let name = format!("{SYSTEM}/envoy-apps-web-3b4e3efd");
    let answer = asked(scene().objects(&service(&name, &OWNED, &[80])));
    assert_eq!(answer.entry(), name);
    assert!(answer.queries().len() <= 8);
}

#[test]
fn a_service_with_a_chosen_name_is_found() {
    let answer = asked(scene().objects(&service("somewhere/mine", &OWNED, &[80])));
    assert_eq!(answer.entry(), "somewhere/mine");
}

#[test]
fn the_service_of_the_gateway_is_found_before_it_has_our_ports() {
    let name = format!("{SYSTEM}/envoy-apps-web-3b4e3efd");
    let answer = asked(scene().objects(&service(&name, &OWNED, &[8080])));
    assert_eq!(answer.entry(), name);
}

#[test]
fn in_gateway_namespace_mode_the_service_beside_the_gateway_is_found() {
    let mut labels = OWNED.to_vec();
    labels.push(("gateway.networking.k8s.io/gateway-name", "web"));
    let answer = asked(scene().objects(&service("apps/web", &labels, &[80])));
    assert_eq!(answer.entry(), "apps/web");
}

#[test]
fn merged_gateways_share_the_service_of_their_class() {
    let labels = [("gateway.envoyproxy.io/owning-gatewayclass", "eg")];
    let other = [("gateway.envoyproxy.io/owning-gatewayclass", "other")];
    let merged = format!("{SYSTEM}/envoy-eg-d8c59e83");
    let answer = asked(
        scene()
            .objects(&service(&merged, &labels, &[80]))
            .objects(&service(&format!("{SYSTEM}/envoy-other-1"), &other, &[80])),
    );
    assert_eq!(answer.entry(), merged);
}

#[test]
fn the_service_of_a_gateway_of_that_name_elsewhere_is_not_taken() {
    let mut labels = OWNED;
    labels[4].1 = "elsewhere";
    let answer = asked(scene().objects(&service(&format!("{SYSTEM}/other"), &labels, &[80])));
    assert_eq!(answer.entry(), "192.0.2.13");
}

#[test]
fn a_gateway_whose_name_is_too_long_for_a_label_is_reached_by_its_address() {
    let name = format!("apps/{}", "w".repeat(64));
    let status = "status: {addresses: [{type: Hostname, value: lb.example.com}]}";
    let scene = Scene::with_ref(&name).objects(&gateway(&name, "eg", status));
    assert_eq!(asked(scene).entry(), "lb.example.com");
}

#[test]
fn an_unknown_protocol_is_refused() {
    let answer = asked(scene().listener("own", 80, "example.com/own"));
    assert_eq!(
        answer.refusal("own"),
        "UnsupportedProtocol: Envoy Gateway does not serve protocol example.com/own: write one of \
         HTTP, UDP, HTTPS, TLS, TCP"
    );
}

#[test]
fn a_second_protocol_on_a_port_is_refused_and_udp_is_not() {
    let answer = asked(
        scene()
            .listener("web", 8443, "HTTP")
            .listener("tls", 8443, "HTTPS")
            .listener("quic", 8443, "UDP"),
    );
    assert_eq!(
        answer.refusal("tls"),
        "ProtocolConflict: Envoy Gateway cannot serve HTTPS on port 8443, where listener web has \
         HTTP: write another port"
    );
    assert_eq!(answer.refused(), ["tls"]);
}

#[test]
fn a_host_name_that_would_put_another_listener_into_conflict_is_refused() {
    let answer = asked(
        scene()
            .listener("web", 443, "HTTPS")
            .listener("sni", 443, "TLS"),
    );
    assert_eq!(
        answer.refusal("sni"),
        "HostnameConflict: Envoy Gateway tells the listeners of a port apart by their host names, \
         and on port 443 listener web has *.ofn.io already: write another host name or another port"
    );
}

fn recorded(file: &str) -> Answer {
    let scene = Scene::with_ref("envoy-gateway-system/eg").objects(file);
    asked(scene.listener("ofn-http-external", 8088, "HTTP"))
}

#[test]
fn a_gateway_that_envoy_gateway_serves_is_ready() {
    let file = include_str!("../../../tests/recorded/envoy-gateway-1.9.1-good.yaml");
    let answer = recorded(file);
    assert_eq!(
        answer.condition("Scheduled"),
        "True Scheduled: Gateway is scheduled"
    );
    assert_eq!(answer.condition("Ready"), "True Valid: Valid Gateway");
    assert_eq!(
        answer.listener_ready("ofn-http-external"),
        "True Ready: Valid listener"
    );
}

#[test]
fn a_gateway_without_an_address_is_scheduled_and_not_ready() {
    let file =
        include_str!("../../../tests/recorded/envoy-gateway-1.9.1-address-not-assigned.yaml");
    let answer = recorded(file);
    assert_eq!(
        answer.condition("Scheduled"),
        "True Scheduled: Gateway is scheduled"
    );
    assert!(
        answer
            .condition("Ready")
            .starts_with("False AddressNotAssigned: "),
        "{}",
        answer.condition("Ready")
    );
}

/// A status with the address of a node, in the words of internal/gatewayapi/status/gateway.go.
fn not_programmed(reason: &str, message: &str) -> Answer {
    let status = format!(
        "
status:
  addresses: [{{type: IPAddress, value: 192.0.2.14}}]
  conditions:
  - {{type: Accepted, status: 'True', reason: Accepted, message: The Gateway has been scheduled by Envoy Gateway, observedGeneration: 1}}
  - {{type: Programmed, status: 'False', reason: {reason}, message: '{message}', observedGeneration: 1}}
"
    );
    asked(Scene::with_ref("apps/web").objects(&gateway("apps/web", "eg", &status)))
}

#[test]
fn a_gateway_that_is_not_programmed_is_not_ready_in_envoy_gateways_words() {
    for (reason, message) in [
        ("NoResources", "Envoy replicas unavailable"),
        (
            "AddressNotUsable",
            "One or more addresses requested in spec.addresses cannot be used",
        ),
        (
            "Invalid",
            "Too many addresses (17) have been assigned to the Gateway, the maximum number of \
             addresses is 16",
        ),
    ] {
        let answer = not_programmed(reason, message);
        assert_eq!(
            answer.condition("Ready"),
            format!("False {reason}: {message}")
        );
        assert_eq!(
            answer.condition("Scheduled"),
            "True Scheduled: Gateway is scheduled"
        );
        assert_eq!(answer.entry(), "192.0.2.14");
    }
}

/// A listener of ours that is served, at the end of a status.
const GOOD_LISTENER: &str = "  - name: ofn-http-internal
    attachedRoutes: 1
    supportedKinds: [{group: gateway.networking.k8s.io, kind: HTTPRoute}, {group: gateway.networking.k8s.io, kind: GRPCRoute}]
    conditions:
    - {type: Programmed, status: 'True', reason: Programmed, message: Sending translated listener configuration to the data plane, observedGeneration: 1}
    - {type: Accepted, status: 'True', reason: Accepted, message: Listener has been successfully translated, observedGeneration: 1}
    - {type: ResolvedRefs, status: 'True', reason: ResolvedRefs, message: Listener references have been resolved, observedGeneration: 1}
";

/// Envoy Gateway accepts the Gateway all the same, and says so in the reason.
#[test]
fn a_listener_of_somebody_else_that_is_not_valid_leaves_ours_ready() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: 'True', reason: ListenersNotValid, message: 'Listeners not valid: theirs', observedGeneration: 1}
  - {type: Programmed, status: 'True', reason: Programmed, message: 'Address assigned to the Gateway, 1/1 envoy replicas available', observedGeneration: 1}
  listeners:
  - name: theirs
    attachedRoutes: 0
    supportedKinds: [{group: gateway.networking.k8s.io, kind: HTTPRoute}, {group: gateway.networking.k8s.io, kind: GRPCRoute}]
    conditions:
    - {type: ResolvedRefs, status: 'False', reason: InvalidCertificateRef, message: Secret apps/certificate does not exist, observedGeneration: 1}
    - {type: Programmed, status: 'False', reason: Invalid, message: 'Listener is invalid, see other Conditions for details.', observedGeneration: 1}
";
    let status = format!("{status}{GOOD_LISTENER}");
    let answer = asked(Scene::with_ref("apps/web").objects(&gateway("apps/web", "eg", &status)));
    answer.assert_ready("ofn-http-internal");
}

/// As merged Gateways of a class can be, whose listeners we do not see.
#[test]
fn a_listener_in_conflict_is_not_ready_in_envoy_gateways_words() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: 'True', reason: ListenersNotValid, message: 'Listeners not valid: web', observedGeneration: 1}
  - {type: Programmed, status: 'True', reason: Programmed, message: 'Address assigned to the Gateway, 1/1 envoy replicas available', observedGeneration: 1}
  listeners:
  - name: web
    attachedRoutes: 0
    supportedKinds: [{group: gateway.networking.k8s.io, kind: HTTPRoute}, {group: gateway.networking.k8s.io, kind: GRPCRoute}]
    conditions:
    - {type: Conflicted, status: 'True', reason: ProtocolConflict, message: 'All listeners for a given port must use a compatible protocol, conflicting listeners: apps/web/web, apps/other/raw', observedGeneration: 1}
    - {type: Programmed, status: 'False', reason: Invalid, message: 'Listener is invalid, see other Conditions for details.', observedGeneration: 1}
    - {type: ResolvedRefs, status: 'True', reason: ResolvedRefs, message: Listener references have been resolved, observedGeneration: 1}
";
    let status = format!("{status}{GOOD_LISTENER}");
    let scene = Scene::with_ref("apps/web").objects(&gateway("apps/web", "eg", &status));
    let answer = asked(scene.listener("web", 8080, "HTTP"));
    let theirs = "All listeners for a given port must use a compatible protocol, conflicting \
                  listeners: apps/web/web, apps/other/raw";
    assert_eq!(
        answer.listener_ready("web"),
        format!("False ProtocolConflict: {theirs}")
    );
    assert_eq!(
        answer.listener_ready("ofn-http-internal"),
        "True Ready: Valid listener"
    );
    assert_eq!(
        answer.condition("Ready"),
        format!("False ProtocolConflict: Listener web: {theirs}")
    );
}

/// Envoy Gateway says so beside good conditions of a listener.
#[test]
fn certificates_that_overlap_keep_no_listener_from_being_ready() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: 'True', reason: Accepted, message: The Gateway has been scheduled by Envoy Gateway, observedGeneration: 1}
  - {type: Programmed, status: 'True', reason: Programmed, message: 'Address assigned to the Gateway, 1/1 envoy replicas available', observedGeneration: 1}
  listeners:
  - name: ofn-http-internal
    attachedRoutes: 1
    supportedKinds: [{group: gateway.networking.k8s.io, kind: HTTPRoute}, {group: gateway.networking.k8s.io, kind: GRPCRoute}]
    conditions:
    - {type: OverlappingTLSConfig, status: 'True', reason: OverlappingHostnames, message: The hostname overlaps with another one, observedGeneration: 1}
    - {type: Programmed, status: 'True', reason: Programmed, message: Sending translated listener configuration to the data plane, observedGeneration: 1}
    - {type: Accepted, status: 'True', reason: Accepted, message: Listener has been successfully translated, observedGeneration: 1}
    - {type: ResolvedRefs, status: 'True', reason: ResolvedRefs, message: Listener references have been resolved, observedGeneration: 1}
";
    let answer = asked(Scene::with_ref("apps/web").objects(&gateway("apps/web", "eg", status)));
    answer.assert_ready("ofn-http-internal");
}

/// The Service gets the name of `envoyService.name` in an EnvoyProxy, that of the class or of the
/// Gateway: its labels stay.
#[test]
fn a_service_that_an_envoy_proxy_names_is_found_by_its_labels() {
    let class = "
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: eg}
spec:
  controllerName: gateway.envoyproxy.io/gatewayclass-controller
  parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: p, namespace: envoy-gateway-system}
";
    let rest = "spec: {infrastructure: {parametersRef: {group: gateway.envoyproxy.io, kind: \
                EnvoyProxy, name: web}}}";
    let answer = asked(
        Scene::with_ref("apps/web")
            .objects(class)
            .objects(&gateway("apps/web", "eg", rest))
            .objects(&service(&format!("{SYSTEM}/chosen"), &OWNED, &[80])),
    );
    assert_eq!(answer.entry(), format!("{SYSTEM}/chosen"));
}
