//! Components that load and then misbehave.

use ofn_gateway::sandbox::{CallError, Fault, PolicyComponent};

use super::corpus::{FUNCTIONS, Module, VIOLATIONS, words};
use super::{fault, load, load_fault};

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

#[test]
fn an_endless_loop_in_describe_is_ended() {
    assert_eq!(
        load_fault(&Module::honest().with("describe", ENDLESS)),
        Fault::Time
    );
}

#[test]
fn an_endless_loop_in_the_start_function_is_ended() {
    let module = Module::honest().with("more", format!("(start $s) (func $s {ENDLESS})"));
    assert_eq!(load_fault(&module), Fault::Time);
}

#[test]
fn an_endless_loop_in_realloc_is_ended() {
    assert_eq!(
        fault(&Module::honest().with("realloc", ENDLESS)),
        Some(Fault::Time)
    );
}

#[test]
fn an_endless_loop_in_post_return_is_ended() {
    let module = Module::honest().with(
        "more",
        format!(
            "(func (export \"cabi_post_openfunction:gateway/policy@0.1.0#default\") (param i32) \
             {ENDLESS})"
        ),
    );
    assert_eq!(fault(&module), Some(Fault::Time));
}

#[test]
fn endless_recursion_is_ended() {
    let module = Module::honest()
        .with(
            "more",
            "(func $r (result i32) (i32.add (call $r) (i32.const 1)))",
        )
        .with("default", "(call $r)");
    assert_eq!(fault(&module), Some(Fault::Stack));
}

#[test]
fn memory_that_grows_without_end_is_refused() {
    let grow = "(loop $l (drop (memory.grow (i32.const 1))) (br $l)) unreachable";
    assert_eq!(
        fault(&Module::honest().with("default", grow)),
        Some(Fault::Memory)
    );
}

#[test]
fn a_table_that_grows_without_end_is_refused() {
    let module = Module::honest().with("more", "(table $t 1 funcref)").with(
        "default",
        "(loop $l (drop (table.grow $t (ref.null func) (i32.const 100))) (br $l)) unreachable",
    );
    assert_eq!(fault(&module), Some(Fault::Memory));
}

/// One bulk operation is not interrupted, so the memory bounds it; a loop of them is.
#[test]
fn bulk_memory_operations_in_a_loop_are_ended() {
    let module = Module::honest()
        .with("memory", "(memory (export \"memory\") 256)")
        .with(
            "default",
            "(loop $l (memory.fill (i32.const 0) (i32.const 7) (i32.const 16777216)) (br $l)) \
             unreachable",
        );
    assert_eq!(fault(&module), Some(Fault::Time));
}

#[test]
fn a_trap_is_told() {
    assert_eq!(
        fault(&Module::honest().with("default", "unreachable")),
        Some(Fault::Trap)
    );
}

#[test]
fn a_division_by_zero_is_a_trap() {
    let module = Module::honest().with("default", "(i32.div_u (i32.const 1) (i32.const 0))");
    assert_eq!(fault(&module), Some(Fault::Trap));
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

#[test]
fn an_answer_outside_the_memory_is_refused() {
    let module = Module::honest().with("default", "i32.const 0x7ffffff0");
    assert_eq!(fault(&module), Some(Fault::Unreadable));
}

#[test]
fn an_answer_that_is_not_aligned_is_refused() {
    assert_eq!(
        fault(&Module::honest().with("default", "i32.const 65")),
        Some(Fault::Unreadable)
    );
}

#[test]
fn a_list_that_ends_outside_the_memory_is_refused() {
    assert_eq!(
        fault(&violations(65536, 0x0fff_ffff)),
        Some(Fault::Unreadable)
    );
}

#[test]
fn a_list_that_is_longer_than_addresses_are_is_refused() {
    assert_eq!(
        fault(&violations(65536, 0xffff_ffff)),
        Some(Fault::Unreadable)
    );
}

/// Empty texts, which still cost the host memory.
#[test]
fn a_list_that_is_huge_is_too_large() {
    let module = violations(65536, 300_000).with("memory", "(memory (export \"memory\") 200)");
    assert_eq!(fault(&module), Some(Fault::TooLarge));
}

/// Every element is the same large text: small in the component, huge in the host.
#[test]
fn texts_that_overlap_are_too_large() {
    let element = words(&[131_072, 60_000, 131_072, 60_000, 131_072, 60_000]);
    let module = violations(65536, 100)
        .with("memory", "(memory (export \"memory\") 16)")
        .with(
            "more",
            format!(
                "(data (i32.const {}) \"{}\") (data (i32.const 65536) \"{}\")",
                VIOLATIONS + 64,
                words(&[1, 65536, 100]),
                element.repeat(100)
            ),
        );
    assert_eq!(fault(&module), Some(Fault::TooLarge));
}

#[test]
fn a_text_that_is_not_utf_8_is_refused() {
    let module = Module::honest()
        .with("more", "(data (i32.const 300) \"\\ff\\fe\") ")
        .with(
            "describe",
            format!(
                "(i32.store (i32.const {}) (i32.const 300)) (i32.const {})",
                super::corpus::DESCRIPTION,
                super::corpus::DESCRIPTION
            ),
        );
    assert_eq!(load_fault(&module), Fault::Unreadable);
}

#[test]
fn a_case_that_a_result_does_not_have_is_refused() {
    let module = Module::honest()
        .with(
            "more",
            format!("(data (i32.const {}) \"\\07\")", VIOLATIONS + 64),
        )
        .with("default", format!("i32.const {}", VIOLATIONS + 64));
    assert_eq!(fault(&module), Some(Fault::Unreadable));
}

#[test]
fn an_allocation_outside_the_memory_is_refused() {
    let module = Module::honest().with("realloc", "i32.const 0x7ffffff0");
    assert_eq!(fault(&module), Some(Fault::Unreadable));
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
        assert_eq!(super::call_fault(&policy), None);
    }
}
