//! What is measured, beside the budgets: `make bench`. Figures are medians.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytesize::ByteSize;
use ofn_contract::{
    Condition, Gateway, GatewayClass, GatewaySpec, KeyValue, KubernetesGateway, Listener,
    ListenerStatus, ObjectName, Observation,
};
use ofn_gateway::api;
use ofn_gateway::pass::vet::Terms;
use ofn_gateway::policies::Policies;
use ofn_gateway::sandbox::{CompileError, Defect, Limits, Sandbox};
use ofn_policy::{Policy, Standard};
use ofn_tests::cluster::{Cluster, Kind, named};
use ofn_tests::control_plane::{ControlPlane, User};
use ofn_tests::corpus::{self, When};
use ofn_tests::host;
use serde_json::{Value, json};

const CALLS: usize = 3000;
const ROUNDS: usize = 20;
/// Of each, the middle one counts: a slice of time that something else on the machine takes is twenty
/// times as long as a decision.
const ROUNDS_BESIDE: usize = 3;

#[tokio::main]
async fn main() -> Result<()> {
    println!("| what | budget | measured |\n|---|---|---|");
    decisions()?;
    beside_hostile()?;
    cluster().await
}

fn row(what: &str, budget: &str, measured: &str) {
    println!("| {what} | {budget} | {measured} |");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn micros(time: Duration) -> String {
    format!("{:.1} µs", time.as_nanos() as f64 / 1000.0)
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_nanos() as f64 / 1_000_000.0)
}

fn timed<T>(mut call: impl FnMut() -> T) -> Duration {
    let times = (0..CALLS).map(|_| {
        let started = Instant::now();
        std::hint::black_box(call());
        started.elapsed()
    });
    median(times.collect())
}

fn decisions() -> Result<()> {
    let policies = Policies::load(
        &host::policies()?,
        &host::sandbox(Limits::default())?,
        Terms::default(),
    )?;
    let policy = policies.standard();
    let instance = timed(|| policy.instance());
    row("a fresh instance", "–", &micros(instance));
    for listeners in [1, 16, 64] {
        let seen = observation(listeners)?;
        // Both are given what they may keep; making the copy is not part of the decision.
        let copy = timed(|| seen.clone());
        let native = timed(|| Standard.decide(&seen));
        let sandboxed = timed(|| {
            let mut instance = policy.instance()?;
            instance.decide(seen.clone())
        });
        let sandboxed = sandboxed.saturating_sub(copy);
        row(
            &format!("a decision in a fresh instance, {listeners} listener(s)"),
            if listeners == 16 {
                "≤ 50 µs"
            } else {
                "linear"
            },
            &format!("{} ({} natively)", micros(sandboxed), micros(native)),
        );
    }
    let size = std::fs::metadata(host::policies()?.join("standard.wasm"))?.len();
    row(
        "the standard component",
        "≤ 250 kB",
        &format!("{:.0} kB", size as f64 / 1000.0),
    );
    Ok(())
}

/// Decisions of a good component while a bad one is called in a loop on another thread, against the
/// same without it just before: each component of the corpus, the misdeeds of `tests/hostile/` that take
/// more than one kind of memory, and one that is compiled again and again.
fn beside_hostile() -> Result<()> {
    let sandbox = host::sandbox(Limits::default())?;
    let folder = host::policies_and_the_hostile_one()?;
    let policies = Policies::load(&folder, &sandbox, Terms::default())?;
    let good = policies.standard();
    let hostile = policies.named("hostile").context("the hostile component")?;
    let seen = observation(16)?;
    let decide = || {
        let mut instance = good.instance()?;
        instance.decide(seen.clone())
    };
    let file = tempfile::NamedTempFile::new()?;
    let before = host::resident(std::process::id())?;
    let mut beside = Beside::default();
    for misdeed in ["endless memory", "a huge status"] {
        let mut seen = observation(16)?;
        seen.annotations.push(KeyValue {
            key: "networking.openfunction.io/misdeed".to_owned(),
            value: misdeed.to_owned(),
        });
        beside.measure(misdeed, decide, || {
            hostile.instance().is_ok_and(|mut instance| {
                instance.decide(seen.clone()).is_err()
                    || instance.aggregate_status(seen.clone()).is_err()
            })
        })?;
    }
    for misdeed in corpus::all() {
        std::fs::write(file.path(), misdeed.module.component())?;
        if misdeed.when == When::Load {
            beside.measure(misdeed.name, decide, || sandbox.load(file.path()).is_err())?;
            continue;
        }
        let bad = sandbox.load(file.path())?;
        let gateway = Gateway {
            name: seen.name.clone(),
            annotations: Vec::new(),
            spec: api::GatewaySpec::from_effective(&seen.spec).to_contract(),
        };
        beside.measure(misdeed.name, decide, || {
            bad.instance()
                .is_ok_and(|mut instance| instance.default_spec(gateway.clone(), None).is_err())
        })?;
    }
    // Another process, so it takes a processor and no memory of this one.
    let hasty = Sandbox::new(
        Limits {
            compile_time: Duration::from_millis(100),
            compile_memory: ByteSize::gib(4),
            ..Limits::default()
        },
        host::compiler()?,
        None,
    )?;
    std::fs::write(file.path(), corpus::endless_to_compile())?;
    beside.measure("a component that takes for ever to compile", decide, || {
        let loaded = hasty.load(file.path());
        let defect = loaded.err().map(|error| error.defect);
        defect.is_some_and(|defect| matches!(*defect, Defect::Compile(CompileError::Time(_))))
    })?;
    beside.rows();
    // One component with one instance is there at a time.
    let limits = Limits::default();
    let most = limits.memory + limits.code + limits.answer;
    row(
        "memory that the worst of these took, resident",
        &format!("≤ {most}, what one may have in memory, code and answer"),
        &format!("{:.1} MiB", beside.memory - before),
    );
    Ok(())
}

/// What decisions take beside bad components, as ratios to what they take alone.
#[derive(Default)]
struct Beside {
    number: usize,
    medians: Vec<f64>,
    worst: [(f64, String); 2],
    /// Resident memory, in MiB.
    memory: f64,
}

impl Beside {
    fn measure<T>(
        &mut self,
        misdeed: &str,
        decide: impl Fn() -> T,
        fails: impl Fn() -> bool + Sync,
    ) -> Result<()> {
        let mut ratios = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS_BESIDE {
            let alone = times_for(&decide);
            let stop = AtomicBool::new(false);
            let (beside, failures, resident) = std::thread::scope(|scope| {
                let bad = scope.spawn(|| {
                    let mut failures = 0;
                    while !stop.load(Ordering::Relaxed) {
                        failures += usize::from(fails());
                    }
                    failures
                });
                let beside = times_for(&decide);
                let resident = host::resident(std::process::id());
                stop.store(true, Ordering::Relaxed);
                (beside, bad.join(), resident)
            });
            self.memory = self.memory.max(resident?);
            let failures =
                failures.map_err(|_| anyhow::anyhow!("the thread of the bad one panicked"))?;
            ensure!(failures > 0, "{misdeed} did not fail");
            for (ratios, per_cent) in ratios.iter_mut().zip([50, 99]) {
                let [beside, alone] = [&beside, &alone].map(|times| quantile(times, per_cent));
                ratios.push(beside.as_secs_f64() / alone.as_secs_f64());
            }
        }
        let [median, slow] = ratios.map(|mut ratios| {
            ratios.sort_by(f64::total_cmp);
            ratios[ROUNDS_BESIDE / 2]
        });
        self.number += 1;
        self.medians.push(median);
        for (worst, ratio) in self.worst.iter_mut().zip([median, slow]) {
            if ratio > worst.0 {
                *worst = (ratio, misdeed.to_owned());
            }
        }
        Ok(())
    }

    fn rows(&mut self) {
        self.medians.sort_by(f64::total_cmp);
        row(
            &format!("a decision beside each of {} bad components", self.number),
            "1 ×",
            &format!("{:.2} × of one alone", self.medians[self.medians.len() / 2]),
        );
        for (what, (ratio, name)) in ["median", "99th percentile"].iter().zip(&self.worst) {
            row(
                &format!("the same beside the worst of them, {what}"),
                "1 ×",
                &format!("{ratio:.2} × (`{name}`)"),
            );
        }
    }
}

/// Long enough for a bad one to be ended a few times.
fn times_for<T>(call: impl Fn() -> T) -> Vec<Duration> {
    let began = Instant::now();
    let mut times = Vec::new();
    while began.elapsed() < Duration::from_secs(1) {
        let started = Instant::now();
        std::hint::black_box(call());
        times.push(started.elapsed());
    }
    times.sort();
    times
}

/// Of times in their order.
fn quantile(times: &[Duration], per_cent: usize) -> Duration {
    times[times.len() * per_cent / 100]
}

/// A Gateway with this many listeners, all of them well.
fn observation(count: u16) -> Result<Observation> {
    let name = ObjectName {
        namespace: "projectcontour".to_owned(),
        name: "contour".to_owned(),
    };
    let listeners: Vec<_> = (1..count)
        .map(|port| Listener {
            name: format!("listener-{port}"),
            hostname: Some(format!("*.team-{port}.ofn.io")),
            port: 8000 + port,
            protocol: "HTTP".to_owned(),
            rest: json!({"allowedRoutes": {"namespaces": {"from": "All"}}}).to_string(),
        })
        .collect();
    let gateway = Gateway {
        name: ObjectName {
            namespace: "openfunction".to_owned(),
            name: "openfunction".to_owned(),
        },
        annotations: Vec::new(),
        spec: GatewaySpec {
            domain: "ofn.io".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            host_template: String::new(),
            path_template: String::new(),
            http_route_label_key: String::new(),
            gateway_ref: Some(name.clone()),
            gateway_def: None,
            listeners,
        },
    };
    let spec = Standard
        .default_spec(&gateway, None)
        .map_err(|violations| anyhow::anyhow!("{violations:?}"))?;
    let conditions: Vec<_> = ["Accepted", "Programmed", "ResolvedRefs"]
        .map(|type_| Condition {
            type_: type_.to_owned(),
            status: "True".to_owned(),
            reason: type_.to_owned(),
            message: "All is well".to_owned(),
            observed_generation: Some(1),
        })
        .to_vec();
    Ok(Observation {
        name: gateway.name,
        annotations: Vec::new(),
        settings: Vec::new(),
        kubernetes_gateway: Some(KubernetesGateway {
            name,
            labels: Vec::new(),
            annotations: Vec::new(),
            class_name: "contour".to_owned(),
            generation: 1,
            written_generation: 1,
            listeners: spec.listeners.clone(),
            spec_rest: "{}".to_owned(),
            addresses: Vec::new(),
            conditions: conditions.clone(),
            listener_statuses: spec
                .listeners
                .iter()
                .map(|listener| ListenerStatus {
                    name: listener.name.clone(),
                    attached_routes: 0,
                    supported_kinds: Vec::new(),
                    conditions: conditions.clone(),
                })
                .collect(),
        }),
        gateway_class: Some(GatewayClass {
            name: "contour".to_owned(),
            controller_name: "projectcontour.io/gateway-controller".to_owned(),
            annotations: Vec::new(),
            spec_rest: "{}".to_owned(),
        }),
        services: Vec::new(),
        spec,
    })
}

const OFN: &str = "openfunction";
const INFRA: &str = "projectcontour";

async fn cluster() -> Result<()> {
    let plane = ControlPlane::start().await?;
    let cluster = Cluster::new(plane.client(User::Admin).await?);
    cluster.install().await?;
    cluster.namespace(INFRA).await?;
    let class = json!({"spec": {"controllerName": "projectcontour.io/gateway-controller"}});
    cluster
        .create(Kind::GatewayClass, "", "contour", class)
        .await?;
    let own =
        json!({"name": "platform", "hostname": "*.example.com", "port": 80, "protocol": "HTTP"});
    let spec = json!({"spec": {"gatewayClassName": "contour", "listeners": [own]}});
    cluster
        .create(Kind::Gateway, INFRA, "contour", spec)
        .await?;
    let envoy = json!({"spec": {"ports": [{"port": 80}]}});
    cluster.create(Kind::Service, INFRA, "envoy", envoy).await?;
    let running = host::start(
        &plane.kubeconfig(User::Host),
        &plane.folder().join("host.log"),
    )?;

    let mut bare = Vec::new();
    let mut created = Vec::new();
    let mut changed = Vec::new();
    let mut writes_of_creation = Vec::new();
    let mut writes_of_change = Vec::new();
    for round in 0..ROUNDS {
        let started = Instant::now();
        let label = json!({"metadata": {"labels": {"round": round.to_string()}}});
        cluster.edit(Kind::Service, INFRA, "envoy", label).await?;
        bare.push(started.elapsed());

        let before = plane.writes(User::Host)?.len();
        let started = Instant::now();
        cluster
            .create(Kind::Ofn, OFN, OFN, json!({"spec": default_spec("ofn.io")}))
            .await?;
        wait(&cluster, "has a status", |object| {
            object["status"]["conditions"].is_array()
        })
        .await?;
        created.push(started.elapsed());
        settle().await;
        writes_of_creation.push(plane.writes(User::Host)?.len() - before);

        let before = plane.writes(User::Host)?.len();
        let started = Instant::now();
        cluster
            .edit(
                Kind::Ofn,
                OFN,
                OFN,
                json!({"spec": {"domain": "example.org"}}),
            )
            .await?;
        cluster
            .eventually(
                Kind::Gateway,
                INFRA,
                "contour",
                "has the new domain",
                |gateway| {
                    named(&gateway["spec"]["listeners"], "ofn-http-external")
                        .is_some_and(|listener| listener["hostname"] == "*.example.org")
                },
            )
            .await?;
        changed.push(started.elapsed());
        settle().await;
        writes_of_change.push(plane.writes(User::Host)?.len() - before);
        if round + 1 < ROUNDS {
            cluster.delete(Kind::Ofn, OFN, OFN).await?;
            cluster.eventually_gone(Kind::Ofn, OFN, OFN).await?;
        }
    }
    let mut reported = Vec::new();
    for round in 0..ROUNDS {
        let address = format!("192.0.2.{}", round + 1);
        let status = json!({"addresses": [{"type": "IPAddress", "value": address}]});
        let started = Instant::now();
        cluster
            .write_status(Kind::Gateway, INFRA, "contour", status)
            .await?;
        wait(&cluster, "shows the address", |object| {
            object["status"]["addresses"][0]["value"] == address.as_str()
        })
        .await?;
        reported.push(started.elapsed());
    }
    let bare = median(bare);
    let ratio = |time: Duration| {
        format!(
            "{} ({:.1} × a bare client's patch, {})",
            millis(time),
            time.as_secs_f64() / bare.as_secs_f64(),
            millis(bare)
        )
    };
    row("from creation to status", "–", &ratio(median(created)));
    row(
        "from a change of domain to the Kubernetes Gateway",
        "–",
        &ratio(median(changed)),
    );
    row(
        "from a status change of the Kubernetes Gateway to ours",
        "≤ 1 s",
        &ratio(median(reported)),
    );
    writes_of_creation.sort_unstable();
    writes_of_change.sort_unstable();
    row(
        "writes for a creation",
        "only those needed",
        &writes_of_creation[ROUNDS / 2].to_string(),
    );
    row(
        "writes for a change of domain",
        "only those needed",
        &writes_of_change[ROUNDS / 2].to_string(),
    );

    let before = plane.writes(User::Host)?.len();
    tokio::time::sleep(Duration::from_secs(60)).await;
    row(
        "writes in a minute of rest",
        "0",
        &(plane.writes(User::Host)?.len() - before).to_string(),
    );
    row(
        "memory of the host when idle, resident",
        "≤ 20 MiB",
        &format!("{:.1} MiB", host::resident(running.id())?),
    );
    Ok(())
}

/// Lets passes end that a last write may have caused.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

async fn wait(cluster: &Cluster, what: &str, test: impl Fn(&Value) -> bool) -> Result<Value> {
    cluster.eventually(Kind::Ofn, OFN, OFN, what, test).await
}

fn default_spec(domain: &str) -> Value {
    let listener = |name: &str, hostname: String| {
        json!({
            "name": name, "hostname": hostname, "port": 80, "protocol": "HTTP",
            "allowedRoutes": {"namespaces": {"from": "All"}},
        })
    };
    json!({
        "domain": domain,
        "gatewayRef": {"name": "contour", "namespace": INFRA},
        "gatewaySpec": {"listeners": [
            listener("ofn-http-internal", "*.cluster.local".to_owned()),
            listener("ofn-http-external", format!("*.{domain}")),
        ]},
    })
}
