//! The commands of `ofn-gateway`.

mod crd;
mod objects;
mod render;
mod route;
mod run;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::policies::Policies;
use crate::sandbox::Limits;

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
    /// Prints the CustomResourceDefinition of the OpenFunction Gateway
    Crd,
}

/// Where the components are. For every command that decides.
#[derive(Debug, Args)]
struct PoliciesFolder {
    /// Folder of the policy components, *.wasm [default: policies beside this program or one folder
    /// up, else /policies]
    #[arg(long = "policies", env = "OFN_GATEWAY_POLICIES", value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl PoliciesFolder {
    fn load(&self) -> Result<Policies> {
        Policies::load(&self.path(), Limits::default())
    }

    fn path(&self) -> PathBuf {
        let beside = || {
            let program = std::env::current_exe().ok()?;
            let folder = program.parent()?;
            // Cargo puts the program one folder deeper than the components.
            [folder.join("policies"), folder.parent()?.join("policies")]
                .into_iter()
                .find(|folder| folder.is_dir())
        };
        self.folder
            .clone()
            .or_else(beside)
            .unwrap_or_else(|| Path::new("/policies").to_owned())
    }
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(run) => run.main(),
        Command::Render(render) => render.main(),
        Command::Route(route) => route.main(),
        Command::Crd => crd::main(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
