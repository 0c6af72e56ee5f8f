//! Records the statuses that implementations write: `make record`.
//!
//! `tests/recorded/<implementation>-<version>-<case>.yaml` holds a Gateway: its spec is what is tried, its
//! status is what came of it. This tries every spec of the implementations that the tests run again, and
//! writes what comes of it, with the version that is pinned now. A case whose name ends in `attached` gets a
//! route, one that ends in `no-address` a load balancer without an address. The files of other implementations
//! stay.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use ofn_tests::cluster::{Cluster, Kind};
use ofn_tests::host::workspace;
use ofn_tests::traffic::{self, Traffic, Vendor, is_without_traefik, network};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

fn main() -> Result<ExitCode> {
    match network::enter(traffic::prepare)? {
        Some(code) => Ok(code),
        None => Runtime::new()?.block_on(record()),
    }
}

async fn record() -> Result<ExitCode> {
    let traffic = Traffic::start().await?;
    let mut vendors = vec![Vendor::Contour];
    if !is_without_traefik() {
        vendors.push(Vendor::Traefik);
    }
    for vendor in vendors {
        vendor.install(&traffic.cluster).await?;
        vendor.set_address(&traffic.cluster, None).await?;
        let gateway = vendor.gateway();
        let own = (&gateway.namespace, &gateway.name);
        traffic.cluster.delete(Kind::Gateway, own.0, own.1).await?;
        let _running = vendor.start(&traffic.plane).await?;
        let (bare, others): (Vec<_>, Vec<_>) = cases(vendor)?
            .into_iter()
            .partition(|case| case.name.ends_with("no-address"));
        for case in bare {
            case.record(&traffic.cluster, vendor).await?;
        }
        // Contour keeps an address that it has had.
        vendor.set_default_address(&traffic.cluster).await?;
        for case in others {
            case.record(&traffic.cluster, vendor).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A file, and the name of its case.
struct Case {
    file: PathBuf,
    name: String,
}

fn cases(vendor: Vendor) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder())? {
        let file = entry?.path();
        let stem = file.file_stem().map(|stem| stem.to_string_lossy());
        let case = stem.as_ref().and_then(|stem| {
            let rest = stem.strip_prefix(vendor.name())?.strip_prefix('-')?;
            // The version comes first, and has no hyphen.
            rest.split_once('-').map(|(_, case)| case.to_owned())
        });
        if let Some(name) = case {
            cases.push(Case { file, name });
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

fn folder() -> PathBuf {
    workspace().join("tests/recorded")
}

impl Case {
    async fn record(&self, cluster: &Cluster, vendor: Vendor) -> Result<()> {
        let tried = read(&self.file)?;
        let text = |field: &str| tried["metadata"][field].as_str().unwrap_or_default();
        let (namespace, name) = (text("namespace"), text("name"));
        let body = json!({"spec": tried["spec"]});
        cluster
            .create(Kind::Gateway, namespace, name, body)
            .await
            .with_context(|| self.file.display().to_string())?;
        if self.name.ends_with("attached") {
            let parent = json!({"namespace": namespace, "name": name});
            let route = json!({"spec": {"parentRefs": [parent], "hostnames": ["hello.ofn.io"]}});
            cluster
                .apply(Kind::HttpRoute, "default", "hello", "platform-team", route)
                .await?;
        }
        let recorded = cluster
            .eventually(Kind::Gateway, namespace, name, "is reported", |gateway| {
                self.is_reported(gateway)
            })
            .await?;
        let version = vendor.version()?;
        let file = folder().join(format!("{}-{version}-{}.yaml", vendor.name(), self.name));
        fs::remove_file(&self.file)?;
        write(&file, &format!("{vendor:?} {version}"), recorded)?;
        println!("{}", file.display());
        cluster.delete(Kind::HttpRoute, "default", "hello").await?;
        cluster.delete(Kind::Gateway, namespace, name).await?;
        cluster
            .eventually_gone(Kind::Gateway, namespace, name)
            .await
    }

    /// Whether the implementation has said all about the Gateway as it is.
    fn is_reported(&self, gateway: &Value) -> bool {
        let status = &gateway["status"];
        let list = |of: &Value| of.as_array().cloned().unwrap_or_default();
        let listeners = list(&status["listeners"]);
        let conditions = list(&status["conditions"]);
        let is_current = |condition: &Value| {
            condition["observedGeneration"] == gateway["metadata"]["generation"]
        };
        let has_address = !list(&status["addresses"]).is_empty();
        let has_route = listeners
            .iter()
            .any(|listener| listener["attachedRoutes"].as_i64() > Some(0));
        !conditions.is_empty()
            && conditions.iter().all(is_current)
            && listeners.len() == list(&gateway["spec"]["listeners"]).len()
            && has_address != self.name.ends_with("no-address")
            && has_route == self.name.ends_with("attached")
    }
}

fn read(file: &Path) -> Result<Value> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    serde_yaml_ng::from_str(&text).with_context(|| file.display().to_string())
}

/// Writes what another recording gives again: no times, no versions, no random order.
fn write(file: &Path, whose: &str, mut gateway: Value) -> Result<()> {
    let metadata = &gateway["metadata"];
    let kept = ["generation", "name", "namespace"];
    let metadata: Map<_, _> = kept
        .iter()
        .map(|field| ((*field).to_owned(), metadata[field].clone()))
        .collect();
    gateway["metadata"] = metadata.into();
    let by = |key: &'static str| move |value: &Value| value[key].as_str().map(str::to_owned);
    let tidy = |conditions: &mut Value| {
        let Some(conditions) = conditions.as_array_mut() else {
            return;
        };
        conditions.sort_by_key(by("type"));
        for condition in conditions {
            condition["lastTransitionTime"] = "2026-01-01T00:00:00Z".into();
        }
    };
    tidy(&mut gateway["status"]["conditions"]);
    if let Some(listeners) = gateway["status"]["listeners"].as_array_mut() {
        listeners.sort_by_key(by("name"));
        for listener in listeners {
            tidy(&mut listener["conditions"]);
        }
    }
    let text = serde_yaml_ng::to_string(&gateway)?;
    fs::write(
        file,
        format!("# As {whose} left it; recorded by `make record`.\n{text}"),
    )?;
    Ok(())
}
