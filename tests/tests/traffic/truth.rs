//! What must hold at every moment of a switch, said without the code that makes it so.

use anyhow::{Context, Result, ensure};
use ofn_tests::cluster::{has_condition, named};
use ofn_tests::traffic::Vendor;
use ofn_tests::traffic::function::parent;
use ofn_tests::traffic::history::Moment;
use serde_json::Value;

const OURS: [&str; 2] = ["ofn-http-internal", "ofn-http-external"];

/// The indices of what is watched.
const OFN: usize = 0;
const ENTRY: usize = 1;
const GATEWAYS: [(usize, Vendor); 2] = [(2, Vendor::Contour), (3, Vendor::Traefik)];

/// Checks every moment; answers where the entry moved, in order.
pub fn holds(history: &[Moment]) -> Result<Vec<Vendor>> {
    // The objects are there from the beginning; the first moments are their first versions.
    let whole = history.iter().skip_while(|moment| moment.len() < 4);
    let mut moves = Vec::new();
    let mut before = None;
    for moment in whole {
        let now = at(moment).with_context(|| format!("at {moment:#?}"))?;
        if before.is_some_and(|before| before != now) {
            moves.push(now);
        }
        before = Some(now);
    }
    Ok(moves)
}

/// Checks one moment; answers where the entry leads.
fn at(moment: &Moment) -> Result<Vendor> {
    ensure!(moment.len() == 4, "an object was deleted");
    let (ofn, entry) = (&moment[&OFN], &moment[&ENTRY]);
    let gateway = |of: Vendor| {
        let index = GATEWAYS.iter().find(|(_, vendor)| *vendor == of);
        index
            .map(|(index, _)| &moment[index])
            .unwrap_or(&Value::Null)
    };
    let leads = GATEWAYS.iter().map(|(_, vendor)| *vendor);
    let leads = leads
        .clone()
        .find(|vendor| entry["spec"]["externalName"] == vendor.service_host())
        .context("the entry leads nowhere that we know")?;
    ensure!(
        serves(gateway(leads)),
        "the entry leads to {leads:?}, which does not serve our listeners"
    );
    // A status of an older generation says so itself.
    if ofn["status"]["observedGeneration"] == ofn["metadata"]["generation"] {
        let target = parent(ofn);
        let target = GATEWAYS
            .iter()
            .find(|(_, vendor)| vendor.gateway() == target);
        let (_, target) = target.context("a gatewayRef that we do not know")?;
        ensure!(
            !has_condition(ofn, "Ready", "True", None) || serves(gateway(*target)),
            "the status is Ready, but {target:?} does not serve our listeners"
        );
    }
    Ok(leads)
}

/// Whether a Gateway has our listeners, and its implementation says that they are programmed.
fn serves(gateway: &Value) -> bool {
    OURS.iter().all(|name| {
        let is_there = named(&gateway["spec"]["listeners"], name).is_some();
        let status = named(&gateway["status"]["listeners"], name);
        let conditions = status.map(|status| status["conditions"].as_array());
        let mut conditions = conditions.flatten().into_iter().flatten();
        is_there
            && conditions
                .any(|condition| condition["type"] == "Programmed" && condition["status"] == "True")
    })
}
