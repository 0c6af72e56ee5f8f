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
use ofn_gateway::cluster::Kind;
use ofn_gateway::cluster::offline::Offline;
use ofn_gateway::pass::pass;
use ofn_gateway::pass::vet::Terms;
use ofn_gateway::policies::Policies;
use ofn_gateway::sandbox::Limits;
use ofn_tests::host::{component, sandbox, workspace};
use serde::Deserialize;
use serde_json::{Value, json};

/// All versions of the contract that there were.
const VERSIONS: [&str; 1] = ["0.1.0"];

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
    let group = object["apiVersion"].as_str().unwrap_or_default();
    let kind = match object["kind"].as_str() {
        Some("Gateway") if group.starts_with("networking.openfunction.io") => Kind::Gateway,
        Some("Gateway") => Kind::KubernetesGateway,
        Some("GatewayClass") => Kind::GatewayClass,
        _ => Kind::Service,
    };
    let object: DynamicObject = serde_json::from_value(object)?;
    cluster.insert(kind, &object);
    Ok(())
}

/// The Kubernetes Gateway, its class and its Service: the sample, with and without a status.
fn clusters() -> Result<Vec<Vec<Value>>> {
    let sample = workspace().join("deploy/samples/contour.yaml");
    let text = fs::read_to_string(sample)?;
    let objects = serde_yaml_ng::Deserializer::from_str(&text);
    let bare: Vec<Value> = objects.map(Value::deserialize).collect::<Result<_, _>>()?;
    let recorded = workspace().join("tests/recorded/contour-1.33.6-good.yaml");
    let recorded: Value = serde_yaml_ng::from_str(&fs::read_to_string(recorded)?)?;
    let mut served = bare.clone();
    for object in &mut served {
        if object["kind"] == "Gateway" {
            object["status"] = recorded["status"].clone();
        }
    }
    Ok(vec![bare, served])
}

/// What a folder's standard component makes of every case: what users see of it.
fn decided(folder: &Path) -> Result<Value> {
    let policies = Policies::load(folder, &sandbox(Limits::default())?, Terms::default())?;
    let name = ObjectName {
        namespace: "openfunction".to_owned(),
        name: "openfunction".to_owned(),
    };
    let mut all = Vec::new();
    for spec in specs() {
        for objects in clusters()? {
            let cluster = Offline::default();
            for object in objects {
                insert(&cluster, object)?;
            }
            insert(
                &cluster,
                json!({
                    "apiVersion": "networking.openfunction.io/v1alpha1",
                    "kind": "Gateway",
                    "metadata": {"namespace": name.namespace, "name": name.name},
                    "spec": spec,
                }),
            )?;
            block_on(pass(&cluster, &policies, &name, &mut |_| ()))?;
            let results = cluster.results();
            let seen = results.iter().map(|object| {
                json!({
                    "kind": object["kind"],
                    "spec": object["spec"],
                    "status": {
                        "conditions": object["status"]["conditions"],
                        "listeners": object["status"]["listeners"],
                        "addresses": object["status"]["addresses"],
                    },
                })
            });
            all.push(json!({"of": spec, "results": seen.collect::<Vec<_>>()}));
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
    for version in VERSIONS {
        let folder = recorded(version);
        if !folder.exists() && std::env::var_os("RECORD_EVOLUTION").is_some() {
            record(version)?;
        }
        let before = fs::read_to_string(folder.join("decided.json"))
            .with_context(|| format!("version {version} was not recorded"))?;
        let before: Value = serde_json::from_str(&before)?;
        ensure!(before.as_array().is_some_and(|cases| cases.len() == 8));
        let now = decided(&folder)?;
        for (before, now) in before
            .as_array()
            .into_iter()
            .flatten()
            .zip(now.as_array().into_iter().flatten())
        {
            ensure!(before == now, "{version}: before {before:#}, now {now:#}");
        }
    }
    Ok(())
}

#[test]
fn the_version_of_the_contract_is_recorded() {
    let (_, version) = ofn_contract::INTERFACE.split_once('@').expect("a version");
    assert!(VERSIONS.contains(&version), "record version {version}");
}
