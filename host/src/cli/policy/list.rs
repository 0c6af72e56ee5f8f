use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;
use tabwriter::TabWriter;

use crate::cli::PoliciesFolder;
use crate::cli::objects::Output;
use crate::policies::{News, Policies, STANDARD};
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
        let policies = folders.policies();
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
                        "controllerNames": served(policies, policy),
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
                    let controllers = match served(policies, policy).as_slice() {
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
        // That one comes before another is as somebody wants it; what cannot be used is not.
        let is_refused = |news: &News| matches!(news, News::Refused { .. });
        Ok(if news.iter().any(is_refused) {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// The controllers that are a component's: those that it claims and no other one before it.
fn served<'a>(policies: &Policies, policy: &'a PolicyComponent) -> Vec<&'a str> {
    let claimed = policy.description.controller_names.iter();
    let is_its = |controller: &&String| {
        policies.for_controller(controller).description.name == policy.description.name
    };
    claimed.filter(is_its).map(String::as_str).collect()
}
