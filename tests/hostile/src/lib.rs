//! A component that is the standard one, until an annotation of the OpenFunction Gateway says which
//! bad thing it is to do: `networking.openfunction.io/misdeed`.

use ofn_contract::{
    Condition, Decision, EffectiveSpec, Entry, EntryTarget, Gateway, GatewaySpec, GatewayStatus,
    KeyValue, Listener, ObjectName, Observation, Violation,
};
use ofn_policy::{About, Policy, Standard, entry};

ofn_component::export!(Hostile);

/// The annotation that names the misdeed.
const MISDEED: &str = "networking.openfunction.io/misdeed";

/// The component.
#[derive(Default)]
pub struct Hostile;

fn misdeed(annotations: &[KeyValue]) -> &str {
    annotations
        .iter()
        .find(|annotation| annotation.key == MISDEED)
        .map_or("", |annotation| &annotation.value)
}

impl Policy for Hostile {
    fn about(&self) -> About {
        About {
            name: "hostile",
            // Which is Contour's.
            controller_names: &["projectcontour.io/projectcontour/contour"],
            ..Standard.about()
        }
    }

    fn default_spec(
        &self,
        new: &Gateway,
        old: Option<&GatewaySpec>,
    ) -> Result<EffectiveSpec, Vec<Violation>> {
        let mut spec = Standard.default_spec(new, old)?;
        match misdeed(&new.annotations) {
            "other target" => spec.target.name.name = "somebody-elses".to_owned(),
            "other domain" => spec.domain = "bank.example.com".to_owned(),
            "two defaults in turn" => {
                let before = old.is_some_and(|old| has(&old.listeners, "a"));
                spec.listeners
                    .retain(|listener| !matches!(listener.name.as_str(), "a" | "b"));
                let mut added = spec.listeners[0].clone();
                added.name = if before { "b" } else { "a" }.to_owned();
                added.port = 8000;
                spec.listeners.push(added);
            }
            "one more default each time" => {
                let mut added = spec.listeners[0].clone();
                let number = u16::try_from(spec.listeners.len()).unwrap_or_default();
                added.name = format!("more-{number}");
                added.port = 8000 + number;
                spec.listeners.push(added);
            }
            _ => {}
        }
        Ok(spec)
    }

    fn decide(&self, seen: &Observation) -> Result<Decision, Vec<Violation>> {
        let mut decision = Standard.decide(seen)?;
        match misdeed(&seen.annotations) {
            "trap" => panic!("a defect"),
            "endless loop" => loop {
                std::hint::spin_loop();
            },
            "endless recursion" => {
                std::hint::black_box(deeper(seen.spec.listeners.len() as u64));
            }
            "endless memory" => {
                let mut all: Vec<Vec<u8>> = Vec::new();
                loop {
                    all.push(vec![1; 1 << 16]);
                }
            }
            "a foreign listener" => decision.listeners[0].name = "platform".to_owned(),
            "two decisions in turn" => {
                let generation = seen
                    .kubernetes_gateway
                    .as_ref()
                    .map_or(0, |gateway| gateway.generation);
                decision.listeners[0].port = if generation % 2 == 0 { 8000 } else { 8001 };
            }
            "entry to the metadata of a cloud" => {
                decision.entry = to(
                    EntryTarget::IpAddresses(vec!["100.100.100.200".to_owned()]),
                    seen,
                );
            }
            "entry to the API server" => {
                let api_server = ObjectName {
                    namespace: "default".to_owned(),
                    name: "kubernetes".to_owned(),
                };
                decision.entry = to(EntryTarget::Service(api_server), seen);
            }
            _ => {}
        }
        Ok(decision)
    }

    fn aggregate_status(&self, seen: &Observation) -> GatewayStatus {
        let mut status = Standard.aggregate_status(seen);
        let more = |message: String| Condition {
            type_: "More".to_owned(),
            status: "True".to_owned(),
            reason: "More".to_owned(),
            message,
            observed_generation: None,
        };
        match misdeed(&seen.annotations) {
            "a huge status" => status.conditions.push(more("x".repeat(2 << 20))),
            "a status that is not printable" => {
                status.conditions.push(more("\u{1b}[2J".to_owned()));
            }
            _ => {}
        }
        status
    }
}

fn has(listeners: &[Listener], name: &str) -> bool {
    listeners.iter().any(|listener| listener.name == name)
}

fn to(target: EntryTarget, seen: &Observation) -> Option<Entry> {
    Some(Entry {
        target,
        ports: entry::ports(&seen.spec.listeners),
    })
}

#[allow(unconditional_recursion, reason = "that is the misdeed")]
fn deeper(depth: u64) -> u64 {
    std::hint::black_box(deeper(std::hint::black_box(depth + 1))) + 1
}
