//! Contour, and Envoy as its data plane.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tokio::net::{TcpStream, UnixStream};

use super::answers;
use super::data_plane::DataPlane;
use super::network::ENVOY;
use crate::cluster::Cluster;
use crate::control_plane::{ControlPlane, Process, User, assets};

/// As Contour's example manifests make it.
pub(super) const DATA_PLANE: DataPlane = DataPlane {
    namespace: "projectcontour",
    name: "envoy",
    labels: &[],
    address: ENVOY,
    ports: [("http", 8080), ("https", 8443)],
};

/// From where Envoy gets its configuration.
const XDS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8001);

/// Its own definitions; it ends where they are missing.
pub(super) async fn install(cluster: &Cluster) -> Result<()> {
    let definitions = assets("contour")?.join("01-crds.yaml");
    for name in cluster.apply_file(&definitions).await? {
        cluster.is_established(&name).await?;
    }
    Ok(())
}

/// Starts Contour for its one Gateway.
pub(super) async fn start(plane: &ControlPlane) -> Result<Process> {
    let configuration = plane.folder().join("contour.yaml");
    fs::write(
        &configuration,
        "gateway: {gatewayRef: {namespace: projectcontour, name: contour}}\n",
    )?;
    let contour = Process::start(
        Command::new(program()?)
            .arg("serve")
            .arg(format!("--config-path={}", configuration.display()))
            .arg(format!(
                "--kubeconfig={}",
                plane.kubeconfig(User::Admin).display()
            ))
            .args(["--insecure", "--disable-leader-election"])
            // The standard channel of the Gateway API does not have these.
            .args([
                "--disable-feature=tlsroutes",
                "--disable-feature=tcproutes",
                "--disable-feature=backendtlspolicies",
            ])
            .args(["--xds-address=127.0.0.1", "--xds-port=8001"])
            .args(["--http-address=127.0.0.1", "--http-port=8000"])
            .args(["--health-address=127.0.0.1", "--health-port=8009"])
            .args(["--debug-http-address=127.0.0.1", "--debug-http-port=6060"])
            .args(["--stats-address=127.0.0.1", "--stats-port=8002"])
            .arg(format!("--envoy-service-http-address={ENVOY}"))
            .arg(format!("--envoy-service-https-address={ENVOY}"))
            // The machine of the tests may be a pod itself.
            .env_remove("KUBERNETES_SERVICE_HOST"),
        &plane.folder().join("contour.log"),
    )?;
    // An Envoy that comes too early waits for long before it asks again.
    answers("Contour", || TcpStream::connect(XDS)).await?;
    Ok(contour)
}

/// Starts Envoy, which goes on without Contour.
pub(super) async fn start_envoy(plane: &ControlPlane) -> Result<Process> {
    let admin = plane.folder().join("envoy-admin.sock");
    let bootstrap = plane.folder().join("envoy.json");
    let made = Command::new(program()?)
        .arg("bootstrap")
        .arg(&bootstrap)
        .args(["--xds-address=127.0.0.1", "--xds-port=8001"])
        .arg(format!("--admin-address={}", admin.display()))
        .output()
        .context("starting contour bootstrap")?;
    ensure!(
        made.status.success(),
        "contour bootstrap: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    let envoy = Process::start(
        Command::new(assets("envoy")?.join("envoy"))
            // Not by its path: Envoy reads nothing under /dev, where our temporary files are.
            .args(["--config-yaml", &fs::read_to_string(&bootstrap)?])
            .args(["--service-cluster", DATA_PLANE.namespace])
            .args(["--service-node", "envoy"])
            .args(["--concurrency", "1", "--disable-hot-restart"]),
        &plane.folder().join("envoy.log"),
    )?;
    answers("Envoy", || UnixStream::connect(&admin)).await?;
    Ok(envoy)
}

fn program() -> Result<impl AsRef<Path> + AsRef<std::ffi::OsStr>> {
    Ok(assets("contour")?.join("contour"))
}
