//! Implementations that need no component of their own.

use ofn_policy::Standard;
use ofn_scene::objects::{class, gateway, service};
use ofn_scene::{Answer, Scene};

fn scene(controller: &str, rest: &str) -> Scene {
    Scene::with_ref("infra/web")
        .objects(&class("class", controller))
        .objects(&gateway("infra/web", "class", rest))
}

fn asked(scene: Scene) -> Answer {
    scene.ask(&Standard)
}

/// Conditions of a Gateway and its listener, all of today's types, and an address.
fn served(type_: &str, address: &str) -> String {
    format!(
        "
status:
  addresses: [{{type: {type_}, value: '{address}'}}]
  conditions:
  - {{type: Accepted, status: 'True', reason: Accepted, message: '', observedGeneration: 1}}
  - {{type: Programmed, status: 'True', reason: Programmed, message: '', observedGeneration: 1}}
  listeners:
  - name: ofn-http-internal
    attachedRoutes: 0
    supportedKinds: [{{group: gateway.networking.k8s.io, kind: HTTPRoute}}]
    conditions:
    - {{type: Conflicted, status: 'False', reason: NoConflicts, message: '', observedGeneration: 1}}
    - {{type: Accepted, status: 'True', reason: Accepted, message: '', observedGeneration: 1}}
    - {{type: ResolvedRefs, status: 'True', reason: ResolvedRefs, message: '', observedGeneration: 1}}
    - {{type: Programmed, status: 'True', reason: Programmed, message: '', observedGeneration: 1}}
"
    )
}

#[test]
fn a_load_balancer_of_a_cloud_is_reached_by_its_address() {
    let lattice = "fn-0a1b.7d67968.vpc-lattice-svcs.eu-west-1.on.aws";
    for (controller, type_, address) in [
        (
            "gateway.k8s.aws/alb",
            "Hostname",
            "k8s-infra-web-1.elb.eu-west-1.amazonaws.com",
        ),
        (
            "gateway.k8s.aws/nlb",
            "Hostname",
            "k8s-infra-web-2.elb.eu-west-1.amazonaws.com",
        ),
        (
            "application-networking.k8s.aws/gateway-api-controller",
            "Hostname",
            lattice,
        ),
        ("networking.gke.io/gateway", "IPAddress", "203.0.113.7"),
    ] {
        let answer = asked(scene(controller, &served(type_, address)));
        assert_eq!(answer.entry(), address, "{controller}");
        assert_eq!(answer.condition("Ready"), "True Valid: Valid Gateway");
    }
}

#[test]
fn a_load_balancer_that_is_being_made_is_not_ready_yet() {
    let status = "
status:
  conditions:
  - {type: Accepted, status: 'True', reason: Accepted, message: '', observedGeneration: 1}
  - {type: Programmed, status: Unknown, reason: Pending, message: waiting for the load balancer, observedGeneration: 1}
";
    let answer = asked(scene("gateway.k8s.aws/alb", status));
    assert_eq!(
        answer.condition("Ready"),
        "Unknown Pending: waiting for the load balancer"
    );
    assert_eq!(answer.entry(), "nowhere");
}

/// From v2.15.0 to v3.1.0 the AWS Load Balancer Controller says so of each good listener.
#[test]
fn a_conflict_whose_reason_is_that_there_is_none_is_none() {
    let status = served("Hostname", "k8s-infra-web-1.elb.eu-west-1.amazonaws.com")
        .replace("Conflicted, status: 'False'", "Conflicted, status: 'True'");
    let answer = asked(scene("gateway.k8s.aws/alb", &status));
    answer.assert_ready("ofn-http-internal");
    assert_eq!(
        answer.listener_condition("ofn-http-internal", "Conflicted"),
        ""
    );
}

#[test]
fn a_service_with_the_label_of_the_gateway_api_needs_no_component() {
    for (controller, name) in [
        ("kgateway.dev/kgateway", "infra/web"),
        (
            "konghq.com/gateway-operator",
            "infra/dataplane-ingress-web-x7k2p-9qwer",
        ),
    ] {
        let labels = [("gateway.networking.k8s.io/gateway-name", "web")];
        let status = served("IPAddress", "192.0.2.60");
        let answer = asked(scene(controller, &status).objects(&service(name, &labels, &[80])));
        assert_eq!(answer.entry(), name);
    }
}

#[test]
fn conditions_of_a_vendors_own_come_after_ours() {
    // Those of the Kong operator.
    let own =
        "  - {type: GatewayService, status: 'True', reason: Ready, message: ''}\n  listeners:";
    let status = served("IPAddress", "192.0.2.60").replacen("  listeners:", own, 1);
    let answer = asked(scene("konghq.com/gateway-operator", &status));
    assert_eq!(answer.condition("Ready"), "True Valid: Valid Gateway");
    assert_eq!(answer.condition("GatewayService"), "True Ready: ");
}

#[test]
fn the_service_that_the_user_chose_goes_before_every_rule() {
    let labels = [("gateway.networking.k8s.io/gateway-name", "web")];
    let answer = asked(
        scene("example.com/controller", "{}")
            .annotation("networking.openfunction.io/entry-service", "edge/proxy")
            .objects(&service("infra/web", &labels, &[80]))
            .objects(&service("edge/proxy", &[], &[80])),
    );
    assert_eq!(answer.entry(), "edge/proxy");
    assert_eq!(answer.queries().len(), 1);
}
