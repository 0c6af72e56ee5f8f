//! Who owns which field of an object, as `metadata.managedFields` has it. A path is in its words:
//! `f:spec`, `f:listeners`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::ObjectMeta;
use serde_json::{Value, json};

use crate::names;

/// The manager, other than us, that owns the entry `name` of a list by server-side apply. `path`
/// leads to the list.
pub fn applier_of<'a>(metadata: &'a ObjectMeta, path: &[&str], name: &str) -> Option<&'a str> {
    applied(metadata)
        .find(|entry| owns_key(entry, path, name))
        .and_then(|entry| entry.manager.as_deref())
}

/// The manager, other than us, that owns a field by server-side apply. `path` leads to it.
pub fn applier_of_field<'a>(metadata: &'a ObjectMeta, path: &[&str]) -> Option<&'a str> {
    applied(metadata)
        .find(|entry| owned(entry, path).is_some())
        .and_then(|entry| entry.manager.as_deref())
}

/// A person's guess at who, other than us, made the entry `name` of a list, for a message.
pub fn owner_of<'a>(metadata: &'a ObjectMeta, path: &[&str], name: &str) -> Option<&'a str> {
    others(metadata)
        .find(|entry| owns_key(entry, path, name))
        .and_then(|entry| entry.manager.as_deref())
}

/// Whether we own the entry `name` of a list, and nobody else does.
pub fn is_ours_alone(metadata: &ObjectMeta, path: &[&str], name: &str) -> bool {
    let entries = metadata.managed_fields.iter().flatten();
    let mut owners = entries
        .filter(|entry| owns_key(entry, path, name))
        .peekable();
    owners.peek().is_some() && owners.all(is_ours)
}

/// Whether we have written something into an object, as far as can be known: where nothing is recorded
/// of anybody, we may have.
pub fn may_have_written(metadata: &ObjectMeta) -> bool {
    let mut entries = metadata.managed_fields.iter().flatten().peekable();
    entries.peek().is_none() || entries.any(is_ours)
}

/// Whether we own a field by server-side apply.
pub fn is_applied_by_us(metadata: &ObjectMeta, path: &[&str]) -> bool {
    let mut entries = metadata.managed_fields.iter().flatten();
    entries.any(|entry| is_apply(entry) && is_ours(entry) && owned(entry, path).is_some())
}

/// Whether somebody else owns a field, in whichever way.
pub fn is_owned_by_others(metadata: &ObjectMeta, path: &[&str]) -> bool {
    others(metadata).any(|entry| owned(entry, path).is_some())
}

fn is_apply(entry: &ManagedFieldsEntry) -> bool {
    entry.operation.as_deref() == Some("Apply")
}

fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(names::MANAGER)
}

fn others(metadata: &ObjectMeta) -> impl Iterator<Item = &ManagedFieldsEntry> {
    let entries = metadata.managed_fields.iter().flatten();
    entries.filter(|entry| !is_ours(entry))
}

fn applied(metadata: &ObjectMeta) -> impl Iterator<Item = &ManagedFieldsEntry> {
    others(metadata).filter(|entry| is_apply(entry))
}

fn owned<'a>(entry: &'a ManagedFieldsEntry, path: &[&str]) -> Option<&'a Value> {
    let fields = entry.fields_v1.as_ref()?;
    path.iter()
        .try_fold(&fields.0, |fields, step| fields.get(step))
}

/// What an object is made for: `spec`, and that of an EndpointSlice, which has none.
const CONTENT: [&str; 3] = ["f:spec", "f:endpoints", "f:ports"];

/// Who changed the content of an object last, besides us, as far as `managedFields` tell: who only takes
/// something out leaves no trace there.
pub fn last_editor(metadata: &ObjectMeta) -> &str {
    let has_content =
        |entry: &&ManagedFieldsEntry| CONTENT.iter().any(|field| owned(entry, &[field]).is_some());
    others(metadata)
        .filter(has_content)
        .max_by_key(|entry| entry.time.as_ref().map(|time| time.0))
        .and_then(|entry| entry.manager.as_deref())
        .unwrap_or("somebody")
}

fn owns_key(entry: &ManagedFieldsEntry, path: &[&str], name: &str) -> bool {
    let key = format!("k:{}", json!({"name": name}));
    owned(entry, path).is_some_and(|list| list.get(&key).is_some())
}
