//! The program under test.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use ofn_gateway::sandbox::{Cache, Compiler, Limits, Sandbox};

use crate::control_plane::Process;

/// The folder of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// `ofn-gateway` as `make build` left it.
pub fn program() -> Result<PathBuf> {
    built(target().join("release/ofn-gateway"))
}

/// The folder of components as `make build` left it.
pub fn policies() -> Result<PathBuf> {
    built(target().join("policies"))
}

/// A sandbox that compiles with [`program`], and keeps what it compiled.
pub fn sandbox(limits: Limits) -> Result<Sandbox> {
    let cache = Cache::open(&target().join("policy-cache"))?;
    Ok(Sandbox::new(limits, compiler()?, Some(cache))?)
}

/// The compiler of [`program`].
pub fn compiler() -> Result<Compiler> {
    Ok(Compiler {
        program: program()?,
    })
}

fn built(path: PathBuf) -> Result<PathBuf> {
    if !path.exists() {
        bail!("{} is missing: run `make build` first", path.display());
    }
    Ok(path)
}

/// Starts `ofn-gateway run`.
pub fn start(kubeconfig: &Path, log: &Path) -> Result<Process> {
    Process::start(
        Command::new(program()?)
            .args(["run", "--log", "info,ofn_gateway=debug", "--policies"])
            .arg(policies()?)
            .env("KUBECONFIG", kubeconfig)
            // The machine of the tests may be a pod itself.
            .env_remove("KUBERNETES_SERVICE_HOST"),
        log,
    )
}
