//! What bad calls leave behind in the process. Alone in its process, so that nothing else is measured.

use anyhow::{Context, Result, ensure};
use ofn_contract::{EffectiveSpec, KeyValue, ObjectName, Observation};
use ofn_gateway::pass::vet::Terms;
use ofn_gateway::policies::Policies;
use ofn_gateway::sandbox::{Limits, PolicyComponent};
use ofn_tests::{arbitrary, host};

const CALLS: usize = 300;
/// In MiB; an instance may have 16.
const MOST: f64 = 16.0;

fn seen(spec: &EffectiveSpec, misdeed: &str) -> Observation {
    Observation {
        name: ObjectName {
            namespace: "openfunction".to_owned(),
            name: "openfunction".to_owned(),
        },
        annotations: vec![KeyValue {
            key: "networking.openfunction.io/misdeed".to_owned(),
            value: misdeed.to_owned(),
        }],
        settings: Vec::new(),
        spec: spec.clone(),
        kubernetes_gateway: None,
        gateway_class: None,
        services: Vec::new(),
    }
}

/// Whether a call fails, as it should.
fn fails(policy: &PolicyComponent, seen: &Observation) -> bool {
    let decided = policy
        .instance()
        .and_then(|mut instance| instance.decide(seen.clone()));
    let reported = policy
        .instance()
        .and_then(|mut instance| instance.aggregate_status(seen.clone()));
    decided.is_err() || reported.is_err()
}

#[test]
fn hundreds_of_bad_calls_leave_the_memory_as_it_was() -> Result<()> {
    let sandbox = host::sandbox(Limits::default())?;
    let folder = host::policies_and_the_hostile_one()?;
    let policies = Policies::load(&folder, &sandbox, Terms::default())?;
    let hostile = policies.named("hostile").context("the hostile component")?;
    let spec = arbitrary::spec("infra");
    let misdeeds = [
        "trap",
        "endless recursion",
        "endless memory",
        "a huge status",
    ];
    let all: Vec<Observation> = misdeeds
        .iter()
        .map(|misdeed| seen(&spec, misdeed))
        .collect();
    let round = || all.iter().all(|seen| fails(hostile, seen));
    ensure!(round(), "a misdeed did not fail");
    let before = host::resident(std::process::id())?;
    for _ in 0..CALLS {
        ensure!(round(), "a misdeed did not fail");
    }
    let grown = host::resident(std::process::id())? - before;
    ensure!(grown < MOST, "{grown:.1} MiB more after {CALLS} rounds");
    Ok(())
}
