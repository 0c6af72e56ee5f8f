//! The demo in the user's own cluster. What serves Gateways there is left alone: class and Gateway are the
//! demo's, and the demo writes the status.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ofn_tests::cluster::{Cluster, Kind, has_condition, named};
use ofn_tests::control_plane::client;
use ofn_tests::host::{self, workspace};
use serde_json::{Value, json};

use crate::show::{check, fact, note, show, step};
use crate::{OFN, is_once, shell};

const CONTOUR: (&str, &str) = ("projectcontour", "contour");

pub async fn play() -> Result<()> {
    let kubeconfig = std::env::var_os("KUBECONFIG")
        .map(PathBuf::from)
        .context("DEMO_CLUSTER=current needs KUBECONFIG to name a kubeconfig file")?;
    let cluster = Cluster::new(client(&kubeconfig).await?);
    let result = play_in(&cluster, &kubeconfig).await;
    step(
        "Removing the demo's Gateways, class and Service from your cluster; CRDs, namespaces and rights stay",
    );
    clear(&cluster).await?;
    result
}

async fn play_in(cluster: &Cluster, kubeconfig: &Path) -> Result<()> {
    step(
        "Installing the Gateway API v1.5.1, the OpenFunction Gateway and the rights of ofn-gateway",
    );
    cluster.install().await?;
    step("A platform team has a Gateway for Contour, with a listener of its own");
    platform(cluster).await?;
    step("Running ofn-gateway");
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("ofn-gateway.log");
    let running = host::start(kubeconfig, &log)?;
    note(&format!("log: {}", log.display()));
    step("Applying the default OpenFunction Gateway (deploy/samples/default-gateway.yaml)");
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
    step("No Contour serves this Gateway, so the demo writes its status as Contour once wrote it");
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
    if is_once() {
        return fact("ofn-gateway ended well on SIGTERM", running.terminate()?);
    }
    shell::open(kubeconfig, &[])
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
