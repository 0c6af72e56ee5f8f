//! The ports of a vendor that opens none for a Gateway, as a user writes them: `80=8000,443=8443/tls`.
//!
//! Its listeners need the ports of its containers. Users think of those of its Service, and this puts
//! the one in the place of the other.

use ofn_contract::{Listener, Observation, Refusal};

use crate::listeners::{is_same, refusal};
use crate::settings::{Setting, Value};

/// Where each port of a listener is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(Vec<Port>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Port {
    /// As users of the Gateway know it: the port of the vendor's Service.
    port: u16,
    /// The port of the vendor's container.
    container_port: u16,
    /// It is for TLS alone: no plain HTTP comes there.
    tls: bool,
}

/// What a vendor asks of the ports of its listeners.
#[derive(Clone, Copy, Debug)]
pub struct PortRules {
    /// The vendor, as messages name it.
    pub vendor: &'static str,
    /// What it calls one of its ports: `entry point`.
    pub port: &'static str,
}

impl PortRules {
    /// A listener with the port that its port is served on: `ports`, which `setting` has. It stands beside
    /// these others, which have theirs.
    ///
    /// # Errors
    ///
    /// A refusal of a listener that has no such port, or whose port has TLS, or that would be the same as
    /// one of ours.
    pub fn place<T: Value>(
        self,
        ports: &Ports,
        setting: &Setting<T>,
        seen: &Observation,
        listener: Listener,
        beside: &[Listener],
    ) -> Result<Listener, Refusal> {
        let Self { vendor, port: what } = self;
        let unavailable = |message| Err(refusal(&listener, "PortUnavailable", message));
        let port = listener.port;
        let Some(found) = ports.of(port) else {
            return unavailable(format!(
                "{vendor} has no {what} for port {port}: write a port of {}, or add the {what}'s \
                 container port to annotation {}, such as {port}={port}",
                ports.text(),
                setting.annotation(),
            ));
        };
        if found.tls && listener.protocol == "HTTP" {
            return unavailable(format!(
                "{vendor}'s {what} for port {port} has TLS, and serves no plain HTTP: write protocol \
                 HTTPS, or another port"
            ));
        }
        let mapped = Listener {
            port: found.container_port,
            ..listener.clone()
        };
        // One after it is not placed yet: what has its name is somebody else's.
        let listeners = seen.spec.listeners.iter();
        let mut before = listeners.take_while(|ours| ours.name != listener.name);
        let ours = beside
            .iter()
            .find(|other| is_same(other, &mapped))
            .and_then(|other| before.find(|ours| ours.name == other.name));
        match ours {
            // One of somebody else's is reported by the host, with its owner.
            None => Ok(mapped),
            Some(ours) => unavailable(format!(
                "ports {port} and {} are the same {what} of {vendor}, {}, where listener {} serves this \
                 host name already: remove one of the two listeners, or write another host name",
                ours.port, found.container_port, ours.name
            )),
        }
    }
}

impl Ports {
    /// Those of the default values of Traefik's Helm chart.
    pub fn of_traefiks_helm_chart() -> Self {
        let port = |(port, container_port, tls)| Port {
            port,
            container_port,
            tls,
        };
        Self([(80, 8000, false), (443, 8443, true)].map(port).into())
    }

    /// A port that is none of them may be a container's own, for those who know the vendor.
    fn of(&self, port: u16) -> Option<&Port> {
        let mut ports = self.0.iter();
        let of_container = || self.0.iter().find(|known| known.container_port == port);
        ports.find(|known| known.port == port).or_else(of_container)
    }
}

impl Value for Ports {
    const KIND: &'static str = "<listener port>=<container port> for each, separated by commas, \
        with /tls after one that has TLS, such as 80=8000,443=8443/tls";

    fn parse(text: &str) -> Result<Self, String> {
        let mut ports: Vec<Port> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let port = Port::parse(part)
                .ok_or_else(|| format!("has {part:?} in it, which is no such pair"))?;
            if ports.iter().any(|other| other.port == port.port) {
                return Err(format!("has port {} twice", port.port));
            }
            ports.push(port);
        }
        Ok(Self(ports))
    }

    fn text(&self) -> String {
        let texts: Vec<_> = self.0.iter().map(Port::text).collect();
        texts.join(",")
    }
}

impl Port {
    fn parse(text: &str) -> Option<Self> {
        let (port, container_port) = text.split_once('=')?;
        let (container_port, tls) = match container_port.strip_suffix("/tls") {
            Some(container_port) => (container_port, true),
            None => (container_port, false),
        };
        let number = |text: &str| text.trim().parse().ok().filter(|port| *port > 0);
        Some(Self {
            port: number(port)?,
            container_port: number(container_port)?,
            tls,
        })
    }

    fn text(&self) -> String {
        let tls = if self.tls { "/tls" } else { "" };
        format!("{}={}{tls}", self.port, self.container_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_may_write_is_read() {
        for text in ["80=8000", "80=8000,443=8443/tls", "80=80,443=443"] {
            assert_eq!(Ports::parse(text).unwrap().text(), text);
        }
        let spaced = Ports::parse("80 = 8000, 443=8443/tls").unwrap();
        assert_eq!(spaced, Ports::of_traefiks_helm_chart());
    }

    #[test]
    fn what_no_user_can_mean_is_not_read() {
        for (text, wrong) in [
            ("", "has \"\" in it, which is no such pair"),
            ("80", "has \"80\" in it, which is no such pair"),
            ("80=8000,", "has \"\" in it, which is no such pair"),
            ("80=web", "has \"80=web\" in it, which is no such pair"),
            ("0=8000", "has \"0=8000\" in it, which is no such pair"),
            ("80=65536", "has \"80=65536\" in it, which is no such pair"),
            (
                "80=8000/udp",
                "has \"80=8000/udp\" in it, which is no such pair",
            ),
            ("80=8000,80=8080", "has port 80 twice"),
        ] {
            assert_eq!(Ports::parse(text).unwrap_err(), wrong);
        }
    }
}
