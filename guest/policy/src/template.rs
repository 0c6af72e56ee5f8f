//! The part of Go's text/template that host names and paths need.
//!
//! Text, fields, string constants, pipelines, parentheses, `print`, `printf` with `%s` and `%v`,
//! comments and trim markers give what Go gives. Everything else is an [`Error`] that says where
//! and what: never another text than Go's. Source: the documentation of Go's `text/template`.

use std::fmt;

/// A template that was read without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Node>);

/// Why a template cannot be used, and where: the place counts characters from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    place: usize,
    message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.place, self.message)
    }
}

impl std::error::Error for Error {}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Text(String),
    Action(Pipeline),
}

/// Commands, each with its place in the text; each gets the result of the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pipeline(Vec<Command>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Command {
    place: usize,
    function: Option<Function>,
    operands: Vec<Operand>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Print,
    Printf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operand {
    Field { place: usize, name: String },
    Text(String),
    Group(Pipeline),
}

/// A group in a group in a group … must not exhaust the stack.
const DEEPEST: usize = 32;

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let chars: Vec<char> = text.chars().collect();
        let mut nodes = Vec::new();
        let mut at = 0;
        let mut trim_next = false;
        loop {
            let open = find(&chars, at, "{{");
            let mut piece = &chars[at..open.unwrap_or(chars.len())];
            if trim_next {
                piece = trim_start(piece);
            }
            let Some(open) = open else {
                push_text(&mut nodes, piece);
                return Ok(Self(nodes));
            };
            let mut scanner = Scanner {
                chars: &chars,
                at: open + 2,
            };
            // A trim marker is a '-' with white space on its inner side.
            if scanner.peek() == Some('-') && scanner.peek_at(1).is_some_and(is_space) {
                piece = trim_end(piece);
                scanner.at += 2;
            }
            push_text(&mut nodes, piece);
            if !scanner.comment()? {
                nodes.push(Node::Action(scanner.pipeline(0, open)?));
            }
            trim_next = scanner.close(open)?;
            at = scanner.at;
        }
    }

    /// The text for the fields in `data`, which must not be empty.
    pub fn evaluate(&self, data: &[(&str, &str)]) -> Result<String, Error> {
        let mut text = String::new();
        for node in &self.0 {
            match node {
                Node::Text(literal) => text.push_str(literal),
                Node::Action(pipeline) => text.push_str(&pipeline.evaluate(data)?),
            }
        }
        Ok(text)
    }
}

impl Pipeline {
    fn evaluate(&self, data: &[(&str, &str)]) -> Result<String, Error> {
        let mut piped: Option<String> = None;
        for command in &self.0 {
            let mut values = command
                .operands
                .iter()
                .map(|operand| operand.evaluate(data))
                .collect::<Result<Vec<_>, _>>()?;
            values.extend(piped.take());
            piped = Some(match command.function {
                None | Some(Function::Print) => values.concat(),
                Some(Function::Printf) => printf(command.place, &values)?,
            });
        }
        Ok(piped.unwrap_or_default())
    }
}

impl Operand {
    fn evaluate(&self, data: &[(&str, &str)]) -> Result<String, Error> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Group(pipeline) => pipeline.evaluate(data),
            Self::Field { place, name } => data
                .iter()
                .find(|(field, _)| field == name)
                .map(|(_, value)| (*value).to_owned())
                .ok_or_else(|| {
                    let known: Vec<_> = data.iter().map(|(field, _)| format!(".{field}")).collect();
                    error(
                        *place,
                        format!(".{name} is not known here: use {}", known.join(", ")),
                    )
                }),
        }
    }
}

fn printf(place: usize, values: &[String]) -> Result<String, Error> {
    let Some((format, mut arguments)) = values.split_first() else {
        return Err(error(place, "printf needs a format"));
    };
    let mut text = String::new();
    let mut chars = format.chars();
    while let Some(char) = chars.next() {
        match (char, if char == '%' { chars.next() } else { None }) {
            ('%', Some('%')) => text.push('%'),
            ('%', Some('s' | 'v')) => {
                let Some((first, others)) = arguments.split_first() else {
                    return Err(error(
                        place,
                        "printf has fewer values than its format asks for",
                    ));
                };
                text.push_str(first);
                arguments = others;
            }
            ('%', verb) => {
                let verb = verb.map(String::from).unwrap_or_default();
                return Err(error(
                    place,
                    format!("printf is supported with %s, %v and %%, not with %{verb}"),
                ));
            }
            (char, _) => text.push(char),
        }
    }
    if arguments.is_empty() {
        Ok(text)
    } else {
        Err(error(
            place,
            "printf has more values than its format asks for",
        ))
    }
}

/// Reads the inside of an action.
struct Scanner<'a> {
    chars: &'a [char],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<char> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn looking_at(&self, text: &str) -> bool {
        text.chars()
            .enumerate()
            .all(|(ahead, char)| self.peek_at(ahead) == Some(char))
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn error(&self, message: impl Into<String>) -> Error {
        error(self.at, message)
    }

    /// Skips a comment, which fills its whole action.
    fn comment(&mut self) -> Result<bool, Error> {
        if !self.looking_at("/*") {
            return Ok(false);
        }
        match find(self.chars, self.at + 2, "*/") {
            Some(end) => {
                self.at = end + 2;
                if self.looking_at("}}") || self.trims_next() {
                    Ok(true)
                } else {
                    Err(self.error("a comment must end right before }}"))
                }
            }
            None => Err(self.error("the comment has no end: write */}}")),
        }
    }

    fn trims_next(&self) -> bool {
        self.peek().is_some_and(is_space) && self.peek_at(1) == Some('-') && {
            self.peek_at(2) == Some('}') && self.peek_at(3) == Some('}')
        }
    }

    /// The end of an action. Tells whether the text after it is trimmed.
    fn close(&mut self, open: usize) -> Result<bool, Error> {
        while self.peek().is_some_and(is_space) && !self.trims_next() {
            self.at += 1;
        }
        if self.trims_next() {
            self.at += 4;
            Ok(true)
        } else if self.looking_at("}}") {
            self.at += 2;
            Ok(false)
        } else if self.peek().is_none() {
            Err(error(open, "the action has no end: write }}"))
        } else {
            Err(self.unsupported())
        }
    }

    fn pipeline(&mut self, depth: usize, open: usize) -> Result<Pipeline, Error> {
        if depth > DEEPEST {
            return Err(self.error("too many parentheses inside each other"));
        }
        let mut commands = Vec::new();
        loop {
            let command = self.command(depth, open)?;
            let piped = !commands.is_empty();
            if piped && command.function.is_none() {
                return Err(error(
                    command.place,
                    "only print and printf can take what stands before the |",
                ));
            }
            if command.function.is_none() && command.operands.len() > 1 {
                return Err(error(command.place, "a value cannot be given arguments"));
            }
            commands.push(command);
            self.skip_space_before_end();
            if self.peek() != Some('|') {
                return Ok(Pipeline(commands));
            }
            self.at += 1;
        }
    }

    fn skip_space_before_end(&mut self) {
        while self.peek().is_some_and(is_space) && !self.trims_next() {
            self.at += 1;
        }
    }

    fn command(&mut self, depth: usize, open: usize) -> Result<Command, Error> {
        self.skip_space_before_end();
        let place = self.at;
        let mut function = None;
        let mut operands = Vec::new();
        let mut separated = true;
        loop {
            let Some(char) = self.peek() else {
                return Err(error(open, "the action has no end: write }}"));
            };
            if self.trims_next() || self.looking_at("}}") || matches!(char, '|' | ')') {
                break;
            }
            if is_space(char) {
                self.at += 1;
                separated = true;
                continue;
            }
            if !separated {
                return Err(self.unsupported());
            }
            separated = false;
            let first = function.is_none() && operands.is_empty();
            match char {
                '.' => operands.push(self.field()?),
                '"' => operands.push(Operand::Text(self.quoted()?)),
                '`' => operands.push(Operand::Text(self.raw()?)),
                '(' => {
                    self.at += 1;
                    let group = self.pipeline(depth + 1, open)?;
                    self.skip_space();
                    if self.peek() != Some(')') {
                        return Err(self.error("a ) is missing"));
                    }
                    self.at += 1;
                    operands.push(Operand::Group(group));
                }
                _ if first => function = Some(self.function()?),
                _ => return Err(self.unsupported()),
            }
        }
        if function.is_none() && operands.is_empty() {
            return Err(error(place, "a value is missing"));
        }
        Ok(Command {
            place,
            function,
            operands,
        })
    }

    fn word(&self) -> String {
        self.chars[self.at..]
            .iter()
            .take_while(|char| char.is_alphanumeric() || **char == '_')
            .collect()
    }

    fn field(&mut self) -> Result<Operand, Error> {
        let place = self.at;
        self.at += 1;
        let name = self.word();
        if name.is_empty() {
            return Err(error(place, "a . must be followed by the name of a field"));
        }
        self.at += name.chars().count();
        if self.peek() == Some('.') {
            return Err(self.error(format!(".{name} is a text and has no fields")));
        }
        Ok(Operand::Field { place, name })
    }

    fn function(&mut self) -> Result<Function, Error> {
        let word = self.word();
        let function = match word.as_str() {
            "print" => Function::Print,
            "printf" => Function::Printf,
            _ => return Err(self.unsupported()),
        };
        self.at += word.len();
        Ok(function)
    }

    fn unsupported(&self) -> Error {
        let word = self.word();
        let what = if word.is_empty() {
            self.peek().map(String::from).unwrap_or_default()
        } else {
            word
        };
        self.error(format!(
            "{what:?} is not supported: use fields, texts in quotes, print and printf"
        ))
    }

    fn raw(&mut self) -> Result<String, Error> {
        let start = self.at + 1;
        let end = find(self.chars, start, "`")
            .ok_or_else(|| self.error("the text in back quotes has no end"))?;
        self.at = end + 1;
        // Go drops carriage returns from raw strings.
        Ok(self.chars[start..end]
            .iter()
            .filter(|char| **char != '\r')
            .collect())
    }

    fn quoted(&mut self) -> Result<String, Error> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let char = self.peek();
            self.at += 1;
            match char {
                Some('"') => return Ok(text),
                Some('\\') => {
                    let escaped = match self.peek() {
                        Some('n') => '\n',
                        Some('t') => '\t',
                        Some('r') => '\r',
                        Some(same @ ('"' | '\\')) => same,
                        _ => return Err(error(self.at - 1, "this escape is not supported")),
                    };
                    self.at += 1;
                    text.push(escaped);
                }
                None | Some('\n') => return Err(error(start, "the text in quotes has no end")),
                Some(char) => text.push(char),
            }
        }
    }
}

fn error(at: usize, message: impl Into<String>) -> Error {
    Error {
        place: at + 1,
        message: message.into(),
    }
}

fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\r' | '\n')
}

fn find(chars: &[char], from: usize, text: &str) -> Option<usize> {
    let wanted: Vec<char> = text.chars().collect();
    (from..chars.len()).find(|at| chars[*at..].starts_with(&wanted))
}

fn trim_start(mut piece: &[char]) -> &[char] {
    while let [first, rest @ ..] = piece
        && is_space(*first)
    {
        piece = rest;
    }
    piece
}

fn trim_end(mut piece: &[char]) -> &[char] {
    while let [rest @ .., last] = piece
        && is_space(*last)
    {
        piece = rest;
    }
    piece
}

fn push_text(nodes: &mut Vec<Node>, piece: &[char]) {
    if !piece.is_empty() {
        nodes.push(Node::Text(piece.iter().collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: [(&str, &str); 3] = [
        ("Name", "hello"),
        ("Namespace", "default"),
        ("Domain", "ofn.io"),
    ];

    fn evaluate(text: &str) -> Result<String, String> {
        Template::parse(text)
            .and_then(|template| template.evaluate(&DATA))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_supported_part_gives_what_go_gives() {
        for (text, expected) in [
            (
                "{{.Name}}.{{.Namespace}}.{{.Domain}}",
                "hello.default.ofn.io",
            ),
            ("{{ .Namespace }}/{{ .Name }}", "default/hello"),
            ("a  {{- .Name -}}  b", "ahellob"),
            ("a{{/* a note */}}b", "ab"),
            ("a {{- /* a note */ -}} b", "ab"),
            ("{{\"x-\"}}{{`y`}}", "x-y"),
            ("{{printf \"%s-%v%%\" .Name .Namespace}}", "hello-default%"),
            ("{{.Name | printf \"%s-%s\" .Namespace}}", "default-hello"),
            ("{{print .Name (print \"-\" .Namespace)}}", "hello-default"),
            ("{{.Name | print | print \"a\"}}", "ahello"),
            ("}} is text", "}} is text"),
            ("{{ (.Name) }}", "hello"),
            ("", ""),
        ] {
            assert_eq!(evaluate(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn everything_else_is_an_error_that_names_the_place() {
        for (text, expected) in [
            (
                "{{.Nme}}",
                "at character 3: .Nme is not known here: use .Name, .Namespace, .Domain",
            ),
            (
                "{{.Name}",
                "at character 8: \"}\" is not supported: use fields, texts in quotes, print and printf",
            ),
            (
                "ab{{.Name",
                "at character 3: the action has no end: write }}",
            ),
            ("{{}}", "at character 3: a value is missing"),
            (
                "{{.}}",
                "at character 3: a . must be followed by the name of a field",
            ),
            (
                "{{.Name.X}}",
                "at character 8: .Name is a text and has no fields",
            ),
            (
                "{{if .Name}}a{{end}}",
                "at character 3: \"if\" is not supported: use fields, texts in quotes, print and printf",
            ),
            (
                "{{.Name | .Domain}}",
                "at character 11: only print and printf can take what stands before the |",
            ),
            (
                "{{.Name .Domain}}",
                "at character 3: a value cannot be given arguments",
            ),
            (
                "{{printf \"%q\" .Name}}",
                "at character 3: printf is supported with %s, %v and %%, not with %q",
            ),
            (
                "{{printf \"%s\"}}",
                "at character 3: printf has fewer values than its format asks for",
            ),
            (
                "{{printf \"x\" .Name}}",
                "at character 3: printf has more values than its format asks for",
            ),
            (
                "{{/* a */ }}",
                "at character 10: a comment must end right before }}",
            ),
            ("{{\"a}}", "at character 3: the text in quotes has no end"),
            ("{{(.Name}}", "at character 9: a ) is missing"),
            (
                "{{.Name)}}",
                "at character 8: \")\" is not supported: use fields, texts in quotes, print and printf",
            ),
        ] {
            assert_eq!(evaluate(text), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn deep_parentheses_are_an_error_and_no_overflow() {
        let deep = format!(
            "{{{{{}.Name{}}}}}",
            "(".repeat(100_000),
            ")".repeat(100_000)
        );
        assert!(
            evaluate(&deep)
                .unwrap_err()
                .ends_with("too many parentheses inside each other")
        );
    }
}
