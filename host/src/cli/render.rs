use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::PoliciesFolder;
use super::objects::{self, Output};
use crate::cluster::offline::UID;
use crate::pass;

#[derive(Debug, Args)]
pub(super) struct Render {
    #[command(flatten)]
    policies: PoliciesFolder,
    /// A file of objects, YAML or JSON; - for standard input. An OpenFunction Gateway, and what
    /// the cluster has: its Kubernetes Gateway, GatewayClass, Services
    #[arg(short, long = "filename", required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Form of the objects that are printed
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    output: Output,
}

impl Render {
    pub(super) fn main(self) -> Result<ExitCode> {
        let policies = self.policies.load()?;
        let (cluster, gateway) = objects::read(&self.files)?;
        let outcome = futures::executor::block_on(pass::pass(
            &cluster,
            &policies,
            &gateway,
            &mut |_| (),
            &mut Vec::new(),
        ))?;
        self.print(cluster.results().into_iter().map(tidy))?;
        for problem in &outcome.problems {
            let listener = problem
                .listener
                .as_ref()
                .map(|name| format!("listener {name}: "));
            eprintln!(
                "{}: {}{}",
                problem.reason,
                listener.unwrap_or_default(),
                problem.message
            );
        }
        Ok(if outcome.problems.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn print(&self, objects: impl Iterator<Item = Value>) -> Result<()> {
        let objects: Vec<Value> = objects.collect();
        match self.output {
            Output::Yaml => {
                let mut out = std::io::stdout().lock();
                for object in &objects {
                    write!(out, "---\n{}", serde_yaml_ng::to_string(object)?)?;
                }
                Ok(())
            }
            Output::Json => {
                let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
                self.output.print(&list)
            }
        }
    }
}

/// Without what only a cluster can give. Owner references keep the stand-in.
fn tidy(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        if metadata
            .get("uid")
            .and_then(Value::as_str)
            .is_none_or(|uid| uid.starts_with(UID))
        {
            metadata.remove("uid");
        }
        // Of no meaning beside an object that was made here.
        metadata.remove("resourceVersion");
        metadata.remove("managedFields");
    }
    object
}
