//! Items to nodes: what Go's `text/template/parse/parse.go` does.

use std::mem;

use super::function::Function;
use super::lex::{Item, Token, lex};
use super::value::Value;
use super::{DEEPEST, Error, error};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub place: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text(String),
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template(String, Option<Pipeline>),
    Break,
    Continue,
}

/// What `if`, `with` and `range` have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    pub pipeline: Pipeline,
    pub list: Vec<Node>,
    pub else_list: Vec<Node>,
}

/// Commands; each gets the result of the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pipeline {
    pub variable: Option<Variable>,
    pub commands: Vec<Command>,
}

/// The variable that gets the result of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub place: usize,
    pub name: String,
    /// `=` and not `:=`.
    pub assigns: bool,
}

/// A call, or one operand alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub place: usize,
    pub function: Option<Function>,
    pub operands: Vec<Operand>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operand {
    pub place: usize,
    pub term: Term,
    pub fields: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Term {
    Dot,
    Variable(String),
    Constant(Value<'static>),
    Group(Pipeline),
    /// A function without arguments in the place of an argument.
    Call(Function),
}

/// The nodes of the template and of the templates defined in it.
pub(super) type Parsed = (Vec<Node>, Vec<(String, Vec<Node>)>);

pub(super) fn parse(text: &str) -> Result<Parsed, Error> {
    let mut parser = Parser {
        items: lex(text),
        at: 0,
        variables: vec![String::new()],
        ranges: 0,
        depth: 0,
        defined: Vec::new(),
    };
    let mut nodes = Vec::new();
    while *parser.peek() != Token::End {
        match parser.text_or_action(true)? {
            Read::Node(node) => nodes.push(node),
            Read::Definition => {}
            Read::Else(place) => return Err(error(place, "this else belongs to nothing")),
            Read::End(place) => return Err(error(place, "this end belongs to nothing")),
        }
    }
    Ok((nodes, parser.defined))
}

enum Read {
    Node(Node),
    Definition,
    Else(usize),
    End(usize),
}

struct Parser {
    items: Vec<Item>,
    at: usize,
    /// The names of the variables in scope; `$` has the empty one.
    variables: Vec<String>,
    /// How many `range` surround the place.
    ranges: usize,
    depth: usize,
    defined: Vec<(String, Vec<Node>)>,
}

impl Parser {
    /// The next item. The last one stays.
    fn next(&mut self) -> (usize, Token) {
        let last = self.at + 1 == self.items.len();
        let item = &mut self.items[self.at];
        let token = mem::replace(&mut item.token, Token::End);
        if !last {
            self.at += 1;
        }
        (item.place, token)
    }

    fn peek(&self) -> &Token {
        &self.items[self.at].token
    }

    fn place(&self) -> usize {
        self.items[self.at].place
    }

    fn skip_space(&mut self) {
        if *self.peek() == Token::Space {
            self.at += 1;
        }
    }

    fn looking_at(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found == word)
    }

    /// Says what is wrong with the next item.
    fn unexpected(&mut self) -> Error {
        let (place, token) = self.next();
        let what = match token {
            Token::Wrong(message) => return error(place, message),
            Token::Close => return error(place, "a value is missing"),
            Token::Word(word) => format!("{word:?}"),
            Token::Field(name) => format!("the field .{name}"),
            Token::Variable(name) => format!("the variable ${name}"),
            Token::Quoted(_) => "a text in quotes".to_owned(),
            Token::Int(_) => "a number".to_owned(),
            Token::Pipe => "|".to_owned(),
            Token::LeftParen => "(".to_owned(),
            Token::RightParen => return error(place, "a value is missing before )"),
            Token::Declare => ":=".to_owned(),
            Token::Assign => "=".to_owned(),
            Token::Dot => "a .".to_owned(),
            Token::End | Token::Text(_) | Token::Open | Token::Space => "this".to_owned(),
        };
        error(place, format!("{what} cannot stand here"))
    }

    fn close(&mut self) -> Result<(), Error> {
        self.skip_space();
        if *self.peek() == Token::Close {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected())
    }

    fn deepen(&mut self, place: usize) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(error(place, "too much inside each other"));
        }
        Ok(())
    }

    /// Text, an action, or what ends a list.
    fn text_or_action(&mut self, top: bool) -> Result<Read, Error> {
        let (place, kind) = match self.next() {
            (place, Token::Text(text)) => (place, Kind::Text(text)),
            (place, Token::Open) => {
                self.skip_space();
                let keyword = match self.peek() {
                    Token::Word(word) => word.clone(),
                    _ => String::new(),
                };
                let inner = self.place();
                let skip = |parser: &mut Self| parser.at += 1;
                let kind = match keyword.as_str() {
                    "if" => {
                        skip(self);
                        Kind::If(self.branch("if", place)?)
                    }
                    "with" => {
                        skip(self);
                        Kind::With(self.branch("with", place)?)
                    }
                    "range" => {
                        skip(self);
                        Kind::Range(self.branch("range", place)?)
                    }
                    "template" => {
                        skip(self);
                        let name = self.name()?;
                        self.skip_space();
                        let pipeline = match self.peek() {
                            Token::Close => {
                                skip(self);
                                None
                            }
                            _ => Some(self.pipeline(&Token::Close)?),
                        };
                        Kind::Template(name, pipeline)
                    }
                    "block" => {
                        skip(self);
                        let name = self.name()?;
                        let pipeline = self.pipeline(&Token::Close)?;
                        self.definition(name.clone(), place)?;
                        Kind::Template(name, Some(pipeline))
                    }
                    "define" if top => {
                        skip(self);
                        let name = self.name()?;
                        self.close()?;
                        self.definition(name, place)?;
                        return Ok(Read::Definition);
                    }
                    "break" | "continue" => {
                        skip(self);
                        self.close()?;
                        if self.ranges == 0 {
                            return Err(error(inner, format!("{keyword} stands in no range")));
                        }
                        if keyword == "break" {
                            Kind::Break
                        } else {
                            Kind::Continue
                        }
                    }
                    "else" => {
                        skip(self);
                        self.skip_space();
                        // The word after else waits for who knows what the else belongs to.
                        if !self.looking_at("if") && !self.looking_at("with") {
                            self.close()?;
                        }
                        return Ok(Read::Else(inner));
                    }
                    "end" => {
                        skip(self);
                        self.close()?;
                        return Ok(Read::End(inner));
                    }
                    _ => Kind::Action(self.pipeline(&Token::Close)?),
                };
                (inner, kind)
            }
            (place, Token::Wrong(message)) => return Err(error(place, message)),
            (place, _) => return Err(error(place, "this cannot stand here")),
        };
        Ok(Read::Node(Node { place, kind }))
    }

    /// Nodes up to an `end` or an `else`, of which the place is given.
    fn list(&mut self, opened: usize) -> Result<(Vec<Node>, Option<usize>), Error> {
        let mut nodes = Vec::new();
        while *self.peek() != Token::End {
            match self.text_or_action(false)? {
                Read::Node(node) => nodes.push(node),
                Read::Else(place) => return Ok((nodes, Some(place))),
                Read::End(_) | Read::Definition => return Ok((nodes, None)),
            }
        }
        Err(error(opened, "the {{end}} of this action is missing"))
    }

    fn branch(&mut self, keyword: &str, opened: usize) -> Result<Branch, Error> {
        self.deepen(opened)?;
        let known = self.variables.len();
        let ranges = usize::from(keyword == "range");
        let pipeline = self.pipeline(&Token::Close)?;
        self.ranges += ranges;
        let (list, other) = self.list(opened)?;
        self.ranges -= ranges;
        let else_list = match other {
            None => Vec::new(),
            // {{else if}} is {{else}}{{if}} with one {{end}} for both.
            Some(_) if keyword != "range" && self.looking_at(keyword) => {
                let place = self.place();
                self.at += 1;
                let branch = self.branch(keyword, opened)?;
                let kind = match keyword {
                    "if" => Kind::If(branch),
                    _ => Kind::With(branch),
                };
                vec![Node { place, kind }]
            }
            Some(_) => match self.list(opened)? {
                (list, None) => list,
                (_, Some(place)) => return Err(error(place, "there is an else before this one")),
            },
        };
        self.variables.truncate(known);
        self.depth -= 1;
        Ok(Branch {
            pipeline,
            list,
            else_list,
        })
    }

    /// The name of a template.
    fn name(&mut self) -> Result<String, Error> {
        self.skip_space();
        match self.peek() {
            Token::Quoted(_) => match self.next() {
                (_, Token::Quoted(name)) => Ok(name),
                (place, _) => Err(error(place, "a name is missing")),
            },
            _ => Err(self.unexpected()),
        }
    }

    /// The body of a define or block, which sees no variable from outside.
    fn definition(&mut self, name: String, opened: usize) -> Result<(), Error> {
        self.deepen(opened)?;
        let variables = mem::replace(&mut self.variables, vec![String::new()]);
        let ranges = mem::take(&mut self.ranges);
        let (nodes, other) = self.list(opened)?;
        if let Some(place) = other {
            return Err(error(place, "this else belongs to nothing"));
        }
        self.variables = variables;
        self.ranges = ranges;
        self.depth -= 1;
        // An empty definition never replaces another one; two others are one too many.
        match self.defined.iter_mut().find(|(known, _)| *known == name) {
            None => self.defined.push((name, nodes)),
            Some((_, known)) if is_empty(known) => *known = nodes,
            Some(_) if is_empty(&nodes) => {}
            Some(_) => {
                return Err(error(opened, format!("template {name:?} is defined twice")));
            }
        }
        Ok(())
    }

    fn pipeline(&mut self, end: &Token) -> Result<Pipeline, Error> {
        self.skip_space();
        let variable = self.declaration()?;
        let mut commands = Vec::new();
        loop {
            self.skip_space();
            if self.peek() == end {
                if commands.is_empty() {
                    return Err(self.unexpected());
                }
                self.at += 1;
                return Ok(Pipeline { variable, commands });
            }
            let piped = !commands.is_empty();
            commands.push(self.command(piped)?);
        }
    }

    /// `$x :=` or `$x =`, if it is here.
    fn declaration(&mut self) -> Result<Option<Variable>, Error> {
        let Token::Variable(name) = self.peek() else {
            return Ok(None);
        };
        let name = name.clone();
        let (place, before) = (self.place(), self.at);
        self.at += 1;
        self.skip_space();
        let assigns = match self.peek() {
            Token::Declare => false,
            Token::Assign => true,
            _ => {
                self.at = before;
                return Ok(None);
            }
        };
        self.at += 1;
        // Go knows the variable from here on, in both cases.
        self.variables.push(name.clone());
        Ok(Some(Variable {
            place,
            name,
            assigns,
        }))
    }

    /// One command and the | after it, if there is one.
    fn command(&mut self, piped: bool) -> Result<Command, Error> {
        let place = self.place();
        let mut operands = Vec::new();
        while let Some(operand) = self.operand()? {
            operands.push(operand);
            match self.peek() {
                Token::Space => self.at += 1,
                Token::Close | Token::RightParen | Token::Pipe => break,
                _ => return Err(self.unexpected()),
            }
        }
        if operands.is_empty() {
            return Err(self.unexpected());
        }
        match self.peek() {
            Token::Pipe => self.at += 1,
            Token::Close | Token::RightParen => {}
            _ => return Err(self.unexpected()),
        }
        let function = match operands[0].term {
            Term::Call(function) => {
                operands.remove(0);
                Some(function)
            }
            _ if piped => return Err(error(place, "only a function can take what is piped")),
            _ if operands.len() > 1 => {
                return Err(error(place, "a value cannot be given arguments"));
            }
            Term::Constant(Value::Nil) => return Err(error(place, "nil is not a command")),
            _ => None,
        };
        Ok(Command {
            place,
            function,
            operands,
        })
    }

    /// A term and the fields after it, or none if no term is here.
    fn operand(&mut self) -> Result<Option<Operand>, Error> {
        let place = self.place();
        let term = match self.peek() {
            Token::Dot | Token::Field(_) => Term::Dot,
            Token::Variable(name) => {
                if !self.variables.contains(name) {
                    return Err(error(place, format!("${name} is not declared")));
                }
                Term::Variable(name.clone())
            }
            Token::Quoted(text) => Term::Constant(Value::Text(text.clone().into())),
            Token::Int(int) => Term::Constant(Value::Int(*int)),
            Token::Word(word) => match word.as_str() {
                "true" => Term::Constant(Value::Bool(true)),
                "false" => Term::Constant(Value::Bool(false)),
                "nil" => Term::Constant(Value::Nil),
                "if" | "else" | "end" | "with" | "range" | "template" | "block" | "define"
                | "break" | "continue" => return Ok(None),
                _ => Term::Call(Function::named(word).ok_or_else(|| {
                    error(place, format!("the function {word:?} is not supported"))
                })?),
            },
            Token::LeftParen => {
                self.deepen(place)?;
                self.at += 1;
                let group = self.pipeline(&Token::RightParen)?;
                self.depth -= 1;
                // What follows is looked at below, as after a single item.
                self.at -= 1;
                Term::Group(group)
            }
            _ => return Ok(None),
        };
        let mut fields = Vec::new();
        // The first field is the term, or the . before it.
        let starts_with_field = matches!(self.peek(), Token::Field(_));
        if !starts_with_field {
            self.at += 1;
        }
        while let Token::Field(name) = self.peek() {
            fields.push(name.clone());
            self.at += 1;
        }
        let fieldless = match term {
            Term::Dot => !starts_with_field,
            Term::Constant(_) | Term::Call(_) => true,
            Term::Variable(_) | Term::Group(_) => false,
        };
        if fieldless && !fields.is_empty() {
            return Err(error(place, "this has no fields"));
        }
        Ok(Some(Operand {
            place,
            term,
            fields,
        }))
    }
}

/// Nothing but white space.
fn is_empty(nodes: &[Node]) -> bool {
    nodes
        .iter()
        .all(|node| matches!(&node.kind, Kind::Text(text) if text.trim().is_empty()))
}
