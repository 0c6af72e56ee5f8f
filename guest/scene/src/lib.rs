//! Scenes for the tests of policies.
//!
//! A [`Scene`] is an OpenFunction Gateway beside objects as an implementation writes them, in YAML.
//! A policy is asked about it natively, but otherwise as in a cluster: the host's own code observes
//! the objects, finds the Services that were asked for, and vets every answer. A test whose policy
//! breaks a rule of the contract fails, whatever it is about.

mod answer;
pub mod objects;

use futures::executor::block_on;
use kube::api::DynamicObject;
use ofn_contract::{ObjectName, Observation, Violation};
use ofn_gateway::api;
use ofn_gateway::cluster::offline::Offline;
use ofn_gateway::cluster::{Cluster, Kind, name_of};
use ofn_gateway::pass::observe::{self, Interest};
use ofn_gateway::pass::vet::{self, Asked, Terms};
use ofn_gateway::pass::world::gateway_to_contract;
use ofn_policy::Policy;
use serde::Deserialize;
use serde_json::{Value, json};

pub use answer::Answer;

/// An OpenFunction Gateway `ofn/openfunction` for the domain `ofn.io`, and what else there is.
pub struct Scene {
    cluster: Offline,
    gateway: Value,
}

impl Scene {
    /// It uses an existing Kubernetes Gateway, `<namespace>/<name>`.
    pub fn with_ref(target: &str) -> Self {
        let target = object_name(target);
        let target = json!({"namespace": target.namespace, "name": target.name});
        Self::new("gatewayRef", target)
    }

    /// It creates a Kubernetes Gateway, `<namespace>/<name>`, of a class.
    pub fn with_def(target: &str, class: &str) -> Self {
        let target = object_name(target);
        let target = json!({
            "namespace": target.namespace,
            "name": target.name,
            "gatewayClassName": class,
        });
        Self::new("gatewayDef", target)
    }

    fn new(field: &str, target: Value) -> Self {
        Self {
            cluster: Offline::default(),
            gateway: json!({
                "apiVersion": "networking.openfunction.io/v1alpha1",
                "kind": "Gateway",
                "metadata": {"namespace": "ofn", "name": "openfunction", "annotations": {}},
                "spec": {"domain": "ofn.io", field: target, "gatewaySpec": {"listeners": []}},
            }),
        }
    }

    /// With this listener; one of TLS has a certificate. The default one is there anyway.
    pub fn listener(self, name: &str, port: u16, protocol: &str) -> Self {
        let mut listener = json!({"name": name, "port": port, "protocol": protocol});
        if matches!(protocol, "HTTPS" | "TLS") {
            listener["tls"] = json!({"certificateRefs": [{"name": "certificate"}]});
        }
        self.listener_as(listener)
    }

    /// With a listener written out in full.
    pub fn listener_as(mut self, listener: Value) -> Self {
        if let Some(listeners) = self.gateway["spec"]["gatewaySpec"]["listeners"].as_array_mut() {
            listeners.push(listener);
        }
        self
    }

    /// With a setting of the policy.
    pub fn setting(self, name: &str, value: &str) -> Self {
        let key = format!("{}{name}", ofn_policy::settings::SETTING_PREFIX);
        self.annotation(&key, value)
    }

    /// With an annotation.
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.gateway["metadata"]["annotations"][key] = value.into();
        self
    }

    /// With these objects: documents of YAML.
    pub fn objects(self, yaml: &str) -> Self {
        for document in serde_yaml_ng::Deserializer::from_str(yaml) {
            let object = Value::deserialize(document).expect("YAML");
            let kind = match object["kind"].as_str() {
                Some("Gateway") => Kind::KubernetesGateway,
                Some("GatewayClass") => Kind::GatewayClass,
                Some("Service") => Kind::Service,
                other => panic!("{other:?} plays no part"),
            };
            self.cluster.insert(kind, &parsed(object));
        }
        self
    }

    /// What a policy says of all this.
    pub fn ask(self, policy: &dyn Policy) -> Answer {
        self.cluster
            .insert(Kind::Gateway, &parsed(self.gateway.clone()));
        let name = object_name("ofn/openfunction");
        let gateway = block_on(self.cluster.get(Kind::Gateway, &name)).expect("offline");
        let gateway: api::Gateway = serde_json::from_value(json!(gateway)).expect("a Gateway");
        let spec = policy
            .default_spec(&gateway_to_contract(&gateway), None)
            .expect("a valid spec");
        let spec = vet::spec(spec, &gateway.spec, &name).expect("a spec within the rules");
        let mut interest = Interest::default();
        let mut world = block_on(observe::world(
            &self.cluster,
            gateway,
            Some(&spec),
            &mut |seen| interest.clone_from(seen),
        ))
        .expect("offline");
        let before: Observation = world.observation(&spec);
        let terms = Terms::default();
        let queries = match policy.service_queries(&before) {
            Ok(queries) => vet::queries(queries, &terms).expect("queries within the rules"),
            Err(violations) => return Answer::violated(violated("service-queries", violations)),
        };
        block_on(observe::services(
            &self.cluster,
            queries.clone(),
            &terms,
            &mut world,
            &mut |_| (),
            interest,
        ))
        .expect("offline");
        let seen = world.observation(&spec);
        let status = policy.aggregate_status(&seen);
        let status = vet::status(status, &spec).expect("a status within the rules");
        let services = world.services.iter().map(name_of).collect();
        let asked = Asked {
            spec: &spec,
            entry: &world.entry_name(),
            services: &services,
            terms: &terms,
        };
        let decision = match policy.decide(&seen) {
            Ok(decision) => {
                Ok(vet::decision(decision, asked).expect("a decision within the rules"))
            }
            Err(violations) => Err(violated("decide", violations)),
        };
        Answer::new(queries, decision, status)
    }
}

fn violated(function: &'static str, violations: Vec<Violation>) -> Vec<Violation> {
    vet::violations(function, violations).expect("violations within the rules")
}

fn parsed(value: Value) -> DynamicObject {
    serde_json::from_value(value).expect("an object")
}

fn object_name(text: &str) -> ObjectName {
    let (namespace, name) = text.split_once('/').expect("<namespace>/<name>");
    ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}
