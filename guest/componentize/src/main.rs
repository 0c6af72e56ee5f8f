//! Turns a core module that cargo built with `wit-bindgen` into a component.

use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use wasm_encoder::{Component, RawSection};
use wasmparser::{Parser, Payload};
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
        .and_then(|encoded| without_names(&encoded))
        .with_context(|| format!("{} does not make a component", module.display()))?;
    std::fs::write(component, encoded).with_context(|| format!("writing {}", component.display()))
}

/// The component without the names of its parts, which only a debugger reads.
fn without_names(encoded: &[u8]) -> Result<Vec<u8>> {
    let mut component = Component::new();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(encoded) {
        let payload = payload?;
        let section = payload.as_section();
        match &payload {
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(custom) if custom.name() == "component-name" => {}
            _ => {
                if let (0, Some((id, range))) = (depth, section) {
                    let data = bytes_of(encoded, &range)?;
                    component.section(&RawSection { id, data });
                }
            }
        }
        // What is in a part follows it.
        if let Payload::ModuleSection { .. } | Payload::ComponentSection { .. } = payload {
            depth += 1;
        }
    }
    Ok(component.finish())
}

fn bytes_of<'a>(encoded: &'a [u8], range: &Range<u64>) -> Result<&'a [u8]> {
    let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
    encoded
        .get(range)
        .context("a section outside the component")
}
