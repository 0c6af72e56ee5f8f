//! Contour as its manifests, a chart, the chart of OpenFunction and its provisioner install it.

use ofn_scene::objects::{self, class, gateway, service};
use ofn_scene::{Answer, Scene};
use serde_json::json;

use crate::{Contour, container_port};

const CONTROLLER: &str = "projectcontour.io/gateway-controller";
/// Labels of a chart's Envoy.
const CHART: [(&str, &str); 2] = [
    ("app.kubernetes.io/name", "contour"),
    ("app.kubernetes.io/component", "envoy"),
];

/// A Gateway of Contour's outside Contour's namespace, that has an address.
fn scene() -> Scene {
    let addresses = "status: {addresses: [{type: IPAddress, value: 192.0.2.11}]}";
    Scene::with_ref("apps/web")
        .objects(&class("contour", CONTROLLER))
        .objects(&gateway("apps/web", "contour", addresses))
}

fn asked(scene: Scene) -> Answer {
    scene.ask(&Contour)
}

#[test]
fn the_envoy_beside_a_static_contour_is_found_from_another_namespace() {
    let answer = asked(scene().objects(&service("projectcontour/envoy", &[], &[80, 443])));
    assert_eq!(answer.entry(), "projectcontour/envoy");
    assert!(answer.queries().len() <= 8);
}

#[test]
fn the_envoy_of_a_chart_is_found_in_any_namespace() {
    let answer = asked(scene().objects(&service("ingress/my-contour-envoy", &CHART, &[80])));
    assert_eq!(answer.entry(), "ingress/my-contour-envoy");
}

#[test]
fn of_two_charts_that_may_be_meant_the_address_of_the_gateway_decides() {
    let answer = asked(
        scene()
            .objects(&service("inner/contour-envoy", &CHART, &[80]))
            .objects(&service("outer/contour-envoy", &CHART, &[80])),
    );
    assert_eq!(answer.entry(), "192.0.2.11");
}

#[test]
fn an_envoy_beside_the_gateway_goes_before_one_elsewhere() {
    let answer = asked(
        scene()
            .objects(&service("apps/envoy", &[], &[80]))
            .objects(&service("projectcontour/envoy", &[], &[80])),
    );
    assert_eq!(answer.entry(), "apps/envoy");
}

#[test]
fn the_contour_that_openfunction_installs_is_found() {
    let class = class("contour", "projectcontour.io/projectcontour/contour");
    let answer = asked(
        Scene::with_ref("projectcontour/contour")
            .objects(&class)
            .objects(&gateway("projectcontour/contour", "contour", "{}"))
            .objects(&service("projectcontour/contour", &[], &[8001]))
            .objects(&service("projectcontour/contour-envoy", &CHART, &[80, 443])),
    );
    assert_eq!(answer.entry(), "projectcontour/contour-envoy");
}

#[test]
fn the_envoy_that_the_provisioner_made_for_the_gateway_goes_before_a_static_one() {
    let labels = [
        ("projectcontour.io/owning-gateway-name", "web"),
        ("gateway.networking.k8s.io/gateway-name", "web"),
    ];
    let answer = asked(
        scene()
            .objects(&service("apps/envoy", &[], &[80]))
            .objects(&service("apps/envoy-web", &labels, &[80]))
            .objects(&service("projectcontour/envoy", &[], &[80])),
    );
    assert_eq!(answer.entry(), "apps/envoy-web");
}

#[test]
fn without_any_envoy_the_address_is_the_entry() {
    assert_eq!(asked(scene()).entry(), "192.0.2.11");
}

#[test]
fn a_protocol_that_contour_does_not_know_is_refused() {
    let answer = asked(scene().listener("dns", 53, "UDP"));
    assert_eq!(
        answer.refusal("dns"),
        "UnsupportedProtocol: Contour does not serve protocol UDP: write one of HTTP, HTTPS, TLS, \
         projectcontour.io/https, TCP"
    );
}

#[test]
fn contours_own_protocol_needs_no_certificate() {
    let answer = asked(scene().listener("own", 443, "projectcontour.io/https"));
    assert_eq!(answer.port("own"), Some(443));
}

#[test]
fn a_second_kind_of_protocol_on_a_port_is_refused() {
    let answer = asked(
        scene()
            .listener("web", 8080, "HTTP")
            .listener("raw", 8080, "TCP"),
    );
    assert_eq!(
        answer.refusal("raw"),
        "ProtocolConflict: Contour cannot serve TCP on port 8080, where listener web has HTTP: \
         write another port"
    );
    assert_eq!(answer.refused(), ["raw"]);
}

#[test]
fn a_host_name_that_a_port_serves_with_another_protocol_is_refused() {
    let answer = asked(
        scene()
            .listener("web", 443, "HTTPS")
            .listener("sni", 443, "TLS"),
    );
    assert_eq!(
        answer.refusal("sni"),
        "HostnameConflict: Contour tells the listeners of a port apart by their host names, and on \
         port 443 listener web has *.ofn.io already: write another host name or another port"
    );
}

#[test]
fn a_port_that_envoy_serves_on_the_same_port_as_another_is_refused() {
    let answer = asked(
        scene()
            .listener("low", 57536, "HTTP")
            .listener("high", 58559, "HTTP"),
    );
    assert_eq!(
        answer.refusal("high"),
        "PortUnavailable: Contour's Envoy serves port 58559 on its port 1024, and port 57536 of \
         listener low too: write another port"
    );
}

#[test]
fn envoys_ports_are_those_that_contour_computes() {
    for (port, expected) in [
        (1, 8001),
        (80, 8080),
        (443, 8443),
        (57535, 65535),
        (57536, 1024),
        (58558, 2046),
        (58559, 1024),
        (65480, 7945),
        (65535, 8000),
    ] {
        assert_eq!(container_port(port), expected, "{port}");
    }
}

/// A Gateway with a listener on port 443, with our record of what we put there.
fn with_listener(injected: &str) -> Scene {
    let rest = json!({
        "metadata": {"annotations": {"networking.openfunction.io/injected-listeners": injected}},
        "spec": {"listeners": [{"name": "before", "port": 443, "protocol": "HTTPS"}]},
    });
    Scene::with_ref("apps/web")
        .objects(&gateway("apps/web", "contour", &rest.to_string()))
        .listener("mine", 443, "HTTP")
}

#[test]
fn a_listener_of_somebody_else_is_not_put_into_conflict() {
    assert_eq!(
        asked(with_listener("[]")).refusal("mine"),
        "ProtocolConflict: Contour cannot serve HTTP on port 443, where listener before has HTTPS: \
         write another port"
    );
}

/// Of two that cannot both be served, Contour serves the first.
#[test]
fn a_listener_that_somebody_puts_behind_ours_takes_nothing_from_it() {
    let mine = json!({"name": "mine", "port": 8080, "protocol": "HTTP", "hostname": "*.ofn.io"});
    for theirs in [
        json!({"name": "behind", "port": 8080, "protocol": "TCP"}),
        json!({"name": "behind", "port": 8080, "protocol": "UDP"}),
    ] {
        let rest = json!({
            "metadata": {"annotations": {
                "networking.openfunction.io/injected-listeners": json!([mine]).to_string(),
            }},
            "spec": {"listeners": [mine, theirs]},
        });
        let answer = asked(
            Scene::with_ref("apps/web")
                .objects(&gateway("apps/web", "contour", &rest.to_string()))
                .listener("mine", 8080, "HTTP"),
        );
        assert_eq!(answer.refused(), [""; 0], "{theirs}");
    }
}

#[test]
fn a_listener_that_is_ours_and_will_go_is_in_nobodys_way() {
    let answer = asked(with_listener(r#"[{"name": "before", "port": 443}]"#));
    assert_eq!(answer.port("mine"), Some(443));
}

#[test]
fn a_record_that_nobody_can_read_makes_every_listener_somebody_elses() {
    assert_eq!(asked(with_listener("no JSON")).refused(), ["mine"]);
}

fn recorded(file: &str) -> Answer {
    asked(
        Scene::with_ref("projectcontour/contour")
            .objects(file)
            .listener("ofn-http-external", 80, "HTTP"),
    )
}

#[test]
fn a_gateway_that_contour_serves_is_ready() {
    // The class of a fixed Gateway is never accepted, nor does it have to be there.
    let answer = recorded(include_str!(
        "../../../tests/recorded/contour-1.33.6-good.yaml"
    ));
    assert_eq!(
        answer.condition("Scheduled"),
        "True Scheduled: Gateway is scheduled"
    );
    assert_eq!(answer.condition("Ready"), "True Valid: Valid Gateway");
}

#[test]
fn a_bad_listener_of_somebody_else_does_not_matter() {
    let answer = recorded(include_str!(
        "../../../tests/recorded/contour-1.33.6-bad-listeners.yaml"
    ));
    assert_eq!(answer.condition("Ready"), "True Valid: Valid Gateway");
    assert_eq!(
        answer.listener_ready("ofn-http-external"),
        "True Ready: Valid listener"
    );
}

/// What Contour before 1.24 wrote, as the documentation of OpenFunction shows it, into a Gateway
/// whose CRD had filled in today's conditions.
#[test]
fn the_conditions_of_an_old_contour_count_where_the_crd_filled_in_others() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: Unknown, reason: Pending, message: Waiting for controller}
  - {type: Programmed, status: Unknown, reason: Pending, message: Waiting for controller}
  - {type: Scheduled, status: 'True', reason: Scheduled, message: Gateway is scheduled}
  - {type: Ready, status: 'True', reason: Valid, message: Valid Gateway}
  listeners:
  - name: ofn-http-internal
    attachedRoutes: 0
    supportedKinds: [{group: gateway.networking.k8s.io, kind: HTTPRoute}]
    conditions: [{type: Ready, status: 'True', reason: Ready, message: Valid listener}]
";
    let answer = asked(Scene::with_ref("projectcontour/contour").objects(&gateway(
        "projectcontour/contour",
        "contour",
        status,
    )));
    answer.assert_ready("ofn-http-internal");
}

/// Programmed by Contour, on this port.
fn programmed(port: u16) -> Scene {
    let rest = objects::programmed(port, "HTTP");
    Scene::with_ref("apps/web")
        .objects(&class("contour", CONTROLLER))
        .objects(&gateway("apps/web", "contour", &rest))
        .listener("web", port, "HTTP")
}

#[test]
fn a_port_that_the_service_of_a_static_contour_does_not_have_is_not_ready() {
    let envoy = service("projectcontour/envoy", &[], &[80, 443]);
    let answer = asked(programmed(8080).objects(&envoy));
    assert_eq!(
        answer.listener_ready("web"),
        "False PortUnavailable: Service projectcontour/envoy has no port 8080/TCP: write one that \
         it has (80, 443), or add it to the Service and to Envoy"
    );
    let answer = asked(programmed(443).objects(&envoy));
    assert_eq!(answer.listener_ready("web"), "True Ready: Valid listener");
}

#[test]
fn the_ports_are_those_of_the_service_that_the_user_chose() {
    let chosen = programmed(8080)
        .annotation("networking.openfunction.io/entry-service", "edge/proxy")
        .objects(&service("projectcontour/envoy", &[], &[80]))
        .objects(&service("edge/proxy", &[], &[8080]));
    assert_eq!(
        asked(chosen).listener_ready("web"),
        "True Ready: Valid listener"
    );
}

/// Its ports have names of their own, and follow the listeners by themselves.
#[test]
fn a_port_that_the_provisioner_has_yet_to_add_is_not_our_concern() {
    let made = "
apiVersion: v1
kind: Service
metadata:
  namespace: apps
  name: envoy-web
  labels: {projectcontour.io/owning-gateway-name: web, gateway.networking.k8s.io/gateway-name: web}
spec:
  type: LoadBalancer
  ports: [{name: http-80, port: 80, targetPort: 8080, protocol: TCP}]
";
    let answer = asked(programmed(8080).objects(made));
    assert_eq!(answer.entry(), "apps/envoy-web");
    assert_eq!(answer.listener_ready("web"), "True Ready: Valid listener");
}

/// The provisioner reads how Envoy is to be run from a ContourDeployment, that of the class.
#[test]
fn the_parameters_of_a_class_change_nothing() {
    let class = "
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: contour}
spec:
  controllerName: projectcontour.io/gateway-controller
  parametersRef: {group: projectcontour.io, kind: ContourDeployment, name: p, namespace: contour}
";
    let made = service(
        "apps/envoy-web",
        &[("projectcontour.io/owning-gateway-name", "web")],
        &[80],
    );
    let answer = asked(programmed(80).objects(class).objects(&made));
    assert_eq!(answer.entry(), "apps/envoy-web");
    assert_eq!(answer.listener_ready("web"), "True Ready: Valid listener");
}

/// A Gateway of whose conditions only the CRD's defaults are there, or none.
const UNTOUCHED: [&str; 2] = [
    "{}",
    "
status:
  conditions:
  - {type: Accepted, status: Unknown, reason: Pending, message: Waiting for controller}
  - {type: Programmed, status: Unknown, reason: Pending, message: Waiting for controller}
",
];

/// The Gateway that a static Contour serves is the one of its configuration.
#[test]
fn a_gateway_that_contour_was_not_told_of_says_what_to_do() {
    for rest in UNTOUCHED {
        let scene = || {
            Scene::with_ref("apps/web")
                .objects(&class("contour", CONTROLLER))
                .objects(&gateway("apps/web", "contour", rest))
        };
        let told = "Unknown Pending: Waiting for controller: a Contour without its provisioner serves \
                    only the Gateway that gateway.gatewayRef of its configuration names: write \
                    apps/web there";
        let envoy = service("projectcontour/envoy", &[], &[80]);
        assert_eq!(asked(scene()).condition("Scheduled"), told);
        assert_eq!(asked(scene().objects(&envoy)).condition("Scheduled"), told);
        let provisioned = service(
            "apps/envoy-web",
            &[("projectcontour.io/owning-gateway-name", "web")],
            &[80],
        );
        assert_eq!(
            asked(scene().objects(&provisioned)).condition("Scheduled"),
            "Unknown Pending: Waiting for controller of GatewayClass contour: if this stays so, see \
             whether it runs"
        );
    }
}
