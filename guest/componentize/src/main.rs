//! Turns a core module that cargo built with `wit-bindgen` into a component.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use wit_component::ComponentEncoder;

fn main() -> Result<()> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [module, component] = paths.as_slice() else {
        bail!("usage: componentize MODULE.wasm COMPONENT.wasm");
    };
    let bytes = std::fs::read(module).with_context(|| format!("reading {}", module.display()))?;
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|encoder| encoder.encode())
        .with_context(|| format!("{} does not make a component", module.display()))?;
    std::fs::write(component, encoded).with_context(|| format!("writing {}", component.display()))
}
