//! Components that are swapped while the host runs.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ofn_tests::cluster::{Kind, PATIENCE, has_condition};
use ofn_tests::host::{component, digest, put, resident, variant};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::scene::{OURS, Scene, own_listener, tests};

tests![
    a_component_that_is_swapped_decides_at_once_in_the_same_process,
    a_broken_file_leaves_the_last_good_component_serving_and_is_told,
    a_new_component_that_takes_a_gateway_over_is_told,
    a_hundred_swaps_fail_no_pass_and_leave_the_memory_as_it_was,
    of_two_files_with_components_of_one_name_the_first_serves_and_the_second_is_told,
    the_log_names_the_component_and_the_digest_that_decide,
];

/// In MiB.
const MOST_GROWTH: f64 = 8.0;

/// An OpenFunction Gateway, served by the standard component of a folder of its own.
async fn served(scene: &Scene) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    put(folder.path(), "standard.wasm", &component("standard")?)?;
    scene.serve_ready().await?;
    scene.stop_host()?;
    scene.start_host_with(&[folder.path()])?;
    let loaded = "ofn_gateway_policies_loaded_total{policy=\"standard\"} 1";
    scene.counted(loaded).await?;
    is_decided_by(scene, &component("standard")?).await?;
    Ok(folder)
}

async fn is_decided_by(scene: &Scene, component: &[u8]) -> Result<()> {
    let digest = digest(component);
    scene
        .served("is decided by the component", |object| {
            object["status"]["policy"]["digest"] == digest
                && has_condition(object, "Ready", "True", None)
        })
        .await?;
    Ok(())
}

async fn a_component_that_is_swapped_decides_at_once_in_the_same_process(
    scene: &Scene,
) -> Result<()> {
    let folder = served(scene).await?;
    let process = scene.host();
    let other = variant(&component("standard")?, 1);
    put(folder.path(), "standard.wasm", &other)?;
    is_decided_by(scene, &other).await?;
    ensure!(scene.host() == process, "the host was restarted");
    let event = scene.event("PolicySwapped").await?;
    ensure!(event["type"] == "Normal", "{event:#}");
    let note = event["note"].as_str().unwrap_or_default();
    ensure!(note.contains(&digest(&other)), "{note}");
    Ok(())
}

async fn a_new_component_that_takes_a_gateway_over_is_told(scene: &Scene) -> Result<()> {
    let controller = json!({"spec": {"controllerName": "projectcontour.io/gateway-controller"}});
    let class = "contour-itself";
    scene
        .cluster
        .apply(Kind::GatewayClass, "", class, "platform-team", controller)
        .await?;
    let listeners = json!([own_listener()]);
    let gateway = json!({"spec": {"gatewayClassName": class, "listeners": listeners}});
    scene
        .cluster
        .create(Kind::Gateway, &scene.infra, "contour", gateway)
        .await?;
    let folder = tempfile::tempdir()?;
    put(folder.path(), "standard.wasm", &component("standard")?)?;
    scene.stop_host()?;
    scene.start_host_with(&[folder.path()])?;
    scene.serve(scene.default_spec("contour")).await?;
    let by = async |name: &'static str| {
        let test = move |object: &Value| object["status"]["policy"]["name"] == name;
        scene.served("is decided by it", test).await
    };
    by("standard").await?;
    put(folder.path(), "contour.wasm", &component("contour")?)?;
    by("contour").await?;
    let event = scene.event("PolicySwapped").await?;
    ensure!(event["type"] == "Normal", "{event:#}");
    let note = event["note"].as_str().unwrap_or_default();
    ensure!(note.starts_with("policy contour "), "{note}");
    ensure!(
        note.contains("decides in place of policy standard "),
        "{note}"
    );
    Ok(())
}

async fn a_broken_file_leaves_the_last_good_component_serving_and_is_told(
    scene: &Scene,
) -> Result<()> {
    let folder = served(scene).await?;
    put(folder.path(), "standard.wasm", b"no component at all")?;
    let event = scene.event("PolicyNotAComponent").await?;
    ensure!(event["type"] == "Warning", "{event:#}");
    let note = event["note"].as_str().unwrap_or_default();
    let good = component("standard")?;
    ensure!(note.contains(&digest(&good)), "{note}");
    let counted = "ofn_gateway_policies_refused_total{reason=\"PolicyNotAComponent\"} 1";
    scene.counted(counted).await?;
    // What is decided from now on is decided as before.
    scene.edit(json!({"spec": {"domain": "other.io"}})).await?;
    scene
        .gateway("contour", "serves the other domain", |gateway| {
            let listeners = gateway["spec"]["listeners"].as_array();
            listeners
                .into_iter()
                .flatten()
                .any(|listener| listener["hostname"] == "*.other.io")
        })
        .await?;
    scene.program("contour").await?;
    is_decided_by(scene, &good).await?;
    fs::remove_file(folder.path().join("standard.wasm"))?;
    scene.event("PolicyFileGone").await?;
    Ok(())
}

/// The user changes the OpenFunction Gateway all the time, too.
async fn a_hundred_swaps_fail_no_pass_and_leave_the_memory_as_it_was(scene: &Scene) -> Result<()> {
    let folder = served(scene).await?;
    let process = scene.host().context("the host runs")?;
    let standard = component("standard")?;
    let mut settled = 0.0;
    for swap in 1..=100_u8 {
        let other = variant(&standard, swap);
        put(folder.path(), "standard.wasm", &other)?;
        let wanted = digest(&other);
        let deadline = Instant::now() + PATIENCE;
        let mut edit = 0;
        loop {
            let label = json!({"metadata": {"labels": {"edit": format!("{swap}-{edit}")}}});
            let object = scene.edit(label).await?;
            if object["status"]["policy"]["digest"] == wanted {
                break;
            }
            ensure!(Instant::now() < deadline, "swap {swap}: {object:#}");
            edit += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if swap == 10 {
            settled = resident(process)?;
        }
    }
    let resident = resident(process)?;
    println!("memory after 10 swaps {settled:.1} MiB, after 100 {resident:.1} MiB");
    ensure!(
        resident - settled < MOST_GROWTH,
        "{settled} MiB became {resident} MiB"
    );
    ensure!(scene.host() == Some(process), "the host was restarted");
    let metrics = scene.metrics()?;
    let failed = metrics.lines().find(|line| {
        line.starts_with("ofn_gateway_passes_total{result=\"failed\"}")
            || line.starts_with("ofn_gateway_policy_faults_total{")
    });
    ensure!(failed.is_none(), "{failed:?}");
    scene
        .has_listeners("contour", &["platform", OURS[0], OURS[1]])
        .await?;
    Ok(())
}

async fn of_two_files_with_components_of_one_name_the_first_serves_and_the_second_is_told(
    scene: &Scene,
) -> Result<()> {
    let folder = served(scene).await?;
    let first = component("standard")?;
    put(folder.path(), "the-second.wasm", &variant(&first, 1))?;
    let event = scene.event("PolicyNameTaken").await?;
    ensure!(event["type"] == "Warning", "{event:#}");
    let note = event["note"].as_str().unwrap_or_default();
    ensure!(note.contains("the-second.wasm is left out"), "{note}");
    let counted = "ofn_gateway_policies_refused_total{reason=\"PolicyNameTaken\"} 1";
    scene.counted(counted).await?;
    scene.settle("contour").await?;
    is_decided_by(scene, &first).await
}

async fn the_log_names_the_component_and_the_digest_that_decide(scene: &Scene) -> Result<()> {
    scene.serve_ready().await?;
    let digest = digest(&component("standard")?);
    scene
        .logged(&format!("policy standard 0.1.0 ({digest}) decides"))
        .await
}
