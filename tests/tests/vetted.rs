//! What passes the host's vetting is accepted by the real API server. `PROPTEST_CASES` sets how many
//! answers are tried.

use std::cell::Cell;
use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use ofn_contract::{Decision, EffectiveSpec, ObjectName};
use ofn_gateway::cluster::live::Live;
use ofn_gateway::cluster::{Change, Cluster as _, Kind as HostKind, Write};
use ofn_gateway::pass::carry_out::carry_out;
use ofn_gateway::pass::plan::Intent;
use ofn_gateway::pass::plan::handover::Readiness;
use ofn_gateway::pass::vet::{self, Asked, Terms, Wish};
use ofn_gateway::pass::{Outcome, observe, report};
use ofn_tests::arbitrary;
use ofn_tests::cluster::{Cluster, Kind};
use ofn_tests::control_plane::{ControlPlane, User};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;
use tokio::runtime::Runtime;

const NAMESPACE: &str = "vetted";

struct Stage {
    runtime: Runtime,
    plane: ControlPlane,
    cluster: Cluster,
    live: Live,
    spec: EffectiveSpec,
}

impl Stage {
    fn new() -> Result<Self> {
        let runtime = Runtime::new()?;
        let (plane, cluster, live) = runtime.block_on(async {
            let plane = ControlPlane::start().await?;
            let client = plane.client(User::Admin).await?;
            let cluster = Cluster::new(client.clone());
            cluster.install().await?;
            cluster.namespace(NAMESPACE).await?;
            anyhow::Ok((plane, cluster, Live::new(client, "v1")))
        })?;
        Ok(Self {
            runtime,
            plane,
            cluster,
            live,
            spec: arbitrary::spec(NAMESPACE),
        })
    }

    fn name(&self) -> ObjectName {
        ObjectName {
            namespace: NAMESPACE.to_owned(),
            name: "openfunction".to_owned(),
        }
    }

    /// Carries a wish out from nothing. What it made is deleted afterwards.
    async fn carried_out(&self, wish: Wish) -> Result<Outcome> {
        let cluster = &self.cluster;
        let spec = ofn_gateway::api::GatewaySpec::from_effective(&self.spec);
        cluster
            .create(Kind::Ofn, NAMESPACE, "openfunction", json!({"spec": spec}))
            .await?;
        let gateway = observe::gateway(&self.live, &self.name()).await?;
        let gateway = gateway.expect("it was created")?;
        let mut world = observe::world(&self.live, gateway, Some(&self.spec), &mut |_| ()).await?;
        let intent = Intent::Serve {
            wish: Box::new(wish),
            policy: "sha256:0".to_owned(),
            visible: None,
            readiness: Readiness::Ahead,
        };
        let outcome = carry_out(&self.live, &mut world, &intent).await;
        let deleted = Intent::Delete { served: true };
        cluster.delete(Kind::Ofn, NAMESPACE, "openfunction").await?;
        let gateway = observe::gateway(&self.live, &self.name()).await?;
        if let Some(gateway) = gateway {
            let mut world = observe::world(&self.live, gateway?, None, &mut |_| ()).await?;
            carry_out(&self.live, &mut world, &deleted).await?;
        }
        cluster
            .eventually_gone(Kind::Ofn, NAMESPACE, "openfunction")
            .await?;
        Ok(outcome?)
    }

    fn vetted(&self, decision: Decision) -> Option<Wish> {
        let services = BTreeSet::from([arbitrary::service()]);
        let terms = Terms::default();
        let asked = Asked {
            spec: &self.spec,
            services: &services,
            terms: &terms,
        };
        vet::decision(decision, asked).ok()
    }
}

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
    let stage = Stage::new()?;
    decisions_are_accepted(&stage)?;
    statuses_are_accepted(&stage)?;
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
            let listeners = wish.listeners.len();
            let refusals: Vec<_> = wish
                .refusals
                .iter()
                .map(|refusal| refusal.reason.clone())
                .collect();
            let outcome = stage
                .runtime
                .block_on(stage.carried_out(wish))
                .map_err(|error| failed(format!("{error:#}")))?;
            let problems = outcome.problems.iter().filter(|problem| {
                problem.listener.is_none() || !refusals.contains(&problem.reason)
            });
            let problems: Vec<_> = problems.collect();
            // The schema, not the vetting, says that a Gateway has a listener.
            let empty = listeners == 0
                && problems.len() == 1
                && problems[0].message.contains("should have at least 1 items");
            prop_assert!(empty || problems.is_empty(), "{problems:#?}");
            Ok(())
        })
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    eprintln!("decisions: {} refused", refused.get());
    ensure!(refused.get() > 0 && entries.get() > 0);
    Ok(())
}

fn statuses_are_accepted(stage: &Stage) -> Result<()> {
    let spec = ofn_gateway::api::GatewaySpec::from_effective(&stage.spec);
    stage.runtime.block_on(stage.cluster.create(
        Kind::Ofn,
        NAMESPACE,
        "openfunction",
        json!({"spec": spec}),
    ))?;
    let refused = Cell::new(0_u32);
    cases(300)
        .run(&arbitrary::status(), |status| {
            let Ok(status) = vet::status(status, &stage.spec) else {
                refused.set(refused.get() + 1);
                return Err(TestCaseError::reject("refused"));
            };
            let write = Write {
                kind: HostKind::Gateway,
                name: stage.name(),
                change: Change::Status(report::merge_patch(&status.into())),
            };
            stage
                .runtime
                .block_on(stage.live.write(&write))
                .map_err(failed)?;
            Ok(())
        })
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    eprintln!("statuses: {} refused", refused.get());
    ensure!(refused.get() > 0);
    stage
        .runtime
        .block_on(stage.cluster.delete(Kind::Ofn, NAMESPACE, "openfunction"))
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
        let outcome = stage.runtime.block_on(stage.carried_out(wish))?;
        ensure!(!outcome.problems.is_empty(), "change {number}");
    }
    let outcome = stage.runtime.block_on(stage.carried_out(good()))?;
    ensure!(outcome.problems.is_empty(), "{:#?}", outcome.problems);
    Ok(())
}
