//! Kubernetes Gateways with the status that implementations wrote.

use include_dir::{Dir, include_dir};
use proptest::prelude::*;
use serde_json::Value;

use super::object;
use crate::names;

static FILES: Dir = include_dir!("$CARGO_MANIFEST_DIR/../tests/recorded");

/// The names of the files.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FILES.files().filter_map(|file| file.path().to_str())
}

/// The Kubernetes Gateway of a file, whose listeners are ours or another's.
pub(super) fn kubernetes_gateway(file: &'static str) -> impl Strategy<Value = Value> {
    let file = FILES.get_file(file);
    let recorded: Value = file
        .and_then(|file| serde_yaml_ng::from_slice(file.contents()).ok())
        .unwrap_or_default();
    any::<bool>().prop_map(move |is_ours| {
        let listeners = recorded["spec"]["listeners"].as_array().cloned();
        let status = recorded["status"].clone();
        let mut object = object("class", listeners.unwrap_or_default(), status, is_ours);
        // The status is of this generation.
        let metadata = &mut object["metadata"];
        metadata["generation"] = recorded["metadata"]["generation"].clone();
        if is_ours {
            let generation = metadata["generation"].to_string();
            metadata["annotations"][names::GENERATION_ANNOTATION] = generation.into();
        }
        object
    })
}
