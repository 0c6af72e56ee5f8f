//! Protocols of listeners as the Gateway API restricts them.

use crate::dns::is_subdomain;

/// Longest name of a protocol.
const LONGEST: usize = 255;

/// Whether `protocol` is the name of a protocol: letters, digits and `-`, or a vendor's own such as
/// `example.com/mine`. Source: `ProtocolType` of the Gateway API.
pub fn is_protocol(protocol: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_alphanumeric();
    let is_name = |name: &str| {
        let bytes = name.as_bytes();
        bytes.first().copied().is_some_and(alphanumeric)
            && bytes.last().copied().is_some_and(alphanumeric)
            && bytes
                .iter()
                .all(|byte| alphanumeric(*byte) || *byte == b'-')
    };
    protocol.len() <= LONGEST
        && match protocol.split_once('/') {
            None => is_name(protocol),
            Some((vendor, name)) => {
                is_subdomain(vendor) && !name.is_empty() && name.bytes().all(alphanumeric)
            }
        }
}

/// The protocol of a Service's port that carries a listener's: `UDP` or `TCP`.
pub fn transport(protocol: &str) -> &'static str {
    if protocol == "UDP" { "UDP" } else { "TCP" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_a_word_or_a_vendors_own() {
        for good in ["HTTP", "HTTPS", "a-b", "projectcontour.io/https"] {
            assert!(is_protocol(good), "{good:?}");
        }
        let long = "x".repeat(256);
        for bad in [
            "",
            "-",
            "HT TP",
            "/https",
            "a.io/",
            "A.io/https",
            "a.io/b-c",
            &long,
        ] {
            assert!(!is_protocol(bad), "{bad:?}");
        }
    }
}
