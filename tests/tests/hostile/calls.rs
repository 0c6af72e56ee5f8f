//! Components that load and then misbehave.

use ofn_gateway::sandbox::{CallError, Fault, PolicyComponent};

use ofn_tests::corpus::{self, FUNCTIONS, Misdeed, Module, VIOLATIONS, When};

use super::{load, load_fault};

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
        assert_eq!(super::call_fault(&policy), None);
    }
}
