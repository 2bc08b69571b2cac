//! The binary `vostro`: its verbs, its key files and what it prints.
//!
//! Invariant: standard output carries results only (JSON alone under `--json`), standard error everything else, and a
//! secret leaves a key file only through `keys export`.

pub mod audit;
pub mod backend;
pub mod bench;
pub mod boot;
pub mod cli;
pub mod config;
pub mod cpu;
pub mod delay;
pub mod devnet;
pub mod host;
pub mod index;
pub mod keystore;
pub mod metrics;
pub mod net;
pub mod orders;
pub mod output;
pub mod recent;
pub mod recipe;
pub mod run;
pub mod shared;
pub mod signer;
pub mod under_way;
pub mod verifier;
