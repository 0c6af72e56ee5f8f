//! The shell at the end.

use std::path::Path;
use std::process::Command;

use anstream::println;
use anyhow::{Context, Result};
use ofn_tests::control_plane::assets;
use ofn_tests::host::{program, workspace};
use owo_colors::OwoColorize;

use crate::show::step;

/// Leaves the user in a shell where kubectl talks to the cluster, and ofn-gateway is found.
pub fn open(kubeconfig: &Path, examples: &[String]) -> Result<()> {
    step("Your turn: this shell talks to that cluster. `exit` ends it and removes everything");
    for example in [
        "kubectl get gateways.networking.openfunction.io -A",
        "kubectl edit gateways.networking.openfunction.io openfunction -n openfunction",
        "kubectl get gateway contour -n projectcontour -o yaml",
        "ofn-gateway render -f deploy/samples/default-gateway.yaml -f deploy/samples/contour.yaml",
    ]
    .into_iter()
    .chain(examples.iter().map(String::as_str))
    {
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
