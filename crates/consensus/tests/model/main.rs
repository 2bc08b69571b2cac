//! Model checking of the production core: every interleaving of a small cluster within stated bounds.
//!
//! `docs/model-checking.md` says what is covered, what is reduced and why that is sound, and what was measured.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod broken;
#[path = "../cluster/mod.rs"]
mod cluster;
mod host;
mod space;

use std::num::NonZeroUsize;

use broken::Rule;
use space::{Bounds, Cluster};
use stateright::{Checker, Model};

/// Explores to the end, or to a depth, and holds every property against every state.
fn check(bounds: Bounds, depth: Option<usize>) {
    let mut builder = Cluster::new(bounds).checker().threads(2);
    if let Some(depth) = depth.and_then(NonZeroUsize::new) {
        builder = builder.target_max_depth(depth.get());
    }
    let checker = builder.spawn_bfs().join();
    println!(
        "{bounds:?}: {} states, {} transitions, depth {}, {} states of one validator, core driven {} times",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        checker.model().locals(),
        checker.model().steps(),
    );
    for (name, path) in checker.discoveries() {
        println!("  {name}: {} steps", path.clone().into_actions().len());
        let broken = checker
            .model()
            .properties()
            .into_iter()
            .any(|p| p.name == name && matches!(p.expectation, stateright::Expectation::Always));
        if broken {
            path.into_actions().iter().for_each(|action| println!("    {action:?}"));
        }
    }
    // every property that must hold does, every state that should be reached is
    checker.assert_properties();
}

/// Views 0 to `last`; one faulty validator, given by its place.
fn one_liar(who: u8, last: u8, crashes: u8) -> Bounds {
    Bounds { n: 4, byzantine: 1 << who, last, crashes, running: false, exact: false, broken: &[] }
}

/// Two faulty validators; all that honest logs hold is told apart.
fn two_liars(byzantine: u8, last: u8) -> Bounds {
    Bounds { n: 4, byzantine, last, crashes: 0, running: false, exact: true, broken: &[] }
}

#[test]
fn one_liar_and_two_views() {
    check(one_liar(1, 1, 0), None);
    check(one_liar(2, 1, 0), None);
    check(one_liar(3, 1, 1), None);
    check(Bounds { running: true, ..one_liar(1, 1, 0) }, None);
}

/// What is not told apart changes nothing: with all signers told apart the same states are reached.
#[test]
fn one_signer_stands_for_all() {
    for who in [0, 1] {
        let reached = |exact| Cluster::new(Bounds { exact, ..one_liar(who, 1, 0) }).reached();
        let (plain, exact) = (reached(false), reached(true));
        println!("{who} faulty: {} states, {} missed", plain.len(), exact.difference(&plain).count());
        println!("  {} too many", plain.difference(&exact).count());
        assert!(plain == exact);
    }
}

/// Validators 0 and 3 play the same part in views 0 and 1.
#[test]
fn equal_places_reach_equally_many_states() {
    let reached = |who| Cluster::new(one_liar(who, 1, 1)).reached().len();
    assert_eq!(reached(0), reached(3));
}

#[test]
fn a_fork_by_two_of_four_names_both() {
    check(two_liars(0b1001, 1), None);
}

/// The counterexample to agreement (to validity, where execution is broken) that the checker finds without these rules.
fn falls(broken: &'static [Rule], bounds: Bounds) {
    let checker = Cluster::new(Bounds { broken, ..bounds }).checker().threads(2).spawn_bfs().join();
    let found = checker.discoveries().into_iter().next();
    println!("without {broken:?}: {} states", checker.unique_state_count());
    let (property, path) = found.unwrap_or_else(|| panic!("without {broken:?} nothing was violated"));
    let actions = path.into_actions();
    println!("  {property} is violated in {} steps", actions.len());
    actions.iter().for_each(|action| println!("    {action:?}"));
}

/// Nothing is violated without these rules.
fn stands(broken: &'static [Rule], bounds: Bounds) {
    let checker = Cluster::new(Bounds { broken, ..bounds }).checker().threads(2).spawn_bfs().join();
    println!("without {broken:?}: {} states, nothing violated", checker.unique_state_count());
    checker.assert_properties();
}

#[test]
fn without_r1_prepare_once_the_checker_finds_a_fork() {
    falls(&[Rule::PrepareOnce], one_liar(1, 1, 0));
}

#[test]
fn without_r1_justification_the_checker_finds_a_fork() {
    falls(&[Rule::Justification], one_liar(2, 1, 0));
}

/// A certificate that is not the highest needs two below it: views 0 to 2.
#[test]
#[ignore = "minutes"]
fn without_r1_highest_certificate_the_checker_finds_a_fork() {
    falls(&[Rule::HighestCertificate], one_liar(3, 2, 0));
}

#[test]
fn without_r1_execution_the_checker_finds_an_invalid_block() {
    falls(&[Rule::Execution], one_liar(1, 1, 0));
}

#[test]
fn without_r2_the_checker_finds_a_fork() {
    falls(&[Rule::CommitPrepared], one_liar(1, 1, 0));
}

/// Two rules keep a commit from being denied: the core's on the order of records, and the guard's memory. Either is enough.
#[test]
fn without_r2_order_and_the_guard_the_checker_finds_a_fork() {
    falls(&[Rule::CertificateFirst, Rule::GuardRemembers], one_liar(3, 1, 1));
}

#[test]
#[ignore = "minutes"]
fn without_r2_order_or_the_guard_nothing_is_violated() {
    for who in [1, 2, 3] {
        stands(&[Rule::CertificateFirst], one_liar(who, 1, 1));
        stands(&[Rule::GuardRemembers], one_liar(who, 1, 1));
    }
}

#[test]
fn without_r3_no_vote_below_the_checker_finds_a_fork() {
    falls(&[Rule::NoVoteBelow], one_liar(1, 1, 0));
}

#[test]
fn without_r3_report_and_the_guard_the_checker_finds_a_fork() {
    // the guard alone is enough
    stands(&[Rule::Report], one_liar(1, 1, 0));
    falls(&[Rule::Report, Rule::GuardRemembers], one_liar(1, 1, 0));
}

#[test]
fn with_a_smaller_quorum_the_checker_finds_a_fork() {
    falls(&[Rule::QuorumOfPrepares], one_liar(1, 1, 0));
    falls(&[Rule::QuorumOfCommits], one_liar(1, 1, 0));
    falls(&[Rule::QuorumOfClaims], one_liar(1, 1, 0));
}

#[test]
#[ignore = "minutes"]
fn one_liar_one_crash_three_views() {
    (0..4).for_each(|who| check(one_liar(who, 2, 1), None));
}

#[test]
#[ignore = "minutes"]
fn no_liar_one_crash_three_views() {
    check(Bounds { byzantine: 0, ..one_liar(0, 2, 1) }, None);
}

#[test]
#[ignore = "minutes"]
fn a_core_that_runs_on_three_views() {
    (0..4).for_each(|who| check(Bounds { running: true, ..one_liar(who, 2, 0) }, None));
    (0..4).for_each(|who| check(Bounds { running: true, ..one_liar(who, 1, 1) }, None));
}

#[test]
#[ignore = "minutes"]
fn forks_by_two_of_four() {
    [0b0011, 0b1001, 0b1010, 0b1100, 0b0101, 0b0110].into_iter().for_each(|who| check(two_liars(who, 1), None));
}

fn number(name: &str) -> Option<u8> {
    #[allow(clippy::disallowed_methods)] // which configuration is tried comes from the environment
    let text = std::env::var(name).ok()?;
    text.parse().ok()
}

/// Any bounds, to try things out: `VOSTRO_BYZANTINE=2 VOSTRO_LAST=2 VOSTRO_CRASHES=1 ..`.
#[test]
#[ignore = "bounds are given by hand"]
fn by_hand() {
    let get = |name, default| number(name).unwrap_or(default);
    let bounds = Bounds {
        n: 4,
        byzantine: get("VOSTRO_BYZANTINE", 0b0010),
        last: get("VOSTRO_LAST", 1),
        crashes: get("VOSTRO_CRASHES", 0),
        running: get("VOSTRO_RUNNING", 0) == 1,
        exact: get("VOSTRO_EXACT", 0) == 1,
        broken: &[],
    };
    check(bounds, number("VOSTRO_DEPTH").map(usize::from));
}
