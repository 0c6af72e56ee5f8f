//! How hostile components are made: core modules in WebAssembly text, turned into components by the
//! same tool as honest ones.

use std::collections::BTreeMap;

use ofn_tests::host::workspace;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A core module that does all that the contract asks for, with violations as its answers, and that
/// one part at a time can be replaced in.
pub struct Module {
    parts: BTreeMap<&'static str, String>,
}

/// The functions that take their arguments and give their answers in memory.
pub const FUNCTIONS: [&str; 5] = [
    "default",
    "route-of",
    "service-queries",
    "decide",
    "aggregate-status",
];

/// Addresses in the memory of a [`Module`].
pub const DESCRIPTION: u32 = 16;
pub const VIOLATIONS: u32 = 64;
const HEAP: u32 = 65536;

impl Module {
    pub fn honest() -> Self {
        let mut parts = BTreeMap::from([
            ("memory", "(memory (export \"memory\") 4)".to_owned()),
            ("more", String::new()),
            ("describe", format!("i32.const {DESCRIPTION}")),
            (
                "realloc",
                "global.get $heap (local.set 4 (global.get $heap)) \
                 (global.set $heap (i32.add (global.get $heap) \
                 (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8))))"
                    .to_owned(),
            ),
        ]);
        for function in FUNCTIONS {
            parts.insert(function, format!("i32.const {VIOLATIONS}"));
        }
        Self { parts }
    }

    /// One part replaced: the body of a function, `realloc`, `memory`, or `more` of a module.
    pub fn with(mut self, part: &'static str, text: impl Into<String>) -> Self {
        self.parts.insert(part, text.into());
        self
    }

    pub fn core(&self) -> Vec<u8> {
        let part = |name| &self.parts[name];
        let interface = "openfunction:gateway/policy@0.1.0";
        let mut text = format!(
            "(module {} {} (global $heap (mut i32) (i32.const {HEAP}))
             (data (i32.const {DESCRIPTION}) \"{}\")
             (data (i32.const {VIOLATIONS}) \"\\01\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\")
             (data (i32.const 256) \"hostile0.1.0\")
             (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (local i32) {})
             (func (export \"{interface}#describe\") (result i32) {})",
            part("memory"),
            part("more"),
            words(&[256, 7, 263, 5, 0, 0, 0, 0]),
            part("realloc"),
            part("describe"),
        );
        for function in FUNCTIONS {
            text += &format!(
                "(func (export \"{interface}#{function}\") (param i32) (result i32) {})",
                part(function)
            );
        }
        wat::parse_str(text + ")").expect("the text is a module")
    }

    /// The component, against the contract as it is in `wit/`.
    pub fn component(&self) -> Vec<u8> {
        let contract = std::fs::read_to_string(workspace().join("wit/gateway.wit"));
        self.component_for(&contract.expect("wit/gateway.wit"))
    }

    /// The component, against another contract.
    pub fn component_for(&self, contract: &str) -> Vec<u8> {
        encoded(self.core(), contract)
    }
}

/// A core module as a component, against a contract.
pub fn encoded(mut module: Vec<u8>, contract: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve
        .push_str("gateway.wit", contract)
        .expect("the contract is WIT");
    let world = resolve.select_world(&[package], None).expect("one world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
        .expect("metadata");
    ComponentEncoder::default()
        .module(&module)
        .expect("a module")
        .encode()
        .expect("a component")
}

/// 32-bit words as a WebAssembly text string.
pub fn words(words: &[u32]) -> String {
    words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .map(|byte| format!("\\{byte:02x}"))
        .collect()
}
