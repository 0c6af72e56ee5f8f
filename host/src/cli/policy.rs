//! The commands for those who write a component.

mod new;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Makes a project for a component of your own, in Rust, that builds by itself
    New(new::New),
}

impl Policy {
    pub(super) fn main(self) -> Result<ExitCode> {
        match self {
            Self::New(new) => new.main(),
        }
    }
}
