//! Apache APISIX with version 2 and with version 1 of its ingress controller.

use ofn_scene::objects::{class, gateway, service};
use ofn_scene::{Answer, Scene};
use serde_json::{Value, json};

use crate::{Apisix, VERSION_1, VERSION_2};

fn scene(controller: &str, rest: &str) -> Scene {
    Scene::with_ref("apps/web")
        .objects(&class("apisix", controller))
        .objects(&gateway("apps/web", "apisix", rest))
}

fn created(controller: &str) -> Scene {
    Scene::with_def("apps/web", "apisix").objects(&class("apisix", controller))
}

fn asked(scene: Scene) -> Answer {
    scene.ask(&Apisix)
}

/// What the chart makes: the data plane, and the admin API beside it.
fn chart() -> String {
    let gateway = [
        ("app.kubernetes.io/name", "apisix"),
        ("app.kubernetes.io/service", "apisix-gateway"),
    ];
    let admin = [
        ("app.kubernetes.io/name", "apisix"),
        ("app.kubernetes.io/service", "apisix-admin"),
    ];
    let gateway = service("apisix/apisix-gateway", &gateway, &[80]);
    let admin = service("apisix/apisix-admin", &admin, &[9180]);
    format!("{gateway}\n---\n{admin}")
}

#[test]
fn the_one_data_plane_is_found_in_any_namespace() {
    for controller in [VERSION_1, VERSION_2] {
        let answer = asked(scene(controller, "{}").objects(&chart()));
        assert_eq!(answer.entry(), "apisix/apisix-gateway");
        assert!(answer.queries().len() <= 8);
    }
}

#[test]
fn without_a_service_the_address_of_the_gateway_proxy_is_the_entry() {
    let status = "status: {addresses: [{type: Hostname, value: lb.example.com}]}";
    assert_eq!(asked(scene(VERSION_2, status)).entry(), "lb.example.com");
}

#[test]
fn a_new_gateway_refers_to_the_gateway_proxy_of_the_setting() {
    let answer = asked(created(VERSION_2).setting("gateway-proxy", "apisix-config"));
    let infrastructure = answer.template().infrastructure.as_deref();
    let infrastructure: Value = serde_json::from_str(infrastructure.unwrap_or("null")).unwrap();
    assert_eq!(
        infrastructure,
        json!({
            "parametersRef": {
                "group": "apisix.apache.org",
                "kind": "GatewayProxy",
                "name": "apisix-config",
            },
        })
    );
}

#[test]
fn a_new_gateway_without_a_gateway_proxy_is_a_violation() {
    assert_eq!(
        asked(created(VERSION_2)).violations(),
        [
            "metadata.annotations[policy.networking.openfunction.io/gateway-proxy]: must be set: \
             APISIX accepts no Gateway without a GatewayProxy, and spec.gatewayDef is to create one: \
             write the name of an object"
        ]
    );
}

#[test]
fn a_gateway_proxy_that_is_no_name_is_a_violation() {
    assert_eq!(
        asked(created(VERSION_2).setting("gateway-proxy", "a/b")).violations(),
        [
            "metadata.annotations[policy.networking.openfunction.io/gateway-proxy]: \"a/b\" is not \
             one: write the name of an object"
        ]
    );
}

#[test]
fn who_has_a_gateway_or_version_1_needs_no_gateway_proxy() {
    for scene in [scene(VERSION_2, "{}"), created(VERSION_1)] {
        let answer = asked(scene);
        assert_eq!(answer.violations(), [""; 0]);
        assert_eq!(answer.template().infrastructure, None);
    }
}

#[test]
fn a_gateway_without_a_gateway_proxy_says_what_to_do() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: 'False', reason: Pending, message: gateway proxy not found, observedGeneration: 1}
  - {type: Programmed, status: 'True', reason: Programmed, message: Programmed, observedGeneration: 1}
  listeners:
  - name: ofn-http-internal
    attachedRoutes: 0
    supportedKinds: [{group: gateway.networking.k8s.io, kind: HTTPRoute}]
    conditions:
    - {type: Programmed, status: 'True', reason: Programmed, message: '', observedGeneration: 1}
    - {type: Accepted, status: 'True', reason: Accepted, message: '', observedGeneration: 1}
";
    let answer = asked(scene(VERSION_2, status));
    // It always says that a Gateway is programmed.
    for type_ in ["Scheduled", "Ready"] {
        assert_eq!(
            answer.condition(type_),
            "False Pending: gateway proxy not found: write a GatewayProxy of its namespace into \
             spec.infrastructure.parametersRef of Gateway apps/web"
        );
    }
}

#[test]
fn a_gateway_proxy_that_does_not_exist_is_told_with_what_to_do() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: 'False', reason: InvalidParameters, message: gateway proxy not found, observedGeneration: 1}
";
    assert_eq!(
        asked(scene(VERSION_2, status)).condition("Scheduled"),
        "False InvalidParameters: gateway proxy not found: spec.infrastructure.parametersRef of \
         Gateway apps/web must name one that exists"
    );
}

#[test]
fn a_gateway_that_version_2_serves_is_ready() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: 'True', reason: Accepted, message: the gateway has been accepted by the apisix-ingress-controller, observedGeneration: 1}
  - {type: Programmed, status: 'True', reason: Programmed, message: Programmed, observedGeneration: 1}
  listeners:
  - name: ofn-http-internal
    attachedRoutes: 1
    supportedKinds: [{group: gateway.networking.k8s.io, kind: GRPCRoute}, {group: gateway.networking.k8s.io, kind: HTTPRoute}]
    conditions:
    - {type: Programmed, status: 'True', reason: Programmed, message: '', observedGeneration: 1}
    - {type: Accepted, status: 'True', reason: Accepted, message: '', observedGeneration: 1}
    - {type: Conflicted, status: 'False', reason: NoConflicts, message: '', observedGeneration: 1}
    - {type: ResolvedRefs, status: 'True', reason: ResolvedRefs, message: '', observedGeneration: 1}
";
    let answer = asked(scene(VERSION_2, status));
    answer.assert_ready("ofn-http-internal");
}

/// A listener of TLS on port 9443.
fn tls(name: &str, mode: &str) -> Value {
    json!({
        "name": name,
        "port": 9443,
        "protocol": "TLS",
        "hostname": format!("{name}.ofn.io"),
        "tls": {"mode": mode, "certificateRefs": [{"name": "certificate"}]},
    })
}

#[test]
fn version_2_does_not_pass_tls_on() {
    let asked = |controller| asked(scene(controller, "{}").listener_as(tls("web", "Passthrough")));
    assert_eq!(
        asked(VERSION_2).refusal("web"),
        "UnsupportedValue: APISIX does not pass TLS on: write tls.mode Terminate, and a certificate \
         into tls.certificateRefs of the listener"
    );
    assert_eq!(asked(VERSION_1).refused(), [""; 0]);
}

#[test]
fn tls_is_not_ended_on_a_port_where_a_listener_of_somebody_else_has_it_passed_on() {
    let theirs = json!({"spec": {"listeners": [tls("theirs", "Passthrough")]}});
    let answer = asked(scene(VERSION_2, &theirs.to_string()).listener_as(tls("mine", "Terminate")));
    assert_eq!(
        answer.refusal("mine"),
        "ProtocolConflict: APISIX cannot end TLS on port 9443, where listener theirs has tls.mode \
         Passthrough: write another port"
    );
}

#[test]
fn listener_ports_become_those_that_apisix_listens_on_where_the_setting_names_them() {
    let answer = asked(
        scene(VERSION_2, "{}")
            .objects(&chart())
            .setting("ports", "80=9080,443=9443/tls,9100=9100")
            .listener("web", 443, "HTTPS")
            .listener("raw", 9100, "TCP"),
    );
    assert_eq!(answer.port("ofn-http-internal"), Some(9080));
    assert_eq!(answer.port("web"), Some(9443));
    assert_eq!(answer.port("raw"), Some(9100));
    assert_eq!(answer.entry_ports(), [443, 9100, 80]);
}

#[test]
fn without_the_setting_listener_ports_are_those_that_the_user_wrote() {
    let answer = asked(scene(VERSION_2, "{}").listener("web", 8080, "HTTP"));
    assert_eq!(answer.port("web"), Some(8080));
    assert_eq!(answer.refused(), [""; 0]);
}

#[test]
fn a_port_that_apisix_does_not_listen_on_is_refused_where_the_setting_names_those_that_it_does() {
    let asked = |port, protocol| {
        let scene = scene(VERSION_2, "{}").setting("ports", "80=9080,443=9443/tls");
        asked(scene.listener("web", port, protocol)).refusal("web")
    };
    assert_eq!(
        asked(8080, "HTTP"),
        "PortUnavailable: APISIX has no open port for port 8080: write a port of \
         80=9080,443=9443/tls, or add the open port's container port to annotation \
         policy.networking.openfunction.io/ports, such as 8080=8080"
    );
    assert_eq!(
        asked(443, "HTTP"),
        "PortUnavailable: APISIX's open port for port 443 has TLS, and serves no plain HTTP: write \
         protocol HTTPS, or another port"
    );
}

/// A listener with these kinds of routes.
fn with_kinds(protocol: &str, kinds: &[&str]) -> Value {
    let kinds: Vec<_> = kinds.iter().map(|kind| json!({"kind": kind})).collect();
    let mut listener = json!({
        "name": "web", "port": 8080, "protocol": protocol, "allowedRoutes": {"kinds": kinds},
    });
    if protocol == "TLS" {
        listener["tls"] = json!({"certificateRefs": [{"name": "certificate"}]});
    }
    listener
}

#[test]
fn version_1_takes_a_listener_with_a_kind_of_route_that_it_expects() {
    for (protocol, kinds) in [
        ("HTTP", &[][..]),
        ("HTTP", &["HTTPRoute"]),
        ("HTTP", &["HTTPRoute", "GRPCRoute"]),
        ("TLS", &["TLSRoute"]),
    ] {
        let answer = asked(scene(VERSION_1, "{}").listener_as(with_kinds(protocol, kinds)));
        assert_eq!(answer.refused(), [""; 0], "{protocol} {kinds:?}");
    }
    for (protocol, only, odd) in [
        ("HTTP", "HTTPRoute", "GRPCRoute"),
        ("TLS", "TLSRoute", "TCPRoute"),
    ] {
        let odd = with_kinds(protocol, &[odd]);
        assert_eq!(
            asked(scene(VERSION_1, "{}").listener_as(odd)).refusal("web"),
            format!(
                "InvalidRouteKinds: version 1 of APISIX's ingress controller takes only {only} for \
                 protocol {protocol}: write that into allowedRoutes.kinds of the listener, or remove \
                 them"
            )
        );
    }
}

/// What version 1 writes, after what the CRD filled in; `written` is the generation of our change.
fn old(generation: i64, written: i64) -> String {
    format!(
        "
metadata:
  generation: {written}
  annotations: {{networking.openfunction.io/injected-listeners: '[]', networking.openfunction.io/injected-generation: '{written}'}}
status:
  conditions:
  - {{type: Accepted, status: Unknown, reason: Pending, message: Waiting for controller}}
  - {{type: Programmed, status: Unknown, reason: Pending, message: Waiting for controller}}
  - {{type: Ready, status: 'True', reason: Ready, message: Gateway's status has been successfully updated, observedGeneration: {generation}}}
"
    )
}

#[test]
fn version_1_says_nothing_of_listeners_and_what_it_says_of_the_gateway_is_true_of_them() {
    let answer = asked(scene(VERSION_1, &old(1, 1)));
    answer.assert_ready("ofn-http-internal");
}

#[test]
fn version_1_does_not_see_a_change_and_the_status_says_what_to_do() {
    let answer = asked(scene(VERSION_1, &old(1, 2)));
    assert_eq!(
        answer.condition("Ready"),
        "Unknown Pending: version 1 of APISIX's ingress controller does not see that a Gateway \
         changes: restart it, or have the Gateway created with spec.gatewayDef"
    );
}

#[test]
fn before_version_1_has_looked_nothing_is_known() {
    let answer = asked(scene(VERSION_1, "{}"));
    assert_eq!(
        answer.listener_ready("ofn-http-internal"),
        "Unknown Pending: Waiting for controller"
    );
}

#[test]
fn a_port_that_the_service_of_apisix_does_not_have_is_not_ready() {
    let gateway = old(1, 1) + "spec: {listeners: [{name: web, port: 8080, protocol: HTTP}]}";
    let answer = asked(
        scene(VERSION_1, &gateway)
            .objects(&chart())
            .listener("web", 8080, "HTTP"),
    );
    assert_eq!(
        answer.listener_ready("web"),
        "False PortUnavailable: Service apisix/apisix-gateway has no port 8080/TCP: write one \
         that it has (80), or add it to the Service and to APISIX"
    );
    assert_eq!(
        answer.listener_ready("ofn-http-internal"),
        "True Ready: Valid listener"
    );
}

#[test]
fn a_port_for_tcp_is_none_for_udp() {
    let gateway = old(1, 1) + "spec: {listeners: [{name: dns, port: 80, protocol: UDP}]}";
    let answer = asked(
        scene(VERSION_1, &gateway)
            .objects(&chart())
            .listener("dns", 80, "UDP"),
    );
    assert_eq!(
        answer.listener_ready("dns"),
        "False PortUnavailable: Service apisix/apisix-gateway has no port 80/UDP: write one that it \
         has (none), or add it to the Service and to APISIX"
    );
}

/// It is not offered to have TLS passed on, as other vendors do.
#[test]
fn tls_without_a_certificate_is_refused() {
    let listener = json!({"name": "web", "port": 9443, "protocol": "TLS"});
    assert_eq!(
        asked(scene(VERSION_2, "{}").listener_as(listener)).refusal("web"),
        "InvalidTLSConfiguration: APISIX does not serve protocol TLS without a certificate: write \
         one into tls.certificateRefs of the listener"
    );
}
