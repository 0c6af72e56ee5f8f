//! Which Services a component may ask for.

use std::net::IpAddr;

use ofn_contract::ServiceQuery;
use ofn_contract::dns::{is_label, is_subdomain};
use ofn_contract::labels::{is_label_key, is_label_value};

use super::{Broken, Rules, Terms};

const MOST_QUERIES: usize = 8;

/// Queries for Services. One over all namespaces is answered with the Services of those that the
/// terms allow.
pub fn queries(queries: Vec<ServiceQuery>, terms: &Terms) -> Result<Vec<ServiceQuery>, Broken> {
    let rules = Rules("service-queries");
    rules.at_most(MOST_QUERIES, queries.len(), "queries")?;
    for query in &queries {
        let (fine, namespace) = match query {
            ServiceQuery::ByName(name) => (
                is_label(&name.namespace) && is_subdomain(&name.name),
                Some(&name.namespace),
            ),
            ServiceQuery::ByLabels(query) => (
                query.namespace.as_deref().is_none_or(is_label)
                    && !query.labels.is_empty()
                    && query
                        .labels
                        .iter()
                        .all(|label| is_label_key(&label.key) && is_label_value(&label.value)),
                query.namespace.as_ref(),
            ),
            ServiceQuery::ByClusterIp(ip) => (ip.parse::<IpAddr>().is_ok(), None),
        };
        rules.must(fine, || format!("{query:?} cannot be asked"))?;
        if let Some(namespace) = namespace {
            rules.must(terms.allow_namespace(namespace), || {
                format!(
                    "namespace {namespace:?} is not one in which components may see Services \
                     (--policy-namespace)"
                )
            })?;
        }
    }
    Ok(queries)
}
