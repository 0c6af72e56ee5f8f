//! Given objects that are written to like a cluster, without one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use json_patch::{Patch, PatchOperation};
use kube::ResourceExt;
use kube::api::DynamicObject;
use ofn_contract::{ObjectName, ServiceQuery};
use serde_json::{Value, json};

use super::{Change, Cluster, Kind, ReadError, Write, WriteError, name_of};

/// A handful of objects. It does what the API server does with generations, uids and patches, and
/// nothing else: no validation, no defaults.
#[derive(Default)]
pub struct Offline {
    objects: Mutex<Objects>,
}

#[derive(Default)]
struct Objects {
    by_name: BTreeMap<(Kind, ObjectName), Value>,
    written: BTreeSet<(Kind, ObjectName)>,
}

/// Stands for a uid that only a cluster can give.
pub const UID: &str = "offline";

impl Offline {
    /// Adds an object. One without a generation gets one, an OpenFunction Gateway a uid too.
    pub fn insert(&self, kind: Kind, object: &DynamicObject) {
        let mut objects = self.lock();
        let mut value = json!(object);
        if kind == Kind::Gateway && value["metadata"]["uid"].is_null() {
            value["metadata"]["uid"] = UID.into();
        }
        if value["metadata"]["generation"].is_null() {
            value["metadata"]["generation"] = 1.into();
        }
        let mut name = name_of(object);
        if kind == Kind::GatewayClass {
            name.namespace.clear();
        }
        objects.by_name.insert((kind, name), value);
    }

    /// The OpenFunction Gateways and all objects that were written, by kind and name, as they are
    /// now.
    pub fn results(&self) -> Vec<Value> {
        let objects = self.lock();
        objects
            .by_name
            .iter()
            .filter(|(key, _)| key.0 == Kind::Gateway || objects.written.contains(key))
            .map(|(_, value)| value.clone())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster for Offline {
    async fn get(&self, kind: Kind, name: &ObjectName) -> Result<Option<DynamicObject>, ReadError> {
        let found = self.lock().by_name.get(&(kind, name.clone())).cloned();
        found
            .map(|value| parse(value, &format!("{kind} {name}")))
            .transpose()
    }

    async fn services(&self, query: &ServiceQuery) -> Result<Vec<DynamicObject>, ReadError> {
        let services: Vec<Value> = self
            .lock()
            .by_name
            .iter()
            .filter(|((kind, _), _)| *kind == Kind::Service)
            .map(|(_, value)| value.clone())
            .collect();
        services
            .into_iter()
            .map(|value| parse(value, "Service"))
            .filter(|service| {
                service
                    .as_ref()
                    .map_or(true, |service| matches(service, query))
            })
            .collect()
    }

    async fn write(&self, write: &Write) -> Result<Option<DynamicObject>, WriteError> {
        let mut objects = self.lock();
        let key = (write.kind, write.name.clone());
        let stale = |message: &str| WriteError::Stale {
            write: write.to_string(),
            message: message.to_owned(),
        };
        let before = objects.by_name.get(&key).cloned();
        let mut value = match (&write.change, before.clone()) {
            (Change::Create(_), Some(_)) => return Err(stale("it exists")),
            (Change::Patch(_) | Change::Status(_), None) => return Err(stale("it does not exist")),
            (Change::Delete { uid, .. }, before) => {
                if before.is_some_and(|before| before["metadata"]["uid"] != json!(uid)) {
                    return Err(stale("it is another one"));
                }
                objects.by_name.remove(&key);
                return Ok(None);
            }
            (Change::Patch(patch), Some(mut value)) => {
                apply_patch(&mut value, patch).map_err(|message| stale(&message))?;
                value
            }
            (Change::Status(status), Some(mut value)) => {
                json_patch::merge(&mut value, &json!({"status": status}));
                value
            }
            (Change::Create(object), None) => typed(write.kind, object),
            (Change::Apply(object), before) => {
                let mut value = before.unwrap_or_else(|| json!({}));
                // All of it is ours: what is not applied any more goes.
                if let Some(value) = value.as_object_mut() {
                    value.remove("spec");
                }
                json_patch::merge(&mut value, &typed(write.kind, object));
                value
            }
        };
        let generation = before.as_ref().map_or(1, |before| {
            let generation = before["metadata"]["generation"].as_i64().unwrap_or(1);
            generation + i64::from(before.get("spec") != value.get("spec"))
        });
        value["metadata"]["generation"] = generation.into();
        objects.by_name.insert(key.clone(), value.clone());
        objects.written.insert(key);
        parse(value, &write.to_string())
            .map(Some)
            .map_err(|error| stale(&error.to_string()))
    }
}

/// A new object, of the newest version.
fn typed(kind: Kind, object: &DynamicObject) -> Value {
    let mut object = object.clone();
    object.types = Some(kind.types("v1"));
    json!(object)
}

fn parse(value: Value, what: &str) -> Result<DynamicObject, ReadError> {
    serde_json::from_value(value).map_err(|source| ReadError {
        what: what.to_owned(),
        source: Box::new(kube::Error::SerdeError(source)),
    })
}

/// Like the API server's: a test for null passes where there is nothing.
fn apply_patch(value: &mut Value, patch: &Patch) -> Result<(), String> {
    for operation in &patch.0 {
        if let PatchOperation::Test(test) = operation
            && test.value.is_null()
            && value.pointer(test.path.as_str()).is_none()
        {
            continue;
        }
        json_patch::patch(value, std::slice::from_ref(operation))
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn matches(service: &DynamicObject, query: &ServiceQuery) -> bool {
    match query {
        ServiceQuery::ByName(name) => name_of(service) == *name,
        ServiceQuery::ByLabels(query) => {
            let namespace = service.namespace().unwrap_or_default();
            query
                .namespace
                .as_ref()
                .is_none_or(|wanted| *wanted == namespace)
                && query
                    .labels
                    .iter()
                    .all(|label| service.labels().get(&label.key) == Some(&label.value))
        }
        ServiceQuery::ByClusterIp(ip) => service.data["spec"]["clusterIP"] == json!(ip),
    }
}
