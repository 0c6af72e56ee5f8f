//! From one implementation to another, while requests go on.

use std::time::Duration;

use anyhow::{Result, ensure};
use ofn_tests::cluster::Kind;
use ofn_tests::traffic::Vendor;
use ofn_tests::traffic::client::Client;
use ofn_tests::traffic::function::Function;
use ofn_tests::traffic::history::History;
use ofn_tests::traffic::load::{Load, Tally};

use crate::scene::{Scene, tests};
use crate::truth;

/// With a single parent. Much less than the minute after which the entry moves in any case.
const LONGEST_OUTAGE: Duration = Duration::from_secs(15);

// The other side is Contour.
tests![[Vendor::Traefik];
    no_request_fails_while_a_gateway_is_switched_to_another_implementation_and_back,
    functions_answer_again_after_a_switch_that_moves_the_only_parent_of_their_routes,
];

async fn no_request_fails_while_a_gateway_is_switched_to_another_implementation_and_back(
    scene: &Scene,
    traefik: Vendor,
) -> Result<()> {
    let contour = Vendor::Contour;
    let function = ready_under_load(scene, contour).await?;
    let both = [contour.gateway(), traefik.gateway()];
    function.attach(&scene.cluster, &both).await?;
    let history = begin(scene).await?;
    let load = Load::start(&function.internal_url(), &function.name.to_string());
    for (from, to) in [(contour, traefik), (traefik, contour)] {
        scene.switch_to(to).await?;
        scene.is_ready().await?;
        scene.entry_leads_to(to).await?;
        scene.is_left(from).await?;
    }
    let tally = load.stop().await;
    println!("two switches: {}", told(&tally));
    ensure!(tally.requests > 1000, "hardly a load: {tally:?}");
    ensure!(tally.failures() == 0, "requests failed: {tally:?}");
    let moves = truth::holds(&history.tell().await?)?;
    ensure!(moves == [traefik, contour], "the entry moved to {moves:?}");
    Ok(())
}

/// OpenFunction 1.2 gives a route one parent, and moves it when it sees the OpenFunction Gateway changed.
/// How many requests are lost is printed; the README has the figures.
async fn functions_answer_again_after_a_switch_that_moves_the_only_parent_of_their_routes(
    scene: &Scene,
    traefik: Vendor,
) -> Result<()> {
    let contour = Vendor::Contour;
    let function = ready_under_load(scene, contour).await?;
    let history = begin(scene).await?;
    for (from, to) in [(contour, traefik), (traefik, contour)] {
        let load = Load::start(&function.internal_url(), &function.name.to_string());
        scene.switch_to(to).await?;
        function.attach(&scene.cluster, &[to.gateway()]).await?;
        scene.is_ready().await?;
        scene.entry_leads_to(to).await?;
        scene
            .is_answered(&Client::default(), &function.internal_url(), &function)
            .await?;
        scene.is_left(from).await?;
        ensure!(
            Client::default()
                .get(&function.internal_url())
                .await?
                .is_from(&function.name)
        );
        let tally = load.stop().await;
        println!("a single parent, {from:?} to {to:?}: {}", told(&tally));
        ensure!(tally.outage() < LONGEST_OUTAGE, "{}", told(&tally));
    }
    let moves = truth::holds(&history.tell().await?)?;
    ensure!(moves == [traefik, contour], "the entry moved to {moves:?}");
    Ok(())
}

async fn ready_under_load(scene: &Scene, vendor: Vendor) -> Result<std::sync::Arc<Function>> {
    scene.serve(vendor).await?;
    let function = scene.function("busy").await?;
    scene
        .is_answered(&Client::default(), &function.internal_url(), &function)
        .await?;
    Ok(function)
}

/// Watches what [`truth`] is about.
async fn begin(scene: &Scene) -> Result<History> {
    let ofn = &scene.ofn;
    let [contour, traefik] = [Vendor::Contour.gateway(), Vendor::Traefik.gateway()];
    let watched = vec![
        (Kind::Ofn, ofn.namespace.clone(), ofn.name.clone()),
        (Kind::Service, ofn.namespace.clone(), "gateway".to_owned()),
        (Kind::Gateway, contour.namespace, contour.name),
        (Kind::Gateway, traefik.namespace, traefik.name),
    ];
    History::begin(&scene.cluster, watched).await
}

fn told(tally: &Tally) -> String {
    format!(
        "{} of {} requests failed, within {:.1} s: {:?}",
        tally.failures(),
        tally.requests,
        tally.outage().as_secs_f64(),
        tally.failed,
    )
}
