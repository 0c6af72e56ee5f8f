//! Paths of routes as the Gateway API restricts them.

/// Longest path, in bytes.
pub const LONGEST_PATH: usize = 1024;

/// Whether an HTTPRoute takes `path` for all that begins with it: at most 1024 of the characters that a
/// path has in a URL, from a `/` on, with nothing that a proxy may read as another path (`//`, `/../`, an
/// escaped `/`). Source: `HTTPPathMatch` of the Gateway API, the same in v0.8.0 and v1.5.1.
pub fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && path.len() <= LONGEST_PATH
        && ["//", "/./", "/../", "%2f", "%2F"]
            .iter()
            .all(|part| !path.contains(part))
        && !path.ends_with("/.")
        && !path.ends_with("/..")
        && has_path_characters(path)
}

fn has_path_characters(path: &str) -> bool {
    path.split('%').enumerate().all(|(index, part)| {
        let escaped = if index == 0 { 0 } else { 2 };
        let bytes = part.as_bytes();
        bytes.len() >= escaped
            && bytes[..escaped].iter().all(u8::is_ascii_hexdigit)
            && bytes[escaped..]
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-/._~!$&'()*+,;=:@".contains(byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_that_no_proxy_reads_otherwise() {
        for good in ["/", "/a", "/a/", "/a.b/..c/@~", "/%c3%A4"] {
            assert!(is_path(good), "{good:?}");
        }
        let long = format!("/{}", "x".repeat(LONGEST_PATH));
        for bad in [
            "", "a", "//", "/a//b", "/./a", "/a/../b", "/a/..", "/a/.", "/a%2Fb", "/a%2fb", "/%",
            "/%4", "/%4g", "/a b", "/a#b", "/a?b", "/ä", "/a\n", &long,
        ] {
            assert!(!is_path(bad), "{bad:?}");
        }
        assert!(is_path(&long[..LONGEST_PATH]));
    }
}
