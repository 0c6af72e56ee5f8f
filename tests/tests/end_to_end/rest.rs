use anyhow::{Result, ensure};
use ofn_tests::cluster::Kind;
use ofn_tests::control_plane::User;
use serde_json::json;

use crate::scene::{ALL, Scene, tests};

tests![
    a_creation_takes_four_writes,
    a_second_pass_over_an_unchanged_world_sends_no_write,
    a_new_host_over_an_unchanged_world_sends_no_write,
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
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
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
