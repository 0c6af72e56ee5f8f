//! What to do when somebody undoes what we write, again and again: put it right, but less and less
//! often, and say who it is.

use jiff::{SignedDuration, Timestamp};
use kube::api::ObjectMeta;
use serde::{Deserialize, Serialize};

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
    /// For which generation of the OpenFunction Gateway: another wish begins anew.
    wish: i64,
}

impl Undone {
    /// It as the value of [`names::UNDONE_ANNOTATION`].
    pub(super) fn to_text(&self) -> String {
        serde_json::json!(self).to_string()
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

/// What to record while putting an object right that somebody has changed. None: it is not time to
/// do so, which the plan then says, with the name of whoever it was.
pub(super) fn put_right(
    world: &World,
    what: &str,
    seen: &ObjectMeta,
    plan: &mut Plan,
) -> Option<Undone> {
    let now = world.now;
    let wish = world.gateway.metadata.generation.unwrap_or_default();
    let before = Undone::recorded(seen)
        .filter(|before| before.wish == wish)
        // A time to come is one of another clock.
        .filter(|before| before.at <= now && now.duration_since(before.at) < FORGOTTEN);
    if let Some(before) = &before {
        let left = before.wait() - now.duration_since(before.at);
        if left.is_positive() {
            let next = before.at.saturating_add(before.wait()).unwrap_or(now);
            plan.problems.push(Problem::general(
                reason::UNDONE,
                format!(
                    "{} has changed what is ours in {what} {} times since it was written; it is \
                     put right again at {next}. Let one of both have it: take it out of what \
                     {0} writes, or out of this object",
                    last_editor(seen),
                    before.times + 1,
                ),
            ));
            plan.look_again(left);
            return None;
        }
    }
    Some(Undone {
        times: before.map_or(0, |before| before.times).saturating_add(1),
        at: Timestamp::from_second(now.as_second()).unwrap_or(now),
        wish,
    })
}
