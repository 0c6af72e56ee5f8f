//! Host names, path and label of a function.

use ofn_contract::{EffectiveSpec, KeyValue, ObjectName, Route, Violation};

use crate::template::Template;
use crate::violation::invalid;
use ofn_contract::dns::is_hostname;
use ofn_contract::labels::is_label_key;
use ofn_contract::path::{LONGEST_PATH, is_path};
use ofn_contract::text::cut;

/// Bytes of what a template gives, as a message quotes it.
const LONGEST_QUOTE: usize = 256;

/// The route of a function. The host name inside the cluster is always
/// `<name>.<namespace>.svc.<cluster domain>`: that is the function's own Service.
pub fn route_of(spec: &EffectiveSpec, function: &ObjectName) -> Result<Route, Vec<Violation>> {
    let mut wrong = Vec::new();
    let host = [
        ("Name", function.name.as_str()),
        ("Namespace", function.namespace.as_str()),
        ("Domain", spec.domain.as_str()),
    ];
    let external = evaluate("spec.hostTemplate", &spec.host_template, &host, &mut wrong);
    let path = evaluate(
        "spec.pathTemplate",
        &spec.path_template,
        &host[..2],
        &mut wrong,
    );
    let path = format!("/{}", path.trim_start_matches('/'));
    let is_evaluated = wrong.is_empty();
    if is_evaluated && !is_hostname(&external) {
        let external = cut(external.clone(), LONGEST_QUOTE);
        wrong.push(invalid(
            "spec.hostTemplate",
            format!(
                "gives {external:?} for function {function}, which is not a host name: write one that \
                 gives lower case letters, digits, '-' and '.'"
            ),
        ));
    }
    let key = &spec.http_route_label_key;
    if !is_label_key(key) {
        wrong.push(invalid(
            "spec.httpRouteLabelKey",
            format!("{key:?} is not the key of a label: write one such as example.com/managed-by"),
        ));
    }
    if is_evaluated && !is_path(&path) {
        let path = cut(path.clone(), LONGEST_QUOTE);
        wrong.push(invalid(
            "spec.pathTemplate",
            format!(
                "gives {path:?} for function {function}, which an HTTPRoute does not take as a path: \
                 write one that gives at most {LONGEST_PATH} letters, digits and -._~!$&'()*+,;=:@, \
                 without '//', '/./' and '/../'"
            ),
        ));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(Route {
        hostnames: vec![
            external,
            format!(
                "{}.{}.svc.{}",
                function.name, function.namespace, spec.cluster_domain
            ),
        ],
        path,
        label: KeyValue {
            key: key.clone(),
            value: format!("{}.{}", function.namespace, function.name),
        },
    })
}

fn evaluate(field: &str, text: &str, data: &[(&str, &str)], wrong: &mut Vec<Violation>) -> String {
    match Template::parse(text).and_then(|template| template.evaluate(data)) {
        Ok(text) => text,
        Err(error) => {
            wrong.push(invalid(field, error.to_string()));
            String::new()
        }
    }
}
