//! The main job with real requests, for a newcomer: `make demo`.
//!
//! `DEMO_ONCE=1` ends by itself, with exit code 0 only if all came true. `WITHOUT_TRAEFIK=1` leaves out the
//! switch to Traefik. `DEMO_CLUSTER=current` uses the cluster of `KUBECONFIG` instead of a little one of its
//! own; no implementation runs for it there, so its status is written as Contour once wrote it, and no
//! requests flow.

mod borrowed;
mod own;
mod shell;
mod show;

use std::process::ExitCode;

use anyhow::{Result, bail};
use ofn_tests::traffic::{self, network};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// The OpenFunction Gateway of `deploy/samples/default-gateway.yaml`.
const OFN: (&str, &str) = ("openfunction", "openfunction");

fn main() -> Result<ExitCode> {
    let is_borrowed = std::env::var("DEMO_CLUSTER").is_ok_and(|cluster| cluster == "current");
    if !is_borrowed && let Some(code) = network::enter(traffic::prepare)? {
        return Ok(code);
    }
    Runtime::new()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let play = async {
            if is_borrowed {
                borrowed::play().await
            } else {
                own::play().await
            }
        };
        // What was started ends when the demo is dropped, whatever ends it.
        tokio::select! {
            result = play => result.map(|()| ExitCode::SUCCESS),
            _ = terminate.recv() => bail!("ended by SIGTERM"),
            _ = tokio::signal::ctrl_c() => bail!("ended by Ctrl-C"),
        }
    })
}

fn is_once() -> bool {
    std::env::var_os("DEMO_ONCE").is_some()
}
