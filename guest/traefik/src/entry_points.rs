//! The entry points of a Traefik, as a user writes them: `80=8000,443=8443/tls`.

use ofn_contract::Listener;
use ofn_policy::settings::Value;

/// Where each port of a listener is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPoints(Vec<EntryPoint>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct EntryPoint {
    /// As users of the Gateway know it: the port of Traefik's Service.
    port: u16,
    /// The port of Traefik's container, which its Gateway API provider compares with.
    container_port: u16,
    /// It terminates TLS for all its routers: Traefik puts no plain HTTP there.
    tls: bool,
}

/// Where a listener is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapped {
    /// On this port of the container.
    To(u16),
    /// It is of plain HTTP, and the entry point has TLS.
    OnlyTls,
    /// No entry point has its port.
    Nowhere,
}

impl EntryPoints {
    /// Those of the Helm chart's default values.
    pub fn of_the_helm_chart() -> Self {
        let entry_point = |(port, container_port, tls)| EntryPoint {
            port,
            container_port,
            tls,
        };
        Self(
            [(80, 8000, false), (443, 8443, true)]
                .map(entry_point)
                .into(),
        )
    }

    /// A port that no entry point serves may be an entry point's own, for those who know Traefik.
    pub fn map(&self, listener: &Listener) -> Mapped {
        let port = listener.port;
        let entry_point = self
            .0
            .iter()
            .find(|entry_point| entry_point.port == port)
            .or_else(|| {
                self.0
                    .iter()
                    .find(|entry_point| entry_point.container_port == port)
            });
        match entry_point {
            None => Mapped::Nowhere,
            Some(entry_point) if entry_point.tls && listener.protocol == "HTTP" => Mapped::OnlyTls,
            Some(entry_point) => Mapped::To(entry_point.container_port),
        }
    }
}

impl Value for EntryPoints {
    const KIND: &'static str = "<listener port>=<container port> for each entry point, separated by \
        commas, with /tls after one that has TLS, such as 80=8000,443=8443/tls";

    fn parse(text: &str) -> Result<Self, String> {
        let mut entry_points: Vec<EntryPoint> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let entry_point = EntryPoint::parse(part)
                .ok_or_else(|| format!("has {part:?} in it, which is no entry point"))?;
            if entry_points
                .iter()
                .any(|other| other.port == entry_point.port)
            {
                return Err(format!("has port {} twice", entry_point.port));
            }
            entry_points.push(entry_point);
        }
        Ok(Self(entry_points))
    }

    fn text(&self) -> String {
        let texts: Vec<_> = self.0.iter().map(EntryPoint::text).collect();
        texts.join(",")
    }
}

impl EntryPoint {
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
            assert_eq!(EntryPoints::parse(text).unwrap().text(), text);
        }
        let spaced = EntryPoints::parse("80 = 8000, 443=8443/tls").unwrap();
        assert_eq!(spaced, EntryPoints::of_the_helm_chart());
    }

    #[test]
    fn what_no_user_can_mean_is_not_read() {
        for (text, wrong) in [
            ("", "has \"\" in it, which is no entry point"),
            ("80", "has \"80\" in it, which is no entry point"),
            ("80=8000,", "has \"\" in it, which is no entry point"),
            ("80=web", "has \"80=web\" in it, which is no entry point"),
            ("0=8000", "has \"0=8000\" in it, which is no entry point"),
            (
                "80=65536",
                "has \"80=65536\" in it, which is no entry point",
            ),
            (
                "80=8000/udp",
                "has \"80=8000/udp\" in it, which is no entry point",
            ),
            ("80=8000,80=8080", "has port 80 twice"),
        ] {
            assert_eq!(EntryPoints::parse(text).unwrap_err(), wrong);
        }
    }
}
