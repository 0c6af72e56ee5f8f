//! Whether a component keeps the contract: rules that no single answer shows, asked of it with
//! inputs of all kinds.
//!
//! [`inputs`] says what a component is asked about, `rules` what must hold then. An input is
//! objects, as `ofn-gateway render` takes them. Inputs are random, but the same ones each time.

pub mod inputs;
mod rules;
mod scene;

use std::cell::Cell;
use std::sync::Arc;

use ofn_contract::text::is_printable;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use self::inputs::{Input, Kind};
use self::rules::{RULES, Rule, Tried, Why};
use crate::names::reason;
use crate::pass::decide::Failure;
use crate::sandbox::PolicyComponent;

/// So often proptest may try to make an input smaller.
const MOST_SHRINKS: u32 = 2000;
/// For so long, in milliseconds.
const LONGEST_SHRINK: u32 = 10_000;
/// As much is shown of what a component did, in characters: it may be the component's own text.
const LONGEST_WHY: usize = 2000;

/// A rule that a component breaks.
#[derive(Debug, thiserror::Error)]
#[error("it breaks a rule: {rule}. {why}")]
pub struct Breach {
    rule: &'static str,
    why: Why,
}

impl Breach {
    /// Whether it may be the machine's fault, and gone at another time.
    pub fn may_pass(&self) -> bool {
        matches!(&self.why, Why::Failure(Failure::Call(error)) if error.may_pass())
    }

    /// It as one word, for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match &self.why {
            Why::Failure(failure) => failure.reason(),
            Why::Misfit(_) => reason::POLICY_ANSWER_INVALID,
        }
    }
}

/// What came of checking a rule.
#[derive(Debug)]
pub struct Verdict {
    /// The rule, as a sentence.
    pub rule: &'static str,
    /// With how many inputs it was tried: those for which the component has violations instead of
    /// an answer do not count.
    pub inputs: u32,
    /// How it is broken, if it is.
    pub example: Option<Example>,
}

/// How a rule is broken.
#[derive(Debug)]
pub struct Example {
    /// What the component did.
    pub why: String,
    /// The objects that it was asked about, as documents of YAML: made smaller as long as that was
    /// found to break the rule, too.
    pub input: String,
}

/// Checks every rule with so many inputs of each kind, one after the other.
pub fn check(policy: &Arc<PolicyComponent>, cases: u32) -> impl Iterator<Item = Verdict> {
    RULES.iter().map(move |rule| {
        let mut inputs = 0;
        for kind in Kind::all() {
            match try_rule(rule, policy, kind, cases) {
                Ok(tried) => inputs += tried,
                Err(example) => {
                    return Verdict {
                        rule: rule.text,
                        inputs: inputs + 1,
                        example: Some(example),
                    };
                }
            }
        }
        Verdict {
            rule: rule.text,
            inputs,
            example: None,
        }
    })
}

/// Checks a few rules with a few inputs: what takes some milliseconds, before a component serves.
///
/// # Errors
///
/// The first breach that is found.
pub fn quick(policy: &Arc<PolicyComponent>) -> Result<(), Box<Breach>> {
    let mut runner = runner(1);
    for kind in Kind::few() {
        // There is always one: nothing is filtered out.
        let Ok(tree) = inputs::strategy(kind, &policy.description).new_tree(&mut runner) else {
            continue;
        };
        let input = tree.current();
        for rule in RULES.iter().filter(|rule| rule.is_quick) {
            rule.hold(policy, &input).map_err(|why| {
                Box::new(Breach {
                    rule: rule.text,
                    why,
                })
            })?;
        }
    }
    Ok(())
}

fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        max_shrink_iters: MOST_SHRINKS,
        max_shrink_time: LONGEST_SHRINK,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn try_rule(
    rule: &Rule,
    policy: &Arc<PolicyComponent>,
    kind: Kind,
    cases: u32,
) -> Result<u32, Example> {
    let inputs = inputs::strategy(kind, &policy.description);
    let tried = Cell::new(0);
    let holds = |input: Input| {
        let held = rule.hold(policy, &input);
        let held = held.map_err(|why| TestCaseError::fail(why.to_string()))?;
        tried.set(tried.get() + u32::from(held == Tried::Yes));
        Ok(())
    };
    let (why, input) = match runner(cases).run(&inputs, holds) {
        Ok(()) => return Ok(tried.get()),
        Err(TestError::Fail(why, input)) => (why.to_string(), input),
        // Nothing is filtered out, so there is never too little.
        Err(TestError::Abort(_)) => return Ok(tried.get()),
    };
    let shown = why.chars().take(LONGEST_WHY);
    let shown = shown.map(|char| {
        if is_printable(char) {
            char
        } else {
            char::REPLACEMENT_CHARACTER
        }
    });
    Err(Example {
        why: shown.collect(),
        input: scene::documents(policy, &input),
    })
}
