//! kube-proxy: behind the address of a Service are its endpoints.

use std::fs;
use std::process::Command;

use anyhow::Result;
use serde_json::json;

use super::network::FUNCTIONS;
use crate::cluster::{Cluster, Kind};
use crate::control_plane::{ControlPlane, Process, User, assets};

/// The node that this network is.
const NODE: &str = "node";

/// Starts it. Its rules are in the private network's own nftables.
pub async fn start(plane: &ControlPlane, cluster: &Cluster) -> Result<Process> {
    cluster
        .apply(Kind::Node, "", NODE, "platform-team", json!({}))
        .await?;
    let address = json!([{"type": "InternalIP", "address": FUNCTIONS}]);
    cluster
        .write_status(Kind::Node, "", NODE, json!({"addresses": address}))
        .await?;
    let configuration = plane.folder().join("kube-proxy.json");
    fs::write(
        &configuration,
        json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "hostnameOverride": NODE,
            "clientConnection": {"kubeconfig": plane.kubeconfig(User::Admin)},
            "bindAddress": "127.0.0.1",
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "clusterCIDR": "192.0.2.0/24",
            // The sizes of the machine's own table are not ours to set.
            "conntrack": {
                "maxPerCore": 0, "min": 0,
                "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s",
            },
            "nftables": {"minSyncPeriod": "0s", "syncPeriod": "30s"},
        })
        .to_string(),
    )?;
    Process::start(
        Command::new(assets("kube-proxy")?.join("kube-proxy"))
            .arg(format!("--config={}", configuration.display())),
        &plane.folder().join("kube-proxy.log"),
    )
}
