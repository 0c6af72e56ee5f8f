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

/// Makes a text show as what it is, on one line. For what a component may only have passed on: a vendor
/// or a user wrote it, and which characters show has been judged otherwise in earlier versions.
pub(super) fn make_printable(text: &mut String) {
    if !is_printable(text) {
        *text = text::printable(text);
    }
}

/// Reason and message of a condition or an event, made printable; a message may have several lines.
pub(super) fn vet_reason(
    rules: &Rules,
    reason: &mut String,
    message: &mut String,
) -> Result<(), Broken> {
    make_printable(reason);
    rules.at_most(LONGEST_REASON, reason.len(), "bytes of a reason")?;
    let shows = |char| text::is_printable(char) || matches!(char, '\n' | '\t');
    if !message.chars().all(shows) {
        *message = message.replace(|char| !shows(char), " ");
    }
    rules.at_most(LONGEST_MESSAGE, message.len(), "bytes of a message")
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
