//! How a function is reached.

use ofn_contract::dns::{is_hostname, is_under};
use ofn_contract::labels::is_label_key;
use ofn_contract::path::is_path;
use ofn_contract::{EffectiveSpec, ObjectName, Route};

use super::{Broken, Rules};

/// As many as an HTTPRoute takes.
const MOST_HOSTNAMES: usize = 16;

/// How a function is reached.
pub fn route(route: Route, spec: &EffectiveSpec, function: &ObjectName) -> Result<Route, Broken> {
    let rules = Rules("route-of");
    rules.at_most(MOST_HOSTNAMES, route.hostnames.len(), "host names")?;
    for hostname in &route.hostnames {
        rules.must(is_hostname(hostname), || {
            format!("{hostname:?} is not a host name")
        })?;
    }
    let domain = &spec.cluster_domain;
    let inside = |hostname: &String| is_under(hostname, domain);
    rules.must(route.hostnames.iter().any(inside), || {
        format!("no host name is under {domain}")
    })?;
    let path = &route.path;
    rules.must(is_path(path), || {
        format!("{path:?} is not a path that an HTTPRoute takes")
    })?;
    let label = &route.label;
    rules.must(is_label_key(&label.key), || {
        format!("{:?} is not the key of a label", label.key)
    })?;
    let expected = format!("{}.{}", function.namespace, function.name);
    rules.must(label.value == expected, || {
        format!("the label is {:?}, not {expected:?}", label.value)
    })?;
    Ok(route)
}
