//! What `ofn-gateway policy new` makes: a project that needs nothing of this repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use ofn_gateway::sandbox::Limits;
use ofn_tests::host::{policies, program, sandbox, target, workspace};
use serde_json::Value;

/// The budget of a component, in bytes.
const LARGEST: u64 = 250_000;

/// The name has all that a name may have.
const NAME: &str = "acme-2nd";

/// A project, with what its README's command for a build gave.
struct Project {
    folder: PathBuf,
    built: Output,
    _temporary: tempfile::TempDir,
}

static PROJECT: LazyLock<Project> = LazyLock::new(|| {
    let temporary = tempfile::tempdir().expect("a folder");
    let made = new(temporary.path(), &[NAME]).expect("the program starts");
    assert!(made.status.success(), "{made:?}");
    let folder = temporary.path().join(NAME);
    Project {
        built: as_documented(&folder, "cargo build --release").expect("cargo starts"),
        folder,
        _temporary: temporary,
    }
});

fn new(folder: &Path, arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(program()?)
        .args(["policy", "new"])
        .args(arguments)
        .current_dir(folder)
        .output()?)
}

/// Runs a command that the project's README has, as it would run on the author's machine: what
/// the cargo of these tests was told is nothing to that of the project. What is built is kept.
fn as_documented(project: &Path, command: &str) -> Result<Output> {
    let readme = fs::read_to_string(project.join("README.md"))?;
    ensure!(
        readme.contains(&format!("    {command} ")),
        "no {command} in {readme}"
    );
    let told = [
        "CARGO_BUILD_",
        "CARGO_ENCODED_",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
        "RUSTC",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
    ];
    let mut words = command.split(' ');
    let mut command = Command::new(words.next().context("a program")?);
    for (variable, _) in env::vars_os() {
        let name = variable.to_string_lossy();
        if told.iter().any(|told| name.starts_with(told)) {
            command.env_remove(&variable);
        }
    }
    Ok(command
        .args(words)
        .current_dir(project)
        .env("CARGO_TARGET_DIR", built())
        .output()?)
}

fn built() -> PathBuf {
    target().join("new-policy")
}

fn component() -> PathBuf {
    let release = built().join("wasm32-unknown-unknown/release");
    release.join(NAME.replace('-', "_")).with_extension("wasm")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn plain_cargo_builds_a_component_that_a_host_loads() {
    let built = &PROJECT.built;
    assert!(built.status.success(), "{}", stderr(built));
    // That it imports nothing is a part of loading it.
    let loaded = sandbox(Limits::default())
        .expect("the engine starts")
        .load(&component())
        .expect("the component loads");
    assert_eq!(loaded.description.name, NAME);
    assert_eq!(loaded.description.version, "0.1.0");
    let controllers = loaded.description.controller_names;
    assert_eq!(controllers, ["example.com/acme-2nd"]);
}

#[test]
fn the_component_keeps_the_contract() -> Result<()> {
    assert!(PROJECT.built.status.success(), "{}", stderr(&PROJECT.built));
    let checked = Command::new(program()?)
        .args(["policy", "check", "--cases", "4"])
        .arg(component())
        .output()?;
    assert!(checked.status.success(), "{checked:?}");
    Ok(())
}

#[test]
fn the_component_is_within_the_budget_of_size() {
    assert!(PROJECT.built.status.success(), "{}", stderr(&PROJECT.built));
    let size = fs::metadata(component()).expect("a component").len();
    assert!(size <= LARGEST, "{size} bytes");
}

#[test]
fn it_builds_without_a_warning() {
    let told = stderr(&PROJECT.built);
    assert!(!told.contains("warning"), "{told}");
}

/// Name and version of each package in a lock file.
fn locked(folder: &Path) -> BTreeSet<String> {
    let lock = fs::read_to_string(folder.join("Cargo.lock")).expect("a lock file");
    let packages = lock.split("[[package]]\n").skip(1);
    packages
        .map(|package| package.lines().take(2).collect::<Vec<_>>().join(", "))
        .collect()
}

#[test]
fn its_dependencies_have_the_versions_that_this_program_is_tested_with() {
    assert!(PROJECT.built.status.success(), "{}", stderr(&PROJECT.built));
    let ours = locked(workspace());
    let others: Vec<String> = locked(&PROJECT.folder).difference(&ours).cloned().collect();
    assert_eq!(others, [format!("name = \"{NAME}\", version = \"0.1.0\"")]);
}

#[test]
fn its_tests_pass_natively() -> Result<()> {
    let tested = as_documented(&PROJECT.folder, "cargo test --target host-tuple")?;
    assert!(tested.status.success(), "{}", stderr(&tested));
    let told = String::from_utf8(tested.stdout)?;
    assert!(told.contains("test result: ok. 2 passed"), "{told}");
    Ok(())
}

#[test]
fn its_example_shows_that_the_entry_leads_to_the_vendor_s_service() -> Result<()> {
    assert!(PROJECT.built.status.success(), "{}", stderr(&PROJECT.built));
    let rendered = Command::new(program()?)
        .args(["render", "-o", "json", "-f"])
        .arg(PROJECT.folder.join("example.yaml"))
        .arg("--policies")
        .arg(component().parent().context("a folder")?)
        .arg("--policies")
        .arg(policies()?)
        .output()?;
    assert!(rendered.status.success(), "{}", stderr(&rendered));
    let objects: Value = serde_json::from_slice(&rendered.stdout)?;
    let objects = objects["items"].as_array().context("objects")?;
    let of_kind = |kind: &str| objects.iter().find(|object| object["kind"] == kind);
    let entry = &of_kind("Service").context("the entry")?["spec"]["externalName"];
    assert_eq!(entry, "web-acme-2nd.infra.svc.cluster.local");
    Ok(())
}

#[test]
fn a_folder_that_is_not_empty_is_left_as_it_is() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let mine = temporary.path().join("mine");
    fs::write(&mine, "mine")?;
    let folder = temporary.path().display().to_string();
    let output = new(temporary.path(), &["acme", "--path", &folder])?;
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(
        told.contains(&format!("{folder} is not empty, so nothing was written")),
        "{told}"
    );
    assert_eq!(fs::read_dir(temporary.path())?.count(), 1);
    assert_eq!(fs::read_to_string(mine)?, "mine");
    Ok(())
}

#[test]
fn an_empty_folder_of_any_name_is_taken() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let output = new(temporary.path(), &["acme", "--path", "."])?;
    assert!(output.status.success(), "{}", stderr(&output));
    let code = fs::read_to_string(temporary.path().join("src/lib.rs"))?;
    assert!(code.contains("pub struct AcmePolicy;"), "{code}");
    Ok(())
}

#[test]
fn a_file_is_no_folder_for_a_project() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    fs::write(temporary.path().join("file"), "")?;
    let output = new(temporary.path(), &["acme", "--path", "file"])?;
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("file cannot be a project's folder"), "{told}");
    Ok(())
}

#[test]
fn a_project_that_is_not_written_to_the_end_is_told() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    // Nothing can be seen there, and nothing be made.
    std::os::unix::fs::symlink("nowhere", temporary.path().join("link"))?;
    let output = new(temporary.path(), &["acme", "--path", "link"])?;
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(
        told.contains("cannot be written, so what is in link is not complete"),
        "{told}"
    );
    Ok(())
}

#[test]
fn a_name_that_no_component_can_have_is_refused_with_what_to_write() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    for (name, expected) in [
        ("Acme", "write at most 63 lower case letters"),
        ("acme_", "write at most 63 lower case letters"),
        ("2nd", "with a letter first"),
        ("ofn-policy", "names that begin with ofn- are those"),
    ] {
        let output = new(temporary.path(), &[name])?;
        assert_eq!(output.status.code(), Some(2));
        let told = stderr(&output);
        assert!(told.contains(expected), "{name}: {told}");
    }
    assert_eq!(fs::read_dir(temporary.path())?.count(), 0);
    Ok(())
}
