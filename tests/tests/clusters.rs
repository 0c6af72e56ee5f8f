//! What `ofn-gateway run` does in clusters that serve the Gateway API in other versions, or not
//! yet, or otherwise than before, and in those of other address families. Each test has a cluster of
//! its own.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use ofn_tests::cluster::{Cluster, Kind, PATIENCE, has_condition};
use ofn_tests::control_plane::{CLUSTER_IPS, ControlPlane, Process, User};
use ofn_tests::{host, implementation};
use serde_json::{Value, json};

const OURS: [&str; 2] = ["ofn-http-internal", "ofn-http-external"];
const GATEWAYS: &str = "gateways.gateway.networking.k8s.io";

#[tokio::test(flavor = "multi_thread")]
async fn while_definitions_are_missing_the_host_says_which_and_goes_on_when_they_come() -> Result<()>
{
    let stage = Stage::new().await?;
    let v1 = &stage.cluster;
    v1.install_manifest().await?;
    let _host = stage.start_host()?;
    stage
        .logs("does not serve the Gateway API (gateways.gateway.networking.k8s.io)")
        .await?;
    v1.install_gateway_api("v1.5.1").await?;
    stage
        .logs("does not serve the OpenFunction API (gateways.networking.openfunction.io)")
        .await?;
    v1.install_openfunction().await?;
    stage.logs("the Gateway API is served").await?;
    platform(v1).await?;
    serve(v1, reference()).await?;
    has_listeners(v1, "platform", &["platform", OURS[0], OURS[1]]).await?;
    stage.nothing_was_forbidden()
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_api_0_8_0_as_openfunction_1_2_installs_it_is_served_in_v1beta1() -> Result<()> {
    let stage = Stage::new().await?;
    let v1beta1 = stage.cluster.with_gateway_api("v1beta1");
    v1beta1.install_gateway_api("v0.8.0").await?;
    serve_v1alpha2(&v1beta1).await?;
    v1beta1.install_openfunction().await?;
    platform(&v1beta1).await?;
    inject_as_the_old_controller(&v1beta1).await?;
    let _host = stage.start_host()?;
    serve(&v1beta1, reference()).await?;
    has_listeners(&v1beta1, "platform", &["platform", OURS[0], OURS[1]]).await?;
    let gateway = v1beta1
        .eventually(Kind::Gateway, "infra", "platform", "has our domain", |it| {
            it["spec"]["listeners"][2]["hostname"] == "*.ofn.io"
        })
        .await?;
    program(&v1beta1, "platform", &gateway).await?;
    is_ready(&v1beta1).await?;

    // The same for one that we create.
    edit(
        &v1beta1,
        json!({"gatewayRef": null, "gatewayDef": {"name": "made", "namespace": "infra", "gatewayClassName": "contour"}}),
    )
    .await?;
    let made = has_listeners(&v1beta1, "made", &OURS).await?;
    program(&v1beta1, "made", &made).await?;
    is_ready(&v1beta1).await?;
    has_listeners(&v1beta1, "platform", &["platform"]).await?;
    v1beta1.delete(Kind::Ofn, "ofn", "openfunction").await?;
    v1beta1
        .eventually_gone(Kind::Gateway, "infra", "made")
        .await?;
    v1beta1
        .eventually_gone(Kind::Ofn, "ofn", "openfunction")
        .await?;
    stage.nothing_was_forbidden()
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_api_0_8_0_as_it_is_released_is_served_in_v1beta1() -> Result<()> {
    let stage = Stage::new().await?;
    let v1beta1 = stage.cluster.with_gateway_api("v1beta1");
    v1beta1.install_gateway_api("v0.8.0").await?;
    v1beta1.install_openfunction().await?;
    platform(&v1beta1).await?;
    let _host = stage.start_host()?;
    serve(&v1beta1, reference()).await?;
    let gateway = has_listeners(&v1beta1, "platform", &["platform", OURS[0], OURS[1]]).await?;
    program(&v1beta1, "platform", &gateway).await?;
    is_ready(&v1beta1).await?;
    v1beta1.delete(Kind::Ofn, "ofn", "openfunction").await?;
    has_listeners(&v1beta1, "platform", &["platform"]).await?;
    stage.nothing_was_forbidden()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_of_the_gateway_api_needs_no_restart_and_changes_no_gateway() -> Result<()> {
    let stage = Stage::new().await?;
    let (v1, v1beta1) = (&stage.cluster, stage.cluster.with_gateway_api("v1beta1"));
    v1beta1.install_gateway_api("v0.8.0").await?;
    serve_v1alpha2(&v1beta1).await?;
    v1beta1.install_openfunction().await?;
    platform(&v1beta1).await?;
    let _host = stage.start_host()?;
    serve(&v1beta1, reference()).await?;
    let before = has_listeners(&v1beta1, "platform", &["platform", OURS[0], OURS[1]]).await?;
    program(&v1beta1, "platform", &before).await?;
    is_ready(&v1beta1).await?;

    v1.install_gateway_api("v1.5.1").await?;
    stage.logs("\"gateway_api\":\"v1\"").await?;
    edit(v1, json!({"domain": "example.org"})).await?;
    let after = v1
        .eventually(
            Kind::Gateway,
            "infra",
            "platform",
            "has the new domain",
            |it| it["spec"]["listeners"][2]["hostname"] == "*.example.org",
        )
        .await?;
    let mut expected = before["spec"].clone();
    expected["listeners"][2]["hostname"] = "*.example.org".into();
    ensure!(after["spec"] == expected, "{:#}", after["spec"]);
    let generations = |object: &Value| object["metadata"]["generation"].as_i64();
    ensure!(
        generations(&after) == generations(&before).map(|before| before + 1),
        "the upgrade itself changed the Gateway"
    );
    program(v1, "platform", &after).await?;
    is_ready(v1).await?;

    v1.delete(Kind::Ofn, "ofn", "openfunction").await?;
    v1.eventually_gone(Kind::Ofn, "ofn", "openfunction").await?;
    has_listeners(v1, "platform", &["platform"]).await?;
    stage.nothing_was_forbidden()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_ipv6_is_first_an_entry_for_ipv4_addresses_has_a_cluster_ip_of_theirs() -> Result<()>
{
    let [ipv4, ipv6] = CLUSTER_IPS;
    let stage = Stage::with_cluster_ips(&[ipv6, ipv4]).await?;
    let v1 = &stage.cluster;
    let _host = stage.start_serving().await?;
    let of = |families: &[&str]| json!(families);
    for (addresses, families) in [
        (vec!["192.0.2.11"], of(&["IPv4"])),
        // As long as it has cluster IPs, its first family stays.
        (vec!["2001:db8::11"], of(&["IPv4", "IPv6"])),
        (vec!["192.0.2.11"], of(&["IPv4"])),
        (vec!["lb.example.com"], Value::Null),
        (vec!["192.0.2.11", "2001:db8::11"], of(&["IPv6", "IPv4"])),
        (vec!["2001:db8::11"], of(&["IPv6"])),
        (vec!["192.0.2.11"], of(&["IPv6", "IPv4"])),
    ] {
        addressed(v1, &addresses).await?;
        let what = format!("stands for {addresses:?} in {families}");
        v1.eventually(Kind::Service, "ofn", "gateway", &what, |entry| {
            entry["spec"]["ipFamilies"] == families
        })
        .await?;
        is_ready(v1).await?;
    }
    stage.nothing_was_forbidden()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_are_no_cluster_ips_of_a_family_the_status_says_so() -> Result<()> {
    let stage = Stage::with_cluster_ips(&CLUSTER_IPS[..1]).await?;
    let v1 = &stage.cluster;
    let _host = stage.start_serving().await?;
    addressed(v1, &["2001:db8::11"]).await?;
    let tells = |gateway: &Value| {
        let conditions = gateway["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|condition| {
            let message = condition["message"].as_str().unwrap_or_default();
            condition["type"] == "Ready"
                && condition["status"] == "False"
                && message.contains("IPv6")
        })
    };
    let what = "says what it lacks";
    v1.eventually(Kind::Ofn, "ofn", "openfunction", what, tells)
        .await?;
    addressed(v1, &["192.0.2.11", "2001:db8::11"]).await?;
    is_ready(v1).await?;
    addressed(v1, &["2001:db8::11"]).await?;
    v1.eventually(Kind::Ofn, "ofn", "openfunction", what, tells)
        .await?;
    Ok(())
}

struct Stage {
    plane: ControlPlane,
    cluster: Cluster,
}

impl Stage {
    async fn new() -> Result<Self> {
        Self::with_cluster_ips(&CLUSTER_IPS).await
    }

    async fn with_cluster_ips(ranges: &[&str]) -> Result<Self> {
        let plane = ControlPlane::start_with(ranges).await?;
        let cluster = Cluster::new(plane.client(User::Admin).await?);
        for namespace in ["infra", "ofn"] {
            cluster.namespace(namespace).await?;
        }
        Ok(Self { plane, cluster })
    }

    fn log(&self) -> PathBuf {
        self.plane.folder().join("host.log")
    }

    fn start_host(&self) -> Result<Process> {
        host::start(&self.plane.kubeconfig(User::Host), &self.log())
    }

    /// The same, with an OpenFunction Gateway for it to serve.
    async fn start_serving(&self) -> Result<Process> {
        let v1 = &self.cluster;
        v1.install_gateway_api("v1.5.1").await?;
        v1.install_openfunction().await?;
        platform(v1).await?;
        serve(v1, reference()).await?;
        self.start_host()
    }

    /// Waits until the host has logged this.
    async fn logs(&self, text: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = std::fs::read_to_string(self.log())?;
            if log.contains(text) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("never logged: {text}; the log is\n{log}");
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    fn nothing_was_forbidden(&self) -> Result<()> {
        let forbidden = self.plane.forbidden(User::Host)?;
        ensure!(
            forbidden == 0,
            "{forbidden} requests were refused for want of rights"
        );
        Ok(())
    }
}

/// What the chart of OpenFunction 1.2 does to the definition of Gateway API 0.8.0.
async fn serve_v1alpha2(cluster: &Cluster) -> Result<()> {
    let definition = cluster.must_get(Kind::Definition, "", GATEWAYS).await?;
    let mut versions = definition["spec"]["versions"].clone();
    ensure!(versions[0]["name"] == "v1alpha2" && versions[0]["served"] == false);
    versions[0]["served"] = true.into();
    let patch = json!({"spec": {"versions": versions}});
    cluster.edit(Kind::Definition, "", GATEWAYS, patch).await?;
    // It is served a little later.
    let v1alpha2 = cluster.with_gateway_api("v1alpha2");
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = v1alpha2.list(Kind::Gateway, "infra").await {
        ensure!(Instant::now() < deadline, "v1alpha2 is not served: {error}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn platform(cluster: &Cluster) -> Result<()> {
    let class = json!({"spec": {"controllerName": "projectcontour.io/gateway-controller"}});
    cluster
        .apply(Kind::GatewayClass, "", "contour", "platform-team", class)
        .await?;
    let body = json!({"spec": {
        "gatewayClassName": "contour",
        "listeners": [listener("platform", "*.example.com")],
    }});
    cluster
        .create(Kind::Gateway, "infra", "platform", body)
        .await?;
    Ok(())
}

fn listener(name: &str, hostname: &str) -> Value {
    json!({
        "name": name,
        "hostname": hostname,
        "port": 80,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    })
}

/// Listeners for a domain of old, by the Update of the old controller in v1alpha2, with its record.
async fn inject_as_the_old_controller(cluster: &Cluster) -> Result<()> {
    let injected = [
        listener(OURS[0], "*.cluster.local"),
        listener(OURS[1], "*.old.io"),
    ];
    let gateway = json!({
        "metadata": {"annotations": {
            "networking.openfunction.io/injected-listeners": json!(injected).to_string(),
        }},
        "spec": {"listeners": [listener("platform", "*.example.com"), injected[0], injected[1]]},
    });
    cluster
        .with_gateway_api("v1alpha2")
        .edit(Kind::Gateway, "infra", "platform", gateway)
        .await?;
    Ok(())
}

async fn program(cluster: &Cluster, gateway: &str, live: &Value) -> Result<()> {
    let generation = live["metadata"]["generation"].as_i64().unwrap_or_default();
    let listeners = live["spec"]["listeners"].as_array();
    let names: Vec<_> = listeners
        .into_iter()
        .flatten()
        .filter_map(|listener| listener["name"].as_str())
        .collect();
    let status = implementation::programmed(&names, generation);
    cluster
        .write_status(Kind::Gateway, "infra", gateway, status)
        .await
}

/// The implementation reports that all is well with our listeners, at these addresses.
async fn addressed(cluster: &Cluster, addresses: &[&str]) -> Result<()> {
    let gateway = has_listeners(cluster, "platform", &["platform", OURS[0], OURS[1]]).await?;
    program(cluster, "platform", &gateway).await?;
    let addresses = addresses.iter().map(|address| {
        let is_ip = address.parse::<std::net::IpAddr>().is_ok();
        let type_ = if is_ip { "IPAddress" } else { "Hostname" };
        json!({"type": type_, "value": address})
    });
    let status = json!({"addresses": addresses.collect::<Vec<_>>()});
    cluster
        .write_status(Kind::Gateway, "infra", "platform", status)
        .await
}

fn reference() -> Value {
    json!({"gatewayRef": {"name": "platform", "namespace": "infra"}})
}

async fn serve(cluster: &Cluster, target: Value) -> Result<()> {
    let mut spec = json!({
        "domain": "ofn.io",
        "clusterDomain": "cluster.local",
        "gatewaySpec": {"listeners": [
            listener(OURS[0], "*.cluster.local"),
            listener(OURS[1], "*.ofn.io"),
        ]},
    });
    json_patch::merge(&mut spec, &target);
    cluster
        .create(Kind::Ofn, "ofn", "openfunction", json!({"spec": spec}))
        .await?;
    Ok(())
}

async fn edit(cluster: &Cluster, spec: Value) -> Result<()> {
    cluster
        .edit(Kind::Ofn, "ofn", "openfunction", json!({"spec": spec}))
        .await?;
    Ok(())
}

async fn has_listeners(cluster: &Cluster, gateway: &str, names: &[&str]) -> Result<Value> {
    let what = format!("has the listeners {names:?}");
    let has = |gateway: &Value| {
        let listeners = gateway["spec"]["listeners"].as_array();
        listeners
            .into_iter()
            .flatten()
            .map(|listener| listener["name"].as_str().unwrap_or_default())
            .eq(names.iter().copied())
    };
    cluster
        .eventually(Kind::Gateway, "infra", gateway, &what, has)
        .await
}

async fn is_ready(cluster: &Cluster) -> Result<()> {
    let is_ready = |gateway: &Value| {
        has_condition(gateway, "Ready", "True", None)
            && gateway["status"]["observedGeneration"] == gateway["metadata"]["generation"]
    };
    cluster
        .eventually(Kind::Ofn, "ofn", "openfunction", "is ready", is_ready)
        .await?;
    Ok(())
}
