//! Istio from 1.13 on, managed and manual.

use ofn_scene::objects::{class, gateway, service};
use ofn_scene::{Answer, Scene};
use serde_json::{Value, json};

use crate::Istio;

fn scene(rest: &str) -> Scene {
    Scene::with_ref("infra/web")
        .objects(&class("istio", "istio.io/gateway-controller"))
        .objects(&gateway("infra/web", "istio", rest))
}

fn asked(scene: Scene) -> Answer {
    scene.ask(&Istio)
}

/// What Istio writes on the Service of a managed Gateway.
const LABELS: [(&str, &str); 3] = [
    ("gateway.networking.k8s.io/gateway-name", "web"),
    ("gateway.networking.k8s.io/gateway-class-name", "istio"),
    ("gateway.istio.io/managed", "istio.io-gateway-controller"),
];

#[test]
fn the_service_of_a_managed_gateway_is_the_entry() {
    let status = "status: {addresses: [{type: IPAddress, value: 192.0.2.20}]}";
    let answer = asked(scene(status).objects(&service("infra/web-istio", &LABELS, &[15021, 80])));
    assert_eq!(answer.entry(), "infra/web-istio");
    assert!(answer.queries().len() <= 8);
}

#[test]
fn the_name_may_be_overridden() {
    let annotation = "metadata: {annotations: {gateway.istio.io/name-override: ingress}}";
    let answer = asked(
        scene(annotation)
            .objects(&service("infra/ingress", &[], &[80]))
            .objects(&service("infra/web-istio", &[], &[80])),
    );
    assert_eq!(answer.entry(), "infra/ingress");
}

#[test]
fn before_1_17_the_service_has_the_name_of_the_gateway() {
    let answer = asked(scene("{}").objects(&service("infra/web", &[], &[15021, 80])));
    assert_eq!(answer.entry(), "infra/web");
}

#[test]
fn the_service_of_a_manual_gateway_is_the_one_that_it_names() {
    for (address, entry) in [
        ("ingress", "infra/ingress"),
        (
            "istio-ingressgateway.istio-system.svc.cluster.local",
            "istio-system/istio-ingressgateway",
        ),
        (
            "istio-ingressgateway.istio-system.svc",
            "istio-system/istio-ingressgateway",
        ),
    ] {
        let spec = format!("spec: {{addresses: [{{type: Hostname, value: {address}}}]}}");
        let answer = asked(
            scene(&spec)
                .objects(&service("infra/ingress", &[], &[80]))
                .objects(&service("infra/web-istio", &LABELS, &[80]))
                .objects(&service("istio-system/istio-ingressgateway", &[], &[80])),
        );
        assert_eq!(answer.entry(), entry, "{address}");
    }
}

#[test]
fn an_ip_address_in_the_spec_makes_no_manual_gateway() {
    for address in ["{value: 192.0.2.9}", "{type: IPAddress, value: 192.0.2.9}"] {
        let spec = format!("spec: {{addresses: [{address}]}}");
        let answer = asked(scene(&spec).objects(&service("infra/web-istio", &LABELS, &[80])));
        assert_eq!(answer.entry(), "infra/web-istio", "{address}");
    }
}

#[test]
fn many_addresses_are_no_reason_for_too_many_queries() {
    let address = |index| json!({"type": "Hostname", "value": format!("ingress-{index}")});
    let addresses: Vec<_> = (0..16).map(address).collect();
    let spec = json!({"spec": {"addresses": addresses}}).to_string();
    assert!(asked(scene(&spec)).queries().len() <= 8);
}

#[test]
fn an_address_inside_the_cluster_is_the_entry_as_long_as_no_service_is_seen() {
    let address = "istio-ingressgateway.istio-system.svc.cluster.local";
    let status = format!("status: {{addresses: [{{type: Hostname, value: {address}}}]}}");
    assert_eq!(asked(scene(&status)).entry(), address);
}

#[test]
fn up_to_1_16_an_address_has_a_port_for_each_listener() {
    let status = "
status:
  addresses:
  - {type: Hostname, value: 'istio-ingressgateway.istio-system.svc.cluster.local:80'}
  - {type: Hostname, value: 'istio-ingressgateway.istio-system.svc.cluster.local:443'}
";
    assert_eq!(
        asked(scene(status)).entry(),
        "istio-ingressgateway.istio-system.svc.cluster.local"
    );
}

#[test]
fn up_to_1_16_a_host_name_from_outside_calls_itself_an_ip_address() {
    let status = "status: {addresses: [{type: IPAddress, value: 'lb.example.com'}]}";
    assert_eq!(asked(scene(status)).entry(), "lb.example.com");
}

#[test]
fn while_the_load_balancer_is_pending_nothing_is_known() {
    assert_eq!(asked(scene("status: {addresses: []}")).entry(), "nowhere");
}

#[test]
fn what_istio_does_not_serve_is_refused_in_its_words() {
    for (protocol, refused) in [("UDP", "UDP"), ("http", "http")] {
        assert_eq!(
            asked(scene("{}").listener("bad", 80, protocol)).refusal("bad"),
            format!(
                "UnsupportedProtocol: Istio does not serve protocol {refused}: write one of HTTP, \
                 HTTPS, TLS, TCP"
            )
        );
    }
}

#[test]
fn https_without_a_certificate_which_istio_would_skip_in_silence_is_refused() {
    let listener = json!({"name": "web", "port": 443, "protocol": "HTTPS"});
    let answer = asked(scene("{}").listener_as(listener));
    assert_eq!(
        answer.refusal("web"),
        "InvalidTLSConfiguration: Istio does not serve protocol HTTPS without a certificate: write \
         one into tls.certificateRefs of the listener"
    );
}

#[test]
fn tls_without_a_certificate_may_be_passed_on() {
    let listener = json!({"name": "web", "port": 443, "protocol": "TLS"});
    assert_eq!(
        asked(scene("{}").listener_as(listener)).refusal("web"),
        "InvalidTLSConfiguration: Istio does not serve protocol TLS without a certificate: write one \
         into tls.certificateRefs of the listener, or tls.mode Passthrough"
    );
}

#[test]
fn the_port_of_istios_health_checks_is_refused() {
    let answer = asked(scene("{}").listener("web", 15021, "HTTP"));
    assert_eq!(
        answer.refusal("web"),
        "PortUnavailable: Istio needs port 15021 for its health checks: write another port"
    );
}

#[test]
fn one_port_serves_several_host_names() {
    let listener = |name: &str, hostname: &str| json!({"name": name, "port": 80, "protocol": "HTTP", "hostname": hostname});
    let answer = asked(
        scene("{}")
            .listener_as(listener("a", "a.ofn.io"))
            .listener_as(listener("b", "b.ofn.io")),
    );
    assert_eq!(answer.refused(), [""; 0]);
}

#[test]
fn a_class_that_is_for_the_mesh_is_refused() {
    for (name, controller) in [
        ("istio-waypoint", "istio.io/mesh-controller"),
        ("istio-east-west", "istio.io/eastwest-controller"),
        ("istio-remote", "istio.io/unmanaged-gateway"),
        (
            "istio-agentgateway-waypoint",
            "istio.io/agentgateway-waypoint-controller",
        ),
    ] {
        let answer = asked(
            Scene::with_def("infra/web", name)
                .objects(&class(name, controller))
                .listener("web", 80, "HTTP"),
        );
        assert_eq!(
            answer.refusal("web"),
            format!(
                "UnsupportedProtocol: GatewayClass {name} of Istio is for the mesh, and takes no \
                 requests from outside: write a Gateway of class istio"
            )
        );
        assert_eq!(answer.refused(), ["web", "ofn-http-internal"]);
    }
}

/// Istio 1.18 and later.
#[test]
fn a_gateway_that_istio_serves_is_ready() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: 'True', reason: Accepted, message: Resource accepted, observedGeneration: 1}
  - {type: Programmed, status: 'True', reason: Programmed, message: 'Resource programmed, assigned to service(s) web-istio.infra.svc.cluster.local:80', observedGeneration: 1}
  listeners:
  - name: ofn-http-internal
    attachedRoutes: 1
    supportedKinds:
    - {group: gateway.networking.k8s.io, kind: HTTPRoute}
    - {group: gateway.networking.k8s.io, kind: GRPCRoute}
    conditions:
    - {type: Accepted, status: 'True', reason: Accepted, message: No errors found, observedGeneration: 1}
    - {type: Conflicted, status: 'False', reason: NoConflicts, message: No errors found, observedGeneration: 1}
    - {type: Programmed, status: 'True', reason: Programmed, message: No errors found, observedGeneration: 1}
    - {type: ResolvedRefs, status: 'True', reason: ResolvedRefs, message: No errors found, observedGeneration: 1}
";
    let answer = asked(scene(status));
    answer.assert_ready("ofn-http-internal");
}

/// A manual one, with what Istio says of it: of no listener that its port is not there.
fn manual(ports: &[u16], said: &str) -> Answer {
    let good =
        |type_: &str| json!({"type": type_, "status": "True", "reason": type_, "message": ""});
    let not_found = format!(
        "Assigned to service(s) istio-ingressgateway.istio-system.svc.cluster.local:80, but failed to \
         assign to all requested addresses: {said}"
    );
    let programmed = json!({
        "type": "Programmed", "status": "False", "reason": "AddressNotUsable", "message": not_found,
    });
    let rest = json!({
        "spec": {
            "addresses": [{
                "type": "Hostname",
                "value": "istio-ingressgateway.istio-system.svc.cluster.local",
            }],
            "listeners": [{"name": "theirs", "port": 9090, "protocol": "HTTP"}],
        },
        "status": {
            "conditions": [good("Accepted"), programmed],
            "listeners": [{
                "name": "ofn-http-internal",
                "attachedRoutes": 0,
                "supportedKinds": [],
                "conditions": [good("Accepted"), good("Programmed")],
            }],
        },
    });
    let service = service("istio-system/istio-ingressgateway", &[], ports);
    asked(scene(&rest.to_string()).objects(&service))
}

const THEIRS_IS_NOT_FOUND: &str =
    "port 9090 not found for hostname \"istio-ingressgateway.istio-system.svc.cluster.local\"";

#[test]
fn a_port_of_somebody_else_that_a_manual_gateway_lacks_does_not_matter() {
    let answer = manual(&[80, 443], THEIRS_IS_NOT_FOUND);
    answer.assert_ready("ofn-http-internal");
}

#[test]
fn a_port_of_ours_that_a_manual_gateway_lacks_is_not_ready() {
    let ours = THEIRS_IS_NOT_FOUND.replace("9090", "80");
    let answer = manual(&[443], &ours);
    assert_eq!(
        answer.condition("Ready"),
        "False PortUnavailable: Listener ofn-http-internal: Service istio-system/istio-ingressgateway \
         has no port 80/TCP: write one that it has (443), or add it to the Service and to Istio's gateway"
    );
}

#[test]
fn whatever_else_istio_says_of_a_manual_gateway_keeps_it_from_being_ready() {
    let host = "for hostname \"istio-ingressgateway.istio-system.svc.cluster.local\"";
    for (ports, said) in [
        (vec![80, 443], format!("address pending {host}")),
        (
            vec![80, 443],
            format!("{THEIRS_IS_NOT_FOUND}; no instances found {host}"),
        ),
        // It is there, and nobody behind it.
        (vec![80, 443], format!("port 80 not found {host}")),
    ] {
        let ready = manual(&ports, &said).condition("Ready");
        assert!(ready.starts_with("False AddressNotUsable: "), "{ready}");
    }
}

#[test]
fn a_listener_of_somebody_else_that_istio_does_not_serve_is_in_nobodys_way() {
    let theirs = "spec: {listeners: [{name: dns, port: 80, protocol: UDP}]}";
    assert_eq!(asked(scene(theirs)).refused(), [""; 0]);
}

#[test]
fn a_gateway_without_an_address_is_not_ready_in_istios_words() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: 'True', reason: Accepted, message: Resource accepted}
  - {type: Programmed, status: 'False', reason: AddressNotAssigned, message: 'Assigned to service(s) web-istio.infra.svc.cluster.local:80, but failed to assign to all requested addresses: address pending for hostname \"web-istio.infra.svc.cluster.local\"'}
";
    assert_eq!(
        asked(scene(status)).condition("Ready"),
        "False AddressNotAssigned: Assigned to service(s) web-istio.infra.svc.cluster.local:80, but \
         failed to assign to all requested addresses: address pending for hostname \
         \"web-istio.infra.svc.cluster.local\""
    );
}

/// Istio 1.13 to 1.16.
fn old(scheduled: &str) -> String {
    format!(
        "
status:
  conditions:
  - {scheduled}
  - {{type: Ready, status: 'True', reason: ListenersValid, message: Listeners valid}}
  listeners:
  - name: ofn-http-internal
    attachedRoutes: 0
    supportedKinds: [{{group: gateway.networking.k8s.io, kind: HTTPRoute}}]
    conditions:
    - {{type: Conflicted, status: 'False', reason: NoConflicts, message: No errors found}}
    - {{type: Detached, status: 'False', reason: Attached, message: No errors found}}
    - {{type: Ready, status: 'True', reason: Ready, message: No errors found}}
    - {{type: ResolvedRefs, status: 'True', reason: ResolvedRefs, message: No errors found}}
"
    )
}

#[test]
fn the_conditions_before_1_17_read_as_todays() {
    let scheduled = "{type: Scheduled, status: 'True', reason: ResourcesAvailable, message: Resources available}";
    let answer = asked(scene(&old(scheduled)));
    answer.assert_ready("ofn-http-internal");
}

#[test]
fn resources_that_are_pending_before_1_17_are_not_scheduled() {
    let scheduled =
        "{type: Scheduled, status: 'False', reason: ResourcesPending, message: No instances found}";
    assert_eq!(
        asked(scene(&old(scheduled))).condition("Scheduled"),
        "False ResourcesPending: No instances found"
    );
}

/// Istio 1.17 writes the old conditions and today's.
#[test]
fn of_1_17_todays_conditions_count() {
    let of = |programmed: &str| {
        format!(
            "
status:
  conditions:
  - {{type: Accepted, status: 'True', reason: Accepted, message: Resource accepted, observedGeneration: 1}}
  - {{type: Programmed, {programmed}, observedGeneration: 1}}
  - {{type: Ready, status: 'True', reason: Ready, message: Resource ready, observedGeneration: 1}}
  - {{type: Scheduled, status: 'True', reason: Scheduled, message: Resource scheduled, observedGeneration: 1}}
  listeners:
  - name: ofn-http-internal
    attachedRoutes: 0
    supportedKinds: [{{group: gateway.networking.k8s.io, kind: HTTPRoute}}]
    conditions:
    - {{type: Accepted, status: 'True', reason: Accepted, message: No errors found, observedGeneration: 1}}
    - {{type: Conflicted, status: 'False', reason: NoConflicts, message: No errors found, observedGeneration: 1}}
    - {{type: Programmed, status: 'True', reason: Programmed, message: No errors found, observedGeneration: 1}}
    - {{type: ResolvedRefs, status: 'True', reason: ResolvedRefs, message: No errors found, observedGeneration: 1}}
"
        )
    };
    let good = "status: 'True', reason: Programmed, message: Resource programmed";
    asked(scene(&of(good))).assert_ready("ofn-http-internal");
    let bad = "status: 'False', reason: AddressNotAssigned, message: Failed to assign to any requested addresses";
    assert_eq!(
        asked(scene(&of(bad))).condition("Ready"),
        "False AddressNotAssigned: Failed to assign to any requested addresses"
    );
}

#[test]
fn what_istio_says_besides_follows() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: 'True', reason: Accepted, message: Resource accepted}
  - {type: InsecureFrontendValidationMode, status: 'True', reason: ConfigurationChanged, message: Clients without a certificate are let in}
  - {type: Programmed, status: 'True', reason: Programmed, message: Resource programmed}
";
    assert_eq!(
        asked(scene(status)).condition("InsecureFrontendValidationMode"),
        "True ConfigurationChanged: Clients without a certificate are let in"
    );
}

/// An annotation can have Istio write the address of the other kind.
#[test]
fn an_address_type_that_was_chosen_is_the_entry_as_long_as_no_service_is_seen() {
    for (chosen, address) in [
        ("Hostname", "web-istio.infra.svc.cluster.local"),
        ("IPAddress", "192.0.2.20"),
    ] {
        let rest = format!(
            "
metadata: {{annotations: {{networking.istio.io/address-type: {chosen}}}}}
status: {{addresses: [{{type: {chosen}, value: {address}}}]}}
"
        );
        assert_eq!(asked(scene(&rest)).entry(), address);
        let made = service("infra/web-istio", &LABELS, &[15021, 80]);
        assert_eq!(
            asked(scene(&rest).objects(&made)).entry(),
            "infra/web-istio"
        );
    }
}

/// How the gateway's pods are to be run is said by a ConfigMap.
#[test]
fn the_parameters_of_a_gateway_change_nothing() {
    let rest = "spec: {infrastructure: {parametersRef: {group: '', kind: ConfigMap, name: web}}}";
    let made = service("infra/web-istio", &LABELS, &[15021, 80]);
    let answer = asked(scene(rest).objects(&made));
    assert_eq!(answer.entry(), "infra/web-istio");
    assert_eq!(answer.refused(), [""; 0]);
}

/// It copies them where `spec.infrastructure` has none, and starts its Envoys anew when they change.
#[test]
fn what_we_record_on_a_gateway_of_ours_is_not_copied_to_istios_pods() {
    let answer = asked(
        Scene::with_def("infra/web", "istio")
            .objects(&class("istio", "istio.io/gateway-controller")),
    );
    let infrastructure = answer.template().infrastructure.as_deref();
    let infrastructure: Value = serde_json::from_str(infrastructure.unwrap_or("null")).unwrap();
    assert_eq!(infrastructure, json!({"labels": {}, "annotations": {}}));
}
