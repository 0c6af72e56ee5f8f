//! What a component says of itself.

use std::collections::BTreeSet;

use ofn_contract::Description;
use ofn_contract::dns::is_label;
use ofn_contract::labels::is_label_value;

use super::text::is_printable;
use super::{Broken, Rules};

const MOST_SETTINGS: usize = 64;
const MOST_CONTROLLER_NAMES: usize = 16;
/// Of a text of one line.
const LONGEST_LINE: usize = 1024;
/// Of a version, which is a part of every status.
const LONGEST_VERSION: usize = 128;

/// What a component says of itself.
pub fn description(description: Description) -> Result<Description, Broken> {
    let rules = Rules("describe");
    rules.must(is_label(&description.name), || {
        format!("the name {:?} is not a DNS label", description.name)
    })?;
    let version = &description.version;
    rules.must(
        version.len() <= LONGEST_VERSION && semver::Version::parse(version).is_ok(),
        || format!("the version {version:?} is not a semantic one"),
    )?;
    let names = &description.controller_names;
    rules.at_most(MOST_CONTROLLER_NAMES, names.len(), "controller names")?;
    for name in names {
        rules.must(
            (1..=253).contains(&name.len()) && is_printable(name),
            || format!("{name:?} is not the name of a controller"),
        )?;
    }
    rules.at_most(MOST_SETTINGS, description.settings.len(), "settings")?;
    let mut known = BTreeSet::new();
    for setting in &description.settings {
        rules.must(
            !setting.name.is_empty()
                && is_label_value(&setting.name)
                && known.insert(&setting.name),
            || {
                format!(
                    "setting {:?} is not the last part of an annotation key, or there twice",
                    setting.name
                )
            },
        )?;
        for text in [&setting.kind, &setting.default_value, &setting.help] {
            rules.must(text.len() <= LONGEST_LINE && is_printable(text), || {
                format!("setting {:?} has a text that is not one line", setting.name)
            })?;
        }
    }
    Ok(description)
}
