//! Components of earlier versions of the contract, as they were built then: they load, and decide the
//! same, for ever.
//!
//! `tests/evolution/` has a folder for each version: the standard component of then, and what came of
//! the cases below. It is recorded once, with `RECORD_EVOLUTION=1`, when a version is new; afterwards
//! neither is changed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use futures::executor::block_on;
use kube::api::DynamicObject;
use ofn_contract::ObjectName;
use ofn_gateway::api;
use ofn_gateway::cluster::offline::Offline;
use ofn_gateway::cluster::{Cluster, Kind};
use ofn_gateway::pass::vet::Terms;
use ofn_gateway::pass::world::target_of;
use ofn_gateway::pass::{Outcome, decide, pass};
use ofn_gateway::policies::Policies;
use ofn_gateway::sandbox::Limits;
use ofn_tests::host::{component, digest, sandbox, workspace};
use serde::Deserialize;
use serde_json::{Value, json};

/// All versions of the contract that there were, with the digests of the components that were recorded.
const VERSIONS: [(&str, &str); 1] = [(
    "0.1.0",
    "sha256:c3656c3e76e4900bda066d28f1bfbb69b4bcc7129a0587e460c439a2afee65d8",
)];

/// Specs of an OpenFunction Gateway that say much in few words.
fn specs() -> [Value; 4] {
    let by_ref = json!({"namespace": "projectcontour", "name": "contour"});
    let listener = |name: &str, port: u16, protocol: &str| json!({"name": name, "port": port, "protocol": protocol});
    [
        json!({"domain": "ofn.io", "gatewayRef": by_ref, "gatewaySpec": {"listeners": [
            {"name": "ofn-http-external", "hostname": "*.ofn.io", "port": 80, "protocol": "HTTP",
             "allowedRoutes": {"namespaces": {"from": "All"}}},
        ]}}),
        json!({
            "domain": "b.a.io", "clusterDomain": "a.io", "httpRouteLabelKey": "example.com/by",
            "hostTemplate": "{{.Name}}-{{.Namespace}}.{{.Domain}}", "pathTemplate": "/{{.Name}}",
            "gatewayDef": {"namespace": "infra", "gatewayClassName": "contour"},
            "gatewaySpec": {"listeners": [
                listener("tcp", 9000, "TCP"), listener("web", 80, "HTTP"), listener("again", 80, "HTTP"),
            ]},
        }),
        json!({"domain": "", "gatewaySpec": {"listeners": [listener("A", 80, "HTTP")]}}),
        json!({"domain": "ofn.io", "hostTemplate": "{{.Other}}", "gatewayRef": by_ref}),
    ]
}

fn insert(cluster: &Offline, object: Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(object)?;
    cluster.insert(Kind::of(&object).context("a kind of ours")?, &object);
    Ok(())
}

/// A Kubernetes Gateway, its class and its Service.
fn sample() -> Result<Vec<Value>> {
    let text = fs::read_to_string(workspace().join("deploy/samples/contour.yaml"))?;
    let objects = serde_yaml_ng::Deserializer::from_str(&text);
    Ok(objects.map(Value::deserialize).collect::<Result<_, _>>()?)
}

/// The implementation says that all is well with the Kubernetes Gateway of a spec, as it is now.
fn serve(cluster: &Offline, spec: &Value) -> Result<()> {
    let spec: api::GatewaySpec = serde_json::from_value(spec.clone())?;
    let Some(name) = target_of(&spec, "openfunction") else {
        return Ok(());
    };
    let Some(gateway) = block_on(cluster.get(Kind::KubernetesGateway, &name))? else {
        return Ok(());
    };
    let mut gateway = json!(gateway);
    let generation = gateway["metadata"]["generation"].clone();
    let conditions = ["Accepted", "Programmed"].map(|type_| {
        json!({
            "type": type_, "status": "True", "reason": type_, "message": "",
            "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    });
    let listeners = gateway["spec"]["listeners"].as_array().cloned();
    let listeners = listeners.iter().flatten().map(|listener| {
        json!({
            "name": listener["name"], "attachedRoutes": 2, "conditions": conditions,
            "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
        })
    });
    gateway["status"] = json!({
        "addresses": [{"type": "IPAddress", "value": "192.0.2.7"}],
        "conditions": conditions,
        "listeners": listeners.collect::<Vec<_>>(),
    });
    insert(cluster, gateway)
}

/// How a function is reached; none where the spec is not valid.
fn route(policies: &Policies, spec: &Value) -> Result<Option<Value>> {
    let policy = policies.standard();
    let mut gateway = api::Gateway::new("openfunction", serde_json::from_value(spec.clone())?);
    gateway.metadata.namespace = Some("openfunction".to_owned());
    let Ok(spec) = decide::spec(policy, &gateway)? else {
        return Ok(None);
    };
    let function = ObjectName {
        namespace: "default".to_owned(),
        name: "hello".to_owned(),
    };
    let Ok(route) = decide::route(policy, &spec, &function)? else {
        return Ok(None);
    };
    Ok(Some(json!({
        "hostnames": route.hostnames, "path": route.path,
        "label": [route.label.key, route.label.value],
    })))
}

fn policies(folder: &Path) -> Result<Policies> {
    Policies::load(folder, &sandbox(Limits::default())?, Terms::default())
}

fn cluster_with(spec: &Value) -> Result<Offline> {
    let cluster = Offline::default();
    for object in sample()? {
        insert(&cluster, object)?;
    }
    insert(
        &cluster,
        json!({
            "apiVersion": "networking.openfunction.io/v1alpha1",
            "kind": "Gateway",
            "metadata": {"namespace": "openfunction", "name": "openfunction"},
            "spec": spec,
        }),
    )?;
    Ok(cluster)
}

fn passed(cluster: &Offline, policies: &Policies) -> Result<Outcome> {
    let name = ObjectName {
        namespace: "openfunction".to_owned(),
        name: "openfunction".to_owned(),
    };
    let mut notices = Vec::new();
    Ok(block_on(pass(
        cluster,
        policies,
        &name,
        &mut |_| (),
        &mut notices,
    ))?)
}

/// What a folder's standard component makes of every case: what users see of it.
fn decided(folder: &Path) -> Result<Value> {
    let policies = policies(folder)?;
    let mut all = Vec::new();
    for spec in specs() {
        for is_served in [false, true] {
            let cluster = cluster_with(&spec)?;
            passed(&cluster, &policies)?;
            if is_served {
                serve(&cluster, &spec)?;
                passed(&cluster, &policies)?;
            }
            let results = cluster.results();
            let seen = results.iter().map(|object| {
                let mut spec = object["spec"].clone();
                // No component says which cluster IPs a Service has: that is the host's.
                if let Some(spec) = spec.as_object_mut() {
                    spec.retain(|field, _| !field.starts_with("ipFamil"));
                }
                json!({
                    "kind": object["kind"],
                    "spec": spec,
                    "status": {
                        "conditions": object["status"]["conditions"],
                        "listeners": object["status"]["listeners"],
                        "addresses": object["status"]["addresses"],
                    },
                })
            });
            all.push(json!({
                "of": spec, "isServed": is_served, "route": route(&policies, &spec)?,
                "results": seen.collect::<Vec<_>>(),
            }));
        }
    }
    Ok(all.into())
}

fn recorded(version: &str) -> PathBuf {
    workspace().join("tests/evolution").join(version)
}

fn record(version: &str) -> Result<()> {
    let folder = recorded(version);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("standard.wasm"), component("standard")?)?;
    let decided = serde_json::to_string_pretty(&decided(&folder)?)?;
    fs::write(folder.join("decided.json"), decided + "\n")?;
    Ok(())
}

#[test]
fn components_of_every_version_load_and_decide_as_they_did() -> Result<()> {
    for (version, recorded_digest) in VERSIONS {
        let folder = recorded(version);
        if !folder.exists() && std::env::var_os("RECORD_EVOLUTION").is_some() {
            record(version)?;
        }
        let before = fs::read_to_string(folder.join("decided.json"))
            .with_context(|| format!("version {version} was not recorded"))?;
        let before: Value = serde_json::from_str(&before)?;
        let digest = digest(&fs::read(folder.join("standard.wasm"))?);
        ensure!(
            digest == recorded_digest,
            "version {version} was recorded anew: {digest}"
        );
        let now = decided(&folder)?;
        let cases = |of: &Value| of.as_array().cloned().unwrap_or_default();
        let (before, now) = (cases(&before), cases(&now));
        ensure!(before.len() == 8 && now.len() == 8);
        let is_ready = |case: &Value| {
            let conditions = case["results"][0]["status"]["conditions"].as_array();
            conditions.into_iter().flatten().any(|condition| {
                condition["type"] == "Ready"
                    && condition["status"] == "True"
                    && condition["reason"] == "Valid"
            })
        };
        ensure!(before.iter().any(is_ready), "none is Ready");
        for (before, now) in before.iter().zip(&now) {
            ensure!(before == now, "{version}: before {before:#}, now {now:#}");
        }
    }
    Ok(())
}

#[test]
fn what_a_vendor_writes_that_does_not_show_is_no_fault_of_an_old_component() -> Result<()> {
    for (version, _) in VERSIONS {
        let cluster = cluster_with(&specs()[0])?;
        let policies = policies(&recorded(version))?;
        passed(&cluster, &policies)?;
        serve(&cluster, &specs()[0])?;
        let name = ObjectName {
            namespace: "projectcontour".to_owned(),
            name: "contour".to_owned(),
        };
        let gateway = block_on(cluster.get(Kind::KubernetesGateway, &name))?;
        let mut gateway = json!(gateway.context("the Kubernetes Gateway")?);
        let condition = &mut gateway["status"]["conditions"][1];
        condition["status"] = json!("False");
        condition["message"] = json!("zero\u{200b}width\u{feff} \u{1b}[2J");
        insert(&cluster, gateway)?;
        let outcome = passed(&cluster, &policies)?;
        ensure!(outcome.problems.is_empty(), "{:?}", outcome.problems);
        let results = json!(cluster.results()).to_string();
        ensure!(results.contains("zero width   [2J"), "{results}");
    }
    Ok(())
}

#[test]
fn the_version_of_the_contract_is_recorded() {
    let (_, version) = ofn_contract::INTERFACE.split_once('@').expect("a version");
    let is_recorded = VERSIONS.iter().any(|(recorded, _)| *recorded == version);
    assert!(is_recorded, "record version {version}");
}
