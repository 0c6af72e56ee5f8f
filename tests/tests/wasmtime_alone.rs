//! A component called with nothing of our host: from Rust, as the wasmtime command line calls it,
//! and from Python. The calls are those of `guest/samples/`, and so are their answers, which
//!
//!     WRITE_SAMPLES=1 cargo test --locked --release --workspace --test wasmtime_alone
//!
//! writes anew. What `guest/testing-with-wasmtime.md` shows is checked here, too.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use ofn_tests::{control_plane, host};
use wasm_wave::parser::ParserError;
use wasm_wave::untyped::{UntypedFuncCall, UntypedValue};
use wasm_wave::value::{FuncType, Value, resolve_wit_func_type};
use wasm_wave::wasm::{DisplayValue, WasmFunc, WasmTypeKind, WasmValue};
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Engine, Store};

#[path = "../../guest/samples/ask.rs"]
mod ask;

/// An answer that takes no more columns than this stands on one line.
const WIDTH: usize = 80;

/// The functions of `wit/gateway.wit`.
static CONTRACT: LazyLock<BTreeMap<String, FuncType>> = LazyLock::new(|| {
    let mut resolve = wit_parser::Resolve::new();
    let file = host::workspace().join("wit/gateway.wit");
    resolve.push_file(file).expect("the contract is WIT");
    resolve
        .interfaces
        .iter()
        .flat_map(|(_, interface)| &interface.functions)
        .map(|(name, function)| (name, resolve_wit_func_type(&resolve, function)))
        .map(|(name, function)| (name.clone(), function.expect("WAVE has all its types")))
        .collect()
});

#[test]
fn every_function_of_the_contract_has_a_sample() -> Result<()> {
    let mut called = Vec::new();
    for sample in samples()? {
        called.push(sample.call()?.0);
    }
    for function in CONTRACT.keys() {
        assert!(called.contains(function), "no sample calls {function}");
    }
    Ok(())
}

#[test]
fn every_recorded_answer_has_the_type_that_the_contract_gives_it() -> Result<()> {
    for sample in samples()? {
        let (function, _) = sample.call()?;
        read_answer(&function, &sample.recorded()?).with_context(|| sample.name.clone())?;
    }
    Ok(())
}

#[test]
fn what_the_contract_does_not_have_is_refused_with_its_line() {
    for (wrong, why) in [
        ("forget()", "the contract has no function forget"),
        ("describe(", "line 1: unexpected end of input"),
        ("describe(1)", "line 1: invalid params: more"),
    ] {
        assert_refused(read_call(wrong), why);
    }
    let call = fs::read_to_string(samples_folder().join("route-of.wave")).expect("a sample");
    for (right, wrong, why) in [
        ("name: \"hello\"", "nom: \"hello\"", "line 14: "),
        (
            "name: \"hello\"",
            "name: \"hello\", nickname: \"h\"",
            "line 14: invalid value",
        ),
        ("port: 80", "port: \"80\"", "line 10: invalid value type"),
        (
            "port: 80, ",
            "",
            "line 10: error converting Wasm value: missing field \"port\"",
        ),
    ] {
        assert_refused(read_call(&call.replacen(right, wrong, 1)), why);
    }
    assert_refused(
        read_answer("describe", "{name: 1}"),
        "line 1: invalid value type",
    );
}

fn assert_refused<T: std::fmt::Debug>(result: Result<T>, why: &str) {
    let error = format!("{:#}", result.expect_err(why));
    assert!(error.starts_with(why), "{error}");
}

#[test]
fn the_standard_component_gives_the_recorded_answers() -> Result<()> {
    let file = host::policies()?.join("standard.wasm");
    let component = Component::from_file(&Engine::default(), file)?;
    for sample in samples()? {
        let (function, arguments) = sample.call()?;
        let arguments: Vec<Val> = arguments.iter().map(to_val).collect();
        let answer = written(&call(&component, &function, &arguments)?) + "\n";
        read_answer(&function, &answer).with_context(|| format!("not WAVE:\n{answer}"))?;
        if env::var_os("WRITE_SAMPLES").is_some() {
            fs::write(sample.answer_file(), answer)?;
            continue;
        }
        let recorded = sample.recorded()?;
        ensure!(
            answer == recorded,
            "{} is answered otherwise than recorded.\n\nrecorded:\n{recorded}\nanswer:\n{answer}\n\
             If the answer is right, write it: WRITE_SAMPLES=1",
            sample.name,
        );
    }
    Ok(())
}

/// Calls a function of a component, in a fresh instance without imports.
fn call(component: &Component, function: &str, arguments: &[Val]) -> Result<Val> {
    let index = component
        .get_export_index(None, "openfunction:gateway/policy@0.1.0")
        .and_then(|policy| component.get_export_index(Some(&policy), function))
        .with_context(|| format!("the component does not export {function}"))?;
    let mut store = Store::new(component.engine(), ());
    let instance = Linker::new(component.engine()).instantiate(&mut store, component)?;
    let function = instance
        .get_func(&mut store, index)
        .context("it is no function")?;
    let mut answer = [Val::Bool(false)];
    function.call(&mut store, arguments, &mut answer)?;
    let [answer] = answer;
    Ok(answer)
}

#[test]
fn the_rust_sample_gets_the_default_listener() -> Result<()> {
    let listeners = ask::default_listeners(&host::policies()?.join("standard.wasm"))?;
    assert_eq!(listeners.len(), 1);
    assert_eq!(listeners[0].name, "ofn-http-internal");
    assert_eq!(listeners[0].hostname.as_deref(), Some("*.cluster.local"));
    Ok(())
}

#[test]
fn the_text_shows_the_rust_sample_and_recorded_answers() -> Result<()> {
    let text = fs::read_to_string(host::workspace().join("guest/testing-with-wasmtime.md"))?;
    for file in ["ask.rs", "describe.answer.wave"] {
        let shown = fs::read_to_string(samples_folder().join(file))?;
        assert!(text.contains(&shown), "{file} is not in the text as it is");
    }
    Ok(())
}

#[test]
fn the_python_script_prints_what_the_component_decides() -> Result<()> {
    let output = Command::new("python3")
        .arg(samples_folder().join("ask.py"))
        .arg(host::policies()?.join("standard.wasm"))
        .env("PYTHONPATH", control_plane::assets("wasmtime-python")?)
        .output()
        .context("python3 does not start")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ask.py fails:\n{errors}");
    let answers: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(answers["describe"]["name"], "standard");
    assert_eq!(
        answers["default"]["listeners"][0]["hostname"],
        "*.cluster.local"
    );
    let entry = &answers["decide"]["entry"];
    assert_eq!(entry["target"]["namespace"], "projectcontour");
    assert_eq!(entry["target"]["name"], "envoy");
    assert_eq!(entry["ports"][0]["port"], 80);
    Ok(())
}

struct Sample {
    name: String,
    text: String,
}

fn samples_folder() -> PathBuf {
    host::workspace().join("guest/samples")
}

/// All of them, by name.
fn samples() -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for file in fs::read_dir(samples_folder())? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_suffix(".wave")
            && !name.ends_with(".answer")
        {
            samples.push(Sample {
                name: name.to_owned(),
                text: fs::read_to_string(file.path())?,
            });
        }
    }
    samples.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(samples)
}

impl Sample {
    fn call(&self) -> Result<(String, Vec<Value>)> {
        read_call(&self.text).with_context(|| self.name.clone())
    }

    fn answer_file(&self) -> PathBuf {
        samples_folder().join(format!("{}.answer.wave", self.name))
    }

    fn recorded(&self) -> Result<String> {
        let file = self.answer_file();
        fs::read_to_string(&file)
            .with_context(|| format!("{}: WRITE_SAMPLES=1 writes it", file.display()))
    }
}

fn function_type(function: &str) -> Result<&'static FuncType> {
    CONTRACT
        .get(function)
        .with_context(|| format!("the contract has no function {function}"))
}

/// The function and the arguments of what goes behind `--invoke`.
fn read_call(text: &str) -> Result<(String, Vec<Value>)> {
    let at = |error| at_its_line(text, error);
    let call = UntypedFuncCall::parse(text).map_err(at)?;
    let types: Vec<_> = function_type(call.name())?.params().collect();
    let arguments = call.to_wasm_params(&types).map_err(at)?;
    Ok((call.name().to_owned(), arguments))
}

fn read_answer(function: &str, text: &str) -> Result<Value> {
    let at = |error| at_its_line(text, error);
    let Some(type_) = function_type(function)?.results().next() else {
        bail!("{function} answers nothing");
    };
    let untyped = UntypedValue::parse(text).map_err(at)?;
    untyped.to_wasm_value(&type_).map_err(at)
}

fn at_its_line(text: &str, error: ParserError) -> anyhow::Error {
    let line = text[..error.span().start].matches('\n').count() + 1;
    anyhow::Error::new(error).context(format!("line {line}"))
}

/// The value in wasmtime's own type. The contract has no other kinds.
fn to_val(value: &Value) -> Val {
    let boxed = |payload: Option<std::borrow::Cow<Value>>| {
        payload.map(|payload| Box::new(to_val(&payload)))
    };
    match value.kind() {
        WasmTypeKind::U16 => Val::U16(value.unwrap_u16()),
        WasmTypeKind::S32 => Val::S32(value.unwrap_s32()),
        WasmTypeKind::S64 => Val::S64(value.unwrap_s64()),
        WasmTypeKind::String => Val::String(value.unwrap_string().into_owned()),
        WasmTypeKind::List => Val::List(value.unwrap_list().map(|item| to_val(&item)).collect()),
        WasmTypeKind::Record => {
            let fields = value.unwrap_record();
            Val::Record(
                fields
                    .map(|(name, field)| (name.into_owned(), to_val(&field)))
                    .collect(),
            )
        }
        WasmTypeKind::Option => Val::Option(boxed(value.unwrap_option())),
        kind => unreachable!("the contract takes no {kind}"),
    }
}

/// The value as WAVE, in lines that a person can read.
fn written(value: &Val) -> String {
    match value {
        Val::U16(number) => number.to_string(),
        Val::S32(number) => number.to_string(),
        Val::S64(number) => number.to_string(),
        Val::String(text) => DisplayValue(&Value::make_string(text.into())).to_string(),
        Val::List(items) => group("[", items.iter().map(written), "]"),
        Val::Record(fields) => {
            let is_there = |field: &&(String, Val)| field.1 != Val::Option(None);
            let field = |(name, value): &(String, Val)| format!("{name}: {}", written(value));
            group("{", fields.iter().filter(is_there).map(field), "}")
        }
        Val::Variant(case, Some(payload)) => format!("{case}({})", written(payload)),
        Val::Option(Some(payload)) => format!("some({})", written(payload)),
        Val::Result(Ok(Some(answer))) => format!("ok({})", written(answer)),
        Val::Result(Err(Some(violations))) => format!("err({})", written(violations)),
        other => unreachable!("the contract answers no {other:?}"),
    }
}

fn group(open: &str, items: impl Iterator<Item = String>, close: &str) -> String {
    let items: Vec<String> = items.collect();
    let line = format!("{open}{}{close}", items.join(", "));
    if line.len() <= WIDTH && !line.contains('\n') {
        return line;
    }
    let indented = |item: &String| format!("  {},\n", item.replace('\n', "\n  "));
    let lines: String = items.iter().map(indented).collect();
    format!("{open}\n{lines}{close}")
}
