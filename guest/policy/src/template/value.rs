//! The values of a template: as many of Go's types as a host name needs.

use std::borrow::Cow;
use std::cmp::Ordering;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Nil,
    /// What the template is executed with.
    Data,
    Bool(bool),
    Int(i64),
    /// Go's `uint8`: what `index` gives for a text.
    Byte(u8),
    Text(Cow<'a, str>),
}

impl Value<'static> {
    /// The same value, with a text that is not copied.
    pub fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(Cow::Borrowed(text)),
            other => other.clone(),
        }
    }
}

impl Value<'_> {
    /// Go's name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Data => "the data",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Byte(_) => "uint8",
            Self::Text(_) => "string",
        }
    }

    /// Not the zero of its type.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Data => true,
            Self::Bool(bool) => *bool,
            Self::Int(int) => *int != 0,
            Self::Byte(byte) => *byte != 0,
            Self::Text(text) => !text.is_empty(),
        }
    }

    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            Self::Byte(byte) => Some((*byte).into()),
            _ => None,
        }
    }

    /// What `%v` gives, if that may be printed at all.
    pub fn printed(&self) -> Result<Cow<'_, str>, String> {
        match self {
            Self::Text(text) => Ok(Cow::Borrowed(text)),
            Self::Bool(bool) => Ok(Cow::Borrowed(if *bool { "true" } else { "false" })),
            Self::Int(_) | Self::Byte(_) => {
                Ok(Cow::Owned(self.int().unwrap_or_default().to_string()))
            }
            Self::Nil | Self::Data => Err(format!("{} cannot be printed", self.type_name())),
        }
    }

    /// Go's `eq`; none for values that cannot be compared.
    pub fn equals(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::Nil, other) | (other, Self::Nil) => Some(*other == Value::Nil),
            (Self::Bool(one), Self::Bool(other)) => Some(one == other),
            _ => Some(self.order(other)? == Ordering::Equal),
        }
    }

    /// Go's `lt` and its kin; none for values that have no order.
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => Some(one.as_bytes().cmp(other.as_bytes())),
            _ => Some(self.int()?.cmp(&other.int()?)),
        }
    }
}
