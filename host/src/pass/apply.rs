//! Step five, I/O: doing the writes, and taking over what they gave.

use futures::future::join_all;
use kube::api::DynamicObject;
use ofn_contract::ObjectName;
use serde::de::DeserializeOwned;

use super::world::World;
use crate::cluster::{Cluster, Kind, Write, WriteError};
use crate::kubernetes_gateway::KubernetesGateway;

/// Sends independent writes at the same time. The world becomes what they made of it. Answers what
/// came of each.
pub async fn apply<C: Cluster>(
    cluster: &C,
    writes: &[Write],
    world: &mut World,
) -> Vec<Result<(), WriteError>> {
    let results = join_all(writes.iter().map(|write| cluster.write(write))).await;
    let accept = |(write, result): (&Write, Result<_, _>)| {
        let object = result?;
        tracing::info!(write = %write, "done");
        accept(world, write.kind, &write.name, object);
        Ok(())
    };
    writes.iter().zip(results).map(accept).collect()
}

/// The writes that the API server will not take.
///
/// # Errors
///
/// When any other thing went wrong.
pub fn refused(results: Vec<Result<(), WriteError>>) -> Result<Vec<WriteError>, WriteError> {
    let (refused, failed): (Vec<_>, Vec<_>) = results
        .into_iter()
        .filter_map(Result::err)
        .partition(|error| matches!(error, WriteError::Refused { .. }));
    failed.into_iter().next().map_or(Ok(refused), Err)
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
