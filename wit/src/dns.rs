//! The DNS names that the contract speaks of, as Kubernetes and the Gateway API restrict them
//! (RFC 1123, lower case).

use std::net::IpAddr;

/// Longest DNS name, without a trailing dot.
const LONGEST_NAME: usize = 253;
/// Longest label of a DNS name.
const LONGEST_LABEL: usize = 63;

/// Whether `name` is one label: at most 63 lower case letters, digits and `-`, beginning and
/// ending with a letter or digit.
pub fn is_label(name: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    bytes.len() <= LONGEST_LABEL
        && bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
}

/// Whether `name` is a DNS subdomain as Kubernetes names objects: labels joined by dots, at most
/// 253 characters. Labels may be longer than 63 characters there, which a host name's may not.
pub fn is_subdomain(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && !name.is_empty()
        && name
            .split('.')
            .all(|label| !label.is_empty() && label.as_bytes().chunks(LONGEST_LABEL).all(is_part))
        && name.split('.').all(has_alphanumeric_ends)
}

fn is_part(part: &[u8]) -> bool {
    part.iter()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
}

fn has_alphanumeric_ends(label: &str) -> bool {
    !label.starts_with('-') && !label.ends_with('-')
}

/// Whether `name` is a DNS name that a resolver can ask for, and not an IPv4 address.
pub fn is_dns_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.split('.').all(is_label)
        && name.parse::<std::net::Ipv4Addr>().is_err()
}

/// Whether `name` is a host name of a listener: a DNS name, or `*.` and a DNS name.
/// Source: `Hostname` of the Gateway API.
pub fn is_hostname(name: &str) -> bool {
    name.len() <= LONGEST_NAME && is_dns_name(name.strip_prefix("*.").unwrap_or(name))
}

/// Whether `hostname`, which may begin with `*.`, is `domain` or lies under it, label by label:
/// `notcluster.local` does not lie under `cluster.local`.
pub fn is_under(hostname: &str, domain: &str) -> bool {
    let name = hostname.strip_prefix("*.").unwrap_or(hostname);
    name == domain
        || name
            .strip_suffix(domain)
            .is_some_and(|rest| rest.ends_with('.'))
}

/// Whether functions may be sent to an address: not what EndpointSlices refuse, and with it not
/// the metadata services of clouds. Source: the API server's validation of endpoint addresses.
pub fn is_reachable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            !(ip.is_unspecified() || ip.is_loopback() || ip.is_link_local() || ip.is_multicast())
        }
        IpAddr::V6(ip) => {
            !(ip.is_unspecified()
                || ip.is_loopback()
                || ip.is_unicast_link_local()
                || ip.is_multicast()
                || ip.to_ipv4_mapped().is_some())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_may_begin_with_a_wildcard_label_only() {
        assert!(is_hostname("*.ofn.io"));
        assert!(is_hostname("a.ofn.io"));
        for bad in [
            "*", "*.*.io", "a.*.io", "", ".io", "a..io", "A.io", "1.2.3.4", "a.io.",
        ] {
            assert!(!is_hostname(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_host_name_has_at_most_253_characters_with_its_wildcard() {
        let longest = format!("*.{}", vec!["a".repeat(49); 5].join("."));
        assert_eq!(longest.len(), 251);
        assert!(is_hostname(&longest));
        assert!(!is_hostname(&format!("{longest}.io")));
    }

    #[test]
    fn whole_labels_are_compared() {
        assert!(is_under("*.cluster.local", "cluster.local"));
        assert!(is_under("a.b.cluster.local", "cluster.local"));
        assert!(is_under("cluster.local", "cluster.local"));
        assert!(!is_under("notcluster.local", "cluster.local"));
        assert!(!is_under("local", "cluster.local"));
    }

    #[test]
    fn an_object_may_have_a_label_longer_than_a_host_names() {
        assert!(is_subdomain(&"a".repeat(253)));
        assert!(!is_subdomain(&"a".repeat(254)));
        assert!(!is_dns_name(&"a".repeat(64)));
        for bad in ["", "-a", "a-", "a.-b", "a..b", "A", "a_b"] {
            assert!(!is_subdomain(bad), "{bad:?}");
        }
    }
}
