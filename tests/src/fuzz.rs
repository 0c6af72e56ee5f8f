//! What is fuzzed: each function takes any bytes and panics where something is wrong. `make fuzz`
//! runs them for long, and `make test` for a while.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use kube::api::DynamicObject;
use ofn_contract::ObjectName;
use ofn_gateway::api;
use ofn_gateway::kubernetes_gateway::KubernetesGateway;
use ofn_gateway::pass::vet::{self, Asked, Terms};
use ofn_gateway::sandbox::{CompileError, Defect, Limits, Sandbox};
use ofn_policy::template::Template;
use ofn_policy::{Policy, Standard, status};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{arbitrary, host};

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
        "component" => vec![
            // An empty component.
            b"\0asm\x0d\0\x01\0".to_vec(),
            fs::read(host::policies()?.join("standard.wasm"))?,
        ],
        // Any bytes will do: only their hash counts.
        "vetting" => (0..16).map(|byte| vec![byte]).collect(),
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
        Ok(policy) => drop(policy.instance()),
        Err(error) => assert!(
            !matches!(
                *error.defect,
                Defect::Compile(CompileError::Crashed(_) | CompileError::Process(_))
            ),
            "{error}"
        ),
    }
}

/// Answers that follow from the bytes. Whatever passes is what a plan can be made of.
pub fn vetting(data: &[u8]) {
    // The bytes themselves would not do as random numbers: they end.
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &Sha256::digest(data));
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let spec = arbitrary::spec("infra");
    let services = BTreeSet::from([arbitrary::service()]);
    let terms = Terms::default();
    let asked = Asked {
        spec: &spec,
        services: &services,
        terms: &terms,
    };
    if let Ok(tree) = arbitrary::decision().new_tree(&mut runner)
        && let Ok(wish) = vet::decision(tree.current(), asked)
    {
        let known = |name: &String| spec.listeners.iter().any(|known| known.name == *name);
        assert!(wish.listeners.iter().all(|listener| known(&listener.name)));
    }
    if let Ok(tree) = arbitrary::status().new_tree(&mut runner)
        && let Ok(status) = vet::status(tree.current(), &spec)
    {
        let status = json!(api::GatewayStatus::from(status));
        assert_eq!(status["conditions"][1]["type"], "Ready");
    }
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
