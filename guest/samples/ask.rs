use std::path::Path;

use exports::openfunction::gateway::policy::{Gateway, GatewaySpec, Listener, ObjectName};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

wasmtime::component::bindgen!({ path: "../wit/gateway.wit" });

/// The listeners that a component gives an OpenFunction Gateway without any.
pub fn default_listeners(component: &Path) -> wasmtime::Result<Vec<Listener>> {
    let engine = Engine::default();
    let component = Component::from_file(&engine, component)?;
    let mut store = Store::new(&engine, ());
    // The linker is empty: a component imports nothing.
    let instance = PolicyComponent::instantiate(&mut store, &component, &Linker::new(&engine))?;
    let policy = instance.openfunction_gateway_policy();

    let name = |namespace: &str, name: &str| ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let gateway = Gateway {
        name: name("openfunction", "openfunction"),
        annotations: Vec::new(),
        spec: GatewaySpec {
            domain: "ofn.io".to_owned(),
            cluster_domain: String::new(),
            host_template: String::new(),
            path_template: String::new(),
            http_route_label_key: String::new(),
            gateway_ref: Some(name("projectcontour", "contour")),
            gateway_def: None,
            listeners: Vec::new(),
        },
    };
    let spec = policy.call_default(&mut store, &gateway, None)?;
    Ok(spec.expect("the spec has no violations").listeners)
}
