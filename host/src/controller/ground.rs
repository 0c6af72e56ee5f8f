//! What everything rests on: the APIs that the cluster serves, and from where.

use std::net::SocketAddr;
use std::time::Duration;

use kube::{Client, Resource};

use crate::api;
use crate::cluster::live::{api_server, gateway_api_version};

/// How often we ask what is served while something is missing.
const MISSING: Duration = Duration::from_millis(500);
/// How often we ask what is served while all is there: an upgrade of the Gateway API's definitions,
/// and an API server that moved, are noticed this late.
const SERVED: Duration = Duration::from_secs(5);

/// Waits for what everything rests on.
pub(super) async fn discover(client: &Client) -> Ground {
    let mut told = String::new();
    loop {
        let waiting = match Ground::find(client).await {
            Ok(Ok(ground)) => return ground,
            Ok(Err(missing)) => missing.to_owned(),
            Err(error) => format!("the API server cannot be asked what it serves: {error}"),
        };
        if waiting != told {
            tracing::warn!("waiting: {waiting}");
            told = waiting;
        }
        tokio::time::sleep(MISSING).await;
    }
}

/// Waits until what everything rests on is another one, or gone.
pub(super) async fn has_changed(client: &Client, ground: &Ground) {
    loop {
        tokio::time::sleep(SERVED).await;
        // An API server that does not answer is the watches' matter.
        let Ok(found) = Ground::find(client).await else {
            continue;
        };
        if found.as_ref() != Ok(ground) {
            tracing::info!(was = ?ground, "the cluster serves other APIs, or from elsewhere, than before");
            return;
        }
    }
}

/// What everything rests on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ground {
    /// The version of the Gateway API to use.
    pub(super) gateway_api: String,
    /// Where the API server is, which no entry may lead to.
    pub(super) api_server: Vec<SocketAddr>,
}

impl Ground {
    /// It, or what of it is missing.
    async fn find(client: &Client) -> kube::Result<Result<Self, &'static str>> {
        let Some(gateway_api) = gateway_api_version(client).await? else {
            return Ok(Err("the cluster does not serve the Gateway API \
                           (gateways.gateway.networking.k8s.io) in v1 or v1beta1; install its CRDs"));
        };
        let groups = client.list_api_groups().await?.groups;
        let ours = api::Gateway::group(&());
        if !groups.iter().any(|group| group.name == ours) {
            return Ok(Err("the cluster does not serve the OpenFunction API \
                           (gateways.networking.openfunction.io); install its CRD: ofn-gateway crd"));
        }
        let api_server = api_server(client).await?;
        if api_server.is_empty() {
            return Ok(Err(
                "it is not known where the API server is, which no entry may lead to: \
                           Service default/kubernetes has no address, and should have one soon",
            ));
        }
        Ok(Ok(Self {
            gateway_api,
            api_server,
        }))
    }
}
