//! Step five, I/O: doing the writes, and taking over what they gave.

use futures::future::join_all;
use kube::api::DynamicObject;
use ofn_contract::ObjectName;
use serde::de::DeserializeOwned;

use super::world::World;
use crate::cluster::{Cluster, Kind, Write, WriteError};
use crate::kubernetes_gateway::KubernetesGateway;

/// Sends independent writes at the same time. The world becomes what they made of it. Answers the
/// writes that the API server will not take, if no other thing went wrong.
pub async fn apply<C: Cluster>(
    cluster: &C,
    writes: &[Write],
    world: &mut World,
) -> Result<Vec<WriteError>, WriteError> {
    let results = join_all(writes.iter().map(|write| cluster.write(write))).await;
    let mut refused = Vec::new();
    let mut failure = None;
    for (write, result) in writes.iter().zip(results) {
        match result {
            Ok(object) => {
                tracing::info!(write = %write, "done");
                accept(world, write.kind, &write.name, object);
            }
            Err(error @ WriteError::Refused { .. }) => refused.push(error),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(refused), Err)
}

fn accept(world: &mut World, kind: Kind, name: &ObjectName, object: Option<DynamicObject>) {
    match kind {
        Kind::Gateway => {
            if let Some(gateway) = object.and_then(typed) {
                world.gateway = gateway;
            }
        }
        Kind::KubernetesGateway => {
            let gateway = object.map(KubernetesGateway::from);
            world.targets.insert(name.clone(), gateway);
        }
        Kind::Service => world.entry = object.and_then(typed),
        Kind::EndpointSlice => match object.and_then(typed) {
            Some(slice) => {
                world.slices.insert(name.name.clone(), slice);
            }
            None => {
                world.slices.remove(&name.name);
            }
        },
        Kind::GatewayClass => {}
    }
}

fn typed<K: DeserializeOwned>(object: DynamicObject) -> Option<K> {
    serde_json::from_value(serde_json::json!(object)).ok()
}
