//! Defaulting and validating the spec of an OpenFunction Gateway, without knowing its vendor.

use ofn_contract::{EffectiveSpec, Gateway, GatewaySpec, Listener, ObjectName, Target, Violation};
use serde_json::{Map, Value, json};

use crate::violation::{duplicate, invalid, required, too_many};
use crate::{ANNOTATION_PREFIX, route};
use ofn_contract::dns::{is_dns_name, is_hostname, is_label, is_subdomain, is_under};
use ofn_contract::protocol::is_protocol;

/// Name of the listener for requests from inside the cluster.
pub const DEFAULT_LISTENER: &str = ofn_contract::DEFAULT_LISTENER;
/// The annotation that, set to `disabled`, keeps the default listener from being added.
pub const DEFAULT_LISTENER_ANNOTATION: &str = "networking.openfunction.io/default-listener";
/// Where `spec.clusterDomain` is left out.
pub const DEFAULT_CLUSTER_DOMAIN: &str = "cluster.local";
/// Where `spec.hostTemplate` is left out.
pub const DEFAULT_HOST_TEMPLATE: &str = "{{.Name}}.{{.Namespace}}.{{.Domain}}";
/// Where `spec.pathTemplate` is left out.
pub const DEFAULT_PATH_TEMPLATE: &str = "{{.Namespace}}/{{.Name}}";
/// Where `spec.httpRouteLabelKey` is left out.
pub const DEFAULT_ROUTE_LABEL_KEY: &str = "app.kubernetes.io/managed-by";

/// A Gateway has at most as many listeners. Source: the CRD of the Gateway API.
const MOST_LISTENERS: usize = 64;
const LISTENERS: &str = "spec.gatewaySpec.listeners";

/// The effective spec, or all that is wrong.
///
/// - `ofn-http-internal` is added if it is missing and corrected if it is odd.
/// - Any other listener keeps a host name under one of the two domains, unless that name was
///   generated for a domain that `old` had; else it gets `*.<domain>`.
pub fn default_spec(
    new: &Gateway,
    old: Option<&GatewaySpec>,
) -> Result<EffectiveSpec, Vec<Violation>> {
    let spec = &new.spec;
    let mut wrong = Vec::new();
    let domains = Domains::of(spec);
    check_domain("spec.domain", &domains.domain, &mut wrong);
    check_domain("spec.clusterDomain", &domains.cluster_domain, &mut wrong);
    let target = target(new, &mut wrong);
    let listeners = listeners(new, &domains, old.map(Domains::of).as_ref(), &mut wrong);
    let or = |text: &str, default: &str| if text.is_empty() { default } else { text }.to_owned();
    let effective = EffectiveSpec {
        domain: domains.domain,
        cluster_domain: domains.cluster_domain,
        host_template: or(&spec.host_template, DEFAULT_HOST_TEMPLATE),
        path_template: or(&spec.path_template, DEFAULT_PATH_TEMPLATE),
        http_route_label_key: or(&spec.http_route_label_key, DEFAULT_ROUTE_LABEL_KEY),
        target,
        listeners,
    };
    // A sample, as good as any: the templates must work before the first function comes.
    let sample = ObjectName {
        namespace: "default".to_owned(),
        name: "function".to_owned(),
    };
    match route::route_of(&effective, &sample) {
        Err(violations) if wrong.is_empty() => Err(violations),
        _ if !wrong.is_empty() => Err(wrong),
        _ => Ok(effective),
    }
}

/// A listener as it goes into a Kubernetes Gateway: TCP and UDP have no host name there.
/// Source: the validation rules of the Gateway CRD.
pub fn for_kubernetes(listener: &Listener) -> Listener {
    let mut listener = listener.clone();
    if matches!(listener.protocol.as_str(), "TCP" | "UDP") {
        listener.hostname = None;
    }
    listener
}

struct Domains {
    domain: String,
    cluster_domain: String,
}

impl Domains {
    fn of(spec: &GatewaySpec) -> Self {
        Self {
            domain: spec.domain.clone(),
            cluster_domain: if spec.cluster_domain.is_empty() {
                DEFAULT_CLUSTER_DOMAIN.to_owned()
            } else {
                spec.cluster_domain.clone()
            },
        }
    }

    fn wildcard(&self) -> String {
        format!("*.{}", self.domain)
    }

    fn cluster_wildcard(&self) -> String {
        format!("*.{}", self.cluster_domain)
    }

    /// The host name of a listener that is not the default one.
    fn hostname(&self, written: Option<&str>, old: Option<&Domains>) -> String {
        let Some(written) = written else {
            return self.wildcard();
        };
        let generated_for = |wildcard: fn(&Domains) -> String| {
            old.is_some_and(|old| wildcard(old) == written && wildcard(old) != wildcard(self))
        };
        if generated_for(Domains::wildcard) {
            self.wildcard()
        } else if generated_for(Domains::cluster_wildcard) {
            self.cluster_wildcard()
        } else if is_under(written, &self.domain) || is_under(written, &self.cluster_domain) {
            written.to_owned()
        } else {
            self.wildcard()
        }
    }
}

fn check_domain(field: &str, domain: &str, wrong: &mut Vec<Violation>) {
    if domain.is_empty() {
        wrong.push(required(
            field,
            "must be set to the domain under which functions are reached, such as ofn.io",
        ));
    } else if !is_dns_name(domain) {
        wrong.push(invalid(
            field,
            format!("{domain:?} is not a DNS name: write lower case letters, digits, '-' and '.'"),
        ));
    } else if !is_hostname(&format!("*.{domain}")) {
        wrong.push(invalid(
            field,
            "is too long: with the wildcard of a listener before it, it must fit into 253 characters",
        ));
    }
}

fn target(new: &Gateway, wrong: &mut Vec<Violation>) -> Target {
    let (field, name, class_name) = match (&new.spec.gateway_ref, &new.spec.gateway_def) {
        (Some(name), None) => ("spec.gatewayRef", name.clone(), None),
        (None, Some(def)) => (
            "spec.gatewayDef",
            ObjectName {
                namespace: def.namespace.clone(),
                name: def.name.clone().unwrap_or_else(|| new.name.name.clone()),
            },
            Some(def.class_name.clone()),
        ),
        (None, None) => {
            wrong.push(required(
                "spec.gatewayRef",
                "must be set to an existing Kubernetes Gateway, or gatewayDef to one to create",
            ));
            return Target {
                name: new.name.clone(),
                class_name: None,
            };
        }
        (Some(name), Some(_)) => {
            wrong.push(invalid(
                "spec.gatewayRef",
                "and spec.gatewayDef are both set: keep one of them",
            ));
            ("spec.gatewayRef", name.clone(), None)
        }
    };
    if !is_label(&name.namespace) {
        wrong.push(invalid(
            format!("{field}.namespace"),
            format!(
                "{:?} is not the name of a namespace: write lower case letters, digits and '-'",
                name.namespace
            ),
        ));
    }
    check_name(&format!("{field}.name"), &name.name, "an object", wrong);
    if let Some(class) = &class_name {
        let field = "spec.gatewayDef.gatewayClassName";
        check_name(field, class, "a GatewayClass", wrong);
    }
    Target { name, class_name }
}

fn check_name(field: &str, name: &str, of: &str, wrong: &mut Vec<Violation>) {
    if !is_subdomain(name) {
        wrong.push(invalid(
            field,
            format!(
                "{name:?} is not the name of {of}: write lower case letters, digits, '-' and '.'"
            ),
        ));
    }
}

fn listeners(
    new: &Gateway,
    domains: &Domains,
    old: Option<&Domains>,
    wrong: &mut Vec<Violation>,
) -> Vec<Listener> {
    let wanted = !new.annotations.iter().any(|annotation| {
        annotation.key == DEFAULT_LISTENER_ANNOTATION && annotation.value == "disabled"
    });
    check_annotations(new, wrong);
    let mut listeners = Vec::with_capacity(new.spec.listeners.len() + 1);
    for (index, written) in new.spec.listeners.iter().enumerate() {
        let field = format!("{LISTENERS}[{index}]");
        check_listener(&field, written, wrong);
        if new.spec.listeners[..index]
            .iter()
            .any(|earlier| earlier.name == written.name)
        {
            wrong.push(duplicate(
                format!("{field}.name"),
                format!(
                    "another listener is called {:?} too: write another name",
                    written.name
                ),
            ));
        }
        let mut listener = written.clone();
        let Ok(rest) = serde_json::from_str::<Map<String, Value>>(&written.rest) else {
            let message = "is not a JSON object: write {} where it has no other fields";
            wrong.push(invalid(field, message));
            continue;
        };
        if written.name == DEFAULT_LISTENER {
            listener.hostname = Some(domains.cluster_wildcard());
            if wanted {
                listener = corrected(listener, rest);
            }
        } else {
            listener.hostname = Some(domains.hostname(written.hostname.as_deref(), old));
        }
        listeners.push(listener);
    }
    if wanted
        && !listeners
            .iter()
            .any(|listener| listener.name == DEFAULT_LISTENER)
    {
        listeners.push(corrected(
            Listener {
                name: DEFAULT_LISTENER.to_owned(),
                hostname: Some(domains.cluster_wildcard()),
                port: 80,
                protocol: "HTTP".to_owned(),
                rest: String::new(),
            },
            Map::new(),
        ));
    }
    if listeners.is_empty() {
        wrong.push(required(
            LISTENERS,
            "must have a listener where the default one is disabled",
        ));
    }
    if listeners.len() > MOST_LISTENERS {
        wrong.push(too_many(
            LISTENERS,
            format!(
                "has {} listeners, the default one included: remove some, as a Gateway has room for \
                 {MOST_LISTENERS}",
                listeners.len()
            ),
        ));
    }
    listeners
}

/// The default listener as it must be: plain HTTP on port 80, for routes from everywhere. Other
/// fields stay as they are; `tls` goes, because a Gateway with it on an HTTP listener is refused.
fn corrected(mut listener: Listener, mut rest: Map<String, Value>) -> Listener {
    listener.port = 80;
    listener.protocol = "HTTP".to_owned();
    rest.remove("tls");
    let allowed = rest.entry("allowedRoutes").or_insert_with(|| json!({}));
    let namespaces = json!({"from": "All"});
    match allowed {
        Value::Object(allowed) => {
            allowed.insert("namespaces".to_owned(), namespaces);
        }
        odd => *odd = json!({"namespaces": namespaces}),
    }
    let rest = Value::Object(rest);
    // The text as it was written stays where nothing was changed in it.
    if serde_json::from_str::<Value>(&listener.rest).ok().as_ref() != Some(&rest) {
        listener.rest = rest.to_string();
    }
    listener
}

fn check_annotations(new: &Gateway, wrong: &mut Vec<Violation>) {
    for annotation in &new.annotations {
        if annotation.key == DEFAULT_LISTENER_ANNOTATION
            && !matches!(annotation.value.as_str(), "disabled" | "enabled" | "")
        {
            wrong.push(invalid(
                format!("metadata.annotations[{ANNOTATION_PREFIX}default-listener]"),
                format!(
                    "{:?} is none of the two: write \"disabled\" or \"enabled\"",
                    annotation.value
                ),
            ));
        }
    }
}

fn check_listener(field: &str, listener: &Listener, wrong: &mut Vec<Violation>) {
    let name = format!("{field}.name");
    check_name(&name, &listener.name, "a listener", wrong);
    if let Some(hostname) = listener.hostname.as_deref()
        && !is_hostname(hostname)
    {
        wrong.push(invalid(
            format!("{field}.hostname"),
            format!(
                "{hostname:?} is not a host name: write one such as a.ofn.io or *.ofn.io, or leave \
                 it out to have it made from the domain"
            ),
        ));
    }
    if listener.port == 0 {
        wrong.push(invalid(
            format!("{field}.port"),
            "must be between 1 and 65535",
        ));
    }
    if listener.protocol.is_empty() {
        wrong.push(required(
            format!("{field}.protocol"),
            "must be set: HTTP, HTTPS, TLS, TCP or UDP",
        ));
    } else if !is_protocol(&listener.protocol) {
        wrong.push(invalid(
            format!("{field}.protocol"),
            format!(
                "{:?} is not a protocol: write HTTP, HTTPS, TLS, TCP, UDP, or a vendor's own such \
                 as example.com/mine",
                listener.protocol
            ),
        ));
    }
}
