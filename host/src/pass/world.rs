//! What a pass knows of the cluster.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use kube::api::ObjectMeta;
use ofn_contract as contract;
use ofn_contract::{KeyValue, ObjectName};
use serde::{Deserialize, Serialize};

use crate::cluster::name_of;
use crate::kubernetes_gateway::{GatewayClass, KubernetesGateway, pairs};
use crate::policies::STANDARD;
use crate::{api, names};

/// One OpenFunction Gateway and all that it touches.
#[derive(Clone, Debug)]
pub struct World {
    /// When it was observed.
    pub now: Timestamp,
    /// The OpenFunction Gateway.
    pub gateway: api::Gateway,
    /// Its Kubernetes Gateways, present and past; none for one that does not exist.
    pub targets: BTreeMap<ObjectName, Option<KubernetesGateway>>,
    /// The class of the present one.
    pub class: Option<GatewayClass>,
    /// The Services that the component asked for.
    pub services: Vec<Service>,
    /// The Service [`names::ENTRY_SERVICE`] of this namespace, whoever made it.
    pub entry: Option<Service>,
    /// The EndpointSlices with the names that we use for the entry, whoever made them.
    pub slices: BTreeMap<String, EndpointSlice>,
    /// The EndpointSlices of the entry with other names.
    pub other_slices: Vec<ObjectMeta>,
}

/// A Kubernetes Gateway that was touched and not cleaned yet, as the annotation
/// [`names::TARGETS_ANNOTATION`] has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Always `Gateway`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid, if it existed when this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Whether we created it, or are about to.
    #[serde(default)]
    pub created: bool,
    /// When the OpenFunction Gateway left it for another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Timestamp>,
    /// Since when it is ready to take over from one that was left, while the entry leads to that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Timestamp>,
}

impl Target {
    /// Its namespace and name.
    pub fn object_name(&self) -> ObjectName {
        ObjectName {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// The targets that are recorded on an OpenFunction Gateway, and the one that its last spec had:
/// the old controller recorded no other.
pub fn recorded_targets(gateway: &api::Gateway) -> Vec<Target> {
    let mut targets: Vec<Target> = gateway
        .annotations()
        .get(names::TARGETS_ANNOTATION)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let last = last_applied(gateway).and_then(|spec| target_of(&spec, &gateway.name_any()));
    if let Some(last) = last
        && !targets.iter().any(|target| target.object_name() == last)
    {
        targets.push(Target {
            kind: "Gateway".to_owned(),
            namespace: last.namespace,
            name: last.name,
            uid: None,
            created: false,
            left: None,
            ready: None,
        });
    }
    targets
}

/// The spec that was last acted on. The old webhook wrote it bare, the old controller as
/// `{"spec":…}`; both are read.
pub fn last_applied(gateway: &api::Gateway) -> Option<api::GatewaySpec> {
    #[derive(Deserialize)]
    struct Wrapped {
        spec: api::GatewaySpec,
    }
    let text = gateway.annotations().get(names::LAST_APPLIED_ANNOTATION)?;
    serde_json::from_str(text)
        .map(|wrapped: Wrapped| wrapped.spec)
        .or_else(|_| serde_json::from_str(text))
        .ok()
}

/// The Kubernetes Gateway that a spec means.
pub fn target_of(spec: &api::GatewaySpec, gateway_name: &str) -> Option<ObjectName> {
    match (&spec.gateway_ref, &spec.gateway_def) {
        (Some(reference), _) => Some(ObjectName {
            namespace: reference.namespace.clone(),
            name: reference.name.clone(),
        }),
        (None, Some(def)) => Some(ObjectName {
            namespace: def.namespace.clone(),
            name: def.name.clone().unwrap_or_else(|| gateway_name.to_owned()),
        }),
        (None, None) => None,
    }
}

/// Whether an object of ours: it has the OpenFunction Gateway as an owner.
pub fn is_owned_by(object: &ObjectMeta, gateway: &api::Gateway) -> bool {
    let uid = gateway.uid();
    object
        .owner_references
        .iter()
        .flatten()
        .any(|owner| Some(&owner.uid) == uid.as_ref())
}

/// An OpenFunction Gateway as a component sees it.
pub fn gateway_to_contract(gateway: &api::Gateway) -> contract::Gateway {
    contract::Gateway {
        name: name_of(gateway),
        annotations: annotations(gateway),
        spec: gateway.spec.to_contract(),
    }
}

fn annotations(gateway: &api::Gateway) -> Vec<KeyValue> {
    let mut annotations = pairs([gateway.annotations()]);
    annotations.retain(|annotation| {
        annotation.key.starts_with(names::ANNOTATION_PREFIX)
            && annotation.key != names::LAST_APPLIED_ANNOTATION
            && annotation.key != names::TARGETS_ANNOTATION
            && annotation.key != names::TAKEN_OUT_ANNOTATION
    });
    annotations
}

impl World {
    /// Namespace and name of the entry Service.
    pub fn entry_name(&self) -> ObjectName {
        ObjectName {
            namespace: name_of(&self.gateway).namespace,
            name: names::ENTRY_SERVICE.to_owned(),
        }
    }

    /// The present Kubernetes Gateway for a spec, if it exists.
    pub fn target(&self, spec: &contract::EffectiveSpec) -> Option<&KubernetesGateway> {
        self.targets.get(&spec.target.name)?.as_ref()
    }

    /// Whether another Kubernetes Gateway than the present one had something of ours, or has.
    pub fn has_past(&self, spec: &contract::EffectiveSpec) -> bool {
        let targets = recorded_targets(&self.gateway);
        let mut names = targets.iter().map(Target::object_name);
        names.any(|name| name != spec.target.name)
    }

    /// The name of the component for the vendor that decided what we have put into the present
    /// Kubernetes Gateway; none where nothing is there, or it was none for a vendor.
    pub fn decided_before(&self, spec: &contract::EffectiveSpec) -> Option<&str> {
        self.target(spec)?.annotation(names::INJECTED_ANNOTATION)?;
        let policy = self.gateway.status.as_ref()?.policy.as_ref()?;
        Some(policy.name.as_str()).filter(|name| *name != STANDARD)
    }

    /// The settings, where they mean anything to the component that is asked.
    fn settings(&self, spec: &contract::EffectiveSpec) -> Vec<KeyValue> {
        if !self.vendor_is_known(spec) {
            return Vec::new();
        }
        let setting = |(key, value): (&String, &String)| {
            Some(KeyValue {
                key: key.strip_prefix(names::SETTING_PREFIX)?.to_owned(),
                value: value.clone(),
            })
        };
        let annotations = self.gateway.annotations().iter();
        annotations.filter_map(setting).collect()
    }

    /// Whether the component that is asked was chosen for the vendor.
    fn vendor_is_known(&self, spec: &contract::EffectiveSpec) -> bool {
        self.class.is_some()
            || self
                .gateway
                .annotations()
                .contains_key(names::POLICY_ANNOTATION)
            || self.decided_before(spec).is_some()
    }

    /// All that a component's decision rests on.
    pub fn observation(&self, spec: &contract::EffectiveSpec) -> contract::Observation {
        contract::Observation {
            name: name_of(&self.gateway),
            annotations: annotations(&self.gateway),
            settings: self.settings(spec),
            spec: spec.clone(),
            kubernetes_gateway: self.target(spec).map(KubernetesGateway::to_contract),
            gateway_class: self.class.as_ref().map(GatewayClass::to_contract),
            services: self.services.iter().map(service_to_contract).collect(),
        }
    }
}

fn service_to_contract(service: &Service) -> contract::Service {
    let spec = service.spec.clone().unwrap_or_default();
    contract::Service {
        name: name_of(service),
        labels: pairs(service.metadata.labels.as_ref()),
        annotations: pairs(service.metadata.annotations.as_ref()),
        type_: spec.type_.unwrap_or_else(|| "ClusterIP".to_owned()),
        cluster_ips: spec
            .cluster_ips
            .unwrap_or_else(|| spec.cluster_ip.into_iter().collect())
            .into_iter()
            .filter(|ip| ip != "None" && !ip.is_empty())
            .collect(),
        ports: spec
            .ports
            .into_iter()
            .flatten()
            .filter_map(|port| {
                Some(contract::ServicePort {
                    name: port.name,
                    port: u16::try_from(port.port).ok()?,
                    protocol: port.protocol.unwrap_or_else(|| "TCP".to_owned()),
                })
            })
            .collect(),
    }
}
