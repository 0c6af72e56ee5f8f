//! What comes when the user, the others and the host's end have ceased: every run of the host, the
//! implementations and the clock from there.
//!
//! A run without an end comes to states that it does not leave any more, and these lead to each other.
//! It is fair if whoever can do something all the time does so at some time. So there is a fair run that
//! is not in the wished state for ever exactly if, in a strongly connected component of the graph with a
//! state that is not wished, everybody acts or has, somewhere, nothing to do.

use std::collections::HashMap;

use crate::truth::{MOST_WRITES, wished};
use crate::world::{Action, GATEWAYS, State, hash_of};

/// Whoever still acts, each a bit.
type Processes = u8;

/// The states in which the others have ceased, and the steps from one to the next.
#[derive(Default)]
pub struct Runs {
    /// Their numbers, by their hashes.
    numbers: HashMap<u64, u32>,
    is_wished: Vec<bool>,
    steps: Vec<Step>,
    /// Whether objects are as wished, and what others have put there; by the hash of both.
    wished: HashMap<u64, bool>,
}

#[derive(Clone, Copy)]
struct Step {
    from: u32,
    to: u32,
    by: Processes,
    is_write: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// States that lead to each other, and each that does so with no other.
    pub components: usize,
    /// The most writes of the host that come after the others have ceased, whatever the order.
    pub most_writes: u32,
    /// What does not hold, and the hash of a state where it does not.
    pub failure: Option<(&'static str, u64)>,
}

impl Runs {
    /// How many states there are.
    pub fn states(&self) -> usize {
        self.is_wished.len()
    }

    /// Notes a step to a state.
    pub fn note(&mut self, from: &State, action: Action, to: &State) {
        if !to.is_left_alone() {
            return;
        }
        let to = self.number(to);
        if from.is_left_alone() {
            let from_number = self.number(from);
            self.steps.push(Step {
                from: from_number,
                to,
                by: process(action),
                is_write: from.is_write(action),
            });
        }
    }

    fn number(&mut self, state: &State) -> u32 {
        let hash = hash_of(state);
        if let Some(known) = self.numbers.get(&hash) {
            return *known;
        }
        let situation = hash_of(&(&state.objects, &state.theirs));
        let is_wished = self.wished.entry(situation);
        let is_wished = *is_wished.or_insert_with(|| wished(state).is_ok());
        let number = u32::try_from(self.is_wished.len()).expect("fewer states");
        self.numbers.insert(hash, number);
        self.is_wished.push(is_wished);
        number
    }

    /// Looks for a fair run that does not end well, and for one in which the host writes for ever.
    pub fn check(&mut self) -> Found {
        self.steps.sort_unstable_by_key(|step| step.from);
        let components = Components::of(self);
        let mut found = Found::default();
        // The most writes after a component: those that it leads to come before it.
        let mut writes: Vec<u32> = Vec::new();
        let mut failure = None;
        let mut failing = |what, state| {
            failure.get_or_insert((what, state));
        };
        for (number, members) in components.members.iter().enumerate() {
            let (mut able, mut acting) = (Processes::MAX, 0);
            let mut most = 0;
            for state in members {
                let mut able_here = 0;
                for step in self.from(*state) {
                    able_here |= step.by;
                    let to = components.of[step.to as usize] as usize;
                    if to != number {
                        most = most.max(writes[to] + u32::from(step.is_write));
                        continue;
                    }
                    acting |= step.by;
                    if step.is_write {
                        failing("nobody fights", u64::from(*state));
                    }
                }
                able &= able_here;
            }
            writes.push(most);
            if most > MOST_WRITES {
                failing("nobody fights", u64::from(members[0]));
            }
            let is_fair = able & !acting == 0;
            let unwished = members.iter().find(|one| !self.is_wished[**one as usize]);
            if let (true, Some(unwished)) = (is_fair, unwished) {
                failing("the wish comes true", u64::from(*unwished));
            }
        }
        found.failure = failure.map(|(what, number)| {
            let mut all = self.numbers.iter();
            let hash = all.find(|(_, other)| u64::from(**other) == number);
            (what, hash.map_or(0, |(hash, _)| *hash))
        });
        found.components = components.members.len();
        found.most_writes = writes.into_iter().max().unwrap_or_default();
        found
    }

    fn from(&self, state: u32) -> &[Step] {
        let begin = self.steps.partition_point(|step| step.from < state);
        let end = self.steps.partition_point(|step| step.from <= state);
        &self.steps[begin..end]
    }
}

fn process(action: Action) -> Processes {
    match action {
        Action::Vendor(gateway) => {
            let index = GATEWAYS.iter().position(|other| *other == gateway);
            4 << index.unwrap_or_default()
        }
        Action::Time => 2,
        _ => 1,
    }
}

/// The strongly connected components; those that one leads to come before it.
struct Components {
    /// By the number of a state.
    of: Vec<u32>,
    members: Vec<Vec<u32>>,
}

impl Components {
    /// Tarjan's algorithm, with a stack of its own.
    fn of(runs: &Runs) -> Self {
        const UNSEEN: u32 = u32::MAX;
        let states = runs.states();
        let mut all = Self {
            of: vec![UNSEEN; states],
            members: Vec::new(),
        };
        let (mut order, mut low) = (vec![UNSEEN; states], vec![UNSEEN; states]);
        let mut open = Vec::new();
        // Each state with the step that is next.
        let mut way: Vec<(u32, usize)> = Vec::new();
        let mut next = 0;
        for root in 0..u32::try_from(states).expect("fewer states") {
            if order[root as usize] != UNSEEN {
                continue;
            }
            way.push((root, 0));
            while let Some((state, step)) = way.pop() {
                let at = state as usize;
                if step == 0 {
                    (order[at], low[at]) = (next, next);
                    next += 1;
                    open.push(state);
                }
                let steps = runs.from(state);
                // Back from the step before.
                if let Some(before) = step.checked_sub(1).and_then(|before| steps.get(before)) {
                    let to = before.to as usize;
                    if all.of[to] == UNSEEN {
                        low[at] = low[at].min(low[to]);
                    }
                }
                if let Some(onward) = steps.get(step) {
                    way.push((state, step + 1));
                    if order[onward.to as usize] == UNSEEN {
                        way.push((onward.to, 0));
                    }
                } else if low[at] == order[at] {
                    let begin = open.iter().rposition(|one| *one == state);
                    let members = open.split_off(begin.unwrap_or_default());
                    let number = u32::try_from(all.members.len()).expect("fewer states");
                    for member in &members {
                        all.of[*member as usize] = number;
                    }
                    all.members.push(members);
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in a graph with these steps, each from, to and by whom; `wished` is a state.
    fn found(steps: &[(u32, u32, Processes)], wished: u32) -> Option<&'static str> {
        let states = steps.iter().map(|(from, to, _)| from.max(to) + 1).max();
        let states = 0..states.unwrap_or_default();
        let step = |&(from, to, by)| Step {
            from,
            to,
            by,
            is_write: false,
        };
        let mut runs = Runs {
            numbers: states.clone().map(|state| (state.into(), state)).collect(),
            is_wished: states.map(|state| state == wished).collect(),
            steps: steps.iter().map(step).collect(),
            wished: HashMap::new(),
        };
        runs.check().failure.map(|(what, _)| what)
    }

    #[test]
    fn a_run_that_goes_round_for_ever_and_is_fair_is_found() {
        assert_eq!(
            found(&[(0, 1, 1), (1, 0, 1)], 0),
            Some("the wish comes true")
        );
        // The other one can act only now and then.
        let steps = [(0, 1, 1), (1, 0, 1), (1, 2, 2)];
        assert_eq!(found(&steps, 2), Some("the wish comes true"));
    }

    #[test]
    fn a_run_in_which_somebody_never_acts_who_always_can_does_not_count() {
        let steps = [(0, 1, 1), (1, 0, 1), (0, 2, 2), (1, 2, 2)];
        assert_eq!(found(&steps, 2), None);
    }

    #[test]
    fn a_state_in_which_nobody_can_act_is_an_end() {
        assert_eq!(found(&[(0, 1, 1)], 1), None);
        assert_eq!(found(&[(0, 1, 1)], 0), Some("the wish comes true"));
    }

    #[test]
    fn a_host_that_writes_for_ever_is_found_where_all_is_as_wished_too() {
        let write = Step {
            from: 0,
            to: 0,
            by: 1,
            is_write: true,
        };
        let mut runs = Runs {
            numbers: HashMap::from([(0, 0)]),
            is_wished: vec![true],
            steps: vec![write],
            wished: HashMap::new(),
        };
        let failure = runs.check().failure;
        assert_eq!(failure.map(|(what, _)| what), Some("nobody fights"));
    }
}
