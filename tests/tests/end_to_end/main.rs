//! What `ofn-gateway run` promises, on a real API server. Each test is a function; its name says
//! what is promised.
//!
//! One OpenFunction Gateway is served in a cluster, so tests run one after the other, each with
//! namespaces and a host process of its own. The host has just the rights of the manifest in
//! `deploy/`; a request for which it had none makes the run fail.

mod bad_input;
mod deletion;
mod entry;
mod hostile;
mod javascript;
mod listeners;
mod moves;
mod ownership;
mod rest;
mod scene;
mod status;
mod swapping;
mod takeover;
mod targets;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use libtest_mimic::{Arguments, Trial};
use ofn_tests::cluster::Cluster;
use ofn_tests::control_plane::{ControlPlane, User};
use tokio::runtime::Runtime;

use crate::scene::{Scene, Test};

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let tests: Vec<Test> = [
        bad_input::tests(),
        deletion::tests(),
        entry::tests(),
        hostile::tests(),
        javascript::tests(),
        listeners::tests(),
        moves::tests(),
        ownership::tests(),
        rest::tests(),
        status::tests(),
        swapping::tests(),
        takeover::tests(),
        targets::tests(),
    ]
    .concat();
    if arguments.list {
        let trials = tests.iter().map(|test| Trial::test(test.name, || Ok(())));
        return Ok(libtest_mimic::run(&arguments, trials.collect()).exit_code());
    }
    let runtime = Arc::new(Runtime::new()?);
    let plane = Arc::new(runtime.block_on(async {
        let plane = ControlPlane::start().await?;
        Cluster::new(plane.client(User::Admin).await?)
            .install()
            .await?;
        anyhow::Ok(plane)
    })?);
    let trials = tests.into_iter().enumerate().map(|(number, test)| {
        let (runtime, plane) = (Arc::clone(&runtime), Arc::clone(&plane));
        Trial::test(test.name, move || {
            let result = runtime.block_on(Scene::play(plane, number, test));
            result.map_err(|error| format!("{error:#}").into())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    let forbidden = plane.forbidden(User::Host)?;
    if forbidden > 0 {
        eprintln!("{forbidden} requests of the host were refused for want of rights");
        return Ok(ExitCode::FAILURE);
    }
    Ok(conclusion.exit_code())
}
