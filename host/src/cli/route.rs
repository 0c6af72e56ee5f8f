use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use ofn_contract::dns::{is_label, is_subdomain};
use ofn_contract::{ObjectName, Violation};
use serde_json::json;

use super::PoliciesFolder;
use super::objects::{self, Output};
use crate::pass::report::Problem;
use crate::pass::{decide, observe};

#[derive(Debug, Args)]
pub(super) struct Route {
    #[command(flatten)]
    policies: PoliciesFolder,
    /// A file with an OpenFunction Gateway, YAML or JSON; - for standard input
    #[arg(short, long = "filename", required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The function
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = function)]
    function: ObjectName,
    /// Form of what is printed
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    output: Output,
}

fn function(text: &str) -> Result<ObjectName, String> {
    match text.split_once('/') {
        Some((namespace, name)) if is_label(namespace) && is_subdomain(name) => Ok(ObjectName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }),
        _ => {
            Err("write the namespace and the name of a function, such as default/hello".to_owned())
        }
    }
}

impl Route {
    pub(super) fn main(self) -> Result<ExitCode> {
        let policies = self.policies.load()?;
        let (cluster, name) = objects::read(&self.files)?;
        let gateway = futures::executor::block_on(observe::gateway(&cluster, &name))?
            .context("the OpenFunction Gateway is gone")??;
        let policy = match decide::named_policy(&policies, &gateway) {
            None => policies.standard(),
            Some(Ok(policy)) => policy,
            Some(Err(problem)) => bail!(problem.message),
        };
        let spec = or_violations(decide::spec(policy, &gateway)?)?;
        let route = or_violations(decide::route(policy, &spec, &self.function)?)?;
        let route = json!({
            "hostnames": route.hostnames,
            "path": route.path,
            "labels": {route.label.key: route.label.value},
        });
        self.output.print(&route)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn or_violations<T>(answer: Result<T, Vec<Violation>>) -> Result<T> {
    answer.map_err(|violations| {
        let problem = Problem::violations(&violations);
        anyhow::anyhow!("{}: {}", problem.reason, problem.message)
    })
}
