//! What must hold in the world, said without the code that makes it so.

use serde_json::Value;

use crate::world::{GATEWAYS, INJECTED, State, World, data_plane, infra, list, listener};

/// No object comes to so many changes in the worlds that are explored, unless somebody fights.
const MOST_GENERATIONS: i64 = 30;

/// More writes than any change of the wish takes until all is as wished: they would be a fight.
pub const MOST_WRITES: u32 = 20;

/// Every listener of somebody else is as it was put there.
pub fn no_foreign_listener_is_lost(_: &World, state: &State) -> bool {
    state.theirs.iter().all(|(name, theirs)| {
        let there = state
            .gateway(name)
            .map(|gateway| list(&gateway["spec"]["listeners"]));
        theirs
            .iter()
            .all(|listener| there.iter().flatten().any(|other| other == listener))
    })
}

/// Nothing is changed for ever. That nothing is changed there and back again, [`crate::runs`] finds.
pub fn nobody_fights(_: &World, state: &State) -> bool {
    let gateways = GATEWAYS.map(|name| state.gateway(&infra(name)));
    let mut all = gateways.into_iter().chain([state.ofn()]).flatten();
    all.all(|object| object["metadata"]["generation"].as_i64() <= Some(MOST_GENERATIONS))
}

/// While there is an entry, requests find our listeners where it leads: also in the midst of a move.
pub fn the_entry_leads_to_a_gateway_with_our_listeners(_: &World, state: &State) -> bool {
    let is_going = |ofn: &Value| ofn["metadata"]["deletionTimestamp"].is_string();
    let (Some(entry), false) = (state.entry(), state.ofn().is_none_or(is_going)) else {
        return true;
    };
    let leads_to = |gateway: &&str| {
        let service = data_plane(gateway);
        entry["spec"]["externalName"] == format!("{service}.infra.svc.cluster.local")
    };
    let gateway = GATEWAYS.iter().find(|gateway| leads_to(gateway));
    let gateway = gateway.and_then(|gateway| state.gateway(&infra(gateway)));
    // What others take out of a Gateway is not the host's doing; what it takes out itself, it notes.
    gateway.is_some_and(|gateway| gateway["metadata"]["annotations"].get(INJECTED).is_some())
}

/// Whether the world is as the user wishes it, with respect for the others.
pub fn wished(state: &State) -> Result<(), String> {
    let (target, ours) = match state.ofn() {
        None => (None, Vec::new()),
        Some(ofn) => {
            let spec = &ofn["spec"];
            let target = spec["gatewayRef"]["name"]
                .as_str()
                .or(spec["gatewayDef"]["name"].as_str());
            let domain = format!("*.{}", spec["domain"].as_str().unwrap_or_default());
            let mut ours: Vec<Value> = list(&spec["gatewaySpec"]["listeners"])
                .iter()
                .filter_map(|written| written["name"].as_str())
                .filter(|name| *name != "ofn-http-internal")
                .map(|name| listener(name, &domain, 80))
                .collect();
            ours.push(listener("ofn-http-internal", "*.cluster.local", 80));
            (target.map(infra), ours)
        }
    };
    for name in GATEWAYS.map(infra) {
        let theirs = state.theirs.get(&name).cloned().unwrap_or_default();
        let is_target = target.as_ref() == Some(&name);
        let Some(gateway) = state.gateway(&name) else {
            if is_target {
                return Err(format!("{name} should have been created"));
            }
            continue;
        };
        if !is_target && theirs.is_empty() {
            return Err(format!("{name} should have been deleted"));
        }
        let mut expected: Vec<Value> = theirs.clone();
        for listener in ours.iter().filter(|_| is_target) {
            let clashes = theirs.iter().any(|other| {
                other["name"] == listener["name"] || other["hostname"] == listener["hostname"]
            });
            if !clashes {
                expected.push(listener.clone());
            }
        }
        let mut there: Vec<Value> = list(&gateway["spec"]["listeners"]);
        for listener in &mut there {
            if let Some(listener) = listener.as_object_mut() {
                listener.remove("allowedRoutes");
            }
        }
        let names = |list: &[Value]| {
            let mut all: Vec<String> = list.iter().map(Value::to_string).collect();
            all.sort();
            all
        };
        if names(&there) != names(&expected) {
            return Err(format!("{name} has {there:#?}, expected {expected:#?}"));
        }
        let marked = gateway["metadata"]["annotations"].get(INJECTED).is_some();
        if marked && !is_target {
            return Err(format!("{name} still has our annotation"));
        }
    }
    if target.is_none() && state.entry().is_some() {
        return Err(format!("the entry should be gone: {:#?}", state.entry()));
    }
    if let Some(target) = target {
        let service = infra(&data_plane(&target.name));
        let host = format!("{}.{}.svc.cluster.local", service.name, service.namespace);
        if state
            .entry()
            .is_none_or(|entry| entry["spec"]["externalName"] != host)
        {
            return Err(format!(
                "the entry should lead to {host}: {:#?}",
                state.entry()
            ));
        }
    }
    if state.ofn().is_some_and(|ofn| {
        let conditions = list(&ofn["status"]["conditions"]);
        !conditions
            .iter()
            .any(|condition| condition["type"] == "Ready" && condition["status"] != "Unknown")
    }) {
        return Err("it is not known whether it is ready".to_owned());
    }
    Ok(())
}
