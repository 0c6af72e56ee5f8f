//! The commands for authors of components, and for those who put them in place.

mod check;
mod inspect;
mod list;
mod new;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::objects::Output;
use crate::sandbox::LoadError;

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Shows which components there are, and which controllers they serve
    List(list::List),
    /// Shows what a component is and what it says of itself
    Inspect(inspect::Inspect),
    /// Tries whether a component keeps the contract, with hundreds of inputs
    Check(check::Check),
    /// Makes a project for a component of your own, in Rust, that builds by itself
    New(new::New),
}

impl Policy {
    pub(super) fn main(self) -> Result<ExitCode> {
        match self {
            Self::List(list) => list.main(),
            Self::Inspect(inspect) => inspect.main(),
            Self::Check(check) => check.main(),
            Self::New(new) => new.main(),
        }
    }
}

/// What came of a file. Why it cannot be used is shown in the form of all that is printed, too.
fn or_shown<T>(result: Result<T, LoadError>, file: &Path, output: Option<Output>) -> Result<T> {
    if let (Err(error), Some(output)) = (&result, output) {
        output.print(&json!({"file": file, "error": error.defect.to_string()}))?;
    }
    Ok(result?)
}
