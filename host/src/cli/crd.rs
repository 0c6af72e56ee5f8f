use std::process::ExitCode;

use anyhow::Result;

use crate::api;

/// Prints the definition as YAML.
pub(super) fn main() -> Result<ExitCode> {
    print!("{}", serde_yaml_ng::to_string(&api::definition())?);
    Ok(ExitCode::SUCCESS)
}
