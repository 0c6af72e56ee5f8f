//! The conformance kit: who keeps the contract passes, and for each rule one who breaks it is found.

use std::sync::{Arc, LazyLock};

use ofn_gateway::conformance::inputs::{self, Kind};
use ofn_gateway::conformance::{self, Example, Outcome};
use ofn_gateway::pass::decide;
use ofn_gateway::sandbox::{Limits, PolicyComponent, Sandbox};
use ofn_tests::host;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde::Deserialize;
use serde_json::Value;

static SANDBOX: LazyLock<Sandbox> =
    LazyLock::new(|| host::sandbox(Limits::default()).expect("the engine starts"));

fn load(component: &[u8]) -> Arc<PolicyComponent> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), component).expect("written");
    Arc::new(SANDBOX.load(file.path()).expect("it loads"))
}

/// A component that does this misdeed.
fn hostile(misdeed: &str) -> Arc<PolicyComponent> {
    load(&host::hostile(misdeed).expect("make hostile"))
}

/// How a component that does this misdeed breaks a rule.
fn broken(misdeed: &str, rule: &str) -> Example {
    let policy = hostile(misdeed);
    let mut verdicts = conformance::check(&policy, 8);
    let verdict = verdicts.find(|verdict| verdict.rule.contains(rule));
    match verdict.expect("there is this rule").outcome {
        Outcome::Broken(example) => example,
        other => panic!("{other:?}"),
    }
}

fn objects(example: &Example) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(&example.input)
        .map(|document| Value::deserialize(document).expect("YAML"))
        .collect()
}

#[test]
fn every_component_of_ours_keeps_every_rule() {
    let folder = host::policies().expect("make build");
    let mut components = 0;
    for file in std::fs::read_dir(folder).expect("a folder") {
        let path = file.expect("a file").path();
        let policy = Arc::new(SANDBOX.load(&path).expect("it loads"));
        for verdict in conformance::check(&policy, 8) {
            assert!(verdict.holds(), "{}: {verdict:?}", path.display());
        }
        components += 1;
    }
    assert!(components >= 9, "{components}");
}

#[test]
fn the_component_in_javascript_keeps_every_rule() {
    let file = host::javascript().expect("make javascript");
    let policy = SANDBOX.load(&file.join("aws-load-balancer.wasm"));
    let policy = Arc::new(policy.expect("it loads"));
    for verdict in conformance::check(&policy, 2) {
        assert!(verdict.holds(), "{verdict:?}");
    }
}

#[test]
fn a_component_that_means_well_keeps_every_rule() {
    for verdict in conformance::check(&hostile(""), 8) {
        assert!(verdict.holds(), "{verdict:?}");
    }
}

#[test]
fn a_component_that_traps_is_found() {
    let example = broken("trap", "every answer comes");
    assert!(example.why.contains("decide"), "{}", example.why);
}

#[test]
fn an_answer_outside_of_the_contract_is_found() {
    let example = broken("a foreign listener", "every answer comes");
    assert!(example.why.contains("platform"), "{}", example.why);
}

#[test]
fn an_instance_that_remembers_is_found() {
    let example = broken("memory", "the same question");
    assert_eq!(
        example.why,
        "asked again, decide answers otherwise: at first port: 1,, then port: 2,"
    );
}

#[test]
fn defaults_that_do_not_settle_are_found() {
    let example = broken("one more default each time", "its own default");
    assert!(example.why.contains("answers otherwise"), "{}", example.why);
}

#[test]
fn a_component_to_which_nothing_is_right_is_found() {
    let example = broken("nothing is right", "an ordinary Gateway");
    assert_eq!(
        example.why,
        "default has violations: spec.domain: is not to my taste"
    );
}

#[test]
fn a_field_that_gets_lost_is_found() {
    let example = broken("lost fields", "no field");
    assert!(example.why.contains("default loses"), "{}", example.why);
    let example = broken("lost fields of the user", "every answer");
    let why = "does not have tls, allowedRoutes and the other fields as the user wrote them";
    assert!(example.why.contains(why), "{}", example.why);
}

#[test]
fn a_component_that_takes_any_setting_is_found() {
    let example = broken("any setting", "not declared");
    assert!(example.why.contains("decide takes"), "{}", example.why);
}

#[test]
fn a_default_that_is_another_than_declared_is_found() {
    let example = broken("another default than it says", "setting's default");
    assert!(example.why.contains("port=80"), "{}", example.why);
}

#[test]
fn statuses_that_are_matched_by_their_place_are_found() {
    let example = broken("statuses by their place", "matched by name");
    assert!(example.why.contains("in reverse"), "{}", example.why);
}

#[test]
fn a_component_that_is_always_ready_is_found() {
    let example = broken("always ready", "not Ready");
    assert!(example.why.contains("Ready is True"), "{}", example.why);
}

#[test]
fn a_component_that_never_comes_to_rest_is_found() {
    let example = broken("two decisions in turn", "passes leave");
    assert!(
        example.why.contains("pass 3 still writes"),
        "{}",
        example.why
    );
}

#[test]
fn what_is_shown_is_the_least_that_breaks_the_rule() {
    let example = broken("trap with three listeners", "every answer comes");
    let objects = objects(&example);
    let gateway = objects
        .iter()
        .find(|object| object["apiVersion"] == "networking.openfunction.io/v1alpha1")
        .expect("an OpenFunction Gateway");
    let listeners = gateway["spec"]["gatewaySpec"]["listeners"].as_array();
    // Besides the default one.
    assert_eq!(listeners.map(Vec::len), Some(2), "{gateway:#}");
    assert_eq!(objects.len(), 1, "{objects:#?}");
}

#[test]
fn a_second_question_that_traps_is_found() {
    let example = broken("trap when asked again", "the same question");
    assert!(example.why.contains("decide trapped"), "{}", example.why);
}

#[test]
fn a_component_that_never_decides_is_not_said_to_keep_what_it_decides() {
    let policy = hostile("no decision");
    let mut verdicts = conformance::check(&policy, 2);
    let verdict = verdicts.find(|verdict| verdict.rule.contains("no field"));
    match verdict.expect("there is this rule").outcome {
        Outcome::Untried(why) => assert!(why.starts_with("decide has violations"), "{why}"),
        other => panic!("{other:?}"),
    }
}

/// Else most rules would not be tried with them.
#[test]
fn many_odd_inputs_have_an_effective_spec() {
    let policy = hostile("");
    let strategy = inputs::strategy(Kind::Odd, &policy.description);
    let mut runner = TestRunner::deterministic();
    let (all, mut valid) = (200, 0);
    for _ in 0..all {
        let input = strategy.new_tree(&mut runner).expect("an input").current();
        let spec = decide::spec(&policy, &input.gateway).expect("an answer");
        valid += u32::from(spec.is_ok());
    }
    assert!((all / 3..all * 9 / 10).contains(&valid), "{valid} of {all}");
}

#[test]
fn inputs_are_the_same_each_time() {
    let examples = [(), ()].map(|()| broken("trap with three listeners", "every answer comes"));
    assert_eq!(examples[0].input, examples[1].input);
}
