use std::path::Path;

use anyhow::{Context, Result, ensure};
use ofn_tests::cluster::{Kind, condition as condition_of, has_condition, named};
use serde_json::{Value, json};

use crate::scene::{Scene, condition, tests};

tests![
    a_change_of_attached_routes_alone_is_reported,
    a_change_of_one_listeners_condition_alone_is_reported,
    a_change_of_addresses_alone_is_reported,
    a_stale_condition_does_not_count,
    a_stale_condition_does_not_count_after_a_restart_of_the_host_either,
    a_condition_without_a_generation_counts,
    an_edit_by_somebody_else_does_not_make_the_status_flap,
    other_conditions_follow_in_order,
    the_component_that_decided_is_named,
    every_recorded_status_of_an_implementation_reads_as_it_should,
];

async fn change_status(scene: &Scene, change: impl FnOnce(&mut Value)) -> Result<()> {
    let mut gateway = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "contour")
        .await?;
    change(&mut gateway["status"]);
    let status = gateway["status"].take();
    scene
        .cluster
        .write_status(Kind::Gateway, &scene.infra, "contour", status)
        .await
}

async fn a_change_of_attached_routes_alone_is_reported(scene: &Scene) -> Result<()> {
    scene.serve_ready().await?;
    change_status(scene, |status| {
        status["listeners"][2]["attachedRoutes"] = json!(7)
    })
    .await?;
    scene
        .served("counts seven routes", |object| {
            named(&object["status"]["listeners"], "ofn-http-external")
                .is_some_and(|listener| listener["attachedRoutes"] == 7)
        })
        .await?;
    Ok(())
}

async fn a_change_of_one_listeners_condition_alone_is_reported(scene: &Scene) -> Result<()> {
    scene.serve_ready().await?;
    change_status(scene, |status| {
        status["listeners"][2]["conditions"][0] =
            condition("Programmed", "False", "Invalid", "no certificate", 2);
    })
    .await?;
    let object = scene
        .served("is not ready for the listener's reason", |object| {
            has_condition(object, "Ready", "False", Some("Invalid"))
        })
        .await?;
    let ready = condition_of(&object, "Ready").cloned().unwrap_or_default();
    ensure!(
        ready["message"] == "Listener ofn-http-external: no certificate",
        "{ready:#}"
    );
    ensure!(has_condition(&object, "Scheduled", "True", None));
    let internal = named(&object["status"]["listeners"], "ofn-http-internal")
        .cloned()
        .unwrap_or_default();
    ensure!(
        internal["conditions"][0]["status"] == "True",
        "{internal:#}"
    );
    Ok(())
}

async fn a_change_of_addresses_alone_is_reported(scene: &Scene) -> Result<()> {
    scene.serve_ready().await?;
    for address in ["192.0.2.1", "192.0.2.2"] {
        change_status(scene, |status| {
            status["addresses"] = json!([{"type": "IPAddress", "value": address}])
        })
        .await?;
        scene
            .served("shows the address", |object| {
                object["status"]["addresses"][0]["value"] == address
            })
            .await?;
    }
    change_status(scene, |status| status["addresses"] = Value::Null).await?;
    scene
        .served("shows no address", |object| {
            object["status"].get("addresses").is_none()
        })
        .await?;
    Ok(())
}

async fn a_stale_condition_does_not_count(scene: &Scene) -> Result<()> {
    scene.serve_ready().await?;
    // Our own change makes generation 3; what is said of generation 2 is of the old listeners.
    scene
        .edit(json!({"spec": {"domain": "example.org"}}))
        .await?;
    let object = scene
        .served("waits", |object| {
            has_condition(object, "Ready", "Unknown", Some("Pending"))
        })
        .await?;
    ensure!(
        has_condition(&object, "Scheduled", "Unknown", Some("Pending")),
        "{object:#}"
    );
    scene.program("contour").await?;
    scene.is_ready().await?;
    Ok(())
}

async fn a_stale_condition_does_not_count_after_a_restart_of_the_host_either(
    scene: &Scene,
) -> Result<()> {
    scene.serve_ready().await?;
    scene
        .edit(json!({"spec": {"domain": "example.org"}}))
        .await?;
    let waits = |object: &Value| {
        has_condition(object, "Scheduled", "Unknown", Some("Pending"))
            && has_condition(object, "Ready", "Unknown", Some("Pending"))
    };
    scene.served("waits", waits).await?;
    scene.stop_host()?;
    scene.start_host()?;
    let object = scene.settle("contour").await?;
    ensure!(waits(&object), "{object:#}");
    scene.program("contour").await?;
    scene.is_ready().await?;
    Ok(())
}

async fn a_condition_without_a_generation_counts(scene: &Scene) -> Result<()> {
    scene.serve_ready().await?;
    scene
        .edit(json!({"spec": {"domain": "example.org"}}))
        .await?;
    scene
        .served("waits", |object| {
            has_condition(object, "Ready", "Unknown", Some("Pending"))
        })
        .await?;
    let status = crate::scene::programmed(&["ofn-http-internal", "ofn-http-external"], 0);
    scene
        .cluster
        .write_status(Kind::Gateway, &scene.infra, "contour", status)
        .await?;
    scene.is_ready().await?;
    Ok(())
}

async fn an_edit_by_somebody_else_does_not_make_the_status_flap(scene: &Scene) -> Result<()> {
    scene.serve_ready().await?;
    let gateway = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "contour")
        .await?;
    let mut listeners = gateway["spec"]["listeners"].clone();
    listeners[0]["hostname"] = json!("*.changed.example.com");
    let edit = json!({"spec": {"listeners": listeners}});
    scene
        .cluster
        .edit(Kind::Gateway, &scene.infra, "contour", edit)
        .await?;
    let object = scene.settle("contour").await?;
    ensure!(has_condition(&object, "Ready", "True", None), "{object:#}");
    Ok(())
}

async fn other_conditions_follow_in_order(scene: &Scene) -> Result<()> {
    scene.serve_ready().await?;
    change_status(scene, |status| {
        for (type_, value) in [
            ("Zeta", "True"),
            ("Alpha", "False"),
            ("ResolvedRefs", "True"),
        ] {
            let other = condition(type_, value, "Because", "of something", 2);
            if let Some(conditions) = status["conditions"].as_array_mut() {
                conditions.push(other);
            }
        }
    })
    .await?;
    scene
        .served("has the other conditions", |object| {
            let types: Vec<_> = object["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|condition| condition["type"].as_str())
                .collect();
            types == ["Scheduled", "Ready", "Alpha", "Zeta"]
        })
        .await?;
    Ok(())
}

async fn the_component_that_decided_is_named(scene: &Scene) -> Result<()> {
    scene.serve_ready().await?;
    let object = scene.is_ready().await?;
    let policy = &object["status"]["policy"];
    ensure!(
        policy["name"] == "standard" && policy["version"] == "0.1.0",
        "{policy:#}"
    );
    ensure!(
        policy["digest"]
            .as_str()
            .is_some_and(|digest| digest.starts_with("sha256:") && digest.len() == 71)
    );
    ensure!(object["status"]["observedGeneration"] == object["metadata"]["generation"]);
    Ok(())
}

/// A recorded status, and what our status must say of it: `Scheduled`, `Ready`, and `Ready` of
/// the listeners in the spec's order, each with its reason.
struct Recorded {
    file: &'static str,
    listeners: &'static [&'static str],
    scheduled: (&'static str, &'static str),
    ready: (&'static str, &'static str),
    listener: &'static [(&'static str, &'static str)],
}

const GOOD: (&str, &str) = ("True", "Ready");
const OURS: &[&str] = &["ofn-http-internal", "ofn-http-external"];

const RECORDED: &[Recorded] = &[
    Recorded {
        file: "contour-1.33.6-good.yaml",
        listeners: OURS,
        scheduled: ("True", "Scheduled"),
        ready: ("True", "Valid"),
        listener: &[GOOD, GOOD],
    },
    Recorded {
        file: "contour-1.33.6-attached.yaml",
        listeners: OURS,
        scheduled: ("True", "Scheduled"),
        ready: ("True", "Valid"),
        listener: &[GOOD, GOOD],
    },
    // The bad listeners are somebody else's: ours serve, whatever is said of the whole.
    Recorded {
        file: "contour-1.33.6-bad-listeners.yaml",
        listeners: OURS,
        scheduled: ("True", "Scheduled"),
        ready: ("True", "Valid"),
        listener: &[GOOD, GOOD],
    },
    // The same status where a bad listener is ours.
    Recorded {
        file: "contour-1.33.6-bad-listeners.yaml",
        listeners: &["ofn-http-external", "udp"],
        scheduled: ("True", "Scheduled"),
        ready: ("False", "UnsupportedProtocol"),
        listener: &[GOOD, ("False", "UnsupportedProtocol")],
    },
    // Contour and Traefik do not mind that they have no address.
    Recorded {
        file: "contour-1.33.6-no-address.yaml",
        listeners: OURS,
        scheduled: ("True", "Scheduled"),
        ready: ("True", "Valid"),
        listener: &[GOOD, GOOD],
    },
    Recorded {
        file: "contour-1.33.6-conflict.yaml",
        listeners: &["a", "c"],
        scheduled: ("True", "Scheduled"),
        ready: ("False", "ProtocolConflict"),
        listener: &[GOOD, ("False", "ProtocolConflict")],
    },
    Recorded {
        file: "traefik-3.7.9-good.yaml",
        listeners: OURS,
        scheduled: ("True", "Scheduled"),
        ready: ("True", "Valid"),
        listener: &[GOOD, GOOD],
    },
    Recorded {
        file: "traefik-3.7.9-no-address.yaml",
        listeners: OURS,
        scheduled: ("True", "Scheduled"),
        ready: ("True", "Valid"),
        listener: &[GOOD, GOOD],
    },
    Recorded {
        file: "traefik-3.7.9-bad-listeners.yaml",
        listeners: &["ofn-http-internal"],
        scheduled: ("True", "Scheduled"),
        ready: ("True", "Valid"),
        listener: &[GOOD],
    },
    Recorded {
        file: "traefik-3.7.9-bad-listeners.yaml",
        listeners: &["ofn-http-internal", "https"],
        scheduled: ("False", "ListenersNotValid"),
        ready: ("False", "InvalidCertificateRef"),
        listener: &[GOOD, ("False", "InvalidCertificateRef")],
    },
    Recorded {
        file: "traefik-3.7.9-port-unavailable-one.yaml",
        listeners: OURS,
        scheduled: ("False", "ListenersNotValid"),
        ready: ("False", "PortUnavailable"),
        listener: &[GOOD, ("False", "PortUnavailable")],
    },
    Recorded {
        file: "traefik-3.7.9-port-unavailable-all.yaml",
        listeners: OURS,
        scheduled: ("False", "ListenersNotValid"),
        ready: ("False", "PortUnavailable"),
        listener: &[("False", "PortUnavailable"), ("False", "PortUnavailable")],
    },
    Recorded {
        file: "envoy-gateway-1.9.1-good.yaml",
        listeners: OURS,
        scheduled: ("True", "Scheduled"),
        ready: ("True", "Valid"),
        listener: &[GOOD, GOOD],
    },
    Recorded {
        file: "envoy-gateway-1.9.1-address-not-assigned.yaml",
        listeners: OURS,
        scheduled: ("True", "Scheduled"),
        ready: ("False", "AddressNotAssigned"),
        listener: &[GOOD, GOOD],
    },
];

async fn every_recorded_status_of_an_implementation_reads_as_it_should(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    let mut spec = scene.default_spec("contour");
    spec["gatewaySpec"]["listeners"] = json!([]);
    let body = json!({
        "metadata": {"annotations": {"networking.openfunction.io/default-listener": "disabled"}},
        "spec": spec,
    });
    for recorded in RECORDED {
        reads_as_it_should(scene, &body, recorded)
            .await
            .with_context(|| recorded.file)?;
    }
    Ok(())
}

async fn reads_as_it_should(scene: &Scene, body: &Value, recorded: &Recorded) -> Result<()> {
    let mut body = body.clone();
    // The listeners only need the names; each has a port of its own.
    let listeners = recorded
        .listeners
        .iter()
        .enumerate()
        .map(|(index, name)| json!({"name": name, "port": 81 + index, "protocol": "HTTP"}));
    body["spec"]["gatewaySpec"]["listeners"] = listeners.collect();
    scene
        .cluster
        .create(Kind::Ofn, &scene.ofn, "openfunction", body)
        .await?;
    let all: Vec<&str> = std::iter::once("platform")
        .chain(recorded.listeners.iter().copied())
        .collect();
    scene.has_listeners("contour", &all).await?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("recorded")
        .join(recorded.file);
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let mut status: Value = serde_yaml_ng::from_str::<Value>(&text)?["status"].take();
    // It was made for another generation than this Gateway has.
    let gateway = scene
        .cluster
        .must_get(Kind::Gateway, &scene.infra, "contour")
        .await?;
    let generation = &gateway["metadata"]["generation"];
    set_generation(&mut status, generation);
    scene
        .cluster
        .write_status(Kind::Gateway, &scene.infra, "contour", status)
        .await?;
    scene
        .served("reads as it should", |object| {
            let listeners: Vec<_> = object["status"]["listeners"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|listener| {
                    let ready = &listener["conditions"][0];
                    (
                        ready["status"].as_str().unwrap_or_default(),
                        ready["reason"].as_str().unwrap_or_default(),
                    )
                })
                .collect();
            let is = |type_, (status, reason)| has_condition(object, type_, status, Some(reason));
            is("Scheduled", recorded.scheduled)
                && is("Ready", recorded.ready)
                && listeners == recorded.listener
        })
        .await?;
    scene.delete_openfunction().await
}

fn set_generation(value: &mut Value, generation: &Value) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if key == "observedGeneration" {
                    value.clone_from(generation);
                } else {
                    set_generation(value, generation);
                }
            }
        }
        Value::Array(list) => list
            .iter_mut()
            .for_each(|value| set_generation(value, generation)),
        _ => {}
    }
}
