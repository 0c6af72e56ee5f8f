//! CoreDNS: the names of Services.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::network::DNS;
use crate::control_plane::{ControlPlane, Process, User, assets};

/// Starts it. Every answer is to be asked for anew: its time to live is 0.
pub fn start(plane: &ControlPlane) -> Result<Process> {
    let kubeconfig = plane.kubeconfig(User::Admin);
    let corefile = plane.folder().join("Corefile");
    fs::write(
        &corefile,
        format!(
            ".:53 {{\n  bind {DNS}\n  errors\n  kubernetes cluster.local {{\n    kubeconfig {}\n    ttl 0\n  }}\n}}\n",
            kubeconfig.display()
        ),
    )?;
    Process::start(
        Command::new(assets("coredns")?.join("coredns"))
            .arg("-conf")
            .arg(corefile),
        &plane.folder().join("coredns.log"),
    )
}
