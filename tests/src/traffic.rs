//! A cluster where requests really flow: implementations of the Gateway API with their data planes, names
//! and addresses of Services, and functions, all in a network of its own.

pub mod client;
pub mod function;
pub mod history;
pub mod load;
pub mod network;

mod contour;
mod coredns;
mod data_plane;
mod kube_proxy;
mod traefik;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, bail};
use ofn_contract::ObjectName;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;

use self::data_plane::DataPlane;
use crate::cluster::{Cluster, Kind};
use crate::control_plane::{ControlPlane, Process, User, assets};

/// How long a program may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// An implementation of the Gateway API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// Contour with Envoy, for one Gateway.
    Contour,
    /// Traefik.
    Traefik,
}

/// The control plane, CoreDNS and kube-proxy.
pub struct Traffic {
    /// The control plane.
    pub plane: ControlPlane,
    /// What a platform team does to it.
    pub cluster: Cluster,
    _names: Process,
    _addresses: Process,
}

/// An implementation that runs.
pub struct Running {
    /// What reads Gateways and writes statuses.
    control: Option<Process>,
    /// What requests pass through, where that is another program.
    data: Option<Process>,
}

/// Whether Traefik, the dearest to build, is left out: `WITHOUT_TRAEFIK` is set.
pub fn is_without_traefik() -> bool {
    std::env::var_os("WITHOUT_TRAEFIK").is_some_and(|value| !value.is_empty())
}

/// Makes sure of all programs. This needs the internet, the first time.
pub fn prepare() -> Result<()> {
    let mut all = vec![
        "network",
        "gateway-api-v1.5.1",
        "control-plane",
        "kube-proxy",
        "coredns",
        "contour",
        "envoy",
    ];
    if !is_without_traefik() {
        all.push("traefik");
    }
    all.into_iter()
        .try_for_each(|asset| assets(asset).map(drop))
}

impl Traffic {
    /// Starts all but implementations, in the network of [`network::enter`].
    pub async fn start() -> Result<Self> {
        let plane = ControlPlane::start().await?;
        let cluster = Cluster::new(plane.client(User::Admin).await?);
        cluster.install().await?;
        cluster
            .is_established("httproutes.gateway.networking.k8s.io")
            .await?;
        let addresses = kube_proxy::start(&plane, &cluster).await?;
        let names = coredns::start(&plane)?;
        answers("CoreDNS", || TcpStream::connect((network::DNS, 53))).await?;
        Ok(Self {
            plane,
            cluster,
            _names: names,
            _addresses: addresses,
        })
    }
}

impl Vendor {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Contour => "contour",
            Self::Traefik => "traefik",
        }
    }

    /// The version of the program that runs, as the pins have it.
    pub fn version(self) -> Result<String> {
        let pins = match self {
            Self::Contour => include_str!("../assets/contour/go.mod"),
            Self::Traefik => include_str!("../assets/traefik/go.mod"),
        };
        let module = match self {
            Self::Contour => "github.com/projectcontour/contour v",
            Self::Traefik => "github.com/traefik/traefik/v3 v",
        };
        let version = pins.split_once(module).map(|(_, rest)| rest);
        let version = version.and_then(|rest| rest.split_whitespace().next());
        match version {
            Some(version) => Ok(version.to_owned()),
            None => bail!("the pins of {} have no {module}", self.name()),
        }
    }

    /// The Kubernetes Gateway that its chart or the platform team makes.
    pub fn gateway(self) -> ObjectName {
        let name = match self {
            Self::Contour => "contour",
            Self::Traefik => "traefik-gateway",
        };
        ObjectName {
            namespace: self.data_plane().namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// A `gatewayRef` to it.
    pub fn reference(self) -> Value {
        let gateway = self.gateway();
        json!({"namespace": gateway.namespace, "name": gateway.name})
    }

    /// The listener that this Gateway has of its own.
    pub fn own_listener(self) -> &'static str {
        match self {
            Self::Contour => "platform",
            Self::Traefik => "web",
        }
    }

    /// Where the load balancer is, as the world knows it.
    pub fn address(self, port: u16) -> SocketAddr {
        SocketAddr::from((self.data_plane().address, port))
    }

    /// The name of its data plane's Service in the cluster.
    pub fn service_host(self) -> String {
        let service = self.data_plane();
        format!("{}.{}.svc.cluster.local", service.name, service.namespace)
    }

    fn data_plane(self) -> &'static DataPlane {
        match self {
            Self::Contour => &contour::DATA_PLANE,
            Self::Traefik => &traefik::DATA_PLANE,
        }
    }

    /// Makes its class, its Gateway and its Service.
    pub async fn install(self, cluster: &Cluster) -> Result<()> {
        let controller = match self {
            Self::Contour => {
                contour::install(cluster).await?;
                "projectcontour.io/gateway-controller"
            }
            Self::Traefik => "traefik.io/gateway-controller",
        };
        let class = json!({"spec": {"controllerName": controller}});
        cluster
            .apply(Kind::GatewayClass, "", self.name(), "platform-team", class)
            .await?;
        self.data_plane().install(cluster).await?;
        let own = match self {
            Self::Contour => {
                json!({"name": "platform", "hostname": "*.example.com", "port": 80, "protocol": "HTTP"})
            }
            Self::Traefik => json!({"name": "web", "port": 8000, "protocol": "HTTP"}),
        };
        let gateway = json!({"spec": {"gatewayClassName": self.name(), "listeners": [own]}});
        let name = self.gateway();
        cluster
            .apply(
                Kind::Gateway,
                &name.namespace,
                &name.name,
                "platform-team",
                gateway,
            )
            .await?;
        Ok(())
    }

    /// Starts it.
    pub async fn start(self, plane: &ControlPlane) -> Result<Running> {
        Ok(match self {
            Self::Contour => Running {
                control: Some(contour::start(plane).await?),
                data: Some(contour::start_envoy(plane).await?),
            },
            Self::Traefik => {
                let traefik = traefik::start(plane)?;
                let entry_point = (network::TRAEFIK, traefik::ENTRY_POINT);
                answers("Traefik", || TcpStream::connect(entry_point)).await?;
                Running {
                    control: Some(traefik),
                    data: None,
                }
            }
        })
    }

    /// What the cloud says of its load balancer's address.
    pub async fn set_address(self, cluster: &Cluster, address: Option<Ipv4Addr>) -> Result<()> {
        self.data_plane().set_address(cluster, address).await
    }

    /// The cloud says where the load balancer is.
    pub async fn set_default_address(self, cluster: &Cluster) -> Result<()> {
        let address = self.data_plane().address;
        self.set_address(cluster, Some(address)).await
    }
}

impl Running {
    /// Kills what reads Gateways and writes statuses.
    pub fn kill_control(&mut self) {
        self.control = None;
    }

    /// Starts Contour again, where it was killed.
    pub async fn restart_contour(&mut self, plane: &ControlPlane) -> Result<()> {
        self.control = Some(contour::start(plane).await?);
        Ok(())
    }

    /// Whether a data plane of its own runs.
    pub fn has_data_plane(&self) -> bool {
        self.data.is_some()
    }
}

/// Waits until somebody listens.
async fn answers<S, F: Future<Output = std::io::Result<S>>>(
    what: &str,
    connect: impl Fn() -> F,
) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = connect().await {
        if Instant::now() > deadline {
            bail!("{what} does not listen: {error}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
