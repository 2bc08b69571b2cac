//! How long the same fixed work takes, on one thread: `cargo bench -p vostro-guards --bench times`.
//!
//! Nothing judges these figures: they move with the machine and its load. Instructions are what is guarded.

#![allow(missing_docs)] // the macro makes public items without

use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use vostro_guards as work;

fn main() {
    divan::main();
}

/// Times `step` on one input again and again: every piece of work gives its input back. What it makes is freed later.
fn again<I, O>(bencher: Bencher<'_, '_>, items: usize, input: I, step: impl Fn(I) -> (O, I)) {
    let mut input = Some(input);
    bencher.counter(ItemsCount::new(items)).bench_local(|| {
        let (made, back) = step(black_box(input.take().expect("the last run gave it back")));
        input = Some(back);
        made
    });
}

mod codec {
    use super::*;
    use work::codec::*;

    #[divan::bench]
    fn encode_transaction(bencher: Bencher<'_, '_>) {
        again(bencher, 1, payment(), encode);
    }

    #[divan::bench]
    fn decode_transaction(bencher: Bencher<'_, '_>) {
        again(bencher, 1, bytes(payment()), work::codec::decode_transaction);
    }

    #[divan::bench]
    fn encode_block(bencher: Bencher<'_, '_>) {
        again(bencher, 100, full_block(), encode);
    }

    #[divan::bench]
    fn decode_block(bencher: Bencher<'_, '_>) {
        again(bencher, 100, bytes(full_block()), work::codec::decode_block);
    }

    #[divan::bench]
    fn encode_commit(bencher: Bencher<'_, '_>) {
        again(bencher, 1, commit(), encode);
    }

    #[divan::bench]
    fn decode_commit(bencher: Bencher<'_, '_>) {
        again(bencher, 1, bytes(commit()), decode_message);
    }
}

mod contract {
    use super::*;
    use work::contract::{Waiting, apply_all, due, fire, payment, payments};

    fn apply(waiting: Waiting) -> (impl Sized, Waiting) {
        let (receipts, changes, waiting) = apply_all(waiting);
        ((receipts, changes), waiting)
    }

    fn fall_due(waiting: Waiting) -> (impl Sized, Waiting) {
        let (receipts, changes, waiting) = fire(waiting);
        ((receipts, changes), waiting)
    }

    #[divan::bench]
    fn pay(bencher: Bencher<'_, '_>) {
        again(bencher, 1, payment(), apply);
    }

    #[divan::bench]
    fn pay_hundred(bencher: Bencher<'_, '_>) {
        again(bencher, 100, payments(), apply);
    }

    #[divan::bench]
    fn refund(bencher: Bencher<'_, '_>) {
        again(bencher, 1, work::contract::refund(), apply);
    }

    #[divan::bench]
    fn deadlines(bencher: Bencher<'_, '_>) {
        again(bencher, 100, due(), fall_due);
    }

    #[divan::bench]
    fn execute_block(bencher: Bencher<'_, '_>) {
        again(bencher, 100, payments(), work::contract::execute_block);
    }
}

mod state {
    use super::*;
    use work::state::{TOUCHED, Waiting, changes};

    fn change(waiting: Waiting) -> (impl Sized, Waiting) {
        let (root, tree, waiting) = work::state::update(waiting);
        ((root, tree), waiting)
    }

    #[divan::bench]
    fn update(bencher: Bencher<'_, '_>) {
        again(bencher, TOUCHED as usize, changes(), change);
    }

    #[divan::bench]
    fn update_large(bencher: Bencher<'_, '_>) {
        again(bencher, 10 * TOUCHED as usize, work::state::large(), work::state::grow);
    }

    #[divan::bench]
    fn prove(bencher: Bencher<'_, '_>) {
        again(bencher, 16, changes(), work::state::prove);
    }

    #[divan::bench]
    fn check_proof(bencher: Bencher<'_, '_>) {
        let (proof, root) = work::state::proof();
        again(bencher, 1, proof, |proof| {
            let (holds, proof) = work::state::check((proof, root));
            assert!(holds);
            ((), proof)
        });
    }
}

mod consensus {
    use super::*;
    use work::agreement::{follower, voter};

    // A height is decided once, so each run has a validator of its own.
    #[divan::bench(sample_count = 20, sample_size = 1)]
    fn vote(bencher: Bencher<'_, '_>) {
        bencher.with_inputs(voter).bench_local_values(work::agreement::decide);
    }

    #[divan::bench(sample_count = 20, sample_size = 1)]
    fn follow(bencher: Bencher<'_, '_>) {
        bencher.with_inputs(follower).bench_local_values(work::agreement::decide);
    }
}
