//! Where a Helm release has its Services, for implementations with one data plane for all Gateways.

use ofn_contract::{Observation, ServiceQuery};

use crate::entry::by_labels;

/// The label with the name of a chart.
pub const NAME_LABEL: &str = "app.kubernetes.io/name";
/// Helm writes it on every object of a release, and so on a class that the chart made.
const RELEASE_NAMESPACE_ANNOTATION: &str = "meta.helm.sh/release-namespace";

/// The Services of a chart: in the namespace of the release that made the class, else in any.
pub fn services(seen: &Observation, chart: &str) -> Vec<ServiceQuery> {
    let release_namespace = seen.gateway_class.iter().find_map(|class| {
        let mut annotations = class.annotations.iter();
        annotations.find(|annotation| annotation.key == RELEASE_NAMESPACE_ANNOTATION)
    });
    let namespaces = release_namespace.map(|annotation| annotation.value.as_str());
    namespaces
        .map(Some)
        .into_iter()
        .chain([None])
        .filter_map(|namespace| by_labels(namespace, &[(NAME_LABEL, chart)]))
        .collect()
}
