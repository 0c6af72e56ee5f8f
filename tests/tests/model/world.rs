//! A small world, and all that can happen in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use json_patch::PatchOperation;
use kube::api::DynamicObject;
use ofn_contract::ObjectName;
use ofn_gateway::cluster::offline::Objects;
use ofn_gateway::cluster::{Change, Kind};
use ofn_gateway::pass::vet::Terms;
use ofn_gateway::policies::Policies;
use ofn_gateway::sandbox::Limits;
use ofn_tests::stepped::{Answer, Answers, Request, Standing, stand};
use serde_json::{Value, json};

use crate::runs::Runs;

static POLICIES: LazyLock<Policies> = LazyLock::new(|| {
    let folder = ofn_tests::host::policies().expect("make build");
    // What is explored must not depend on how busy the machine is.
    let limits = Limits {
        time: Duration::from_secs(600),
        ..Limits::default()
    };
    let sandbox = ofn_tests::host::sandbox(limits).expect("the engine starts");
    Policies::load(&folder, &sandbox, Terms::default()).expect("the components load")
});

pub const INJECTED: &str = "networking.openfunction.io/injected-listeners";

pub fn infra(name: &str) -> ObjectName {
    ObjectName {
        namespace: "infra".to_owned(),
        name: name.to_owned(),
    }
}

pub fn openfunction() -> ObjectName {
    ObjectName {
        namespace: "ofn".to_owned(),
        name: "openfunction".to_owned(),
    }
}

/// What a user can wish, by an edit of the OpenFunction Gateway as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edit {
    /// A `gatewayRef` to the Gateway with this name.
    Ref(&'static str),
    /// A `gatewayDef` of this name.
    Def(&'static str),
    Domain(&'static str),
    /// The listeners as the user's own file has them, without what was filled in.
    Listeners(&'static [&'static str]),
    Delete,
}

/// What somebody else can do in a Kubernetes Gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Foreign {
    /// Adds a listener `late` by an update.
    Add(&'static str),
    /// Applies a listener with the name of one of ours, server-side.
    ApplyOurName(&'static str),
    /// Applies a file without our listeners, client-side.
    Wipe(&'static str),
    /// Is the implementation, and reports that it does not serve any more.
    Fail(&'static str),
}

/// When what the host asks for is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// At any time after it asks, in any order.
    InAnyOrder,
    /// At any time, in the order in which it asks.
    InOrder,
    /// Reads at once, writes in order: what comes between is what was read and is no more.
    ReadsAtOnce,
}

/// A rule that is broken on purpose, to show that a check can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Patches lose the tests that they begin with.
    Unguarded,
    /// What changes while a pass is under way causes no further pass.
    Deaf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    User(Edit),
    Foreign(Foreign),
    /// The implementation reports on a Gateway.
    Vendor(&'static str),
    /// Two minutes pass.
    Time,
    /// The host ends, wherever it is, and begins anew.
    Crash,
    /// The user, the others and the host's end cease for ever.
    Cease,
    /// The host begins a pass.
    Begin,
    /// The open request with this index is answered.
    Answer(usize),
}

/// What most states share: copied and hashed once, when it changes. Two with one hash are the same, as two
/// states are for the model checker.
#[derive(Debug)]
pub struct Shared<T> {
    hash: u64,
    value: Arc<T>,
}

/// A pass under way.
#[derive(Debug)]
pub struct Pass {
    /// Of the answers, in whatever order they came.
    hash: u64,
    answers: Answers,
    /// Where it stands.
    pub standing: Standing,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub objects: Shared<Objects>,
    /// The pass under way. It is always now: when time passes, what is recorded of it ages.
    pub pass: Option<Arc<Pass>>,
    /// Something has changed since the last pass began.
    pub due: bool,
    /// The last pass wants to look again later.
    pub again: bool,
    /// The Kubernetes Gateways whose changes cause a pass.
    heard: Shared<BTreeSet<ObjectName>>,
    /// What is left to happen.
    left: Left,
    /// The listeners that others have put where, and not taken away themselves.
    pub theirs: Shared<BTreeMap<ObjectName, Vec<Value>>>,
}

/// How often something may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Left {
    edits: u8,
    foreign: u8,
    crashes: u8,
}

/// What may happen, and how often.
#[derive(Clone)]
pub struct World {
    pub edits: &'static [Edit],
    pub most_edits: u8,
    pub foreign: &'static [Foreign],
    pub most_foreign: u8,
    pub most_crashes: u8,
    pub answered: Answered,
    pub fault: Option<Fault>,
    /// A state to find the way to, by its hash.
    pub sought: Option<u64>,
    pub seen: Arc<Seen>,
}

/// What was seen on the way.
#[derive(Default)]
pub struct Seen {
    /// Passes by their hash: the same one is under way in many states.
    passes: Mutex<HashMap<u64, Arc<Pass>>>,
    /// A write was stale, at some time.
    pub was_stale: AtomicBool,
    /// What comes when all others have ceased.
    runs: Mutex<Runs>,
}

/// So many passes are kept, some hundred MB: depth first, those of late are needed most.
const MOST_PASSES: usize = 100_000;

/// The Gateways that may exist. The first two do from the beginning.
pub const GATEWAYS: [&str; 3] = ["a", "b", "made"];

/// The name of the Service of a Gateway.
pub fn data_plane(gateway: &str) -> String {
    format!("{gateway}-envoy")
}

impl World {
    pub fn new(edits: &'static [Edit], most_edits: u8) -> Self {
        Self {
            edits,
            most_edits,
            foreign: &[],
            most_foreign: 0,
            most_crashes: 0,
            answered: Answered::InAnyOrder,
            fault: None,
            sought: None,
            seen: Arc::default(),
        }
    }

    pub fn first(&self) -> State {
        let mut objects = Objects::default();
        let mut theirs = BTreeMap::new();
        for name in ["a", "b"] {
            let platform = listener("platform", "*.platform.io", 80);
            insert(
                &mut objects,
                Kind::KubernetesGateway,
                json!({
                    "apiVersion": "gateway.networking.k8s.io/v1",
                    "kind": "Gateway",
                    "metadata": {"namespace": "infra", "name": name, "uid": name, "resourceVersion": "1"},
                    "spec": {"gatewayClassName": "class", "listeners": [platform]},
                }),
            );
            theirs.insert(infra(name), vec![platform]);
        }
        insert(
            &mut objects,
            Kind::GatewayClass,
            json!({
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "GatewayClass",
                "metadata": {"name": "class"},
                "spec": {"controllerName": "example.com/controller"},
            }),
        );
        for gateway in GATEWAYS {
            insert(
                &mut objects,
                Kind::Service,
                json!({
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"namespace": "infra", "name": data_plane(gateway)},
                    "spec": {"ports": [{"port": 80}]},
                }),
            );
        }
        insert(
            &mut objects,
            Kind::Gateway,
            json!({
                "apiVersion": "networking.openfunction.io/v1alpha1",
                "kind": "Gateway",
                "metadata": {
                    "namespace": "ofn",
                    "name": "openfunction",
                    "resourceVersion": "1",
                    "managedFields": [{
                        "manager": "platform-team",
                        "operation": "Update",
                        "apiVersion": "networking.openfunction.io/v1alpha1",
                        "fieldsType": "FieldsV1",
                        "fieldsV1": {"f:spec": {}},
                    }],
                },
                "spec": {
                    "domain": "ofn.io",
                    "gatewayRef": {"namespace": "infra", "name": "a"},
                    "gatewaySpec": {"listeners": [listener("web", "*.ofn.io", 80)]},
                },
            }),
        );
        State {
            objects: Shared::new(objects),
            pass: None,
            due: true,
            again: false,
            heard: Shared::new(BTreeSet::new()),
            left: Left {
                edits: self.most_edits,
                foreign: self.most_foreign,
                crashes: self.most_crashes,
            },
            theirs: Shared::new(theirs),
        }
    }

    /// The pass that has got some more answers.
    fn pass(&self, before: Option<&Pass>, more: Vec<((String, usize), Answer)>) -> Arc<Pass> {
        // The sum does not depend on the order.
        let hash = more.iter().fold(
            before.map_or(0, |before| before.hash),
            |sum, (key, answer)| sum.wrapping_add(hash_of(&(key, answer))),
        );
        if let Some(known) = lock(&self.seen.passes).get(&hash) {
            return Arc::clone(known);
        }
        let mut answers = before.map_or_else(Answers::new, |before| before.answers.clone());
        answers.extend(more);
        let pass = Arc::new(Pass {
            hash,
            standing: stand_at(ago(0), &answers),
            answers,
        });
        let mut passes = lock(&self.seen.passes);
        if passes.len() >= MOST_PASSES {
            passes.clear();
        }
        passes.insert(hash, Arc::clone(&pass));
        pass
    }

    pub fn actions(&self, state: &State) -> Vec<Action> {
        let mut actions = self.of_the_host(state);
        if state.again {
            actions.push(Action::Time);
        }
        actions.extend(GATEWAYS.map(Action::Vendor));
        if state.left.crashes > 0 && state.pass.is_some() {
            actions.push(Action::Crash);
        }
        if state.left.edits > 0 {
            actions.extend(self.edits.iter().copied().map(Action::User));
        }
        if state.left.foreign > 0 {
            actions.extend(self.foreign.iter().copied().map(Action::Foreign));
        }
        // A pass under way goes on to its end as it would without them.
        if !state.is_left_alone() && state.pass.is_none() {
            actions.push(Action::Cease);
        }
        actions
    }

    /// What the host can do: its requests that are open, in any order, or a pass that is due.
    pub fn of_the_host(&self, state: &State) -> Vec<Action> {
        match &state.pass {
            None if state.due => vec![Action::Begin],
            None => Vec::new(),
            Some(pass) => {
                let open = match self.answered {
                    Answered::InAnyOrder => pass.standing.open.len(),
                    Answered::InOrder | Answered::ReadsAtOnce => 1,
                };
                (0..open).map(Action::Answer).collect()
            }
        }
    }

    /// What comes of an action; none if nothing does.
    pub fn after(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::User(edit) => {
                next.left.edits -= 1;
                next.user(edit);
            }
            Action::Foreign(foreign) => {
                next.left.foreign -= 1;
                next.somebody_else(foreign);
            }
            Action::Vendor(gateway) => next.vendor(gateway),
            Action::Time => {
                next.objects.change(|objects| objects.rewrite(age));
                next.due = true;
                next.again = false;
            }
            Action::Crash => {
                next.left.crashes -= 1;
                next.pass = None;
                next.due = true;
                next.again = false;
                next.heard = Shared::new(BTreeSet::new());
            }
            Action::Cease => next.left = Left::default(),
            Action::Begin => {
                next.pass = Some(self.pass(None, Vec::new()));
                next.due = false;
                next.again = false;
                self.go_on(&mut next);
            }
            Action::Answer(index) => {
                let pass = state.pass.as_ref()?;
                let (key, request) = pass.standing.open.get(index)?;
                let answer = self.answer(&mut next, request);
                next.pass = Some(self.pass(Some(pass), vec![(key.clone(), answer)]));
                self.go_on(&mut next);
            }
        }
        if next.objects == state.objects
            && matches!(
                action,
                Action::User(_) | Action::Foreign(_) | Action::Vendor(_)
            )
        {
            return None;
        }
        self.notify(state, &mut next);
        if next.pass.is_none() && (state.pass.is_some() || next.objects != state.objects) {
            next.objects
                .change(|objects| objects.rewrite(forget_resource_version));
        }
        Some(next)
    }

    /// Watches: a change of what the host has said to be interested in makes a pass due.
    fn notify(&self, before: &State, next: &mut State) {
        if self.fault == Some(Fault::Deaf) && before.pass.is_some() {
            return;
        }
        if before.objects == next.objects {
            return;
        }
        let changed = |kind, name: &ObjectName| {
            before.objects.get(kind, name) != next.objects.get(kind, name)
        };
        let own = changed(Kind::Gateway, &openfunction());
        if own
            || next
                .heard
                .iter()
                .any(|name| changed(Kind::KubernetesGateway, name))
        {
            next.due = true;
        }
    }

    /// Takes over what the pass says, and answers what nobody else can change: when that happens
    /// makes no difference.
    fn go_on(&self, next: &mut State) {
        while let Some(pass) = next.pass.clone() {
            if let Some(interest) = &pass.standing.interest {
                next.heard = Shared::new(interest.targets.iter().cloned().collect());
            }
            match &pass.standing.ended {
                Some(Ok(outcome)) => {
                    next.again = outcome.again.is_some();
                    next.pass = None;
                }
                // It is made again, a little later.
                Some(Err(_)) => {
                    next.due = true;
                    next.pass = None;
                }
                None => {
                    let open = pass.standing.open.iter();
                    let at_once = open.filter(|(_, request)| self.is_answered_at_once(request));
                    let answers: Vec<_> = at_once
                        .map(|(key, request)| (key.clone(), self.answer(next, request)))
                        .collect();
                    if answers.is_empty() {
                        return;
                    }
                    next.pass = Some(self.pass(Some(&pass), answers));
                }
            }
        }
    }

    fn is_answered_at_once(&self, request: &Request) -> bool {
        let reads_at_once = self.answered == Answered::ReadsAtOnce;
        is_untouched(request) || reads_at_once && !matches!(request, Request::Write(_))
    }

    fn answer(&self, next: &mut State, request: &Request) -> Answer {
        let Request::Write(write) = request else {
            return request.carry_out(&mut Objects::clone(&next.objects));
        };
        let mut write = write.clone();
        if self.fault == Some(Fault::Unguarded)
            && let Change::Patch(patch) = &mut write.change
        {
            patch
                .0
                .retain(|operation| !matches!(operation, PatchOperation::Test(_)));
        }
        let answer = next
            .objects
            .change(|objects| Request::Write(write).carry_out(objects));
        if answer == Answer::Stale {
            self.seen.was_stale.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// What comes when all others have ceased, as far as it was seen.
    pub fn runs(&self) -> MutexGuard<'_, Runs> {
        lock(&self.seen.runs)
    }
}

impl<T: Hash> Shared<T> {
    fn new(value: T) -> Self {
        Self {
            hash: hash_of(&value),
            value: Arc::new(value),
        }
    }

    fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R
    where
        T: Clone,
    {
        let mut value = T::clone(self);
        let result = change(&mut value);
        *self = Self::new(value);
        result
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self {
            hash: self.hash,
            value: Arc::clone(&self.value),
        }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl<T> Eq for Shared<T> {}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl PartialEq for Pass {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Pass {}

impl Hash for Pass {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

/// The same in each run.
pub fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many steps of time ago is as long ago as any: a fight is forgotten after 20 minutes, and no other
/// time counts for so long.
pub const LONG_AGO: i32 = 11;

/// The time that is some steps of two minutes ago; less than none: to come.
pub fn ago(steps: i32) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(2) * (LONG_AGO - steps)
}

/// Where a pass of a time stands.
pub fn stand_at(now: Timestamp, answers: &Answers) -> Standing {
    stand(&POLICIES, &openfunction(), now, answers)
}

/// Makes the times that the host has recorded in an object a step older. Only differences of time count,
/// so worlds of another time are the same.
fn age(object: &mut Value) {
    let Some(annotations) = object["metadata"]["annotations"].as_object_mut() else {
        return;
    };
    for value in annotations.values_mut() {
        let aged = (0..LONG_AGO).rev().fold(
            value.as_str().unwrap_or_default().to_owned(),
            |text, steps| text.replace(&ago(steps).to_string(), &ago(steps + 1).to_string()),
        );
        *value = aged.into();
    }
}

/// Forgets how often an object was changed, which is of no meaning but to a pass that is under way.
fn forget_resource_version(object: &mut Value) {
    object["metadata"]["resourceVersion"] = "1".into();
}

/// Whether it asks for what nobody but the host changes in this world.
pub fn is_untouched(request: &Request) -> bool {
    match request {
        Request::Get(kind, _) => !matches!(kind, Kind::Gateway | Kind::KubernetesGateway),
        Request::List(..) => true,
        Request::Write(_) => false,
    }
}

impl State {
    /// Whether an action answers a write of the host.
    pub fn is_write(&self, action: Action) -> bool {
        let (Some(pass), Action::Answer(index)) = (&self.pass, action) else {
            return false;
        };
        matches!(pass.standing.open.get(index), Some((_, Request::Write(_))))
    }

    /// Whether the user, the others and the host's end have ceased.
    pub fn is_left_alone(&self) -> bool {
        self.left == Left::default()
    }

    pub fn ofn(&self) -> Option<&Value> {
        self.objects
            .get(Kind::Gateway, &openfunction())
            .map(|object| &**object)
    }

    pub fn gateway(&self, name: &ObjectName) -> Option<&Value> {
        self.objects
            .get(Kind::KubernetesGateway, name)
            .map(|object| &**object)
    }

    pub fn entry(&self) -> Option<&Value> {
        let name = ObjectName {
            name: "gateway".to_owned(),
            ..openfunction()
        };
        self.objects
            .get(Kind::Service, &name)
            .map(|object| &**object)
    }

    fn user(&mut self, edit: Edit) {
        let name = openfunction();
        if self
            .ofn()
            .is_none_or(|ofn| ofn["metadata"]["deletionTimestamp"].is_string())
        {
            return;
        }
        self.objects.change(|objects| match edit {
            Edit::Delete => objects.delete(Kind::Gateway, &name),
            edit => objects.change(Kind::Gateway, &name, |ofn| edit.make(ofn)),
        });
    }

    fn somebody_else(&mut self, foreign: Foreign) {
        let name = infra(foreign.gateway());
        let (objects, theirs) = (&mut self.objects, &mut self.theirs);
        objects.change(|objects| {
            objects.change(Kind::KubernetesGateway, &name, |gateway| {
                theirs.change(|theirs| {
                    foreign.make(theirs.entry(name.clone()).or_default(), gateway);
                });
            });
        });
    }

    fn vendor(&mut self, gateway: &str) {
        let name = infra(gateway);
        let seen = self.gateway(&name);
        let reported = seen.cloned().map(|mut gateway| {
            report(&mut gateway, "True");
            gateway
        });
        if reported.as_ref() != seen {
            self.objects.change(|objects| {
                objects.change(Kind::KubernetesGateway, &name, |gateway| {
                    report(gateway, "True")
                });
            });
        }
    }
}

impl Edit {
    /// Makes it in the OpenFunction Gateway; a deletion is none.
    pub fn make(self, ofn: &mut Value) {
        let spec = &mut ofn["spec"];
        match self {
            Self::Ref(gateway) => json_patch::merge(
                spec,
                &json!({
                    "gatewayDef": null,
                    "gatewayRef": {"namespace": "infra", "name": gateway},
                }),
            ),
            Self::Def(gateway) => json_patch::merge(
                spec,
                &json!({
                    "gatewayRef": null,
                    "gatewayDef": {"namespace": "infra", "name": gateway, "gatewayClassName": "class"},
                }),
            ),
            Self::Domain(domain) => spec["domain"] = domain.into(),
            Self::Listeners(names) => {
                let listeners = names
                    .iter()
                    .map(|name| json!({"name": name, "port": 80, "protocol": "HTTP"}));
                spec["gatewaySpec"]["listeners"] = listeners.collect();
            }
            Self::Delete => {}
        }
    }
}

impl Foreign {
    pub fn gateway(self) -> &'static str {
        match self {
            Self::Add(gateway)
            | Self::ApplyOurName(gateway)
            | Self::Wipe(gateway)
            | Self::Fail(gateway) => gateway,
        }
    }

    /// Makes it in a Kubernetes Gateway, where `theirs` were put by others before.
    pub fn make(self, theirs: &mut Vec<Value>, gateway: &mut Value) {
        let mut put = |listener: Value| {
            let mut listeners = list(&gateway["spec"]["listeners"]);
            for list in [&mut *theirs, &mut listeners] {
                let mut known = list.iter_mut();
                match known.find(|known| known["name"] == listener["name"]) {
                    Some(known) => *known = listener.clone(),
                    None => list.push(listener.clone()),
                }
            }
            gateway["spec"]["listeners"] = json!(listeners);
        };
        match self {
            Self::Add(_) => put(listener("late", "*.late.io", 80)),
            Self::ApplyOurName(_) => {
                put(listener("web", "*.theirs.io", 80));
                gateway["metadata"]["managedFields"] = json!([{
                    "manager": "neighbour",
                    "operation": "Apply",
                    "apiVersion": "gateway.networking.k8s.io/v1",
                    "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:spec": {"f:listeners": {"k:{\"name\":\"web\"}": {}}}},
                }]);
            }
            // A Gateway must have one.
            Self::Wipe(_) if theirs.is_empty() => {}
            Self::Wipe(_) => gateway["spec"]["listeners"] = json!(theirs),
            Self::Fail(_) => report(gateway, "False"),
        }
    }
}

/// Whether all is well with the Gateway as it is now, `True` or `False`.
pub fn report(gateway: &mut Value, is_well: &str) {
    let generation = gateway["metadata"]["generation"].clone();
    let condition = |type_: &str| {
        json!({
            "type": type_, "status": is_well, "reason": type_, "message": "",
            "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    let listeners = list(&gateway["spec"]["listeners"]);
    let listeners = listeners.iter().map(|listener| {
        json!({
            "name": listener["name"], "attachedRoutes": 0, "supportedKinds": [],
            "conditions": [condition("Accepted"), condition("Programmed")],
        })
    });
    gateway["status"] = json!({
        "conditions": [condition("Accepted"), condition("Programmed")],
        "listeners": listeners.collect::<Vec<_>>(),
    });
}

pub fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

pub fn listener(name: &str, hostname: &str, port: u16) -> Value {
    json!({"name": name, "hostname": hostname, "port": port, "protocol": "HTTP"})
}

fn insert(objects: &mut Objects, kind: Kind, value: Value) {
    let object: DynamicObject = serde_json::from_value(value).expect("an object");
    objects.insert(kind, &object);
}
