//! A function, with what OpenFunction's Function controller makes for it: an HTTPRoute and a Service with
//! its name. Source: `controllers/core/function_controller.go` of OpenFunction 1.2.

use std::io::Cursor;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use ofn_contract::ObjectName;
use serde::Deserialize;
use serde_json::{Value, json};
use tiny_http::{Response, Server};

use super::network::FUNCTIONS;
use crate::cluster::{Cluster, Kind};
use crate::host;

/// A function that answers, as JSON, who it is and what it was asked.
pub struct Function {
    /// Namespace and name.
    pub name: ObjectName,
    route: Route,
    /// The host names that its user gave it, instead of those made for it.
    hostnames: Vec<String>,
    _answering: Answering,
}

/// What `ofn-gateway route` says.
#[derive(Deserialize)]
struct Route {
    hostnames: Vec<String>,
    path: String,
    labels: Value,
}

impl Function {
    /// Deploys a function for an OpenFunction Gateway.
    pub async fn deploy(cluster: &Cluster, ofn: &ObjectName, name: &ObjectName) -> Result<Self> {
        Self::deploy_at(cluster, ofn, name, &[]).await
    }

    /// Deploys one whose user gave it host names: it is there under its path.
    pub async fn deploy_at(
        cluster: &Cluster,
        ofn: &ObjectName,
        name: &ObjectName,
        hostnames: &[&str],
    ) -> Result<Self> {
        let gateway = cluster
            .must_get(Kind::Ofn, &ofn.namespace, &ofn.name)
            .await?;
        let answering = Answering::start(name.to_string())?;
        let port = answering.port()?;
        let function = Self {
            name: name.clone(),
            route: route(&gateway, name)?,
            hostnames: hostnames.iter().map(|name| (*name).to_owned()).collect(),
            _answering: answering,
        };
        cluster.namespace(&name.namespace).await?;
        let ports = json!([{"name": "http", "port": 80, "targetPort": port}]);
        cluster
            .apply(
                Kind::Service,
                &name.namespace,
                &function.backend(),
                "openfunction",
                json!({"spec": {"ports": ports}}),
            )
            .await?;
        cluster
            .endpoints(
                &name.namespace,
                &function.backend(),
                FUNCTIONS,
                &[("http", port)],
            )
            .await?;
        function.make_service(cluster, ofn, &gateway).await?;
        let parent = parent(&gateway);
        function.attach(cluster, &[parent]).await?;
        Ok(function)
    }

    /// The Service with the function's name, by which the cluster calls it.
    async fn make_service(
        &self,
        cluster: &Cluster,
        ofn: &ObjectName,
        gateway: &Value,
    ) -> Result<()> {
        let listeners = gateway["spec"]["gatewaySpec"]["listeners"].as_array();
        let is_internal = |listener: &&Value| {
            let hostname = listener["hostname"].as_str().unwrap_or_default();
            hostname.ends_with(".cluster.local")
        };
        let ports = listeners.into_iter().flatten().filter(is_internal);
        let ports = ports.map(|listener| {
            json!({"name": listener["name"], "port": listener["port"], "protocol": "TCP"})
        });
        let spec = json!({
            "type": "ExternalName",
            "externalName": format!("gateway.{}.svc.cluster.local", ofn.namespace),
            "ports": ports.collect::<Vec<_>>(),
        });
        let name = &self.name;
        cluster
            .apply(
                Kind::Service,
                &name.namespace,
                &name.name,
                "openfunction",
                json!({"spec": spec}),
            )
            .await?;
        Ok(())
    }

    /// Makes the route, or moves it: from now on it has these parents.
    pub async fn attach(&self, cluster: &Cluster, parents: &[ObjectName]) -> Result<()> {
        let parents = parents.iter().map(|parent| {
            json!({
                "group": "gateway.networking.k8s.io", "kind": "Gateway",
                "namespace": parent.namespace, "name": parent.name,
            })
        });
        let internal = self.route.hostnames.last();
        let hostnames: Vec<&String> = match self.hostnames.as_slice() {
            [] => self.route.hostnames.iter().collect(),
            given => given.iter().chain(internal).collect(),
        };
        let host = format!(
            "{}.{}.svc.cluster.local",
            self.backend(),
            self.name.namespace
        );
        let spec = json!({
            "parentRefs": parents.collect::<Vec<_>>(),
            "hostnames": hostnames,
            "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": self.path()}}],
                "filters": [{
                    "type": "RequestHeaderModifier",
                    "requestHeaderModifier": {"add": [{"name": "Host", "value": host}]},
                }],
                "backendRefs": [{
                    "group": "", "kind": "Service", "name": self.backend(),
                    "namespace": self.name.namespace, "port": 80, "weight": 1,
                }],
            }],
        });
        cluster
            .apply(
                Kind::HttpRoute,
                &self.name.namespace,
                &self.name.name,
                "openfunction",
                json!({"metadata": {"labels": self.route.labels}, "spec": spec}),
            )
            .await?;
        Ok(())
    }

    /// Takes away what was made for it.
    pub async fn delete(&self, cluster: &Cluster) -> Result<()> {
        let namespace = &self.name.namespace;
        for (kind, name) in [
            (Kind::HttpRoute, &self.name.name),
            (Kind::Service, &self.name.name),
            (Kind::Service, &self.backend()),
            (Kind::EndpointSlice, &self.backend()),
        ] {
            cluster.delete(kind, namespace, name).await?;
        }
        Ok(())
    }

    /// The host name that the world knows.
    pub fn external_host(&self) -> &str {
        let given = self.hostnames.first();
        given.map_or(&self.route.hostnames[0], |given| given)
    }

    /// Where the cluster calls it.
    pub fn internal_url(&self) -> String {
        let host = self.route.hostnames.last();
        format!("http://{}{}", host.map_or("", |host| host), self.path())
    }

    /// The path under which it answers.
    pub fn path(&self) -> &str {
        // OpenFunction uses the path only where the user gives host names.
        if self.hostnames.is_empty() {
            "/"
        } else {
            &self.route.path
        }
    }

    fn backend(&self) -> String {
        format!("{}-v1", self.name.name)
    }
}

/// The Kubernetes Gateway of an OpenFunction Gateway: OpenFunction gives routes this single parent.
pub fn parent(gateway: &Value) -> ObjectName {
    let spec = &gateway["spec"];
    let target = [&spec["gatewayRef"], &spec["gatewayDef"]]
        .into_iter()
        .find(|target| target.is_object())
        .unwrap_or(&Value::Null);
    let text = |key: &str| target[key].as_str().unwrap_or_default().to_owned();
    ObjectName {
        namespace: text("namespace"),
        name: text("name"),
    }
}

/// Asks `ofn-gateway route`.
fn route(gateway: &Value, function: &ObjectName) -> Result<Route> {
    let mut program = Command::new(host::program()?)
        .args(["route", "--filename", "-", "--output", "json"])
        .args(["--function", &function.to_string(), "--policies"])
        .arg(host::policies()?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let input = program.stdin.take().context("it has no input")?;
    serde_json::to_writer(input, gateway)?;
    let output = program.wait_with_output()?;
    ensure!(
        output.status.success(),
        "ofn-gateway route: {}",
        output.status
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Answers requests until it is dropped.
struct Answering(Arc<Server>);

impl Answering {
    fn start(name: String) -> Result<Self> {
        let server = Server::http((FUNCTIONS, 0)).map_err(|error| anyhow!(error))?;
        let server = Arc::new(server);
        let serving = Arc::clone(&server);
        std::thread::spawn(move || {
            for request in serving.incoming_requests() {
                let response = answer(&name, &request);
                // One that does not wait for its answer has lost interest.
                let _ = request.respond(response);
            }
        });
        Ok(Self(server))
    }

    fn port(&self) -> Result<u16> {
        let address = self.0.server_addr().to_ip();
        Ok(address.context("it listens on an IP address")?.port())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.unblock();
    }
}

fn answer(name: &str, request: &tiny_http::Request) -> Response<Cursor<Vec<u8>>> {
    let mut headers = request.headers().iter();
    let host = headers.find(|header| header.field.equiv("Host"));
    let text = json!({
        "function": name,
        "path": request.url(),
        "host": host.map(|host| host.value.as_str()),
    });
    Response::from_string(format!("{text}\n"))
}
