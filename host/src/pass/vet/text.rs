//! Texts that Kubernetes takes and a terminal can show.

use ofn_contract::labels::{is_label_key, is_label_value};
use ofn_contract::{KeyValue, text};

use super::{Broken, Rules};

/// Kubernetes' own limit for the message of a condition.
const LONGEST_MESSAGE: usize = 32768;
/// Kubernetes' own limit for the reason of a condition.
const LONGEST_REASON: usize = 1024;
/// Of all annotations of an object together Kubernetes takes 256 KiB. A component may use a quarter.
const MOST_ANNOTATIONS: usize = 64 << 10;

/// Whether a terminal shows a text as what it is, on one line.
pub(super) fn is_printable(text: &str) -> bool {
    text.chars().all(text::is_printable)
}

/// Reason and message of a condition or an event.
pub(super) fn check_reason(rules: &Rules, reason: &str, message: &str) -> Result<(), Broken> {
    rules.must(
        reason.len() <= LONGEST_REASON && is_printable(reason),
        || "a reason is too long or not printable".to_owned(),
    )?;
    rules.must(
        message.len() <= LONGEST_MESSAGE
            && message
                .chars()
                .all(|char| text::is_printable(char) || matches!(char, '\n' | '\t')),
        || "a message is too long or not printable".to_owned(),
    )
}

pub(super) fn check_labels(rules: &Rules, labels: &[KeyValue]) -> Result<(), Broken> {
    labels.iter().try_for_each(|label| {
        rules.must(
            is_label_key(&label.key) && is_label_value(&label.value),
            || format!("{:?} is not a label", label.key),
        )
    })
}

pub(super) fn check_annotations(rules: &Rules, annotations: &[KeyValue]) -> Result<(), Broken> {
    for annotation in annotations {
        // Kubernetes checks the name without regard to case.
        rules.must(is_label_key(&annotation.key.to_ascii_lowercase()), || {
            format!("{:?} is not an annotation", annotation.key)
        })?;
    }
    let size = |annotation: &KeyValue| annotation.key.len() + annotation.value.len();
    rules.at_most(
        MOST_ANNOTATIONS,
        annotations.iter().map(size).sum(),
        "bytes of annotations",
    )
}
