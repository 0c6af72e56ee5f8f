//! What a platform team does to a cluster, in few words.

use std::fmt::Debug;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::control_plane::{User, assets};
use crate::host::workspace;

/// How long anything may take that is said to happen at once. Longer than it does on a busy
/// machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster, spoken to as one user.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    gateway_api: &'static str,
    patience: Duration,
}

/// The kinds of objects that tests speak of.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// The OpenFunction Gateway.
    Ofn,
    /// The Kubernetes Gateway.
    Gateway,
    /// Its class.
    GatewayClass,
    /// A route.
    HttpRoute,
    /// A Service.
    Service,
    /// An EndpointSlice.
    EndpointSlice,
    /// What EndpointSlices were before.
    Endpoints,
    /// A Secret.
    Secret,
    /// A node.
    Node,
    /// A namespace.
    Namespace,
    /// An event.
    Event,
    /// The definition of a kind.
    Definition,
}

impl Kind {
    fn resource(self, gateway_api: &str) -> ApiResource {
        let (group, version, kind, plural) = match self {
            Self::Ofn => (
                "networking.openfunction.io",
                "v1alpha1",
                "Gateway",
                "gateways",
            ),
            Self::Gateway => (
                "gateway.networking.k8s.io",
                gateway_api,
                "Gateway",
                "gateways",
            ),
            Self::GatewayClass => (
                "gateway.networking.k8s.io",
                gateway_api,
                "GatewayClass",
                "gatewayclasses",
            ),
            Self::HttpRoute => (
                "gateway.networking.k8s.io",
                gateway_api,
                "HTTPRoute",
                "httproutes",
            ),
            Self::Service => ("", "v1", "Service", "services"),
            Self::EndpointSlice => ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
            Self::Endpoints => ("", "v1", "Endpoints", "endpoints"),
            Self::Secret => ("", "v1", "Secret", "secrets"),
            Self::Node => ("", "v1", "Node", "nodes"),
            Self::Namespace => ("", "v1", "Namespace", "namespaces"),
            Self::Event => ("events.k8s.io", "v1", "Event", "events"),
            Self::Definition => (
                "apiextensions.k8s.io",
                "v1",
                "CustomResourceDefinition",
                "customresourcedefinitions",
            ),
        };
        let gvk = kube::core::GroupVersionKind::gvk(group, version, kind);
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: gvk.api_version(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        }
    }
}

impl Cluster {
    /// A cluster through a client.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            gateway_api: "v1",
            patience: PATIENCE,
        }
    }

    /// The same cluster, whose Gateways are read and written in another version of the Gateway
    /// API.
    pub fn with_gateway_api(&self, version: &'static str) -> Self {
        Self {
            gateway_api: version,
            ..self.clone()
        }
    }

    /// The same cluster, waited for longer or shorter than [`PATIENCE`].
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self {
            patience,
            ..self.clone()
        }
    }

    /// The client.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The objects of a kind in a namespace.
    pub fn api(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        let resource = kind.resource(self.gateway_api);
        match kind {
            Kind::GatewayClass | Kind::Node | Kind::Namespace | Kind::Definition => {
                Api::all_with(self.client.clone(), &resource)
            }
            _ => Api::namespaced_with(self.client.clone(), namespace, &resource),
        }
    }

    /// Installs the CRDs of the Gateway API, and what OpenFunction Gateway needs.
    pub async fn install(&self) -> Result<()> {
        self.install_gateway_api("v1.5.1").await?;
        self.install_openfunction().await
    }

    /// Installs the CRDs of a release of the Gateway API, v0.8.0 or v1.5.1.
    pub async fn install_gateway_api(&self, release: &str) -> Result<()> {
        let mut definitions: Vec<_> =
            std::fs::read_dir(assets(&format!("gateway-api-{release}"))?)?
                .map(|entry| Ok(entry?.path()))
                .collect::<Result<Vec<_>>>()?;
        definitions.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        });
        definitions.sort();
        for file in &definitions {
            self.apply_file(file).await?;
        }
        for name in [
            "gateways.gateway.networking.k8s.io",
            "gatewayclasses.gateway.networking.k8s.io",
        ] {
            self.is_established(name).await?;
        }
        Ok(())
    }

    /// Installs our CRD and what the manifest in `deploy/` says.
    pub async fn install_openfunction(&self) -> Result<()> {
        self.apply_file(&workspace().join("deploy/crds/gateways.networking.openfunction.io.yaml"))
            .await?;
        self.is_established("gateways.networking.openfunction.io")
            .await?;
        self.install_manifest().await
    }

    /// Installs what the manifest in `deploy/` says, with the rights given to the user that the
    /// tests run the host as.
    pub async fn install_manifest(&self) -> Result<()> {
        self.namespace("openfunction").await?;
        self.apply_file(&workspace().join("deploy/ofn-gateway.yaml"))
            .await?;
        self.apply_value(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "ofn-gateway-under-test"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "ofn-gateway"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": User::Host.name()}],
        }))
        .await
    }

    /// Waits until objects of a definition can be made.
    pub async fn is_established(&self, definition: &str) -> Result<()> {
        let is_established =
            |definition: &Value| has_condition(definition, "Established", "True", None);
        self.eventually(
            Kind::Definition,
            "",
            definition,
            "is established",
            is_established,
        )
        .await?;
        Ok(())
    }

    /// Applies every object of a YAML file, server-side. Answers their names.
    pub async fn apply_file(&self, file: &Path) -> Result<Vec<String>> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let documents: Vec<Value> = serde_yaml_ng::Deserializer::from_str(&text)
            .map(serde::Deserialize::deserialize)
            .collect::<Result<_, _>>()?;
        let mut names = Vec::new();
        for value in documents.iter().filter(|value| !value.is_null()) {
            self.apply_value(value)
                .await
                .with_context(|| file.display().to_string())?;
            names.extend(value["metadata"]["name"].as_str().map(str::to_owned));
        }
        Ok(names)
    }

    async fn apply_value(&self, value: &Value) -> Result<()> {
        let object: DynamicObject = serde_json::from_value(value.clone())?;
        let types = object
            .types
            .clone()
            .ok_or_else(|| anyhow!("an object without a kind"))?;
        let gvk = kube::core::GroupVersionKind::try_from(&types)?;
        let resource = ApiResource::from_gvk(&gvk);
        let api: Api<DynamicObject> = match object.namespace() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), &namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let parameters = PatchParams::apply("platform-team").force();
        api.patch(&object.name_any(), &parameters, &Patch::Apply(&object))
            .await?;
        Ok(())
    }

    /// Makes a namespace, if it does not exist.
    pub async fn namespace(&self, name: &str) -> Result<()> {
        self.apply(Kind::Namespace, "", name, "platform-team", json!({}))
            .await?;
        Ok(())
    }

    /// Makes an object: `body` is what stands beside its metadata, or in it under `metadata`.
    pub async fn create(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        body: Value,
    ) -> Result<Value> {
        let object = self.object(kind, namespace, name, body)?;
        let parameters = PostParams {
            field_manager: Some("platform-team".to_owned()),
            ..PostParams::default()
        };
        Ok(json!(
            self.api(kind, namespace)
                .create(&parameters, &object)
                .await?
        ))
    }

    /// Applies an object server-side.
    pub async fn apply(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        manager: &str,
        body: Value,
    ) -> Result<Value> {
        let object = self.object(kind, namespace, name, body)?;
        let parameters = PatchParams::apply(manager).force();
        let api = self.api(kind, namespace);
        Ok(json!(
            api.patch(name, &parameters, &Patch::Apply(&object)).await?
        ))
    }

    /// Puts an address with these ports, each with a name, behind a Service without a selector.
    pub async fn endpoints(
        &self,
        namespace: &str,
        service: &str,
        address: Ipv4Addr,
        ports: &[(&str, u16)],
    ) -> Result<()> {
        let ports = ports.iter();
        let ports = ports.map(|(name, port)| json!({"name": name, "port": port}));
        let body = json!({
            "metadata": {"labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
            "ports": ports.collect::<Vec<_>>(),
        });
        self.apply(
            Kind::EndpointSlice,
            namespace,
            service,
            "platform-team",
            body,
        )
        .await?;
        Ok(())
    }

    /// A merge patch, as `kubectl edit` sends it.
    pub async fn edit(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        patch: Value,
    ) -> Result<Value> {
        let parameters = PatchParams {
            field_manager: Some("kubectl-edit".to_owned()),
            ..PatchParams::default()
        };
        let api = self.api(kind, namespace);
        Ok(json!(
            api.patch(name, &parameters, &Patch::Merge(patch)).await?
        ))
    }

    /// A JSON patch of the spec, by the one who made the object.
    pub async fn patch_spec(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        patch: json_patch::Patch,
    ) -> Result<()> {
        let mut patch = json!(patch);
        for operation in patch.as_array_mut().into_iter().flatten() {
            let path = operation["path"].as_str().unwrap_or_default();
            operation["path"] = format!("/spec{path}").into();
        }
        let patch = Patch::Json::<()>(serde_json::from_value(patch)?);
        let parameters = PatchParams {
            field_manager: Some("platform-team".to_owned()),
            ..PatchParams::default()
        };
        self.api(kind, namespace)
            .patch(name, &parameters, &patch)
            .await?;
        Ok(())
    }

    /// Writes a status, as an implementation does.
    pub async fn write_status(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        status: Value,
    ) -> Result<()> {
        let parameters = PatchParams {
            field_manager: Some("implementation".to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({"status": status}));
        self.api(kind, namespace)
            .patch_status(name, &parameters, &patch)
            .await?;
        Ok(())
    }

    /// The object, if it exists.
    pub async fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Option<Value>> {
        Ok(self
            .api(kind, namespace)
            .get_opt(name)
            .await?
            .map(|object| json!(object)))
    }

    /// The object, which exists.
    pub async fn must_get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Value> {
        self.get(kind, namespace, name)
            .await?
            .ok_or_else(|| anyhow!("{kind:?} {namespace}/{name} does not exist"))
    }

    /// All objects of a namespace.
    pub async fn list(&self, kind: Kind, namespace: &str) -> Result<Vec<Value>> {
        let listed = self
            .api(kind, namespace)
            .list(&ListParams::default())
            .await?;
        Ok(listed
            .items
            .into_iter()
            .map(|object| json!(object))
            .collect())
    }

    fn object(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        body: Value,
    ) -> Result<DynamicObject> {
        let resource = kind.resource(self.gateway_api);
        let mut value = body;
        value["apiVersion"] = resource.api_version.into();
        value["kind"] = resource.kind.into();
        value["metadata"]["name"] = name.into();
        if !namespace.is_empty() {
            value["metadata"]["namespace"] = namespace.into();
        }
        Ok(serde_json::from_value(value)?)
    }

    /// Begins to delete an object, which may be gone already.
    pub async fn delete(&self, kind: Kind, namespace: &str, name: &str) -> Result<()> {
        match self
            .api(kind, namespace)
            .delete(name, &DeleteParams::default())
            .await
        {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until an object exists and is as it should be.
    pub async fn eventually(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        what: &str,
        test: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let deadline = Instant::now() + self.patience;
        loop {
            let seen = self.get(kind, namespace, name).await?;
            match seen {
                Some(object) if test(&object) => return Ok(object),
                seen if Instant::now() > deadline => {
                    let mut seen = seen.unwrap_or_default();
                    if let Some(metadata) = seen["metadata"].as_object_mut() {
                        metadata.remove("managedFields");
                    }
                    bail!(
                        "never: {kind:?} {namespace}/{name} {what}; it is\n{}",
                        serde_json::to_string_pretty(&seen)?
                    );
                }
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Waits until an object is gone.
    pub async fn eventually_gone(&self, kind: Kind, namespace: &str, name: &str) -> Result<()> {
        let deadline = Instant::now() + self.patience;
        while let Some(object) = self.get(kind, namespace, name).await? {
            if Instant::now() > deadline {
                bail!("never gone: {kind:?} {namespace}/{name}; it is\n{object:#}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

/// Whether `status.conditions` has a condition; with any reason if none is given.
pub fn has_condition(object: &Value, type_: &str, status: &str, reason: Option<&str>) -> bool {
    condition(object, type_).is_some_and(|condition| {
        condition["status"] == status && reason.is_none_or(|reason| condition["reason"] == reason)
    })
}

/// A condition of `status.conditions`.
pub fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a Value> {
    object["status"]["conditions"]
        .as_array()?
        .iter()
        .find(|condition| condition["type"] == type_)
}

/// The entry of a list with this name.
pub fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|entry| entry["name"] == name)
}
