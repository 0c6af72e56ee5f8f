use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use kube::ResourceExt;
use kube::api::DynamicObject;
use ofn_contract::ObjectName;
use serde::Deserialize;
use serde_json::Value;

use super::PoliciesFolder;
use crate::cluster::offline::{Offline, UID};
use crate::cluster::{Kind, name_of};
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Yaml,
    Json,
}

impl Render {
    pub(super) fn main(self) -> Result<ExitCode> {
        let policies = self.policies.load()?;
        let (cluster, gateway) = self.read()?;
        let outcome =
            futures::executor::block_on(pass::pass(&cluster, &policies, &gateway, &mut |_| ()))?;
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

    /// The objects of all files, and the one OpenFunction Gateway among them.
    fn read(&self) -> Result<(Offline, ObjectName)> {
        let cluster = Offline::default();
        let mut gateway = None;
        for file in &self.files {
            for object in objects(file)? {
                let Some(kind) = kind(&object) else {
                    let types = object.types.clone().unwrap_or_default();
                    eprintln!(
                        "{}: {} {} {} plays no part and is left out",
                        file.display(),
                        types.api_version,
                        types.kind,
                        object.name_any()
                    );
                    continue;
                };
                if kind == Kind::Gateway && gateway.replace(name_of(&object)).is_some() {
                    bail!(
                        "{}: there is a second OpenFunction Gateway; one is served",
                        file.display()
                    );
                }
                cluster.insert(kind, &object);
            }
        }
        let gateway = gateway.ok_or_else(|| {
            anyhow!("no file has an OpenFunction Gateway (apiVersion: networking.openfunction.io/v1alpha1, kind: Gateway)")
        })?;
        Ok((cluster, gateway))
    }

    fn print(&self, objects: impl Iterator<Item = Value>) -> Result<()> {
        let objects: Vec<Value> = objects.collect();
        match self.output {
            Output::Yaml => {
                for object in &objects {
                    print!("---\n{}", serde_yaml_ng::to_string(object)?);
                }
            }
            Output::Json => {
                let list =
                    serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
                println!("{}", serde_json::to_string_pretty(&list)?);
            }
        }
        Ok(())
    }
}

fn objects(file: &Path) -> Result<Vec<DynamicObject>> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin()
            .read_to_string(&mut text)
            .context("standard input cannot be read")?;
    } else {
        text = std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
    }
    let mut objects = Vec::new();
    for (index, document) in serde_yaml_ng::Deserializer::from_str(&text).enumerate() {
        let place = || format!("{}: document {}", file.display(), index + 1);
        let mut value = Value::deserialize(document).with_context(place)?;
        let items = match value.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            _ if value.is_null() => continue,
            _ => vec![value],
        };
        for item in items {
            objects.push(serde_json::from_value(item).with_context(place)?);
        }
    }
    Ok(objects)
}

fn kind(object: &DynamicObject) -> Option<Kind> {
    let types = object.types.as_ref()?;
    let group = |api_version: &str| {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        group.to_owned()
    };
    KINDS.into_iter().find(|kind| {
        let known = kind.types("v1");
        known.kind == types.kind && group(&known.api_version) == group(&types.api_version)
    })
}

const KINDS: [Kind; 5] = [
    Kind::Gateway,
    Kind::KubernetesGateway,
    Kind::GatewayClass,
    Kind::Service,
    Kind::EndpointSlice,
];

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
