//! The stage of a test: namespaces, a host, and what a platform team has there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::future::BoxFuture;
use ofn_tests::cluster::{Cluster, Kind, PATIENCE, has_condition};
use ofn_tests::control_plane::{ControlPlane, Process, User, free_port};
use ofn_tests::host;
pub use ofn_tests::implementation::{condition, programmed};
use serde_json::{Value, json};

/// A test and its name.
#[derive(Clone, Copy)]
pub struct Test {
    pub name: &'static str,
    pub run: fn(Arc<Scene>) -> BoxFuture<'static, Result<()>>,
}

/// A list of tests. A test that is not in one is an unused function, which the lint finds.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub fn tests() -> Vec<$crate::scene::Test> {
            vec![$($crate::scene::Test {
                name: stringify!($name),
                run: |scene| Box::pin(async move { $name(&scene).await }),
            }),*]
        }
    };
}
pub(crate) use tests;

/// The listeners of [`Scene::default_spec`].
pub const OURS: [&str; 2] = ["ofn-http-internal", "ofn-http-external"];
/// Those of the Gateway of [`Scene::platform`] that serves them.
pub const ALL: [&str; 3] = ["platform", "ofn-http-internal", "ofn-http-external"];

pub struct Scene {
    pub plane: Arc<ControlPlane>,
    pub cluster: Cluster,
    /// Namespace of the OpenFunction Gateway `openfunction`.
    pub ofn: String,
    /// Namespace of the Kubernetes Gateways.
    pub infra: String,
    host: Mutex<Option<Process>>,
    log: PathBuf,
    /// Where the host serves its metrics.
    metrics: u16,
}

impl Scene {
    /// Plays a test, and clears the stage.
    pub async fn play(plane: Arc<ControlPlane>, number: usize, test: Test) -> Result<()> {
        let cluster = Cluster::new(plane.client(User::Admin).await?);
        let scene = Arc::new(Self {
            log: plane.folder().join(format!("host-{number}.log")),
            ofn: format!("ofn-{number}"),
            infra: format!("infra-{number}"),
            host: Mutex::default(),
            metrics: free_port()?,
            plane,
            cluster,
        });
        scene.cluster.namespace(&scene.ofn).await?;
        scene.cluster.namespace(&scene.infra).await?;
        scene.start_host()?;
        let result = (test.run)(Arc::clone(&scene)).await;
        let cleared = scene.clear().await;
        result.and(cleared).with_context(|| {
            let log = std::fs::read_to_string(&scene.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(30)..].join("\n");
            format!("the end of the host's log:\n{tail}\n")
        })
    }

    pub fn start_host(&self) -> Result<()> {
        self.start_host_with(&[&host::policies_and_the_hostile_one()?])
    }

    /// Starts a host with the components of these folders, which it looks at often.
    pub fn start_host_with(&self, policies: &[&Path]) -> Result<()> {
        let policies = policies.iter().map(|folder| folder.as_os_str());
        let process = Process::start(
            host::command(&self.plane.kubeconfig(User::Host))?
                .args(policies.flat_map(|folder| [OsStr::new("--policies"), folder]))
                .args(["--policies-every", "20ms"])
                .args(["--metrics-address", &format!("[::]:{}", self.metrics)]),
            &self.log,
        )?;
        *self.host.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        Ok(())
    }

    /// Starts a host that gives components so much time.
    pub fn start_host_patiently(&self, time: &str) -> Result<()> {
        let policies = host::policies_and_the_hostile_one()?;
        let process = Process::start(
            host::command(&self.plane.kubeconfig(User::Host))?
                .arg("--policies")
                .arg(policies)
                .args(["--policy-time", time])
                .args(["--metrics-address", &format!("[::]:{}", self.metrics)]),
            &self.log,
        )?;
        *self.host.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        Ok(())
    }

    /// The process of the host.
    pub fn host(&self) -> Option<u32> {
        let host = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        host.as_ref().map(Process::id)
    }

    /// Ends the host as Kubernetes does.
    pub fn stop_host(&self) -> Result<()> {
        let process = self
            .host
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(process) = process {
            // One that has only begun ends as any other program does.
            host::catches_sigterm(process.id())?;
            ensure!(process.terminate()?, "the host did not end well on SIGTERM");
        }
        Ok(())
    }

    /// What the host has counted.
    pub fn metrics(&self) -> Result<String> {
        let mut response =
            ureq::get(format!("http://127.0.0.1:{}/metrics", self.metrics)).call()?;
        Ok(response.body_mut().read_to_string()?)
    }

    /// Waits until the host has counted something.
    pub async fn counted(&self, figure: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // A host that has just started does not answer.
            let seen = self.metrics();
            if seen.as_ref().is_ok_and(|seen| seen.contains(figure)) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{figure} is not in {seen:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the host has logged something since it was started.
    pub async fn logged(&self, text: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !std::fs::read_to_string(&self.log)?.contains(text) {
            ensure!(Instant::now() < deadline, "{text} is not in the log");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        for gateway in self.cluster.list(Kind::Ofn, &self.ofn).await? {
            let name = gateway["metadata"]["name"].as_str().unwrap_or_default();
            self.cluster.delete(Kind::Ofn, &self.ofn, name).await?;
            self.cluster
                .eventually_gone(Kind::Ofn, &self.ofn, name)
                .await?;
        }
        self.stop_host()
    }

    /// The class and the Gateway that a platform team has, with a listener of its own.
    pub async fn platform(&self, gateway: &str) -> Result<Value> {
        self.class().await?;
        self.gateway_with(gateway, json!([own_listener()])).await
    }

    pub async fn class(&self) -> Result<()> {
        let spec = json!({"spec": {"controllerName": "example.com/gateway-controller"}});
        self.cluster
            .apply(Kind::GatewayClass, "", "contour", "platform-team", spec)
            .await?;
        Ok(())
    }

    pub async fn gateway_with(&self, gateway: &str, listeners: Value) -> Result<Value> {
        let body = json!({
            "metadata": {"labels": {"team": "platform"}, "annotations": {"team": "platform"}},
            "spec": {"gatewayClassName": "contour", "listeners": listeners},
        });
        self.cluster
            .create(Kind::Gateway, &self.infra, gateway, body)
            .await
    }

    /// The document's default OpenFunction Gateway, for a Gateway of this scene.
    pub fn default_spec(&self, gateway: &str) -> Value {
        json!({
            "domain": "ofn.io",
            "clusterDomain": "cluster.local",
            "hostTemplate": "{{.Name}}.{{.Namespace}}.{{.Domain}}",
            "pathTemplate": "{{.Namespace}}/{{.Name}}",
            "httpRouteLabelKey": "app.kubernetes.io/managed-by",
            "gatewayRef": {"name": gateway, "namespace": self.infra},
            "gatewaySpec": {"listeners": [
                listener("ofn-http-internal", "*.cluster.local"),
                listener("ofn-http-external", "*.ofn.io"),
            ]},
        })
    }

    /// The same for a Gateway that is to be made.
    pub fn defined_spec(&self, name: &str, class: &str) -> Value {
        let mut spec = self.default_spec("");
        spec["gatewayRef"] = Value::Null;
        spec["gatewayDef"] =
            json!({"name": name, "namespace": self.infra, "gatewayClassName": class});
        spec
    }

    pub async fn serve(&self, spec: Value) -> Result<Value> {
        self.cluster
            .create(Kind::Ofn, &self.ofn, "openfunction", json!({"spec": spec}))
            .await
    }

    /// The default OpenFunction Gateway, served by the platform team's Gateway `contour`.
    pub async fn serve_default(&self) -> Result<Value> {
        self.platform("contour").await?;
        self.serve(self.default_spec("contour")).await?;
        self.has_listeners("contour", &ALL).await
    }

    /// The same once the implementation is ready too.
    pub async fn serve_ready(&self) -> Result<Value> {
        self.serve_default().await?;
        self.program("contour").await?;
        self.is_ready().await
    }

    pub async fn edit(&self, patch: Value) -> Result<Value> {
        self.cluster
            .edit(Kind::Ofn, &self.ofn, "openfunction", patch)
            .await
    }

    /// Deletes the OpenFunction Gateway, and waits until it is gone.
    pub async fn delete_openfunction(&self) -> Result<()> {
        self.cluster
            .delete(Kind::Ofn, &self.ofn, "openfunction")
            .await?;
        self.cluster
            .eventually_gone(Kind::Ofn, &self.ofn, "openfunction")
            .await
    }

    pub async fn served(&self, what: &str, test: impl Fn(&Value) -> bool) -> Result<Value> {
        self.cluster
            .eventually(Kind::Ofn, &self.ofn, "openfunction", what, test)
            .await
    }

    pub async fn gateway(
        &self,
        name: &str,
        what: &str,
        test: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        self.cluster
            .eventually(Kind::Gateway, &self.infra, name, what, test)
            .await
    }

    pub async fn entry(&self, what: &str, test: impl Fn(&Value) -> bool) -> Result<Value> {
        self.cluster
            .eventually(Kind::Service, &self.ofn, "gateway", what, test)
            .await
    }

    pub async fn has_listeners(&self, gateway: &str, names: &[&str]) -> Result<Value> {
        let what = format!("has the listeners {names:?}");
        self.gateway(gateway, &what, |gateway| listener_names(gateway) == names)
            .await
    }

    pub async fn is_ready(&self) -> Result<Value> {
        self.served("is ready", |object| {
            has_condition(object, "Ready", "True", None)
        })
        .await
    }

    /// Waits until the host has seen all that was written before: a probe, written now, is
    /// reported. The host takes its events in order, and a status is the last that a pass writes.
    pub async fn settle(&self, gateway: &str) -> Result<Value> {
        let seen = self
            .cluster
            .must_get(Kind::Gateway, &self.infra, gateway)
            .await?;
        let mut conditions = seen["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let probe = format!(
            "Probe{}",
            seen["metadata"]["resourceVersion"]
                .as_str()
                .unwrap_or_default()
        );
        conditions.retain(|condition| {
            !condition["type"]
                .as_str()
                .unwrap_or_default()
                .starts_with("Probe")
        });
        conditions.push(self::condition(&probe, "True", "Probe", "", 0));
        self.cluster
            .write_status(
                Kind::Gateway,
                &self.infra,
                gateway,
                json!({"conditions": conditions}),
            )
            .await?;
        self.served("has seen the probe", |object| {
            has_condition(object, &probe, "True", None)
        })
        .await
    }

    /// Writes the Gateway's status as today's implementations do, for all its listeners.
    pub async fn program(&self, gateway: &str) -> Result<()> {
        let live = self
            .cluster
            .must_get(Kind::Gateway, &self.infra, gateway)
            .await?;
        let generation = live["metadata"]["generation"].as_i64().unwrap_or_default();
        let status = programmed(&listener_names(&live), generation);
        self.cluster
            .write_status(Kind::Gateway, &self.infra, gateway, status)
            .await
    }

    pub async fn events(&self) -> Result<Vec<Value>> {
        self.cluster.list(Kind::Event, &self.ofn).await
    }

    /// Waits for an event with a reason.
    pub async fn event(&self, reason: &str) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let events = self.events().await?;
            if let Some(event) = events.iter().find(|event| event["reason"] == reason) {
                return Ok(event.clone());
            }
            if Instant::now() > deadline {
                bail!("no event {reason}; there are {events:#?}");
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

/// The listener that the platform team has for itself.
pub fn own_listener() -> Value {
    json!({
        "name": "platform",
        "hostname": "*.example.com",
        "port": 80,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    })
}

pub fn listener(name: &str, hostname: &str) -> Value {
    json!({
        "name": name,
        "hostname": hostname,
        "port": 80,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    })
}

pub fn listener_names(gateway: &Value) -> Vec<&str> {
    gateway["spec"]["listeners"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|listener| listener["name"].as_str())
        .collect()
}
