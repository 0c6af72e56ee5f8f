//! What the commands that need no cluster promise.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result};
use ofn_tests::control_plane::Process;
use ofn_tests::corpus;
use ofn_tests::host::{self, policies, program, workspace};
use serde_json::{Value, json};

const GATEWAY: &str = r#"
apiVersion: networking.openfunction.io/v1alpha1
kind: Gateway
metadata: {name: openfunction, namespace: openfunction}
spec:
  domain: ofn.io
  gatewayRef: {name: contour, namespace: projectcontour}
  gatewaySpec:
    listeners:
    - {name: ofn-http-external, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: contour, namespace: projectcontour}
spec:
  gatewayClassName: contour
  listeners:
  - {name: platform, hostname: '*.example.com', port: 80, protocol: HTTP}
---
apiVersion: v1
kind: Service
metadata: {name: envoy, namespace: projectcontour}
spec: {ports: [{port: 80}]}
"#;

fn run(arguments: &[&str], input: &str) -> Result<Output> {
    let mut child = Command::new(program()?)
        .args(arguments)
        .env("OFN_GATEWAY_POLICIES", policies()?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("no standard input")?
        .write_all(input.as_bytes())?;
    Ok(child.wait_with_output()?)
}

fn rendered(input: &str) -> Result<(Output, Vec<Value>)> {
    let output = run(&["render", "-f", "-", "-o", "json"], input)?;
    let list: Value = serde_json::from_slice(&output.stdout)?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    Ok((output, items))
}

fn of_kind<'a>(objects: &'a [Value], api_version: &str, kind: &str) -> Option<&'a Value> {
    objects
        .iter()
        .find(|object| object["apiVersion"] == api_version && object["kind"] == kind)
}

#[test]
fn render_shows_what_a_run_would_apply_and_report() -> Result<()> {
    let (output, objects) = rendered(GATEWAY)?;
    assert!(output.status.success(), "{output:?}");
    let ofn =
        of_kind(&objects, "networking.openfunction.io/v1alpha1", "Gateway").context("ours")?;
    assert_eq!(
        ofn["spec"]["gatewaySpec"]["listeners"][1]["name"],
        "ofn-http-internal"
    );
    assert_eq!(ofn["status"]["conditions"][0]["type"], "Scheduled");
    let gateway = of_kind(&objects, "gateway.networking.k8s.io/v1", "Gateway").context("theirs")?;
    let names: Vec<_> = gateway["spec"]["listeners"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|listener| &listener["name"])
        .collect();
    assert_eq!(
        names,
        ["platform", "ofn-http-external", "ofn-http-internal"]
    );
    let entry = of_kind(&objects, "v1", "Service").context("the entry")?;
    assert_eq!(entry["metadata"]["name"], "gateway");
    assert_eq!(
        entry["spec"]["externalName"],
        "envoy.projectcontour.svc.cluster.local"
    );
    Ok(())
}

#[test]
fn render_tells_violations_with_their_paths_and_fails() -> Result<()> {
    let (output, objects) = rendered(&GATEWAY.replace("ofn.io", "'Not a domain'"))?;
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr)?;
    assert!(
        errors.starts_with("Invalid: spec.domain: \"Not a domain\" is not a DNS name"),
        "{errors}"
    );
    assert_eq!(objects[0]["status"]["conditions"][1]["reason"], "Invalid");
    Ok(())
}

#[test]
fn fields_that_there_are_not_are_refused_with_their_paths() -> Result<()> {
    let odd = GATEWAY.replace("domain: ofn.io", "domian: ofn.io").replace(
        "namespace: projectcontour}\n  gatewaySpec",
        "listener: a, namespace: projectcontour}\n  gatewaySpec",
    );
    for command in [&["render"][..], &["route", "--function", "default/hello"]] {
        let output = run(&[command, &["-f", "-"]].concat(), &odd)?;
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty(), "{output:?}");
        let errors = String::from_utf8(output.stderr)?;
        assert!(
            errors.contains("OpenFunction Gateway openfunction: no such field: spec.domian, spec.gatewayRef.listener"),
            "{errors}"
        );
    }
    Ok(())
}

#[test]
fn render_of_its_own_output_changes_nothing() -> Result<()> {
    let text = |output: Output| String::from_utf8(output.stdout);
    let first = text(run(&["render", "-f", "-"], GATEWAY)?)?;
    let second = text(run(&["render", "-f", "-"], &first)?)?;
    let ours = |text: &str| text.split("---\n").nth(1).map(str::to_owned);
    assert!(ours(&first).is_some());
    assert_eq!(ours(&second), ours(&first));
    // Nothing else was written.
    assert_eq!(second.matches("---\n").count(), 1, "{second}");
    Ok(())
}

#[test]
fn render_says_what_is_missing() -> Result<()> {
    let output = run(
        &["render", "-f", "-"],
        "kind: Nothing\napiVersion: v1\nmetadata: {name: x}\n",
    )?;
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr)?;
    assert!(errors.contains("v1 Nothing x plays no part"), "{errors}");
    assert!(
        errors.contains("no file has an OpenFunction Gateway"),
        "{errors}"
    );
    Ok(())
}

#[test]
fn route_shows_how_a_function_is_reached() -> Result<()> {
    let arguments = [
        "route",
        "-f",
        "-",
        "--function",
        "default/hello",
        "-o",
        "json",
    ];
    let output = run(&arguments, GATEWAY)?;
    assert!(output.status.success(), "{output:?}");
    let route: Value = serde_json::from_slice(&output.stdout)?;
    let expected = serde_json::json!({
        "hostnames": ["hello.default.ofn.io", "hello.default.svc.cluster.local"],
        "path": "/default/hello",
        "labels": {"app.kubernetes.io/managed-by": "default.hello"},
    });
    assert_eq!(route, expected);
    Ok(())
}

#[test]
fn route_says_what_is_wrong_with_a_template_and_where() -> Result<()> {
    let odd = GATEWAY.replace(
        "  domain: ofn.io",
        "  domain: ofn.io\n  hostTemplate: '{{.Nme}}.x'",
    );
    let output = run(&["route", "-f", "-", "--function", "default/hello"], &odd)?;
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr)?;
    assert!(
        errors.contains("Invalid: spec.hostTemplate: at character 3: .Nme is not known here"),
        "{errors}"
    );
    Ok(())
}

#[test]
fn the_definition_in_deploy_is_what_crd_prints() -> Result<()> {
    let output = run(&["crd"], "")?;
    let file = workspace().join("deploy/crds/gateways.networking.openfunction.io.yaml");
    let expected = std::fs::read_to_string(file)?;
    assert_eq!(
        String::from_utf8(output.stdout)?,
        expected,
        "write it anew with `ofn-gateway crd`"
    );
    Ok(())
}

#[test]
fn a_folder_without_the_standard_component_is_refused_by_name() -> Result<()> {
    let empty = tempfile::tempdir()?;
    let folder = empty.path().display().to_string();
    let output = run(&["render", "--policies", &folder, "-f", "-"], GATEWAY)?;
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr)?;
    assert!(
        errors.contains(&format!(
            "there is no usable component called \"standard\" in {folder}"
        )),
        "{errors}"
    );
    Ok(())
}

#[test]
fn every_component_imports_nothing_and_is_small() -> Result<()> {
    for entry in std::fs::read_dir(policies()?)? {
        let path = entry?.path();
        let bytes = std::fs::read(&path)?;
        assert!(
            bytes.len() <= 250_000,
            "{} has {} bytes",
            path.display(),
            bytes.len()
        );
        assert_eq!(imports(&bytes)?, Vec::<String>::new(), "{}", path.display());
    }
    assert!(Path::new(&policies()?.join("standard.wasm")).exists());
    Ok(())
}

fn imports(component: &[u8]) -> Result<Vec<String>> {
    let mut imports = Vec::new();
    let mut depth = 0;
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        match payload? {
            wasmparser::Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import?.name.name.to_owned());
                }
            }
            wasmparser::Payload::ModuleSection { .. }
            | wasmparser::Payload::ComponentSection { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    Ok(imports)
}

fn policy(arguments: &[&str]) -> Result<(Output, String)> {
    let output = run(&[&["policy"], arguments].concat(), "")?;
    let printed = String::from_utf8(output.stdout.clone())?;
    Ok((output, printed))
}

fn component(name: &str) -> Result<String> {
    let file = policies()?.join(name).with_extension("wasm");
    Ok(file.display().to_string())
}

/// The hostile component with a misdeed, in a file.
fn hostile(misdeed: &str) -> Result<tempfile::NamedTempFile> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), ofn_tests::host::hostile(misdeed)?)?;
    Ok(file)
}

#[test]
fn policy_list_shows_who_serves_whom() -> Result<()> {
    let (output, printed) = policy(&["list"])?;
    assert!(output.status.success(), "{output:?}");
    let line = |name: &str| {
        let mut lines = printed.lines();
        let line = lines.find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_default().to_owned()
    };
    assert!(line("NAME").ends_with("CONTROLLERS"), "{printed}");
    assert!(
        line("traefik").ends_with("traefik.io/gateway-controller"),
        "{printed}"
    );
    assert!(line("standard").ends_with("all others"), "{printed}");
    let (_, printed) = policy(&["list", "-o", "json"])?;
    let list: Value = serde_json::from_str(&printed)?;
    assert!(
        list["policies"]
            .as_array()
            .is_some_and(|policies| policies.len() >= 9),
        "{list:#}"
    );
    Ok(())
}

#[test]
fn policy_list_shows_a_controller_with_the_one_that_serves_it() -> Result<()> {
    let earlier = tempfile::tempdir()?;
    let hostile = ofn_tests::host::hostile("")?;
    std::fs::write(earlier.path().join("hostile.wasm"), hostile)?;
    let folder = |path: &Path| path.display().to_string();
    let (first, second) = (folder(earlier.path()), folder(&policies()?));
    let folders = ["--policies", &first, "--policies", &second];
    let (output, printed) = policy(&[&["list", "-o", "json"], &folders[..]].concat())?;
    assert!(output.status.success(), "{output:?}");
    let list: Value = serde_json::from_str(&printed)?;
    let of = |name: &str| {
        let all = list["policies"].as_array().into_iter().flatten();
        let mut named = all.filter(|policy| policy["name"] == name);
        named.next().map(|policy| policy["controllerNames"].clone())
    };
    let claimed = "projectcontour.io/projectcontour/contour";
    assert_eq!(of("hostile"), Some(serde_json::json!([claimed])));
    assert_eq!(
        of("contour"),
        Some(serde_json::json!(["projectcontour.io/gateway-controller"]))
    );
    assert_eq!(
        list["warnings"].as_array().map(Vec::len),
        Some(1),
        "{list:#}"
    );
    Ok(())
}

#[test]
fn policy_list_fails_where_a_file_cannot_be_used() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::copy(component("standard")?, folder.path().join("standard.wasm"))?;
    std::fs::write(folder.path().join("broken.WASM"), "")?;
    let (output, printed) = policy(&["list", "--policies", &folder.path().display().to_string()])?;
    assert_eq!(output.status.code(), Some(1));
    assert!(printed.contains("all others"), "{printed}");
    let errors = String::from_utf8(output.stderr)?;
    assert!(
        errors.contains("broken.WASM cannot be used: it is not a component: it is empty"),
        "{errors}"
    );
    Ok(())
}

#[test]
fn policy_inspect_shows_what_a_component_is() -> Result<()> {
    let (output, printed) = policy(&["inspect", &component("traefik")?, "-o", "json"])?;
    assert!(output.status.success(), "{output:?}");
    let shown: Value = serde_json::from_str(&printed)?;
    assert_eq!(shown["name"], "traefik");
    assert_eq!(shown["imports"], serde_json::json!([]));
    assert_eq!(
        shown["exports"],
        serde_json::json!(["openfunction:gateway/policy@0.1.0"])
    );
    let setting = &shown["settings"][0];
    assert_eq!(
        setting["annotation"],
        "policy.networking.openfunction.io/entry-points"
    );
    assert_eq!(setting["default"], "80=8000,443=8443/tls");
    Ok(())
}

#[test]
fn policy_inspect_shows_what_a_component_that_cannot_be_used_imports() -> Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(
        file.path(),
        r#"(component (import "a" (func)) (import "b" (func)))"#,
    )?;
    let wasm = wat::parse_file(file.path())?;
    std::fs::write(file.path(), wasm)?;
    let (output, printed) = policy(&["inspect", &file.path().display().to_string()])?;
    assert!(!output.status.success());
    assert!(printed.contains("imports:\n- a\n- b\n"), "{printed}");
    assert!(
        printed.contains("error: it imports a, and a policy component imports nothing"),
        "{printed}"
    );
    assert_eq!(String::from_utf8(output.stderr)?, "");
    Ok(())
}

#[test]
fn policy_check_passes_who_keeps_the_contract() -> Result<()> {
    let (output, printed) = policy(&["check", &component("contour")?, "--cases", "2"])?;
    assert!(output.status.success(), "{output:?}");
    assert!(printed.starts_with("contour 0.1.0 (sha256:"), "{printed}");
    assert!(
        printed.contains("ok    no field of a listener is lost"),
        "{printed}"
    );
    Ok(())
}

#[test]
fn policy_check_shows_a_broken_rule_with_objects_that_render_takes() -> Result<()> {
    let file = hostile("trap with three listeners")?;
    let path = file.path().display().to_string();
    let (output, printed) = policy(&["check", &path, "-o", "json"])?;
    assert!(!output.status.success());
    let shown: Value = serde_json::from_str(&printed)?;
    assert_eq!(shown["name"], "hostile");
    assert_eq!(shown["conforms"], false);
    let rules = shown["rules"].as_array().context("rules")?;
    let broken = rules.iter().find(|rule| rule["outcome"] == "Broken");
    let broken = broken.context("a broken rule")?;
    let input = broken["input"].as_str().context("objects")?;
    // It may well be an object with something wrong.
    let rendered = run(&["render", "-f", "-"], input)?;
    let results = String::from_utf8(rendered.stdout.clone())?;
    assert!(results.contains("kind: Gateway"), "{rendered:?}");
    let (output, printed) = policy(&["check", &path])?;
    assert!(!output.status.success());
    assert!(
        printed.contains("FAIL  every answer comes within the limits"),
        "{printed}"
    );
    assert!(printed.contains("\n      kind: Gateway\n"), "{printed}");
    assert!(printed.trim_end().ends_with("of 10 rules."), "{printed}");
    Ok(())
}

#[test]
fn policy_check_does_not_call_a_rule_kept_that_it_could_not_try() -> Result<()> {
    let file = hostile("nothing is right")?;
    let path = file.path().display().to_string();
    let (output, printed) = policy(&["check", &path, "--cases", "1"])?;
    assert!(!output.status.success());
    let untried = "FAIL  no field of a listener is lost\n      It could not be tried: ";
    assert!(printed.contains(untried), "{printed}");
    let (output, _) = policy(&["check", &path, "--cases", "0"])?;
    assert_eq!(output.status.code(), Some(2));
    Ok(())
}

#[test]
fn a_file_that_is_no_component_is_told_by_what_it_is() -> Result<()> {
    let module = wat::parse_str("(module)")?;
    let cases: [(&[u8], &str); 3] = [
        (b"", "it is empty"),
        (&module, "it is a core module"),
        (b"# A script", "it is no WebAssembly in binary form"),
    ];
    for (content, expected) in cases {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), content)?;
        let path = file.path().display().to_string();
        for command in ["inspect", "check"] {
            let (output, printed) = policy(&[command, &path, "-o", "json"])?;
            assert!(!output.status.success());
            let shown: Value = serde_json::from_str(&printed)?;
            let error = shown["error"].as_str().context("an error")?;
            assert!(error.contains(expected), "{error}");
        }
    }
    Ok(())
}

#[test]
fn a_reader_who_has_seen_enough_ends_the_program_quietly() -> Result<()> {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let output = Command::new(program()?)
        .arg("crd")
        .stdout(writer)
        .output()?;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr)?, "");
    Ok(())
}

#[test]
fn a_stack_that_a_thread_does_not_have_is_refused() -> Result<()> {
    let output = run(&["run", "--policy-stack", "2MiB"], "")?;
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr)?;
    assert!(errors.contains("at most 1.0 MiB"), "{errors}");
    Ok(())
}

/// A cluster of which nothing is known but where it is.
fn cluster_at(address: SocketAddr, folder: &Path) -> Result<PathBuf> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "u", "user": {}}],
    });
    let path = folder.join("kubeconfig");
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}

#[test]
fn a_component_that_is_being_compiled_does_not_hold_up_the_end() -> Result<()> {
    let folder = tempfile::tempdir()?;
    host::put(folder.path(), "endless.wasm", &corpus::endless_to_compile())?;
    let kubeconfig = cluster_at("127.0.0.1:9".parse()?, folder.path())?;
    let mut command = host::command(&kubeconfig)?;
    command.arg("--policies").arg(folder.path());
    command.args([
        "--policy-compile-time",
        "10min",
        "--policy-compile-memory",
        "4GiB",
    ]);
    let process = Process::start(&mut command, &folder.path().join("log"))?;
    host::catches_sigterm(process.id())?;
    assert!(process.terminate()?);
    Ok(())
}

#[test]
fn an_api_server_that_does_not_answer_does_not_hold_up_the_end() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let kubeconfig = cluster_at(silent.local_addr()?, folder.path())?;
    let process = host::start(&kubeconfig, &folder.path().join("log"))?;
    // By then it has asked.
    let _connection = silent.accept()?;
    assert!(process.terminate()?);
    Ok(())
}
