//! Traefik Proxy 3 as its Helm chart installs it, and otherwise.

use crate::Traefik;
use ofn_scene::objects::{class, gateway, programmed, service};
use ofn_scene::{Answer, Scene};
use serde_json::json;

/// `helm install traefik traefik/traefik --namespace traefik`, with the Gateway API enabled.
const RELEASE: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata:
  name: traefik
  annotations:
    meta.helm.sh/release-name: traefik
    meta.helm.sh/release-namespace: traefik
  labels:
    app.kubernetes.io/name: traefik
    app.kubernetes.io/instance: traefik-traefik
    app.kubernetes.io/managed-by: Helm
spec:
  controllerName: traefik.io/gateway-controller
---
apiVersion: v1
kind: Service
metadata:
  name: traefik
  namespace: traefik
  annotations:
    meta.helm.sh/release-name: traefik
    meta.helm.sh/release-namespace: traefik
  labels:
    app.kubernetes.io/name: traefik
    app.kubernetes.io/instance: traefik-traefik
    app.kubernetes.io/managed-by: Helm
spec:
  type: LoadBalancer
  clusterIPs: [10.0.0.12]
  ports:
  - {name: web, port: 80, protocol: TCP, targetPort: web}
  - {name: websecure, port: 443, protocol: TCP, targetPort: websecure}
"#;

/// The chart's own Gateway, with the address of the Service's load balancer.
const GATEWAY: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: traefik-gateway
  namespace: traefik
  generation: 1
spec:
  gatewayClassName: traefik
  listeners:
  - {name: web, port: 8000, protocol: HTTP, allowedRoutes: {namespaces: {from: Same}}}
status:
  addresses:
  - {type: IPAddress, value: 192.0.2.12}
"#;

fn release() -> Scene {
    Scene::with_ref("traefik/traefik-gateway")
        .objects(RELEASE)
        .objects(GATEWAY)
}

fn traefiks(name: &str, ports: &[u16]) -> String {
    service(name, &[("app.kubernetes.io/name", "traefik")], ports)
}

fn asked(scene: Scene) -> Answer {
    scene.ask(&Traefik)
}

#[test]
fn the_ports_that_users_know_become_those_of_the_entry_points() {
    let answer = asked(
        release()
            .listener("web", 80, "HTTP")
            .listener("websecure", 443, "HTTPS")
            .listener("sni", 443, "TLS"),
    );
    assert_eq!(answer.port("web"), Some(8000));
    assert_eq!(answer.port("websecure"), Some(8443));
    assert_eq!(answer.port("sni"), Some(8443));
    assert_eq!(answer.port("ofn-http-internal"), Some(8000));
}

#[test]
fn the_entry_keeps_the_ports_that_the_user_wrote() {
    let scene = release().listener("websecure", 443, "HTTPS");
    assert_eq!(asked(scene).entry_ports(), [443, 80]);
}

#[test]
fn a_setting_names_other_entry_points() {
    let answer = asked(
        release()
            .setting("entry-points", "80=80,8080=9080")
            .listener("web", 80, "HTTP")
            .listener("other", 8080, "HTTP"),
    );
    assert_eq!(answer.port("web"), Some(80));
    assert_eq!(answer.port("other"), Some(9080));
}

#[test]
fn a_setting_that_is_none_is_a_violation_of_its_annotation() {
    let scene = release().setting("entry-points", "80=web");
    assert_eq!(
        asked(scene).violations(),
        [
            "metadata.annotations[policy.networking.openfunction.io/entry-points]: \"80=web\" has \
             \"80=web\" in it, which is no such pair: write <listener port>=<container port> for \
             each, separated by commas, with /tls after one that has TLS, such as \
             80=8000,443=8443/tls"
        ]
    );
}

#[test]
fn the_port_of_an_entry_points_container_is_passed_on() {
    let answer = asked(release().listener("web", 8000, "HTTP"));
    assert_eq!(answer.port("web"), Some(8000));
    assert_eq!(answer.refused(), [""; 0]);
}

#[test]
fn a_port_without_an_entry_point_is_refused() {
    let answer = asked(release().listener("web", 8080, "HTTP"));
    assert_eq!(
        answer.refusal("web"),
        "PortUnavailable: Traefik has no entry point for port 8080: write a port of \
         80=8000,443=8443/tls, or add the entry point's container port to annotation \
         policy.networking.openfunction.io/entry-points, such as 8080=8080"
    );
    assert_eq!(answer.refused(), ["web"]);
}

#[test]
fn plain_http_is_refused_where_the_entry_point_has_tls() {
    let answer = asked(release().listener("web", 443, "HTTP"));
    assert_eq!(
        answer.refusal("web"),
        "PortUnavailable: Traefik's entry point for port 443 has TLS, and serves no plain HTTP: \
         write protocol HTTPS, or another port"
    );
}

#[test]
fn protocols_that_traefik_does_not_know_are_refused() {
    let answer = asked(release().listener("dns", 80, "UDP"));
    assert_eq!(
        answer.refusal("dns"),
        "UnsupportedProtocol: Traefik does not serve protocol UDP: write one of HTTP, HTTPS, TLS, \
         TCP"
    );
}

/// Traefik would say that it is in conflict, and call the whole Gateway not accepted.
#[test]
fn tcp_is_refused_where_the_experimental_channel_is_not_enabled() {
    for (value, refusal) in [
        (
            "false",
            "UnsupportedProtocol: Traefik serves protocol TCP only with its option \
             experimentalChannel: write protocol HTTP, HTTPS or TLS, or enable the option and write \
             \"true\" into annotation policy.networking.openfunction.io/experimental-channel",
        ),
        ("true", ""),
    ] {
        let scene = release().setting("experimental-channel", value);
        assert_eq!(
            asked(scene.listener("raw", 80, "TCP")).refusal("raw"),
            refusal
        );
    }
    let answer = asked(release().listener("raw", 80, "TCP"));
    assert_eq!(answer.refused(), ["raw"]);
}

#[test]
fn an_experimental_channel_that_is_neither_is_a_violation_of_its_annotation() {
    assert_eq!(
        asked(release().setting("experimental-channel", "yes")).violations(),
        [
            "metadata.annotations[policy.networking.openfunction.io/experimental-channel]: \"yes\" is \
             neither: write true or false"
        ]
    );
}

#[test]
fn https_without_a_certificate_is_refused() {
    let listener = json!({"name": "websecure", "port": 443, "protocol": "HTTPS"});
    let answer = asked(release().listener_as(listener));
    assert_eq!(
        answer.refusal("websecure"),
        "InvalidTLSConfiguration: Traefik does not serve protocol HTTPS without a certificate: \
         write one into tls.certificateRefs of the listener"
    );
}

#[test]
fn two_listeners_that_become_the_same_are_told_apart_or_refused() {
    let listener = |name, port, hostname| json!({"name": name, "port": port, "protocol": "HTTP", "hostname": hostname});
    let answer = asked(
        release()
            .listener_as(listener("web", 80, "*.ofn.io"))
            .listener_as(listener("again", 8000, "*.ofn.io"))
            .listener_as(listener("other", 8000, "*.other.ofn.io")),
    );
    assert_eq!(
        answer.refusal("again"),
        "PortUnavailable: ports 8000 and 80 are the same entry point of Traefik, 8000, where \
         listener web serves this host name already: remove one of the two listeners, or write \
         another host name"
    );
    assert_eq!(answer.refused(), ["again"]);
}

#[test]
fn a_listener_of_somebody_else_on_the_entry_point_is_left_to_the_host() {
    let theirs = GATEWAY.replace("port: 8000,", "port: 8000, hostname: '*.ofn.io',");
    let answer = asked(
        Scene::with_ref("traefik/traefik-gateway")
            .objects(RELEASE)
            .objects(&theirs)
            .listener("mine", 80, "HTTP"),
    );
    // The host knows who made it, and says so.
    assert_eq!(answer.port("mine"), Some(8000));
    assert_eq!(answer.refused(), [""; 0]);
    // Also one that has the name of ours.
    let answer = asked(
        Scene::with_ref("traefik/traefik-gateway")
            .objects(RELEASE)
            .objects(&theirs)
            .listener("web", 80, "HTTP"),
    );
    assert_eq!(answer.port("web"), Some(8000));
    assert_eq!(answer.refused(), [""; 0]);
}

#[test]
fn the_service_of_the_release_is_the_entry() {
    assert_eq!(asked(release()).entry(), "traefik/traefik");
}

#[test]
fn the_release_that_made_the_class_goes_before_another() {
    let other = traefiks("aaa/traefik", &[80]);
    assert_eq!(asked(release().objects(&other)).entry(), "traefik/traefik");
}

#[test]
fn a_service_is_found_in_another_namespace_without_a_class_of_the_chart() {
    // k3s brings its own.
    let answer = asked(
        Scene::with_ref("apps/traefik-gateway")
            .objects(&class("traefik", "traefik.io/gateway-controller"))
            .objects(&GATEWAY.replace("namespace: traefik", "namespace: apps"))
            .objects(&traefiks("kube-system/traefik", &[80])),
    );
    assert_eq!(answer.entry(), "kube-system/traefik");
    assert!(answer.queries().len() <= 8);
}

#[test]
fn of_two_releases_that_may_be_meant_the_address_of_the_gateway_decides() {
    let answer = asked(
        Scene::with_ref("apps/traefik-gateway")
            .objects(&GATEWAY.replace("namespace: traefik", "namespace: apps"))
            .objects(&traefiks("inner/traefik", &[80]))
            .objects(&traefiks("outer/traefik", &[80])),
    );
    assert_eq!(answer.entry(), "192.0.2.12");
}

#[test]
fn the_service_of_a_release_that_has_our_ports_is_the_entry() {
    let answer = asked(
        release()
            .objects(&traefiks("traefik/a-dashboard", &[8080]))
            .objects(&service("traefik/other", &[], &[80])),
    );
    assert_eq!(answer.entry(), "traefik/traefik");
}

#[test]
fn without_a_service_the_status_address_is_the_entry() {
    // `providers.kubernetesGateway.statusAddress.hostname`, with host ports.
    let gateway = GATEWAY.replace(
        "{type: IPAddress, value: 192.0.2.12}",
        "{type: Hostname, value: lb.example.com}",
    );
    let scene = Scene::with_ref("traefik/traefik-gateway").objects(&gateway);
    assert_eq!(asked(scene).entry(), "lb.example.com");
}

fn recorded(file: &str) -> Answer {
    asked(
        Scene::with_ref("traefik/traefik")
            .objects(RELEASE)
            .objects(file)
            .listener("ofn-http-external", 80, "HTTP"),
    )
}

#[test]
fn a_gateway_that_traefik_serves_is_ready() {
    let answer = recorded(include_str!(
        "../../../tests/recorded/traefik-3.7.9-good.yaml"
    ));
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
fn a_listener_of_somebody_else_that_traefik_refuses_does_not_matter() {
    let file = include_str!("../../../tests/recorded/traefik-3.7.9-port-unavailable-one.yaml");
    let answer = asked(
        Scene::with_ref("traefik/traefik")
            .objects(RELEASE)
            .objects(file),
    );
    assert_eq!(answer.condition("Ready"), "True Valid: Valid Gateway");
}

#[test]
fn the_container_port_in_what_traefik_says_is_explained() {
    // The entry points are not those of the setting.
    let answer = recorded(include_str!(
        "../../../tests/recorded/traefik-3.7.9-port-unavailable-all.yaml"
    ));
    assert_eq!(
        answer.listener_ready("ofn-http-external"),
        "False PortUnavailable: Cannot find entryPoint for Gateway: no matching entryPoint for \
         port 8080 and protocol \"HTTP\"; port 80 is mapped by annotation \
         policy.networking.openfunction.io/entry-points, which is 80=8000,443=8443/tls: write the container \
         ports of your entry points there"
    );
}

/// Traefik has the entry point, and its Service has no port for it.
#[test]
fn a_port_that_the_service_does_not_have_is_not_ready() {
    let asked = |port, container_port, entry_points| {
        let gateway = gateway(
            "traefik/web",
            "traefik",
            &programmed(container_port, "HTTP"),
        );
        let answer = asked(
            Scene::with_ref("traefik/web")
                .setting("entry-points", entry_points)
                .objects(RELEASE)
                .objects(&gateway)
                .listener("web", port, "HTTP"),
        );
        assert_eq!(answer.port("web"), Some(container_port));
        answer.listener_ready("web")
    };
    for (port, container_port, entry_points) in [
        (8000, 8000, "80=8000,443=8443/tls"),
        (8080, 9080, "80=8000,8080=9080"),
    ] {
        assert_eq!(
            asked(port, container_port, entry_points),
            format!(
                "False PortUnavailable: Service traefik/traefik has no port {port}/TCP: write one that \
                 it has (80, 443), or add it to the Service and to Traefik's entry points"
            )
        );
    }
    assert_eq!(asked(80, 9080, "80=9080"), "True Ready: Valid listener");
}
