//! Labels as Kubernetes restricts them.

use crate::dns::is_subdomain;

/// Longest name of a label and longest value.
const LONGEST: usize = 63;

/// Whether `key` is the key of a label: a name, perhaps after a DNS subdomain and `/`.
/// Source: `IsQualifiedName` of Kubernetes.
pub fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').unwrap_or(("a", key));
    is_subdomain(prefix) && !name.is_empty() && is_label_value(name)
}

/// Whether `value` is the value of a label: at most 63 letters, digits, `-`, `_` and `.`, beginning
/// and ending with a letter or digit; or empty. Source: `IsValidLabelValue` of Kubernetes.
pub fn is_label_value(value: &str) -> bool {
    let ends = |char: Option<char>| char.is_none_or(|char| char.is_ascii_alphanumeric());
    value.len() <= LONGEST
        && ends(value.chars().next())
        && ends(value.chars().last())
        && value
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_name_and_perhaps_a_prefix() {
        for good in ["app", "app.kubernetes.io/managed-by", "a/B_c.d"] {
            assert!(is_label_key(good), "{good:?}");
        }
        let long = format!("a/{}", "x".repeat(64));
        for bad in ["", "/a", "a/", "a/b/c", "A.io/b", "a b", "-a", &long] {
            assert!(!is_label_key(bad), "{bad:?}");
        }
    }
}
