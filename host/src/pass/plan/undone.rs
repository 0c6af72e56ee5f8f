//! What to do when what we write has to be written again and again, because somebody undoes it or
//! because the component changes its mind: do it, but less and less often, and say whose fault it is.

use jiff::{SignedDuration, Timestamp};
use kube::api::ObjectMeta;
use kube::{Resource, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Plan;
use crate::managed_fields::last_editor;
use crate::names::{self, reason};
use crate::pass::report::Problem;
use crate::pass::world::World;

/// So often it is put right at once: a mistake is followed by a correction, not by a fight.
const AT_ONCE: u32 = 3;
/// The first wait after that; each is twice as long as the one before.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(10);
/// No wait is longer.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(10);
/// When nobody undid anything for so long, it is forgotten.
const FORGOTTEN: SignedDuration = SignedDuration::from_mins(20);

/// What we remember, in an annotation of the object that is undone, written together with what
/// puts it right.
#[derive(Serialize, Deserialize)]
pub(super) struct Undone {
    /// How often it was put right.
    times: u32,
    /// When, the last time.
    at: Timestamp,
    /// For which wish: another one begins anew.
    wish: String,
}

/// Why something is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Somebody has changed what is ours.
    Others,
    /// The component decides otherwise than before, though the user wishes the same.
    Policy,
}

impl Undone {
    /// It as the value of [`names::UNDONE_ANNOTATION`].
    pub(super) fn to_text(&self) -> String {
        json!(self).to_string()
    }

    fn recorded(seen: &ObjectMeta) -> Option<Self> {
        let text = seen.annotations.as_ref()?.get(names::UNDONE_ANNOTATION)?;
        serde_json::from_str(text).ok()
    }

    fn wait(&self) -> SignedDuration {
        match self.times.checked_sub(AT_ONCE) {
            None => SignedDuration::ZERO,
            Some(more) => FIRST_WAIT
                .saturating_mul(2_i32.saturating_pow(more))
                .min(LONGEST_WAIT),
        }
    }
}

/// What the user wishes and who decides: what a component may decide otherwise for.
pub(super) fn wish_of(world: &World, policy: &str) -> String {
    let gateway = &world.gateway;
    let settings = gateway.annotations().iter().filter(|(key, _)| {
        key.starts_with(names::SETTING_PREFIX)
            || [
                names::ENTRY_SERVICE_ANNOTATION,
                names::DEFAULT_LISTENER_ANNOTATION,
            ]
            .contains(&key.as_str())
    });
    let mut hasher = Sha256::new_with_prefix(policy);
    for (key, value) in settings {
        hasher.update(json!([key, value]).to_string());
    }
    let generation = gateway.meta().generation.unwrap_or_default();
    format!("{generation}-{:.8x}", hasher.finalize())
}

/// What to record while writing again what is ours in an object. None: it is not time to do so, which
/// the plan then says, and whose fault it is.
pub(super) fn put_right(
    world: &World,
    wish: &str,
    cause: Cause,
    what: &str,
    seen: &ObjectMeta,
    plan: &mut Plan,
) -> Option<Undone> {
    let now = world.now;
    let before = Undone::recorded(seen)
        .filter(|before| before.wish == wish)
        // A time to come is one of another clock.
        .filter(|before| before.at <= now && now.duration_since(before.at) < FORGOTTEN);
    if let Some(before) = &before {
        let left = before.wait() - now.duration_since(before.at);
        if left.is_positive() {
            let next = before.at.saturating_add(before.wait()).unwrap_or(now);
            let times = before.times.saturating_add(1);
            plan.problems.push(match cause {
                Cause::Others => Problem::general(
                    reason::UNDONE,
                    format!(
                        "{} has changed what is ours in {what} {times} times since it was written; \
                         it is put right again at {next}. Let one of both have it: take it out of \
                         what {0} writes, or out of this object",
                        last_editor(seen),
                    ),
                ),
                Cause::Policy => Problem::general(
                    reason::POLICY_UNSTABLE,
                    format!(
                        "the policy has changed its mind on {what} {times} times, for the same \
                         wish; what it decides is written again at {next}. Use another version of \
                         it, or another policy (annotation {})",
                        names::POLICY_ANNOTATION
                    ),
                ),
            });
            plan.look_again(left);
            return None;
        }
    }
    Some(Undone {
        times: before.map_or(0, |before| before.times).saturating_add(1),
        at: Timestamp::from_second(now.as_second()).unwrap_or(now),
        wish: wish.to_owned(),
    })
}
