//! The Kong ingress controller with its unmanaged Gateways.

use ofn_scene::objects::{class, gateway, service};
use ofn_scene::{Answer, Scene};
use serde_json::json;

use crate::Kong;

/// A class as Kong's documentation has it: marked as unmanaged.
const CLASS: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata:
  name: kong
  annotations: {konghq.com/gatewayclass-unmanaged: 'true'}
spec: {controllerName: konghq.com/kic-gateway-controller}
";

/// What Kong writes on a Gateway when it first sees it, and its address.
const PUBLISHED: &str = "
metadata: {annotations: {konghq.com/publish-service: kong/kong-gateway-proxy}}
status: {addresses: [{type: IPAddress, value: 192.0.2.50}]}
";

fn scene(rest: &str) -> Scene {
    Scene::with_ref("apps/web")
        .objects(CLASS)
        .objects(&gateway("apps/web", "kong", rest))
        .objects(&service("kong/kong-gateway-proxy", &[], &[80, 443]))
}

fn asked(scene: Scene) -> Answer {
    scene.ask(&Kong)
}

#[test]
fn the_publish_service_is_the_entry() {
    let answer = asked(scene(PUBLISHED));
    assert_eq!(answer.entry(), "kong/kong-gateway-proxy");
    assert!(answer.queries().len() <= 8);
}

#[test]
fn until_kong_names_its_service_the_address_is_the_entry() {
    let status = "status: {addresses: [{type: Hostname, value: lb.example.com}]}";
    assert_eq!(asked(scene(status)).entry(), "lb.example.com");
}

/// With a second Service for UDP.
fn with_udp() -> Scene {
    let both = "metadata: {annotations: {konghq.com/publish-service: \
                'kong/kong-gateway-proxy,kong/kong-gateway-udp-proxy'}}";
    scene(both).objects(
        "{apiVersion: v1, kind: Service, metadata: {namespace: kong, name: kong-gateway-udp-proxy}, \
         spec: {ports: [{port: 53, protocol: UDP}]}}",
    )
}

#[test]
fn of_two_publish_services_that_for_tcp_is_the_entry() {
    assert_eq!(asked(with_udp()).entry(), "kong/kong-gateway-proxy");
}

#[test]
fn a_udp_port_is_looked_for_in_the_second_service() {
    let answer = asked(
        with_udp()
            .listener("dns", 53, "UDP")
            .listener("other", 54, "UDP"),
    );
    assert_eq!(answer.port("dns"), Some(53));
    assert_eq!(
        answer.refusal("other"),
        "PortUnavailable: port 54/UDP of Kong's Service kong/kong-gateway-proxy, \
         kong/kong-gateway-udp-proxy is not there: write one of 53, or add one to the Service and to \
         Kong's proxy_listen or stream_listen"
    );
}

#[test]
fn no_port_is_refused_before_the_second_service_is_known() {
    let both = "metadata: {annotations: {konghq.com/publish-service: \
                'kong/kong-gateway-proxy,kong/kong-gateway-udp-proxy'}}";
    let answer = asked(scene(both).listener("dns", 53, "UDP"));
    assert_eq!(answer.refused(), [""; 0]);
}

#[test]
fn a_port_that_the_publish_service_does_not_have_is_refused() {
    let answer = asked(scene(PUBLISHED).listener("web", 8080, "HTTP"));
    assert_eq!(
        answer.refusal("web"),
        "PortUnavailable: port 8080/TCP of Kong's Service kong/kong-gateway-proxy is not there: write \
         one of 80, 443, or add one to the Service and to Kong's proxy_listen or stream_listen"
    );
    assert_eq!(answer.refused(), ["web"]);
}

#[test]
fn where_there_is_no_port_for_udp_one_is_to_be_added() {
    let answer = asked(scene(PUBLISHED).listener("dns", 53, "UDP"));
    assert_eq!(
        answer.refusal("dns"),
        "PortUnavailable: port 53/UDP of Kong's Service kong/kong-gateway-proxy is not there: add one \
         to the Service and to Kong's proxy_listen or stream_listen"
    );
}

#[test]
fn a_port_of_kongs_chart_is_for_http_or_for_https() {
    let service = "
apiVersion: v1
kind: Service
metadata: {namespace: kong, name: kong-gateway-proxy}
spec:
  type: LoadBalancer
  ports:
  - {name: kong-proxy, port: 80, protocol: TCP, targetPort: 8000}
  - {name: kong-proxy-tls, port: 443, protocol: TCP, targetPort: 8443}
";
    let answer = asked(
        Scene::with_ref("apps/web")
            .objects(CLASS)
            .objects(&gateway("apps/web", "kong", PUBLISHED))
            .objects(service)
            .listener("right", 443, "HTTPS")
            .listener("plain", 443, "HTTP")
            .listener("tls", 80, "HTTPS"),
    );
    assert_eq!(answer.refused(), ["plain", "tls"]);
    assert_eq!(
        answer.refusal("tls"),
        "PortUnavailable: port 80/TCP of Kong's Service kong/kong-gateway-proxy is for HTTP: write \
         one of 443, or add one to the Service and to Kong's proxy_listen or stream_listen"
    );
}

#[test]
fn no_port_is_refused_before_the_service_is_known() {
    let answer = asked(scene("{}").listener("web", 8080, "HTTP"));
    assert_eq!(answer.refused(), [""; 0]);
}

#[test]
fn an_annotation_that_names_no_service_is_no_reason_to_refuse() {
    let rest = "metadata: {annotations: {konghq.com/publish-service: 'none, a/b/c,/,x/'}}";
    let answer = asked(scene(rest).listener("web", 8080, "HTTP"));
    assert_eq!(answer.refused(), [""; 0]);
    assert_eq!(answer.entry(), "nowhere");
}

#[test]
fn http_and_https_on_a_port_are_refused() {
    let answer = asked(
        scene(PUBLISHED)
            .listener("tls", 443, "HTTPS")
            .listener("web", 443, "HTTP"),
    );
    assert_eq!(
        answer.refusal("web"),
        "ProtocolConflict: Kong cannot serve HTTP on port 443, where listener tls has HTTPS: write \
         another port"
    );
}

/// It has one of its own.
#[test]
fn https_without_a_certificate_is_served() {
    let listener = json!({"name": "tls", "port": 443, "protocol": "HTTPS"});
    let answer = asked(scene(PUBLISHED).listener_as(listener));
    assert_eq!(answer.refused(), [""; 0]);
}

#[test]
fn a_host_name_on_a_port_is_not_served_twice() {
    let answer = asked(
        scene(PUBLISHED)
            .listener("tls", 443, "HTTPS")
            .listener("sni", 443, "TLS"),
    );
    assert_eq!(
        answer.refusal("sni"),
        "HostnameConflict: Kong tells the listeners of a port apart by their host names, and on port \
         443 listener tls has *.ofn.io already: write another host name or another port"
    );
}

#[test]
fn a_class_that_is_not_marked_is_the_reason_why_kong_says_nothing() {
    let pending = "
status:
  conditions:
  - {type: Accepted, status: Unknown, reason: Pending, message: Waiting for controller}
  - {type: Programmed, status: Unknown, reason: Pending, message: Waiting for controller}
";
    let unmarked = class("kong", "konghq.com/kic-gateway-controller");
    // An empty value is none to Kong.
    for class in [unmarked, CLASS.replace("'true'", "''")] {
        let answer = asked(
            Scene::with_ref("apps/web")
                .objects(&class)
                .objects(&gateway("apps/web", "kong", pending)),
        );
        assert_eq!(
            answer.condition("Scheduled"),
            "Unknown Pending: Kong leaves Gateways of GatewayClass kong alone: annotate the class \
             with konghq.com/gatewayclass-unmanaged: \"true\""
        );
    }
}

/// What Kong writes for a listener: conditions without messages where all is well.
fn status(listener: &str) -> String {
    format!(
        "
status:
  conditions:
  - {{type: Accepted, status: 'True', reason: Accepted, message: this unmanaged gateway has been picked up by the controller and will be processed}}
  - {{type: Programmed, status: 'True', reason: Programmed, message: ''}}
  listeners:
  - name: ofn-http-internal
    attachedRoutes: 0
    supportedKinds: [{{group: gateway.networking.k8s.io, kind: HTTPRoute}}]
    conditions: [{listener}]
"
    )
}

#[test]
fn a_gateway_that_kong_serves_is_ready() {
    let good = "{type: Accepted, status: 'True', reason: Accepted, message: ''}, \
                {type: Conflicted, status: 'False', reason: NoConflicts, message: ''}, \
                {type: Programmed, status: 'True', reason: Programmed, message: ''}, \
                {type: ResolvedRefs, status: 'True', reason: ResolvedRefs, message: ''}";
    let answer = asked(scene(&status(good)));
    answer.assert_ready("ofn-http-internal");
}

#[test]
fn a_listener_that_kong_does_not_accept_is_not_ready_though_the_gateway_is_programmed() {
    let bad = "{type: Accepted, status: 'False', reason: UnsupportedProtocol, message: no Kong \
               listen with the requested protocol is configured}, \
               {type: Programmed, status: 'False', reason: Invalid, message: ''}";
    let answer = asked(scene(&status(bad)));
    assert_eq!(
        answer.condition("Ready"),
        "False UnsupportedProtocol: Listener ofn-http-internal: no Kong listen with the requested \
         protocol is configured"
    );
}

#[test]
fn a_publish_service_that_is_not_there_is_the_reason_why_kong_says_nothing() {
    let pending = "
metadata: {annotations: {konghq.com/publish-service: kong/gone}}
status:
  conditions:
  - {type: Accepted, status: Unknown, reason: Pending, message: Waiting for controller}
";
    assert_eq!(
        asked(scene(pending)).condition("Scheduled"),
        "Unknown Pending: Kong waits for the Service \"kong/gone\", which annotation \
         konghq.com/publish-service of Gateway apps/web names and which is not seen: write the \
         Service of Kong's proxy there, or remove the annotation"
    );
}

#[test]
fn where_the_user_chose_another_service_nothing_is_said_of_the_publish_service() {
    let chosen =
        scene(PUBLISHED).annotation("networking.openfunction.io/entry-service", "edge/missing");
    let told = asked(chosen).condition("Scheduled");
    assert!(!told.contains("not seen"), "{told}");
}
