use std::process::ExitCode;

use anyhow::Result;

use super::objects::Output;
use crate::api;

/// Prints the definition as YAML.
pub(super) fn main() -> Result<ExitCode> {
    Output::Yaml.print(&api::definition())?;
    Ok(ExitCode::SUCCESS)
}
