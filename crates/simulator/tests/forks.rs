//! With two liars of four the chain can fork; then the papers of the honest name at least n − 2f liars and nobody else.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;

use vostro_simulator::machine::Sabotage;
use vostro_simulator::{Settings, simulate};
use vostro_types::ValidatorIndex;

#[test]
fn a_fork_names_the_liars_and_nobody_else() {
    let liars: BTreeSet<_> = [ValidatorIndex(0), ValidatorIndex(1)].into();
    let (mut forks, mut kinds) = (0, BTreeSet::new());
    for seed in 0..40 {
        let settings = Settings { validators: Some(4), sabotage: Some(Sabotage::Overpower), ..Settings::of(seed) };
        let Err(failure) = simulate(&settings) else { continue };
        if !failure.what.starts_with("AGREEMENT") {
            continue;
        }
        let verdict = failure.verdict.clone().unwrap();
        let named: BTreeSet<_> = verdict.accused().into_iter().collect();
        assert_eq!(named, liars, "seed {seed}: {failure}");
        forks += 1;
        kinds.extend(verdict.evidence.iter().map(|evidence| evidence.name()));
    }
    println!("{forks} forks of 40 seeds, by {kinds:?}");
    assert!(forks >= 10, "{forks}");
}
