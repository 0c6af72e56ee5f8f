//! Passes without a cluster, with the components that were built.

use std::sync::LazyLock;

use futures::FutureExt;
use kube::api::DynamicObject;
use ofn_contract::{ObjectName, ServiceQuery};
use ofn_gateway::cluster::offline::Offline;
use ofn_gateway::cluster::{Change, Cluster, Kind, ReadError, Write, WriteError};
use ofn_gateway::pass::report::Notice;
use ofn_gateway::pass::vet::Terms;
use ofn_gateway::pass::{Error, Outcome, pass};
use ofn_gateway::policies::Policies;
use ofn_gateway::sandbox::Limits;
use serde_json::{Value, json};

use crate::host;

/// The components that were built.
pub static POLICIES: LazyLock<Policies> = LazyLock::new(|| {
    let folder = host::policies().expect("make build");
    let sandbox = host::sandbox(Limits::default()).expect("the engine starts");
    Policies::load(&folder, &sandbox, Terms::default()).expect("the components load")
});

/// The OpenFunction Gateway.
pub static OPENFUNCTION: LazyLock<ObjectName> = LazyLock::new(|| name("ofn", "openfunction"));

/// The name of an object.
pub fn name(namespace: &str, name: &str) -> ObjectName {
    ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// A list; none is empty.
pub fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// A listener of the platform team.
pub fn platform() -> Value {
    json!({"name": "platform", "hostname": "*.platform.io", "port": 80, "protocol": "HTTP"})
}

/// An object of its JSON.
pub fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).expect("an object")
}

/// A pass for the OpenFunction Gateway, in a cluster that waits for nothing.
///
/// # Errors
///
/// When the pass does not come to its end.
pub fn pass_in(cluster: &impl Cluster, notices: &mut Vec<Notice>) -> Result<Outcome, Error> {
    let mut nobody = |_: &_| ();
    let pass = pass(cluster, &POLICIES, &OPENFUNCTION, &mut nobody, notices);
    futures::executor::block_on(pass)
}

/// A Kubernetes Gateway, an OpenFunction Gateway and what comes of them, without a cluster.
pub struct Stage {
    /// All objects.
    pub cluster: Offline,
}

impl Stage {
    /// A Kubernetes Gateway with `theirs`, and an OpenFunction Gateway with `ours`.
    pub fn new(theirs: &[Value], ours: &[Value]) -> Self {
        let cluster = Offline::default();
        cluster.insert(
            Kind::KubernetesGateway,
            &object(json!({
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "Gateway",
                "metadata": {"namespace": "infra", "name": "contour", "uid": "theirs"},
                "spec": {"gatewayClassName": "contour", "listeners": theirs},
            })),
        );
        cluster.insert(
            Kind::Gateway,
            &object(json!({
                "apiVersion": "networking.openfunction.io/v1alpha1",
                "kind": "Gateway",
                "metadata": {"namespace": "ofn", "name": "openfunction"},
                "spec": {
                    "domain": "ofn.io",
                    "gatewayRef": {"namespace": "infra", "name": "contour"},
                    "gatewaySpec": {"listeners": ours},
                },
            })),
        );
        Self { cluster }
    }

    /// A pass for the OpenFunction Gateway.
    pub fn pass(&self) -> Outcome {
        pass_in(&self.cluster, &mut Vec::new()).expect("a pass")
    }

    /// An object; null if it does not exist.
    pub fn get(&self, kind: Kind, name: &ObjectName) -> Value {
        let object = self.cluster.get(kind, name).now_or_never();
        json!(object.expect("offline").expect("an object"))
    }

    /// The Kubernetes Gateway.
    pub fn gateway(&self) -> Value {
        self.get(Kind::KubernetesGateway, &name("infra", "contour"))
    }

    /// The OpenFunction Gateway.
    pub fn ofn(&self) -> Value {
        self.get(Kind::Gateway, &name("ofn", "openfunction"))
    }

    /// Changes an object, and its generation with it.
    pub fn change(&self, kind: Kind, mut value: Value, change: impl FnOnce(&mut Value)) {
        change(&mut value);
        let generation = value["metadata"]["generation"].as_i64().unwrap_or_default();
        value["metadata"]["generation"] = json!(generation + 1);
        self.cluster.insert(kind, &object(value));
    }

    /// Removes an object, as somebody else does.
    pub fn remove(&self, kind: Kind, name: &ObjectName) {
        let uid = &self.get(kind, name)["metadata"]["uid"];
        let delete = Write {
            kind,
            name: name.clone(),
            change: Change::Delete {
                uid: uid.as_str().unwrap_or_default().to_owned(),
                resource_version: None,
            },
        };
        self.write(&delete).expect("it is deleted");
    }

    /// Writes, as the host does.
    ///
    /// # Errors
    ///
    /// Those of a cluster.
    pub fn write(&self, write: &Write) -> Written {
        // Nothing is waited for, and this may be within a pass.
        let written = self.cluster.write(write).now_or_never();
        written.expect("offline")
    }

    /// Deletes the OpenFunction Gateway.
    pub fn delete(&self) {
        self.change(Kind::Gateway, self.ofn(), |ofn| {
            ofn["metadata"]["deletionTimestamp"] = json!("2026-11-23T00:00:00Z");
        });
        self.pass();
    }
}

/// A stage as a cluster that does something else with what is written.
pub struct Writing<'a, F>(pub &'a Stage, pub F);

/// What comes of a write.
pub type Written = Result<Option<DynamicObject>, WriteError>;

impl<F: Fn(&Stage, &Write) -> Written + Sync> Cluster for Writing<'_, F> {
    fn now(&self) -> jiff::Timestamp {
        self.0.cluster.now()
    }

    async fn get(&self, kind: Kind, name: &ObjectName) -> Result<Option<DynamicObject>, ReadError> {
        self.0.cluster.get(kind, name).await
    }

    async fn list(
        &self,
        kind: Kind,
        query: &ServiceQuery,
    ) -> Result<Vec<DynamicObject>, ReadError> {
        self.0.cluster.list(kind, query).await
    }

    async fn write(&self, write: &Write) -> Written {
        (self.1)(self.0, write)
    }
}
