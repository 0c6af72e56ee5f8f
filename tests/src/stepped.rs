//! A pass, one request at a time: whoever holds it decides which of its requests is answered next,
//! and what happens in the cluster in between.
//!
//! A pass is a function of the answers that it gets. So a pass that is under way *is* the answers
//! so far, and the real code, run on these again, tells what it asks for next.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use jiff::Timestamp;
use kube::api::DynamicObject;
use ofn_contract::{ObjectName, ServiceQuery};
use ofn_gateway::cluster::offline::Objects;
use ofn_gateway::cluster::{Cluster, Kind, ReadError, Write, WriteError};
use ofn_gateway::pass::observe::Interest;
use ofn_gateway::pass::{Outcome, pass};
use ofn_gateway::policies::Policies;
use serde_json::{Value, json};

/// Something that a pass asks of the API server.
#[derive(Clone, Debug)]
pub enum Request {
    /// An object.
    Get(Kind, ObjectName),
    /// The Services or EndpointSlices of a query.
    List(Kind, ServiceQuery),
    /// A write.
    Write(Box<Write>),
}

/// What the API server answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The object, read or as it is after a write; none if it does not exist.
    Object(Option<Arc<Value>>),
    /// What a query means.
    List(Vec<Arc<Value>>),
    /// The write was stale.
    Stale,
    /// The API server does not take the write: a message, and the fields.
    Refused(String, Vec<String>),
}

/// The answers so far, by the request: its text, and how many like it came before.
pub type Answers = BTreeMap<(String, usize), Answer>;

/// Where a pass stands.
#[derive(Debug, Default)]
pub struct Standing {
    /// The requests that wait for an answer.
    pub open: Vec<((String, usize), Request)>,
    /// What must cause the next pass, as far as the pass has said.
    pub interest: Option<Interest>,
    /// Its result, once it has ended. An error is a text.
    pub ended: Option<Result<Outcome, String>>,
}

impl Request {
    /// Does what is asked.
    pub fn carry_out(&self, objects: &mut Objects) -> Answer {
        match self {
            Self::Get(kind, name) => Answer::Object(objects.get(*kind, name).cloned()),
            Self::List(kind, query) => Answer::List(
                objects
                    .list(*kind, query)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|object| Arc::new(json!(object)))
                    .collect(),
            ),
            Self::Write(write) => match objects.write(write) {
                Ok(object) => Answer::Object(object),
                Err(WriteError::Refused {
                    message, fields, ..
                }) => Answer::Refused(message, fields),
                Err(_) => Answer::Stale,
            },
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Get(kind, name) => format!("get {kind} {name}"),
            Self::List(kind, query) => format!("list {kind} {query:?}"),
            Self::Write(write) => write.to_string(),
        }
    }
}

/// Runs the pass for the OpenFunction Gateway `name` on the answers so far.
pub fn stand(
    policies: &Policies,
    name: &ObjectName,
    now: Timestamp,
    answers: &Answers,
) -> Standing {
    let cluster = Replay {
        now,
        answers,
        asked: Mutex::default(),
        open: Mutex::default(),
    };
    let mut interest = None;
    let mut interested = |seen: &Interest| interest = Some(seen.clone());
    let ended = pass(&cluster, policies, name, &mut interested, &mut Vec::new()).now_or_never();
    Standing {
        open: cluster
            .open
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
        interest,
        ended: ended.map(|result| result.map_err(|error| error.to_string())),
    }
}

struct Replay<'a> {
    now: Timestamp,
    answers: &'a Answers,
    asked: Mutex<BTreeMap<String, usize>>,
    open: Mutex<Vec<((String, usize), Request)>>,
}

impl Replay<'_> {
    async fn ask(&self, request: Request) -> Answer {
        let text = request.text();
        let key = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let count = asked.entry(text.clone()).or_default();
            *count += 1;
            (text, *count - 1)
        };
        if let Some(answer) = self.answers.get(&key) {
            return answer.clone();
        }
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((key, request));
        pending().await
    }
}

fn object(value: &Value) -> DynamicObject {
    serde_json::from_value(value.clone()).expect("what was an object is one")
}

impl Cluster for Replay<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    async fn get(&self, kind: Kind, name: &ObjectName) -> Result<Option<DynamicObject>, ReadError> {
        match self.ask(Request::Get(kind, name.clone())).await {
            Answer::Object(found) => Ok(found.map(|found| object(&found))),
            answer => unreachable!("{answer:?} is no answer to a read"),
        }
    }

    async fn list(
        &self,
        kind: Kind,
        query: &ServiceQuery,
    ) -> Result<Vec<DynamicObject>, ReadError> {
        match self.ask(Request::List(kind, query.clone())).await {
            Answer::List(found) => Ok(found.iter().map(|found| object(found)).collect()),
            answer => unreachable!("{answer:?} is no answer to a list"),
        }
    }

    async fn write(&self, write: &Write) -> Result<Option<DynamicObject>, WriteError> {
        match self.ask(Request::Write(Box::new(write.clone()))).await {
            Answer::Object(after) => Ok(after.map(|after| object(&after))),
            Answer::Stale => Err(WriteError::Stale {
                write: write.to_string(),
                message: "it has changed".to_owned(),
            }),
            Answer::Refused(message, fields) => Err(WriteError::Refused {
                write: write.to_string(),
                message,
                fields,
            }),
            answer @ Answer::List(_) => unreachable!("{answer:?} is no answer to a write"),
        }
    }
}
