//! Requests that reach functions through real implementations of the Gateway API. Each test is a function;
//! its name says what is promised.
//!
//! All of it runs in a network of its own: the control plane, Contour with Envoy, Traefik, CoreDNS,
//! kube-proxy, the functions and these tests. `WITHOUT_TRAEFIK=1` leaves out what needs Traefik.

mod answers;
mod https;
mod reports;
mod scene;
mod switching;
mod truth;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use libtest_mimic::{Arguments, Trial};
use ofn_tests::control_plane::User;
use ofn_tests::traffic::{self, Vendor, is_without_traefik, network};
use tokio::runtime::Runtime;

use crate::scene::{Scene, Stage, Test};

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let tests: Vec<Test> = [
        answers::tests(),
        https::tests(),
        reports::tests(),
        switching::tests(),
    ]
    .concat();
    if arguments.list {
        let trials = tests.into_iter().map(|test| trial(test, || Ok(())));
        return Ok(libtest_mimic::run(&arguments, trials.collect()).exit_code());
    }
    if let Some(code) = network::enter(traffic::prepare)? {
        return Ok(code);
    }
    let runtime = Arc::new(Runtime::new()?);
    let stage = Arc::new(runtime.block_on(Stage::set())?);
    let trials = tests.into_iter().enumerate().map(|(number, test)| {
        let (runtime, stage) = (Arc::clone(&runtime), Arc::clone(&stage));
        trial(test, move || {
            let result = runtime.block_on(Scene::play(stage, number, test));
            result.map_err(|error| format!("{error:#}").into())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    let forbidden = stage.traffic.plane.forbidden(User::Host)?;
    if forbidden > 0 {
        eprintln!("{forbidden} requests of the host were refused for want of rights");
        return Ok(ExitCode::FAILURE);
    }
    Ok(conclusion.exit_code())
}

fn trial(
    test: Test,
    run: impl FnOnce() -> Result<(), libtest_mimic::Failed> + Send + 'static,
) -> Trial {
    let is_left_out = is_without_traefik() && test.vendor == Vendor::Traefik;
    let name = format!("{}::{}", test.vendor.name(), test.name);
    Trial::test(name, run).with_ignored_flag(is_left_out)
}
