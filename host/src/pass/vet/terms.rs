//! What a component may see, and where it may send traffic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::Args;
use ipnet::IpNet;
use ofn_contract::dns::is_reachable;
use ofn_contract::{EntryPort, ObjectName};

use crate::names;

/// Where clouds serve metadata, credentials among them, besides the link-local addresses that
/// Kubernetes refuses itself. In this order: AWS on IPv6 (its names, its time and its credentials of pods
/// are there too), Google and Oracle on IPv6, Alibaba, Azure, Oracle.
const METADATA: [&str; 6] = [
    "fd00:ec2::/32",
    "fd20:ce::254/128",
    "fd00:c1::a9fe:a9fe/128",
    "100.100.100.200/32",
    "168.63.129.16/32",
    "192.0.0.192/32",
];
/// The names by which clouds, and machines themselves, are known to themselves.
const INNER_NAMES: [&str; 7] = [
    "localhost",
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.tencentyun.com",
    "instance-data",
    "instance-data.ec2.internal",
];

/// What a component may see, and where it may send traffic. The defaults allow what an honest one
/// needs, whichever implementation serves.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Terms of a policy component")]
pub struct Terms {
    /// Namespace in which components may see Services, and send traffic to them, by their names too; to be
    /// given again for each [default: every one]. In others they find none. Addresses that the status of a
    /// Gateway has are not looked up
    #[arg(
        id = "policy-namespace",
        long,
        env = "OFN_GATEWAY_POLICY_NAMESPACES",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub namespaces: Vec<String>,
    /// Addresses to which the entry may point although they are those of the API server or of a
    /// cloud's metadata; to be given again for each. Kubernetes itself takes no loopback and no
    /// link-local address
    #[arg(
        id = "policy-entry-address",
        long,
        env = "OFN_GATEWAY_POLICY_ENTRY_ADDRESSES",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub addresses: Vec<IpNet>,
    /// Where the API server is. The host finds out.
    #[arg(skip)]
    pub api_server: Vec<SocketAddr>,
}

/// The IPv4 address that stands behind one of IPv6, else the address itself. In this order: RFC 6052, RFC
/// 8215, RFC 7915 with RFC 2765, RFC 4291 (compatible), RFC 3056 (6to4).
fn translated(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let (high, low) = match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0, 0, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => (high, low),
        _ => return ip,
    };
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)).into()
}

/// Whether a resolver may read a name as an address: `127.1`, `2130706433` and `0x7f000001` are one.
/// Source: the URL standard ("ends in a number"), after inet_aton.
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    last.bytes().all(|byte| byte.is_ascii_digit()) || last.strip_prefix("0x").is_some_and(is_hex)
}

fn api_server() -> ObjectName {
    let (namespace, name) = names::API_SERVER;
    ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// Whether a host name may be one of a Service inside the cluster, whatever the cluster's domain is:
/// `<service>.<namespace>` or `[…]<service>.<namespace>.svc[…]`.
pub(super) fn may_be_name_of(host_name: &str, service: &ObjectName) -> bool {
    let name = [service.name.as_str(), service.namespace.as_str()];
    let labels: Vec<&str> = host_name.split('.').collect();
    let is_it = |labels: &[&str]| labels[..2] == name && labels[2] == "svc";
    labels == name || labels.windows(3).any(is_it)
}

/// Whether a name is `<address>.<namespace>.pod[…]`, whatever the cluster's domain is: DNS may answer the
/// address itself.
fn may_be_name_of_a_pod(name: &str) -> bool {
    let is_address = |label: &str| {
        label.replace('-', ".").parse::<Ipv4Addr>().is_ok()
            || label.replace('-', ":").parse::<Ipv6Addr>().is_ok()
    };
    let labels: Vec<&str> = name.split('.').collect();
    let mut inside = labels.windows(3).filter(|labels| labels[2] == "pod");
    inside.any(|labels| is_address(labels[0]))
}

impl Terms {
    /// Whether components may see the Services of a namespace.
    pub fn allow_namespace(&self, namespace: &str) -> bool {
        self.namespaces.is_empty() || self.namespaces.iter().any(|allowed| allowed == namespace)
    }

    /// Whether traffic may be sent to these ports of an address. The API server's address alone is
    /// no reason against it: a data plane on a node of the control plane has it too.
    pub(super) fn allow_address(&self, ip: IpAddr, ports: &[EntryPort]) -> bool {
        let translated = translated(ip);
        let metadata = || {
            METADATA
                .iter()
                .filter_map(|net| net.parse::<IpNet>().ok())
                .any(|net| net.contains(&ip) || net.contains(&translated))
        };
        let api_server = || {
            let to = |server: &SocketAddr| {
                [ip, translated].contains(&server.ip())
                    && ports.iter().any(|port| port.port == server.port())
            };
            self.api_server.iter().any(to)
        };
        is_reachable(ip)
            && is_reachable(translated)
            && (self.addresses.iter().any(|allowed| allowed.contains(&ip))
                || !(metadata() || api_server()))
    }

    /// Whether traffic may be sent to a name. What it resolves to is not known here, unless it is the
    /// name of a Service, or of an address.
    pub(super) fn allow_host_name(&self, name: &str, cluster_domain: &str) -> bool {
        let api_server = api_server();
        // In its own namespace a Service has a name of one label, too.
        let is_api_server = name == api_server.name || may_be_name_of(name, &api_server);
        let is_of_an_address = name
            .strip_suffix(cluster_domain)
            .is_some_and(|inside| inside.ends_with(".pod."))
            || may_be_name_of_a_pod(name);
        !INNER_NAMES.contains(&name)
            && !name.ends_with(".localhost")
            && !ends_in_a_number(name)
            && !is_api_server
            && !is_of_an_address
            && self.allow_namespaces_of(name)
    }

    /// Whether a host name leads into no other namespace, if it is one of a Service:
    /// `<service>.<namespace>` or `[…]<service>.<namespace>.svc[…]`.
    fn allow_namespaces_of(&self, name: &str) -> bool {
        let labels: Vec<&str> = name.split('.').collect();
        let mut inside = labels.windows(3).filter(|labels| labels[2] == "svc");
        let of_two = labels.len() != 2 || self.allow_namespace(labels[1]);
        of_two && inside.all(|labels| self.allow_namespace(labels[1]))
    }

    /// Whether traffic may be sent to a Service.
    pub(super) fn allow_service(&self, name: &ObjectName) -> bool {
        self.allow_namespace(&name.namespace) && *name != api_server()
    }
}
