//! Files that are no policy component.

use std::fs::File;
use std::time::Duration;

use bytesize::ByteSize;
use ofn_gateway::sandbox::{CompileError, Defect, Limits};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{SANDBOX, defect, load, load_in, sandbox};
use ofn_tests::corpus::{self, FUNCTIONS, Module};

fn refused(bytes: &[u8]) -> bool {
    matches!(defect(bytes), Defect::Compile(CompileError::Refused(_)))
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text is a component")
}

fn contract_defect(text: &str) -> String {
    match defect(&component(text)) {
        Defect::Contract(detail) => detail,
        other => panic!("{other}"),
    }
}

#[test]
fn an_empty_file_is_refused() {
    assert!(refused(b""));
}

#[test]
fn a_text_file_is_refused() {
    // Not taken for WebAssembly text either.
    assert!(refused(b"(component)"));
}

#[test]
fn a_core_module_is_refused() {
    assert!(refused(&Module::honest().core()));
}

/// A component in which two exports have one name, which the compiler's message quotes.
fn says(name: &str) -> Vec<u8> {
    let export = format!(r#"(func (export "{name}"))"#);
    component(&format!("(component (core module {export} {export}))"))
}

#[test]
fn what_a_file_says_is_shown_as_text() {
    let error = defect(&says(r"\1b[2J\1b[31mall is well\e2\80\ae")).to_string();
    assert!(error.contains("[31mall is well"), "{error}");
    let is_odd = |char: char| char.is_control() || char == '\u{202e}';
    assert!(!error.contains(is_odd), "{error:?}");
}

#[test]
fn what_a_component_imports_is_shown_as_text() {
    let name = r"url=<\1b[2J\e2\80\ae>";
    let text = format!("(component (import \"{name}\" (func)))");
    let defect = defect(&component(&text));
    assert!(matches!(defect, Defect::Imports(_)), "{defect}");
    let error = defect.to_string();
    let is_odd = |char: char| char.is_control() || char == '\u{202e}';
    assert!(!error.contains(is_odd), "{error:?}");
}

#[test]
fn what_a_file_says_changes_no_reason() {
    for name in ["out of memory", "memory allocation of 1 bytes failed"] {
        assert!(refused(&says(name)), "{name}");
    }
    assert!(refused(&says(&"long".repeat(25_000))));
}

#[test]
fn a_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = SANDBOX.load(folder.path()).err().expect("refused");
    assert!(error.to_string().contains("not a file"), "{error}");
}

/// Opening one to read would wait for a writer.
#[test]
fn a_pipe_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe.wasm");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    let error = SANDBOX.load(&pipe).err().expect("refused");
    assert!(error.to_string().contains("not a file"), "{error}");
}

#[test]
fn a_file_of_a_gigabyte_is_refused() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    File::set_len(file.as_file(), 1 << 30).expect("a gigabyte");
    let error = SANDBOX.load(file.path()).err().expect("refused");
    assert!(error.to_string().contains("larger than 8.0 MiB"), "{error}");
}

#[test]
fn an_import_of_wasi_is_refused() {
    let text = "(component (import \"wasi:clocks/wall-clock@0.2.0\" (instance)))";
    match defect(&component(text)) {
        Defect::Imports(import) => assert_eq!(import, "wasi:clocks/wall-clock@0.2.0"),
        other => panic!("{other}"),
    }
}

#[test]
fn an_import_of_something_unknown_is_refused() {
    let text = "(component (import \"secret\" (func (result string))))";
    assert!(matches!(defect(&component(text)), Defect::Imports(import) if import == "secret"));
}

#[test]
fn a_component_without_the_contract_is_refused() {
    assert!(
        contract_defect("(component)").contains("openfunction:gateway/policy@0.1.0 is missing")
    );
}

/// All functions of the contract.
fn functions() -> impl Iterator<Item = &'static str> {
    ["describe"].into_iter().chain(FUNCTIONS)
}

/// The contract with another line in place of the one that a function is declared in.
fn contract_with(function: &str, line: impl Fn(&str) -> String) -> String {
    let path = ofn_tests::host::workspace().join("wit/gateway.wit");
    let contract = std::fs::read_to_string(path).expect("wit/gateway.wit");
    let is_it = |line: &&str| line.starts_with(&format!("  {function}: func("));
    let declared = contract.lines().find(is_it).expect("it is declared");
    contract.replace(declared, &line(declared))
}

/// What is said of a component that keeps another contract.
fn defect_against(contract: &str) -> String {
    match defect(&Module::honest().component_for(contract)) {
        Defect::Contract(detail) => detail,
        other => panic!("{other}"),
    }
}

#[test]
fn a_component_without_a_function_of_the_contract_is_refused() {
    for function in functions() {
        let detail = defect_against(&contract_with(function, |_| String::new()));
        assert_eq!(detail, format!("the function {function} is missing"));
    }
}

#[test]
fn another_version_of_the_contract_is_refused() {
    let contract = "package openfunction:gateway@9.0.0;
        interface policy { describe: func() -> u32; }
        world policy-component { export policy; }";
    let module = wat::parse_str(
        "(module (func (export \"openfunction:gateway/policy@9.0.0#describe\") (result i32)
           i32.const 0))",
    );
    let bytes = ofn_tests::corpus::encoded(module.expect("a module"), contract);
    match defect(&bytes) {
        Defect::Contract(detail) => assert!(detail.contains("is missing"), "{detail}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_function_with_another_answer_is_refused_by_its_name() {
    for function in functions() {
        let contract = contract_with(function, |line| {
            let (arguments, _) = line.split_once("->").expect("an answer");
            format!("{arguments} -> result<string, list<violation>>;")
        });
        let detail = defect_against(&contract);
        let named = format!("the function {function} has another type: ");
        assert!(detail.starts_with(&named), "{detail}");
        assert!(detail.contains("expected"), "{detail}");
    }
}

#[test]
fn a_function_with_another_argument_is_refused_by_its_name() {
    for function in FUNCTIONS {
        let contract = contract_with(function, |line| {
            let (_, answer) = line.split_once("->").expect("an answer");
            format!("{function}: func(seen: kubernetes-gateway) -> {answer}")
        });
        let detail = defect_against(&contract);
        let named = format!("the function {function} has another type: ");
        assert!(detail.starts_with(&named), "{detail}");
    }
}

#[test]
fn a_record_with_another_field_is_refused_with_the_name_of_who_uses_it() {
    let path = ofn_tests::host::workspace().join("wit/gateway.wit");
    let contract = std::fs::read_to_string(path).expect("wit/gateway.wit");
    let other = contract.replace("path: string,", "path: list<u8>,");
    assert_ne!(contract, other);
    let detail = defect_against(&other);
    assert!(
        detail.starts_with("the function route-of has another type: "),
        "{detail}"
    );
    assert!(detail.contains("expected"), "{detail}");
}

#[test]
fn a_description_that_breaks_a_rule_is_refused() {
    // The name becomes one of three letters in the middle of a version.
    let module = Module::honest().with(
        "describe",
        "(i32.store (i32.const 16) (i32.const 264)) (i32.store (i32.const 20) (i32.const 3)) \
         (i32.const 16)",
    );
    match defect(&module.component()) {
        Defect::Broken(broken) => assert!(broken.to_string().contains("DNS label"), "{broken}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_component_of_too_many_tables_is_refused() {
    let module = Module::honest().with("more", "(table 1 funcref)".repeat(5));
    let defect = defect(&module.component());
    assert!(matches!(defect, Defect::Parts(_)), "{defect}");
}

/// The engine lists what is too large, one on each line.
#[test]
fn a_component_of_too_many_data_segments_is_refused_on_one_line() {
    let module = Module::honest().with("more", "(data \"\")".repeat(90_000));
    let defect = defect(&module.component());
    assert!(matches!(defect, Defect::Parts(_)), "{defect}");
    let error = defect.to_string();
    assert!(!error.contains(char::is_control), "{error:?}");
    assert!(error.len() < 1000, "{error}");
}

/// A component of so many of these, which lacks the contract: if it is not refused for its parts, it
/// is for that.
fn has_too_many_parts(parts: &str) -> bool {
    match defect(&component(&format!("(component {parts})"))) {
        Defect::Parts(_) => true,
        Defect::Contract(_) => false,
        other => panic!("{other}"),
    }
}

#[test]
fn a_component_of_too_many_core_instances_is_refused() {
    let instances = |number| {
        let instance = "(core instance (instantiate $m))";
        format!("(core module $m) {}", instance.repeat(number))
    };
    assert!(!has_too_many_parts(&instances(16)));
    assert!(has_too_many_parts(&instances(17)));
}

#[test]
fn a_component_of_too_many_memories_is_refused() {
    let memories = |number| {
        let instance = "(core instance (instantiate $m))";
        format!("(core module $m (memory 0)) {}", instance.repeat(number))
    };
    assert!(!has_too_many_parts(&memories(3)));
    assert!(has_too_many_parts(&memories(4)));
}

#[test]
fn a_memory_that_is_too_large_from_the_start_is_refused() {
    let module = Module::honest().with("memory", "(memory (export \"memory\") 257)");
    let defect = defect(&module.component());
    assert!(matches!(defect, Defect::Parts(_)), "{defect}");
}

#[test]
fn a_component_that_takes_for_ever_to_compile_is_given_up() {
    let limits = Limits {
        compile_time: Duration::from_secs(1),
        compile_memory: ByteSize::gib(4),
        ..Limits::default()
    };
    let bytes = corpus::endless_to_compile();
    assert!((bytes.len() as u64) < limits.file.as_u64());
    let error = load_in(&sandbox(limits), &bytes).err().expect("given up");
    let defect = *error.defect;
    assert!(
        matches!(defect, Defect::Compile(CompileError::Time(_))),
        "{defect}"
    );
}

#[test]
fn a_truncated_file_is_refused() {
    let bytes = Module::honest().component();
    for length in (0..bytes.len()).step_by(bytes.len() / 16 + 1) {
        assert!(load(&bytes[..length]).is_err(), "{length} bytes are taken");
    }
}

/// Most are refused; one that loads is a component like any other. What must not happen is that
/// this process, or the one that compiles, crashes.
#[test]
fn a_flipped_bit_crashes_nothing() {
    let bytes = Module::honest().component();
    let bits = bytes.len() * 8;
    let mut runner = TestRunner::new(Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&(0..bits), |bit| {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match load(&bytes) {
                Ok(policy) => drop(super::call_fault(&policy)),
                Err(error) => prop_assert!(
                    !matches!(*error.defect, Defect::Compile(CompileError::Crashed(_))),
                    "{error}"
                ),
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}
