//! What a component says that the user did wrong.

use ofn_contract::Violation;
use ofn_contract::text::cut;

use super::text::make_printable;
use super::{Broken, Rules};

/// More than a user mends at once.
const MOST_VIOLATIONS: usize = 64;
/// Of each text, in bytes; a text that quotes what the user wrote may be as long as that.
const LONGEST_TEXT: usize = 1024;

/// Violations, as the answer of a function. Too many, and too long ones, are cut, and what does not
/// show becomes a space: what the user wrote may be the reason.
pub fn violations(
    function: &'static str,
    mut violations: Vec<Violation>,
) -> Result<Vec<Violation>, Broken> {
    let rules = Rules(function);
    rules.must(!violations.is_empty(), || {
        "it is an error without a violation".to_owned()
    })?;
    violations.truncate(MOST_VIOLATIONS);
    for violation in &mut violations {
        let Violation {
            field,
            reason,
            message,
        } = violation;
        for text in [field, reason, message] {
            make_printable(text);
            *text = cut(std::mem::take(text), LONGEST_TEXT);
        }
    }
    Ok(violations)
}
