//! What is fuzzed: each function takes any bytes and panics where something is wrong. `make fuzz`
//! runs them for long, and `make test` for a while.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result, anyhow};
use kube::api::DynamicObject;
use ofn_contract::text::is_printable;
use ofn_contract::{
    Decision, Description, EffectiveSpec, EntryTarget, GatewayStatus, ObjectName, Route,
    ServiceQuery, Violation,
};
use ofn_gateway::api;
use ofn_gateway::kubernetes_gateway::KubernetesGateway;
use ofn_gateway::pass::vet::{self, Asked, Terms};
use ofn_gateway::sandbox::{CompileError, Defect, Limits, Sandbox};
use ofn_policy::template::Template;
use ofn_policy::{Policy, Standard, status};
use proptest::prop_oneof;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{arbitrary, corpus, host};

/// A target and its name.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 5] = [
    ("template", template),
    ("spec", spec),
    ("component", component),
    ("vetting", vetting),
    ("status", aggregate),
];

/// Inputs to begin with: what the other tests rest on, and what once made the target fail.
///
/// # Errors
///
/// When a file is missing; `make build` makes the components.
pub fn seeds(target: &str) -> Result<Vec<Vec<u8>>> {
    let tests = host::workspace().join("tests");
    let mut seeds = match target {
        "template" => templates(&tests.join("templates/corpus.json"))?,
        "spec" => specs()?,
        "component" => {
            let hostile = corpus::all().into_iter();
            let mut components: Vec<_> = hostile.map(|one| one.module.component()).collect();
            // An empty one.
            components.push(b"\0asm\x0d\0\x01\0".to_vec());
            components.push(host::component("standard")?);
            components
        }
        "vetting" => answers()?,
        "status" => files(&tests.join("recorded"))?
            .iter()
            .map(|yaml| {
                let object: Value = serde_yaml_ng::from_slice(yaml)?;
                Ok(object.to_string().into_bytes())
            })
            .collect::<Result<_>>()?,
        _ => Vec::new(),
    };
    let found = tests.join("fuzz/found").join(target);
    if found.is_dir() {
        seeds.extend(files(&found)?);
    }
    Ok(seeds)
}

fn files(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(|path| Ok(fs::read(path)?)).collect()
}

fn templates(corpus: &Path) -> Result<Vec<Vec<u8>>> {
    let templates: Vec<String> = serde_json::from_slice(&fs::read(corpus)?)?;
    let input = |template: String| format!("{template}\nhello\ndefault").into_bytes();
    Ok(templates.into_iter().map(input).collect())
}

fn specs() -> Result<Vec<Vec<u8>>> {
    let sample = host::workspace().join("deploy/samples/default-gateway.yaml");
    let sample: Value = serde_yaml_ng::from_slice(&fs::read(sample)?)?;
    let defined = json!({
        "domain": "b.a.io",
        "clusterDomain": "a.io",
        "hostTemplate": "{{.Name}}.{{printf \"%s\" .Domain}}",
        "pathTemplate": "/x/{{.Namespace | len}}",
        "httpRouteLabelKey": "example.com/by",
        "gatewayDef": {"namespace": "infra", "gatewayClassName": "contour"},
        "gatewaySpec": {"listeners": [
            {"name": "a", "port": 443, "protocol": "HTTPS", "hostname": "*.a.io",
             "tls": {"mode": "Terminate", "certificateRefs": [{"name": "c"}]}},
            {"name": "ofn-http-internal", "port": 81, "protocol": "TCP"},
            {"name": "b", "port": 53, "protocol": "UDP", "allowedRoutes": 7},
        ]},
    });
    Ok([sample["spec"].clone(), defined]
        .map(|spec| spec.to_string().into_bytes())
        .to_vec())
}

/// A template, a line that is the name of a function, and its namespace. The result, if there is
/// one, is bounded.
pub fn template(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, '\n');
    let mut next = || parts.next().unwrap_or_default();
    let (template, name, namespace) = (next(), next(), next());
    let known = [
        ("Name", name),
        ("Namespace", namespace),
        ("Domain", "ofn.io"),
    ];
    if let Ok(text) = Template::parse(template).and_then(|template| template.evaluate(&known)) {
        assert!(text.len() <= 8 << 10, "{} bytes", text.len());
    }
}

/// The JSON of an OpenFunction Gateway's spec. What the standard policy makes of it passes the
/// vetting, and stays as it is when it is asked again.
pub fn spec(data: &[u8]) {
    let Ok(written) = serde_json::from_slice::<api::GatewaySpec>(data) else {
        return;
    };
    let name = ObjectName {
        namespace: "openfunction".to_owned(),
        name: "openfunction".to_owned(),
    };
    let gateway = |spec| ofn_contract::Gateway {
        name: name.clone(),
        annotations: Vec::new(),
        spec,
    };
    let effective = match Standard.default_spec(&gateway(written.to_contract()), None) {
        Ok(effective) => effective,
        Err(violations) => {
            vet::violations("default", violations).expect("violations that pass");
            return;
        }
    };
    // Too large for an annotation is the one thing that only the host says.
    let passed = vet::spec(effective.clone(), &written, &name);
    if let Err(broken) = passed {
        assert!(
            broken.to_string().contains("bytes of listeners"),
            "{broken}"
        );
        return;
    }
    let again = api::GatewaySpec::from_effective(&effective).to_contract();
    let again = Standard
        .default_spec(&gateway(again.clone()), Some(&again))
        .expect("its own answer is valid");
    assert_eq!(again, effective);
}

/// A file that is to be a component. The compiler refuses it, or it loads; it never crashes.
pub fn component(data: &[u8]) {
    static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
        let compiler = host::compiler().expect("make build");
        Sandbox::new(Limits::default(), compiler, None).expect("the engine starts")
    });
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), data).expect("written");
    match SANDBOX.load(file.path()) {
        Ok(policy) => {
            // Whatever comes of it is a fault that is told.
            let called = policy.instance().map(|mut instance| {
                let spec = api::GatewaySpec::from_effective(&arbitrary::spec("infra"));
                let gateway = ofn_contract::Gateway {
                    name: arbitrary::function(),
                    annotations: Vec::new(),
                    spec: spec.to_contract(),
                };
                instance.default_spec(gateway, None).is_ok()
            });
            drop(called);
        }
        Err(error) => assert!(
            !matches!(
                *error.defect,
                Defect::Compile(CompileError::Crashed(_) | CompileError::Process(_))
            ),
            "{error}"
        ),
    }
}

/// An answer of any function.
#[derive(Debug, Deserialize, Serialize)]
enum Answer {
    Describe(Description),
    Default(EffectiveSpec),
    RouteOf(Route),
    ServiceQueries(Vec<ServiceQuery>),
    Decide(Decision),
    AggregateStatus(GatewayStatus),
    Violations(Vec<Violation>),
}

/// Answers of each function that are near a good one, always the same.
fn answers() -> Result<Vec<Vec<u8>>> {
    let answer = prop_oneof![
        arbitrary::description().prop_map(Answer::Describe),
        arbitrary::effective().prop_map(Answer::Default),
        arbitrary::route().prop_map(Answer::RouteOf),
        arbitrary::queries().prop_map(Answer::ServiceQueries),
        arbitrary::decision().prop_map(Answer::Decide),
        arbitrary::status().prop_map(Answer::AggregateStatus),
        arbitrary::violations().prop_map(Answer::Violations),
    ];
    let mut runner = TestRunner::deterministic();
    let one = |_| {
        let tree = answer
            .new_tree(&mut runner)
            .map_err(|error| anyhow!("{error}"))?;
        Ok(serde_json::to_vec(&tree.current())?)
    };
    (0..400).map(one).collect()
}

/// The JSON of an answer of any function. Whatever passes is as the vetting says.
pub fn vetting(data: &[u8]) {
    if let Ok(answer) = serde_json::from_slice(data) {
        vet_answer(answer);
    }
}

fn vet_answer(answer: Answer) -> Option<()> {
    let spec = arbitrary::spec("infra");
    let written = api::GatewaySpec::from_effective(&spec);
    let services = BTreeSet::from([arbitrary::service()]);
    let terms = Terms::default();
    let shows = |text: &str| text.chars().all(is_printable);
    match answer {
        Answer::Describe(answer) => {
            let passed = vet::description(answer).ok()?;
            assert!(shows(&passed.name) && shows(&passed.version));
        }
        Answer::Default(answer) => {
            let name = &spec.target.name;
            let passed = vet::spec(answer, &written, name).ok()?;
            assert_eq!(passed.target, spec.target);
            assert_eq!(passed.domain, spec.domain);
            assert_eq!(passed.host_template, spec.host_template);
            for listener in &passed.listeners {
                let hostname = listener.hostname.as_deref().unwrap_or_default();
                assert!(
                    ["ofn.io", "cluster.local"]
                        .iter()
                        .any(|domain| hostname.ends_with(domain)),
                    "{hostname:?}"
                );
            }
        }
        Answer::RouteOf(answer) => {
            let function = arbitrary::function();
            let passed = vet::route(answer, &spec, &function).ok()?;
            assert_eq!(passed.label.value, "default.hello");
        }
        Answer::ServiceQueries(answer) => {
            let passed = vet::queries(answer, &terms).ok()?;
            assert!(passed.len() <= 24);
        }
        Answer::Decide(answer) => {
            let asked = Asked {
                spec: &spec,
                entry: &arbitrary::entry(),
                services: &services,
                terms: &terms,
            };
            let wish = vet::decision(answer, asked).ok()?;
            let known = |name: &String| spec.listeners.iter().any(|known| known.name == *name);
            assert!(wish.listeners.iter().all(|listener| known(&listener.name)));
            let entry = wish.entry.as_ref();
            for port in entry.iter().flat_map(|entry| &entry.ports) {
                assert!(port.port > 0 && ["TCP", "UDP"].contains(&port.protocol.as_str()));
            }
            match entry.map(|entry| &entry.target) {
                Some(EntryTarget::Service(name)) => assert_eq!(*name, arbitrary::service()),
                Some(EntryTarget::HostName(name)) => {
                    assert!(shows(name) && !name.contains("localhost"), "{name:?}");
                    assert!(!name.starts_with("kubernetes.default.svc"), "{name:?}");
                }
                Some(EntryTarget::IpAddresses(ips)) => {
                    for ip in ips {
                        let ip: std::net::IpAddr = ip.parse().expect("an address");
                        assert!(!ip.is_loopback() && !ip.is_unspecified(), "{ip}");
                        assert!(!ip.to_string().starts_with("169.254."), "{ip}");
                        assert!(!ip.to_string().starts_with("fd00:ec2:"), "{ip}");
                    }
                }
                None => {}
            }
        }
        Answer::AggregateStatus(answer) => {
            let passed = vet::status(answer, &spec).ok()?;
            let status = json!(api::GatewayStatus::from(passed));
            assert_eq!(status["conditions"][1]["type"], "Ready");
            let listeners = status["listeners"].as_array().into_iter().flatten();
            let of_listeners = listeners.map(|listener| &listener["conditions"]);
            let all = of_listeners.chain([&status["conditions"]]);
            for condition in all.flat_map(|list| list.as_array().into_iter().flatten()) {
                for field in ["type", "reason"] {
                    let text = condition[field].as_str().unwrap_or_default();
                    assert!(shows(text) && text.len() <= 1024, "{text:?}");
                }
                let message = condition["message"].as_str().unwrap_or_default();
                let shows = |char| is_printable(char) || matches!(char, '\n' | '\t');
                assert!(
                    message.chars().all(shows) && message.len() <= 32768,
                    "{message:?}"
                );
            }
        }
        Answer::Violations(answer) => {
            let passed = vet::violations("decide", answer).ok()?;
            assert!((1..=64).contains(&passed.len()));
            assert!(
                passed
                    .iter()
                    .all(|one| shows(&one.message) && one.message.len() <= 1024)
            );
        }
    }
    Some(())
}

/// The JSON of a Kubernetes Gateway, with any status. What the standard policy says of it passes the
/// vetting.
pub fn aggregate(data: &[u8]) {
    let Ok(object) = serde_json::from_slice::<DynamicObject>(data) else {
        return;
    };
    let gateway = KubernetesGateway::from(object).to_contract();
    let spec = arbitrary::spec("infra");
    for class_exists in [true, false] {
        let status = status::aggregate(&spec, Some(&gateway), class_exists);
        if let Err(broken) = vet::status(status, &spec) {
            panic!("{broken}");
        }
    }
}
