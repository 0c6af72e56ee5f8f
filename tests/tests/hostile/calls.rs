//! Components that load and then misbehave.

use std::time::Duration;

use ofn_gateway::sandbox::{CallError, Fault, Limits, PolicyComponent};

use ofn_tests::corpus::{self, FUNCTIONS, HEAP, Misdeed, Module, VIOLATIONS, When};

use super::{call_fault, load, load_fault, load_in, sandbox};

const ENDLESS: &str = "(loop $l (br $l)) unreachable";

fn policy(module: &Module) -> PolicyComponent {
    load(&module.component()).unwrap_or_else(|error| panic!("{error}"))
}

/// What goes wrong when each of the functions is called, in their order.
fn faults(policy: &PolicyComponent) -> Vec<Option<Fault>> {
    let name = || super::gateway().name;
    let spec = || ofn_contract::EffectiveSpec {
        domain: "ofn.io".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        host_template: String::new(),
        path_template: String::new(),
        http_route_label_key: String::new(),
        target: ofn_contract::Target {
            name: name(),
            class_name: None,
        },
        listeners: Vec::new(),
    };
    let seen = || ofn_contract::Observation {
        name: name(),
        annotations: Vec::new(),
        settings: Vec::new(),
        spec: spec(),
        kubernetes_gateway: None,
        gateway_class: None,
        services: Vec::new(),
    };
    let instance = || policy.instance().expect("an instance");
    let of = |error: Option<CallError>| error.map(|error| error.fault);
    vec![
        of(instance().default_spec(super::gateway(), None).err()),
        of(instance().route_of(spec(), name()).err()),
        of(instance().service_queries(seen()).err()),
        of(instance().decide(seen()).err()),
        of(instance().aggregate_status(seen()).err()),
    ]
}

#[test]
fn an_endless_loop_in_any_function_is_ended() {
    let module = FUNCTIONS.iter().fold(Module::honest(), |module, function| {
        module.with(function, ENDLESS)
    });
    assert_eq!(faults(&policy(&module)), [Some(Fault::Time); 5]);
}

macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            tried(stringify!($name));
        })*

        #[test]
        fn all_of_the_corpus_is_tried() {
            let tried = [$(stringify!($name)),*];
            let all: Vec<_> = corpus::all().iter().map(|misdeed| misdeed.name).collect();
            assert_eq!(tried.as_slice(), all);
        }
    };
}

tests! {
    an_endless_loop_is_ended
    an_endless_loop_in_describe_is_ended
    an_endless_loop_in_the_start_function_is_ended
    an_endless_loop_in_realloc_is_ended
    an_endless_loop_in_post_return_is_ended
    endless_recursion_is_ended
    memory_that_grows_without_end_is_refused
    a_table_that_grows_without_end_is_refused
    bulk_memory_operations_in_a_loop_are_ended
    a_trap_is_told
    a_division_by_zero_is_a_trap
    an_answer_outside_the_memory_is_refused
    an_answer_that_is_not_aligned_is_refused
    a_list_that_ends_outside_the_memory_is_refused
    a_list_that_is_longer_than_addresses_are_is_refused
    a_list_that_is_huge_is_too_large
    texts_that_overlap_are_too_large
    a_text_that_is_not_utf_8_is_refused
    a_case_that_a_result_does_not_have_is_refused
    an_allocation_outside_the_memory_is_refused
    handles_without_end_are_refused
}

fn tried(name: &str) {
    let all = corpus::all();
    let misdeed = all.iter().find(|misdeed| misdeed.name == name);
    let Misdeed {
        when,
        fault,
        module,
        ..
    } = misdeed.expect("it is in the corpus");
    match when {
        When::Load => assert_eq!(load_fault(module), *fault),
        When::Call => assert_eq!(super::fault(module), Some(*fault)),
    }
}

/// There is nowhere to remember: every call has a fresh instance.
#[test]
fn a_component_that_would_turn_after_a_call_never_does() {
    let module = Module::honest()
        .with("more", "(global $calls (mut i32) (i32.const 0))")
        .with(
            "default",
            format!(
                "(if (global.get $calls) (then unreachable)) \
                 (global.set $calls (i32.const 1)) (i32.const {VIOLATIONS})"
            ),
        );
    let policy = policy(&module);
    for _ in 0..1100 {
        assert_eq!(call_fault(&policy), None);
    }
}

/// Grows its memory to 1 MiB and looks whether there is anything in it above its own data, of so many
/// bytes, or in its table; if so, its answer cannot be read. Then it fills all of both, and ends so.
fn leaves_all_behind(own: usize, ending: &str) -> Module {
    let begin = 512;
    let data = "\\01".repeat(own);
    Module::honest()
        .with(
            "more",
            format!(
                "(data (i32.const {begin}) \"{data}\")
                 (table $t 5000 funcref) (elem declare func $f) (func $f)
                 (func $finds (param $at i32) (param $to i32) (result i32)
                   (loop $l (if (i32.lt_u (local.get $at) (local.get $to)) (then
                     (if (i64.ne (i64.load (local.get $at)) (i64.const 0))
                       (then (return (i32.const 1))))
                     (local.set $at (i32.add (local.get $at) (i32.const 8)))
                     (br $l))))
                   (i32.const 0))
                 (func $holds (result i32) (local $at i32)
                   (loop $l (if (i32.lt_u (local.get $at) (table.size $t)) (then
                     (if (i32.eqz (ref.is_null (table.get $t (local.get $at))))
                       (then (return (i32.const 1))))
                     (local.set $at (i32.add (local.get $at) (i32.const 1)))
                     (br $l))))
                   (i32.const 0))"
            ),
        )
        .with(
            "default",
            format!(
                "(drop (memory.grow (i32.const 12)))
                 (if (call $finds (i32.const {}) (i32.const {HEAP})) (then (return (i32.const 65))))
                 (if (call $finds (global.get $heap) (i32.const {END}))
                   (then (return (i32.const 65))))
                 (if (call $holds) (then (return (i32.const 65))))
                 (memory.fill (i32.const {begin}) (i32.const 7) (i32.const {}))
                 (table.fill $t (i32.const 0) (ref.func $f) (table.size $t))
                 {ending}",
                begin + own,
                END - begin,
            ),
        )
}

const END: usize = 1 << 20;

/// The engine keeps the memory of an instance that is gone for the next one.
#[test]
fn nothing_of_an_instance_is_left_in_the_memory_of_the_next() {
    let answers = (format!("(i32.const {VIOLATIONS})"), None);
    let traps = ("unreachable".to_owned(), Some(Fault::Trap));
    let is_ended = (ENDLESS.to_owned(), Some(Fault::Time));
    // Those that end by themselves have time enough on a busy machine.
    for (endings, rounds, milliseconds) in [
        ([&answers; 4], 200, 60_000),
        ([&answers, &traps, &traps, &answers], 200, 60_000),
        ([&answers, &is_ended, &traps, &is_ended], 4, 500),
    ] {
        let sandbox = sandbox(Limits {
            instances: 1,
            time: Duration::from_millis(milliseconds),
            ..Limits::default()
        });
        // One instance may have three memories, so there is room for three, and a component gets the
        // one that it had before: of four in turn, each gets that of another.
        let all: Vec<_> = [0, 4 << 10, 64 << 10, 128 << 10]
            .into_iter()
            .zip(endings)
            .map(|(own, (ending, fault))| {
                let component = leaves_all_behind(own, ending).component();
                let policy = load_in(&sandbox, &component);
                (policy.unwrap_or_else(|error| panic!("{error}")), *fault)
            })
            .collect();
        for _ in 0..rounds {
            for (policy, fault) in &all {
                assert_eq!(call_fault(policy), *fault);
                // In its own place again.
                assert_eq!(call_fault(policy), *fault);
            }
        }
    }
}

#[test]
fn what_an_instance_leaves_behind_is_found_in_the_same_one() {
    let module = leaves_all_behind(0, &format!("(i32.const {VIOLATIONS})"));
    let policy = policy(&module);
    let mut instance = policy.instance().expect("an instance");
    let mut call = || instance.default_spec(super::gateway(), None);
    assert!(call().is_ok());
    let fault = call().err().map(|error| error.fault);
    assert_eq!(fault, Some(Fault::Unreadable));
}
