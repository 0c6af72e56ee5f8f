//! What the chart or the manifests of an implementation make beside its pods: a class, a Service of type
//! LoadBalancer, and behind it the address where the data plane listens. The load balancer itself is
//! kube-proxy, which takes what comes to the address in the Service's status.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Kind};

/// A Service with ports 80 and 443 in front of a data plane.
pub struct DataPlane {
    /// Namespace of the Service.
    pub namespace: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its labels.
    pub labels: &'static [(&'static str, &'static str)],
    /// Where the data plane listens, which is where the load balancer is, too.
    pub address: Ipv4Addr,
    /// Names of the ports, and the data plane's own behind 80 and 443.
    pub ports: [(&'static str, u16); 2],
}

impl DataPlane {
    /// Makes the namespace, the Service and its endpoints, and gives it its address.
    pub async fn install(&self, cluster: &Cluster) -> Result<()> {
        cluster.namespace(self.namespace).await?;
        let ports = self.ports.iter().zip([80, 443]);
        let ports = ports.map(|((name, target), port)| {
            json!({"name": name, "port": port, "targetPort": target, "protocol": "TCP"})
        });
        let labels: BTreeMap<_, _> = self.labels.iter().copied().collect();
        let service = json!({
            "metadata": {"labels": labels},
            "spec": {"type": "LoadBalancer", "ports": ports.collect::<Value>()},
        });
        cluster
            .apply(
                Kind::Service,
                self.namespace,
                self.name,
                "platform-team",
                service,
            )
            .await?;
        cluster
            .endpoints(self.namespace, self.name, self.address, &self.ports)
            .await?;
        self.set_address(cluster, Some(self.address)).await
    }

    /// What the cloud says of the load balancer's address.
    pub async fn set_address(&self, cluster: &Cluster, address: Option<Ipv4Addr>) -> Result<()> {
        let ingress = address.map(|address| json!({"ip": address}));
        let ingress: Vec<Value> = ingress.into_iter().collect();
        cluster
            .write_status(
                Kind::Service,
                self.namespace,
                self.name,
                json!({"loadBalancer": {"ingress": ingress}}),
            )
            .await
    }
}
