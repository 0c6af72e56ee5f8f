//! An input put before a component, as a pass does it.

use futures::executor::block_on;
use ofn_contract::{EffectiveSpec, Observation, ServiceQuery, Violation};
use serde_json::{Value, json};

use super::inputs::{self, Input};
use crate::cluster::Kind;
use crate::cluster::offline::Offline;
use crate::pass::decide::{self, Failure};
use crate::pass::observe::{self, Interest};
use crate::pass::report::Problem;
use crate::pass::vet::Terms;
use crate::pass::world::World;
use crate::sandbox::PolicyComponent;

/// A cluster of which a component has been asked which Services it needs to see.
pub(super) struct Scene {
    /// The objects, Services included.
    pub cluster: Offline,
    /// What the component sees.
    pub world: World,
    /// The effective spec.
    pub spec: EffectiveSpec,
}

impl Scene {
    /// The violations that the component has instead of answers, as a text, if it has some.
    ///
    /// # Errors
    ///
    /// When the component is at fault.
    pub fn of(policy: &PolicyComponent, input: &Input) -> Result<Result<Self, String>, Failure> {
        let spec = match decide::spec(policy, &input.gateway)? {
            Ok(spec) => spec,
            Err(violations) => return Ok(Err(instead("default", &violations))),
        };
        let cluster = Offline::default();
        for (kind, object) in input.objects() {
            insert(&cluster, kind, object);
        }
        let gateway = input.gateway.clone();
        let mut interest = Interest::default();
        let mut note = |seen: &Interest| interest.clone_from(seen);
        let seen = block_on(observe::world(&cluster, gateway, Some(&spec), &mut note));
        let mut world = match seen {
            Ok(world) => world,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let terms = Terms::default();
        let queries = match decide::service_queries(policy, &world, &spec, &terms)? {
            Ok(queries) => queries,
            Err(violations) => return Ok(Err(instead("service-queries", &violations))),
        };
        for service in services(&queries, input) {
            insert(&cluster, Kind::Service, service);
        }
        let mut nobody = |_: &Interest| ();
        let seen = observe::services(&cluster, queries, &terms, &mut world, &mut nobody, interest);
        Ok(match block_on(seen) {
            Ok(()) => Ok(Self {
                cluster,
                world,
                spec,
            }),
            Err(error) => Err(error.to_string()),
        })
    }

    /// Like [`Scene::of`], where a fault is another rule's concern.
    pub fn if_answered(policy: &PolicyComponent, input: &Input) -> Result<Self, String> {
        Self::of(policy, input).unwrap_or_else(|failure| Err(failure.to_string()))
    }

    /// All that a decision rests on.
    pub fn observation(&self) -> Observation {
        self.world.observation(&self.spec)
    }
}

/// What a component says instead of an answer.
pub(super) fn instead(function: &str, violations: &[Violation]) -> String {
    let texts = Problem::violations(violations).message;
    format!("{function} has violations: {texts}")
}

/// An input as documents of YAML, with the Services that the component would find.
pub(super) fn documents(policy: &PolicyComponent, input: &Input) -> String {
    let scene = Scene::if_answered(policy, input);
    let services = scene.map_or_else(|_| Vec::new(), |scene| scene.world.services);
    let mut objects: Vec<Value> = input
        .objects()
        .into_iter()
        .map(|(_, object)| object)
        .collect();
    objects.extend(services.iter().map(|service| json!(service)));
    let yaml = |object| serde_yaml_ng::to_string(object).unwrap_or_default();
    let documents = objects
        .iter()
        .map(|object| format!("---\n{}", yaml(object)));
    documents.collect()
}

/// The Services that a component finds: whatever it asks for, so that every component finds some.
fn services(queries: &[ServiceQuery], input: &Input) -> Vec<Value> {
    let answers = queries.iter().zip(&input.found).enumerate();
    let answers = answers.flat_map(|(number, (query, found))| {
        let numbers = 0..found.number;
        numbers.map(move |of_these| inputs::service(query, found, number, of_these))
    });
    answers.collect()
}

fn insert(cluster: &Offline, kind: Kind, object: Value) {
    // Inputs are made to be objects.
    if let Ok(object) = serde_json::from_value(object) {
        cluster.insert(kind, &object);
    }
}
