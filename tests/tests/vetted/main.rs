//! What passes the host's vetting is accepted by the real API server, and what that would refuse does
//! not pass. `PROPTEST_CASES` sets how many answers are tried.

mod limits;
mod stage;

use std::cell::Cell;

use anyhow::{Result, anyhow, ensure};
use ofn_contract::{Decision, Route};
use ofn_gateway::api;
use ofn_gateway::pass::report::Problem;
use ofn_gateway::pass::vet::{self, Wish};
use ofn_tests::arbitrary;
use ofn_tests::control_plane::User;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use self::stage::Stage;

fn cases(default: u32) -> TestRunner {
    TestRunner::new(Config {
        cases: arbitrary::cases(default),
        max_global_rejects: 1_000_000,
        failure_persistence: None,
        ..Config::default()
    })
}

/// Refused answers cost nothing, so the cases are those that pass.
fn failed(error: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

#[test]
fn what_passes_is_accepted_by_the_api_server() -> Result<()> {
    let mut stage = Stage::new()?;
    decisions_are_accepted(&stage)?;
    statuses_are_accepted(&stage)?;
    specs_are_accepted(&stage)?;
    paths_are_those_of_an_httproute(&stage)?;
    limits::of_decisions_are_those_of_kubernetes(&mut stage)?;
    limits::of_statuses_are_those_of_the_definition(&stage)?;
    limits::are_wide_enough_for_what_an_implementation_may_say(&stage)?;
    what_does_not_pass_would_be_refused(&stage)?;
    ensure!(stage.plane.forbidden(User::Admin)? == 0);
    Ok(())
}

fn decisions_are_accepted(stage: &Stage) -> Result<()> {
    let refused = Cell::new(0_u32);
    let entries = Cell::new(0_u32);
    cases(100)
        .run(&arbitrary::decision(), |decision| {
            let Some(wish) = stage.vetted(decision) else {
                refused.set(refused.get() + 1);
                return Err(TestCaseError::reject("refused"));
            };
            entries.set(entries.get() + u32::from(wish.entry.is_some()));
            // What only the API server can judge costs that listener alone.
            let is_judged = |name: &String| {
                let mut listeners = wish.listeners.iter();
                listeners.any(|listener| {
                    listener.name == *name
                        && (!arbitrary::PLAIN.contains(&listener.rest.as_str())
                            || listener.protocol == "TLS")
                })
            };
            let wished: Vec<_> = wish.listeners.iter().map(|one| one.name.clone()).collect();
            let refusals = wish.refusals.clone();
            let (outcome, there) = stage
                .carried_out(wish.clone())
                .map_err(|error| failed(format!("{error:#}")))?;
            let is_known = |problem: &Problem| {
                problem.listener.as_ref().is_some_and(|name| {
                    let mut refusals = refusals.iter();
                    is_judged(name) || refusals.any(|known| known.reason == problem.reason)
                })
            };
            let unknown: Vec<_> = outcome
                .problems
                .iter()
                .filter(|one| !is_known(one))
                .collect();
            // A Gateway must have a listener.
            let none = !wished.is_empty() && wished.iter().all(is_judged);
            prop_assert!(none || unknown.is_empty(), "{unknown:#?}");
            let missing: Vec<_> = wished
                .iter()
                .filter(|name| !is_judged(name) && !there.contains(name))
                .collect();
            prop_assert!(missing.is_empty(), "{missing:?}");
            Ok(())
        })
        .map_err(|error| anyhow!("{error}"))?;
    eprintln!("decisions: {} refused", refused.get());
    ensure!(refused.get() > 0 && entries.get() > 0);
    Ok(())
}

fn statuses_are_accepted(stage: &Stage) -> Result<()> {
    are_accepted("statuses", 300, arbitrary::status(), |status| {
        let status = vet::status(status, &stage.spec).ok()?;
        Some(stage.written(status))
    })
}

fn specs_are_accepted(stage: &Stage) -> Result<()> {
    let written = api::GatewaySpec::from_effective(&stage.spec);
    are_accepted("specs", 300, arbitrary::effective(), |spec| {
        let spec = vet::spec(spec, &written, &stage.spec.target.name).ok()?;
        let mut listeners = spec.listeners.iter();
        // What only the API server can judge.
        let is_plain = listeners.all(|one| arbitrary::PLAIN.contains(&one.rest.as_str()));
        is_plain.then(|| stage.judged(&spec))
    })
}

fn paths_are_those_of_an_httproute(stage: &Stage) -> Result<()> {
    let parts = [
        "/", "/", "a", ".", "..", "~", "%4A", "%2f", "%2F", "%", "4", "#", "?", " ", "ä", "\u{7}",
    ];
    let paths = prop::collection::vec(prop::sample::select(parts.to_vec()), 0..6);
    let passed = Cell::new(0_u32);
    let compare = |path: &str| -> Result<()> {
        let route = Route {
            path: path.to_owned(),
            ..arbitrary::good_route()
        };
        let passes = vet::route(route, &stage.spec, &arbitrary::function()).is_ok();
        passed.set(passed.get() + u32::from(passes));
        ensure!(
            passes == stage.takes_path(path)?,
            "{path:?} passes: {passes}"
        );
        Ok(())
    };
    for length in [1024, 1025] {
        compare(&format!("/{}", "x".repeat(length - 1)))?;
    }
    cases(300)
        .run(&paths, |parts| {
            compare(&format!("/{}", parts.concat())).map_err(|error| failed(format!("{error:#}")))
        })
        .map_err(|error| anyhow!("paths: {error}"))?;
    ensure!((2..300).contains(&passed.get()), "{} pass", passed.get());
    Ok(())
}

/// Of all answers that `accepted` does not refuse.
fn are_accepted<T: std::fmt::Debug>(
    what: &str,
    number: u32,
    answers: impl Strategy<Value = T>,
    accepted: impl Fn(T) -> Option<Result<()>>,
) -> Result<()> {
    let refused = Cell::new(0_u32);
    cases(number)
        .run(&answers, |answer| match accepted(answer) {
            Some(result) => result.map_err(|error| failed(format!("{error:#}"))),
            None => {
                refused.set(refused.get() + 1);
                Err(TestCaseError::reject("refused"))
            }
        })
        .map_err(|error| anyhow!("{what}: {error}"))?;
    eprintln!("{what}: {} refused", refused.get());
    ensure!(refused.get() > 0);
    Ok(())
}

/// The check above can fail: without the vetting the API server refuses these.
fn what_does_not_pass_would_be_refused(stage: &Stage) -> Result<()> {
    let good = || {
        let decision = Decision {
            listeners: stage.spec.listeners[..2].to_vec(),
            refusals: Vec::new(),
            entry: None,
            template: ofn_contract::GatewayTemplate {
                labels: Vec::new(),
                annotations: Vec::new(),
                infrastructure: None,
            },
        };
        stage.vetted(decision).expect("it is good")
    };
    let changes: [fn(&mut Wish); 4] = [
        |wish| wish.listeners[0].protocol = "HT TP".to_owned(),
        |wish| wish.listeners[0].protocol = "TCP".to_owned(),
        |wish| wish.listeners[0].hostname = Some("*".to_owned()),
        |wish| {
            wish.template.labels = vec![ofn_contract::KeyValue {
                key: "a".to_owned(),
                value: "b c".to_owned(),
            }];
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut wish = good();
        change(&mut wish);
        let (outcome, _) = stage.carried_out(wish)?;
        ensure!(!outcome.problems.is_empty(), "change {number}");
    }
    let (outcome, _) = stage.carried_out(good())?;
    ensure!(outcome.problems.is_empty(), "{:#?}", outcome.problems);
    Ok(())
}
