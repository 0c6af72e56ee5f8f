//! NGINX Gateway Fabric 2, with a data plane for each Gateway, and 1, with one for all.

use ofn_scene::objects::{class, gateway, programmed, service};
use ofn_scene::{Answer, Scene};
use serde_json::json;

use crate::NginxGatewayFabric;

const CHART: (&str, &str) = ("app.kubernetes.io/name", "nginx-gateway-fabric");
const CONTROLLER: &str = "gateway.nginx.org/nginx-gateway-controller";

fn scene(rest: &str) -> Scene {
    Scene::with_ref("apps/web")
        .objects(&class("nginx", CONTROLLER))
        .objects(&gateway("apps/web", "nginx", rest))
}

fn asked(scene: Scene) -> Answer {
    scene.ask(&NginxGatewayFabric)
}

/// What version 2 has in the namespace of its release: the control plane, for its agents.
fn control_plane() -> String {
    let service = service("nginx-gateway/ngf-nginx-gateway-fabric", &[CHART], &[443]);
    service.replace("port-443", "agent-grpc")
}

#[test]
fn version_2_has_a_service_for_each_gateway() {
    let labels = [
        ("gateway.networking.k8s.io/gateway-name", "web"),
        ("app.kubernetes.io/name", "web-nginx"),
    ];
    let status = "status: {addresses: [{type: IPAddress, value: 192.0.2.40}]}";
    let answer = asked(
        scene(status)
            .objects(&service("apps/web-nginx", &labels, &[80]))
            .objects(&control_plane()),
    );
    assert_eq!(answer.entry(), "apps/web-nginx");
    assert!(answer.queries().len() <= 8);
}

#[test]
fn the_control_plane_of_version_2_is_no_data_plane() {
    let answer = asked(
        scene("{}")
            .objects(&control_plane())
            .listener("web", 443, "HTTPS"),
    );
    assert_eq!(answer.entry(), "nowhere");
}

#[test]
fn the_label_of_the_gateway_goes_before_a_version_1_elsewhere() {
    // The name of the Gateway was cut in that of the Service.
    let labels = [("gateway.networking.k8s.io/gateway-name", "web")];
    let answer = asked(
        scene("{}")
            .objects(&service("apps/w-0123abcd-nginx", &labels, &[80]))
            .objects(&service("nginx-gateway/ngf", &[CHART], &[80])),
    );
    assert_eq!(answer.entry(), "apps/w-0123abcd-nginx");
}

#[test]
fn a_service_whose_name_was_cut_is_found_by_its_cluster_ip() {
    // With type ClusterIP, that is the address.
    let name = format!("apps/{}", "w".repeat(64));
    let status = "status: {addresses: [{type: IPAddress, value: 10.0.0.40}]}";
    let cut = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "apps", "name": "wwww-0123abcd-nginx"},
        "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.40", "clusterIPs": ["10.0.0.40"]},
    });
    let answer = asked(
        Scene::with_ref(&name)
            .objects(&class("nginx", CONTROLLER))
            .objects(&gateway(&name, "nginx", status))
            .objects(&cut.to_string()),
    );
    assert_eq!(answer.entry(), "apps/wwww-0123abcd-nginx");
}

#[test]
fn version_1_has_one_service_in_the_namespace_of_its_release() {
    for chart in ["nginx-gateway-fabric", "nginx-gateway"] {
        let labels = [("app.kubernetes.io/name", chart)];
        let answer = asked(scene("{}").objects(&service("nginx-gateway/ngf", &labels, &[80, 443])));
        assert_eq!(answer.entry(), "nginx-gateway/ngf", "{chart}");
    }
}

#[test]
fn the_port_of_nginxs_metrics_is_refused() {
    let answer = asked(scene("{}").listener("web", 9113, "HTTP"));
    assert_eq!(
        answer.refusal("web"),
        "PortUnavailable: NGINX Gateway Fabric needs port 9113 for its metrics: write another port"
    );
}

#[test]
fn a_setting_moves_the_metrics_or_turns_them_off() {
    let moved = scene("{}").setting("metrics-port", "9200");
    let answer = asked(
        moved
            .listener("web", 9113, "HTTP")
            .listener("other", 9200, "HTTP"),
    );
    assert_eq!(answer.refused(), ["other"]);
    let off = scene("{}").setting("metrics-port", "");
    assert_eq!(asked(off.listener("web", 9113, "HTTP")).refused(), [""; 0]);
}

#[test]
fn a_metrics_port_that_is_none_is_a_violation_of_its_annotation() {
    assert_eq!(
        asked(scene("{}").setting("metrics-port", "off")).violations(),
        [
            "metadata.annotations[policy.networking.openfunction.io/metrics-port]: \"off\" is none: \
             write a port from 1 to 65535"
        ]
    );
}

#[test]
fn http_and_https_on_a_port_are_refused() {
    let answer = asked(
        scene("{}")
            .listener("web", 8443, "HTTP")
            .listener("tls", 8443, "HTTPS"),
    );
    assert_eq!(
        answer.refusal("tls"),
        "ProtocolConflict: NGINX Gateway Fabric cannot serve HTTPS on port 8443, where listener web \
         has HTTP: write another port"
    );
}

#[test]
fn tcp_and_udp_share_a_port() {
    let answer = asked(
        scene("{}")
            .listener("raw", 53, "TCP")
            .listener("dns", 53, "UDP"),
    );
    assert_eq!(answer.refused(), [""; 0]);
}

#[test]
fn host_names_of_https_and_tls_on_a_port_must_not_overlap() {
    let sni = json!({
        "name": "sni",
        "port": 443,
        "protocol": "TLS",
        "hostname": "a.ofn.io",
        "tls": {"mode": "Passthrough"},
    });
    let answer = asked(scene("{}").listener("web", 443, "HTTPS").listener_as(sni));
    assert_eq!(
        answer.refusal("sni"),
        "HostnameConflict: NGINX Gateway Fabric tells the listeners of a port apart by their host \
         names, and on port 443 listener web has *.ofn.io already: write another host name or \
         another port"
    );
}

#[test]
fn a_gateway_that_nginx_serves_is_ready() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: 'True', reason: Accepted, message: The Gateway is accepted, observedGeneration: 1}
  - {type: Programmed, status: 'True', reason: Programmed, message: The Gateway is programmed, observedGeneration: 1}
  listeners:
  - name: ofn-http-internal
    attachedRoutes: 2
    supportedKinds: [{group: gateway.networking.k8s.io, kind: HTTPRoute}, {group: gateway.networking.k8s.io, kind: GRPCRoute}]
    conditions:
    - {type: Programmed, status: 'True', reason: Programmed, message: The Listener is programmed, observedGeneration: 1}
    - {type: Accepted, status: 'True', reason: Accepted, message: The Listener is accepted, observedGeneration: 1}
    - {type: ResolvedRefs, status: 'True', reason: ResolvedRefs, message: All references are resolved, observedGeneration: 1}
    - {type: Conflicted, status: 'False', reason: NoConflicts, message: No conflicts, observedGeneration: 1}
";
    let answer = asked(scene(status));
    answer.assert_ready("ofn-http-internal");
}

#[test]
fn the_host_name_of_a_load_balancer_is_the_entry_as_long_as_no_service_is_seen() {
    let status = "status: {addresses: [{type: Hostname, value: lb.example.com}]}";
    assert_eq!(asked(scene(status)).entry(), "lb.example.com");
}

/// Programmed by NGINX, on port 8080, by a Service of this name and these labels.
fn on_8080(name: &str, labels: &[(&str, &str)]) -> Answer {
    let rest = programmed(8080, "HTTP");
    asked(
        scene(&rest)
            .objects(&service(name, labels, &[80]))
            .listener("web", 8080, "HTTP"),
    )
}

#[test]
fn a_port_that_the_service_of_version_1_does_not_have_is_not_ready() {
    assert_eq!(
        on_8080("nginx-gateway/ngf", &[CHART]).listener_ready("web"),
        "False PortUnavailable: Service nginx-gateway/ngf has no port 8080/TCP: write one that it \
         has (80), or add it to the Service and to NGINX"
    );
    let own = [("app.kubernetes.io/name", "web-nginx")];
    assert_eq!(
        on_8080("apps/web-nginx", &own).listener_ready("web"),
        "True Ready: Valid listener"
    );
}

#[test]
fn version_1_serves_neither_tcp_nor_udp() {
    for protocol in ["TCP", "UDP"] {
        let answer = asked(
            scene("{}")
                .objects(&service("nginx-gateway/ngf", &[CHART], &[53, 80]))
                .listener("dns", 53, protocol),
        );
        assert_eq!(
            answer.refusal("dns"),
            format!(
                "UnsupportedProtocol: version 1 of NGINX Gateway Fabric does not serve protocol \
                 {protocol}: write one of HTTP, HTTPS, TLS"
            )
        );
        assert_eq!(answer.refused(), ["dns"]);
    }
}

#[test]
fn a_listener_of_somebody_else_that_version_1_does_not_serve_is_in_nobodys_way() {
    let theirs = "spec: {listeners: [{name: raw, port: 80, protocol: TCP}]}";
    let release = service("nginx-gateway/ngf", &[CHART], &[80]);
    assert_eq!(asked(scene(theirs).objects(&release)).refused(), [""; 0]);
    // Version 2 calls both of them in conflict.
    assert_eq!(asked(scene(theirs)).refused(), ["ofn-http-internal"]);
}

/// How NGINX is to be run is said by a NginxProxy: that of the class, or of the Gateway.
#[test]
fn parameters_of_class_and_gateway_change_nothing() {
    let class = "
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: nginx}
spec:
  controllerName: gateway.nginx.org/nginx-gateway-controller
  parametersRef: {group: gateway.nginx.org, kind: NginxProxy, name: ngf, namespace: nginx-gateway}
";
    let rest = "spec: {infrastructure: {parametersRef: {group: gateway.nginx.org, kind: NginxProxy, \
                name: web}}}";
    let answer = asked(
        scene(rest)
            .objects(class)
            .objects(&service("apps/web-nginx", &[], &[80])),
    );
    assert_eq!(answer.entry(), "apps/web-nginx");
    assert_eq!(answer.refused(), [""; 0]);
}
