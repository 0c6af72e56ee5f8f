//! Where answers are carried out: a real API server.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use gateway_api::httproutes::HttpRoute;
use kube::Resource;
use kube::api::{Api, PostParams};
use kube::core::NamespaceResourceScope;
use ofn_contract::{Decision, EffectiveSpec, GatewayStatus, ObjectName};
use ofn_gateway::api;
use ofn_gateway::cluster::live::Live;
use ofn_gateway::cluster::{Change, Cluster as _, Kind as HostKind, Write};
use ofn_gateway::pass::carry_out::carry_out;
use ofn_gateway::pass::plan::Intent;
use ofn_gateway::pass::plan::handover::Readiness;
use ofn_gateway::pass::vet::{self, Asked, Terms, Wish};
use ofn_gateway::pass::{Outcome, observe, report};
use ofn_tests::arbitrary;
use ofn_tests::cluster::{Cluster, Kind};
use ofn_tests::control_plane::{ControlPlane, User};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::runtime::Runtime;

pub const NAMESPACE: &str = "infra";
/// Of the OpenFunction Gateway, which has a status and is never carried out.
const SHOWN: &str = "shown";

pub struct Stage {
    runtime: Runtime,
    pub plane: ControlPlane,
    cluster: Cluster,
    live: Live,
    pub spec: EffectiveSpec,
}

impl Stage {
    pub fn new() -> Result<Self> {
        let runtime = Runtime::new()?;
        let (plane, cluster, live) = runtime.block_on(async {
            let plane = ControlPlane::start().await?;
            let client = plane.client(User::Admin).await?;
            let cluster = Cluster::new(client.clone());
            cluster.install().await?;
            cluster.namespace(NAMESPACE).await?;
            let spec = api::GatewaySpec::from_effective(&arbitrary::spec(NAMESPACE));
            let spec = json!({"spec": spec});
            cluster.create(Kind::Ofn, NAMESPACE, SHOWN, spec).await?;
            anyhow::Ok((plane, cluster, Live::new(client, "v1")))
        })?;
        Ok(Self {
            runtime,
            plane,
            cluster,
            live,
            spec: arbitrary::spec(NAMESPACE),
        })
    }

    fn name(&self) -> ObjectName {
        ObjectName {
            namespace: NAMESPACE.to_owned(),
            name: "openfunction".to_owned(),
        }
    }

    /// Carries a wish out from nothing. What it made is deleted afterwards. Answers the listeners that
    /// the Kubernetes Gateway had, too.
    pub fn carried_out(&self, wish: Wish) -> Result<(Outcome, Vec<String>)> {
        self.runtime.block_on(self.carry_out(wish))
    }

    async fn carry_out(&self, wish: Wish) -> Result<(Outcome, Vec<String>)> {
        let cluster = &self.cluster;
        let spec = api::GatewaySpec::from_effective(&self.spec);
        cluster
            .create(Kind::Ofn, NAMESPACE, "openfunction", json!({"spec": spec}))
            .await?;
        let gateway = observe::gateway(&self.live, &self.name()).await?;
        let gateway = gateway.expect("it was created")?;
        let mut world = observe::world(&self.live, gateway, Some(&self.spec), &mut |_| ()).await?;
        let intent = Intent::Serve {
            wish: Box::new(wish),
            policy: "sha256:0".to_owned(),
            visible: None,
            readiness: Readiness::Ahead,
        };
        let outcome = carry_out(&self.live, &mut world, &intent, &mut Vec::new()).await;
        let target = &self.spec.target.name;
        let made = cluster
            .get(Kind::Gateway, &target.namespace, &target.name)
            .await?;
        let made = made.unwrap_or_default();
        let listeners = made["spec"]["listeners"].as_array().into_iter().flatten();
        let listeners = listeners.filter_map(|listener| listener["name"].as_str());
        let listeners = listeners.map(str::to_owned).collect();
        let deleted = Intent::Delete { served: true };
        cluster.delete(Kind::Ofn, NAMESPACE, "openfunction").await?;
        let gateway = observe::gateway(&self.live, &self.name()).await?;
        if let Some(gateway) = gateway {
            let mut world = observe::world(&self.live, gateway?, None, &mut |_| ()).await?;
            carry_out(&self.live, &mut world, &deleted, &mut Vec::new()).await?;
        }
        cluster
            .eventually_gone(Kind::Ofn, NAMESPACE, "openfunction")
            .await?;
        Ok((outcome?, listeners))
    }

    /// A spec, where it is an answer for what says the same.
    pub fn vetted_spec(&self, spec: &EffectiveSpec) -> Option<EffectiveSpec> {
        let written = api::GatewaySpec::from_effective(spec);
        vet::spec(spec.clone(), &written, &spec.target.name).ok()
    }

    pub fn vetted(&self, decision: Decision) -> Option<Wish> {
        let services = BTreeSet::from([arbitrary::service()]);
        let terms = Terms::default();
        let asked = Asked {
            spec: &self.spec,
            entry: &arbitrary::entry(),
            services: &services,
            terms: &terms,
        };
        vet::decision(decision, asked).ok()
    }

    /// Writes a status.
    pub fn written(&self, status: GatewayStatus) -> Result<()> {
        let write = Write {
            kind: HostKind::Gateway,
            name: ObjectName {
                namespace: NAMESPACE.to_owned(),
                name: SHOWN.to_owned(),
            },
            change: Change::Status(report::merge_patch(&report::status(
                status.into(),
                &[],
                None,
                None,
            ))),
        };
        self.runtime.block_on(self.live.write(&write))?;
        Ok(())
    }

    /// Has the API server judge a spec, as it would be shown.
    pub fn judged(&self, spec: &EffectiveSpec) -> Result<()> {
        let gateway = api::Gateway::new("judged", api::GatewaySpec::from_effective(spec));
        self.judge(&gateway).map_err(|error| anyhow!("{error}"))
    }

    /// Whether the API server takes an HTTPRoute with this path.
    pub fn takes_path(&self, path: &str) -> Result<bool> {
        let route = json!({
            "metadata": {"name": "judged"},
            "spec": {"rules": [{"matches": [{"path": {"type": "PathPrefix", "value": path}}]}]},
        });
        match self.judge::<HttpRoute>(&serde_json::from_value(route)?) {
            Ok(()) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 422 => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn judge<K>(&self, object: &K) -> Result<(), kube::Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        let parameters = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let api = Api::<K>::namespaced(self.live.client().clone(), NAMESPACE);
        self.runtime.block_on(api.create(&parameters, object))?;
        Ok(())
    }
}
