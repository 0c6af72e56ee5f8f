//! Step one, I/O: reading what a decision rests on.

use std::collections::BTreeMap;

use futures::future::{try_join_all, try_join4};
use futures::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::DynamicObject;
use kube::{Resource, ResourceExt};
use ofn_contract::{EffectiveSpec, KeyValue, LabelQuery, ObjectName, ServiceQuery};
use serde::de::DeserializeOwned;

use super::vet::Terms;
use super::world::{World, recorded_targets, target_of};
use crate::cluster::{Cluster, Kind, MOST_SERVICES, ReadError, name_of};
use crate::kubernetes_gateway::{GatewayClass, KubernetesGateway};
use crate::{api, names};

/// What a pass looks at besides its own object. Whoever causes passes must cause one when any of
/// it changes; it is told before anything is read, so that no change is missed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interest {
    /// Kubernetes Gateways.
    pub targets: Vec<ObjectName>,
    /// The class of the present one.
    pub class: Option<String>,
    /// Services.
    pub services: Vec<ServiceQuery>,
}

/// An OpenFunction Gateway that cannot be read as one, with the place in it.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unreadable {
    error: serde_path_to_error::Error<serde_json::Error>,
    object: Box<DynamicObject>,
}

impl Unreadable {
    /// Whether it is being deleted.
    pub fn is_going(&self) -> bool {
        self.object.metadata.deletion_timestamp.is_some()
    }

    /// Its metadata and its status, with an empty spec.
    pub fn as_far_as_known(&self) -> api::Gateway {
        api::Gateway {
            metadata: self.object.metadata.clone(),
            spec: api::GatewaySpec::default(),
            status: serde_json::from_value(self.object.data["status"].clone()).ok(),
        }
    }
}

/// The OpenFunction Gateway itself.
pub async fn gateway<C: Cluster>(
    cluster: &C,
    name: &ObjectName,
) -> Result<Option<Result<api::Gateway, Unreadable>>, ReadError> {
    let Some(object) = cluster.get(Kind::Gateway, name).await? else {
        return Ok(None);
    };
    let parsed = serde_path_to_error::deserialize(serde_json::json!(object));
    Ok(Some(parsed.map_err(|error| Unreadable {
        error,
        object: Box::new(object),
    })))
}

/// The Kubernetes Gateways, the class, the entry Service and its slices, ours and others. `spec` is what will be
/// served; without one only what must be cleaned is read.
pub async fn world<C: Cluster>(
    cluster: &C,
    gateway: api::Gateway,
    spec: Option<&EffectiveSpec>,
    interested: &mut (impl FnMut(&Interest) + Send),
) -> Result<World, ReadError> {
    let own = name_of(&gateway);
    let mut targets: Vec<ObjectName> = recorded_targets(&gateway)
        .iter()
        .map(super::world::Target::object_name)
        .chain(target_of(&gateway.spec, &own.name))
        .chain(spec.map(|spec| spec.target.name.clone()))
        .collect();
    targets.sort();
    targets.dedup();
    let mut interest = Interest {
        targets: targets.clone(),
        class: spec.and_then(|spec| spec.target.class_name.clone()),
        services: Vec::new(),
    };
    interested(&interest);
    let reads = targets.into_iter().map(async |name| {
        let object = cluster.get(Kind::KubernetesGateway, &name).await?;
        Ok((name, object.map(KubernetesGateway::from)))
    });
    let entry_name = |name: &str| ObjectName {
        namespace: own.namespace.clone(),
        name: name.to_owned(),
    };
    let slices = SLICES.map(async |name| {
        let slice =
            typed::<EndpointSlice, C>(cluster, Kind::EndpointSlice, &entry_name(name)).await?;
        Ok(slice.map(|slice| (name.to_owned(), slice)))
    });
    let service = entry_name(names::ENTRY_SERVICE);
    let label = KeyValue {
        key: names::SERVICE_NAME_LABEL.to_owned(),
        value: names::ENTRY_SERVICE.to_owned(),
    };
    let of_the_entry = ServiceQuery::ByLabels(LabelQuery {
        namespace: Some(own.namespace.clone()),
        labels: vec![label],
    });
    let (targets, entry, slices, all_slices) = try_join4(
        try_join_all(reads),
        typed::<Service, C>(cluster, Kind::Service, &service),
        try_join_all(slices),
        cluster.list(Kind::EndpointSlice, &of_the_entry),
    )
    .await?;
    let targets: BTreeMap<_, _> = targets.into_iter().collect();
    let class_name = spec.and_then(|spec| {
        let live = targets.get(&spec.target.name)?.as_ref();
        live.map(|live| live.class_name().to_owned())
            .or_else(|| spec.target.class_name.clone())
    });
    interest.class.clone_from(&class_name);
    interested(&interest);
    let class = match class_name {
        None => None,
        Some(name) => {
            let name = ObjectName {
                namespace: String::new(),
                name,
            };
            cluster.get(Kind::GatewayClass, &name).await?
        }
    };
    Ok(World {
        now: cluster.now(),
        gateway,
        targets,
        class: class.map(GatewayClass::from),
        services: Vec::new(),
        entry,
        slices: slices.into_iter().flatten().collect(),
        other_slices: all_slices
            .into_iter()
            .filter(|slice| !SLICES.contains(&slice.name_any().as_str()))
            .map(|slice| slice.metadata)
            .collect(),
    })
}

/// The Services that the component asked for and may see, each once, by namespace and name: at most
/// [`MOST_SERVICES`] and 1 MiB. A question whose answers are too many, with those of the questions before it,
/// gets none. Few are asked at a time, so that what they are read from is not there for all.
pub async fn services<C: Cluster>(
    cluster: &C,
    queries: Vec<ServiceQuery>,
    terms: &Terms,
    world: &mut World,
    interested: &mut (impl FnMut(&Interest) + Send),
    interest: Interest,
) -> Result<(), ReadError> {
    let interest = Interest {
        services: queries,
        ..interest
    };
    interested(&interest);
    let entry = ObjectName {
        name: names::ENTRY_SERVICE.to_owned(),
        ..name_of(&world.gateway)
    };
    let mut services: BTreeMap<ObjectName, Service> = BTreeMap::new();
    let mut size = 0;
    let asked = stream::iter(&interest.services).map(|query| cluster.list(Kind::Service, query));
    let mut asked = asked.buffered(MOST_AT_A_TIME);
    while let Some(found) = asked.try_next().await? {
        let mut found: BTreeMap<_, _> = found.into_iter().filter_map(service).collect();
        // The entry itself is never its own data plane.
        found.remove(&entry);
        found.retain(|name, _| {
            terms.allow_namespace(&name.namespace) && !services.contains_key(name)
        });
        let more: usize = found.values().map(size_of).sum();
        if services.len() + found.len() <= usize::from(MOST_SERVICES) && size + more <= MOST_BYTES {
            size += more;
            services.append(&mut found);
        }
    }
    world.services = services.into_values().collect();
    Ok(())
}

/// So many questions for Services are open at a time.
const MOST_AT_A_TIME: usize = 4;

/// Bytes of labels, annotations and ports of all Services together. A component has little memory, and anybody
/// may give a Service 256 KiB of annotations, and ports without end.
const MOST_BYTES: usize = 1 << 20;

/// What a component is given of a Service, in bytes, or a little more.
fn size_of(service: &Service) -> usize {
    /// A text or a number, beside what is in it.
    const EACH: usize = 32;
    let metadata = &service.metadata;
    let pairs = metadata
        .labels
        .iter()
        .chain(&metadata.annotations)
        .flatten();
    let pairs = pairs.map(|(key, value)| 2 * EACH + key.len() + value.len());
    let ports = service.spec.iter().flat_map(|spec| &spec.ports).flatten();
    let ports = ports.map(|port| 3 * EACH + port.name.as_ref().map_or(0, String::len));
    pairs.chain(ports).sum()
}

/// A Service without its `managedFields`, which may be the most of it, and its name.
fn service(mut object: DynamicObject) -> Option<(ObjectName, Service)> {
    object.metadata.managed_fields = None;
    let name = name_of(&object);
    Some((name, object.try_parse().ok()?))
}

/// The names of the entry's EndpointSlices, one for each address family.
pub const SLICES: [&str; 2] = ["gateway-ipv4", "gateway-ipv6"];

async fn typed<K, C>(cluster: &C, kind: Kind, name: &ObjectName) -> Result<Option<K>, ReadError>
where
    K: Resource + DeserializeOwned,
    C: Cluster,
{
    let object = cluster.get(kind, name).await?;
    object
        .map(|object| {
            serde_json::from_value(serde_json::json!(object)).map_err(|source| ReadError {
                what: format!("{kind} {name}"),
                source: Box::new(kube::Error::SerdeError(source)),
            })
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::cluster::offline::Offline;
    use crate::cluster::{Write, WriteError};

    /// A cluster that counts what is asked at a time.
    #[derive(Default)]
    struct Counting {
        cluster: Offline,
        now: AtomicUsize,
        most: AtomicUsize,
    }

    impl Cluster for Counting {
        fn now(&self) -> Timestamp {
            self.cluster.now()
        }

        async fn get(
            &self,
            kind: Kind,
            name: &ObjectName,
        ) -> Result<Option<DynamicObject>, ReadError> {
            self.cluster.get(kind, name).await
        }

        async fn list(
            &self,
            kind: Kind,
            query: &ServiceQuery,
        ) -> Result<Vec<DynamicObject>, ReadError> {
            let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
            self.most.fetch_max(now, Ordering::Relaxed);
            tokio::task::yield_now().await;
            self.now.fetch_sub(1, Ordering::Relaxed);
            self.cluster.list(kind, query).await
        }

        async fn write(&self, write: &Write) -> Result<Option<DynamicObject>, WriteError> {
            self.cluster.write(write).await
        }
    }

    impl Counting {
        /// So many Services with a label, each with a name of its own.
        fn with(self, label: &str, number: usize) -> Self {
            for number in 0..number {
                let service = json!({
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {
                        "namespace": "infra",
                        "name": format!("{label}-{number}"),
                        "labels": {"app": label},
                        "managedFields": [{"manager": "somebody", "operation": "Apply"}],
                    },
                    "spec": {"ports": [{"port": 80}]},
                });
                let service = serde_json::from_value(service).expect("an object");
                self.cluster.insert(Kind::Service, &service);
            }
            self
        }

        /// What is found for these questions.
        async fn found(&self, queries: Vec<ServiceQuery>) -> Vec<Service> {
            let gateway = json!({
                "apiVersion": "networking.openfunction.io/v1alpha1",
                "kind": "Gateway",
                "metadata": {"namespace": "ofn", "name": "openfunction"},
                "spec": {"domain": "ofn.io", "gatewayRef": {"namespace": "infra", "name": "any"}},
            });
            let gateway = serde_json::from_value(gateway).expect("a Gateway");
            let mut world = world(&self.cluster, gateway, None, &mut |_| ())
                .await
                .expect("offline");
            let terms = Terms {
                namespaces: vec!["infra".to_owned()],
                ..Terms::default()
            };
            let interest = Interest::default();
            services(self, queries, &terms, &mut world, &mut |_| (), interest)
                .await
                .expect("offline");
            world.services
        }
    }

    fn labelled(label: &str) -> ServiceQuery {
        ServiceQuery::ByLabels(LabelQuery {
            namespace: None,
            labels: vec![KeyValue {
                key: "app".to_owned(),
                value: label.to_owned(),
            }],
        })
    }

    fn named(name: &str) -> ServiceQuery {
        ServiceQuery::ByName(ObjectName {
            namespace: "infra".to_owned(),
            name: name.to_owned(),
        })
    }

    /// How many with each of these labels are found by the questions for them.
    fn numbers(cluster: &Counting, labels: &[&str], queries: Vec<ServiceQuery>) -> Vec<usize> {
        let found = futures::executor::block_on(cluster.found(queries));
        let has = |service: &&Service, label: &str| {
            service.labels().get("app").is_some_and(|app| app == label)
        };
        let number = |label: &&str| found.iter().filter(|service| has(service, label)).count();
        labels.iter().map(number).collect()
    }

    #[test]
    fn a_question_that_finds_too_many_services_with_those_before_it_gets_none() {
        let cluster = Counting::default()
            .with("a", 60)
            .with("b", 41)
            .with("c", 40)
            .with("d", 1);
        let labels = ["a", "b", "c", "d"];
        let queries = || labels.map(labelled).to_vec();
        assert_eq!(numbers(&cluster, &labels, queries()), [60, 0, 40, 0]);
        let alone = Counting::default().with("a", 101);
        assert_eq!(numbers(&alone, &["a"], vec![labelled("a")]), [0]);
    }

    #[test]
    fn services_that_a_component_may_not_see_do_not_count() {
        let cluster = Counting::default().with("a", 60);
        for number in 0..60 {
            let service = json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {
                    "namespace": "tenant",
                    "name": format!("a-{number}"),
                    "labels": {"app": "a"},
                    "annotations": {"odd": "x".repeat(200_000)},
                },
                "spec": {"ports": [{"port": 80}]},
            });
            let service = serde_json::from_value(service).expect("an object");
            cluster.cluster.insert(Kind::Service, &service);
        }
        assert_eq!(numbers(&cluster, &["a"], vec![labelled("a")]), [60]);
    }

    #[test]
    fn a_service_that_several_questions_find_counts_once() {
        let cluster = Counting::default().with("a", 100);
        let queries = vec![named("a-1"), labelled("a"), named("a-2"), labelled("a")];
        assert_eq!(numbers(&cluster, &["a"], queries), [100]);
    }

    #[test]
    fn few_questions_for_services_are_open_at_a_time() {
        let cluster = Counting::default().with("a", 2).with("b", 3);
        let queries = vec![vec![labelled("a"), labelled("b"), named("a-1")]; 3].concat();
        assert_eq!(numbers(&cluster, &["a", "b"], queries), [2, 3]);
        assert_eq!(cluster.most.into_inner(), MOST_AT_A_TIME);
    }

    #[test]
    fn who_wrote_the_fields_of_a_service_is_not_kept() {
        let cluster = Counting::default().with("a", 1);
        let found = futures::executor::block_on(cluster.found(vec![labelled("a")]));
        assert!(found[0].metadata.managed_fields.is_none());
    }
}
