//! Hostile components: core modules in WebAssembly text, turned into components by the same tool as
//! honest ones.

use std::collections::BTreeMap;

use ofn_gateway::sandbox::Fault;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::host::workspace;

/// A component that goes wrong.
pub struct Misdeed {
    /// What it does, as the name of a test.
    pub name: &'static str,
    /// When.
    pub when: When,
    /// What comes of it.
    pub fault: Fault,
    /// The component.
    pub module: Module,
}

/// When a component goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// As it is loaded: when it is instantiated, or says what it is.
    Load,
    /// When `default` is called.
    Call,
}

macro_rules! all {
    ($($(#[doc = $why:literal])* $name:ident: $when:ident, $fault:ident => $module:expr;)*) => {
        /// All of them.
        pub fn all() -> Vec<Misdeed> {
            vec![$(Misdeed {
                name: stringify!($name),
                when: When::$when,
                fault: Fault::$fault,
                module: $module,
            }),*]
        }
    };
}

const ENDLESS: &str = "(loop $l (br $l)) unreachable";

all! {
    an_endless_loop_is_ended: Call, Time => Module::honest().with("default", ENDLESS);
    an_endless_loop_in_describe_is_ended: Load, Time =>
        Module::honest().with("describe", ENDLESS);
    an_endless_loop_in_the_start_function_is_ended: Load, Time =>
        Module::honest().with("more", format!("(start $s) (func $s {ENDLESS})"));
    an_endless_loop_in_realloc_is_ended: Call, Time =>
        Module::honest().with("realloc", ENDLESS);
    an_endless_loop_in_post_return_is_ended: Call, Time => Module::honest().with(
        "more",
        format!(
            "(func (export \"cabi_post_openfunction:gateway/policy@0.1.0#default\") (param i32) \
             {ENDLESS})"
        ),
    );
    endless_recursion_is_ended: Call, Stack => Module::honest()
        .with("more", "(func $r (result i32) (i32.add (call $r) (i32.const 1)))")
        .with("default", "(call $r)");
    memory_that_grows_without_end_is_refused: Call, Memory => Module::honest().with(
        "default",
        "(loop $l (drop (memory.grow (i32.const 1))) (br $l)) unreachable",
    );
    a_table_that_grows_without_end_is_refused: Call, Memory => Module::honest()
        .with("more", "(table $t 1 funcref)")
        .with(
            "default",
            "(loop $l (drop (table.grow $t (ref.null func) (i32.const 100))) (br $l)) unreachable",
        );
    /// One bulk operation is not interrupted, so the memory bounds it; a loop of them is.
    bulk_memory_operations_in_a_loop_are_ended: Call, Time => Module::honest()
        .with("memory", "(memory (export \"memory\") 256)")
        .with(
            "default",
            "(loop $l (memory.fill (i32.const 0) (i32.const 7) (i32.const 16777216)) (br $l)) \
             unreachable",
        );
    a_trap_is_told: Call, Trap => Module::honest().with("default", "unreachable");
    a_division_by_zero_is_a_trap: Call, Trap =>
        Module::honest().with("default", "(i32.div_u (i32.const 1) (i32.const 0))");
    an_answer_outside_the_memory_is_refused: Call, Unreadable =>
        Module::honest().with("default", "i32.const 0x7ffffff0");
    an_answer_that_is_not_aligned_is_refused: Call, Unreadable =>
        Module::honest().with("default", "i32.const 65");
    a_list_that_ends_outside_the_memory_is_refused: Call, Unreadable =>
        violations(65536, 0x0fff_ffff);
    a_list_that_is_longer_than_addresses_are_is_refused: Call, Unreadable =>
        violations(65536, 0xffff_ffff);
    /// Empty texts, which still cost the host memory.
    a_list_that_is_huge_is_too_large: Call, TooLarge =>
        violations(65536, 300_000).with("memory", "(memory (export \"memory\") 200)");
    /// Every element is the same large text: small in the component, huge in the host.
    texts_that_overlap_are_too_large: Call, TooLarge => violations(65536, 100)
        .with("memory", "(memory (export \"memory\") 16)")
        .with(
            "more",
            format!(
                "(data (i32.const {}) \"{}\") (data (i32.const 65536) \"{}\")",
                VIOLATIONS + 64,
                words(&[1, 65536, 100]),
                words(&[131_072, 60_000, 131_072, 60_000, 131_072, 60_000]).repeat(100)
            ),
        );
    a_text_that_is_not_utf_8_is_refused: Load, Unreadable => Module::honest()
        .with("more", "(data (i32.const 300) \"\\ff\\fe\") ")
        .with(
            "describe",
            format!(
                "(i32.store (i32.const {DESCRIPTION}) (i32.const 300)) (i32.const {DESCRIPTION})"
            ),
        );
    a_case_that_a_result_does_not_have_is_refused: Call, Unreadable => Module::honest()
        .with("more", format!("(data (i32.const {}) \"\\07\")", VIOLATIONS + 64))
        .with("default", format!("i32.const {}", VIOLATIONS + 64));
    an_allocation_outside_the_memory_is_refused: Call, Unreadable =>
        Module::honest().with("realloc", "i32.const 0x7ffffff0");
    /// Resources of its own, which live in wasmtime's memory.
    handles_without_end_are_refused: Call, Memory => Module::honest()
        .with("import", "(import \"[export]openfunction:gateway/extra@0.1.0\" \"[resource-new]thing\" \
             (func $new (param i32) (result i32)))")
        .with(
            "more",
            "(func (export \"openfunction:gateway/extra@0.1.0#[constructor]thing\") (result i32) \
             (call $new (i32.const 1)))",
        )
        .with("contract", "interface extra { resource thing { constructor(); } } \
             world more { export policy; export extra; }")
        .with("default", "(loop $l (drop (call $new (i32.const 1))) (br $l)) unreachable");
}

/// A module whose `default` answers with a list of violations that it lies about.
fn violations(pointer: u32, length: u32) -> Module {
    Module::honest()
        .with(
            "more",
            format!(
                "(data (i32.const {}) \"{}\")",
                VIOLATIONS + 64,
                words(&[1, pointer, length])
            ),
        )
        .with("default", format!("i32.const {}", VIOLATIONS + 64))
}

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

/// Address of the description in the memory of a [`Module`].
pub const DESCRIPTION: u32 = 16;
/// Here is an empty list of violations as an answer.
pub const VIOLATIONS: u32 = 64;
/// From here on there is what the host writes: arguments.
pub const HEAP: u32 = 3 << 16;

impl Module {
    /// One that does nothing wrong.
    pub fn honest() -> Self {
        let mut parts = BTreeMap::from([
            ("memory", "(memory (export \"memory\") 4)".to_owned()),
            ("import", String::new()),
            ("more", String::new()),
            ("contract", String::new()),
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

    /// One part replaced: the body of a function, `realloc`, `memory`, `import` or `more` of a module,
    /// or what its `contract` has besides.
    pub fn with(mut self, part: &'static str, text: impl Into<String>) -> Self {
        self.parts.insert(part, text.into());
        self
    }

    /// The core module.
    pub fn core(&self) -> Vec<u8> {
        let part = |name| &self.parts[name];
        let interface = "openfunction:gateway/policy@0.1.0";
        let mut text = format!(
            "(module {} {} {} (global $heap (mut i32) (i32.const {HEAP}))
             (data (i32.const {DESCRIPTION}) \"{}\")
             (data (i32.const {VIOLATIONS}) \"\\01\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\")
             (data (i32.const 256) \"hostile0.1.0\")
             (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (local i32) {})
             (func (export \"{interface}#describe\") (result i32) {})",
            part("import"),
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
        self.component_for(&(contract.expect("wit/gateway.wit") + &self.parts["contract"]))
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
    // The last one, where there is another beside ours.
    let world = *resolve.packages[package]
        .worlds
        .values()
        .last()
        .expect("a world");
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

/// A component that takes for ever to compile: thousands of blocks, each of which may be reached with
/// any of thousands of values.
pub fn endless_to_compile() -> Vec<u8> {
    let locals = "i32 ".repeat(2000);
    let blocks: String = (0..30_000)
        .map(|block| {
            let local = block % 2000;
            format!(
                "(loop $l (local.set {local} (i32.add (local.get {local}) (local.get {}))) \
                 (br_if $l (local.get {})))",
                (block + 7) % 2000,
                (block + 13) % 2000
            )
        })
        .collect();
    let text = format!("(component (core module (func (local {locals}) {blocks})))");
    wat::parse_str(text).expect("the text is a component")
}
