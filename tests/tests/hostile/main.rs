//! The worst components that we could think of. Each costs one failed call or load, and says why.

mod cache;
mod calls;
mod files;
mod limits;
mod told;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ofn_contract::{Gateway, GatewaySpec, ObjectName};
use ofn_gateway::sandbox::{Defect, Fault, Limits, LoadError, PolicyComponent, Sandbox};
use ofn_tests::host;

use ofn_tests::corpus::{self, Misdeed, Module, When};

/// As by default, but quick to give up.
static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| sandbox(Limits::default()));

fn sandbox(limits: Limits) -> Sandbox {
    let compiler = host::compiler().expect("make build");
    Sandbox::new(limits, compiler, None).expect("the engine starts")
}

fn load_in(sandbox: &Sandbox, bytes: &[u8]) -> Result<PolicyComponent, LoadError> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    sandbox.load(file.path())
}

fn load(bytes: &[u8]) -> Result<PolicyComponent, LoadError> {
    load_in(&SANDBOX, bytes)
}

fn defect(bytes: &[u8]) -> Defect {
    match load(bytes) {
        Ok(_) => panic!("it is taken"),
        Err(error) => *error.defect,
    }
}

/// What goes wrong when a component is loaded that is good until it is called.
fn load_fault(module: &Module) -> Fault {
    match defect(&module.component()) {
        Defect::Call(error) => error.fault,
        other => panic!("{other}"),
    }
}

/// What goes wrong when `default` is called.
fn call_fault(policy: &PolicyComponent) -> Option<Fault> {
    let mut instance = policy.instance().expect("an instance");
    let answer = instance.default_spec(gateway(), None);
    answer.err().map(|error| error.fault)
}

/// What goes wrong when a module that loads is called.
fn fault(module: &Module) -> Option<Fault> {
    call_fault(&load(&module.component()).unwrap_or_else(|error| panic!("{error}")))
}

fn gateway() -> Gateway {
    Gateway {
        name: ObjectName {
            namespace: "openfunction".to_owned(),
            name: "openfunction".to_owned(),
        },
        annotations: Vec::new(),
        spec: GatewaySpec {
            domain: "ofn.io".to_owned(),
            cluster_domain: String::new(),
            host_template: String::new(),
            path_template: String::new(),
            http_route_label_key: String::new(),
            gateway_ref: None,
            gateway_def: None,
            listeners: Vec::new(),
        },
    }
}

#[test]
fn an_honest_module_answers() {
    assert_eq!(fault(&Module::honest()), None);
}

/// While a bad one is loaded or called in a loop, and after that: nothing is left of it.
#[test]
fn a_good_component_serves_beside_each_of_the_others() {
    let good = load(&Module::honest().component()).expect("good");
    for misdeed in corpus::all() {
        let fails = misdeed_of(&misdeed);
        let failures = AtomicUsize::new(0);
        let is_over = AtomicBool::new(false);
        let wrong = std::thread::scope(|scope| {
            let bad = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) && fails() == Some(misdeed.fault) {
                    failures.fetch_add(1, Ordering::Relaxed);
                }
            });
            let has_failed = || failures.load(Ordering::Relaxed) > 0;
            let mut wrong = Vec::new();
            while !has_failed() && !bad.is_finished() {
                wrong.extend(call_fault(&good));
            }
            wrong.extend(call_fault(&good));
            is_over.store(true, Ordering::Relaxed);
            assert!(has_failed(), "{}", misdeed.name);
            wrong
        });
        assert_eq!(wrong, [], "beside {}", misdeed.name);
    }
}

/// Does a misdeed once, each time it is called.
fn misdeed_of(misdeed: &Misdeed) -> Box<dyn Fn() -> Option<Fault> + Sync> {
    let component = misdeed.module.component();
    match misdeed.when {
        When::Load => Box::new(move || match *load(&component).err()?.defect {
            Defect::Call(error) => Some(error.fault),
            other => panic!("{other}"),
        }),
        When::Call => {
            let policy = load(&component).unwrap_or_else(|error| panic!("{error}"));
            Box::new(move || call_fault(&policy))
        }
    }
}
