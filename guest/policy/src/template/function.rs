//! The predefined functions: what Go's `text/template/funcs.go` does.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::LONGEST;
use super::printf::printf;
use super::value::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    And,
    Or,
    Not,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Len,
    Index,
    Slice,
    Print,
    Println,
    Printf,
    Html,
    Js,
    Urlquery,
}

const FUNCTIONS: [(&str, Function); 18] = [
    ("and", Function::And),
    ("or", Function::Or),
    ("not", Function::Not),
    ("eq", Function::Eq),
    ("ne", Function::Ne),
    ("lt", Function::Lt),
    ("le", Function::Le),
    ("gt", Function::Gt),
    ("ge", Function::Ge),
    ("len", Function::Len),
    ("index", Function::Index),
    ("slice", Function::Slice),
    ("print", Function::Print),
    ("println", Function::Println),
    ("printf", Function::Printf),
    ("html", Function::Html),
    ("js", Function::Js),
    ("urlquery", Function::Urlquery),
];

impl Function {
    pub fn named(name: &str) -> Option<Self> {
        FUNCTIONS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, function)| *function)
    }

    pub fn name(self) -> &'static str {
        FUNCTIONS
            .iter()
            .find(|(_, known)| *known == self)
            .map_or("", |(name, _)| *name)
    }

    /// Whether this many values may be given.
    pub fn takes(self, count: usize) -> bool {
        match self {
            Self::Print | Self::Println | Self::Html | Self::Js | Self::Urlquery => true,
            Self::And | Self::Or | Self::Index | Self::Printf => count >= 1,
            Self::Eq => count >= 2,
            Self::Slice => (1..=3).contains(&count),
            Self::Not | Self::Len => count == 1,
            Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge => count == 2,
        }
    }

    /// The result for `values`, of which there are as many as the function takes.
    pub fn call<'a>(self, values: &[Value<'a>]) -> Result<Value<'a>, String> {
        let compared = |is: fn(Ordering) -> bool| {
            values[0]
                .order(&values[1])
                .map(|order| Value::Bool(is(order)))
                .ok_or_else(|| incomparable(&values[0], &values[1]))
        };
        let text = match self {
            // The two choose while their operands are evaluated; what is left is the last one.
            Self::And | Self::Or => return Ok(values[values.len() - 1].clone()),
            Self::Not => return Ok(Value::Bool(!values[0].is_true())),
            Self::Eq => return equals(values).map(Value::Bool),
            Self::Ne => return equals(values).map(|equal| Value::Bool(!equal)),
            Self::Lt => return compared(Ordering::is_lt),
            Self::Le => return compared(Ordering::is_le),
            Self::Gt => return compared(Ordering::is_gt),
            Self::Ge => return compared(Ordering::is_ge),
            Self::Len => match &values[0] {
                Value::Text(text) => return Ok(Value::Int(length(text))),
                other => return Err(format!("len of {}", other.type_name())),
            },
            Self::Index => return index(values),
            Self::Slice => return slice(values),
            Self::Print => print(values)?,
            Self::Println => {
                let words: Result<Vec<_>, _> = values.iter().map(Value::printed).collect();
                words?.join(" ") + "\n"
            }
            Self::Printf => printf(values)?,
            Self::Html => html(&print(values)?),
            Self::Js => js(&print(values)?)?,
            Self::Urlquery => urlquery(&print(values)?),
        };
        if text.len() > LONGEST {
            return Err("the result is too long".to_owned());
        }
        Ok(Value::Text(Cow::Owned(text)))
    }
}

fn incomparable(one: &Value, other: &Value) -> String {
    format!(
        "{} and {} cannot be compared like this",
        one.type_name(),
        other.type_name()
    )
}

/// Whether the first value equals one of the others.
fn equals(values: &[Value]) -> Result<bool, String> {
    for other in &values[1..] {
        match values[0].equals(other) {
            Some(true) => return Ok(true),
            Some(false) => {}
            None => return Err(incomparable(&values[0], other)),
        }
    }
    Ok(false)
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

/// A place in a text of `length` bytes.
fn place(value: &Value, length: usize) -> Result<usize, String> {
    let int = value
        .int()
        .ok_or_else(|| format!("{} is not an index", value.type_name()))?;
    usize::try_from(int)
        .ok()
        .filter(|place| *place <= length)
        .ok_or_else(|| format!("index {int} is out of range"))
}

fn index<'a>(values: &[Value<'a>]) -> Result<Value<'a>, String> {
    match values {
        [Value::Nil, ..] => Err("index of nil".to_owned()),
        [value] => Ok(value.clone()),
        [Value::Text(text), at] => text
            .as_bytes()
            .get(place(at, text.len())?)
            .map(|byte| Value::Byte(*byte))
            .ok_or_else(|| format!("index {} is out of range", text.len())),
        [Value::Text(_), ..] => Err("uint8 has no index".to_owned()),
        _ => Err(format!("{} has no index", values[0].type_name())),
    }
}

fn slice<'a>(values: &[Value<'a>]) -> Result<Value<'a>, String> {
    let Value::Text(text) = &values[0] else {
        return Err(format!("slice of {}", values[0].type_name()));
    };
    let mut range = [0, text.len()];
    for (bound, value) in range.iter_mut().zip(&values[1..]) {
        *bound = place(value, text.len())?;
    }
    text.get(range[0]..range[1])
        .map(|part| Value::Text(Cow::Owned(part.to_owned())))
        .ok_or_else(|| format!("{}:{} is no slice of whole characters", range[0], range[1]))
}

/// Go's `fmt.Sprint`: a space only between two values of which none is a text.
fn print(values: &[Value]) -> Result<String, String> {
    let mut text = String::new();
    let mut after_text = true;
    for value in values {
        let is_text = matches!(value, Value::Text(_));
        if !is_text && !after_text {
            text.push(' ');
        }
        text.push_str(&value.printed()?);
        after_text = is_text;
    }
    Ok(text)
}

fn html(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        match char {
            '\0' => escaped.push('\u{fffd}'),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            char => escaped.push(char),
        }
    }
    escaped
}

fn js(text: &str) -> Result<String, String> {
    let mut escaped = String::new();
    for char in text.chars() {
        match char {
            '\\' | '\'' | '"' => escaped.extend(['\\', char]),
            '\0'..' ' | '<' | '>' | '&' | '=' => {
                escaped.push_str(&format!("\\u{:04X}", u32::from(char)));
            }
            '\0'..='\x7f' => escaped.push(char),
            _ => return Err(format!("js with {char:?} is not supported")),
        }
    }
    Ok(escaped)
}

fn urlquery(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(byte.into());
            }
            b' ' => escaped.push('+'),
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}
