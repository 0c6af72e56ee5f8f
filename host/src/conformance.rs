//! Whether a component keeps the contract: rules that no single answer shows, asked of it with
//! inputs of all kinds.
//!
//! [`inputs`] says what a component is asked about, `rules` what must hold then. An input is
//! objects, as `ofn-gateway render` takes them. Inputs are random, but the same ones each time.

pub mod inputs;
mod rules;
mod scene;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ofn_contract::text;
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
/// So long it may be tried before it serves. What was not tried then is left to the passes: each call
/// is bounded, but a component that is slow each time must not hold up the others.
const LONGEST_QUICK: Duration = Duration::from_secs(2);
/// As much is shown of what a component did, in bytes: it may be the component's own text.
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
    /// What became of it.
    pub outcome: Outcome,
}

impl Verdict {
    /// Whether the rule was tried and not found to be broken.
    pub fn holds(&self) -> bool {
        matches!(self.outcome, Outcome::Holds(_))
    }
}

/// What became of a rule.
#[derive(Debug)]
pub enum Outcome {
    /// It held with so many inputs. Those for which the component has violations instead of an
    /// answer do not count.
    Holds(u32),
    /// There was no input with which to try it, for this reason among others.
    Untried(String),
    /// It is broken.
    Broken(Example),
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
    RULES.iter().map(move |rule| Verdict {
        rule: rule.text,
        outcome: try_kinds(rule, policy, cases).unwrap_or_else(Outcome::Broken),
    })
}

fn try_kinds(rule: &Rule, policy: &Arc<PolicyComponent>, cases: u32) -> Result<Outcome, Example> {
    let mut all = Tries::default();
    for kind in Kind::all() {
        let tries = try_kind(rule, policy, kind, cases)?;
        all.held += tries.held;
        all.instead = all.instead.or(tries.instead);
    }
    Ok(match all.instead {
        Some(instead) if all.held == 0 => Outcome::Untried(instead),
        _ => Outcome::Holds(all.held),
    })
}

/// What came of inputs with which a rule is not broken.
#[derive(Default)]
struct Tries {
    /// With how many it holds.
    held: u32,
    /// What the component did with one of the others.
    instead: Option<String>,
}

/// Checks a few rules with a few inputs: what takes some milliseconds, before a component serves.
///
/// # Errors
///
/// The first breach that is found.
pub fn quick(policy: &Arc<PolicyComponent>) -> Result<(), Box<Breach>> {
    let began = Instant::now();
    let mut runner = runner(1);
    for kind in Kind::few() {
        // There is always one: nothing is filtered out.
        let Ok(tree) = inputs::strategy(kind, &policy.description).new_tree(&mut runner) else {
            continue;
        };
        let input = tree.current();
        for rule in RULES.iter().filter(|rule| rule.is_quick) {
            if began.elapsed() > LONGEST_QUICK {
                let policy = &policy.description.name;
                tracing::warn!(
                    policy,
                    "too slow for all rules to be tried before it serves"
                );
                return Ok(());
            }
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
        verbose: 0,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn try_kind(
    rule: &Rule,
    policy: &Arc<PolicyComponent>,
    kind: Kind,
    cases: u32,
) -> Result<Tries, Example> {
    let inputs = inputs::strategy(kind, &policy.description);
    let tries = RefCell::new(Tries::default());
    let holds = |input: Input| {
        let held = rule.hold(policy, &input);
        let mut tries = tries.borrow_mut();
        match held.map_err(|why| TestCaseError::fail(why.to_string()))? {
            Tried::Yes => tries.held += 1,
            Tried::No(instead) => tries.instead = Some(shown(&instead)),
        }
        Ok(())
    };
    match runner(cases).run(&inputs, holds) {
        // Nothing is filtered out, so there is never too little.
        Ok(()) | Err(TestError::Abort(_)) => Ok(tries.into_inner()),
        Err(TestError::Fail(why, input)) => Err(Example {
            why: shown(&why.to_string()),
            input: scene::documents(policy, &input),
        }),
    }
}

/// A text that may be the component's, for a terminal.
fn shown(text: &str) -> String {
    text::cut(text::printable(text), LONGEST_WHY)
}
