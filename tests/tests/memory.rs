//! What bad calls cost the process. Alone in its process, and one after the other, so that nothing
//! else is measured.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ofn_contract::{EffectiveSpec, KeyValue, ObjectName, Observation};
use ofn_gateway::api::GatewaySpec;
use ofn_gateway::pass::vet::Terms;
use ofn_gateway::policies::Policies;
use ofn_gateway::sandbox::{Fault, Limits, PolicyComponent, Sandbox};
use ofn_tests::corpus::{self, Misdeed, Module, When};
use ofn_tests::{arbitrary, host};

const CALLS: usize = 300;
/// Of each of the corpus.
const CALLS_OF_EACH: usize = 50;
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

fn gateway() -> ofn_contract::Gateway {
    ofn_contract::Gateway {
        name: arbitrary::function(),
        annotations: Vec::new(),
        spec: GatewaySpec::from_effective(&arbitrary::spec("infra")).to_contract(),
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

/// One test, because two would be measured together.
#[test]
fn bad_calls_cost_a_bounded_amount_of_memory_and_leave_none_behind() -> Result<()> {
    hundreds_of_bad_calls_leave_the_memory_as_it_was()?;
    none_of_the_corpus_leaves_memory_behind()?;
    as_many_as_there_may_be_at_a_time_have_no_more_than_their_limit()
}

/// Each of them fills all the memory that it may have, in a loop, and wants more; and there are more of
/// them than may run.
fn as_many_as_there_may_be_at_a_time_have_no_more_than_their_limit() -> Result<()> {
    let limits = Limits::default();
    let sandbox = host::sandbox(limits)?;
    let file = tempfile::NamedTempFile::new()?;
    let module = Module::honest().with(
        "default",
        "(drop (memory.grow (i32.const 252)))
         (memory.fill (i32.const 65536) (i32.const 7) (i32.const 16711680))
         (drop (memory.grow (i32.const 1))) unreachable",
    );
    std::fs::write(file.path(), module.component())?;
    let policy = sandbox.load(file.path())?;
    let most_of_all = (f64::from(limits.instances) + 1.0) * MOST;
    let before = host::resident(std::process::id())?;
    let faults = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..2 * limits.instances)
            .map(|_| {
                scope.spawn(|| {
                    let call = |_| {
                        let mut instance = policy.instance()?;
                        instance.default_spec(gateway(), None).map(drop)
                    };
                    (0..20)
                        .map(call)
                        .filter_map(|called| called.err().map(|error| error.fault))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let mut most: f64 = 0.0;
        while !callers.iter().all(|caller| caller.is_finished()) {
            most = most.max(host::resident(std::process::id())? - before);
            std::thread::sleep(Duration::from_millis(1));
        }
        ensure!(most < most_of_all, "{most:.1} MiB at a time");
        println!("{most:.1} MiB at a time");
        let faults = callers.into_iter().map(|caller| caller.join());
        let faults: Result<Vec<_>, _> = faults.collect();
        Ok(faults.expect("no panic").concat())
    })?;
    ensure!(
        faults.len() == 40 * limits.instances as usize,
        "one did not fail"
    );
    ensure!(faults.contains(&Fault::Memory));
    let left = host::resident(std::process::id())? - before;
    ensure!(left < MOST, "{left:.1} MiB are left");
    Ok(())
}

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

fn none_of_the_corpus_leaves_memory_behind() -> Result<()> {
    // What does not end is ended soon; whatever the others do takes less.
    let sandbox = host::sandbox(Limits {
        time: Duration::from_millis(20),
        ..Limits::default()
    })?;
    let all: Vec<_> = corpus::all()
        .into_iter()
        .map(|misdeed| Ok((misdeed.name, misdeed_of(&sandbox, &misdeed)?)))
        .collect::<Result<_>>()?;
    for (name, fails) in &all {
        ensure!(fails(), "{name} did not fail");
    }
    let before = host::resident(std::process::id())?;
    for (name, fails) in &all {
        ensure!((0..CALLS_OF_EACH).all(|_| fails()), "{name} did not fail");
        let grown = host::resident(std::process::id())? - before;
        ensure!(grown < MOST, "{grown:.1} MiB more after {name}");
    }
    Ok(())
}

/// Does a misdeed once, each time it is called: whether it fails, as it should.
fn misdeed_of(sandbox: &Sandbox, misdeed: &Misdeed) -> Result<Box<dyn Fn() -> bool>> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), misdeed.module.component())?;
    let sandbox = sandbox.clone();
    Ok(match misdeed.when {
        When::Load => Box::new(move || sandbox.load(file.path()).is_err()),
        When::Call => {
            let policy = sandbox.load(file.path())?;
            Box::new(move || {
                let mut instance = policy.instance().expect("room");
                instance.default_spec(gateway(), None).is_err()
            })
        }
    })
}
