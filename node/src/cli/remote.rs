//! What verbs that talk to a node share: its address, the chain it is on, the key to sign with.
//!
//! Invariant: bodies are built and signed here; a receipt that says "rejected" is a failure of the verb.

use std::time::Duration;

use clap::Args;
use color_eyre::eyre::{Result, WrapErr, bail};
use vostro_client::api::receipt::{OutcomeJson, ReceiptJson};
use vostro_client::{Chain, Client, Draft, Signed};
use vostro_types::{AccountId, Asset, Hash, SecretKey};

use super::keys::{self, DirArgs, PasswordArgs};
use crate::keystore::own_account;
use crate::output::{Output, Usage, pairs, table};

/// Where the node is and which chain it must be on.
#[derive(Args, Clone, Debug)]
pub struct NodeArgs {
    /// The node's RPC address
    #[arg(long, env = "VOSTRO_RPC", value_name = "URL", default_value = "http://127.0.0.1:26601")]
    pub rpc: String,
    /// Genesis hash of the chain, to refuse any other
    #[arg(long, value_name = "HASH")]
    pub chain: Option<Hash>,
}

impl NodeArgs {
    /// The node.
    ///
    /// # Errors
    /// A bad address.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::new(&self.rpc)?)
    }

    /// The node and its chain, checked against `--chain`.
    ///
    /// # Errors
    /// A bad address, no answer, or another chain.
    pub async fn connect(&self) -> Result<(Client, Chain)> {
        let client = self.client()?;
        let chain = client.chain(self.chain).await?;
        Ok((client, chain))
    }
}

/// Who signs.
#[derive(Args, Clone, Debug)]
pub struct SignerArgs {
    /// The key: name or path of a key file, or BOOK.json#NAME
    #[arg(long, value_name = "KEY")]
    pub key: String,
    /// The account that acts, if it is not the key's own: vo1… or a name of the genesis
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub dir: DirArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub password: PasswordArgs,
}

impl SignerArgs {
    /// The secret.
    ///
    /// # Errors
    /// What the key store refuses.
    pub fn secret(&self) -> Result<SecretKey> {
        keys::open(&self.key, &self.dir, &self.password)
    }

    /// The account that acts.
    ///
    /// # Errors
    /// An account that is neither an id nor a name, or a key that cannot be read.
    pub fn account(&self, chain: &Chain) -> Result<AccountId> {
        match &self.account {
            Some(text) => Ok(chain.account(text)?),
            None => Ok(own_account(keys::public(&self.key, &self.dir)?)),
        }
    }
}

/// The asset a person means: the one named, or the chain's only one.
///
/// # Errors
/// An unknown asset, or none named where there are several.
pub fn asset(chain: &Chain, named: Option<&str>) -> Result<Asset> {
    match (named, chain.genesis().assets.as_slice()) {
        (Some(code), _) => Ok(chain.asset(code)?),
        (None, [only]) => Ok(*only),
        (None, _) => Err(Usage("this chain has several assets: name one with --asset".into()).into()),
    }
}

/// Signs a draft, submits it and waits for its block.
///
/// # Errors
/// No answer, still pending after `wait`, or a rule that refused it.
pub async fn send(
    client: &Client,
    chain: &Chain,
    draft: Draft,
    keys: &[&SecretKey],
    wait: Duration,
    output: Output,
) -> Result<()> {
    let signed = draft.sign(chain, keys)?;
    let receipt = client.submit_and_wait(&signed, wait).await?;
    show_receipt(&signed, &receipt, output)
}

/// Prints a receipt with its transaction's id.
///
/// # Errors
/// If the receipt says that a rule refused the transaction.
pub fn show_receipt(signed: &Signed, receipt: &ReceiptJson, output: Output) -> Result<()> {
    let mut value = serde_json::to_value(receipt).wrap_err("the receipt")?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("id".into(), signed.id.to_string().into());
    }
    output
        .show(&value, || format!("{}\n{}", pairs([("transaction", signed.id.to_string())]), receipt_text(receipt)))?;
    require_settled(receipt)
}

/// Fails if a rule refused the transaction.
///
/// # Errors
/// The rule, in one sentence.
pub fn require_settled(receipt: &ReceiptJson) -> Result<()> {
    if let OutcomeJson::Rejected { code, name, about } = &receipt.outcome {
        let detail = if about.is_empty() { String::new() } else { format!(": {}", about.join(", ")) };
        bail!("rejected by rule {code} ({name}){detail}");
    }
    Ok(())
}

/// A receipt for people.
pub fn receipt_text(receipt: &ReceiptJson) -> String {
    let outcome = match &receipt.outcome {
        OutcomeJson::Applied => "applied".to_string(),
        OutcomeJson::Replayed { original } => format!("was applied before, by transaction {original}"),
        OutcomeJson::Rejected { code, name, .. } => format!("rejected by rule {code} ({name})"),
    };
    let place = format!("block {}, receipt {}", receipt.height, receipt.index);
    let mut text = pairs([("outcome", outcome), ("where", place), ("block", receipt.block.to_string())]);
    if !receipt.postings.is_empty() {
        let row = |p: &vostro_client::api::receipt::PostingJson| {
            let who = p.name.clone().unwrap_or_else(|| p.account.to_string());
            let sign = if p.side == "credit" { "+" } else { "-" };
            [who, p.bucket.clone(), format!("{sign}{} {}", p.amount.shown(), p.asset), p.balance.shown()]
        };
        text = format!("{text}\n{}", table(["account", "balance", "moved", "after"], receipt.postings.iter().map(row)));
    }
    text
}
