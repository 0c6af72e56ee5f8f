use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::SandboxArgs;
use crate::cli::objects::Output;
use crate::cli::policy::or_shown;
use crate::conformance::{self, Outcome, Verdict};
use crate::sandbox::PolicyComponent;

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// The component
    file: PathBuf,
    /// How many inputs of each kind every rule is tried with
    #[arg(long, value_name = "NUMBER", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    cases: u32,
    #[command(flatten)]
    sandbox: SandboxArgs,
    /// Form of what is printed [default: text]
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

impl Check {
    pub(in crate::cli) fn main(self) -> Result<ExitCode> {
        let loaded = self.sandbox.start()?.load(&self.file);
        let policy = Arc::new(or_shown(loaded, &self.file, self.output)?);
        let verdicts = conformance::check(&policy, self.cases);
        let conforms = match self.output {
            Some(output) => {
                let verdicts: Vec<_> = verdicts.collect();
                let conforms = verdicts.iter().all(Verdict::holds);
                output.print(&json!({
                    "file": self.file,
                    "name": policy.description.name,
                    "version": policy.description.version,
                    "digest": policy.digest,
                    "conforms": conforms,
                    "rules": verdicts.iter().map(shown).collect::<Vec<_>>(),
                }))?;
                conforms
            }
            None => print(&policy, verdicts)?,
        };
        Ok(if conforms {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn shown(verdict: &Verdict) -> Value {
    let mut shown = match &verdict.outcome {
        Outcome::Holds(inputs) => json!({"outcome": "Holds", "inputs": inputs}),
        Outcome::Untried(why) => json!({"outcome": "Untried", "why": why}),
        Outcome::Broken(example) => {
            json!({"outcome": "Broken", "why": example.why, "input": example.input})
        }
    };
    shown["rule"] = verdict.rule.into();
    shown
}

/// Prints each verdict as soon as it is there, and answers whether all rules hold.
fn print(policy: &PolicyComponent, verdicts: impl Iterator<Item = Verdict>) -> Result<bool> {
    let mut out = std::io::stdout();
    let description = &policy.description;
    let (name, version, digest) = (&description.name, &description.version, &policy.digest);
    writeln!(out, "{name} {version} ({digest})")?;
    writeln!(
        out,
        "ok    it loads: it imports nothing, and exports {}",
        ofn_contract::INTERFACE
    )?;
    let (mut rules, mut kept) = (0, 0);
    for verdict in verdicts {
        let rule = verdict.rule;
        match &verdict.outcome {
            Outcome::Holds(inputs) => writeln!(out, "ok    {rule} ({inputs} inputs)")?,
            Outcome::Untried(why) => {
                writeln!(out, "FAIL  {rule}")?;
                writeln!(
                    out,
                    "      It could not be tried: the component has no answer for any input. For the first one, {why}"
                )?;
            }
            Outcome::Broken(example) => {
                writeln!(out, "FAIL  {rule}")?;
                writeln!(out, "      {}", example.why)?;
                writeln!(out, "      With these objects:")?;
                for line in example.input.lines() {
                    writeln!(out, "      {line}")?;
                }
            }
        }
        rules += 1;
        kept += u32::from(verdict.holds());
    }
    if kept == rules {
        writeln!(out, "It keeps the contract, as far as this can tell.")?;
    } else {
        writeln!(out, "It keeps {kept} of {rules} rules.")?;
    }
    Ok(kept == rules)
}
