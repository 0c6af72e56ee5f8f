//! The stage of the tests, and a scene on it: a host, an OpenFunction Gateway and functions.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::future::BoxFuture;
use ofn_contract::ObjectName;
use ofn_tests::cluster::{Cluster, Kind, has_condition, named};
use ofn_tests::control_plane::{Process, User};
use ofn_tests::host;
use ofn_tests::traffic::client::{Client, Reply};
use ofn_tests::traffic::function::Function;
use ofn_tests::traffic::{Running, Traffic, Vendor, is_without_traefik};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// How long anything may take. Longer than a change of Gateways with all its waits.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A test, its name, and the implementation that it is about.
#[derive(Clone, Copy)]
pub struct Test {
    pub name: &'static str,
    pub vendor: Vendor,
    pub run: fn(Arc<Scene>, Vendor) -> BoxFuture<'static, Result<()>>,
}

/// A list of tests, each of which is made with each of these implementations. A test that is not in one is
/// an unused function, which the lint finds.
macro_rules! tests {
    ($vendors:expr; $($name:ident),* $(,)?) => {
        pub fn tests() -> Vec<$crate::scene::Test> {
            let mut tests = Vec::new();
            for vendor in $vendors {
                $(tests.push($crate::scene::Test {
                    name: stringify!($name),
                    vendor,
                    run: |scene, vendor| Box::pin(async move { $name(&scene, vendor).await }),
                });)*
            }
            tests
        }
    };
}
pub(crate) use tests;

/// What all tests share.
pub struct Stage {
    pub traffic: Traffic,
    pub contour: Mutex<Running>,
    _traefik: Option<Running>,
}

impl Stage {
    pub async fn set() -> Result<Self> {
        let traffic = Traffic::start().await?;
        let start = async |vendor: Vendor| {
            vendor.install(&traffic.cluster).await?;
            vendor.start(&traffic.plane).await
        };
        let contour = start(Vendor::Contour).await?;
        let traefik = if is_without_traefik() {
            None
        } else {
            Some(start(Vendor::Traefik).await?)
        };
        Ok(Self {
            contour: Mutex::new(contour),
            _traefik: traefik,
            traffic,
        })
    }
}

pub struct Scene {
    pub stage: Arc<Stage>,
    pub cluster: Cluster,
    /// The OpenFunction Gateway.
    pub ofn: ObjectName,
    functions: Mutex<Vec<Arc<Function>>>,
    log: PathBuf,
}

pub fn name(namespace: &str, name: &str) -> ObjectName {
    ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

impl Scene {
    /// Plays a test, and clears the stage.
    pub async fn play(stage: Arc<Stage>, number: usize, test: Test) -> Result<()> {
        let plane = &stage.traffic.plane;
        let scene = Arc::new(Self {
            cluster: stage.traffic.cluster.with_patience(PATIENCE),
            ofn: name("openfunction", "openfunction"),
            functions: Mutex::default(),
            log: plane.folder().join(format!("host-{number}.log")),
            stage: Arc::clone(&stage),
        });
        let host = host::start(&plane.kubeconfig(User::Host), &scene.log)?;
        let result = (test.run)(Arc::clone(&scene), test.vendor).await;
        let cleared = scene.clear(host).await;
        result.and(cleared).with_context(|| {
            let log = std::fs::read_to_string(&scene.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(30)..].join("\n");
            format!("the end of the host's log:\n{tail}\n")
        })
    }

    async fn clear(&self, host: Process) -> Result<()> {
        for function in self.functions.lock().await.drain(..) {
            function.delete(&self.cluster).await?;
        }
        let ofn = &self.ofn;
        self.cluster
            .delete(Kind::Ofn, &ofn.namespace, &ofn.name)
            .await?;
        self.cluster
            .eventually_gone(Kind::Ofn, &ofn.namespace, &ofn.name)
            .await?;
        ensure!(host.terminate()?, "the host did not end well on SIGTERM");
        Ok(())
    }

    /// The document's default OpenFunction Gateway, on the Gateway of an implementation, with more
    /// listeners.
    pub fn spec(&self, vendor: Vendor, more: &[Value]) -> Value {
        let listener = |name: &str, hostname: &str| {
            json!({
                "name": name, "hostname": hostname, "port": 80, "protocol": "HTTP",
                "allowedRoutes": {"namespaces": {"from": "All"}},
            })
        };
        let mut listeners = vec![
            listener("ofn-http-internal", "*.cluster.local"),
            listener("ofn-http-external", "*.ofn.io"),
        ];
        listeners.extend_from_slice(more);
        json!({
            "domain": "ofn.io",
            "clusterDomain": "cluster.local",
            "hostTemplate": "{{.Name}}.{{.Namespace}}.{{.Domain}}",
            "pathTemplate": "{{.Namespace}}/{{.Name}}",
            "httpRouteLabelKey": "app.kubernetes.io/managed-by",
            "gatewayRef": vendor.reference(),
            "gatewaySpec": {"listeners": listeners},
        })
    }

    /// Makes the OpenFunction Gateway.
    pub async fn make(&self, spec: Value) -> Result<()> {
        let ofn = &self.ofn;
        let body = json!({"spec": spec});
        self.cluster
            .create(Kind::Ofn, &ofn.namespace, &ofn.name, body)
            .await?;
        Ok(())
    }

    /// Makes it, and waits until it is ready and its entry leads to the implementation.
    pub async fn serve(&self, vendor: Vendor) -> Result<()> {
        self.make(self.spec(vendor, &[])).await?;
        self.is_ready().await?;
        self.entry_leads_to(vendor).await
    }

    /// Waits until the status of the OpenFunction Gateway, as it is now, is so.
    pub async fn served(&self, what: &str, test: impl Fn(&Value) -> bool) -> Result<Value> {
        let ofn = &self.ofn;
        let is_current = |object: &Value| {
            object["status"]["observedGeneration"] == object["metadata"]["generation"]
        };
        self.cluster
            .eventually(Kind::Ofn, &ofn.namespace, &ofn.name, what, |object| {
                is_current(object) && test(object)
            })
            .await
    }

    pub async fn is_ready(&self) -> Result<Value> {
        self.served("is ready", |object| {
            has_condition(object, "Ready", "True", Some("Valid"))
        })
        .await
    }

    pub async fn entry_leads_to(&self, vendor: Vendor) -> Result<()> {
        let host = vendor.service_host();
        self.cluster
            .eventually(
                Kind::Service,
                &self.ofn.namespace,
                "gateway",
                &format!("leads to {host}"),
                |entry| entry["spec"]["externalName"] == host,
            )
            .await?;
        Ok(())
    }

    /// Changes `gatewayRef`, as `kubectl edit` does.
    pub async fn switch_to(&self, vendor: Vendor) -> Result<()> {
        let ofn = &self.ofn;
        let patch = json!({"spec": {"gatewayRef": vendor.reference()}});
        self.cluster
            .edit(Kind::Ofn, &ofn.namespace, &ofn.name, patch)
            .await?;
        Ok(())
    }

    /// Waits until the Gateway of an implementation has lost what is ours.
    pub async fn is_left(&self, vendor: Vendor) -> Result<()> {
        let gateway = vendor.gateway();
        let own = vendor.own_listener();
        self.cluster
            .eventually(
                Kind::Gateway,
                &gateway.namespace,
                &gateway.name,
                "has its own listener only",
                |gateway| {
                    let listeners = &gateway["spec"]["listeners"];
                    let count = listeners.as_array().map_or(0, Vec::len);
                    count == 1 && named(listeners, own).is_some()
                },
            )
            .await?;
        Ok(())
    }

    pub async fn function(&self, function: &str) -> Result<Arc<Function>> {
        self.function_at(function, &[]).await
    }

    /// A function whose user gave it host names.
    pub async fn function_at(&self, function: &str, hostnames: &[&str]) -> Result<Arc<Function>> {
        let name = name("default", function);
        let function = Function::deploy_at(&self.cluster, &self.ofn, &name, hostnames).await?;
        let function = Arc::new(function);
        self.functions.lock().await.push(Arc::clone(&function));
        Ok(function)
    }

    /// Calls until a function answers.
    pub async fn is_answered(
        &self,
        client: &Client,
        url: &str,
        function: &Function,
    ) -> Result<Reply> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match client.get(url).await {
                Ok(reply) if reply.is_from(&function.name) => return Ok(reply),
                other if Instant::now() > deadline => {
                    bail!("{url} never came to {}, but: {other:?}", function.name)
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}
