//! What holds for every input. `PROPTEST_CASES` sets how many are tried.

use std::collections::BTreeSet;

use ofn_contract::dns::{is_hostname, is_label, is_under};
use ofn_contract::{
    Address, Condition, EffectiveSpec, Gateway, GatewayClass, GatewayDefinition, GatewaySpec,
    KeyValue, KubernetesGateway, Listener, ListenerStatus, ObjectName, Observation, Service,
    ServicePort,
};
use ofn_policy::defaults::{DEFAULT_LISTENER, DEFAULT_LISTENER_ANNOTATION};
use ofn_policy::template::Template;
use ofn_policy::{Policy, Standard};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

fn name() -> impl Strategy<Value = ObjectName> {
    ("[a-c]{1,3}", "[a-c]{1,3}").prop_map(|(namespace, name)| ObjectName { namespace, name })
}

/// Few domains, some under others, so that the interesting cases are common.
fn domain() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a.io",
        "b.a.io",
        "io",
        "cluster.local",
        "apps.cluster.local",
        "notcluster.local",
    ])
    .prop_map(str::to_owned)
}

fn hostname() -> impl Strategy<Value = String> {
    prop_oneof![
        domain(),
        domain().prop_map(|domain| format!("*.{domain}")),
        ("[a-c]{1,2}", domain()).prop_map(|(label, domain)| format!("{label}.{domain}")),
        ("[a-c]{1,2}", domain()).prop_map(|(label, domain)| format!("*.{label}.{domain}")),
    ]
}

fn rest() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "{}",
        r#"{"allowedRoutes":{"namespaces":{"from":"All"}}}"#,
        r#"{"allowedRoutes":{"namespaces":{"from":"Same"},"kinds":[{"kind":"HTTPRoute"}]}}"#,
        r#"{"allowedRoutes":7,"tls":{"mode":"Terminate","certificateRefs":[{"name":"c"}]}}"#,
        r#"{"yet":{"to":["be",1,null,1.5e300]},"z":{"deep":{"er":{}}}}"#,
    ])
    .prop_map(str::to_owned)
}

prop_compose! {
    fn listener()(
        name in prop_oneof![
            3 => "[a-d]{1,2}",
            1 => "(tcp|udp)-[1-4](-[2-4])?",
            1 => "[a-b][.][a-b]{1,2}",
            1 => Just(DEFAULT_LISTENER.to_owned()),
        ],
        hostname in option::of(hostname()),
        port in 1..=4_u16,
        protocol in prop::sample::select(vec!["HTTP", "HTTPS", "TLS", "TCP", "UDP", "example.com/own"]),
        rest in rest(),
    ) -> Listener {
        Listener { name, hostname, port, protocol: protocol.to_owned(), rest }
    }
}

fn distinct(listeners: Vec<Listener>) -> Vec<Listener> {
    let mut names = BTreeSet::new();
    listeners
        .into_iter()
        .filter(|listener| names.insert(listener.name.clone()))
        .collect()
}

prop_compose! {
    fn spec()(
        domain in domain(),
        cluster_domain in prop_oneof![domain(), Just(String::new())],
        target in prop_oneof![
            name().prop_map(Ok),
            (name(), option::of("[a-c]{1,3}")).prop_map(Err),
        ],
        listeners in vec(listener(), 0..6),
    ) -> GatewaySpec {
        let (gateway_ref, gateway_def) = match target {
            Ok(name) => (Some(name), None),
            Err((place, name)) => (None, Some(GatewayDefinition {
                namespace: place.namespace,
                name,
                class_name: place.name,
            })),
        };
        GatewaySpec {
            domain,
            cluster_domain,
            host_template: String::new(),
            path_template: String::new(),
            http_route_label_key: String::new(),
            gateway_ref,
            gateway_def,
            listeners: distinct(listeners),
        }
    }
}

prop_compose! {
    fn gateway()(name in name(), spec in spec(), disabled in any::<bool>()) -> Gateway {
        let annotations = disabled.then(|| KeyValue {
            key: DEFAULT_LISTENER_ANNOTATION.to_owned(),
            value: "disabled".to_owned(),
        });
        Gateway { name, annotations: annotations.into_iter().collect(), spec }
    }
}

prop_compose! {
    fn condition()(
        type_ in prop::sample::select(vec![
            "Accepted", "Programmed", "Scheduled", "Ready", "ResolvedRefs", "Conflicted", "Detached",
            "Other", "Another",
        ]),
        status in prop::sample::select(vec!["True", "False", "Unknown"]),
        reason in prop::sample::select(vec!["ListenersNotValid", "Fine", "Broken"]),
        observed_generation in option::of(0..4_i64),
    ) -> Condition {
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: String::new(),
            observed_generation,
        }
    }
}

prop_compose! {
    fn listener_status()(
        name in prop_oneof!["[a-d]{1,2}", Just(DEFAULT_LISTENER.to_owned())],
        attached_routes in 0..9_i32,
        conditions in vec(condition(), 0..12),
    ) -> ListenerStatus {
        ListenerStatus { name, attached_routes, supported_kinds: Vec::new(), conditions }
    }
}

prop_compose! {
    fn kubernetes_gateway()(
        name in name(),
        listeners in vec(listener(), 0..6),
        addresses in vec(
            ("IPAddress|Hostname", "(192\\.0\\.2\\.[1-3]|2001:db8::[1-3]|lb\\.io(:80)?|!)"),
            0..20,
        ),
        conditions in vec(condition(), 0..12),
        listener_statuses in vec(listener_status(), 0..8),
        written_generation in 0..4_i64,
    ) -> KubernetesGateway {
        KubernetesGateway {
            name,
            labels: Vec::new(),
            annotations: Vec::new(),
            class_name: "class".to_owned(),
            generation: 3,
            written_generation,
            listeners: distinct(listeners),
            spec_rest: "{}".to_owned(),
            addresses: addresses.into_iter().map(|(type_, value)| Address { type_, value }).collect(),
            conditions,
            listener_statuses,
        }
    }
}

prop_compose! {
    fn service()(name in name(), labelled in any::<bool>(), ip in 1..4_u8) -> Service {
        let label = labelled.then(|| KeyValue {
            key: ofn_policy::entry::GATEWAY_NAME_LABEL.to_owned(),
            value: name.name.clone(),
        });
        Service {
            name,
            labels: label.into_iter().collect(),
            annotations: Vec::new(),
            type_: "ClusterIP".to_owned(),
            cluster_ips: vec![format!("192.0.2.{ip}")],
            ports: vec![ServicePort { name: None, port: 80, protocol: "TCP".to_owned() }],
        }
    }
}

fn observation() -> impl Strategy<Value = Observation> {
    let seen = (
        option::of(kubernetes_gateway()),
        any::<bool>(),
        vec(service(), 0..4),
    );
    (gateway(), seen).prop_filter_map("an invalid spec", |(gateway, (seen, class, services))| {
        let spec = Standard.default_spec(&gateway, None).ok()?;
        Some(Observation {
            name: gateway.name,
            annotations: gateway.annotations,
            settings: Vec::new(),
            kubernetes_gateway: seen,
            gateway_class: class.then(|| GatewayClass {
                name: "class".to_owned(),
                controller_name: "example.com/controller".to_owned(),
                annotations: Vec::new(),
                spec_rest: "{}".to_owned(),
            }),
            services,
            spec,
        })
    })
}

/// An effective spec as the user would see and send it.
fn written(spec: &EffectiveSpec) -> GatewaySpec {
    let name = spec.target.name.clone();
    let (gateway_ref, gateway_def) = match &spec.target.class_name {
        None => (Some(name), None),
        Some(class_name) => (
            None,
            Some(GatewayDefinition {
                namespace: name.namespace,
                name: Some(name.name),
                class_name: class_name.clone(),
            }),
        ),
    };
    GatewaySpec {
        domain: spec.domain.clone(),
        cluster_domain: spec.cluster_domain.clone(),
        host_template: spec.host_template.clone(),
        path_template: spec.path_template.clone(),
        http_route_label_key: spec.http_route_label_key.clone(),
        gateway_ref,
        gateway_def,
        listeners: spec.listeners.clone(),
    }
}

proptest! {
    #[test]
    fn defaulting_is_idempotent(gateway in gateway(), old in option::of(spec())) {
        if let Ok(once) = Standard.default_spec(&gateway, old.as_ref()) {
            let spec = written(&once);
            let again = Gateway { spec: spec.clone(), ..gateway };
            prop_assert_eq!(Standard.default_spec(&again, Some(&spec)), Ok(once));
        }
    }

    #[test]
    fn every_host_name_lies_under_one_of_the_domains(gateway in gateway(), old in option::of(spec())) {
        if let Ok(spec) = Standard.default_spec(&gateway, old.as_ref()) {
            for listener in &spec.listeners {
                let hostname = listener.hostname.as_deref().unwrap_or_default();
                prop_assert!(is_hostname(hostname), "{hostname}");
                prop_assert!(is_under(hostname, &spec.domain) || is_under(hostname, &spec.cluster_domain));
            }
        }
    }

    #[test]
    fn listeners_keep_their_order_and_the_default_one_is_appended(gateway in gateway()) {
        if let Ok(spec) = Standard.default_spec(&gateway, None) {
            let names = |listeners: &[Listener]| -> Vec<String> {
                listeners.iter().map(|listener| listener.name.clone()).collect()
            };
            let mut expected = names(&gateway.spec.listeners);
            if gateway.annotations.is_empty() && !expected.iter().any(|name| name == DEFAULT_LISTENER) {
                expected.push(DEFAULT_LISTENER.to_owned());
            }
            prop_assert_eq!(names(&spec.listeners), expected);
        }
    }

    #[test]
    fn nothing_in_the_rest_of_a_listener_is_lost(seen in observation(), gateway in gateway()) {
        if let Ok(spec) = Standard.default_spec(&gateway, None) {
            for written in &gateway.spec.listeners {
                let kept = spec.listeners.iter().find(|kept| kept.name == written.name);
                let kept = kept.map(|kept| kept.rest.as_str()).unwrap_or_default();
                let before: Value = serde_json::from_str(&written.rest).unwrap();
                let mut after: Value = serde_json::from_str(kept).unwrap();
                if written.name == DEFAULT_LISTENER && gateway.annotations.is_empty() {
                    // Here two fields are corrected; all others stay.
                    after["tls"] = before["tls"].clone();
                    after["allowedRoutes"] = before["allowedRoutes"].clone();
                    let mut before = before;
                    before["tls"] = before["tls"].take();
                    before["allowedRoutes"] = before["allowedRoutes"].take();
                    prop_assert_eq!(before, after);
                } else {
                    prop_assert_eq!(before, after);
                }
            }
        }
        let decision = Standard.decide(&seen).unwrap();
        for decided in &decision.listeners {
            let spec = seen.spec.listeners.iter().find(|spec| spec.name == decided.name);
            prop_assert_eq!(spec.map(|spec| &spec.rest), Some(&decided.rest));
        }
    }

    #[test]
    fn every_listener_of_the_spec_and_no_other_is_in_the_answer_or_refused(seen in observation()) {
        let decision = Standard.decide(&seen).unwrap();
        let refused = |name: &String| decision.refusals.iter().any(|refusal| refusal.listener == *name);
        let names: Vec<_> = decision.listeners.iter().map(|listener| &listener.name).collect();
        let spec = seen.spec.listeners.iter().map(|listener| &listener.name);
        let expected: Vec<_> = spec.filter(|name| !refused(name)).collect();
        prop_assert_eq!(names.len() + decision.refusals.len(), seen.spec.listeners.len());
        prop_assert_eq!(names, expected);
    }

    #[test]
    fn no_two_listeners_of_the_answer_are_for_the_same_requests(seen in observation()) {
        let decision = Standard.decide(&seen).unwrap();
        let mut keys = BTreeSet::new();
        for Listener { port, protocol, hostname, .. } in &decision.listeners {
            prop_assert!(keys.insert((port, protocol, hostname)));
        }
    }

    #[test]
    fn the_entry_has_unique_valid_ports(seen in observation()) {
        if let Some(entry) = Standard.decide(&seen).unwrap().entry {
            let names: BTreeSet<_> = entry.ports.iter().map(|port| &port.name).collect();
            let numbers: BTreeSet<_> = entry.ports.iter().map(|port| (port.port, &port.protocol)).collect();
            prop_assert_eq!(names.len(), entry.ports.len());
            prop_assert_eq!(numbers.len(), entry.ports.len());
            prop_assert!(names.into_iter().all(|name| is_label(name)));
        }
    }

    #[test]
    fn no_more_services_are_asked_for_than_the_contract_allows(seen in observation()) {
        prop_assert!(Standard.service_queries(&seen).unwrap().len() <= 24);
    }

    #[test]
    fn a_status_has_scheduled_and_ready_first_and_each_listener_once(seen in observation()) {
        let status = Standard.aggregate_status(&seen);
        let types: Vec<_> = status.conditions.iter().map(|condition| condition.type_.as_str()).collect();
        prop_assert_eq!(&types[..2], &["Scheduled", "Ready"]);
        prop_assert!(types.len() <= 8);
        prop_assert!(status.addresses.len() <= 16);
        let names: Vec<_> = status.listeners.iter().map(|listener| &listener.name).collect();
        let spec: Vec<_> = seen.spec.listeners.iter().map(|listener| &listener.name).collect();
        prop_assert_eq!(names, spec);
        for listener in &status.listeners {
            prop_assert_eq!(listener.conditions[0].type_.as_str(), "Ready");
            prop_assert!(listener.conditions.len() <= 8);
        }
    }

    #[test]
    fn ready_means_that_every_listener_is_ready(seen in observation()) {
        let status = Standard.aggregate_status(&seen);
        if status.conditions[1].status == "True" {
            prop_assert!(status.listeners.iter().all(|listener| listener.conditions[0].status == "True"));
        }
    }

    #[test]
    fn the_same_input_has_the_same_answer(seen in observation()) {
        prop_assert_eq!(Standard.decide(&seen), Standard.decide(&seen));
        prop_assert_eq!(Standard.aggregate_status(&seen), Standard.aggregate_status(&seen));
    }

    #[test]
    fn no_template_panics(text in "([{}.\"`|()/*% -]|print|printf|Name|é|\n){0,30}") {
        if let Ok(template) = Template::parse(&text) {
            let _ = template.evaluate(&[("Name", "n")]);
        }
    }
}
