//! Traefik, control and data plane in one.

use std::process::Command;

use anyhow::Result;

use super::data_plane::DataPlane;
use super::network::TRAEFIK;
use crate::control_plane::{ControlPlane, Process, User, assets};

/// The port of the entry point `web` in its container.
pub(super) const ENTRY_POINT: u16 = 8000;

/// As Traefik's chart makes it.
pub(super) const DATA_PLANE: DataPlane = DataPlane {
    namespace: "traefik",
    name: "traefik",
    labels: &[
        ("app.kubernetes.io/instance", "traefik-traefik"),
        ("app.kubernetes.io/managed-by", "Helm"),
        ("app.kubernetes.io/name", "traefik"),
    ],
    address: TRAEFIK,
    ports: [("web", ENTRY_POINT), ("websecure", 8443)],
};

/// Starts Traefik with the arguments that its chart gives it. So changes come to its data plane at most
/// every two seconds.
pub(super) fn start(plane: &ControlPlane) -> Result<Process> {
    Process::start(
        Command::new(assets("traefik")?.join("traefik"))
            .arg(format!(
                "--entrypoints.web.address={TRAEFIK}:{ENTRY_POINT}/tcp"
            ))
            .arg(format!(
                "--entrypoints.websecure.address={TRAEFIK}:8443/tcp"
            ))
            .arg("--entrypoints.websecure.http.tls=true")
            .arg("--providers.kubernetesgateway")
            .arg("--providers.kubernetesgateway.statusaddress.service.name=traefik")
            .arg("--providers.kubernetesgateway.statusaddress.service.namespace=traefik")
            .args([
                "--global.checknewversion=false",
                "--global.sendanonymoususage=false",
            ])
            .arg("--log.level=INFO")
            .env("KUBECONFIG", plane.kubeconfig(User::Admin))
            // The machine of the tests may be a pod itself.
            .env_remove("KUBERNETES_SERVICE_HOST"),
        &plane.folder().join("traefik.log"),
    )
}
