//! Given objects that are written to like a cluster, without one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use json_patch::{Patch, PatchOperation};
use kube::ResourceExt;
use kube::api::DynamicObject;
use ofn_contract::{ObjectName, ServiceQuery};
use serde_json::{Value, json};

use super::{Change, Cluster, Kind, ReadError, Write, WriteError, name_of};

/// A handful of objects, for one who writes.
#[derive(Default)]
pub struct Offline {
    objects: Mutex<Objects>,
    written: Mutex<BTreeSet<(Kind, ObjectName)>>,
}

/// A model of the API server: what it does with uids, generations, resource versions, patches and
/// deletions, and nothing else: no validation, no defaults, no owners of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Objects {
    by_name: BTreeMap<(Kind, ObjectName), Arc<Value>>,
    /// How many were made: no two have the same uid.
    made: u32,
}

/// Stands for a uid that only a cluster can give; so does any that begins with it.
pub const UID: &str = "offline";

impl Offline {
    /// Adds an object. One without a generation gets one, an OpenFunction Gateway a uid too.
    pub fn insert(&self, kind: Kind, object: &DynamicObject) {
        lock(&self.objects).insert(kind, object);
    }

    /// All objects as they are now.
    pub fn all(&self) -> Objects {
        lock(&self.objects).clone()
    }

    /// The OpenFunction Gateways and all objects that were written, by kind and name, as they are
    /// now.
    pub fn results(&self) -> Vec<Value> {
        let written = lock(&self.written);
        lock(&self.objects)
            .by_name
            .iter()
            .filter(|(key, _)| key.0 == Kind::Gateway || written.contains(key))
            .map(|(_, value)| Value::clone(value))
            .collect()
    }
}

impl Objects {
    /// Adds an object. One without a generation gets one, an OpenFunction Gateway a uid too.
    pub fn insert(&mut self, kind: Kind, object: &DynamicObject) {
        let mut value = json!(object);
        if kind == Kind::Gateway && value["metadata"]["uid"].is_null() {
            value["metadata"]["uid"] = UID.into();
        }
        if value["metadata"]["generation"].is_null() {
            value["metadata"]["generation"] = 1.into();
        }
        leave_out_what_is_empty(&mut value);
        let mut name = name_of(object);
        if kind == Kind::GatewayClass {
            name.namespace.clear();
        }
        self.by_name.insert((kind, name), Arc::new(value));
    }

    /// The object, if it exists.
    pub fn get(&self, kind: Kind, name: &ObjectName) -> Option<&Arc<Value>> {
        self.by_name.get(&(kind, name.clone()))
    }

    /// The Services or EndpointSlices that a query means.
    pub fn list(&self, kind: Kind, query: &ServiceQuery) -> Result<Vec<DynamicObject>, ReadError> {
        self.by_name
            .iter()
            .filter(|((other, _), _)| *other == kind)
            .map(|(_, value)| parse(Value::clone(value), &kind.to_string()))
            .filter(|object| {
                object
                    .as_ref()
                    .map_or(true, |object| matches(object, query))
            })
            .collect()
    }

    /// Writes. Answers the object as it is afterwards; none if it is gone.
    pub fn write(&mut self, write: &Write) -> Result<Option<Arc<Value>>, WriteError> {
        let key = (write.kind, write.name.clone());
        let stale = |message: &str| WriteError::Stale {
            write: write.to_string(),
            message: message.to_owned(),
        };
        let is_other = |there: &Value, metadata: &str, wanted: Option<&str>| {
            wanted.is_some_and(|wanted| there["metadata"][metadata] != *wanted)
        };
        let before = self.by_name.get(&key).cloned();
        let there = before.as_deref().cloned();
        let after = match (&write.change, there) {
            (Change::Create(_), Some(_)) => return Err(stale("it exists")),
            (Change::Patch(_) | Change::Status(_) | Change::Delete { .. }, None) => {
                return Err(stale("it does not exist"));
            }
            (
                Change::Delete {
                    uid,
                    resource_version,
                },
                Some(mut there),
            ) => {
                if is_other(&there, "uid", Some(uid))
                    || is_other(&there, "resourceVersion", resource_version.as_deref())
                {
                    return Err(stale("it is another one"));
                }
                there["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
                there
            }
            (Change::Patch(patch), Some(mut value)) => {
                apply_patch(&mut value, patch).map_err(|message| stale(&message))?;
                value
            }
            (Change::Status(status), Some(mut value)) => {
                json_patch::merge(&mut value, &json!({"status": status}));
                value
            }
            (Change::Create(object), None) => self.made(typed(write.kind, object)),
            (Change::Apply(object), before) => {
                let applied = typed(write.kind, object);
                let mut value = match before {
                    Some(there) if is_other(&there, "uid", object.metadata.uid.as_deref()) => {
                        return Err(stale("it is another one"));
                    }
                    Some(there) => there,
                    None => self.made(json!({})),
                };
                // All of it is ours: what is not applied any more goes.
                for (parent, part) in [("", "spec"), ("/metadata", "annotations")] {
                    if let Some(Value::Object(parent)) = value.pointer_mut(parent) {
                        parent.remove(part);
                    }
                }
                json_patch::merge(&mut value, &applied);
                value
            }
        };
        let after = self.put(key.clone(), before.as_deref(), after);
        let is_gone = !self.by_name.contains_key(&key);
        // A write that takes the last finalizer away answers the object as it was last.
        Ok((!is_gone || !matches!(write.change, Change::Delete { .. })).then_some(after))
    }

    /// Changes an object, as somebody else does; nothing if it does not exist.
    pub fn change(&mut self, kind: Kind, name: &ObjectName, change: impl FnOnce(&mut Value)) {
        let key = (kind, name.clone());
        if let Some(before) = self.by_name.get(&key).cloned() {
            let mut after = Value::clone(&before);
            change(&mut after);
            self.put(key, Some(&before), after);
        }
    }

    /// Rewrites every object behind the API server's back: nothing is counted, nothing goes.
    pub fn rewrite(&mut self, rewrite: impl Fn(&mut Value)) {
        for object in self.by_name.values_mut() {
            let mut rewritten = Value::clone(object);
            rewrite(&mut rewritten);
            *object = Arc::new(rewritten);
        }
    }

    /// Begins to delete an object, as somebody else does.
    pub fn delete(&mut self, kind: Kind, name: &ObjectName) {
        self.change(kind, name, |object| {
            object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        });
    }

    fn made(&mut self, mut object: Value) -> Value {
        self.made += 1;
        object["metadata"]["uid"] = format!("{UID}-{}", self.made).into();
        object
    }

    fn put(
        &mut self,
        key: (Kind, ObjectName),
        before: Option<&Value>,
        mut after: Value,
    ) -> Arc<Value> {
        let number = |object: Option<&Value>, field: &str| {
            let value = object.map_or(&Value::Null, |object| &object["metadata"][field]);
            value
                .as_str()
                .and_then(|text| text.parse().ok())
                .or_else(|| value.as_i64())
                .unwrap_or_default()
        };
        leave_out_what_is_empty(&mut after);
        if before == Some(&after) {
            return Arc::new(after);
        }
        let changed =
            |field: &str| before.is_none_or(|before| before.pointer(field) != after.pointer(field));
        let counts = changed("/spec") || changed("/metadata/deletionTimestamp");
        after["metadata"]["generation"] = (number(before, "generation") + i64::from(counts)).into();
        after["metadata"]["resourceVersion"] =
            (number(before, "resourceVersion") + 1).to_string().into();
        let metadata = &after["metadata"];
        let held = metadata["finalizers"]
            .as_array()
            .is_some_and(|finalizers| !finalizers.is_empty());
        let is_gone = metadata["deletionTimestamp"].is_string() && !held;
        let after = Arc::new(after);
        if is_gone {
            self.by_name.remove(&key);
        } else {
            self.by_name.insert(key, Arc::clone(&after));
        }
        after
    }
}

impl Cluster for Offline {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn get(&self, kind: Kind, name: &ObjectName) -> Result<Option<DynamicObject>, ReadError> {
        let found = lock(&self.objects).get(kind, name).cloned();
        found
            .map(|value| parse(Value::clone(&value), &format!("{kind} {name}")))
            .transpose()
    }

    async fn list(
        &self,
        kind: Kind,
        query: &ServiceQuery,
    ) -> Result<Vec<DynamicObject>, ReadError> {
        lock(&self.objects).list(kind, query)
    }

    async fn write(&self, write: &Write) -> Result<Option<DynamicObject>, WriteError> {
        let after = lock(&self.objects).write(write)?;
        lock(&self.written).insert((write.kind, write.name.clone()));
        after
            .map(|value| parse(Value::clone(&value), &write.to_string()))
            .transpose()
            .map_err(|error| WriteError::Stale {
                write: write.to_string(),
                message: error.to_string(),
            })
    }
}

/// As Go does in metadata.
fn leave_out_what_is_empty(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|_, value| {
            value.as_object().is_none_or(|map| !map.is_empty())
                && value.as_array().is_none_or(|list| !list.is_empty())
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

fn matches(object: &DynamicObject, query: &ServiceQuery) -> bool {
    match query {
        ServiceQuery::ByName(name) => name_of(object) == *name,
        ServiceQuery::ByLabels(query) => {
            let namespace = object.namespace().unwrap_or_default();
            query
                .namespace
                .as_ref()
                .is_none_or(|wanted| *wanted == namespace)
                && query
                    .labels
                    .iter()
                    .all(|label| object.labels().get(&label.key) == Some(&label.value))
        }
        ServiceQuery::ByClusterIp(ip) => object.data["spec"]["clusterIP"] == json!(ip),
    }
}
