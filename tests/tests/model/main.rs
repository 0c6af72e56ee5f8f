//! Explores everything that can happen to a small cluster: every order of the reads and writes of
//! the real passes, with the real component, and of what a user, other owners, an implementation,
//! the clock and a crash do in between. The API server is a model of it, which [`walks`] compares
//! with the real one.

mod runs;
mod truth;
mod walks;
mod world;

use std::sync::atomic::Ordering;

use stateright::{Checker, CheckerBuilder, HasDiscoveries, Model, Path, Property};

use crate::world::{Action, Answered, Edit, Fault, Foreign, State, World, hash_of};

const SOUGHT: &str = "the state that is sought is not reached";

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.first()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(World::actions(self, state));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let next = self.after(state, action)?;
        if self.sought.is_none() {
            self.runs().note(state, action, &next);
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "no foreign listener is lost",
                truth::no_foreign_listener_is_lost,
            ),
            Property::always("nobody fights", truth::nobody_fights),
            Property::always(
                "the entry leads to a Gateway with our listeners",
                truth::the_entry_leads_to_a_gateway_with_our_listeners,
            ),
            Property::always(SOUGHT, |world: &World, state| {
                world.sought != Some(hash_of(state))
            }),
        ]
    }
}

/// Explores the whole world, or up to the first thing that should never be. Answers the name of
/// that and the way to it.
fn explore(what: &str, world: World) -> Option<(&'static str, Vec<Action>)> {
    let began = std::time::Instant::now();
    let again = world.clone();
    // Breadth first, what is left to explore would not fit into memory.
    let checker = builder(world).spawn_dfs().join();
    let found = checker.model().runs().check();
    println!(
        "{what}: {} states, in {} of them the others have ceased, from there at most {} writes, {:.1} s",
        checker.unique_state_count(),
        checker.model().runs().states(),
        found.most_writes,
        began.elapsed().as_secs_f64(),
    );
    if !checker.discoveries().is_empty() {
        return Some(first_discovery(again).expect("what was found is found again"));
    }
    // Where a user edits, some writes of the host come too late: else nothing would be explored.
    let was_stale = again.seen.was_stale.load(Ordering::Relaxed);
    assert!(
        again.most_edits == 0 || was_stale || again.fault == Some(Fault::Deaf),
        "{what}: no write was stale"
    );
    let (name, hash) = found.failure?;
    let to_it = first_discovery(World {
        sought: Some(hash),
        ..again
    });
    Some((name, to_it.map(|(_, way)| way).unwrap_or_default()))
}

/// What should never be and is, with the shortest way to it.
fn first_discovery(world: World) -> Option<(&'static str, Vec<Action>)> {
    let checker = builder(world).spawn_bfs().join();
    let mut discoveries = checker.discoveries();
    checker.model().properties().iter().find_map(|property| {
        let way = discoveries.remove(property.name)?;
        Some((property.name, Path::into_actions(way)))
    })
}

fn builder(world: World) -> CheckerBuilder<World> {
    let builder = world.checker().threads(2);
    builder.finish_when(HasDiscoveries::AnyFailures)
}

/// How often something may happen; `MODEL_MORE` makes it more often.
fn times(least: u8) -> u8 {
    let more = std::env::var("MODEL_MORE").ok();
    let more: Option<u8> = more.and_then(|text| text.parse().ok());
    least + more.unwrap_or_default()
}

#[test]
fn a_gateway_that_is_moved_and_deleted_ends_where_the_user_wants_it() {
    let moves = &[Edit::Ref("b"), Edit::Def("made"), Edit::Delete];
    let world = World::new(moves, times(2));
    assert_eq!(explore("moves", world), None);
}

#[test]
fn a_wish_that_changes_three_times_comes_true() {
    let world = World {
        answered: Answered::InOrder,
        ..World::new(&[Edit::Ref("b"), Edit::Ref("a")], times(3))
    };
    assert_eq!(explore("there, back and there again", world), None);
}

#[test]
fn a_host_that_ends_between_any_two_requests_is_made_up_for() {
    let moves = &[Edit::Ref("b"), Edit::Def("made"), Edit::Delete];
    let world = World {
        most_crashes: 1,
        ..World::new(moves, times(1))
    };
    assert_eq!(explore("moves, and a crash", world), None);
}

#[test]
fn changed_listeners_and_domains_come_to_rest_beside_other_writers() {
    let changes = &[
        Edit::Domain("b.ofn.io"),
        Edit::Listeners(&["web"]),
        Edit::Listeners(&["blue"]),
    ];
    let world = World {
        foreign: &[
            Foreign::Add("a"),
            Foreign::ApplyOurName("a"),
            Foreign::Wipe("a"),
        ],
        most_foreign: 1,
        ..World::new(changes, times(1))
    };
    assert_eq!(
        explore("listeners and domains, and another writer", world),
        None
    );
}

#[test]
fn other_writers_keep_theirs_when_a_gateway_is_moved_or_deleted() {
    let world = World {
        foreign: &[
            Foreign::Add("made"),
            Foreign::ApplyOurName("a"),
            Foreign::Wipe("a"),
        ],
        most_foreign: 1,
        ..World::new(&[Edit::Def("made"), Edit::Ref("a"), Edit::Delete], times(1))
    };
    assert_eq!(explore("moves, and another writer", world), None);
}

#[test]
fn a_host_that_ends_beside_another_writer_is_made_up_for() {
    let world = World {
        foreign: &[Foreign::Add("a"), Foreign::Wipe("a")],
        most_foreign: 1,
        most_crashes: 1,
        ..World::new(&[Edit::Listeners(&["blue"])], 1)
    };
    assert_eq!(explore("a crash, and another writer", world), None);
}

#[test]
fn listeners_that_somebody_takes_out_again_and_again_come_back_when_that_ends() {
    let world = World {
        foreign: &[Foreign::Wipe("a")],
        most_foreign: 4,
        ..World::new(&[], 0)
    };
    assert_eq!(explore("a fight", world), None);
}

#[test]
fn two_edits_another_writer_an_implementation_that_fails_and_a_crash_together_end_well() {
    let world = World {
        foreign: &[Foreign::Add("a"), Foreign::Wipe("a"), Foreign::Fail("b")],
        most_foreign: 1,
        most_crashes: 1,
        answered: Answered::ReadsAtOnce,
        ..World::new(&[Edit::Ref("b"), Edit::Delete], times(2))
    };
    assert_eq!(explore("all together", world), None);
}

#[test]
#[ignore = "takes long: make soak"]
fn a_wish_that_changes_three_times_beside_another_writer_and_a_crash_comes_true() {
    let world = World {
        foreign: &[Foreign::Add("a")],
        most_foreign: 1,
        most_crashes: 1,
        answered: Answered::ReadsAtOnce,
        ..World::new(&[Edit::Ref("b"), Edit::Ref("a")], 3)
    };
    assert_eq!(
        explore("three wishes, another writer and a crash", world),
        None
    );
}

#[test]
#[ignore = "takes very long: make soak"]
fn a_wish_that_changes_three_times_beside_all_others_comes_true() {
    let world = World {
        foreign: &[Foreign::Add("a"), Foreign::Wipe("a"), Foreign::Fail("b")],
        most_foreign: 1,
        most_crashes: 1,
        answered: Answered::ReadsAtOnce,
        ..World::new(&[Edit::Ref("b"), Edit::Ref("a"), Edit::Delete], 3)
    };
    assert_eq!(explore("three wishes and all others", world), None);
}

#[test]
fn without_the_tests_in_its_patches_a_foreign_listener_would_be_lost() {
    let world = World {
        foreign: &[Foreign::Add("a"), Foreign::Wipe("a")],
        most_foreign: 2,
        fault: Some(Fault::Unguarded),
        ..World::new(&[Edit::Listeners(&["blue"]), Edit::Delete], 1)
    };
    let found = explore("a fault: unguarded", world);
    assert_eq!(
        found.map(|(what, _)| what),
        Some("no foreign listener is lost")
    );
}

#[test]
fn without_an_ear_for_changes_during_a_pass_a_wish_would_not_come_true() {
    let world = World {
        fault: Some(Fault::Deaf),
        ..World::new(&[Edit::Domain("b.ofn.io")], 1)
    };
    let found = explore("a fault: deaf", world);
    assert_eq!(found.map(|(what, _)| what), Some("the wish comes true"));
}
