//! The main job on a real API server, for a newcomer: `make demo`.
//!
//! `DEMO_ONCE=1` ends by itself, with exit code 0 only if all came true. `DEMO_CLUSTER=current`
//! uses the cluster of `KUBECONFIG` instead of a little one of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

// Colours on a terminal only.
use anstream::println;
use anyhow::{Context, Result, bail, ensure};
use ofn_tests::cluster::{Cluster, Kind, has_condition, named};
use ofn_tests::control_plane::{ControlPlane, User, assets, client};
use ofn_tests::host::{self, program, workspace};
use owo_colors::OwoColorize;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

const OFN: (&str, &str) = ("openfunction", "openfunction");
const CONTOUR: (&str, &str) = ("projectcontour", "contour");

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    // What was started ends when the demo is dropped, whatever ends it.
    tokio::select! {
        result = demo() => result.map(|()| ExitCode::SUCCESS),
        _ = terminate.recv() => bail!("ended by SIGTERM"),
        _ = tokio::signal::ctrl_c() => bail!("ended by Ctrl-C"),
    }
}

fn step(text: &str) {
    println!("\n{} {}", "▶".cyan(), text.bold());
}

fn note(text: &str) {
    println!("  {}", text.dimmed());
}

async fn demo() -> Result<()> {
    let plane = if std::env::var("DEMO_CLUSTER").is_ok_and(|cluster| cluster == "current") {
        None
    } else {
        step(
            "Starting a Kubernetes control plane in a temporary folder: etcd, kube-apiserver, kube-controller-manager",
        );
        let started = Instant::now();
        let plane = ControlPlane::start().await?;
        note(&format!(
            "ready after {:.1} s in {}",
            started.elapsed().as_secs_f64(),
            plane.folder().display()
        ));
        Some(plane)
    };
    let kubeconfig = match &plane {
        Some(plane) => plane.kubeconfig(User::Admin),
        None => std::env::var_os("KUBECONFIG")
            .map(PathBuf::from)
            .context("DEMO_CLUSTER=current needs KUBECONFIG to name a kubeconfig file")?,
    };
    let cluster = Cluster::new(client(&kubeconfig).await?);
    let result = play(&cluster, plane.as_ref(), &kubeconfig).await;
    if plane.is_none() {
        step(
            "Removing the demo's Gateways, class and Service from your cluster; CRDs, namespaces and rights stay",
        );
        clear(&cluster).await?;
    }
    result
}

async fn play(cluster: &Cluster, plane: Option<&ControlPlane>, kubeconfig: &Path) -> Result<()> {
    step(
        "Installing the Gateway API v1.5.1, the OpenFunction Gateway and the rights of ofn-gateway",
    );
    cluster.install().await?;

    step("A platform team has Contour's Gateway, with a listener of its own");
    platform(cluster).await?;
    note(
        "GatewayClass contour, Gateway projectcontour/contour with listener \"platform\", Service projectcontour/envoy",
    );

    step("Running ofn-gateway");
    let folder = tempfile::tempdir()?;
    let (host_kubeconfig, log) = match plane {
        Some(plane) => (
            plane.kubeconfig(User::Host),
            plane.folder().join("ofn-gateway.log"),
        ),
        None => (kubeconfig.to_owned(), folder.path().join("ofn-gateway.log")),
    };
    let running = host::start(&host_kubeconfig, &log)?;
    note(&format!("log: {}", log.display()));

    step("Applying the default OpenFunction Gateway (deploy/samples/default-gateway.yaml)");
    let started = Instant::now();
    cluster
        .apply_file(&workspace().join("deploy/samples/default-gateway.yaml"))
        .await?;
    let gateway = cluster
        .eventually(
            Kind::Gateway,
            CONTOUR.0,
            CONTOUR.1,
            "has our listeners",
            |gateway| named(&gateway["spec"]["listeners"], "ofn-http-external").is_some(),
        )
        .await?;
    cluster
        .eventually(Kind::Service, OFN.0, "gateway", "exists", |_| true)
        .await?;
    note(&format!(
        "its listeners and the entry Service are there after {} ms",
        started.elapsed().as_millis()
    ));

    step(
        "No Contour runs here, so the demo writes the Gateway's status as Contour 1.33.6 wrote it",
    );
    write_status(cluster, &gateway).await?;
    let ofn = cluster
        .eventually(Kind::Ofn, OFN.0, OFN.1, "is ready", |object| {
            has_condition(object, "Ready", "True", None)
        })
        .await?;

    let gateway = cluster
        .must_get(Kind::Gateway, CONTOUR.0, CONTOUR.1)
        .await?;
    let entry = cluster.must_get(Kind::Service, OFN.0, "gateway").await?;
    show(&gateway, &entry, &ofn);
    check(&gateway, &entry, &ofn)?;

    if std::env::var_os("DEMO_ONCE").is_some() {
        step("Deleting the OpenFunction Gateway: what the platform team had stays");
        cluster.delete(Kind::Ofn, OFN.0, OFN.1).await?;
        cluster.eventually_gone(Kind::Ofn, OFN.0, OFN.1).await?;
        let left = cluster
            .must_get(Kind::Gateway, CONTOUR.0, CONTOUR.1)
            .await?;
        let names: Vec<_> = left["spec"]["listeners"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|listener| &listener["name"])
            .collect();
        fact(
            "the Gateway has its own listener, and no other",
            names == ["platform"],
        )?;
        fact("ofn-gateway ended well on SIGTERM", running.terminate()?)?;
        println!("\n{}", "All came true.".green().bold());
        return Ok(());
    }
    shell(kubeconfig)
}

async fn platform(cluster: &Cluster) -> Result<()> {
    let class = json!({"spec": {"controllerName": "projectcontour.io/gateway-controller"}});
    cluster
        .apply(Kind::GatewayClass, "", "contour", "platform-team", class)
        .await?;
    cluster.namespace(CONTOUR.0).await?;
    let own =
        json!({"name": "platform", "hostname": "*.example.com", "port": 80, "protocol": "HTTP"});
    let gateway = json!({"spec": {"gatewayClassName": "contour", "listeners": [own]}});
    cluster
        .apply(
            Kind::Gateway,
            CONTOUR.0,
            CONTOUR.1,
            "platform-team",
            gateway,
        )
        .await?;
    let service = json!({"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}});
    cluster
        .apply(Kind::Service, CONTOUR.0, "envoy", "platform-team", service)
        .await?;
    Ok(())
}

async fn write_status(cluster: &Cluster, gateway: &Value) -> Result<()> {
    let recorded = workspace().join("tests/recorded/contour-1.33.6-good.yaml");
    let text =
        std::fs::read_to_string(&recorded).with_context(|| recorded.display().to_string())?;
    // The recording is of generation 1; the Gateway here has another.
    let generation = &gateway["metadata"]["generation"];
    let text = text.replace(
        "observedGeneration: 1",
        &format!("observedGeneration: {generation}"),
    );
    let status = serde_yaml_ng::from_str::<Value>(&text)?["status"].take();
    cluster
        .write_status(Kind::Gateway, CONTOUR.0, CONTOUR.1, status)
        .await
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("-")
}

fn show(gateway: &Value, entry: &Value, ofn: &Value) {
    step("What happened");
    println!("\n  Gateway projectcontour/contour");
    let ours: Value =
        gateway["metadata"]["annotations"]["networking.openfunction.io/injected-listeners"]
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
    for listener in gateway["spec"]["listeners"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let name = text(listener, "name");
        let owner = if named(&ours, name).is_some() {
            "ofn-gateway".green().to_string()
        } else {
            "platform team, untouched".yellow().to_string()
        };
        println!(
            "  ├─ {name:<20} {:<18} {:>5} {:<6} {owner}",
            text(listener, "hostname"),
            listener["port"],
            text(listener, "protocol")
        );
    }
    println!("\n  Service openfunction/gateway, the one entry for functions");
    println!(
        "  └─ gateway.openfunction.svc.cluster.local → {}",
        text(&entry["spec"], "externalName").green()
    );
    let policy = &ofn["status"]["policy"];
    println!(
        "\n  OpenFunction Gateway openfunction/openfunction, decided by policy {} {}",
        text(policy, "name").cyan(),
        text(policy, "version")
    );
    conditions("  ├─ ", &ofn["status"]);
    for address in ofn["status"]["addresses"].as_array().into_iter().flatten() {
        println!("  ├─ address {}", text(address, "value"));
    }
    for listener in ofn["status"]["listeners"].as_array().into_iter().flatten() {
        println!(
            "  ├─ listener {}, {} routes",
            text(listener, "name"),
            listener["attachedRoutes"]
        );
        conditions("  │  └─ ", listener);
    }
}

fn conditions(indent: &str, of: &Value) {
    for condition in of["conditions"].as_array().into_iter().flatten() {
        let status = text(condition, "status");
        let status = if status == "True" {
            status.green().to_string()
        } else {
            status.red().to_string()
        };
        println!(
            "{indent}{:<10} {status} {} {}",
            text(condition, "type"),
            text(condition, "reason"),
            text(condition, "message").dimmed()
        );
    }
}

fn check(gateway: &Value, entry: &Value, ofn: &Value) -> Result<()> {
    println!();
    let own = named(&gateway["spec"]["listeners"], "platform");
    fact(
        "the platform team's listener is as it was",
        own.is_some_and(|own| own["hostname"] == "*.example.com"),
    )?;
    let hostname = |name| {
        named(&gateway["spec"]["listeners"], name).map(|listener| text(listener, "hostname"))
    };
    fact(
        "*.ofn.io is served for users",
        hostname("ofn-http-external") == Some("*.ofn.io"),
    )?;
    fact(
        "*.cluster.local is served inside the cluster",
        hostname("ofn-http-internal") == Some("*.cluster.local"),
    )?;
    fact(
        "the entry points at Envoy",
        entry["spec"]["externalName"] == "envoy.projectcontour.svc.cluster.local",
    )?;
    fact("the status is as OpenFunction's documentation has it", {
        let conditions = &ofn["status"]["conditions"];
        *conditions
            == json!([
                {"type": "Scheduled", "status": "True", "reason": "Scheduled", "message": "Gateway is scheduled"},
                {"type": "Ready", "status": "True", "reason": "Valid", "message": "Valid Gateway"},
            ])
    })
}

fn fact(text: &str, holds: bool) -> Result<()> {
    ensure!(holds, "not true: {text}");
    println!("  {} {text}", "✓".green());
    Ok(())
}

/// Leaves the user in a shell where kubectl and ofn-gateway talk to the cluster.
fn shell(kubeconfig: &Path) -> Result<()> {
    step("Your turn: this shell talks to that cluster. `exit` ends it and removes everything");
    for example in [
        "kubectl get gateways.networking.openfunction.io -A",
        "kubectl edit gateways.networking.openfunction.io openfunction -n openfunction",
        "kubectl get gateway contour -n projectcontour -o yaml",
        "ofn-gateway render -f deploy/samples/default-gateway.yaml",
    ] {
        println!("  {}", example.cyan());
    }
    println!();
    let program = program()?;
    let mut path = std::ffi::OsString::new();
    for folder in [
        assets("control-plane")?.as_path(),
        program.parent().unwrap_or(Path::new(".")),
    ] {
        path.push(folder);
        path.push(":");
    }
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    // Its exit code is that of the last command typed into it, and says nothing of the demo.
    Command::new(&shell)
        .env("KUBECONFIG", kubeconfig)
        .env("PATH", path)
        .current_dir(workspace())
        .status()
        .with_context(|| format!("starting {}", shell.display()))?;
    Ok(())
}

async fn clear(cluster: &Cluster) -> Result<()> {
    cluster.delete(Kind::Ofn, OFN.0, OFN.1).await?;
    cluster.delete(Kind::Gateway, CONTOUR.0, CONTOUR.1).await?;
    cluster.delete(Kind::Service, CONTOUR.0, "envoy").await?;
    cluster.delete(Kind::GatewayClass, "", "contour").await?;
    // Its controller has ended with the demo: the finalizer is released by hand.
    let released = json!({"metadata": {"finalizers": null}});
    if cluster.get(Kind::Ofn, OFN.0, OFN.1).await?.is_some() {
        cluster.edit(Kind::Ofn, OFN.0, OFN.1, released).await?;
    }
    Ok(())
}
