//! Objects in files.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::ValueEnum;
use kube::ResourceExt;
use kube::api::DynamicObject;
use ofn_contract::ObjectName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::GatewaySpec;
use crate::cluster::offline::Offline;
use crate::cluster::{Kind, name_of};

/// Form of what is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Output {
    Yaml,
    Json,
}

impl Output {
    /// Prints what is not a list of objects.
    pub(super) fn print(self, what: &impl Serialize) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match self {
            Self::Yaml => write!(out, "{}", serde_yaml_ng::to_string(what)?)?,
            Self::Json => writeln!(out, "{}", serde_json::to_string_pretty(what)?)?,
        }
        Ok(())
    }
}

/// The objects of all files, and the one OpenFunction Gateway among them.
pub(super) fn read(files: &[PathBuf]) -> Result<(Offline, ObjectName)> {
    let cluster = Offline::default();
    let mut gateway = None;
    for file in files {
        for object in objects(file)? {
            let Some(kind) = Kind::of(&object) else {
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
            if kind == Kind::Gateway {
                if gateway.replace(name_of(&object)).is_some() {
                    bail!(
                        "{}: there is a second OpenFunction Gateway; one is served",
                        file.display()
                    );
                }
                known_fields(&object).with_context(|| file.display().to_string())?;
            }
            cluster.insert(kind, &object);
        }
    }
    let gateway = gateway.ok_or_else(|| {
            anyhow!("no file has an OpenFunction Gateway (apiVersion: networking.openfunction.io/v1alpha1, kind: Gateway)")
        })?;
    Ok((cluster, gateway))
}

/// Refuses what the API server would drop without a word, as `kubectl apply` does. What else is
/// wrong with the spec is for the pass to say.
fn known_fields(gateway: &DynamicObject) -> Result<()> {
    let mut unknown = Vec::new();
    let _ = serde_ignored::deserialize::<_, _, GatewaySpec>(&gateway.data["spec"], |path| {
        // A `?` is for a field that may be absent.
        unknown.push(format!("spec.{path}").replace(".?", ""));
    });
    ensure!(
        unknown.is_empty(),
        "OpenFunction Gateway {}: no such field: {}",
        gateway.name_any(),
        unknown.join(", ")
    );
    Ok(())
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
