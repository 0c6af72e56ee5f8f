//! The policy asked natively, as a function of what is seen.

use ofn_contract::{
    EffectiveSpec, EntryTarget, KubernetesGateway, Listener, ObjectName, Observation, Service,
    ServicePort, Target,
};
use ofn_policy::Policy;

use crate::AcmePolicy;

#[cfg(target_family = "wasm")]
compile_error!("the tests run natively: cargo test --target host-tuple");

fn name(namespace: &str, name: &str) -> ObjectName {
    ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// An OpenFunction Gateway that puts a listener into Gateway `web` in `infra`, where these
/// Services are.
fn seen(services: &[&str]) -> Observation {
    let service = |service: &&str| Service {
        name: name("infra", service),
        labels: Vec::new(),
        annotations: Vec::new(),
        type_: "ClusterIP".to_owned(),
        cluster_ips: Vec::new(),
        ports: vec![ServicePort {
            name: None,
            port: 80,
            protocol: "TCP".to_owned(),
        }],
    };
    Observation {
        name: name("openfunction", "openfunction"),
        annotations: Vec::new(),
        settings: Vec::new(),
        spec: EffectiveSpec {
            domain: "example.com".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            host_template: "{{.Name}}.{{.Namespace}}.{{.Domain}}".to_owned(),
            path_template: "{{.Namespace}}/{{.Name}}".to_owned(),
            http_route_label_key: "app.kubernetes.io/managed-by".to_owned(),
            target: Target {
                name: name("infra", "web"),
                class_name: None,
            },
            listeners: vec![Listener {
                name: "http".to_owned(),
                hostname: Some("*.example.com".to_owned()),
                port: 80,
                protocol: "HTTP".to_owned(),
                rest: "{}".to_owned(),
            }],
        },
        kubernetes_gateway: Some(KubernetesGateway {
            name: name("infra", "web"),
            labels: Vec::new(),
            annotations: Vec::new(),
            class_name: "acme".to_owned(),
            generation: 1,
            written_generation: 0,
            listeners: Vec::new(),
            spec_rest: "{}".to_owned(),
            addresses: Vec::new(),
            conditions: Vec::new(),
            listener_statuses: Vec::new(),
        }),
        gateway_class: None,
        services: services.iter().map(service).collect(),
    }
}

/// Where the entry leads to.
fn entry(services: &[&str]) -> Option<EntryTarget> {
    let decision = AcmePolicy.decide(&seen(services));
    let entry = decision.expect("no violations").entry;
    entry.map(|entry| entry.target)
}

#[test]
fn the_entry_leads_to_the_service_that_the_vendor_names_after_the_gateway() {
    let service = name("infra", "web-acme");
    assert_eq!(
        entry(&["web-acme", "web-envoy"]),
        Some(EntryTarget::Service(service))
    );
}

#[test]
fn the_service_of_another_gateway_is_none_of_ours() {
    assert_eq!(entry(&["other-acme"]), None);
}
