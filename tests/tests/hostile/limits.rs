//! Each limit, obeyed and violated.

use std::time::Duration;

use bytesize::ByteSize;
use ofn_gateway::sandbox::{CompileError, Defect, Fault, Limits};

use super::{call_fault, load_in, sandbox};
use ofn_tests::corpus::{Module, VIOLATIONS, words};

/// What a module does under its own limits.
fn under(limits: Limits, module: &Module) -> Option<Fault> {
    let sandbox = sandbox(limits);
    call_fault(&load_in(&sandbox, &module.component()).unwrap_or_else(|error| panic!("{error}")))
}

fn grows_to(pages: u32) -> Module {
    Module::honest().with(
        "default",
        format!(
            "(drop (memory.grow (i32.sub (i32.const {pages}) (memory.size)))) \
             (i32.const {VIOLATIONS})"
        ),
    )
}

#[test]
fn memory() {
    let limits = Limits {
        memory: ByteSize::mib(2),
        ..Limits::default()
    };
    assert_eq!(under(limits, &grows_to(32)), None);
    assert_eq!(under(limits, &grows_to(33)), Some(Fault::Memory));
}

/// Has these tables, and lets `$t` grow by so many elements.
fn grows_a_table(tables: &str, elements: u32) -> Module {
    Module::honest().with("more", tables).with(
        "default",
        format!(
            "(drop (table.grow $t (ref.null func) (i32.const {elements}))) (i32.const {VIOLATIONS})"
        ),
    )
}

#[test]
fn table() {
    let limits = Limits {
        table: 100,
        ..Limits::default()
    };
    let module = |elements: u32| grows_a_table("(table $t 1 funcref)", elements - 1);
    assert_eq!(under(limits, &module(100)), None);
    assert_eq!(under(limits, &module(101)), Some(Fault::Memory));
}

#[test]
fn tables_have_the_limit_together() {
    let limits = Limits {
        table: 100,
        ..Limits::default()
    };
    let tables = |elements: u32| {
        let tables = "(table $s 20 funcref) (table $t 0 funcref) (table $u 30 funcref)";
        grows_a_table(tables, elements - 50)
    };
    assert_eq!(under(limits, &tables(100)), None);
    assert_eq!(under(limits, &tables(101)), Some(Fault::Memory));
}

#[test]
fn stack() {
    let deep = |calls: u32| {
        Module::honest()
            .with(
                "more",
                "(func $r (param i32) (result i32) (if (result i32) (local.get 0) \
                 (then (i32.add (call $r (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))) \
                 (else (i32.const 0))))",
            )
            .with(
                "default",
                format!("(drop (call $r (i32.const {calls}))) (i32.const {VIOLATIONS})"),
            )
    };
    let limits = Limits {
        stack: ByteSize::kib(128),
        ..Limits::default()
    };
    assert_eq!(under(limits, &deep(500)), None);
    assert_eq!(under(limits, &deep(50_000)), Some(Fault::Stack));
    assert_eq!(under(Limits::default(), &deep(5_000)), None);
}

#[test]
fn time() {
    let counts = |times: u64| {
        Module::honest().with(
            "default",
            format!(
                "(local $i i64) (loop $l (local.set $i (i64.add (local.get $i) (i64.const 1))) \
                 (br_if $l (i64.lt_u (local.get $i) (i64.const {times})))) (i32.const {VIOLATIONS})"
            ),
        )
    };
    let patient = Limits {
        time: Duration::from_secs(600),
        ..Limits::default()
    };
    let hasty = Limits {
        time: Duration::from_millis(20),
        ..Limits::default()
    };
    assert_eq!(under(patient, &counts(500_000_000)), None);
    assert_eq!(under(hasty, &counts(500_000_000)), Some(Fault::Time));
}

#[test]
fn answer() {
    // One violation with a message of so many bytes.
    let says = |bytes: u32| {
        Module::honest()
            .with("memory", "(memory (export \"memory\") 40)")
            .with(
                "more",
                format!(
                    "(data (i32.const 400) \"{}\")",
                    words(&[1, 412, 1, 0, 0, 0, 0, 1 << 20, bytes])
                ),
            )
            .with("default", "i32.const 400")
    };
    let limits = Limits {
        answer: ByteSize::kib(512),
        ..Limits::default()
    };
    assert_eq!(under(limits, &says(500 << 10)), None);
    assert_eq!(under(limits, &says(513 << 10)), Some(Fault::TooLarge));
}

#[test]
fn instances() {
    let limits = Limits {
        instances: 3,
        ..Limits::default()
    };
    let sandbox = sandbox(limits);
    let policy = load_in(&sandbox, &Module::honest().component()).expect("loads");
    let instances: Vec<_> = (0..3).map(|_| policy.instance().expect("room")).collect();
    let fault = policy.instance().err().map(|error| error.fault);
    assert_eq!(fault, Some(Fault::Busy));
    drop(instances);
    assert!(policy.instance().is_ok());
}

#[test]
fn file() {
    let bytes = Module::honest().component();
    let limits = |bytes: usize| Limits {
        file: ByteSize::b(bytes as u64),
        ..Limits::default()
    };
    assert!(load_in(&sandbox(limits(bytes.len())), &bytes).is_ok());
    let error = load_in(&sandbox(limits(bytes.len() - 1)), &bytes).err();
    let defect = *error.expect("refused").defect;
    assert!(matches!(defect, Defect::File(_)), "{defect}");
    assert_eq!(defect.reason(), "PolicyFileTooLarge");
}

fn standard() -> Vec<u8> {
    let folder = ofn_tests::host::policies().expect("make build");
    std::fs::read(folder.join("standard.wasm")).expect("the standard component")
}

#[test]
fn compile_time() {
    let limits = |time| Limits {
        compile_time: time,
        ..Limits::default()
    };
    assert!(load_in(&sandbox(limits(Duration::from_secs(600))), &standard()).is_ok());
    let error = load_in(&sandbox(limits(Duration::from_millis(1))), &standard()).err();
    let defect = *error.expect("refused").defect;
    assert!(
        matches!(defect, Defect::Compile(CompileError::Time(_))),
        "{defect}"
    );
    assert_eq!(defect.reason(), "PolicyCompileTime");
}

#[test]
fn compile_memory() {
    let limits = |memory| Limits {
        compile_memory: memory,
        ..Limits::default()
    };
    assert!(
        load_in(
            &sandbox(limits(Limits::default().compile_memory)),
            &standard()
        )
        .is_ok()
    );
    let error = load_in(&sandbox(limits(ByteSize::mib(32))), &standard()).err();
    let defect = *error.expect("refused").defect;
    assert!(
        matches!(defect, Defect::Compile(CompileError::Memory(_))),
        "{defect}"
    );
    assert_eq!(defect.reason(), "PolicyCompileMemory");
}

#[test]
fn code() {
    let limits = |code| Limits {
        code,
        ..Limits::default()
    };
    assert!(load_in(&sandbox(limits(ByteSize::mib(2))), &standard()).is_ok());
    let error = load_in(&sandbox(limits(ByteSize::kib(256))), &standard()).err();
    let defect = *error.expect("refused").defect;
    assert!(
        matches!(defect, Defect::Compile(CompileError::Code(_))),
        "{defect}"
    );
    assert_eq!(defect.reason(), "PolicyCodeTooLarge");
}

#[test]
fn the_code_of_all_components_together() {
    let sandbox = sandbox(Limits {
        all_code: ByteSize::kib(2500),
        ..Limits::default()
    });
    let two =
        [(); 2].map(|()| load_in(&sandbox, &standard()).unwrap_or_else(|error| panic!("{error}")));
    let error = load_in(&sandbox, &standard()).err();
    let defect = *error.expect("refused").defect;
    assert!(matches!(defect, Defect::Room(..)), "{defect}");
    assert_eq!(defect.reason(), "PolicyNoRoom");
    drop(two);
    assert!(load_in(&sandbox, &standard()).is_ok());
}

/// Its types take more memory than its code.
#[test]
fn the_types_of_a_component_count_as_code() {
    let sandbox = sandbox(Limits {
        all_code: ByteSize::mib(8),
        ..Limits::default()
    });
    let types: String = (0..8000)
        .map(|number| {
            let parameters = (0..13).map(|bit| {
                if number >> bit & 1 == 0 {
                    "i32 "
                } else {
                    "i64 "
                }
            });
            format!("(type (func (param {})))", parameters.collect::<String>())
        })
        .collect();
    let module = |types: &str| Module::honest().with("more", types).component();
    assert!(load_in(&sandbox, &module("")).is_ok());
    let error = load_in(&sandbox, &module(&types)).err();
    let defect = *error.expect("refused").defect;
    assert!(matches!(defect, Defect::Room(..)), "{defect}");
    assert_eq!(defect.reason(), "PolicyNoRoom");
}

/// The largest stack that may be asked for leaves a thread of ours room.
#[test]
fn the_largest_stack_does_not_end_the_process() {
    let endless = Module::honest()
        .with("more", "(func $r (call $r))")
        .with("default", format!("(call $r) (i32.const {VIOLATIONS})"));
    let limits = Limits {
        stack: ByteSize::mib(1),
        ..Limits::default()
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let fault = thread
        .spawn(move || under(limits, &endless))
        .expect("a thread");
    assert_eq!(fault.join().expect("no panic"), Some(Fault::Stack));
}
