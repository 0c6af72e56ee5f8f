//! The part of Go's text/template that host names and paths need.
//!
//! Actions, pipelines, variables, `if`, `with`, `range` over ints, `define`, `block` and
//! `template`, and the predefined functions without `call` give what Go gives. Everything else is
//! an [`Error`] that says where and what: never another text than Go's. Source: `text/template`
//! and `fmt` of Go 1.26.

mod exec;
mod function;
mod lex;
mod parse;
mod printf;
mod value;

use std::fmt;

/// How much may stand, or be executed, inside each other: it must not exhaust the stack.
const DEEPEST: usize = 100;

/// How many bytes a text may have: a constant, what a function gives, and the result.
const LONGEST: usize = 4096;

/// How many nodes, commands, operands and rounds of a `range` an execution may have.
const STEPS: usize = 10_000;

/// A template that was read without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    nodes: Vec<parse::Node>,
    defined: Vec<(String, Vec<parse::Node>)>,
}

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

/// An error at the character that has `at` characters before it.
fn error(at: usize, message: impl Into<String>) -> Error {
    Error {
        place: at + 1,
        message: message.into(),
    }
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (nodes, defined) = parse::parse(text)?;
        Ok(Self { nodes, defined })
    }

    /// The text for the fields in `data`, which must not be empty.
    pub fn evaluate(&self, data: &[(&str, &str)]) -> Result<String, Error> {
        exec::Execution::new(data, &self.defined).text(&self.nodes)
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
            ("{{if eq .Namespace `default`}}a{{else}}b{{end}}", "a"),
            ("{{with .Domain}}{{$.Name}}.{{.}}{{end}}", "hello.ofn.io"),
            ("{{range $i := 3}}{{$i}}{{end}}", "012"),
            ("{{$x := slice .Name 0 2}}{{$x}}", "he"),
            ("{{define `t`}}{{.}}{{end}}{{template `t` .Name}}", "hello"),
            ("{{printf `%05d%-3s%[1]x` 42 .Name}}", "00042hello2a"),
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
            ("{{.Name}", "at character 8: '}' cannot stand in a name"),
            (
                "ab{{.Name",
                "at character 3: the action has no end: write }}",
            ),
            ("{{}}", "at character 3: a value is missing"),
            ("{{.}}", "at character 3: the data cannot be printed"),
            (
                "{{.Name.X}}",
                "at character 3: .X of string: it has no fields",
            ),
            (
                "{{if .Name}}a",
                "at character 1: the {{end}} of this action is missing",
            ),
            ("a{{end}}", "at character 4: this end belongs to nothing"),
            ("{{$x}}", "at character 3: $x is not declared"),
            (
                "{{lower .Name}}",
                "at character 3: the function \"lower\" is not supported",
            ),
            ("{{1.5}}", "at character 3: 1.5 is not a whole number"),
            (
                "{{.Name | .Domain}}",
                "at character 11: only a function can take what is piped",
            ),
            (
                "{{.Name .Domain}}",
                "at character 3: a value cannot be given arguments",
            ),
            (
                "{{eq .Name 1}}",
                "at character 3: string and int cannot be compared like this",
            ),
            (
                "{{slice .Name 9}}",
                "at character 3: index 9 is out of range",
            ),
            (
                "{{printf \"%f\" .Name}}",
                "at character 3: printf with %f of string is not supported",
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
            ("{{\"a}}", "at character 7: the text in quotes has no end"),
            ("{{(.Name}}", "at character 9: a ) is missing"),
            ("{{.Name)}}", "at character 8: ')' cannot stand here"),
        ] {
            assert_eq!(evaluate(text), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_has_no_end_is_an_error_and_no_overflow() {
        let deep = format!(
            "{{{{{}.Name{}}}}}",
            "(".repeat(100_000),
            ")".repeat(100_000)
        );
        for (text, expected) in [
            (deep.as_str(), "too much inside each other"),
            (
                &"{{if .Name}}".repeat(100_000),
                "too much inside each other",
            ),
            (
                "{{define `t`}}{{template `t`}}{{end}}{{template `t`}}",
                "too much inside each other",
            ),
            (
                "{{range 9223372036854775807}}{{end}}",
                "the template takes too many steps",
            ),
            (
                "{{$x := .Name}}{{range 99}}{{$x = print $x $x}}{{end}}",
                "the result is too long",
            ),
            ("{{range 9999}}{{.}}{{end}}", "the result is too long"),
        ] {
            assert!(evaluate(text).unwrap_err().ends_with(expected));
        }
    }
}
