//! `tx`: a program's verbs. What is signed is read from the caller, decoded and shown here; a server's bytes never are.

mod quote;

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use color_eyre::eyre::{Result, WrapErr, ensure};
use serde::Serialize;
use serde_json::json;
use vostro_client::api::transaction::MAX_TRANSACTION_TEXT;
use vostro_client::api::tx::{Decoded, TxView};
use vostro_client::api::{BodyJson, Directory, TransactionJson, encode_transaction, parse_transaction, plain_words};
use vostro_client::{Chain, Client, Signed};
use vostro_types::{Hash, SecretKey, Transaction, TxId};

use super::keys::{self, DirArgs, PasswordArgs};
use super::remote::{NodeArgs, receipt_text, require_settled, show_receipt};
use crate::output::{Output, Usage, pairs};

/// Longest text of a body or transaction in JSON.
pub(super) const MAX_JSON: u64 = 1 << 20;

/// The chain a transaction is for: from a genesis file, or from a node.
#[derive(Args, Clone, Debug)]
pub struct ChainArgs {
    /// Take the chain from this genesis file, without asking a node
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub node: NodeArgs,
}

impl ChainArgs {
    async fn chain(&self) -> Result<Chain> {
        let Some(path) = &self.genesis else { return Ok(self.node.connect().await?.1) };
        let chain = Chain::of(super::genesis::load(path)?.1);
        let expected = self.node.chain.unwrap_or(*chain.genesis_hash());
        ensure!(
            expected == *chain.genesis_hash(),
            "{} is the genesis of chain {}",
            path.display(),
            chain.genesis_hash()
        );
        Ok(chain)
    }
}

/// The verbs of `tx`.
#[derive(Subcommand, Debug)]
pub enum TxCommand {
    /// Print the bytes that a body's signers sign, and its id; or a transaction in JSON as base64
    Encode {
        /// A body or transaction in JSON; - for standard input
        file: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        chain: ChainArgs,
    },
    /// Say what a transaction in base64 means
    Decode {
        /// Base64 of the transaction; - for standard input
        tx: String,
        /// Decode without knowing the chain: no id, no names, amounts in minor units
        #[arg(long, conflicts_with = "genesis")]
        offline: bool,
        #[command(flatten)]
        #[allow(missing_docs)]
        chain: ChainArgs,
    },
    /// Sign a body in JSON, or add signatures to a transaction in JSON
    Sign {
        /// A body or transaction in JSON; - for standard input
        file: String,
        /// A key: name or path of a key file, or BOOK.json#NAME (repeatable)
        #[arg(long = "key", required_unless_present = "cosign", value_name = "KEY")]
        keys: Vec<String>,
        /// A key that signs too, beside the sender's (repeatable)
        #[arg(long = "cosign", value_name = "KEY")]
        cosign: Vec<String>,
        #[command(flatten)]
        #[allow(missing_docs)]
        dir: DirArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        password: PasswordArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        chain: ChainArgs,
    },
    /// Sign a quote of foreign exchange as its maker, and print the fxConvert that takes it
    Quote {
        /// A quote in JSON, or an fxConvert to add signatures to; - for standard input
        file: String,
        /// A key of the maker: name or path of a key file, or BOOK.json#NAME (repeatable)
        #[arg(long = "key", required = true, value_name = "KEY")]
        keys: Vec<String>,
        #[command(flatten)]
        #[allow(missing_docs)]
        dir: DirArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        password: PasswordArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        chain: ChainArgs,
    },
    /// Hand a transaction in; the same bytes may be handed in again at any time
    Submit {
        /// Base64 of the transaction; - for standard input
        tx: String,
        /// Wait this many seconds for its receipt
        #[arg(long, value_name = "SECONDS")]
        wait: Option<u64>,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// Wait until a transaction is in a block
    Wait {
        /// Its id
        id: TxId,
        /// Seconds to wait
        #[arg(long, default_value_t = 30, value_name = "SECONDS")]
        timeout: u64,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// Say how a transaction stands
    Status {
        /// Its id
        id: TxId,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedText {
    id: String,
    tx: String,
    words: Vec<String>,
}

/// Runs a verb of `tx`.
///
/// # Errors
/// What is wrong with the input, no answer, or the rule that refused.
pub async fn run(command: TxCommand, output: Output) -> Result<()> {
    match command {
        TxCommand::Encode { file, chain } => {
            let chain = chain.chain().await?;
            match Input::read(&file)? {
                Input::Transaction(json) => {
                    let transaction = json.transaction(chain.genesis_hash(), chain.directory())?;
                    show_signed(&transaction, &chain, output)
                }
                Input::Body(json) => {
                    let body = json.body(chain.directory())?;
                    let (id, bytes) = (body.id(chain.genesis_hash()), body.signing_bytes(chain.genesis_hash()));
                    let value = json!({ "id": id.to_string(), "signingBytes": hex::encode(&bytes) });
                    output.show(&value, || pairs([("id", id.to_string()), ("sign this (hex)", hex::encode(&bytes))]))
                }
            }
        }
        TxCommand::Decode { tx, offline, chain } => {
            let transaction = parse_transaction(&base64_input(&tx)?)?;
            if offline {
                let lookup = Directory::default();
                let words = plain_words(&transaction, &lookup);
                // without the chain there is no id; zeros would be a wrong one
                let json = TransactionJson { id: None, ..TransactionJson::of(&transaction, &Hash::ZERO, &lookup) };
                return output.show(&json!({ "transaction": json, "words": words }), || words.join("\n"));
            }
            decode(transaction, &chain.chain().await?, output)
        }
        TxCommand::Sign { file, keys: names, cosign, dir, password, chain } => {
            let chain = chain.chain().await?;
            let (body, mut signatures) = match Input::read(&file)? {
                Input::Body(json) => (json.body(chain.directory())?, Vec::new()),
                Input::Transaction(json) => {
                    let transaction = json.transaction(chain.genesis_hash(), chain.directory())?;
                    (transaction.body, transaction.signatures)
                }
            };
            let secrets: Vec<SecretKey> =
                names.iter().chain(&cosign).map(|k| keys::open(k, &dir, &password)).collect::<Result<_>>()?;
            let mut transaction = body.sign(chain.genesis_hash(), &secrets.iter().collect::<Vec<_>>());
            signatures.retain(|old| transaction.signatures.iter().all(|new| new.key != old.key));
            transaction.signatures.extend(signatures);
            transaction.signatures.sort_by_key(|s| s.key);
            show_signed(&transaction, &chain, output)
        }
        TxCommand::Quote { file, keys: names, dir, password, chain } => {
            let chain = chain.chain().await?;
            let secrets: Vec<SecretKey> =
                names.iter().map(|k| keys::open(k, &dir, &password)).collect::<Result<_>>()?;
            quote::run(&file, &secrets, &chain, output)
        }
        TxCommand::Submit { tx, wait, node } => {
            let transaction = parse_transaction(&base64_input(&tx)?)?;
            let (client, chain) = node.connect().await?;
            let signed = Signed::known(transaction, &chain);
            match wait {
                Some(seconds) => {
                    let receipt = client.submit_and_wait(&signed, Duration::from_secs(seconds)).await?;
                    show_receipt(&signed, &receipt, output)
                }
                None => {
                    let submitted = client.submit(&signed).await?;
                    let status = status_text(&serde_json::to_value(submitted.status)?);
                    output.show(&submitted, || pairs([("id", submitted.id.to_string()), ("status", status)]))
                }
            }
        }
        TxCommand::Wait { id, timeout, node } => {
            let receipt = node.client()?.wait(&id, Duration::from_secs(timeout)).await?;
            output.show(&receipt, || receipt_text(&receipt))?;
            require_settled(&receipt)
        }
        TxCommand::Status { id, node } => show_view(&view(&node.client()?, &id).await?, output),
    }
}

fn status_text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or("unknown").to_string()
}

/// What a node knows of a transaction.
///
/// # Errors
/// No answer, or not known there.
pub async fn view(client: &Client, id: &TxId) -> Result<TxView> {
    Ok(client.transaction(id).await?)
}

/// Prints what a node knows of a transaction.
///
/// # Errors
/// If standard output fails.
pub fn show_view(view: &TxView, output: Output) -> Result<()> {
    let status = status_text(&serde_json::to_value(view.status)?);
    output.show(view, || {
        let mut text = pairs([("id", view.id.to_string()), ("status", status)]);
        for sentence in &view.words {
            text.push('\n');
            text.push_str(sentence);
        }
        if let Some(receipt) = &view.receipt {
            text.push('\n');
            text.push_str(&receipt_text(receipt));
        }
        text
    })
}

fn show_signed(transaction: &Transaction, chain: &Chain, output: Output) -> Result<()> {
    let signed = SignedText {
        id: transaction.body.id(chain.genesis_hash()).to_string(),
        tx: encode_transaction(transaction),
        words: plain_words(transaction, chain.directory()),
    };
    output.show(&signed, || {
        // the words go where they do not disturb a pipe
        eprintln!("{}", signed.words.join("\n"));
        signed.tx.clone()
    })
}

fn decode(transaction: Transaction, chain: &Chain, output: Output) -> Result<()> {
    let decoded = Decoded {
        transaction: TransactionJson::of(&transaction, chain.genesis_hash(), chain.directory()),
        words: plain_words(&transaction, chain.directory()),
        signatures_valid: transaction.clone().verify(chain.genesis_hash()).is_ok(),
    };
    let body = &transaction.body;
    output.show(&decoded, || {
        let mut rows = vec![
            ("id", body.id(chain.genesis_hash()).to_string()),
            ("sender", body.sender.to_string()),
            ("valid until", super::genesis::rfc3339(body.valid_until.0)),
        ];
        for s in &transaction.signatures {
            rows.push(("signed by", s.key.to_string()));
        }
        let verdict = if decoded.signatures_valid { "verify on this chain" } else { "DO NOT VERIFY on this chain" };
        rows.push(("signatures", verdict.into()));
        format!("{}\n{}", decoded.words.join("\n"), pairs(rows))
    })
}

/// JSON that a caller wrote.
enum Input {
    Body(BodyJson),
    Transaction(TransactionJson),
}

impl Input {
    fn read(file: &str) -> Result<Self> {
        let text = read_input(file, MAX_JSON)?;
        let value: serde_json::Value = serde_json::from_str(&text).wrap_err("the input is not JSON")?;
        match value.get("signatures") {
            Some(_) => Ok(Input::Transaction(serde_json::from_value(value).wrap_err("the transaction")?)),
            None => Ok(Input::Body(serde_json::from_value(value).wrap_err("the body")?)),
        }
    }
}

pub(super) fn read_input(file: &str, cap: u64) -> Result<String> {
    let mut text = String::new();
    let read = match file {
        "-" => std::io::stdin().lock().take(cap + 1).read_to_string(&mut text),
        path => std::fs::File::open(path).wrap_err_with(|| path.to_string())?.take(cap + 1).read_to_string(&mut text),
    };
    read.wrap_err_with(|| file.to_string())?;
    ensure!(text.len() as u64 <= cap, "{file}: more than the {cap} bytes allowed");
    Ok(text)
}

fn base64_input(text: &str) -> Result<String> {
    let text = match text {
        "-" => read_input("-", MAX_TRANSACTION_TEXT as u64 + 2)?,
        text => text.to_string(),
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(Usage("there is no transaction in the input".into()).into());
    }
    Ok(text.to_string())
}
