//! What is wrong is told with what to write instead, by examples.

use ofn_contract::{
    EffectiveSpec, Gateway, GatewayDefinition, GatewaySpec, KeyValue, Listener, ObjectName,
};
use ofn_policy::{Policy, Standard};

fn name(namespace: &str, name: &str) -> ObjectName {
    ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn listener(name: &str, rest: &str) -> Listener {
    Listener {
        name: name.to_owned(),
        hostname: None,
        port: 80,
        protocol: "HTTP".to_owned(),
        rest: rest.to_owned(),
    }
}

/// A Gateway with nothing wrong.
fn gateway() -> Gateway {
    Gateway {
        name: name("n", "g"),
        annotations: Vec::new(),
        spec: GatewaySpec {
            domain: "ofn.io".to_owned(),
            cluster_domain: String::new(),
            host_template: String::new(),
            path_template: String::new(),
            http_route_label_key: String::new(),
            gateway_ref: Some(name("n", "g")),
            gateway_def: None,
            listeners: Vec::new(),
        },
    }
}

/// All that is wrong with it after a change: `<field>: <message>`.
fn wrong(change: impl FnOnce(&mut Gateway)) -> Vec<String> {
    let mut gateway = gateway();
    change(&mut gateway);
    let Err(violations) = Standard.default_spec(&gateway, None) else {
        return Vec::new();
    };
    violations
        .iter()
        .map(|violation| format!("{}: {}", violation.field, violation.message))
        .collect()
}

#[test]
fn a_class_that_is_no_name_is_told_as_it_was_written() {
    let defined = |gateway: &mut Gateway| {
        gateway.spec.gateway_ref = None;
        gateway.spec.gateway_def = Some(GatewayDefinition {
            namespace: "n".to_owned(),
            name: None,
            class_name: "My Class".to_owned(),
        });
    };
    assert_eq!(
        wrong(defined),
        [
            "spec.gatewayDef.gatewayClassName: \"My Class\" is not the name of a GatewayClass: write \
             lower case letters, digits, '-' and '.'"
        ]
    );
}

#[test]
fn a_gateway_that_is_no_name_is_told_with_what_a_name_is() {
    assert_eq!(
        wrong(|gateway| gateway.spec.gateway_ref = Some(name("a.b", "A"))),
        [
            "spec.gatewayRef.namespace: \"a.b\" is not the name of a namespace: write lower case \
             letters, digits and '-'",
            "spec.gatewayRef.name: \"A\" is not the name of an object: write lower case letters, \
             digits, '-' and '.'",
        ]
    );
}

#[test]
fn two_listeners_of_one_name_are_told_with_what_to_do() {
    let twice = vec![listener("a", "{}"), listener("a", "{}")];
    assert_eq!(
        wrong(|gateway| gateway.spec.listeners = twice),
        [
            "spec.gatewaySpec.listeners[1].name: another listener is called \"a\" too: write another \
             name"
        ]
    );
}

#[test]
fn a_listener_whose_rest_is_no_object_is_told_with_what_to_write() {
    assert_eq!(
        wrong(|gateway| gateway.spec.listeners = vec![listener("a", "[]")]),
        [
            "spec.gatewaySpec.listeners[0]: is not a JSON object: write {} where it has no other fields"
        ]
    );
}

#[test]
fn too_many_listeners_are_told_with_what_to_do() {
    let many = (0..64).map(|index| listener(&format!("l{index}"), "{}"));
    assert_eq!(
        wrong(|gateway| gateway.spec.listeners = many.collect()),
        [
            "spec.gatewaySpec.listeners: has 65 listeners, the default one included: remove some, as \
             a Gateway has room for 64"
        ]
    );
}

#[test]
fn a_choice_that_is_none_is_told_with_what_to_write() {
    let annotation = KeyValue {
        key: "networking.openfunction.io/default-listener".to_owned(),
        value: "off".to_owned(),
    };
    assert_eq!(
        wrong(|gateway| gateway.annotations = vec![annotation]),
        [
            "metadata.annotations[networking.openfunction.io/default-listener]: \"off\" is none of \
             the two: write \"disabled\" or \"enabled\""
        ]
    );
}

/// It is the name of no function.
#[test]
fn the_objects_own_name_may_be_as_long_as_names_are() {
    let mut gateway = gateway();
    gateway.name.name = "a".repeat(253);
    assert!(Standard.default_spec(&gateway, None).is_ok());
}

/// The first thing that is wrong with the route of function `f/hello`.
fn unroutable(change: impl FnOnce(&mut EffectiveSpec)) -> String {
    let mut spec = Standard.default_spec(&gateway(), None).expect("a spec");
    change(&mut spec);
    let violations = Standard.route_of(&spec, &name("f", "hello"));
    violations.unwrap_err()[0].message.clone()
}

#[test]
fn a_template_that_gives_no_host_name_is_told_with_the_function_and_what_to_write() {
    assert_eq!(
        unroutable(|spec| spec.host_template = "{{.Name}}_{{.Domain}}".to_owned()),
        "gives \"hello_ofn.io\" for function f/hello, which is not a host name: write one that gives \
         lower case letters, digits, '-' and '.'"
    );
}

#[test]
fn a_template_that_gives_no_path_is_told_with_the_function_and_what_to_write() {
    for (template, gives) in [
        ("a\u{7}", "/a\\u{7}".to_owned()),
        ("{{.Name}}//b", "/hello//b".to_owned()),
        (&"a".repeat(1024), format!("/{}…", "a".repeat(252))),
    ] {
        assert_eq!(
            unroutable(|spec| spec.path_template = template.to_owned()),
            format!(
                "gives \"{gives}\" for function f/hello, which an HTTPRoute does not take as a path: \
                 write one that gives at most 1024 letters, digits and -._~!$&'()*+,;=:@, without \
                 '//', '/./' and '/../'"
            )
        );
    }
}
