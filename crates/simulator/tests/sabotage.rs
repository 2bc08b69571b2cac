//! Each check is broken on purpose once: whatever is sabotaged, some seed shows it, by the property's name.
#![allow(clippy::unwrap_used, missing_docs)]

use vostro_simulator::machine::Sabotage;
use vostro_simulator::{Settings, simulate};

/// Seeds within which a fault must show.
const WITHIN: u64 = 60;

fn caught(sabotage: Sabotage, properties: &[&str]) {
    for seed in 0..WITHIN {
        let settings = Settings { validators: Some(4), sabotage: Some(sabotage), ..Settings::of(seed) };
        if let Err(failure) = simulate(&settings) {
            println!("{sabotage:?}: seed {seed}: {}", failure.what);
            assert!(properties.iter().any(|p| failure.what.starts_with(p)), "{failure}");
            return;
        }
    }
    panic!("{sabotage:?} is not noticed within {WITHIN} seeds");
}

#[test]
fn a_disk_that_does_not_write_is_noticed() {
    caught(Sabotage::SyncNothing, &["LOST", "CONTRADICTION"]);
}

#[test]
fn a_vote_sent_before_it_is_durable_is_noticed() {
    caught(Sabotage::ReportEarly, &["DURABILITY"]);
}

#[test]
fn a_validator_that_forgets_its_votes_is_noticed() {
    caught(Sabotage::ForgetVotes, &["CONTRADICTION", "EVIDENCE"]);
}

#[test]
fn a_state_that_differs_is_noticed() {
    caught(Sabotage::AlterState, &["HALT", "EXECUTION", "PENALTY", "LIVENESS"]);
}

#[test]
fn a_validator_that_hears_nothing_is_noticed() {
    caught(Sabotage::Deaf, &["LIVENESS"]);
}

#[test]
fn a_transaction_out_of_nowhere_is_noticed() {
    caught(Sabotage::UnknownTransaction, &["VALIDITY"]);
}

#[test]
fn a_stranger_who_gets_through_is_noticed() {
    caught(Sabotage::MistakenIdentity, &["AUTHORITY"]);
}

#[test]
fn too_many_liars_are_noticed() {
    caught(Sabotage::Overpower, &["AGREEMENT", "HALT"]);
}
