//! Where the entry Service points, and with which ports.

use std::net::IpAddr;

use ofn_contract::{
    ENTRY_SERVICE, Entry, EntryPort, EntryTarget, KeyValue, LabelQuery, Listener, ObjectName,
    Observation, Service, ServiceQuery, Violation,
};

use crate::violation::invalid;
use ofn_contract::dns::{is_dns_name, is_label, is_reachable, is_subdomain};
use ofn_contract::labels::is_label_value;
use ofn_contract::protocol::transport;

/// The annotation that names the data plane Service instead of all rules: `<namespace>/<name>`.
pub const ENTRY_SERVICE_ANNOTATION: &str = "networking.openfunction.io/entry-service";
/// The label by which implementations mark what they made for a Gateway. Source: GEP-1762.
pub const GATEWAY_NAME_LABEL: &str = "gateway.networking.k8s.io/gateway-name";

/// The contract allows as many and one for each address.
const MOST_QUERIES: usize = 8;
/// An entry has at most as many addresses: those that a Gateway's status may have.
const MOST_ADDRESSES: usize = 16;

/// The queries of the vendor, then those of the standard rules.
pub fn queries(
    seen: &Observation,
    vendor: Vec<ServiceQuery>,
) -> Result<Vec<ServiceQuery>, Vec<Violation>> {
    if let Some(service) = chosen_service(seen)? {
        return Ok(vec![ServiceQuery::ByName(service)]);
    }
    let gateway = &seen.spec.target.name;
    let mut queries = vendor;
    for query in of_the_gateway(gateway)
        .into_iter()
        .chain(candidates(gateway))
    {
        if !queries.contains(&query) {
            queries.push(query);
        }
    }
    queries.truncate(MOST_QUERIES);
    for address in addresses(seen).take(MOST_ADDRESSES) {
        if let Address::Ip(ip) = address {
            let query = ServiceQuery::ByClusterIp(ip.to_string());
            if !queries.contains(&query) {
                queries.push(query);
            }
        }
    }
    Ok(queries)
}

/// The Service of the data plane: the one that the user chose, else the first that answers one of
/// these queries. None while it is not seen.
pub fn data_plane<'a>(seen: &'a Observation, vendor: &[ServiceQuery]) -> Option<&'a Service> {
    match chosen_service(seen) {
        Ok(Some(chosen)) => found(seen, &ServiceQuery::ByName(chosen)),
        Ok(None) => vendor.iter().find_map(|query| found(seen, query)),
        Err(_) => None,
    }
}

/// The entry, in this order: the Service that the user chose, the vendor's, one with the label of
/// the Gateway, an address that is a name, one of the names that the old controller knew, an
/// address that is an IP. A Service that the user did not choose must be one by which the data plane
/// is reached.
pub fn entry(
    seen: &Observation,
    vendor: &[ServiceQuery],
    is_reached: &dyn Fn(&Service) -> bool,
) -> Result<Option<Entry>, Vec<Violation>> {
    let gateway = &seen.spec.target.name;
    let reached = |query: &ServiceQuery| found(seen, query).filter(|service| is_reached(service));
    let target = if let Some(chosen) = chosen_service(seen)? {
        found(seen, &ServiceQuery::ByName(chosen)).map(point_at)
    } else if seen.kubernetes_gateway.is_none() {
        None
    } else {
        vendor
            .iter()
            .cloned()
            .chain(of_the_gateway(gateway))
            .find_map(|query| reached(&query))
            .map(point_at)
            .or_else(|| host_name(seen))
            .or_else(|| {
                candidates(gateway)
                    .find_map(|query| reached(&query))
                    .map(point_at)
            })
            .or_else(|| ip_addresses(seen))
    };
    Ok(target.map(|target| Entry {
        target,
        ports: ports(&seen.spec.listeners),
    }))
}

/// One port for each port and protocol of the listeners, in their order. A port is named after
/// the first listener that has it, if that is a valid and free name.
pub fn ports(listeners: &[Listener]) -> Vec<EntryPort> {
    let mut ports: Vec<EntryPort> = Vec::new();
    for (listener, protocol) in first_of_each_port(listeners) {
        let free = |name: &str| !ports.iter().any(|port| port.name == name);
        let plain = format!("{}-{}", protocol.to_ascii_lowercase(), listener.port);
        let numbered = (2..).map(|number| format!("{plain}-{number}"));
        let name = [listener.name.clone(), plain.clone()]
            .into_iter()
            // Only for one after a listener that is named after another one's port and protocol.
            .chain(numbered)
            .find(|name| is_label(name) && free(name))
            .unwrap_or_default();
        ports.push(EntryPort {
            name,
            port: listener.port,
            protocol: protocol.to_owned(),
        });
    }
    ports
}

/// The first listener of each port and protocol of a Service, `TCP` or `UDP`.
fn first_of_each_port(listeners: &[Listener]) -> Vec<(&Listener, &'static str)> {
    let mut first: Vec<(&Listener, &'static str)> = Vec::new();
    for listener in listeners {
        let protocol = transport(&listener.protocol);
        let is_known = first
            .iter()
            .any(|(known, of)| (known.port, *of) == (listener.port, protocol));
        if !is_known {
            first.push((listener, protocol));
        }
    }
    first
}

/// What has the label of the Gateway, beside it.
fn of_the_gateway(gateway: &ObjectName) -> Option<ServiceQuery> {
    by_labels(
        Some(&gateway.namespace),
        &[(GATEWAY_NAME_LABEL, &gateway.name)],
    )
}

/// The names under which the old controller looked for Envoy.
fn candidates(gateway: &ObjectName) -> impl Iterator<Item = ServiceQuery> {
    let names = [
        format!("{}-envoy", gateway.name),
        format!("envoy-{}", gateway.name),
        "envoy".to_owned(),
    ];
    names
        .into_iter()
        .filter_map(|name| by_name(&gateway.namespace, &name))
}

/// The query for the Service of a name. None: no Service can have it.
pub fn by_name(namespace: &str, name: &str) -> Option<ServiceQuery> {
    (is_label(namespace) && is_label(name)).then(|| {
        ServiceQuery::ByName(ObjectName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    })
}

/// The query for Services with all these labels, in one namespace or any. None: one of the values
/// can be none, being too long, or that is no namespace.
pub fn by_labels(namespace: Option<&str>, labels: &[(&str, &str)]) -> Option<ServiceQuery> {
    let fit = labels.iter().all(|(_, value)| is_label_value(value));
    (fit && namespace.is_none_or(is_label)).then(|| {
        ServiceQuery::ByLabels(LabelQuery {
            namespace: namespace.map(str::to_owned),
            labels: labels
                .iter()
                .map(|(key, value)| KeyValue {
                    key: (*key).to_owned(),
                    value: (*value).to_owned(),
                })
                .collect(),
        })
    })
}

fn chosen_service(seen: &Observation) -> Result<Option<ObjectName>, Vec<Violation>> {
    let Some(chosen) = seen
        .annotations
        .iter()
        .find(|annotation| annotation.key == ENTRY_SERVICE_ANNOTATION)
    else {
        return Ok(None);
    };
    match chosen.value.split_once('/') {
        Some((namespace, ENTRY_SERVICE)) if namespace == seen.name.namespace => Err(vec![invalid(
            format!("metadata.annotations[{ENTRY_SERVICE_ANNOTATION}]"),
            format!(
                "{:?} is the entry itself: write the Service of the data plane",
                chosen.value
            ),
        )]),
        Some((namespace, name)) if is_label(namespace) && is_subdomain(name) => {
            Ok(Some(ObjectName {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            }))
        }
        _ => Err(vec![invalid(
            format!("metadata.annotations[{ENTRY_SERVICE_ANNOTATION}]"),
            format!(
                "{:?} is not a Service: write <namespace>/<name>",
                chosen.value
            ),
        )]),
    }
}

fn point_at(service: &Service) -> EntryTarget {
    EntryTarget::Service(service.name.clone())
}

/// The Service that answers a query best: the one that has the most ports of our listeners, the
/// first by name among equals. Those beside the Gateway go before others; if the others are of
/// more than one namespace, nobody can say which of them is meant. Where the question is asked in all
/// namespaces and does not name the Gateway, one that has none of our ports is something else.
pub fn found<'a>(seen: &'a Observation, query: &ServiceQuery) -> Option<&'a Service> {
    let mut answers = seen
        .services
        .iter()
        .filter(|service| is_answer(service, query))
        .peekable();
    // Most queries have no answer, and are asked in each decision.
    answers.peek()?;
    let wanted = first_of_each_port(&seen.spec.listeners);
    let serves = |service: &Service| {
        let has = |port: u16| service.ports.iter().any(|other| other.port == port);
        wanted
            .iter()
            .filter(|(listener, _)| has(listener.port))
            .count()
    };
    let gateway = &seen.spec.target.name;
    let is_beside = |service: &&Service| service.name.namespace == gateway.namespace;
    let anywhere = match query {
        ServiceQuery::ByLabels(LabelQuery {
            namespace: None,
            labels,
        }) => {
            let mut parts = [&gateway.namespace, &gateway.name].into_iter();
            let has = |part: &String| labels.iter().any(|label| label.value == *part);
            labels.len() < 2 || !parts.all(has)
        }
        _ => false,
    };
    let (beside, elsewhere): (Vec<&Service>, Vec<&Service>) = answers
        .filter(|service| !anywhere || serves(service) > 0)
        .partition(is_beside);
    let is_ambiguous = elsewhere
        .windows(2)
        .any(|pair| pair[0].name.namespace != pair[1].name.namespace);
    let answers = match (beside.is_empty(), is_ambiguous) {
        (false, _) => beside,
        (true, false) => elsewhere,
        (true, true) => return None,
    };
    answers
        .into_iter()
        .rev()
        .max_by_key(|service| serves(service))
}

fn is_answer(service: &Service, query: &ServiceQuery) -> bool {
    match query {
        ServiceQuery::ByName(name) => service.name == *name,
        ServiceQuery::ByLabels(query) => {
            let namespace = query.namespace.as_ref();
            namespace.is_none_or(|namespace| service.name.namespace == *namespace)
                && query
                    .labels
                    .iter()
                    .all(|label| service.labels.contains(label))
        }
        ServiceQuery::ByClusterIp(ip) => service.cluster_ips.first() == Some(ip),
    }
}

enum Address {
    Name(String),
    Ip(IpAddr),
}

/// The addresses of the Kubernetes Gateway by what they are, not by what they say they are: old
/// versions of Istio write host names with a port, and host names typed as IP addresses.
fn addresses(seen: &Observation) -> impl Iterator<Item = Address> {
    seen.kubernetes_gateway
        .iter()
        .flat_map(|gateway| &gateway.addresses)
        .filter(|address| matches!(address.type_.as_str(), "Hostname" | "IPAddress"))
        .filter_map(|address| {
            if let Ok(ip) = address.value.parse::<IpAddr>() {
                return is_reachable(ip).then_some(Address::Ip(ip));
            }
            let name = match address.value.rsplit_once(':') {
                Some((name, port)) if port.parse::<u16>().is_ok() => name,
                _ => &address.value,
            };
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let is_local = name == "localhost" || name.ends_with(".localhost");
            (is_dns_name(&name) && !is_local).then_some(Address::Name(name))
        })
}

fn host_name(seen: &Observation) -> Option<EntryTarget> {
    addresses(seen).find_map(|address| match address {
        Address::Name(name) => Some(EntryTarget::HostName(name)),
        Address::Ip(_) => None,
    })
}

/// An address that is the cluster IP of a Service means that Service: traffic to an EndpointSlice
/// of cluster IPs is not supported by Kubernetes.
fn ip_addresses(seen: &Observation) -> Option<EntryTarget> {
    let mut ips: Vec<String> = Vec::new();
    for address in addresses(seen) {
        let Address::Ip(ip) = address else { continue };
        let ip = ip.to_string();
        let behind = seen
            .services
            .iter()
            .find(|service| service.cluster_ips.contains(&ip));
        if let Some(service) = behind {
            return Some(point_at(service));
        }
        if !ips.contains(&ip) && ips.len() < MOST_ADDRESSES {
            ips.push(ip);
        }
    }
    (!ips.is_empty()).then_some(EntryTarget::IpAddresses(ips))
}
