//! Settings that users give a component by annotations.
//!
//! A component declares each one once, with its type:
//!
//! ```
//! # use ofn_policy::settings::{Name, Setting};
//! const CERTIFICATE: Setting<Option<Name>> = Setting {
//!     name: "certificate",
//!     default: || None,
//!     help: "The Secret of listeners that name none.",
//! };
//! ```
//!
//! lists it in [`About::settings`](crate::About::settings) and reads it with [`Setting::get`]. A
//! value that cannot be, or a setting that is not declared, is a violation before anything is
//! decided.

use ofn_contract::dns::is_subdomain;
use ofn_contract::{KeyValue, Observation, Violation};

use crate::About;
use crate::violation::{invalid, required};

/// Prefix of the annotation of a setting.
pub const SETTING_PREFIX: &str = "policy.networking.openfunction.io/";

/// What a setting may hold.
pub trait Value: Sized {
    /// What a value looks like, for a person: `true or false`, `a port`.
    const KIND: &'static str;

    /// Reads a value, or says what is wrong with it in words that follow the value.
    fn parse(text: &str) -> Result<Self, String>;

    /// As a user writes it.
    fn text(&self) -> String;
}

/// A setting of a component: `policy.networking.openfunction.io/<name>: <value>`.
pub struct Setting<T> {
    /// The last part of the annotation's key.
    pub name: &'static str,
    /// What holds where the annotation is absent.
    pub default: fn() -> T,
    /// One line.
    pub help: &'static str,
}

impl<T: Value> Setting<T> {
    /// As the user set it. The default stands in for a wrong value too: nothing is written then,
    /// because [`check`] comes first, but a status is made.
    pub fn get(&self, seen: &Observation) -> T {
        seen.settings
            .iter()
            .find(|given| given.key == self.name)
            .and_then(|given| T::parse(&given.value).ok())
            .unwrap_or_else(self.default)
    }

    /// What holds now, as a user writes it.
    pub fn text(&self, seen: &Observation) -> String {
        self.get(seen).text()
    }

    /// The key of its annotation.
    pub fn annotation(&self) -> String {
        format!("{SETTING_PREFIX}{}", self.name)
    }

    /// The violation of one who must set it and did not.
    pub fn missing(&self, why: &str) -> Violation {
        required(field(self.name), format!("{why}: write {}", T::KIND))
    }
}

/// A setting, whatever it holds.
pub trait Declared: Sync {
    /// As the contract has it.
    fn declare(&self) -> ofn_contract::Setting;

    /// What is wrong with a value.
    fn check(&self, value: &str) -> Result<(), String>;
}

impl<T: Value> Declared for Setting<T> {
    fn declare(&self) -> ofn_contract::Setting {
        ofn_contract::Setting {
            name: self.name.to_owned(),
            kind: T::KIND.to_owned(),
            default_value: (self.default)().text(),
            help: self.help.to_owned(),
        }
    }

    fn check(&self, value: &str) -> Result<(), String> {
        T::parse(value)
            .map(drop)
            .map_err(|wrong| format!("{value:?} {wrong}: write {}", T::KIND))
    }
}

/// Refuses settings that the component does not declare, and values that they cannot have.
pub fn check(about: &About, given: &[KeyValue]) -> Result<(), Vec<Violation>> {
    let declared = about.settings;
    let names: Vec<String> = declared
        .iter()
        .map(|setting| setting.declare().name)
        .collect();
    let wrong: Vec<_> = given
        .iter()
        .filter_map(|given| {
            let message = match names.iter().position(|name| *name == given.key) {
                Some(index) => declared[index].check(&given.value).err()?,
                None if names.is_empty() => format!(
                    "is not known: remove it, as policy {}, which serves this Gateway, has no \
                     settings",
                    about.name
                ),
                None => format!(
                    "is not known: remove it, or write one that policy {}, which serves this \
                     Gateway, has: {}",
                    about.name,
                    names.join(", ")
                ),
            };
            Some(invalid(field(&given.key), message))
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

fn field(name: &str) -> String {
    format!("metadata.annotations[{SETTING_PREFIX}{name}]")
}

/// The name of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for Name {
    const KIND: &'static str = "the name of an object";

    fn parse(text: &str) -> Result<Self, String> {
        if is_subdomain(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err("is not one".to_owned())
        }
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

/// A port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(pub u16);

impl Value for Port {
    const KIND: &'static str = "a port from 1 to 65535";

    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(port) if port > 0 => Ok(Self(port)),
            _ => Err("is none".to_owned()),
        }
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

impl Value for bool {
    const KIND: &'static str = "true or false";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "is neither".to_owned())
    }

    fn text(&self) -> String {
        if *self { "true" } else { "false" }.to_owned()
    }
}

/// A value, or nothing where the text is empty.
impl<T: Value> Value for Option<T> {
    const KIND: &'static str = T::KIND;

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Ok(None)
        } else {
            T::parse(text).map(Some)
        }
    }

    fn text(&self) -> String {
        self.as_ref().map(Value::text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: Setting<Option<Name>> = Setting {
        name: "certificate",
        default: || None,
        help: "A Secret.",
    };

    fn given(key: &str, value: &str) -> KeyValue {
        KeyValue {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    fn about(settings: &'static [&'static dyn Declared]) -> About {
        About {
            name: "acme",
            version: "0.1.0",
            controller_names: &[],
            settings,
        }
    }

    fn wrong(
        declared: &'static [&'static dyn Declared],
        key: &str,
        value: &str,
    ) -> (String, String) {
        let wrong = check(&about(declared), &[given(key, value)]).unwrap_err();
        (wrong[0].field.clone(), wrong[0].message.clone())
    }

    #[test]
    fn an_unknown_setting_is_refused_and_the_known_ones_are_named() {
        let (field, message) = wrong(&[&CERTIFICATE], "certificates", "");
        assert_eq!(
            field,
            "metadata.annotations[policy.networking.openfunction.io/certificates]"
        );
        assert_eq!(
            message,
            "is not known: remove it, or write one that policy acme, which serves this Gateway, has: \
             certificate"
        );
        let (_, message) = wrong(&[], "certificate", "");
        assert_eq!(
            message,
            "is not known: remove it, as policy acme, which serves this Gateway, has no settings"
        );
    }

    #[test]
    fn a_value_of_another_kind_is_refused_with_what_to_write() {
        assert_eq!(
            wrong(&[&CERTIFICATE], "certificate", "no name"),
            (
                "metadata.annotations[policy.networking.openfunction.io/certificate]".to_owned(),
                "\"no name\" is not one: write the name of an object".to_owned()
            )
        );
    }

    #[test]
    fn values_of_the_declared_kind_are_taken() {
        for value in ["", "mine", "mine.example"] {
            assert_eq!(
                check(&about(&[&CERTIFICATE]), &[given("certificate", value)]),
                Ok(())
            );
        }
    }

    #[test]
    fn a_port_is_between_1_and_65535() {
        for (text, port) in [("1", 1), ("65535", 65535)] {
            assert_eq!(Port::parse(text), Ok(Port(port)));
        }
        for text in ["0", "65536", "-1", "web", "80 "] {
            assert!(Port::parse(text).is_err(), "{text:?}");
        }
    }
}
