use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use ofn_tests::cluster::Kind;
use ofn_tests::control_plane::User;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use crate::scene::{ALL, Scene, programmed, tests};

tests![
    a_creation_takes_four_writes,
    a_second_pass_over_an_unchanged_world_sends_no_write,
    a_new_host_over_an_unchanged_world_sends_no_write,
    each_change_of_the_spec_is_one_patch_under_forty_status_writes_a_second,
];

async fn served(scene: &Scene) -> Result<usize> {
    let before = scene.plane.writes(User::Host)?.len();
    scene.platform("contour").await?;
    let envoy = json!({"spec": {"ports": [{"port": 80}]}});
    scene
        .cluster
        .create(Kind::Service, &scene.infra, "envoy", envoy)
        .await?;
    scene.serve(scene.default_spec("contour")).await?;
    scene.has_listeners("contour", &ALL).await?;
    scene.entry("exists", |_| true).await?;
    scene
        .served("has a status", |object| {
            object["status"]["conditions"].is_array()
        })
        .await?;
    Ok(before)
}

async fn a_creation_takes_four_writes(scene: &Scene) -> Result<()> {
    let before = served(scene).await?;
    let mut writes = scene.plane.writes(User::Host)?.split_off(before);
    writes.sort();
    ensure!(
        writes
            == [
                "patch gateways contour",
                "patch gateways openfunction",
                "patch gateways/status openfunction",
                "patch services gateway",
            ],
        "{writes:#?}"
    );
    Ok(())
}

async fn a_second_pass_over_an_unchanged_world_sends_no_write(scene: &Scene) -> Result<()> {
    served(scene).await?;
    scene.program("contour").await?;
    scene.is_ready().await?;
    let before = scene.plane.writes(User::Host)?.len();
    // A change that means nothing to us, and that nevertheless causes a pass.
    let label = json!({"metadata": {"labels": {"anything": "else"}}});
    scene
        .cluster
        .edit(Kind::Gateway, &scene.infra, "contour", label)
        .await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let writes = scene.plane.writes(User::Host)?.split_off(before);
    ensure!(writes.is_empty(), "{writes:#?}");
    Ok(())
}

async fn a_new_host_over_an_unchanged_world_sends_no_write(scene: &Scene) -> Result<()> {
    served(scene).await?;
    scene.program("contour").await?;
    scene.is_ready().await?;
    scene.stop_host()?;
    let before = scene.plane.writes(User::Host)?.len();
    scene.start_host()?;
    // Reported by the new host, so it has passed over all before it.
    scene.settle("contour").await?;
    let writes = scene.plane.writes(User::Host)?.split_off(before);
    ensure!(
        writes == ["patch gateways/status openfunction"],
        "{writes:#?}"
    );
    Ok(())
}

/// How often the host has patched the Kubernetes Gateway of a scene, or tried to.
fn patches(scene: &Scene) -> Result<usize> {
    let log = fs::read_to_string(scene.plane.folder().join("audit.log"))?;
    // The last line may be under way.
    let audits = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let patches = audits.filter(|audit| {
        let object = &audit["objectRef"];
        audit["stage"] == "ResponseComplete"
            && audit["user"]["username"] == User::Host.name()
            && audit["verb"] == "patch"
            && object["apiGroup"] == "gateway.networking.k8s.io"
            && object["resource"] == "gateways"
            && object["namespace"] == scene.infra.as_str()
    });
    Ok(patches.count())
}

async fn each_change_of_the_spec_is_one_patch_under_forty_status_writes_a_second(
    scene: &Scene,
) -> Result<()> {
    scene.serve_default().await?;
    let before = patches(scene)?;
    let (cluster, infra) = (scene.cluster.clone(), scene.infra.clone());
    let vendor = tokio::spawn(async move {
        let mut ticks = interval(Duration::from_millis(25));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for count in 1.. {
            ticks.tick().await;
            let mut status = programmed(&ALL, 0);
            status["listeners"][0]["attachedRoutes"] = json!(count);
            cluster
                .write_status(Kind::Gateway, &infra, "contour", status)
                .await?;
        }
        anyhow::Ok(())
    });
    let changes = 8081..=8085;
    let mut written = 0;
    for port in changes.clone() {
        // The vendor is at work.
        let count = |gateway: &Value| gateway["status"]["listeners"][0]["attachedRoutes"].as_i64();
        let busy = scene
            .gateway("contour", "has one more status", |gateway| {
                count(gateway) > Some(written)
            })
            .await?;
        written = count(&busy).unwrap_or_default();
        let mut listeners = scene.default_spec("contour")["gatewaySpec"]["listeners"].clone();
        listeners[1]["port"] = json!(port);
        scene
            .edit(json!({"spec": {"gatewaySpec": {"listeners": listeners}}}))
            .await?;
        scene
            .gateway("contour", "has the new port", |gateway| {
                gateway["spec"]["listeners"][2]["port"] == port
            })
            .await?;
        scene
            .served("is told", |object| {
                object["status"]["observedGeneration"] == object["metadata"]["generation"]
            })
            .await?;
    }
    ensure!(!vendor.is_finished(), "{:?}", vendor.await);
    vendor.abort();
    let patches = patches(scene)? - before;
    ensure!(patches == changes.count(), "{patches}");
    Ok(())
}
