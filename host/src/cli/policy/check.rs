use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::SandboxArgs;
use crate::cli::objects::Output;
use crate::conformance::{self, Verdict};

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
        let policy = Arc::new(self.sandbox.start()?.load(&self.file)?);
        if self.output.is_none() {
            let description = &policy.description;
            println!(
                "{} {} ({})",
                description.name, description.version, policy.digest
            );
            println!(
                "ok    it loads: it imports nothing, and exports {}",
                ofn_contract::INTERFACE
            );
        }
        let mut verdicts = Vec::new();
        for verdict in conformance::check(&policy, self.cases) {
            if self.output.is_none() {
                print(&verdict);
            }
            verdicts.push(verdict);
        }
        let broken = verdicts.iter().filter(|verdict| verdict.example.is_some());
        let broken = broken.count();
        match self.output {
            Some(output) => output.print(&verdicts.iter().map(shown).collect::<Vec<_>>())?,
            None if broken == 0 => println!("It keeps the contract, as far as this can tell."),
            None => println!("It breaks {broken} of {} rules.", verdicts.len()),
        }
        Ok(if broken == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn shown(verdict: &Verdict) -> Value {
    let example = verdict.example.as_ref();
    json!({
        "rule": verdict.rule,
        "holds": example.is_none(),
        "inputs": verdict.inputs,
        "why": example.map(|example| &example.why),
        "input": example.map(|example| &example.input),
    })
}

fn print(verdict: &Verdict) {
    match &verdict.example {
        None if verdict.inputs == 0 => {
            println!("?     {} (not tried: it answered nothing)", verdict.rule);
        }
        None => println!("ok    {} ({} inputs)", verdict.rule, verdict.inputs),
        Some(example) => {
            println!("FAIL  {}", verdict.rule);
            println!("      {}", example.why);
            println!("      With these objects:");
            for line in example.input.lines() {
                println!("      {line}");
            }
        }
    }
}
