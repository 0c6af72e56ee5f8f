//! Making [`Violation`]s, in the terms that Kubernetes uses for the causes of a refusal.

use ofn_contract::Violation;

/// A field that must be there is not.
pub fn required(field: impl Into<String>, message: impl Into<String>) -> Violation {
    violation(field, "FieldValueRequired", message)
}

/// A field has a value that cannot be.
pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Violation {
    violation(field, "FieldValueInvalid", message)
}

/// Two entries of a list have the same key.
pub fn duplicate(field: impl Into<String>, message: impl Into<String>) -> Violation {
    violation(field, "FieldValueDuplicate", message)
}

/// A list has more entries than it may have.
pub fn too_many(field: impl Into<String>, message: impl Into<String>) -> Violation {
    violation(field, "FieldValueTooMany", message)
}

fn violation(field: impl Into<String>, reason: &str, message: impl Into<String>) -> Violation {
    Violation {
        field: field.into(),
        reason: reason.to_owned(),
        message: message.into(),
    }
}
