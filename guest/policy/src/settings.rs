//! Settings that users give a component by annotations.

use ofn_contract::{KeyValue, Setting, Violation};

use crate::violation::invalid;

/// Prefix of the annotation of a setting.
pub const SETTING_PREFIX: &str = "policy.networking.openfunction.io/";

/// Refuses settings that the component does not declare.
pub fn check(declared: &[Setting], given: &[KeyValue]) -> Result<(), Vec<Violation>> {
    let wrong: Vec<_> = given
        .iter()
        .filter(|given| !declared.iter().any(|setting| setting.name == given.key))
        .map(|given| {
            let known: Vec<_> = declared
                .iter()
                .map(|setting| setting.name.as_str())
                .collect();
            invalid(
                format!("metadata.annotations[{SETTING_PREFIX}{}]", given.key),
                if known.is_empty() {
                    "is not known: the policy that serves this Gateway has no settings".to_owned()
                } else {
                    format!(
                        "is not known: the policy that serves this Gateway has {}",
                        known.join(", ")
                    )
                },
            )
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_setting_is_refused_and_the_known_ones_are_named() {
        let declared = [Setting {
            name: "ports".to_owned(),
            kind: "text".to_owned(),
            default_value: String::new(),
            help: "Ports.".to_owned(),
        }];
        let given = |key: &str| KeyValue {
            key: key.to_owned(),
            value: String::new(),
        };
        assert_eq!(check(&declared, &[given("ports")]), Ok(()));
        let wrong = check(&declared, &[given("port")]).unwrap_err();
        assert_eq!(
            wrong[0].field,
            "metadata.annotations[policy.networking.openfunction.io/port]"
        );
        assert!(wrong[0].message.ends_with("has ports"));
    }
}
