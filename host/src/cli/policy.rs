mod check;
mod inspect;
mod list;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Shows which components there are, and which controllers they serve
    List(list::List),
    /// Shows what a component is and what it says of itself
    Inspect(inspect::Inspect),
    /// Tries whether a component keeps the contract, with hundreds of inputs
    Check(check::Check),
}

impl Policy {
    pub(super) fn main(self) -> Result<ExitCode> {
        match self {
            Self::List(list) => list.main(),
            Self::Inspect(inspect) => inspect.main(),
            Self::Check(check) => check.main(),
        }
    }
}
