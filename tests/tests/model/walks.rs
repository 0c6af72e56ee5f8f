//! The same steps in the model of the API server and in the real one, at random: what comes of
//! them must be the same.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use ofn_contract::ObjectName;
use ofn_gateway::cluster::live::Live;
use ofn_gateway::cluster::offline::Objects;
use ofn_gateway::cluster::{Cluster as _, Kind, WriteError};
use ofn_gateway::kubernetes_gateway::is_subset;
use ofn_tests::cluster::{self, Cluster};
use ofn_tests::control_plane::{ControlPlane, User};
use ofn_tests::stepped::{Answer, Answers, Request};
use serde_json::{Value, json};

use crate::world::{
    Action, Edit, Foreign, GATEWAYS, LONG_AGO, State, World, ago, data_plane, infra, is_untouched,
    openfunction, report, stand_at,
};

const WALKS: u32 = 12;
const STEPS: u32 = 80;

#[tokio::test(flavor = "multi_thread")]
async fn the_model_of_the_api_server_does_what_the_real_one_does() -> Result<()> {
    let plane = ControlPlane::start().await?;
    let cluster = Cluster::new(plane.client(User::Admin).await?);
    cluster.install().await?;
    for namespace in ["infra", "ofn"] {
        cluster.namespace(namespace).await?;
    }
    let live = Live::new(cluster.client(), "v1");
    let (mut stale, mut steps) = (0, 0);
    for walk in 0..WALKS {
        let mut real = Real::new(&cluster, &live).await?;
        stale += real
            .walk(walk)
            .await
            .with_context(|| format!("walk {walk}: {:?}", real.way))?;
        steps += real.way.len();
    }
    println!("{WALKS} walks, {steps} steps, {stale} stale writes");
    ensure!(stale > 0, "no walk came to a write that was stale");
    Ok(())
}

/// The real cluster, and the way to where it is.
struct Real<'a> {
    cluster: &'a Cluster,
    live: &'a Live,
    pass: Option<Answers>,
    theirs: BTreeMap<ObjectName, Vec<Value>>,
    way: Vec<Action>,
    /// How many steps of time there were. In the model what is recorded ages instead.
    time: i32,
    /// The uids in the model, by the real ones.
    uids: BTreeMap<String, String>,
}

/// What is compared.
fn compared() -> Vec<(Kind, cluster::Kind, ObjectName)> {
    let gateways =
        GATEWAYS.map(|name| (Kind::KubernetesGateway, cluster::Kind::Gateway, infra(name)));
    let entry = ObjectName {
        name: "gateway".to_owned(),
        ..openfunction()
    };
    let mut all = vec![
        (Kind::Gateway, cluster::Kind::Ofn, openfunction()),
        (Kind::Service, cluster::Kind::Service, entry),
    ];
    all.extend(gateways);
    all
}

/// A number that is another one for each walk and step, and the same in each run.
fn random(walk: u32, step: u32) -> usize {
    let mut hasher = DefaultHasher::new();
    (walk, step).hash(&mut hasher);
    usize::try_from(hasher.finish() >> 32).unwrap_or_default()
}

impl<'a> Real<'a> {
    /// The first state of the world.
    async fn new(cluster: &'a Cluster, live: &'a Live) -> Result<Self> {
        let first = World::new(&[], 0).first();
        let real = Self {
            cluster,
            live,
            pass: None,
            theirs: BTreeMap::clone(&first.theirs),
            way: Vec::new(),
            time: 0,
            uids: BTreeMap::new(),
        };
        for (_, kind, name) in compared() {
            if let Some(left) = real.get(kind, &name).await? {
                // Only who has finalizers: the garbage collector may have taken the others by now.
                if left["metadata"]["finalizers"].is_array() {
                    let free = json!({"metadata": {"finalizers": null}});
                    cluster
                        .edit(kind, &name.namespace, &name.name, free)
                        .await?;
                }
                cluster.delete(kind, &name.namespace, &name.name).await?;
                cluster
                    .eventually_gone(kind, &name.namespace, &name.name)
                    .await?;
            }
        }
        let given = [
            (
                Kind::GatewayClass,
                cluster::Kind::GatewayClass,
                ObjectName {
                    namespace: String::new(),
                    name: "class".to_owned(),
                },
            ),
            (Kind::KubernetesGateway, cluster::Kind::Gateway, infra("a")),
            (Kind::KubernetesGateway, cluster::Kind::Gateway, infra("b")),
            (Kind::Gateway, cluster::Kind::Ofn, openfunction()),
        ];
        let services = GATEWAYS.map(|gateway| {
            let service = infra(&data_plane(gateway));
            (Kind::Service, cluster::Kind::Service, service)
        });
        for (kind, real_kind, name) in services.into_iter().chain(given) {
            let object = first.objects.get(kind, &name).context("it is there")?;
            if real.get(real_kind, &name).await?.is_none() {
                let body = json!({"spec": object["spec"]});
                cluster
                    .create(real_kind, &name.namespace, &name.name, body)
                    .await?;
            }
        }
        Ok(real)
    }

    async fn get(&self, kind: cluster::Kind, name: &ObjectName) -> Result<Option<Value>> {
        self.cluster.get(kind, &name.namespace, &name.name).await
    }

    /// Answers how many writes were stale.
    async fn walk(&mut self, walk: u32) -> Result<usize> {
        const EDITS: &[Edit] = &[
            Edit::Ref("b"),
            Edit::Ref("a"),
            Edit::Def("made"),
            Edit::Domain("b.ofn.io"),
            Edit::Listeners(&["blue"]),
            Edit::Delete,
        ];
        // A deletion ends a walk early.
        let edits = &EDITS[..EDITS.len() - usize::from(!walk.is_multiple_of(4))];
        let world = World {
            foreign: &[
                Foreign::Add("a"),
                Foreign::Add("made"),
                Foreign::ApplyOurName("a"),
                Foreign::Wipe("a"),
            ],
            most_foreign: 3,
            most_crashes: 1,
            ..World::new(edits, 4)
        };
        let mut state = world.first();
        let mut stale = 0;
        for step in 0..STEPS {
            let actions = world.actions(&state);
            let possible: Vec<_> = actions
                .into_iter()
                .filter(|action| *action != Action::Cease)
                .filter_map(|action| Some((action, world.after(&state, action)?)))
                .collect();
            // Two thirds of the steps are the host's, so that it comes to its writes.
            let hosts = world.of_the_host(&state);
            let (chance, side) = (random(walk, step), random(step, walk));
            let (mine, others): (Vec<_>, Vec<_>) = possible
                .into_iter()
                .partition(|(action, _)| hosts.contains(action));
            let side = match side % 3 {
                0 if !others.is_empty() => others,
                _ if mine.is_empty() => others,
                _ => mine,
            };
            let Some(index) = chance.checked_rem(side.len()) else {
                break;
            };
            let (action, next) = side.into_iter().nth(index).context("in range")?;
            self.way.push(action);
            stale += usize::from(self.follow(&state, action, &next).await?);
            state = next;
            self.is_like(&state).await?;
        }
        Ok(stale)
    }

    /// Makes the step in the real cluster; tells whether it was a stale write.
    async fn follow(&mut self, before: &State, action: Action, next: &State) -> Result<bool> {
        match action {
            Action::User(Edit::Delete) => {
                let name = openfunction();
                self.cluster
                    .delete(cluster::Kind::Ofn, &name.namespace, &name.name)
                    .await?;
            }
            Action::User(edit) => {
                self.replace(cluster::Kind::Ofn, &openfunction(), |ofn| edit.make(ofn))
                    .await?;
            }
            Action::Foreign(foreign @ Foreign::ApplyOurName(gateway)) => {
                let name = infra(gateway);
                let theirs = self.theirs.entry(name.clone()).or_default();
                foreign.make(theirs, &mut json!({}));
                let web = theirs.iter().find(|one| one["name"] == "web");
                let spec = json!({"gatewayClassName": "class", "listeners": [web]});
                let body = json!({"spec": spec});
                self.cluster
                    .apply(
                        cluster::Kind::Gateway,
                        &name.namespace,
                        &name.name,
                        "neighbour",
                        body,
                    )
                    .await?;
            }
            Action::Foreign(foreign) => {
                let name = infra(foreign.gateway());
                let mut theirs = self.theirs.entry(name.clone()).or_default().clone();
                self.replace(cluster::Kind::Gateway, &name, |gateway| {
                    foreign.make(&mut theirs, gateway)
                })
                .await?;
                self.theirs.insert(name, theirs);
            }
            Action::Vendor(gateway) => {
                let name = infra(gateway);
                let mut seen = self
                    .get(cluster::Kind::Gateway, &name)
                    .await?
                    .unwrap_or_default();
                report(&mut seen, "True");
                self.cluster
                    .write_status(
                        cluster::Kind::Gateway,
                        &name.namespace,
                        &name.name,
                        seen["status"].take(),
                    )
                    .await?;
            }
            Action::Time => self.time += 1,
            Action::Crash => self.pass = None,
            Action::Cease => {}
            Action::Begin => self.pass = Some(Answers::new()),
            Action::Answer(index) => {
                let pass = before.pass.as_ref().context("a pass")?;
                let (key, modelled) = pass.standing.open.get(index).context("a request")?;
                let own = stand_at(ago(-self.time), self.pass.as_ref().context("a pass")?);
                let same = own.open.into_iter().find(|(own, _)| own == key);
                let (_, request) =
                    same.with_context(|| format!("the real pass does not {key:?}"))?;
                let answer = self.answer(&request).await?;
                let modelled = modelled.carry_out(&mut Objects::clone(&before.objects));
                ensure!(
                    std::mem::discriminant(&answer) == std::mem::discriminant(&modelled),
                    "{key:?}: the real API server answers {answer:?}, the model {modelled:?}"
                );
                let stale = answer == Answer::Stale;
                self.pass
                    .get_or_insert_default()
                    .insert(key.clone(), answer);
                self.go_on(next).await?;
                return Ok(stale);
            }
        }
        Ok(false)
    }

    async fn go_on(&mut self, next: &State) -> Result<()> {
        loop {
            let Some(pass) = &self.pass else {
                return Ok(());
            };
            let standing = stand_at(ago(-self.time), pass);
            if standing.ended.is_some() {
                self.pass = None;
                ensure!(
                    next.pass.is_none(),
                    "the real pass has ended, the other has not"
                );
                return Ok(());
            }
            let Some((key, request)) = standing
                .open
                .iter()
                .find(|(_, request)| is_untouched(request))
            else {
                ensure!(
                    next.pass.is_some(),
                    "the real pass goes on, the other has ended"
                );
                return Ok(());
            };
            let answer = self.answer(request).await?;
            self.pass
                .get_or_insert_default()
                .insert(key.clone(), answer);
        }
    }

    async fn answer(&self, request: &Request) -> Result<Answer> {
        Ok(match request {
            Request::Get(kind, name) => Answer::Object(
                self.live
                    .get(*kind, name)
                    .await?
                    .map(|object| Arc::new(json!(object))),
            ),
            Request::List(kind, query) => Answer::List(
                self.live
                    .list(*kind, query)
                    .await?
                    .into_iter()
                    .map(|object| Arc::new(json!(object)))
                    .collect(),
            ),
            Request::Write(write) => match self.live.write(write).await {
                Ok(object) => Answer::Object(object.map(|object| Arc::new(json!(object)))),
                Err(WriteError::Stale { .. }) => Answer::Stale,
                Err(WriteError::Refused {
                    message, fields, ..
                }) => Answer::Refused(message, fields),
                Err(error) => bail!(error),
            },
        })
    }

    async fn replace(
        &self,
        kind: cluster::Kind,
        name: &ObjectName,
        change: impl FnOnce(&mut Value),
    ) -> Result<()> {
        let Some(mut object) = self.get(kind, name).await? else {
            return Ok(());
        };
        let before = object["spec"].clone();
        change(&mut object);
        let patch = json_patch::diff(&before, &object["spec"]);
        self.cluster
            .patch_spec(kind, &name.namespace, &name.name, patch)
            .await?;
        Ok(())
    }

    async fn is_like(&mut self, state: &State) -> Result<()> {
        let mut pairs = Vec::new();
        for (kind, real_kind, name) in compared() {
            let real = self.get(real_kind, &name).await?;
            let model = state
                .objects
                .get(kind, &name)
                .map(|object| Value::clone(object));
            if let (Some(real), Some(model)) = (&real, &model)
                && let (Some(real), Some(model)) = (
                    real["metadata"]["uid"].as_str(),
                    model["metadata"]["uid"].as_str(),
                )
            {
                self.uids.insert(real.to_owned(), model.to_owned());
            }
            pairs.push((kind, name, real, model));
        }
        for (kind, name, real, model) in pairs {
            let (Some(real), Some(model)) = (&real, &model) else {
                ensure!(
                    real.is_some() == model.is_some(),
                    "{kind} {name}: really {real:#?}, in the model {model:#?}"
                );
                continue;
            };
            let mut text = real.to_string();
            for (real, model) in &self.uids {
                text = text.replace(real, model);
            }
            for step in 0..=self.time {
                let recorded = ago(-step).to_string();
                let aged = ago((self.time - step).min(LONG_AGO)).to_string();
                text = text.replace(&recorded, &aged);
            }
            let real: Value = serde_json::from_str(&text)?;
            let fields = match kind {
                // A Service has no generation.
                Kind::Service => vec!["labels", "ownerReferences", "annotations"],
                _ => vec!["generation", "finalizers", "annotations"],
            };
            for field in fields {
                let (real, model) = (&real["metadata"][field], &model["metadata"][field]);
                ensure!(
                    real == model,
                    "{kind} {name}: {field} is really {real:#}, in the model {model:#}"
                );
            }
            for field in ["/spec", "/status"] {
                let nothing = json!({});
                let (real, model) = (real.pointer(field), model.pointer(field));
                let (real, model) = (real.unwrap_or(&nothing), model.unwrap_or(&nothing));
                ensure!(
                    is_subset(model, real),
                    "{kind} {name}: {field} is really {real:#}, in the model {model:#}"
                );
            }
            let deleted = |object: &Value| object["metadata"]["deletionTimestamp"].is_string();
            ensure!(deleted(&real) == deleted(model), "{kind} {name}: {real:#}");
        }
        Ok(())
    }
}
