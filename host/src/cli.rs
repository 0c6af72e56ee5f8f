//! The commands of `ofn-gateway`.

mod crd;
mod objects;
mod policy;
mod render;
mod route;
mod run;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::pass::vet::Terms;
use crate::policies::{Folders, News, Policies};
use crate::sandbox::{self, Cache, Compiler, Limits, Sandbox};

/// The controller of OpenFunction Gateways, with its opinions in a WebAssembly component.
#[derive(Debug, Parser)]
#[command(name = "ofn-gateway", version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the controller against a cluster
    Run(run::Run),
    /// Shows, offline, what a run would apply and report
    Render(render::Render),
    /// Shows host names, path and labels of a function's HTTPRoute
    Route(route::Route),
    /// For authors of policy components, and those who put them in place
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Prints the CustomResourceDefinition of the OpenFunction Gateway
    Crd,
    /// Compiles a component, from the standard input to the standard output, for another process of
    /// this program
    #[command(hide = true)]
    Compile(Limits),
}

/// Where the components are. For every command that decides.
#[derive(Args, Clone, Debug)]
struct PoliciesFolder {
    /// Folder of policy components, *.wasm; to be given again for each, or with commas, and what is in an earlier
    /// one comes before what is in a later one [default: policies beside this program or one folder
    /// up, else /policies]. A run follows it: what is put there serves within seconds
    #[arg(
        long = "policies",
        env = "OFN_GATEWAY_POLICIES",
        value_name = "DIR",
        value_delimiter = ','
    )]
    folders: Vec<PathBuf>,
    #[command(flatten)]
    sandbox: SandboxArgs,
    #[command(flatten)]
    terms: Terms,
}

/// How components are run. For every command that runs one.
#[derive(Args, Clone, Debug)]
struct SandboxArgs {
    /// Folder for compiled components, of this user alone; made if it is missing [default:
    /// ofn-gateway/policies in the user's folder for caches, if there is one]
    #[arg(
        long = "policy-cache",
        env = "OFN_GATEWAY_POLICY_CACHE",
        value_name = "DIR"
    )]
    cache: Option<PathBuf>,
    #[command(flatten)]
    limits: Limits,
}

impl PoliciesFolder {
    /// For a command that asks once, and has no log.
    fn load(&self) -> Result<Policies> {
        let (folders, news) = self.open()?;
        for warning in news.iter().filter(|news| news.is_warning()) {
            eprintln!("warning: {warning}");
        }
        Ok(Policies::clone(folders.policies()))
    }

    fn open(&self) -> Result<(Folders, Vec<News>)> {
        Folders::open(self.paths(), self.sandbox.start()?, self.terms.clone())
    }

    fn paths(&self) -> Vec<PathBuf> {
        if !self.folders.is_empty() {
            let mut known = BTreeSet::new();
            let mut folders = self.folders.clone();
            folders.retain(|path| known.insert(path.canonicalize().unwrap_or(path.clone())));
            return folders;
        }
        let beside = || {
            let program = std::env::current_exe().ok()?;
            let folder = program.parent()?;
            // Cargo puts the program one folder deeper than the components.
            [folder.join("policies"), folder.parent()?.join("policies")]
                .into_iter()
                .find(|folder| folder.is_dir())
        };
        vec![beside().unwrap_or_else(|| PathBuf::from("/policies"))]
    }
}

impl SandboxArgs {
    fn start(&self) -> Result<Sandbox> {
        let program = std::env::current_exe().context("this program does not find itself")?;
        Sandbox::new(self.limits, Compiler { program }, self.cache())
            .map_err(anyhow::Error::from)
            .context("the WebAssembly engine does not start with these limits")
    }

    /// A cache that cannot be used costs time, so it is no reason not to start.
    fn cache(&self) -> Option<Cache> {
        let folder = match &self.cache {
            Some(folder) => folder.clone(),
            None => dirs::cache_dir()?.join("ofn-gateway").join("policies"),
        };
        Cache::open(&folder)
            .inspect_err(|error| {
                tracing::warn!(folder = %folder.display(), %error, "components are compiled at each start");
            })
            .ok()
    }
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    let is_run = matches!(command, Command::Run(_));
    let result = match command {
        Command::Run(run) => run.main(),
        Command::Render(render) => render.main(),
        Command::Route(route) => route.main(),
        Command::Policy(policy) => policy.main(),
        Command::Crd => crd::main(),
        Command::Compile(limits) => sandbox::compile(&limits).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        // Whoever reads what is printed has seen enough. A run prints nothing: it has connections.
        if is_run || !error.chain().any(is_closed_pipe) {
            eprintln!("error: {error:#}");
        }
        ExitCode::FAILURE
    })
}

fn is_closed_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    let cause = cause.downcast_ref::<std::io::Error>();
    cause.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
