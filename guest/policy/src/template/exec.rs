//! Nodes to text: what Go's `text/template/exec.go` does.

use super::function::Function;
use super::parse::{Branch, Kind, Node, Operand, Pipeline, Term};
use super::value::Value;
use super::{DEEPEST, Error, LONGEST, STEPS, error};

/// One execution of a template. Variables are looked up by name, the newest first, as in Go.
pub(super) struct Execution<'a> {
    data: &'a [(&'a str, &'a str)],
    defined: &'a [(String, Vec<Node>)],
    variables: Vec<(&'a str, Value<'a>)>,
    text: String,
    steps: usize,
    depth: usize,
}

/// Whether a list was walked to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

impl<'a> Execution<'a> {
    pub fn new(data: &'a [(&'a str, &'a str)], defined: &'a [(String, Vec<Node>)]) -> Self {
        Self {
            data,
            defined,
            variables: vec![("", Value::Data)],
            text: String::new(),
            steps: 0,
            depth: 0,
        }
    }

    pub fn text(mut self, nodes: &'a [Node]) -> Result<String, Error> {
        self.walk(&Value::Data, nodes)?;
        Ok(self.text)
    }

    fn step(&mut self, place: usize) -> Result<(), Error> {
        self.steps += 1;
        if self.steps > STEPS {
            return Err(error(place, "the template takes too many steps"));
        }
        Ok(())
    }

    fn deepen(&mut self, place: usize) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(error(place, "too much inside each other"));
        }
        Ok(())
    }

    fn write(&mut self, place: usize, text: &str) -> Result<(), Error> {
        if self.text.len() + text.len() > LONGEST {
            return Err(error(place, "the result is too long"));
        }
        self.text.push_str(text);
        Ok(())
    }

    fn walk(&mut self, dot: &Value<'a>, nodes: &'a [Node]) -> Result<Flow, Error> {
        for node in nodes {
            let place = node.place;
            self.step(place)?;
            let flow = match &node.kind {
                Kind::Text(text) => {
                    self.write(place, text)?;
                    Flow::Next
                }
                Kind::Action(pipeline) => {
                    let value = self.pipeline(dot, pipeline, place)?;
                    if pipeline.variable.is_none() {
                        let text = value.printed().map_err(|message| error(place, message))?;
                        self.write(place, &text)?;
                    }
                    Flow::Next
                }
                Kind::Break => Flow::Break,
                Kind::Continue => Flow::Continue,
                Kind::Template(name, pipeline) => {
                    self.template(dot, name, pipeline.as_ref(), place)?;
                    Flow::Next
                }
                Kind::If(branch) | Kind::With(branch) | Kind::Range(branch) => {
                    self.deepen(place)?;
                    let known = self.variables.len();
                    let value = self.pipeline(dot, &branch.pipeline, place)?;
                    let flow = match &node.kind {
                        Kind::Range(_) => self.range(dot, branch, value, place)?,
                        _ if !value.is_true() => self.walk(dot, &branch.else_list)?,
                        Kind::With(_) => self.walk(&value, &branch.list)?,
                        _ => self.walk(dot, &branch.list)?,
                    };
                    self.variables.truncate(known);
                    self.depth -= 1;
                    flow
                }
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn range(
        &mut self,
        dot: &Value<'a>,
        branch: &'a Branch,
        value: Value<'a>,
        place: usize,
    ) -> Result<Flow, Error> {
        let count = match (&value, value.int()) {
            (Value::Nil, _) => 0,
            (_, Some(count)) => count,
            _ => {
                let message = format!("range cannot iterate over {}", value.type_name());
                return Err(error(place, message));
            }
        };
        if count <= 0 {
            // In Go a break in the else ends this range, and a continue the one around it.
            return Ok(match self.walk(dot, &branch.else_list)? {
                Flow::Continue => Flow::Continue,
                Flow::Next | Flow::Break => Flow::Next,
            });
        }
        let known = self.variables.len();
        for number in 0..count {
            self.step(place)?;
            // The numbers have the type of the value.
            let element = match (&value, u8::try_from(number)) {
                (Value::Byte(_), Ok(byte)) => Value::Byte(byte),
                _ => Value::Int(number),
            };
            match &branch.pipeline.variable {
                Some(variable) if variable.assigns => {
                    self.assign(&variable.name, element.clone(), variable.place)?;
                }
                Some(_) => self.variables[known - 1].1 = element.clone(),
                None => {}
            }
            let flow = self.walk(&element, &branch.list)?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::Next)
    }

    fn template(
        &mut self,
        dot: &Value<'a>,
        name: &str,
        pipeline: Option<&'a Pipeline>,
        place: usize,
    ) -> Result<(), Error> {
        let defined = self.defined;
        let (_, nodes) = defined
            .iter()
            .find(|(known, _)| known == name)
            .ok_or_else(|| error(place, format!("template {name:?} is not defined")))?;
        self.deepen(place)?;
        let dot = match pipeline {
            Some(pipeline) => self.pipeline(dot, pipeline, place)?,
            None => Value::Nil,
        };
        // A template sees no variable of its caller.
        let variables = std::mem::replace(&mut self.variables, vec![("", dot.clone())]);
        self.walk(&dot, nodes)?;
        self.variables = variables;
        self.depth -= 1;
        Ok(())
    }

    fn pipeline(
        &mut self,
        dot: &Value<'a>,
        pipeline: &'a Pipeline,
        place: usize,
    ) -> Result<Value<'a>, Error> {
        self.deepen(place)?;
        let mut piped = None;
        for command in &pipeline.commands {
            self.step(command.place)?;
            piped = Some(match (command.function, command.operands.as_slice()) {
                (Some(function), operands) => {
                    self.call(dot, function, operands, piped, command.place)?
                }
                (None, [operand]) => self.operand(dot, operand)?,
                (None, _) => return Err(error(command.place, "a value is missing")),
            });
        }
        let value = piped.unwrap_or(Value::Nil);
        if let Some(variable) = &pipeline.variable {
            if variable.assigns {
                self.assign(&variable.name, value.clone(), variable.place)?;
            } else {
                self.variables.push((&variable.name, value.clone()));
            }
        }
        self.depth -= 1;
        Ok(value)
    }

    fn call(
        &mut self,
        dot: &Value<'a>,
        function: Function,
        operands: &'a [Operand],
        piped: Option<Value<'a>>,
        place: usize,
    ) -> Result<Value<'a>, Error> {
        let name = function.name();
        if !function.takes(operands.len() + usize::from(piped.is_some())) {
            return Err(error(
                place,
                format!("{name} has too few or too many arguments"),
            ));
        }
        let mut values = Vec::new();
        for operand in operands {
            self.step(operand.place)?;
            let value = self.operand(dot, operand)?;
            let decides = match function {
                Function::And => !value.is_true(),
                Function::Or => value.is_true(),
                _ => false,
            };
            if decides {
                return Ok(value);
            }
            values.push(value);
        }
        values.extend(piped);
        function
            .call(&values)
            .map_err(|message| error(place, message))
    }

    fn operand(&mut self, dot: &Value<'a>, operand: &'a Operand) -> Result<Value<'a>, Error> {
        let place = operand.place;
        let mut value = match &operand.term {
            Term::Dot => dot.clone(),
            Term::Constant(constant) => constant.borrowed(),
            Term::Variable(name) => self.variable(name, place)?.clone(),
            Term::Group(pipeline) => self.pipeline(dot, pipeline, place)?,
            Term::Call(function) => self.call(dot, *function, &[], None, place)?,
        };
        for name in &operand.fields {
            value = match value {
                Value::Data => Value::Text(self.field(name, place)?.into()),
                // A field of nothing is nothing.
                Value::Nil => Value::Nil,
                other => {
                    let message = format!(".{name} of {}: it has no fields", other.type_name());
                    return Err(error(place, message));
                }
            };
        }
        Ok(value)
    }

    fn field(&self, name: &str, place: usize) -> Result<&'a str, Error> {
        self.data
            .iter()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| *value)
            .ok_or_else(|| {
                let known: Vec<_> = self
                    .data
                    .iter()
                    .map(|(field, _)| format!(".{field}"))
                    .collect();
                error(
                    place,
                    format!(".{name} is not known here: use {}", known.join(", ")),
                )
            })
    }

    fn variable(&mut self, name: &str, place: usize) -> Result<&mut Value<'a>, Error> {
        self.variables
            .iter_mut()
            .rev()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
            .ok_or_else(|| error(place, format!("${name} has no value here")))
    }

    fn assign(&mut self, name: &str, value: Value<'a>, place: usize) -> Result<(), Error> {
        *self.variable(name, place)? = value;
        Ok(())
    }
}
