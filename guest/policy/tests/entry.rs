//! Where the entry Service points, by examples.

use ofn_contract::{
    Address, EffectiveSpec, EntryTarget, KubernetesGateway, Listener, ObjectName, Observation,
    Service, Target,
};

fn name(namespace: &str, name: &str) -> ObjectName {
    ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// A Kubernetes Gateway with these addresses, beside these Services.
fn seen(addresses: &[(&str, &str)], services: Vec<Service>) -> Observation {
    let address = |(type_, value): &(&str, &str)| Address {
        type_: (*type_).to_owned(),
        value: (*value).to_owned(),
    };
    Observation {
        name: name("ofn", "openfunction"),
        annotations: Vec::new(),
        settings: Vec::new(),
        spec: EffectiveSpec {
            domain: "ofn.io".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            host_template: String::new(),
            path_template: String::new(),
            http_route_label_key: String::new(),
            target: Target {
                name: name("infra", "contour"),
                class_name: None,
            },
            listeners: Vec::new(),
        },
        kubernetes_gateway: Some(KubernetesGateway {
            name: name("infra", "contour"),
            labels: Vec::new(),
            annotations: Vec::new(),
            class_name: "contour".to_owned(),
            generation: 1,
            written_generation: 0,
            listeners: Vec::new(),
            spec_rest: "{}".to_owned(),
            addresses: addresses.iter().map(address).collect(),
            conditions: Vec::new(),
            listener_statuses: Vec::new(),
        }),
        gateway_class: None,
        services,
    }
}

fn service(ips: &[&str]) -> Service {
    Service {
        name: name("infra", "data-plane"),
        labels: Vec::new(),
        annotations: Vec::new(),
        type_: "LoadBalancer".to_owned(),
        cluster_ips: ips.iter().map(|ip| (*ip).to_owned()).collect(),
        ports: Vec::new(),
    }
}

/// A text for where the entry points.
fn target(addresses: &[(&str, &str)], services: Vec<Service>) -> String {
    let entry = ofn_policy::entry::entry(&seen(addresses, services), &[], &|_| true).unwrap();
    match entry.map(|entry| entry.target) {
        None => "nowhere".to_owned(),
        Some(EntryTarget::HostName(name)) => name,
        Some(EntryTarget::IpAddresses(ips)) => ips.join(" "),
        Some(EntryTarget::Service(service)) => service.to_string(),
    }
}

#[test]
fn an_address_is_what_it_is_and_not_what_it_says() {
    for (type_, value, expected) in [
        ("Hostname", "lb.example.com", "lb.example.com"),
        ("Hostname", "lb.example.com:15021", "lb.example.com"),
        ("IPAddress", "lb.example.com:80", "lb.example.com"),
        ("Hostname", "LB.Example.com.", "lb.example.com"),
        ("Hostname", "192.0.2.1", "192.0.2.1"),
        ("IPAddress", "2001:db8::1", "2001:db8::1"),
        ("IPAddress", "2001:0db8:0::0:1", "2001:db8::1"),
        ("Hostname", "no host name", "nowhere"),
        // The sign for Kelvin, whose lower case is a k.
        ("Hostname", "\u{212a}.example.com", "nowhere"),
        ("Hostname", "", "nowhere"),
        ("IPAddress", "127.0.0.1", "nowhere"),
        ("example.com/NamedAddress", "mine", "nowhere"),
    ] {
        assert_eq!(
            target(&[(type_, value)], vec![]),
            expected,
            "{type_} {value}"
        );
    }
}

/// Docker Desktop calls its load balancers so.
#[test]
fn the_name_of_the_machine_itself_is_no_entry() {
    let addresses = [
        ("Hostname", "localhost"),
        ("Hostname", "web.localhost"),
        ("IPAddress", "192.0.2.1"),
    ];
    assert_eq!(target(&addresses, vec![]), "192.0.2.1");
}

#[test]
fn a_host_name_is_better_than_ip_addresses() {
    let addresses = [("IPAddress", "192.0.2.1"), ("Hostname", "lb.example.com")];
    assert_eq!(target(&addresses, vec![]), "lb.example.com");
}

#[test]
fn all_ip_addresses_are_taken_each_once() {
    let addresses = ["192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.1"];
    let addresses = addresses.map(|ip| ("IPAddress", ip));
    assert_eq!(
        target(&addresses, vec![]),
        "192.0.2.1 2001:db8::1 192.0.2.2"
    );
}

#[test]
fn an_address_that_is_one_of_a_services_cluster_ips_means_the_service() {
    let service = || vec![service(&["10.0.0.7", "fd00::7"])];
    for ip in ["10.0.0.7", "fd00::7"] {
        assert_eq!(target(&[("IPAddress", ip)], service()), "infra/data-plane");
    }
    assert_eq!(target(&[("IPAddress", "10.0.0.8")], service()), "10.0.0.8");
}

#[test]
fn every_port_has_a_name_that_a_service_may_have_and_no_other_port_has() {
    let listeners = [
        ("web", 80, "HTTP"),
        ("same", 80, "HTTPS"),
        ("a.name.with.dots", 81, "HTTP"),
        (
            "much-longer-than-the-sixty-three-characters-that-a-port-s-name-may-have",
            82,
            "TLS",
        ),
        ("tcp-84", 83, "HTTP"),
        ("tcp-84-2", 85, "HTTP"),
        ("a.b", 84, "HTTP"),
        ("dns", 80, "UDP"),
    ];
    let listeners = listeners.map(|(name, port, protocol)| Listener {
        name: name.to_owned(),
        hostname: None,
        port,
        protocol: protocol.to_owned(),
        rest: "{}".to_owned(),
    });
    let ports = ofn_policy::entry::ports(&listeners);
    let ports: Vec<_> = ports
        .iter()
        .map(|port| format!("{} {} {}", port.name, port.port, port.protocol))
        .collect();
    assert_eq!(
        ports,
        [
            "web 80 TCP",
            "tcp-81 81 TCP",
            "tcp-82 82 TCP",
            "tcp-84 83 TCP",
            "tcp-84-2 85 TCP",
            "tcp-84-3 84 TCP",
            "dns 80 UDP",
        ]
    );
}
