//! The rules for host names of listeners, by examples.

use ofn_contract::{Gateway, GatewaySpec, Listener, ObjectName};
use ofn_policy::{Policy, Standard};

fn spec(domain: &str, hostname: Option<&str>) -> GatewaySpec {
    let name = ObjectName {
        namespace: "n".to_owned(),
        name: "g".to_owned(),
    };
    GatewaySpec {
        domain: domain.to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        host_template: String::new(),
        path_template: String::new(),
        http_route_label_key: String::new(),
        gateway_ref: Some(name),
        gateway_def: None,
        listeners: vec![Listener {
            name: "web".to_owned(),
            hostname: hostname.map(str::to_owned),
            port: 80,
            protocol: "HTTP".to_owned(),
            rest: "{}".to_owned(),
        }],
    }
}

/// The host name that `hostname` becomes under `domain`, when `old` was acted on before.
fn effective(hostname: Option<&str>, domain: &str, old: Option<&str>) -> String {
    let gateway = Gateway {
        name: ObjectName {
            namespace: "n".to_owned(),
            name: "g".to_owned(),
        },
        annotations: Vec::new(),
        spec: spec(domain, hostname),
    };
    let old = old.map(|old| spec(old, None));
    let effective = Standard.default_spec(&gateway, old.as_ref()).unwrap();
    effective.listeners[0].hostname.clone().unwrap()
}

#[test]
fn a_missing_host_name_is_made_from_the_domain() {
    assert_eq!(effective(None, "ofn.io", None), "*.ofn.io");
}

#[test]
fn a_host_name_under_either_domain_is_kept() {
    for kept in [
        "*.ofn.io",
        "a.ofn.io",
        "ofn.io",
        "*.b.ofn.io",
        "*.cluster.local",
        "x.cluster.local",
    ] {
        assert_eq!(effective(Some(kept), "ofn.io", None), kept);
    }
}

#[test]
fn any_other_host_name_is_made_from_the_domain() {
    for other in ["example.com", "*.example.com", "notofn.io", "io", "local"] {
        assert_eq!(effective(Some(other), "ofn.io", None), "*.ofn.io");
    }
}

#[test]
fn a_generated_host_name_follows_the_domain_in_both_directions() {
    assert_eq!(
        effective(Some("*.a.io"), "b.a.io", Some("a.io")),
        "*.b.a.io"
    );
    assert_eq!(
        effective(Some("*.b.a.io"), "a.io", Some("b.a.io")),
        "*.a.io"
    );
    assert_eq!(effective(Some("*.a.io"), "z.io", Some("a.io")), "*.z.io");
}

#[test]
fn a_host_name_of_the_users_own_stays_where_it_lies_under_the_new_domain() {
    assert_eq!(
        effective(Some("x.b.a.io"), "a.io", Some("b.a.io")),
        "x.b.a.io"
    );
    assert_eq!(
        effective(Some("x.b.a.io"), "z.io", Some("b.a.io")),
        "*.z.io"
    );
}

#[test]
fn a_domain_under_the_cluster_domain_is_a_domain_of_its_own() {
    assert_eq!(
        effective(
            Some("*.apps.cluster.local"),
            "ofn.io",
            Some("apps.cluster.local")
        ),
        "*.ofn.io"
    );
    assert_eq!(
        effective(
            Some("*.cluster.local"),
            "apps.cluster.local",
            Some("ofn.io")
        ),
        "*.cluster.local"
    );
}
