//! The templates of the policy against those of Go, which must be installed.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use ofn_contract::dns::is_hostname;
use ofn_policy::template::Template;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

const CORPUS: &str = include_str!("../../../tests/templates/corpus.json");

/// How many templates are put together at random.
const GENERATED: usize = 4000;

fn corpus() -> Vec<String> {
    serde_json::from_str(CORPUS).expect("the corpus is a JSON list of texts")
}

/// What Go gives for each template and each of its data.
struct Result {
    template: String,
    data: Vec<(String, String)>,
    text: std::result::Result<String, String>,
}

impl Result {
    /// Whether this is of the first data: a plain name and a domain.
    fn is_first(&self) -> bool {
        let has =
            |field: &str, value: &str| self.data.contains(&(field.to_owned(), value.to_owned()));
        has("Name", "hello") && has("Domain", "ofn.io")
    }

    fn ours(&self) -> std::result::Result<String, String> {
        let data: Vec<_> = self
            .data
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        Template::parse(&self.template)
            .and_then(|template| template.evaluate(&data))
            .map_err(|error| error.to_string())
    }
}

fn go(templates: &[String]) -> Vec<Result> {
    let mut child = Command::new("go")
        .args(["run", "."])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/templates"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Go must be installed: the templates are compared with what it gives");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let input = serde_json::to_vec(templates).expect("texts are JSON");
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("go can be waited for");
    assert!(output.status.success(), "go run failed: see above");
    writer
        .join()
        .expect("the writer does not panic")
        .expect("go reads all templates");
    let results: Vec<Value> = serde_json::from_slice(&output.stdout).expect("Go prints JSON");
    results.iter().map(result).collect()
}

fn result(json: &Value) -> Result {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Result {
        template: text(&json["template"]).expect("a template is a text"),
        data: json["data"]
            .as_object()
            .expect("data have fields")
            .iter()
            .map(|(name, value)| (name.clone(), text(value).expect("a field is a text")))
            .collect(),
        text: text(&json["text"]).ok_or_else(|| text(&json["error"]).unwrap_or_default()),
    }
}

/// Asserts what holds for every template, and prints how many that are of use are accepted.
fn compare(results: &[Result]) -> f64 {
    let (mut useful, mut accepted) = (0_u32, 0_u32);
    let (mut texts, mut same) = (0_u32, 0_u32);
    let mut wrong = Vec::new();
    for result in results {
        let ours = result.ours();
        let is_host = result.is_first() && result.text.as_deref().is_ok_and(is_hostname);
        useful += u32::from(is_host);
        accepted += u32::from(is_host && ours.is_ok());
        texts += u32::from(result.text.is_ok());
        same += u32::from(result.text.is_ok() && ours.is_ok());
        match &ours {
            Ok(text) if result.text.as_ref() == Ok(text) => {}
            Err(message) if message.starts_with("at character ") => {
                if is_host {
                    println!("refused: {:?}: {message}", result.template);
                }
            }
            _ => wrong.push(format!(
                "{:?}\n  Go:   {:?}\n  ours: {ours:?}",
                result.template, result.text
            )),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ from Go, or name no place:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(30)].join("\n")
    );
    let share = f64::from(accepted) / f64::from(useful);
    println!(
        "{accepted} of {useful} host names accepted: {:.1} %",
        100.0 * share
    );
    println!("{same} of {texts} texts of Go given");
    share
}

#[test]
fn the_corpus_gives_what_go_gives_and_at_least_nine_in_ten_host_names() {
    let corpus = corpus();
    assert!(corpus.len() >= 350, "only {} templates", corpus.len());
    let share = compare(&go(&corpus));
    assert!(share >= 0.9, "only {:.1} % are accepted", 100.0 * share);
}

#[test]
fn random_templates_give_what_go_gives() {
    let mut writer = Writer { random: 1 };
    let templates: Vec<_> = (0..GENERATED).map(|_| writer.template()).collect();
    compare(&go(&templates));
}

/// Writes templates, most of them valid ones, always the same.
struct Writer {
    random: u64,
}

impl Writer {
    fn below(&mut self, end: usize) -> usize {
        // Xorshift.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % end as u64).expect("less than a usize")
    }

    fn one_of(&mut self, of: &[&str]) -> String {
        of[self.below(of.len())].to_owned()
    }

    fn template(&mut self) -> String {
        let mut text = self.nodes(3);
        // Now and then something is missing, doubled or strange.
        if self.below(4) == 0 {
            let at = self.below(text.len() + 1);
            if text.is_char_boundary(at) {
                let piece = self.one_of(&[
                    " ",
                    "-",
                    "{{",
                    "}}",
                    "\"",
                    "|",
                    "(",
                    ")",
                    ".",
                    "$",
                    "0",
                    "'",
                    "%",
                    "\\",
                    ",",
                    " -}}",
                    "{{- ",
                    "é",
                    "\n",
                    "e",
                    "=",
                    ":=",
                    "{{end}}",
                    "{{else}}",
                    "{{break}}",
                ]);
                text.insert_str(at, &piece);
            }
        } else if self.below(6) == 0 && !text.is_empty() {
            let at = self.below(text.len());
            if text.is_char_boundary(at) {
                text.remove(at);
            }
        }
        text
    }

    fn nodes(&mut self, depth: usize) -> String {
        (0..=self.below(3)).map(|_| self.node(depth)).collect()
    }

    fn action(&mut self, inside: &str) -> String {
        let open = self.one_of(&["{{", "{{", "{{", "{{ ", "{{- "]);
        let close = self.one_of(&["}}", "}}", "}}", " }}", " -}}"]);
        format!("{open}{inside}{close}")
    }

    fn node(&mut self, depth: usize) -> String {
        if depth == 0 || self.below(3) == 0 {
            return match self.below(3) {
                0 => self.one_of(&["a", ".", "-", " b ", "\n", "}}", "{", "é"]),
                _ => {
                    let pipeline = self.pipeline(2);
                    self.action(&pipeline)
                }
            };
        }
        let pipeline = self.pipeline(depth);
        let (body, other) = (self.nodes(depth - 1), self.nodes(depth - 1));
        let end = self.action("end");
        match self.below(12) {
            0..=2 => {
                let keyword = self.one_of(&["if", "with"]);
                let (condition, then) = (
                    self.pipeline(1),
                    self.one_of(&["else", "else if", "else with"]),
                );
                let otherwise = if then == "else" {
                    then
                } else {
                    format!("{then} {condition}")
                };
                let (open, otherwise) = (
                    self.action(&format!("{keyword} {pipeline}")),
                    self.action(&otherwise),
                );
                format!("{open}{body}{otherwise}{other}{end}")
            }
            3 | 4 => {
                let over = self.one_of(&[
                    "3",
                    "2",
                    "0",
                    "-1",
                    "len .Name",
                    "$x := 3",
                    "$x = 2",
                    "index .Name 0",
                    "nil",
                    ".Name",
                    ".",
                    "true",
                    "$x",
                ]);
                let jump = self.one_of(&[
                    "",
                    "",
                    "{{break}}",
                    "{{continue}}",
                    "{{if .}}{{break}}{{end}}",
                    "{{if eq . 1}}{{continue}}{{end}}",
                ]);
                let open = self.action(&format!("range {over}"));
                let middle = self.one_of(&[
                    "",
                    "",
                    "{{else}}",
                    "{{else}}{{break}}",
                    "{{else}}{{continue}}",
                ]);
                let middle = if middle.is_empty() {
                    middle
                } else {
                    middle + &other
                };
                format!("{open}{body}{jump}{{{{.}}}}{middle}{end}")
            }
            5 => {
                let name = self.one_of(&["\"t\"", "`u`"]);
                format!("{{{{define {name}}}}}{body}{end}")
            }
            6 => {
                let name = self.one_of(&["\"t\"", "`u`", "\"v\""]);
                let with = self.one_of(&["", " .", " .Name", " $", " 1"]);
                let call = self.action(&format!("template {name}{with}"));
                let definition = if depth == 3 {
                    format!("{{{{define {name}}}}}{body}{end}")
                } else {
                    String::new()
                };
                format!("{call}{definition}")
            }
            7 => format!("{{{{block \"w\" {pipeline}}}}}{body}{end}"),
            8 | 9 => {
                let set = self.one_of(&["$x := ", "$y := ", "$x = ", "$ = ", "$y = "]);
                let open = self.action(&format!("{set}{pipeline}"));
                format!("{open}{body}")
            }
            10 => {
                let comment = self.one_of(&[
                    "{{/* c */}}",
                    "{{- /* c */ -}}",
                    "{{ /* c */}}",
                    "{{/* \n }} */ -}}",
                ]);
                format!("{body} {comment} {other}")
            }
            _ => {
                let (set, condition) = (self.one_of(&["", "$x := ", "$y := "]), self.pipeline(1));
                let open = self.action(&format!("if {set}{condition}"));
                format!("{open}{body}{end}{other}")
            }
        }
    }

    fn pipeline(&mut self, depth: usize) -> String {
        let mut text = self.command(depth);
        while self.below(4) == 0 {
            let bar = self.one_of(&[" | ", "|"]);
            let next = self.command(depth);
            text = format!("{text}{bar}{next}");
        }
        text
    }

    fn command(&mut self, depth: usize) -> String {
        let (one, two, three) = (
            self.operand(depth),
            self.operand(depth),
            self.operand(depth),
        );
        match self.below(14) {
            0..=2 => one,
            3 => {
                let function = self.one_of(&[
                    "not", "len", "html", "js", "urlquery", "print", "println", "and", "or",
                    "index", "slice", "eq", "call",
                ]);
                format!("{function} {one}")
            }
            4..=6 => {
                let function = self.one_of(&[
                    "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "print", "println",
                ]);
                format!("{function} {one} {two}")
            }
            7 => {
                let function = self.one_of(&["eq", "and", "or", "print", "html", "slice", "index"]);
                format!("{function} {one} {two} {three}")
            }
            8 => {
                let function = self.one_of(&[
                    "slice .Name",
                    "index .Name",
                    "slice .Domain 0",
                    "slice",
                    "index",
                ]);
                let at = self.one_of(&[
                    "0",
                    "1",
                    "2",
                    "3",
                    "5",
                    "6",
                    "-1",
                    "1 2",
                    "0 3",
                    "'\\x01'",
                    "(len .Name)",
                ]);
                format!("{function} {at}")
            }
            9 => one,
            _ => {
                let (format, other) = (self.format(), self.format());
                match self.below(4) {
                    0 => format!("printf \"{format}{other}\" {one} {two}"),
                    1 => format!("printf \"a{format}\""),
                    _ => format!("printf \"{format}\" {one}"),
                }
            }
        }
    }

    fn format(&mut self) -> String {
        let flags = self.one_of(&["", "", "", "-", "0", "-0", "0-", "+", "#", " "]);
        let width = self.one_of(&["", "", "1", "3", "8", "12", "*", "[1]", "[2]", "[0]"]);
        let precision = self.one_of(&["", "", "", ".", ".0", ".2", ".7", ".*"]);
        let verb = self.one_of(&[
            "s", "v", "d", "q", "x", "X", "c", "t", "o", "b", "%", "T", "U", "!", "e",
        ]);
        format!("%{flags}{width}{precision}{verb}")
    }

    fn operand(&mut self, depth: usize) -> String {
        if depth > 0 && self.below(4) == 0 {
            let inside = self.pipeline(depth - 1);
            let field = self.one_of(&["", "", "", ".Name"]);
            return format!("({inside}){field}");
        }
        self.one_of(&[
            ".Name",
            ".Name",
            ".Namespace",
            ".Domain",
            ".",
            "$",
            "$.Name",
            "$x",
            "$y",
            "\"a\"",
            "\"b-c\"",
            "\"\"",
            "`r`",
            "0",
            "1",
            "2",
            "-3",
            "0x1f",
            "017",
            "1_0",
            "'a'",
            "'\\n'",
            "true",
            "false",
            "nil",
            "print",
            "1.5",
            "1e2",
            "\"x\\ty\\u0041\"",
            "\"é\"",
            "\"<&'>\"",
            "\"%d\"",
            ".Nope",
            "\"hello\"",
            "\"default\"",
        ])
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_template_panic(text in any::<String>()) {
        evaluate(&text);
    }

    #[test]
    fn no_sequence_of_tokens_makes_a_template_panic(tokens in vec(prop::sample::select(TOKENS), 0..60)) {
        evaluate(&tokens.concat());
    }
}

fn evaluate(text: &str) {
    if let Ok(template) = Template::parse(text) {
        let _ = template.evaluate(&[("Name", "n"), ("Namespace", "é")]);
    }
}

const TOKENS: &[&str] = &[
    "{{",
    "{{",
    "{{",
    "}}",
    "}}",
    "}}",
    "{{- ",
    " -}}",
    "{{/*",
    "*/}}",
    " ",
    " ",
    " ",
    "\n",
    "-",
    "(",
    ")",
    "|",
    ",",
    ".",
    "$",
    "$x",
    ":=",
    "=",
    ".Name",
    ".Namespace",
    "if ",
    "else",
    "else if ",
    "with ",
    "range ",
    "{{end}}",
    "{{end}}",
    "{{else}}",
    "{{break}}",
    "{{continue}}",
    "define ",
    "block ",
    "template ",
    "\"t\"",
    "`u`",
    "{{range 9999}}",
    "{{range len .Name}}",
    "{{if .}}",
    "{{define \"t\"}}{{template \"t\"}}{{end}}",
    "{{template \"t\"}}",
    "print ",
    "printf ",
    "\"%4096d%-9.3s\"",
    "\"%\"",
    "slice ",
    "index ",
    "len ",
    "eq ",
    "lt ",
    "and ",
    "or ",
    "not ",
    "nil ",
    "true ",
    "0",
    "-9223372036854775808",
    "'a'",
    "'",
    "\"",
    "`",
    "\\",
    "é",
    "%",
];
