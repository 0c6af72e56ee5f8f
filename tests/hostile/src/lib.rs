//! A component that is the standard one, until it is told which bad thing it is to do: by annotation
//! `networking.openfunction.io/misdeed` of the OpenFunction Gateway, or by bytes in its file for ever.

use std::sync::atomic::{AtomicU16, Ordering};

use ofn_contract::{
    Condition, Decision, EffectiveSpec, Entry, EntryTarget, Gateway, GatewaySpec, GatewayStatus,
    KeyValue, Listener, ObjectName, Observation, Violation,
};
use ofn_policy::defaults::DEFAULT_LISTENER;
use ofn_policy::settings::{Port, Setting};
use ofn_policy::{About, Policy, Standard, entry};

ofn_component::export!(Hostile);

/// The annotation that names the misdeed.
const MISDEED: &str = "networking.openfunction.io/misdeed";

/// A test writes a misdeed over this in the component's file, with spaces behind it.
static WRITTEN: &[u8; 48] = b"misdeed:                                        ";

const PORT: Setting<Port> = Setting {
    name: "port",
    default: || Port(80),
    help: "Any.",
};

/// The component.
#[derive(Default)]
pub struct Hostile;

fn misdeed(annotations: &[KeyValue]) -> &str {
    let mut annotations = annotations.iter();
    match annotations.find(|annotation| annotation.key == MISDEED) {
        Some(annotation) => &annotation.value,
        None => written(),
    }
}

fn written() -> &'static str {
    // The compiler must not know it.
    let written = std::hint::black_box(WRITTEN).as_slice();
    let written = str::from_utf8(written).unwrap_or_default();
    written.strip_prefix("misdeed:").unwrap_or_default().trim()
}

/// What an instance remembers, which it must not.
static CALLS: AtomicU16 = AtomicU16::new(0);

impl Policy for Hostile {
    fn about(&self) -> About {
        About {
            name: "hostile",
            // Which is Contour's.
            controller_names: &["projectcontour.io/projectcontour/contour"],
            settings: match written() {
                "another default than it says" => &[&PORT],
                _ => &[],
            },
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
            "nothing is right" => return Err(wrong()),
            "other target" => spec.target.name.name = "somebody-elses".to_owned(),
            "lost fields" => {
                let mut listeners = spec.listeners.iter_mut();
                if let Some(own) = listeners.find(|one| one.name == DEFAULT_LISTENER) {
                    own.rest = "{}".to_owned();
                }
            }
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
        let known = match misdeed(&seen.annotations) {
            "any setting" | "another default than it says" => Observation {
                settings: Vec::new(),
                ..seen.clone()
            },
            _ => seen.clone(),
        };
        let mut decision = Standard.decide(&known)?;
        match misdeed(&seen.annotations) {
            "trap" => panic!("a defect"),
            "no decision" => return Err(wrong()),
            "trap when asked again" if CALLS.fetch_add(1, Ordering::Relaxed) > 0 => {
                panic!("a defect")
            }
            "trap with three listeners" if seen.spec.listeners.len() >= 3 => panic!("a defect"),
            "lost fields of the user" => decision.listeners[0].rest = "{}".to_owned(),
            "memory" => decision.listeners[0].port = CALLS.fetch_add(1, Ordering::Relaxed) + 1,
            "another default than it says" if seen.settings.is_empty() => {
                decision.listeners[0].port = 8000;
            }
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
            "statuses by their place" => {
                let first = seen.kubernetes_gateway.iter().flat_map(|gateway| {
                    let statuses = gateway.listener_statuses.first();
                    statuses.map(|status| status.name.clone())
                });
                status.conditions.push(more(first.collect()));
            }
            "always ready" => {
                let of_listeners = status.listeners.iter_mut();
                let of_listeners = of_listeners.flat_map(|listener| &mut listener.conditions);
                for condition in of_listeners.chain(&mut status.conditions) {
                    condition.status = "True".to_owned();
                }
            }
            "a status that is not printable" => {
                status.conditions.push(more("\u{1b}[2J".to_owned()));
            }
            _ => {}
        }
        status
    }
}

fn wrong() -> Vec<Violation> {
    vec![Violation {
        field: "spec.domain".to_owned(),
        reason: "FieldValueInvalid".to_owned(),
        message: "is not to my taste".to_owned(),
    }]
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
