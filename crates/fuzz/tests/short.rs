//! A short run of every target, in the ordinary tests; docs/fuzzing.md has the long ones.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use vostro_fuzz::{Failure, Mutator, Options, Random, Shape, Target, find, run, targets};

const SHORT: Options = Options { executions: 20_000, seed: 1, at_most: Some(Duration::from_secs(4)) };

/// Every second, third and so on target, so that the runs share the cores.
fn short(part: usize) {
    for target in targets().iter().skip(part).step_by(4) {
        let report = run(target, &SHORT, |_| ());
        if let Some(failure) = report.failure {
            panic!(
                "{}: execution {} with seed {}: {}; {} bytes: {:02x?}",
                target.name,
                failure.execution,
                SHORT.seed,
                failure.what,
                failure.input.len(),
                &failure.input[..failure.input.len().min(256)]
            );
        }
        assert!(report.accepted > 0 && report.outcomes > 1, "{}: {report:?}", target.name);
    }
}

#[test]
fn first_quarter() {
    short(0);
}

#[test]
fn second_quarter() {
    short(1);
}

#[test]
fn third_quarter() {
    short(2);
}

#[test]
fn last_quarter() {
    short(3);
}

fn broken(decoder: fn(&[u8]) -> vostro_fuzz::Outcome) -> Failure {
    let target = Target { run: decoder, ..find("sync_request").unwrap() };
    let options = Options { executions: 50_000, seed: 1, at_most: None };
    run(&target, &options, |_| ()).failure.expect("the run finds what is wrong")
}

fn answer() -> vostro_fuzz::Outcome {
    (find("sync_request").unwrap().run)(&[])
}

#[test]
fn a_decoder_that_believes_a_length_is_caught_and_its_input_made_small() {
    let failure = broken(|bytes| {
        // the fault every decoder here must not have: memory by an announced length
        if let Some(length) = bytes.first_chunk::<4>() {
            let claimed = u32::from_le_bytes(*length) as usize;
            drop(std::hint::black_box(Vec::<u8>::with_capacity(claimed.min(1 << 30))));
        }
        answer()
    });
    assert!(failure.what.contains("allocated"), "{}", failure.what);
    assert_eq!(failure.input.len(), 4);
}

#[test]
fn a_decoder_that_panics_is_caught_and_its_input_made_small() {
    let failure = broken(|bytes| {
        assert!(bytes.len() < 12 || bytes[9] != 0xff, "an index out of range, for example");
        answer()
    });
    assert!(failure.what.contains("for example"), "{}", failure.what);
    assert_eq!(failure.input, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0]);
}

#[test]
fn a_run_follows_from_its_seed() {
    let target = find("certificate").unwrap();
    let figures = || {
        let report = run(&target, &Options { executions: 3000, seed: 9, at_most: None }, |_| ());
        (report.executions, report.accepted, report.outcomes)
    };
    assert_eq!(figures(), figures());
    let mutator = Mutator::new(Shape::Binary, 10);
    let mut out = Vec::new();
    mutator.mutate(&mut Random::new(1), &[], &[Vec::new()], &mut out);
    assert!(out.len() <= 10);
}
