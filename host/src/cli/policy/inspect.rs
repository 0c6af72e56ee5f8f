use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::SandboxArgs;
use crate::cli::objects::Output;
use crate::cli::policy::or_shown;
use crate::names;
use crate::sandbox::PolicyComponent;

#[derive(Debug, Args)]
pub(in crate::cli) struct Inspect {
    /// The component
    file: PathBuf,
    #[command(flatten)]
    sandbox: SandboxArgs,
    /// Form of what is printed
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    output: Output,
}

impl Inspect {
    pub(in crate::cli) fn main(self) -> Result<ExitCode> {
        let inspected = self.sandbox.start()?.inspect(&self.file);
        let inspection = or_shown(inspected, &self.file, Some(self.output))?;
        let mut shown = json!({
            "file": self.file,
            "size": inspection.size,
            "digest": inspection.digest,
            "exports": inspection.exports,
            "imports": inspection.imports,
        });
        let rest = match &inspection.policy {
            Ok(policy) => described(policy),
            Err(error) => json!({"error": error.defect.to_string()}),
        };
        json_patch::merge(&mut shown, &rest);
        self.output.print(&shown)?;
        // Why it cannot be used is among what is shown.
        Ok(match inspection.policy {
            Ok(_) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        })
    }
}

fn described(policy: &PolicyComponent) -> Value {
    let description = &policy.description;
    let setting = |setting: &ofn_contract::Setting| {
        json!({
            "annotation": format!("{}{}", names::SETTING_PREFIX, setting.name),
            "kind": setting.kind,
            "default": setting.default_value,
            "help": setting.help,
        })
    };
    json!({
        "name": description.name,
        "version": description.version,
        "controllerNames": description.controller_names,
        "settings": description.settings.iter().map(setting).collect::<Vec<_>>(),
    })
}
