//! Whatever goes wrong with a component is told apart: in the error, in the figures, and in the status
//! of the OpenFunction Gateway that it decides for or the news about its file, which become events.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use ofn_contract::ObjectName;
use ofn_gateway::cluster::offline::Offline;
use ofn_gateway::cluster::{Cluster, Kind};
use ofn_gateway::pass::pass;
use ofn_gateway::pass::vet::Terms;
use ofn_gateway::policies::{Folders, News, Policies};
use ofn_gateway::sandbox::{Cache, CompileError, Compiler, Defect, Fault, Limits, Sandbox};
use ofn_tests::corpus::{self, Module, When};
use ofn_tests::host;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{load_in, sandbox};

/// What people see of a fault: a reason, and these words. Of memory there is more than one kind.
fn shown(fault: Fault, name: &str) -> (&'static str, &'static str) {
    match fault {
        Fault::Trap => ("PolicyTrapped", "default trapped"),
        Fault::Time => ("PolicyTimeout", "(--policy-time)"),
        Fault::Memory if name.starts_with("memory") => ("PolicyOutOfMemory", "(--policy-memory)"),
        Fault::Memory if name.starts_with("a_table") => ("PolicyOutOfMemory", "(--policy-table)"),
        Fault::Memory if name.starts_with("handles") => {
            ("PolicyOutOfMemory", "handle limit exceeded")
        }
        Fault::Memory => panic!("{name} takes another kind of memory"),
        Fault::Stack => ("PolicyOutOfStack", "(--policy-stack)"),
        Fault::TooLarge => ("PolicyAnswerTooLarge", "(--policy-answer)"),
        Fault::Unreadable => ("PolicyAnswerInvalid", "cannot be read"),
        Fault::Busy => ("PolicyBusy", "(--policy-instances)"),
    }
}

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new().build_recorder()
}

/// The status of an OpenFunction Gateway for which a component has decided, offline.
fn decided_by(policies: &Policies) -> Value {
    let cluster = Offline::default();
    let gateway = json!({
        "apiVersion": "networking.openfunction.io/v1alpha1",
        "kind": "Gateway",
        "metadata": {"namespace": "ofn", "name": "openfunction"},
        "spec": {"domain": "ofn.io", "gatewayRef": {"namespace": "infra", "name": "any"}},
    });
    let gateway = serde_json::from_value(gateway).expect("an object");
    cluster.insert(Kind::Gateway, &gateway);
    let name = ObjectName {
        namespace: "ofn".to_owned(),
        name: "openfunction".to_owned(),
    };
    let decided = async {
        pass(&cluster, policies, &name, &mut |_| (), &mut Vec::new())
            .await
            .expect("a pass");
        cluster.get(Kind::Gateway, &name).await
    };
    let object = futures::executor::block_on(decided).expect("offline");
    object.expect("it is there").data["status"].clone()
}

/// A pass with a component, in which it does this.
fn is_told(name: &str, policies: &Policies, fault: Fault) {
    let (reason, words) = shown(fault, name);
    let figures = recorder();
    let status = metrics::with_local_recorder(&figures, || decided_by(policies));
    let ready = &status["conditions"][1];
    assert_eq!(ready["type"], "Ready");
    assert_eq!(ready["status"], "False", "{name}: {ready:#}");
    assert_eq!(ready["reason"], reason, "{name}: {ready:#}");
    let message = ready["message"].as_str().expect("a message");
    assert!(
        message.contains("policy hostile 0.1.0 (sha256:"),
        "{name}: {message}"
    );
    assert!(message.contains(words), "{name}: {message}");
    let counted =
        format!("ofn_gateway_policy_faults_total{{policy=\"hostile\",reason=\"{reason}\"}} ");
    let figures = figures.handle().render();
    assert!(figures.contains(&counted), "{name}: {figures}");
}

#[test]
fn whatever_goes_wrong_in_a_call_is_told_in_status_and_figures() {
    let sandbox = sandbox(Limits {
        instances: 1,
        ..Limits::default()
    });
    let policies = |module: &Module| {
        let policy = load_in(&sandbox, &module.component());
        Policies::of_one(&Arc::new(policy.unwrap_or_else(|error| panic!("{error}"))))
    };
    let mut told = BTreeSet::new();
    for misdeed in corpus::all() {
        if misdeed.when == When::Call {
            is_told(misdeed.name, &policies(&misdeed.module), misdeed.fault);
            told.insert(shown(misdeed.fault, misdeed.name).0);
        }
    }
    let honest = policies(&Module::honest());
    let _only = honest.standard().instance().expect("the only one");
    let name = "an instance too many";
    is_told(name, &honest, Fault::Busy);
    told.insert(shown(Fault::Busy, name).0);
    let all = [
        "PolicyAnswerInvalid",
        "PolicyAnswerTooLarge",
        "PolicyBusy",
        "PolicyOutOfMemory",
        "PolicyOutOfStack",
        "PolicyTimeout",
        "PolicyTrapped",
    ];
    assert_eq!(told, all.into());
}

/// Every way in which a file can be no component: a name for each.
fn kind(defect: &Defect) -> &'static str {
    match defect {
        Defect::File(error) if error.kind() == std::io::ErrorKind::FileTooLarge => "too large",
        Defect::File(_) => "file",
        Defect::Compile(CompileError::Refused(_)) => "refused",
        Defect::Compile(CompileError::Time(_)) => "compile time",
        Defect::Compile(CompileError::Memory(_)) => "compile memory",
        Defect::Compile(CompileError::Code(_)) => "code",
        Defect::Compile(CompileError::Killed) => "killed",
        Defect::Compile(CompileError::Crashed(_)) => "crashed",
        Defect::Compile(CompileError::Process(_)) => "process",
        Defect::Imports(_) => "imports",
        Defect::Contract(_) => "contract",
        Defect::Room(..) => "room",
        Defect::Parts(_) => "parts",
        Defect::Call(_) => "call",
        Defect::Broken(_) => "broken",
    }
}

const KINDS: [&str; 15] = [
    "broken",
    "call",
    "code",
    "compile memory",
    "compile time",
    "contract",
    "crashed",
    "file",
    "imports",
    "killed",
    "parts",
    "process",
    "refused",
    "room",
    "too large",
];

/// A folder with the standard component, which is in the cache: whatever the limits are, it loads.
struct Stage {
    folder: TempDir,
    cache: TempDir,
    compiler: Compiler,
    limits: Limits,
}

impl Stage {
    fn new() -> Self {
        let temporary = || tempfile::tempdir().expect("a folder");
        let stage = Self {
            folder: temporary(),
            cache: temporary(),
            compiler: host::compiler().expect("make build"),
            limits: Limits::default(),
        };
        let standard = host::component("standard").expect("make build");
        host::put(stage.folder.path(), "standard.wasm", &standard).expect("a file");
        let standard = stage.folder.path().join("standard.wasm");
        stage.sandbox().load(&standard).expect("it loads");
        stage
    }

    fn sandbox(&self) -> Sandbox {
        let cache = Cache::open(&self.cache.path().join("cache")).expect("a cache");
        Sandbox::new(self.limits, self.compiler.clone(), Some(cache)).expect("the engine")
    }

    fn bad(&self) -> PathBuf {
        self.folder.path().join("bad.wasm")
    }

    fn limited(mut self, limit: impl FnOnce(&mut Limits)) -> Self {
        limit(&mut self.limits);
        self
    }

    /// With a compiler that does this.
    fn compiled_by(mut self, script: &str) -> Self {
        let program = self.cache.path().join("compiler");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a script");
        let executable = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&program, executable).expect("chmod");
        self.compiler = Compiler { program };
        self
    }

    fn with(self, content: &[u8]) -> Self {
        std::fs::write(self.bad(), content).expect("a file");
        self
    }
}

/// Loads the file, and follows its folder.
fn is_told_of(stage: &Stage, reason: &str, words: &str) -> &'static str {
    let error = stage.sandbox().load(&stage.bad()).err().expect("refused");
    assert_eq!(error.defect.reason(), reason, "{error}");
    assert!(error.to_string().contains(words), "{error}");
    let figures = recorder();
    let told = metrics::with_local_recorder(&figures, || news(stage.folder.path(), stage));
    assert!(told.contains(words), "{told}");
    let counted = format!("ofn_gateway_policies_refused_total{{reason=\"{reason}\"}} 1");
    let figures = figures.handle().render();
    assert!(figures.contains(&counted), "{figures}");
    kind(&error.defect)
}

/// What is told of the bad file, under the reason that counts.
fn news(folder: &Path, stage: &Stage) -> String {
    let folders = vec![folder.to_owned()];
    let opened = Folders::open(folders, stage.sandbox(), Terms::default());
    let (_, news) = opened.expect("a standard component");
    news.iter().for_each(News::record);
    let bad = |news: &&News| matches!(news, News::Refused { .. });
    news.iter().find(bad).expect("it is told").to_string()
}

#[test]
fn whatever_is_wrong_with_a_file_is_told_in_news_and_figures() {
    let contour = host::component("contour").expect("make build");
    let javascript = host::javascript().expect("make javascript");
    let javascript = std::fs::read(javascript.join("aws-load-balancer.wasm")).expect("a file");
    let text = |text: &str| wat::parse_str(text).expect("the text is a component");
    let tables = Module::honest().with("more", "(table 1 funcref)".repeat(5));
    let trap = Module::honest().with("describe", "unreachable");
    let unnamed = Module::honest().with(
        "describe",
        "(i32.store (i32.const 20) (i32.const 0)) (i32.const 16)",
    );
    let endless_link = Stage::new();
    symlink(endless_link.bad(), endless_link.bad()).expect("a link");
    let large = Stage::new().with(b"");
    let file = std::fs::File::create(large.bad()).expect("a file");
    file.set_len(1 << 30).expect("a gigabyte");
    let mut without_compiler = Stage::new().with(&contour);
    without_compiler.compiler.program = "/nowhere".into();
    let told: BTreeSet<&str> = [
        (&endless_link, "PolicyFileUnreadable", "bad.wasm"),
        (&large, "PolicyFileTooLarge", "(--policy-file)"),
        (
            &Stage::new().with(b"no component"),
            "PolicyNotAComponent",
            "it is not a component",
        ),
        (
            &Stage::new()
                .with(&contour)
                .limited(|limits| limits.compile_time = Duration::from_millis(1)),
            "PolicyCompileTime",
            "(--policy-compile-time)",
        ),
        (
            &Stage::new()
                .with(&contour)
                .limited(|limits| limits.compile_memory = ByteSize::mib(32)),
            "PolicyCompileMemory",
            "(--policy-compile-memory)",
        ),
        (
            &Stage::new()
                .with(&contour)
                .limited(|limits| limits.code = ByteSize::kib(256)),
            "PolicyCodeTooLarge",
            "(--policy-code)",
        ),
        (
            &Stage::new().with(&contour).compiled_by("kill -SEGV $$"),
            "PolicyCompilerCrashed",
            "the compiler crashed",
        ),
        (
            &Stage::new().with(&contour).compiled_by("kill -KILL $$"),
            "PolicyCompilerKilled",
            "was killed",
        ),
        (&without_compiler, "PolicyCompilerMissing", "does not work"),
        (
            &Stage::new()
                .with(&javascript)
                .limited(|limits| limits.all_code = ByteSize::mib(4)),
            "PolicyNoRoom",
            "(--policies-code)",
        ),
        (
            &Stage::new().with(&text("(component (import \"secret\" (func)))")),
            "PolicyImports",
            "it imports secret",
        ),
        (
            &Stage::new().with(&text("(component)")),
            "PolicyContract",
            "it does not export",
        ),
        (
            &Stage::new().with(&tables.component()),
            "PolicyTooManyParts",
            "more than a policy may be",
        ),
        (
            &Stage::new().with(&trap.component()),
            "PolicyTrapped",
            "describe trapped",
        ),
        (
            &Stage::new().with(&unnamed.component()),
            "PolicyAnswerInvalid",
            "DNS label",
        ),
    ]
    .map(|(stage, reason, words)| is_told_of(stage, reason, words))
    .into();
    assert_eq!(told, KINDS.into());
}
