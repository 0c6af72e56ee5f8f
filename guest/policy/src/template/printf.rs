//! `printf`: what Go's `fmt` does with texts, whole numbers and truth values.

use std::iter::{Peekable, repeat_n};
use std::str::Chars;

use super::LONGEST;
use super::value::Value;

/// Flags, width and precision of one verb.
#[derive(Default)]
struct Layout {
    minus: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// The first value is the format. What would make Go print an error text is an error.
pub(super) fn printf(values: &[Value]) -> Result<String, String> {
    let Some((Value::Text(format), arguments)) = values.split_first() else {
        return Err("the format of printf must be a text".to_owned());
    };
    let mut text = String::new();
    let mut chars = format.chars().peekable();
    let (mut next, mut reordered) = (0, false);
    while let Some(char) = chars.next() {
        if char != '%' {
            text.push(char);
            continue;
        }
        let layout = Layout::read(&mut chars)?;
        // The number of an argument, in brackets and from 1.
        if chars.next_if_eq(&'[').is_some() {
            let index = number(&mut chars)?;
            if index == 0 || index > arguments.len() || chars.next() != Some(']') {
                return Err("printf has a bad [number] in its format".to_owned());
            }
            (next, reordered) = (index - 1, true);
        }
        match chars.next() {
            None => return Err("printf has a % without a verb".to_owned()),
            Some('%') => text.push('%'),
            Some(verb) => {
                let value = arguments
                    .get(next)
                    .ok_or("printf has fewer values than its format asks for")?;
                next += 1;
                let piece = layout.format(verb, value)?.ok_or_else(|| {
                    let kind = value.type_name();
                    format!("printf with %{verb} of {kind} is not supported")
                })?;
                text.push_str(&piece);
            }
        }
        if text.len() > LONGEST {
            return Err("the result is too long".to_owned());
        }
    }
    // Go does not look for values left over once a format has chosen its own order.
    if next < arguments.len() && !reordered {
        return Err("printf has more values than its format asks for".to_owned());
    }
    Ok(text)
}

impl Layout {
    fn read(chars: &mut Peekable<Chars>) -> Result<Self, String> {
        let mut layout = Self::default();
        loop {
            match chars.peek() {
                Some('-') => layout.minus = true,
                Some('0') => layout.zero = true,
                _ => break,
            }
            chars.next();
        }
        layout.width = number(chars)?;
        if chars.next_if_eq(&'.').is_some() {
            layout.precision = Some(number(chars)?);
        }
        Ok(layout)
    }

    /// The value as the verb wants it, or none if the two do not fit.
    fn format(&self, verb: char, value: &Value) -> Result<Option<String>, String> {
        let text = match (verb, value) {
            ('s' | 'v', Value::Text(text)) => self.truncate(text),
            ('q', Value::Text(text)) => quote(&self.truncate(text))?,
            ('x' | 'X', Value::Text(text)) => {
                let bytes = text.bytes().take(self.precision.unwrap_or(usize::MAX));
                let hex: String = bytes.map(|byte| format!("{byte:02x}")).collect();
                upper_if(verb == 'X', hex)
            }
            ('T', Value::Bool(_) | Value::Int(_) | Value::Byte(_) | Value::Text(_)) => {
                self.truncate(value.type_name())
            }
            ('t' | 'v', Value::Bool(bool)) => bool.to_string(),
            ('c', value) => match value.int() {
                // Go prints U+FFFD for what is no character.
                Some(int) => u32::try_from(int)
                    .ok()
                    .and_then(char::from_u32)
                    .unwrap_or('\u{fffd}')
                    .to_string(),
                None => return Ok(None),
            },
            (verb, value) => match value.int().and_then(|int| self.int(verb, int)) {
                Some(digits) => return Ok(Some(self.pad(digits, ' '))),
                None => return Ok(None),
            },
        };
        Ok(Some(self.pad(text, if self.zero { '0' } else { ' ' })))
    }

    fn int(&self, verb: char, int: i64) -> Option<String> {
        let size = int.unsigned_abs();
        let digits = match verb {
            'd' | 'v' => size.to_string(),
            'x' | 'X' => upper_if(verb == 'X', format!("{size:x}")),
            'o' => format!("{size:o}"),
            'b' => format!("{size:b}"),
            _ => return None,
        };
        let sign = if int < 0 { "-" } else { "" };
        let wanted = match self.precision {
            // Precision 0 prints nothing for the value 0.
            Some(0) if int == 0 => return Some(String::new()),
            Some(precision) => precision,
            None if self.zero && !self.minus => self.width.saturating_sub(sign.len()),
            None => 0,
        };
        let zeros = "0".repeat(wanted.saturating_sub(digits.len()));
        Some(format!("{sign}{zeros}{digits}"))
    }

    fn truncate(&self, text: &str) -> String {
        let most = self.precision.unwrap_or(usize::MAX);
        text.chars().take(most).collect()
    }

    /// Padding on the right is always white space.
    fn pad(&self, text: String, with: char) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if self.minus {
            text.chars().chain(repeat_n(' ', missing)).collect()
        } else {
            repeat_n(with, missing).chain(text.chars()).collect()
        }
    }
}

fn number(chars: &mut Peekable<Chars>) -> Result<usize, String> {
    let mut number = 0;
    while let Some(digit) = chars.peek().and_then(|char| char.to_digit(10)) {
        number = number * 10 + digit as usize;
        if number > LONGEST {
            return Err("printf has too large a number in its format".to_owned());
        }
        chars.next();
    }
    Ok(number)
}

fn upper_if(upper: bool, mut hex: String) -> String {
    if upper {
        hex.make_ascii_uppercase();
    }
    hex
}

fn quote(text: &str) -> Result<String, String> {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            ' '..='~' => quoted.push(char),
            _ => return Err(format!("printf with %q of {char:?} is not supported")),
        }
    }
    quoted.push('"');
    Ok(quoted)
}
