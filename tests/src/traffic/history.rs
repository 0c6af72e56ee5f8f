//! All that happened to some objects, in the order in which it happened.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use futures::TryStreamExt;
use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams, WatchEvent, WatchParams};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, Kind};

/// An object that is watched: its kind, namespace and name.
pub type Watched = (Kind, String, String);

/// The objects that are watched, as they were at one time.
pub type Moment = BTreeMap<usize, Value>;

/// Watches objects from now on.
pub struct History {
    cluster: Cluster,
    watched: Vec<Watched>,
    versions: mpsc::UnboundedReceiver<Result<Version>>,
    _watches: JoinSet<()>,
}

/// A version of one object; none when it is gone.
struct Version {
    index: usize,
    resource_version: u64,
    object: Option<Value>,
}

impl History {
    /// Begins to watch.
    pub async fn begin(cluster: &Cluster, watched: Vec<Watched>) -> Result<Self> {
        let (sender, versions) = mpsc::unbounded_channel();
        let mut watches = JoinSet::new();
        for (index, (kind, namespace, name)) in watched.iter().enumerate() {
            let api = cluster.api(*kind, namespace);
            let field = format!("metadata.name={name}");
            let listed = api.list(&ListParams::default().fields(&field)).await?;
            for object in &listed.items {
                sender.send(Version::new(index, object, true))?;
            }
            let since = listed.metadata.resource_version.unwrap_or_default();
            let sender = sender.clone();
            watches.spawn(async move {
                let parameters = WatchParams::default().fields(&field).disable_bookmarks();
                let watch = async {
                    let events = api.watch(&parameters, &since).await?;
                    events
                        .map_err(anyhow::Error::from)
                        .try_for_each(|event| {
                            let version = match event {
                                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                                    Version::new(index, &object, true)
                                }
                                WatchEvent::Deleted(object) => Version::new(index, &object, false),
                                other => Err(anyhow!("{other:?}")),
                            };
                            let sent = sender.send(version).context("nobody listens");
                            std::future::ready(sent)
                        })
                        .await
                };
                let ended: Result<()> = watch.await;
                let ended = ended.and_then(|()| Err(anyhow!("the watch of {field} has ended")));
                // Nobody listens any more when the history is told.
                let _ = sender.send(ended);
            });
        }
        Ok(Self {
            cluster: cluster.clone(),
            watched,
            versions,
            _watches: watches,
        })
    }

    /// What happened until now: the objects after each change, by their index in what is watched.
    pub async fn tell(mut self) -> Result<Vec<Moment>> {
        let mut last = vec![0; self.watched.len()];
        for (index, (kind, namespace, name)) in self.watched.iter().enumerate() {
            if let Some(object) = self.cluster.get(*kind, namespace, name).await? {
                last[index] = resource_version(&object["metadata"]["resourceVersion"])?;
            }
        }
        let mut seen = vec![0; self.watched.len()];
        let mut versions = Vec::new();
        while seen.iter().zip(&last).any(|(seen, last)| seen < last) {
            let version = self
                .versions
                .recv()
                .await
                .context("the watches have ended")??;
            seen[version.index] = version.resource_version;
            versions.push(version);
        }
        // The versions of all objects of a cluster are of one count.
        versions.sort_by_key(|version| version.resource_version);
        let mut moment = Moment::new();
        let moments = versions.into_iter().map(|version| {
            match version.object {
                Some(object) => moment.insert(version.index, object),
                None => moment.remove(&version.index),
            };
            moment.clone()
        });
        Ok(moments.collect())
    }
}

impl Version {
    fn new(index: usize, object: &DynamicObject, exists: bool) -> Result<Self> {
        Ok(Self {
            index,
            resource_version: resource_version(&json!(object.resource_version()))?,
            object: exists.then(|| json!(object)),
        })
    }
}

fn resource_version(value: &Value) -> Result<u64> {
    let text = value.as_str().context("an object has a version")?;
    Ok(text.parse()?)
}
