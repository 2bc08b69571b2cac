//! Instruction counts of fixed work, under callgrind. `scripts/guards` runs this and judges.

#![allow(missing_docs)] // the macros make public items without

use gungraun::{Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use std::hint::black_box;
use vostro_consensus::{Effect, Signed};
use vostro_execution::{Changes, Executed, Proof, Tree};
use vostro_guards as work;
use vostro_types::{Block, Hash, Receipt, Transaction};

#[library_benchmark]
#[bench::run(work::codec::payment())]
fn encode_transaction(value: Transaction) -> (Vec<u8>, Transaction) {
    black_box(work::codec::encode(black_box(value)))
}

#[library_benchmark]
#[bench::run(work::codec::bytes(work::codec::payment()))]
fn decode_transaction(bytes: Vec<u8>) -> (Transaction, Vec<u8>) {
    black_box(work::codec::decode_transaction(black_box(bytes)))
}

#[library_benchmark]
#[bench::run(work::codec::full_block())]
fn encode_block(value: Block) -> (Vec<u8>, Block) {
    black_box(work::codec::encode(black_box(value)))
}

#[library_benchmark]
#[bench::run(work::codec::bytes(work::codec::full_block()))]
fn decode_block(bytes: Vec<u8>) -> (Block, Vec<u8>) {
    black_box(work::codec::decode_block(black_box(bytes)))
}

#[library_benchmark]
#[bench::run(work::codec::commit())]
fn encode_commit(value: Signed) -> (Vec<u8>, Signed) {
    black_box(work::codec::encode(black_box(value)))
}

#[library_benchmark]
#[bench::run(work::codec::bytes(work::codec::commit()))]
fn decode_commit(bytes: Vec<u8>) -> (Signed, Vec<u8>) {
    black_box(work::codec::decode_message(black_box(bytes)))
}

#[library_benchmark]
#[bench::run(work::contract::payment())]
fn pay(waiting: work::contract::Waiting) -> (Vec<Receipt>, Changes, work::contract::Waiting) {
    black_box(work::contract::apply_all(black_box(waiting)))
}

#[library_benchmark]
#[bench::run(work::contract::refund())]
fn refund(waiting: work::contract::Waiting) -> (Vec<Receipt>, Changes, work::contract::Waiting) {
    black_box(work::contract::apply_all(black_box(waiting)))
}

#[library_benchmark]
#[bench::run(work::contract::due())]
fn deadlines(waiting: work::contract::Waiting) -> (Vec<Receipt>, Changes, work::contract::Waiting) {
    black_box(work::contract::fire(black_box(waiting)))
}

#[library_benchmark]
#[bench::run(work::contract::payments())]
fn execute_block(waiting: work::contract::Waiting) -> (Executed, work::contract::Waiting) {
    black_box(work::contract::execute_block(black_box(waiting)))
}

#[library_benchmark]
#[bench::run(work::state::changes())]
fn update(waiting: work::state::Waiting) -> (Hash, Tree, work::state::Waiting) {
    black_box(work::state::update(black_box(waiting)))
}

#[library_benchmark]
#[bench::run(work::state::changes())]
fn prove(waiting: work::state::Waiting) -> (Vec<Proof>, work::state::Waiting) {
    black_box(work::state::prove(black_box(waiting)))
}

#[library_benchmark]
#[bench::run(work::state::proof())]
fn check_proof(proof: (Proof, Hash)) -> (bool, Proof) {
    black_box(work::state::check(black_box(proof)))
}

#[library_benchmark]
#[bench::run(work::agreement::voter())]
fn vote(waiting: work::agreement::Waiting) -> (Vec<Effect>, work::agreement::Waiting) {
    black_box(work::agreement::decide(black_box(waiting)))
}

#[library_benchmark]
#[bench::run(work::agreement::follower())]
fn follow(waiting: work::agreement::Waiting) -> (Vec<Effect>, work::agreement::Waiting) {
    black_box(work::agreement::decide(black_box(waiting)))
}

library_benchmark_group!(
    name = codec,
    benchmarks = [encode_transaction, decode_transaction, encode_block, decode_block, encode_commit, decode_commit]
);
library_benchmark_group!(name = contract, benchmarks = [pay, refund, deadlines, execute_block]);
library_benchmark_group!(name = state, benchmarks = [update, prove, check_proof]);
library_benchmark_group!(name = consensus, benchmarks = [vote, follow]);

main!(
    // Instructions are all that is judged; the simulated caches would take twice the time.
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = [codec, contract, state, consensus]
);
