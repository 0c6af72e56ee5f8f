//! Which Services a component may ask for.

use std::net::IpAddr;

use ofn_contract::dns::{is_label, is_subdomain};
use ofn_contract::labels::{is_label_key, is_label_value};
use ofn_contract::{LabelQuery, ServiceQuery};

use super::{Broken, Rules, Terms};

const MOST_QUERIES: usize = 24;
/// Of one query: they become a part of an address.
const MOST_LABELS: usize = 8;

/// Queries for Services, without those for namespaces that the terms do not allow: they find
/// nothing, as one over all namespaces finds nothing there.
pub fn queries(mut queries: Vec<ServiceQuery>, terms: &Terms) -> Result<Vec<ServiceQuery>, Broken> {
    let rules = Rules("service-queries");
    rules.at_most(MOST_QUERIES, queries.len(), "queries")?;
    for query in &queries {
        let fine = match query {
            ServiceQuery::ByName(name) => is_label(&name.namespace) && is_subdomain(&name.name),
            ServiceQuery::ByLabels(query) => {
                query.namespace.as_deref().is_none_or(is_label)
                    && (1..=MOST_LABELS).contains(&query.labels.len())
                    && query
                        .labels
                        .iter()
                        .all(|label| is_label_key(&label.key) && is_label_value(&label.value))
            }
            ServiceQuery::ByClusterIp(ip) => ip.parse::<IpAddr>().is_ok(),
        };
        rules.must(fine, || format!("{query:?} cannot be asked"))?;
    }
    let mut asked = Vec::new();
    queries.retain(|query| {
        let is_new = !asked.contains(query);
        asked.push(query.clone());
        is_new
    });
    queries.retain(|query| match query {
        ServiceQuery::ByName(name) => terms.allow_namespace(&name.namespace),
        ServiceQuery::ByLabels(LabelQuery { namespace, .. }) => namespace
            .as_ref()
            .is_none_or(|namespace| terms.allow_namespace(namespace)),
        ServiceQuery::ByClusterIp(_) => true,
    });
    Ok(queries)
}
