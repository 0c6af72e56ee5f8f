use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;
use tabwriter::TabWriter;

use crate::cli::PoliciesFolder;
use crate::cli::objects::Output;
use crate::policies::STANDARD;
use crate::sandbox::PolicyComponent;

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    policies: PoliciesFolder,
    /// Form of what is printed [default: a table]
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

impl List {
    pub(in crate::cli) fn main(self) -> Result<ExitCode> {
        let (folders, news) = self.policies.open()?;
        let warnings: Vec<_> = news.iter().filter(|news| news.is_warning()).collect();
        match self.output {
            Some(output) => {
                let one = |(file, policy): (&Path, &PolicyComponent)| {
                    let description = &policy.description;
                    json!({
                        "name": description.name,
                        "version": description.version,
                        "digest": policy.digest,
                        "file": file,
                        "controllerNames": description.controller_names,
                    })
                };
                let warnings = warnings.iter().map(ToString::to_string);
                output.print(&json!({
                    "policies": folders.serving().map(one).collect::<Vec<_>>(),
                    "warnings": warnings.collect::<Vec<_>>(),
                }))?;
            }
            None => {
                let mut table = TabWriter::new(std::io::stdout());
                writeln!(table, "NAME\tVERSION\tFILE\tCONTROLLERS")?;
                for (file, policy) in folders.serving() {
                    let description = &policy.description;
                    let controllers = match description.controller_names.as_slice() {
                        [] if description.name == STANDARD => "all others".to_owned(),
                        [] => "-".to_owned(),
                        names => names.join(", "),
                    };
                    let (name, version) = (&description.name, &description.version);
                    writeln!(
                        table,
                        "{name}\t{version}\t{}\t{controllers}",
                        file.display()
                    )?;
                }
                table.flush()?;
            }
        }
        for warning in &warnings {
            eprintln!("warning: {warning}");
        }
        Ok(if warnings.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
