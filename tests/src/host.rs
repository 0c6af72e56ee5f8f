//! The program under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use ofn_gateway::sandbox::{Cache, Compiler, Limits, Sandbox};
use sha2::{Digest, Sha256};

use crate::cluster::PATIENCE;
use crate::control_plane::Process;

/// The folder of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// What cargo and `make` build is here.
pub fn target() -> PathBuf {
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

/// The folder of the component in JavaScript as `make javascript` left it.
pub fn javascript() -> Result<PathBuf> {
    let folder = target().join("javascript");
    if !folder.join("aws-load-balancer.wasm").exists() {
        bail!(
            "{} has no component: run `make javascript` first",
            folder.display()
        );
    }
    Ok(folder)
}

fn built(path: PathBuf) -> Result<PathBuf> {
    if !path.exists() {
        bail!("{} is missing: run `make build` first", path.display());
    }
    Ok(path)
}

/// A folder with the components of [`policies`] and the one of `tests/hostile/`.
pub fn policies_and_the_hostile_one() -> Result<PathBuf> {
    let folder = target().join("policies-and-hostile");
    fs::create_dir_all(&folder)?;
    let all = fs::read_dir(policies()?)?.chain(fs::read_dir(built(target().join("hostile"))?)?);
    for component in all {
        let component = component?.path();
        let name = component.file_name().unwrap_or_default();
        fs::copy(&component, folder.join(name))?;
    }
    Ok(folder)
}

/// A component as `make build` left it, by its name.
pub fn component(name: &str) -> Result<Vec<u8>> {
    let file = policies()?.join(name).with_extension("wasm");
    fs::read(&file).with_context(|| file.display().to_string())
}

/// The same component with another digest: it gets a custom section, which means nothing.
pub fn variant(component: &[u8], number: u8) -> Vec<u8> {
    let section = [0, 3, 1, b'v', number];
    [component, &section].concat()
}

/// The component of `tests/hostile/`, which does a misdeed for ever; an empty one: none.
pub fn hostile(misdeed: &str) -> Result<Vec<u8>> {
    let file = built(target().join("hostile/hostile.wasm"))?;
    let mut component = fs::read(file)?;
    let place = b"misdeed:                                        ";
    let found = component
        .windows(place.len())
        .position(|bytes| bytes == place)
        .context("there is no place for a misdeed in the hostile component")?;
    let written = format!("misdeed:{misdeed:<40}");
    component[found..found + written.len()].copy_from_slice(written.as_bytes());
    Ok(component)
}

/// Puts a file in place in one go.
pub fn put(folder: &Path, name: &str, content: &[u8]) -> Result<()> {
    let beside = folder.join(format!(".{name}"));
    fs::write(&beside, content)?;
    Ok(fs::rename(&beside, folder.join(name))?)
}

/// The digest of a component, as a status has it.
pub fn digest(component: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(component))
}

/// `ofn-gateway run` for a cluster.
pub fn command(kubeconfig: &Path) -> Result<Command> {
    let mut command = Command::new(program()?);
    command
        .args(["run", "--log", "info,ofn_gateway=debug", "--policy-cache"])
        .arg(target().join("policy-cache"))
        .env("KUBECONFIG", kubeconfig)
        // The machine of the tests may be a pod itself.
        .env_remove("KUBERNETES_SERVICE_HOST");
    Ok(command)
}

/// Starts `ofn-gateway run`.
pub fn start(kubeconfig: &Path, log: &Path) -> Result<Process> {
    Process::start(command(kubeconfig)?.arg("--policies").arg(policies()?), log)
}

/// Waits until a process ends in its own way when it is told to.
pub fn catches_sigterm(process: u32) -> Result<()> {
    const SIGTERM: u64 = 1 << (15 - 1);
    let deadline = Instant::now() + PATIENCE;
    while u64::from_str_radix(&status(process, "SigCgt:")?, 16)? & SIGTERM == 0 {
        ensure!(
            Instant::now() < deadline,
            "process {process} does not catch SIGTERM"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// The resident memory of a process, in MiB.
pub fn resident(process: u32) -> Result<f64> {
    let kilobytes: f64 = status(process, "VmRSS:")?.trim_end_matches(" kB").parse()?;
    Ok(kilobytes / 1024.0)
}

/// What the kernel says of a process.
fn status(process: u32, field: &str) -> Result<String> {
    let path = Path::new("/proc").join(process.to_string()).join("status");
    let status = std::fs::read_to_string(path)?;
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix(field));
    let value = line.with_context(|| format!("/proc has no {field}"))?;
    Ok(value.trim().to_owned())
}
