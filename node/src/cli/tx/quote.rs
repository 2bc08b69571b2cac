//! `tx quote`: what a maker signs for whoever takes it. The answer is the action that a taker puts into a transaction.

use color_eyre::eyre::{Result, WrapErr};
use vostro_client::Chain;
use vostro_client::api::action::{ActionJson, FxConvertJson, QuoteJson};
use vostro_client::api::transaction::SignatureJson;
use vostro_client::api::words::action_words;
use vostro_types::transaction::FxConvert;
use vostro_types::{Action, SecretKey, SignedBy};

use super::{MAX_JSON, read_input};
use crate::output::Output;

/// Signs a quote in JSON, or adds signatures to one that is signed, and prints the `fxConvert` that takes it.
pub(super) fn run(file: &str, secrets: &[SecretKey], chain: &Chain, output: Output) -> Result<()> {
    let text = read_input(file, MAX_JSON)?;
    let value: serde_json::Value = serde_json::from_str(&text).wrap_err("the input is not JSON")?;
    let (quote, mut old) = match value.get("quote") {
        Some(quote) => {
            let quote: QuoteJson = serde_json::from_value(quote.clone()).wrap_err("the quote")?;
            let signatures = value.get("signatures").cloned().unwrap_or_else(|| serde_json::json!([]));
            let signatures: Vec<SignatureJson> = serde_json::from_value(signatures).wrap_err("the signatures")?;
            (quote, signatures.iter().map(SignatureJson::signed).collect::<Vec<SignedBy>>())
        }
        None => (serde_json::from_value(value).wrap_err("the quote")?, Vec::new()),
    };
    let quote = quote.quote(chain.directory())?;
    let mut signatures = quote.sign(chain.genesis_hash(), &secrets.iter().collect::<Vec<_>>());
    old.retain(|old| signatures.iter().all(|new| new.key != old.key));
    signatures.extend(old);
    signatures.sort_by_key(|s| s.key);
    let convert = FxConvert { quote, signatures };
    let json = ActionJson::FxConvert(FxConvertJson::of(&convert, chain.directory()));
    let maker = convert.quote.maker;
    let words = action_words(&convert.quote.taker.unwrap_or(maker), &Action::FxConvert(convert), chain.directory());
    // the words go where they do not disturb a pipe
    output.note(&words);
    let text = serde_json::to_string_pretty(&json)?;
    output.show(&json, || text)
}
