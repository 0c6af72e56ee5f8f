use anyhow::{Result, ensure};
use ofn_tests::cluster::{Kind, condition, has_condition};
use ofn_tests::control_plane::User;
use serde_json::{Value, json};

use crate::scene::{Scene, tests};
use crate::targets::does_not_spin;

tests![
    the_entry_points_at_the_service_with_the_label_of_the_gateway,
    the_entry_points_at_each_service_that_the_old_controller_knew_in_its_order,
    the_entry_points_at_the_service_that_the_user_chose,
    the_entry_points_at_an_address_that_is_a_host_name,
    the_entry_stands_for_ip_addresses_of_both_families,
    an_ipv6_address_alone_is_reached_after_a_host_name_too,
    an_address_that_is_a_cluster_ip_means_that_service,
    the_entry_follows_from_addresses_to_a_host_name_and_back,
    the_entry_has_one_port_for_each_port_and_protocol,
    a_data_plane_service_that_comes_later_is_followed,
    a_data_plane_service_that_goes_leaves_the_last_target,
    the_entry_that_the_old_controller_made_is_taken_over,
    any_of_a_services_cluster_ips_means_that_service,
    a_changed_entry_is_put_right,
    a_port_that_somebody_added_to_the_entry_is_taken_out,
    what_somebody_added_to_the_entry_and_leads_elsewhere_is_taken_out,
    who_changes_the_entry_again_and_again_is_named_and_answered_less_often,
    an_address_that_no_function_may_be_sent_to_is_left_out,
    a_foreign_service_named_gateway_is_left_alone_and_reported,
    endpoints_that_somebody_made_by_hand_are_left_alone_and_reported,
    an_edit_of_two_fields_of_the_entry_counts_once,
    a_service_that_the_user_chooses_ends_a_fight_over_the_entry,
    a_cluster_ip_among_many_addresses_means_that_service,
    an_entry_that_would_lead_to_itself_is_refused_with_its_annotation,
    an_entry_of_the_old_controller_for_a_name_comes_to_stand_for_addresses,
    a_name_that_the_old_controller_wrote_too_goes_without_a_fight,
    a_service_that_the_user_chose_is_waited_for_and_may_be_given_up,
    an_entry_restored_without_managed_fields_is_kept_as_before,
    a_foreign_endpoint_slice_of_our_name_is_left_alone_and_reported,
    a_foreign_endpoint_slice_of_our_name_without_the_label_of_a_service_is_heard_when_it_goes,
    an_endpoint_slice_that_somebody_gave_to_the_entry_is_left_alone_and_reported,
    the_entry_follows_the_label_of_the_gateway_from_one_service_to_another,
    the_entry_follows_from_one_address_to_another,
];

async fn with_service(scene: &Scene, name: &str, labels: Value) -> Result<String> {
    let body = json!({"metadata": {"labels": labels}, "spec": {"ports": [{"port": 80}]}});
    scene
        .cluster
        .create(Kind::Service, &scene.infra, name, body)
        .await?;
    Ok(format!("{name}.{}.svc.cluster.local", scene.infra))
}

async fn points_at(scene: &Scene, name: &str) -> Result<Value> {
    let what = format!("points at {name}");
    scene
        .entry(&what, |entry| {
            entry["spec"]["type"] == "ExternalName" && entry["spec"]["externalName"] == name
        })
        .await
}

/// The entry that the old controller made for an OpenFunction Gateway: one port for each listener,
/// named after it.
fn of_the_old_controller(openfunction: &Value, ports: Value) -> Value {
    json!({
        "metadata": {"ownerReferences": [{
            "apiVersion": openfunction["apiVersion"],
            "kind": "Gateway",
            "name": "openfunction",
            "uid": openfunction["metadata"]["uid"],
            "controller": true,
            "blockOwnerDeletion": true,
        }]},
        "spec": {
            "type": "ExternalName",
            "externalName": "envoy-old.projectcontour.svc.cluster.local",
            "ports": ports,
        },
    })
}

/// Whether the second of two writes is done, where one does not put it right.
fn is_whole(entry: &Value) -> bool {
    let record = &entry["metadata"]["annotations"]["networking.openfunction.io/applied"];
    record
        .as_str()
        .is_some_and(|record| !record.contains("half"))
}

/// Names the Service that is to be the data plane, or none.
async fn choose(scene: &Scene, service: Value) -> Result<()> {
    let annotation = json!({"networking.openfunction.io/entry-service": service});
    scene
        .edit(json!({"metadata": {"annotations": annotation}}))
        .await?;
    Ok(())
}

async fn with_addresses(scene: &Scene, addresses: Value) -> Result<()> {
    scene
        .cluster
        .write_status(
            Kind::Gateway,
            &scene.infra,
            "contour",
            json!({"addresses": addresses}),
        )
        .await
}

async fn the_entry_points_at_the_service_with_the_label_of_the_gateway(
    scene: &Scene,
) -> Result<()> {
    with_service(scene, "envoy", json!({})).await?;
    let labelled = with_service(
        scene,
        "any-name",
        json!({"gateway.networking.k8s.io/gateway-name": "contour"}),
    )
    .await?;
    scene.serve_default().await?;
    let entry = points_at(scene, &labelled).await?;
    let owner = &entry["metadata"]["ownerReferences"][0];
    ensure!(
        owner["kind"] == "Gateway" && owner["name"] == "openfunction",
        "{entry:#}"
    );
    Ok(())
}

async fn the_entry_points_at_each_service_that_the_old_controller_knew_in_its_order(
    scene: &Scene,
) -> Result<()> {
    scene.serve_default().await?;
    for name in ["envoy", "envoy-contour", "contour-envoy"] {
        let service = with_service(scene, name, json!({})).await?;
        points_at(scene, &service).await?;
    }
    scene
        .cluster
        .delete(Kind::Service, &scene.infra, "contour-envoy")
        .await?;
    points_at(
        scene,
        &format!("envoy-contour.{}.svc.cluster.local", scene.infra),
    )
    .await?;
    Ok(())
}

async fn the_entry_points_at_the_service_that_the_user_chose(scene: &Scene) -> Result<()> {
    with_service(scene, "envoy", json!({})).await?;
    let chosen = with_service(scene, "chosen", json!({})).await?;
    scene.serve_default().await?;
    choose(scene, json!(format!("{}/chosen", scene.infra))).await?;
    points_at(scene, &chosen).await?;
    Ok(())
}

async fn the_entry_points_at_an_address_that_is_a_host_name(scene: &Scene) -> Result<()> {
    scene.serve_default().await?;
    with_addresses(
        scene,
        json!([{"type": "Hostname", "value": "lb.example.com"}]),
    )
    .await?;
    points_at(scene, "lb.example.com").await?;
    scene
        .served("shows the address", |object| {
            object["status"]["addresses"][0]["value"] == "lb.example.com"
        })
        .await?;
    Ok(())
}

async fn the_entry_stands_for_ip_addresses_of_both_families(scene: &Scene) -> Result<()> {
    scene.serve_default().await?;
    with_addresses(
        scene,
        json!([
            {"type": "IPAddress", "value": "192.0.2.11"},
            {"type": "IPAddress", "value": "2001:db8::11"},
            {"type": "IPAddress", "value": "192.0.2.12"},
        ]),
    )
    .await?;
    let entry = scene
        .entry("is a Service with a cluster IP", |entry| {
            entry["spec"]["type"] == "ClusterIP"
        })
        .await?;
    ensure!(entry["spec"].get("selector").is_none() && entry["spec"].get("externalName").is_none());
    // A proxy passes nothing on to a slice of a family that the Service has no address of.
    ensure!(
        entry["spec"]["ipFamilies"] == json!(["IPv4", "IPv6"]),
        "{entry:#}"
    );
    for (name, family, addresses) in [
        ("gateway-ipv4", "IPv4", vec!["192.0.2.11", "192.0.2.12"]),
        ("gateway-ipv6", "IPv6", vec!["2001:db8::11"]),
    ] {
        let slice = scene
            .cluster
            .eventually(Kind::EndpointSlice, &scene.ofn, name, "exists", |_| true)
            .await?;
        ensure!(slice["addressType"] == family);
        ensure!(slice["metadata"]["labels"]["kubernetes.io/service-name"] == "gateway");
        let listed: Vec<_> = slice["endpoints"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|endpoint| endpoint["addresses"][0].as_str().unwrap_or_default())
            .collect();
        ensure!(listed == addresses, "{slice:#}");
        ensure!(
            slice["ports"] == json!([{"name": "ofn-http-internal", "port": 80, "protocol": "TCP"}]),
            "{slice:#}"
        );
    }
    Ok(())
}

async fn an_ipv6_address_alone_is_reached_after_a_host_name_too(scene: &Scene) -> Result<()> {
    scene.serve_default().await?;
    let ip = |value: &str| json!([{"type": "IPAddress", "value": value}]);
    let name = json!([{"type": "Hostname", "value": "lb.example.com"}]);
    for addresses in [
        ip("2001:db8::11"),
        name,
        ip("192.0.2.11"),
        ip("2001:db8::12"),
    ] {
        let is_name = addresses[0]["type"] == "Hostname";
        let is_ipv6 = addresses[0]["value"].to_string().contains("::");
        with_addresses(scene, addresses).await?;
        scene
            .entry("has an address of the family, or none", |entry| {
                let families = &entry["spec"]["ipFamilies"];
                let has_ipv6 = families
                    .as_array()
                    .is_some_and(|all| all.contains(&json!("IPv6")));
                families.is_null() == is_name && (has_ipv6 || !is_ipv6)
            })
            .await?;
    }
    scene
        .cluster
        .eventually_gone(Kind::EndpointSlice, &scene.ofn, "gateway-ipv4")
        .await
}

async fn an_address_that_is_a_cluster_ip_means_that_service(scene: &Scene) -> Result<()> {
    let name = with_service(scene, "data-plane", json!({})).await?;
    let service = scene
        .cluster
        .must_get(Kind::Service, &scene.infra, "data-plane")
        .await?;
    scene.serve_default().await?;
    with_addresses(
        scene,
        json!([{"type": "IPAddress", "value": service["spec"]["clusterIP"]}]),
    )
    .await?;
    points_at(scene, &name).await?;
    ensure!(
        scene
            .cluster
            .get(Kind::EndpointSlice, &scene.ofn, "gateway-ipv4")
            .await?
            .is_none()
    );
    Ok(())
}

async fn the_entry_follows_from_addresses_to_a_host_name_and_back(scene: &Scene) -> Result<()> {
    scene.serve_default().await?;
    let ip = json!([{"type": "IPAddress", "value": "192.0.2.11"}]);
    with_addresses(scene, ip.clone()).await?;
    scene
        .entry("has a cluster IP", |entry| {
            entry["spec"]["type"] == "ClusterIP"
        })
        .await?;
    with_addresses(
        scene,
        json!([{"type": "Hostname", "value": "lb.example.com"}]),
    )
    .await?;
    points_at(scene, "lb.example.com").await?;
    scene
        .cluster
        .eventually_gone(Kind::EndpointSlice, &scene.ofn, "gateway-ipv4")
        .await?;
    let before = scene.plane.writes(User::Host)?.len();
    with_addresses(scene, ip).await?;
    let entry = scene
        .entry("has a cluster IP again", |entry| {
            entry["spec"]["type"] == "ClusterIP"
        })
        .await?;
    ensure!(entry["spec"].get("externalName").is_none(), "{entry:#}");
    scene
        .cluster
        .must_get(Kind::EndpointSlice, &scene.ofn, "gateway-ipv4")
        .await?;
    scene
        .served("shows the address", |object| {
            object["status"]["addresses"][0]["value"] == "192.0.2.11"
        })
        .await?;
    // At no time does the Service stand for addresses that nobody has.
    let writes = scene.plane.writes(User::Host)?.split_off(before);
    let first = |wanted| writes.iter().position(|write| write == wanted);
    let slice = first("patch endpointslices gateway-ipv4");
    let service = first("patch services gateway");
    ensure!(slice.is_some() && slice < service, "{writes:?}");
    Ok(())
}

async fn the_entry_has_one_port_for_each_port_and_protocol(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    with_service(scene, "envoy", json!({})).await?;
    let mut spec = scene.default_spec("contour");
    let long = "a.name.that-no-service-port.may.have".to_owned();
    spec["gatewaySpec"]["listeners"] = json!([
        {"name": "web", "port": 80, "protocol": "HTTP"},
        {"name": "web-two", "port": 80, "protocol": "HTTP", "hostname": "*.two.ofn.io"},
        {"name": long, "port": 8443, "protocol": "HTTP"},
        {"name": "dns", "port": 80, "protocol": "UDP"},
    ]);
    scene.serve(spec).await?;
    let entry = scene.entry("exists", |_| true).await?;
    let ports: Vec<_> = entry["spec"]["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|port| json!([port["name"], port["port"], port["protocol"]]))
        .collect();
    ensure!(
        ports
            == [
                json!(["web", 80, "TCP"]),
                json!(["tcp-8443", 8443, "TCP"]),
                json!(["dns", 80, "UDP"])
            ],
        "{ports:?}"
    );
    Ok(())
}

async fn a_data_plane_service_that_comes_later_is_followed(scene: &Scene) -> Result<()> {
    scene.serve_default().await?;
    scene.settle("contour").await?;
    ensure!(
        scene
            .cluster
            .get(Kind::Service, &scene.ofn, "gateway")
            .await?
            .is_none()
    );
    let service = with_service(scene, "envoy", json!({})).await?;
    points_at(scene, &service).await?;
    Ok(())
}

async fn a_data_plane_service_that_goes_leaves_the_last_target(scene: &Scene) -> Result<()> {
    let service = with_service(scene, "envoy", json!({})).await?;
    scene.serve_default().await?;
    points_at(scene, &service).await?;
    scene
        .cluster
        .delete(Kind::Service, &scene.infra, "envoy")
        .await?;
    scene.settle("contour").await?;
    points_at(scene, &service).await?;
    let another = with_service(scene, "envoy-contour", json!({})).await?;
    points_at(scene, &another).await?;
    Ok(())
}

async fn the_entry_that_the_old_controller_made_is_taken_over(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    let service = with_service(scene, "envoy", json!({})).await?;
    scene.stop_host()?;
    let object = scene.serve(scene.default_spec("contour")).await?;
    let ports = json!([
        {"name": "ofn-http-external", "port": 80, "protocol": "TCP"},
        {"name": "retired", "port": 8080, "protocol": "TCP"},
    ]);
    let old = of_the_old_controller(&object, ports);
    let before = scene
        .cluster
        .create(Kind::Service, &scene.ofn, "gateway", old)
        .await?;
    scene.start_host()?;
    let entry = points_at(scene, &service).await?;
    ensure!(entry["metadata"]["uid"] == before["metadata"]["uid"]);
    let ports: Vec<_> = entry["spec"]["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|port| json!([port["name"], port["port"]]))
        .collect();
    ensure!(ports == [json!(["ofn-http-internal", 80])], "{ports:?}");
    scene.delete_openfunction().await?;
    scene
        .cluster
        .eventually_gone(Kind::Service, &scene.ofn, "gateway")
        .await
}

async fn any_of_a_services_cluster_ips_means_that_service(scene: &Scene) -> Result<()> {
    let body = json!({"spec": {"ports": [{"port": 80}], "ipFamilyPolicy": "RequireDualStack"}});
    let service = scene
        .cluster
        .create(Kind::Service, &scene.infra, "data-plane", body)
        .await?;
    scene.serve_default().await?;
    let ips = &service["spec"]["clusterIPs"];
    let address = |index: usize| json!({"type": "IPAddress", "value": ips[index]});
    with_addresses(scene, json!([address(1), address(0)])).await?;
    points_at(
        scene,
        &format!("data-plane.{}.svc.cluster.local", scene.infra),
    )
    .await?;
    Ok(())
}

async fn a_changed_entry_is_put_right(scene: &Scene) -> Result<()> {
    let service = with_service(scene, "envoy", json!({})).await?;
    scene.serve_default().await?;
    points_at(scene, &service).await?;
    let odd = json!({"spec": {"externalName": "elsewhere.example.com"}});
    scene
        .cluster
        .edit(Kind::Service, &scene.ofn, "gateway", odd)
        .await?;
    points_at(scene, &service).await?;
    scene
        .cluster
        .delete(Kind::Service, &scene.ofn, "gateway")
        .await?;
    points_at(scene, &service).await?;
    Ok(())
}

async fn a_foreign_service_named_gateway_is_left_alone_and_reported(scene: &Scene) -> Result<()> {
    with_service(scene, "envoy", json!({})).await?;
    let theirs = json!({"spec": {"selector": {"app": "theirs"}, "ports": [{"port": 8080}]}});
    let before = scene
        .cluster
        .create(Kind::Service, &scene.ofn, "gateway", theirs)
        .await?;
    scene.serve_default().await?;
    let object = scene
        .served("reports the foreign Service", |object| {
            has_condition(object, "Ready", "False", Some("ServiceConflict"))
        })
        .await?;
    let message = condition(&object, "Ready")
        .map(|ready| ready["message"].to_string())
        .unwrap_or_default();
    ensure!(message.contains("(made by platform-team)"), "{message}");
    scene.event("ServiceConflict").await?;
    let after = scene
        .cluster
        .must_get(Kind::Service, &scene.ofn, "gateway")
        .await?;
    ensure!(after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]);
    scene
        .cluster
        .delete(Kind::Service, &scene.ofn, "gateway")
        .await?;
    points_at(scene, &format!("envoy.{}.svc.cluster.local", scene.infra)).await?;
    Ok(())
}

async fn a_port_that_somebody_added_to_the_entry_is_taken_out(scene: &Scene) -> Result<()> {
    let service = with_service(scene, "envoy", json!({})).await?;
    scene.serve_default().await?;
    let entry = points_at(scene, &service).await?;
    let mut ports = entry["spec"]["ports"].clone();
    if let Some(ports) = ports.as_array_mut() {
        ports.push(json!({"name": "odd", "port": 9999, "protocol": "TCP"}));
    }
    let edit = json!({"spec": {"ports": ports}});
    scene
        .cluster
        .edit(Kind::Service, &scene.ofn, "gateway", edit)
        .await?;
    scene
        .entry("has its one port", |entry| {
            entry["spec"]["ports"]
                .as_array()
                .is_some_and(|ports| ports.len() == 1 && ports[0]["port"] == 80)
        })
        .await?;
    // And it still follows a change of the spec.
    let mut listeners = scene.default_spec("contour")["gatewaySpec"]["listeners"].clone();
    listeners[1]["port"] = json!(8080);
    scene
        .edit(json!({"spec": {"gatewaySpec": {"listeners": listeners}}}))
        .await?;
    scene
        .entry("has the new port", |entry| {
            entry["spec"]["ports"][1]["port"] == 8080
        })
        .await?;
    Ok(())
}

async fn what_somebody_added_to_the_entry_and_leads_elsewhere_is_taken_out(
    scene: &Scene,
) -> Result<()> {
    scene.serve_default().await?;
    with_addresses(scene, json!([{"type": "IPAddress", "value": "192.0.2.7"}])).await?;
    let has_none = |entry: &Value| {
        let spec = &entry["spec"];
        spec["type"] == "ClusterIP"
            && spec["selector"].is_null()
            && spec["externalIPs"].is_null()
            && spec["internalTrafficPolicy"] == "Cluster"
    };
    scene.entry("stands for the address", has_none).await?;
    let edit = json!({"spec": {
        "selector": {"app": "odd"},
        "externalIPs": ["192.0.2.66"],
        "internalTrafficPolicy": "Local",
    }});
    scene
        .cluster
        .edit(Kind::Service, &scene.ofn, "gateway", edit)
        .await?;
    scene.entry("has no selector", has_none).await?;
    Ok(())
}

async fn endpoints_that_somebody_made_by_hand_are_left_alone_and_reported(
    scene: &Scene,
) -> Result<()> {
    let endpoints = json!({
        "subsets": [{"addresses": [{"ip": "192.0.2.99"}], "ports": [{"port": 80}]}],
    });
    let before = scene
        .cluster
        .create(Kind::Endpoints, &scene.ofn, "gateway", endpoints)
        .await?;
    scene.serve_default().await?;
    with_addresses(scene, json!([{"type": "IPAddress", "value": "192.0.2.11"}])).await?;
    let object = scene
        .served("reports the endpoints", |object| {
            has_condition(object, "Ready", "False", Some("ServiceConflict"))
        })
        .await?;
    let message = condition(&object, "Ready").map(|ready| ready["message"].to_string());
    let message = message.unwrap_or_default();
    let theirs = format!("Endpoints {}/gateway is not ours", scene.ofn);
    ensure!(message.contains(&theirs), "{message}");
    scene
        .cluster
        .must_get(Kind::EndpointSlice, &scene.ofn, "gateway-ipv4")
        .await?;
    let after = scene
        .cluster
        .must_get(Kind::Endpoints, &scene.ofn, "gateway")
        .await?;
    ensure!(after["subsets"] == before["subsets"], "{after:#}");
    scene
        .cluster
        .delete(Kind::Endpoints, &scene.ofn, "gateway")
        .await?;
    scene
        .served("forgets the endpoints", |object| {
            !has_condition(object, "Ready", "False", Some("ServiceConflict"))
        })
        .await?;
    Ok(())
}

async fn who_changes_the_entry_again_and_again_is_named_and_answered_less_often(
    scene: &Scene,
) -> Result<()> {
    let service = with_service(scene, "envoy", json!({})).await?;
    scene.serve_default().await?;
    let ports = points_at(scene, &service).await?["spec"]["ports"].clone();
    let mut more = ports.as_array().cloned().unwrap_or_default();
    more.push(json!({"name": "odd", "port": 9999, "protocol": "TCP"}));
    let odd_port = json!({"spec": {"ports": more}});
    let odd_name = json!({"spec": {"externalName": "elsewhere.example.com"}});
    let edit = |edit: &Value| {
        let (cluster, edit) = (&scene.cluster, edit.clone());
        cluster.edit(Kind::Service, &scene.ofn, "gateway", edit)
    };
    for odd in [&odd_name, &odd_port, &odd_name] {
        edit(odd).await?;
        scene
            .entry("is as before", |entry| {
                entry["spec"]["externalName"] == service
                    && entry["spec"]["ports"] == ports
                    && is_whole(entry)
            })
            .await?;
    }
    edit(&odd_name).await?;
    let object = scene
        .served("names who it is", |object| {
            has_condition(object, "Ready", "False", Some("Undone"))
        })
        .await?;
    let message = condition(&object, "Ready").map(|ready| ready["message"].to_string());
    let message = message.unwrap_or_default();
    ensure!(
        message.contains("kubectl-edit has changed what is ours in Service"),
        "{message}"
    );
    scene.settle("contour").await?;
    points_at(scene, "elsewhere.example.com").await?;
    Ok(())
}

async fn an_address_that_no_function_may_be_sent_to_is_left_out(scene: &Scene) -> Result<()> {
    scene.serve_default().await?;
    let addresses = json!([
        {"type": "IPAddress", "value": "127.0.0.1"},
        {"type": "IPAddress", "value": "169.254.169.254"},
        {"type": "IPAddress", "value": "192.0.2.11"},
    ]);
    with_addresses(scene, addresses).await?;
    let slice = scene
        .cluster
        .eventually(
            Kind::EndpointSlice,
            &scene.ofn,
            "gateway-ipv4",
            "exists",
            |_| true,
        )
        .await?;
    ensure!(
        slice["endpoints"]
            .as_array()
            .is_some_and(|endpoints| endpoints.len() == 1),
        "{slice:#}"
    );
    ensure!(
        slice["endpoints"][0]["addresses"] == json!(["192.0.2.11"]),
        "{slice:#}"
    );
    Ok(())
}

async fn an_edit_of_two_fields_of_the_entry_counts_once(scene: &Scene) -> Result<()> {
    let service = with_service(scene, "envoy", json!({})).await?;
    scene.serve_default().await?;
    let ports = points_at(scene, &service).await?["spec"]["ports"].clone();
    let mut more = ports.as_array().cloned().unwrap_or_default();
    more.push(json!({"name": "odd", "port": 9999, "protocol": "TCP"}));
    let odd = json!({"spec": {"ports": more, "externalName": "elsewhere.example.com"}});
    let edit = || {
        let cluster = &scene.cluster;
        cluster.edit(Kind::Service, &scene.ofn, "gateway", odd.clone())
    };
    for _ in 0..3 {
        edit().await?;
        scene
            .entry("is as before", |entry| {
                entry["spec"]["externalName"] == service
                    && entry["spec"]["ports"] == ports
                    && is_whole(entry)
            })
            .await?;
    }
    edit().await?;
    let object = scene
        .served("names who it is", |object| {
            has_condition(object, "Ready", "False", Some("Undone"))
        })
        .await?;
    let ready = object["status"]["conditions"][1].to_string();
    ensure!(ready.contains("gateway 4 times since"), "{ready}");
    Ok(())
}

/// One that is asked about last.
async fn a_cluster_ip_among_many_addresses_means_that_service(scene: &Scene) -> Result<()> {
    let name = with_service(scene, "data-plane", json!({})).await?;
    let service = scene
        .cluster
        .must_get(Kind::Service, &scene.infra, "data-plane")
        .await?;
    scene.serve_default().await?;
    let ip = |value: Value| json!({"type": "IPAddress", "value": value});
    let mut addresses: Vec<_> = (1..16)
        .map(|number| ip(json!(format!("192.0.2.{number}"))))
        .collect();
    addresses.push(ip(service["spec"]["clusterIP"].clone()));
    with_addresses(scene, json!(addresses)).await?;
    points_at(scene, &name).await?;
    Ok(())
}

async fn an_entry_that_would_lead_to_itself_is_refused_with_its_annotation(
    scene: &Scene,
) -> Result<()> {
    let service = with_service(scene, "envoy", json!({})).await?;
    scene.serve_default().await?;
    points_at(scene, &service).await?;
    choose(scene, json!(format!("{}/gateway", scene.ofn))).await?;
    let object = scene
        .served("says so", |object| {
            has_condition(object, "Ready", "False", Some("Invalid"))
        })
        .await?;
    let ready = object["status"]["conditions"][1].to_string();
    let field = "metadata.annotations[networking.openfunction.io/entry-service]";
    ensure!(ready.contains(field), "{ready}");
    ensure!(ready.contains("is the entry itself"), "{ready}");
    points_at(scene, &service).await?;
    Ok(())
}

async fn an_entry_of_the_old_controller_for_a_name_comes_to_stand_for_addresses(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    with_addresses(scene, json!([{"type": "IPAddress", "value": "192.0.2.7"}])).await?;
    scene.stop_host()?;
    let object = scene.serve(scene.default_spec("contour")).await?;
    let ports = json!([{"name": "ofn-http-external", "port": 80, "protocol": "TCP"}]);
    let old = of_the_old_controller(&object, ports);
    scene
        .cluster
        .create(Kind::Service, &scene.ofn, "gateway", old)
        .await?;
    scene.start_host()?;
    scene
        .entry("stands for the address", |entry| {
            let spec = &entry["spec"];
            spec["type"] == "ClusterIP" && spec["externalName"].is_null()
        })
        .await?;
    scene
        .cluster
        .eventually(
            Kind::EndpointSlice,
            &scene.ofn,
            "gateway-ipv4",
            "has the address",
            |slice| slice["endpoints"][0]["addresses"][0] == "192.0.2.7",
        )
        .await?;
    Ok(())
}

/// It and our own apply own the name together, so that it does not go with the next apply.
async fn a_name_that_the_old_controller_wrote_too_goes_without_a_fight(
    scene: &Scene,
) -> Result<()> {
    scene.platform("contour").await?;
    let host_name = json!([{"type": "Hostname", "value": "lb.example.com"}]);
    with_addresses(scene, host_name).await?;
    scene.stop_host()?;
    let object = scene.serve(scene.default_spec("contour")).await?;
    let ports = json!([{"name": "ofn-http-external", "port": 80, "protocol": "TCP"}]);
    let mut old = of_the_old_controller(&object, ports);
    old["spec"]["externalName"] = json!("lb.example.com");
    scene
        .cluster
        .create(Kind::Service, &scene.ofn, "gateway", old)
        .await?;
    scene.start_host()?;
    scene
        .entry("is ours", |entry| {
            entry["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "ofn-gateway"
        })
        .await?;
    with_addresses(scene, json!([{"type": "IPAddress", "value": "192.0.2.7"}])).await?;
    let entry = scene
        .entry("stands for the address", |entry| {
            let spec = &entry["spec"];
            spec["type"] == "ClusterIP" && spec["externalName"].is_null()
        })
        .await?;
    let undone = &entry["metadata"]["annotations"]["networking.openfunction.io/undone"];
    ensure!(undone.is_null(), "{entry:#}");
    Ok(())
}

async fn a_service_that_the_user_chose_is_waited_for_and_may_be_given_up(
    scene: &Scene,
) -> Result<()> {
    let envoy = with_service(scene, "envoy", json!({})).await?;
    scene.serve_default().await?;
    points_at(scene, &envoy).await?;
    scene.program("contour").await?;
    scene.is_ready().await?;
    choose(scene, json!(format!("{}/late", scene.infra))).await?;
    let object = scene
        .served("waits", |object| {
            has_condition(object, "Ready", "False", Some("DataPlaneUnknown"))
        })
        .await?;
    let message = condition(&object, "Ready").map(|ready| ready["message"].to_string());
    let message = message.unwrap_or_default();
    let what = format!("Service {}/late does not exist", scene.infra);
    ensure!(message.contains(&what), "{message}");
    points_at(scene, &envoy).await?;
    let late = with_service(scene, "late", json!({})).await?;
    points_at(scene, &late).await?;
    scene.is_ready().await?;
    choose(scene, Value::Null).await?;
    points_at(scene, &envoy).await?;
    Ok(())
}

async fn an_entry_restored_without_managed_fields_is_kept_as_before(scene: &Scene) -> Result<()> {
    scene.platform("contour").await?;
    let with_port = |port: u16| {
        let mut spec = scene.default_spec("contour");
        spec["gatewaySpec"]["listeners"][1]["port"] = json!(port);
        spec
    };
    scene.serve(with_port(8080)).await?;
    with_addresses(scene, json!([{"type": "IPAddress", "value": "192.0.2.7"}])).await?;
    scene
        .entry("stands for the address", |entry| {
            entry["spec"]["type"] == "ClusterIP"
        })
        .await?;
    scene.stop_host()?;
    for (kind, name) in [
        (Kind::Service, "gateway"),
        (Kind::EndpointSlice, "gateway-ipv4"),
    ] {
        let forget = json!({"metadata": {"managedFields": [{}]}});
        let cluster = &scene.cluster;
        let live = cluster.edit(kind, &scene.ofn, name, forget).await?;
        ensure!(live["metadata"].get("managedFields").is_none(), "{live:#}");
    }
    scene.edit(json!({"spec": with_port(9090)})).await?;
    with_addresses(scene, json!([{"type": "IPAddress", "value": "192.0.2.8"}])).await?;
    scene.start_host()?;
    scene
        .entry("has the new port and not the old one", |entry| {
            let ports = entry["spec"]["ports"].as_array();
            ports.is_some_and(|ports| ports.len() == 2 && ports[1]["port"] == 9090)
        })
        .await?;
    scene
        .cluster
        .eventually(
            Kind::EndpointSlice,
            &scene.ofn,
            "gateway-ipv4",
            "has the new address alone",
            |slice| {
                let endpoints = slice["endpoints"].as_array();
                endpoints.is_some_and(|all| all.len() == 1 && all[0]["addresses"][0] == "192.0.2.8")
                    && slice["ports"][1]["port"] == 9090
            },
        )
        .await?;
    scene.delete_openfunction().await?;
    scene
        .cluster
        .eventually_gone(Kind::Service, &scene.ofn, "gateway")
        .await
}

/// What the user wishes otherwise does not wait until a fight is forgotten.
async fn a_service_that_the_user_chooses_ends_a_fight_over_the_entry(scene: &Scene) -> Result<()> {
    let service = with_service(scene, "envoy", json!({})).await?;
    scene.serve_default().await?;
    points_at(scene, &service).await?;
    let elsewhere = || {
        let cluster = &scene.cluster;
        let edit = json!({"spec": {"externalName": "elsewhere.example.com"}});
        cluster.edit(Kind::Service, &scene.ofn, "gateway", edit)
    };
    for _ in 0..3 {
        elsewhere().await?;
        points_at(scene, &service).await?;
    }
    elsewhere().await?;
    scene
        .served("says that it is undone", |object| {
            has_condition(object, "Ready", "False", Some("Undone"))
        })
        .await?;
    let chosen = with_service(scene, "chosen", json!({})).await?;
    choose(scene, json!(format!("{}/chosen", scene.infra))).await?;
    points_at(scene, &chosen).await?;
    Ok(())
}

/// An EndpointSlice as somebody writes it by hand.
async fn with_slice(scene: &Scene, name: &str, labels: Value) -> Result<Value> {
    let body = json!({
        "metadata": {"labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.99"]}],
        "ports": [{"port": 80}],
    });
    scene
        .cluster
        .create(Kind::EndpointSlice, &scene.ofn, name, body)
        .await
}

/// Waits until it is reported and stands there as it was.
async fn is_left_alone(scene: &Scene, slice: &Value) -> Result<()> {
    let name = slice["metadata"]["name"].as_str().unwrap_or_default();
    let object = scene
        .served("reports the slice", |object| {
            has_condition(object, "Ready", "False", Some("ServiceConflict"))
        })
        .await?;
    let message = condition(&object, "Ready").map(|ready| ready["message"].to_string());
    let message = message.unwrap_or_default();
    let theirs = format!("EndpointSlice {}/{name} is not ours", scene.ofn);
    ensure!(message.contains(&theirs), "{message}");
    let after = scene
        .cluster
        .must_get(Kind::EndpointSlice, &scene.ofn, name)
        .await?;
    ensure!(
        after["metadata"]["resourceVersion"] == slice["metadata"]["resourceVersion"],
        "{after:#}"
    );
    Ok(())
}

async fn stands_for(scene: &Scene, address: &str) -> Result<Value> {
    let what = format!("has the address {address} alone");
    scene
        .cluster
        .eventually(
            Kind::EndpointSlice,
            &scene.ofn,
            "gateway-ipv4",
            &what,
            |slice| {
                let endpoints = slice["endpoints"].as_array();
                endpoints
                    .is_some_and(|all| all.len() == 1 && all[0]["addresses"] == json!([address]))
            },
        )
        .await?;
    scene
        .entry("has a cluster IP", |entry| {
            entry["spec"]["type"] == "ClusterIP"
        })
        .await
}

async fn a_foreign_endpoint_slice_of_our_name_is_left_alone_and_reported(
    scene: &Scene,
) -> Result<()> {
    let of_the_entry = json!({"kubernetes.io/service-name": "gateway"});
    let theirs = with_slice(scene, "gateway-ipv4", of_the_entry).await?;
    scene.serve_default().await?;
    with_addresses(scene, json!([{"type": "IPAddress", "value": "192.0.2.11"}])).await?;
    is_left_alone(scene, &theirs).await?;
    scene
        .cluster
        .delete(Kind::EndpointSlice, &scene.ofn, "gateway-ipv4")
        .await?;
    stands_for(scene, "192.0.2.11").await?;
    scene
        .served("forgets the slice", |object| {
            !has_condition(object, "Ready", "False", Some("ServiceConflict"))
        })
        .await?;
    Ok(())
}

async fn a_foreign_endpoint_slice_of_our_name_without_the_label_of_a_service_is_heard_when_it_goes(
    scene: &Scene,
) -> Result<()> {
    let theirs = with_slice(scene, "gateway-ipv4", json!({})).await?;
    scene.serve_default().await?;
    with_addresses(scene, json!([{"type": "IPAddress", "value": "192.0.2.11"}])).await?;
    is_left_alone(scene, &theirs).await?;
    // No pass is under way that would see it gone by chance.
    does_not_spin(scene).await?;
    scene
        .cluster
        .delete(Kind::EndpointSlice, &scene.ofn, "gateway-ipv4")
        .await?;
    stands_for(scene, "192.0.2.11").await?;
    Ok(())
}

async fn an_endpoint_slice_that_somebody_gave_to_the_entry_is_left_alone_and_reported(
    scene: &Scene,
) -> Result<()> {
    let of_the_entry = json!({"kubernetes.io/service-name": "gateway"});
    let theirs = with_slice(scene, "by-hand", of_the_entry).await?;
    scene.serve_default().await?;
    with_addresses(scene, json!([{"type": "IPAddress", "value": "192.0.2.11"}])).await?;
    is_left_alone(scene, &theirs).await?;
    stands_for(scene, "192.0.2.11").await?;
    scene
        .cluster
        .delete(Kind::EndpointSlice, &scene.ofn, "by-hand")
        .await?;
    scene
        .served("forgets the slice", |object| {
            !has_condition(object, "Ready", "False", Some("ServiceConflict"))
        })
        .await?;
    Ok(())
}

async fn the_entry_follows_the_label_of_the_gateway_from_one_service_to_another(
    scene: &Scene,
) -> Result<()> {
    let label = "gateway.networking.k8s.io/gateway-name";
    let one = with_service(scene, "one", json!({label: "contour"})).await?;
    let other = with_service(scene, "other", json!({})).await?;
    scene.serve_default().await?;
    points_at(scene, &one).await?;
    for (service, value) in [("one", Value::Null), ("other", json!("contour"))] {
        let edit = json!({"metadata": {"labels": {label: value}}});
        scene
            .cluster
            .edit(Kind::Service, &scene.infra, service, edit)
            .await?;
    }
    points_at(scene, &other).await?;
    Ok(())
}

async fn the_entry_follows_from_one_address_to_another(scene: &Scene) -> Result<()> {
    scene.serve_default().await?;
    let ip = |address: &str| json!([{"type": "IPAddress", "value": address}]);
    with_addresses(scene, ip("192.0.2.11")).await?;
    let before = stands_for(scene, "192.0.2.11").await?;
    with_addresses(scene, ip("192.0.2.12")).await?;
    let after = stands_for(scene, "192.0.2.12").await?;
    ensure!(
        after["metadata"]["uid"] == before["metadata"]["uid"],
        "{after:#}"
    );
    Ok(())
}
