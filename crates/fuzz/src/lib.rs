//! Fuzz targets: one for every decoder of this project that reads bytes from outside.
//!
//! Invariant: a target is a plain function of bytes. It panics when the property beside its name is broken and otherwise
//! says how the decoder answered, so the same table serves the runner of this crate, a test and any other fuzzer.
//!
//! What holds for every target: no panic, and no more memory at any moment of an execution than [`Target::budget`] of
//! the input's length. What holds beyond that:
//!
//! | decoder | who sends the bytes | target | property |
//! |---|---|---|---|
//! | `types::codec` of a transaction | clients, peers | `transaction` | canonical; verify, id, words never panic; JSON and back is the same |
//! | blocks, headers, certificates, receipts | peers, the log, RPC answers | `block`, `header`, `certificate`, `receipt` | canonical; ids, roots and verify never panic |
//! | consensus message | validators | `message` | canonical; verify never panics; a verified one is the one decoded |
//! | short proposals and questions about them | validators | `packet` | canonical; what is put together is what was signed |
//! | consensus log record, guard's mark | disk | `record`, `guard_mark` | canonical |
//! | gossip batch, catch-up request and answer | peers | `gossip_batch`, `sync_request`, `sync_response` | canonical; the batch's verdicts are those of single checks |
//! | frames of direct streams, requests, responses | peers | `network_frames` | what is read is what was framed, nothing above its limit |
//! | proofs of state and of lists | RPC answers | `state_proof`, `list_proof` | canonical; checking never panics; a mutated proof proves nothing else |
//! | segment files of a log | disk | `log_segments`, `log_segments_sealed` | recovers or says what is wrong; what was recovered is found again, and the log goes on |
//! | the signer guard's file | disk | `guard_file` | the same |
//! | block record and its three parts | disk | `block_record` | the same; a readable one is canonical |
//! | transaction in base64 | RPC | `transaction_text` | one text for one transaction |
//! | body and transaction in JSON | RPC, files | `body_json` | JSON and back is the same; what becomes a body encodes canonically |
//! | texts: accounts, hashes, keys, labels, times, amounts, modes, cursors | RPC, files, flags | `texts` | what parses prints, and the print parses to the same |
//! | parameters of JSON-RPC calls | RPC | `rpc_request` | always one well-formed answer |
//! | headers and proofs in JSON | RPC answers | `proofs_json` | verifying never panics |
//! | genesis in canonical bytes and in JSON | RPC answers, operators | `genesis`, `genesis_json` | canonical; hash, set and fee account of a valid one never panic |
//! | genesis recipe (TOML) | operators | `recipe` | reading, drafting and checking never panic |
//! | order file (CSV) | operators | `orders_csv` | a line is one row or one bad row, in order; good rows are distinct and above zero |
//! | key file, key book | operators | `key_file` | opening without a password never panics |
//! | `config.toml` | operators | `config_toml` | what parses prints, and the print parses to the same |
//!
//! Not here, because there are no such bytes yet: snapshots. Not here, because the code is not ours: HTTP, JSON and TOML
//! as grammars, Noise, Yamux and gossipsub's protobuf; their crates fuzz them.

mod corpus;
mod mutate;
mod random;
mod runner;
mod targets;

pub use mutate::{Mutator, Shape};
pub use random::Random;
pub use runner::{Failure, Options, Report, Tick, run};
pub use targets::{Outcome, Target, find, targets};

/// Counts what is allocated; its figures are of the whole process, so one target runs at a time.
#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;
