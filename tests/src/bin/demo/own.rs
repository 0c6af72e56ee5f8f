//! The demo in a little cluster of its own, with Contour, Envoy, Traefik and requests.

use std::process::Command;
use std::time::{Duration, Instant};

use anstream::println;
use anyhow::{Context, Result, ensure};
use ofn_contract::ObjectName;
use ofn_tests::cluster::{Cluster, Kind, has_condition, named};
use ofn_tests::control_plane::User;
use ofn_tests::host::{self, workspace};
use ofn_tests::traffic::client::Client;
use ofn_tests::traffic::function::Function;
use ofn_tests::traffic::load::Load;
use ofn_tests::traffic::{Traffic, Vendor, is_without_traefik};
use owo_colors::OwoColorize;
use serde_json::{Value, json};

use crate::show::{check, fact, note, show, step};
use crate::{OFN, is_once, shell};

/// How long anything may take. Longer than a change of Gateways with all its waits.
const PATIENCE: Duration = Duration::from_secs(120);

pub async fn play() -> Result<()> {
    step(
        "Starting a Kubernetes control plane, CoreDNS and kube-proxy, in a private network and a temporary folder",
    );
    let started = Instant::now();
    let traffic = Traffic::start().await?;
    let cluster = traffic.cluster.with_patience(PATIENCE);
    note(&format!(
        "ready after {:.1} s in {}; the Gateway API v1.5.1 and the OpenFunction Gateway are installed",
        started.elapsed().as_secs_f64(),
        traffic.plane.folder().display()
    ));

    step(&format!(
        "A platform team has Contour {} with Envoy, and a Gateway with a listener of its own",
        Vendor::Contour.version()?
    ));
    Vendor::Contour.install(&cluster).await?;
    let _contour = Vendor::Contour.start(&traffic.plane).await?;
    note(
        "GatewayClass contour, Gateway projectcontour/contour with listener \"platform\", Service projectcontour/envoy",
    );

    step("Running ofn-gateway");
    let log = traffic.plane.folder().join("ofn-gateway.log");
    let running = host::start(&traffic.plane.kubeconfig(User::Host), &log)?;
    note(&format!("log: {}", log.display()));

    step("Applying the default OpenFunction Gateway (deploy/samples/default-gateway.yaml)");
    let started = Instant::now();
    cluster
        .apply_file(&workspace().join("deploy/samples/default-gateway.yaml"))
        .await?;
    let ofn = is_ready(&cluster).await?;
    entry_leads_to(&cluster, Vendor::Contour).await?;
    note(&format!(
        "Contour serves its listeners, and the entry leads there, after {} ms",
        started.elapsed().as_millis()
    ));
    let gateway = get(&cluster, &Vendor::Contour.gateway()).await?;
    let entry = cluster.must_get(Kind::Service, OFN.0, "gateway").await?;
    show(&gateway, &entry, &ofn);
    check(&gateway, &entry, &ofn)?;

    step("A function, with the HTTPRoute and the Service that OpenFunction makes for it");
    let name = ObjectName {
        namespace: "default".to_owned(),
        name: "hello".to_owned(),
    };
    let ofn_name = ObjectName {
        namespace: OFN.0.to_owned(),
        name: OFN.1.to_owned(),
    };
    let function = Function::deploy(&cluster, &ofn_name, &name).await?;
    answers(&function).await?;
    let examples = curls(&function, Vendor::Contour);
    run(&examples, &function)?;

    let mut serving = Vendor::Contour;
    let _traefik = if is_without_traefik() {
        note("WITHOUT_TRAEFIK is set: no switch is shown");
        None
    } else {
        step(&format!(
            "The platform team has Traefik {}, too",
            Vendor::Traefik.version()?
        ));
        Vendor::Traefik.install(&cluster).await?;
        let traefik = Vendor::Traefik.start(&traffic.plane).await?;
        note(
            "GatewayClass traefik, Gateway traefik/traefik-gateway, Service traefik/traefik: 80 → 8000, 443 → 8443",
        );
        switch(&cluster, &function).await?;
        serving = Vendor::Traefik;
        Some(traefik)
    };
    let examples = curls(&function, serving);
    if serving != Vendor::Contour {
        run(&examples, &function)?;
    }

    if is_once() {
        step("Deleting the OpenFunction Gateway: what the platform team had stays");
        cluster.delete(Kind::Ofn, OFN.0, OFN.1).await?;
        cluster.eventually_gone(Kind::Ofn, OFN.0, OFN.1).await?;
        has_only_its_own(&cluster, serving).await?;
        fact("ofn-gateway ended well on SIGTERM", running.terminate()?)?;
        println!("\n{}", "All came true.".green().bold());
        return Ok(());
    }
    shell::open(&traffic.plane.kubeconfig(User::Admin), &examples)
}

/// Moves the OpenFunction Gateway from Contour to Traefik while requests go on.
async fn switch(cluster: &Cluster, function: &Function) -> Result<()> {
    step("Switching to Traefik while requests go on, as `kubectl edit` does it");
    let (contour, traefik) = (Vendor::Contour, Vendor::Traefik);
    // For the move, the route has both parents.
    let both = [contour.gateway(), traefik.gateway()];
    function.attach(cluster, &both).await?;
    let load = Load::start(&function.internal_url(), &function.name.to_string());
    let started = Instant::now();
    let patch = json!({"spec": {"gatewayRef": traefik.reference()}});
    cluster.edit(Kind::Ofn, OFN.0, OFN.1, patch).await?;
    let since = || format!("{:>5.1} s", started.elapsed().as_secs_f64());
    is_ready(cluster).await?;
    note(&format!(
        "{} Traefik serves our listeners: port 80 was written, and it has them on its entry point's port, {}",
        since(),
        port(&get(cluster, &traefik.gateway()).await?)?
    ));
    entry_leads_to(cluster, traefik).await?;
    note(&format!(
        "{} the entry leads to Traefik; Contour keeps our listeners for the half minute that clients may remember a name",
        since()
    ));
    has_only_its_own(cluster, contour).await?;
    note(&format!("{} our listeners have left Contour", since()));
    let tally = load.stop().await;
    fact(
        &format!(
            "of {} requests in this time {} failed",
            tally.requests,
            tally.failures()
        ),
        tally.failures() == 0,
    )
}

/// The port of our external listener in a Kubernetes Gateway.
fn port(gateway: &Value) -> Result<Value> {
    let listener = named(&gateway["spec"]["listeners"], "ofn-http-external");
    Ok(listener.context("our listener is there")?["port"].clone())
}

async fn get(cluster: &Cluster, gateway: &ObjectName) -> Result<Value> {
    cluster
        .must_get(Kind::Gateway, &gateway.namespace, &gateway.name)
        .await
}

async fn is_ready(cluster: &Cluster) -> Result<Value> {
    cluster
        .eventually(Kind::Ofn, OFN.0, OFN.1, "is ready", |object| {
            object["status"]["observedGeneration"] == object["metadata"]["generation"]
                && has_condition(object, "Ready", "True", None)
        })
        .await
}

async fn entry_leads_to(cluster: &Cluster, vendor: Vendor) -> Result<()> {
    let host = vendor.service_host();
    cluster
        .eventually(Kind::Service, OFN.0, "gateway", "leads there", |entry| {
            entry["spec"]["externalName"] == host
        })
        .await?;
    Ok(())
}

async fn has_only_its_own(cluster: &Cluster, vendor: Vendor) -> Result<()> {
    let gateway = vendor.gateway();
    let left = cluster
        .eventually(
            Kind::Gateway,
            &gateway.namespace,
            &gateway.name,
            "has lost our listeners",
            |gateway| named(&gateway["spec"]["listeners"], "ofn-http-external").is_none(),
        )
        .await?;
    let names: Vec<_> = left["spec"]["listeners"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|listener| &listener["name"])
        .collect();
    fact(
        &format!("Gateway {gateway} has its own listener, and no other"),
        names == [vendor.own_listener()],
    )
}

/// Waits until the data plane has the route.
async fn answers(function: &Function) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let url = function.internal_url();
    loop {
        let reply = Client::default().get(&url).await;
        if reply
            .as_ref()
            .is_ok_and(|reply| reply.is_from(&function.name))
        {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "{url} does not answer: {reply:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How the function is called from outside and from inside the cluster.
fn curls(function: &Function, vendor: Vendor) -> Vec<String> {
    let host = function.external_host();
    let address = vendor.address(80).ip();
    vec![
        format!("curl --silent --resolve {host}:80:{address} http://{host}/"),
        format!("curl --silent {}", function.internal_url()),
    ]
}

/// Runs the lines as they are shown.
fn run(lines: &[String], function: &Function) -> Result<()> {
    println!();
    for line in lines {
        println!("  {} {}", "$".dimmed(), line.cyan());
        let mut words = line.split_whitespace();
        let program = words.next().context("a line has a program")?;
        let output = Command::new(program)
            .args(words)
            .output()
            .with_context(|| format!("starting {program}"))?;
        let answer = String::from_utf8_lossy(&output.stdout);
        println!("  {}", answer.trim().green());
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        ensure!(
            answer["function"] == function.name.to_string(),
            "not true: the function answers: {line}"
        );
    }
    Ok(())
}
