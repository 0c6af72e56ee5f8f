//! Which Services a pass looks at.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use ofn_contract::{KeyValue, ObjectName, ServiceQuery};

use crate::names;

/// Whether it is the entry of an OpenFunction Gateway.
pub(super) fn is_entry(service: &Service, gateway: &ObjectName) -> bool {
    service.name_any() == names::ENTRY_SERVICE
        && service.namespace().as_deref() == Some(&gateway.namespace)
}

/// Whether a query means it, or may have meant it before.
pub(super) fn matches(query: &ServiceQuery, service: &Service) -> bool {
    let namespace = service.namespace().unwrap_or_default();
    match query {
        ServiceQuery::ByName(name) => {
            name.name == service.name_any() && name.namespace == namespace
        }
        ServiceQuery::ByLabels(query) => {
            // One that lost its label meant something before: who knows only what is now cannot
            // tell, so all of the namespace count.
            query
                .namespace
                .as_ref()
                .is_none_or(|wanted| *wanted == namespace)
                && (query.namespace.is_some() || has_labels(service.labels(), &query.labels))
        }
        ServiceQuery::ByClusterIp(ip) => service
            .spec
            .as_ref()
            .is_some_and(|spec| spec.cluster_ips.iter().flatten().any(|other| other == ip)),
    }
}

fn has_labels(labels: &BTreeMap<String, String>, wanted: &[KeyValue]) -> bool {
    wanted
        .iter()
        .all(|label| labels.get(&label.key) == Some(&label.value))
}
