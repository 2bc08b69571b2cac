//! Rust SDK: build a transaction, sign it here, submit it, wait for its receipt, verify what a node says.
//!
//! Invariant: what is signed is built in this process from typed values and the pinned genesis hash; bytes that a
//! server sent are never signed. Submitting is idempotent, so every call may be repeated with the same signed bytes.
//!
//! ```no_run
//! # async fn example() -> Result<(), vostro_client::ClientError> {
//! use std::time::Duration;
//! use vostro_client::{Client, Draft};
//! use vostro_types::transaction::Transfer;
//! use vostro_types::{Action, Hash, KeyPolicy, SecretKey};
//!
//! let client = Client::new("http://127.0.0.1:26601")?;
//! let chain = client.chain(None).await?; // pass the hash your operator gave you to pin the chain
//! let key = SecretKey::from_seed([1; 32]);
//! let me = KeyPolicy::single(key.public()).account_id(&[0; 16]);
//! let usd = chain.asset("USD")?;
//! let to = "vo1…".parse().expect("an account");
//! let transfer = Transfer { to, asset: usd.code, amount: usd.parse("2.50").expect("an amount"), memo: Hash::ZERO };
//! let signed = Draft::new(me).action(Action::Transfer(transfer)).sign(&chain, &[&key])?;
//! let receipt = client.submit_and_wait(&signed, Duration::from_secs(10)).await?;
//! println!("{:?} at height {}", receipt.status, receipt.height);
//! # Ok(()) }
//! ```

mod chain;
mod draft;
mod error;
mod http;
pub mod light;
mod methods;
mod submit;

pub use chain::Chain;
pub use draft::{Draft, Signed};
pub use error::ClientError;
pub use http::Client;
pub use light::{LightClient, LightError, ProvedState, TrustedHeader};
pub use methods::Span;
pub use vostro_api as api;

/// The examples of docs/light.md are compiled as they stand there.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/light.md")]
pub struct LightPage;
