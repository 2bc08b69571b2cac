//! `tx_*`: handing transactions in, and what became of them.

use std::sync::Arc;
use std::time::Duration;

use jsonrpsee::core::RegisterMethodError;
use tokio::time::{Instant, timeout};
use vostro_api::receipt::{ReceiptJson, ReceiptProof, Status};
use vostro_api::tx::{Decoded, Encoded, Submitted, SubmittedBatch, SubmittedItem, TxView};
use vostro_api::{ApiError, BodyJson, TransactionJson, encode_transaction, parse_transaction, plain_words};
use vostro_crypto::merkle;
use vostro_types::receipt::receipt_leaf;
use vostro_types::{Transaction, TxId, codec};

use crate::backend::Admitted;
use crate::methods::{Api, Method, Methods, blocking};
use crate::params::{Fields, Kind, optional, required};
use crate::view::{place, receipt_at, receipt_json, still_pending};

/// Most transactions in one `tx_submitBatch`.
pub const MAX_SUBMIT: usize = 1000;
/// So many transactions are decoded on the thread that read them.
const SHORT_BATCH: usize = 8;
/// How long `tx_submitAndWait` waits if not told.
const DEFAULT_WAIT: Duration = Duration::from_secs(10);
/// Longest wait.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(20);
/// How often a call looks that cannot be told.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

const TX: &str = "Base64 of the canonical signed bytes (docs/signing.md).";
const ID: &str = "The transaction's id.";

pub(crate) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.wait(
        Method {
            name: "tx_submit",
            about: "Hands a transaction in. Submitting what is known already is a success.",
            params: const { &[required("tx", Kind::Text, TX)] },
            result: "Submitted",
        },
        submit,
    )?;
    methods.wait(
        Method {
            name: "tx_submitBatch",
            about: "Hands up to 1000 transactions in; each is answered for itself.",
            params: const { &[required("txs", Kind::Texts, "Base64 of the canonical signed bytes of each.")] },
            result: "SubmittedBatch",
        },
        submit_batch,
    )?;
    methods.wait(
        Method {
            name: "tx_submitAndWait",
            about: "Hands a transaction in and waits for its receipt; error 1408 if it is still pending after that.",
            params: const {
                &[
                    required("tx", Kind::Text, TX),
                    optional("timeoutMs", Kind::Number, "At most 20000; 10000 if absent."),
                ]
            },
            result: "Receipt",
        },
        submit_and_wait,
    )?;
    methods.read(
        Method {
            name: "tx_get",
            about: "A transaction in words and fields, where it stands and what it did.",
            params: const { &[required("id", Kind::Text, ID)] },
            result: "Transaction",
        },
        get,
    )?;
    methods.read(
        Method {
            name: "tx_receipt",
            about: "What a transaction did; error 1408 while it is pending.",
            params: const {
                &[
                    required("id", Kind::Text, ID),
                    optional("prove", Kind::Flag, "Whether to add what a light client checks."),
                ]
            },
            result: "Receipt",
        },
        receipt,
    )?;
    methods.read(
        Method {
            name: "tx_decode",
            about: "What the bytes of a transaction say.",
            params: const { &[required("tx", Kind::Text, TX)] },
            result: "Decoded",
        },
        decode,
    )?;
    methods.read(
        Method {
            name: "tx_encode",
            about: "The bytes that the signers of a body sign, to compare with one's own; never sign bytes unread.",
            params: const { &[required("body", Kind::Object, "A body: sender, validUntil, salt and action.")] },
            result: "Encoded",
        },
        encode,
    )
}

/// How a known transaction stands.
fn known(api: &Api, id: &TxId) -> Option<Status> {
    match api.executed(id) {
        Ok((stored, index)) => receipt_at(&stored, index).ok().map(|r| Status::of(&r.outcome)),
        Err(e) if e.code == vostro_api::code::PENDING => Some(Status::Pending),
        Err(_) => None,
    }
}

/// Reads a transaction and its id on this chain.
fn parse(api: &Api, text: &str) -> Result<(TxId, Transaction), ApiError> {
    let transaction = parse_transaction(text)?;
    Ok((transaction.body.id(&api.chain), transaction))
}

/// Submits, and turns the refusal of what is known already into a success: that is what makes submitting idempotent.
async fn hand_in(
    api: &Arc<Api>,
    transactions: Vec<(TxId, Transaction)>,
) -> Result<Vec<Result<Admitted, ApiError>>, ApiError> {
    let (ids, transactions): (Vec<TxId>, Vec<Transaction>) = transactions.into_iter().unzip();
    let mut answers = api.backend.submit(transactions).await;
    if answers.len() != ids.len() {
        return Err(ApiError::new(vostro_api::code::INTERNAL, "not every transaction was answered"));
    }
    if answers.iter().all(Result::is_ok) {
        return Ok(answers);
    }
    let api = Arc::clone(api);
    blocking(move || {
        for (answer, id) in answers.iter_mut().zip(ids) {
            if answer.is_err()
                && let Some(status) = known(&api, &id)
            {
                *answer = Ok(Admitted { id, status });
            }
        }
        Ok(answers)
    })
    .await
}

async fn hand_in_one(api: &Arc<Api>, text: &str) -> Result<Admitted, ApiError> {
    let transaction = parse(api, text)?;
    let mut answers = hand_in(api, vec![transaction]).await?;
    answers.pop().unwrap_or_else(|| Err(ApiError::new(vostro_api::code::INTERNAL, "no answer")))
}

async fn submit(api: Arc<Api>, fields: Fields) -> Result<Submitted, ApiError> {
    let Admitted { id, status } = hand_in_one(&api, fields.text("tx")?).await?;
    Ok(Submitted { id, status })
}

async fn submit_batch(api: Arc<Api>, mut fields: Fields) -> Result<SubmittedBatch, ApiError> {
    let texts = fields.take_texts("txs");
    if texts.is_empty() || texts.len() > MAX_SUBMIT {
        return Err(ApiError::invalid_params("txs", format!("are 1 to {MAX_SUBMIT}, not {}", texts.len())));
    }
    // Decoding and hashing a thousand transactions takes milliseconds: too long for a thread that serves sockets. To wake
    // another thread takes longer than a few do.
    let is_short = texts.len() <= SHORT_BATCH;
    let reader = Arc::clone(&api);
    let read = move || {
        let mut parsed = Vec::with_capacity(texts.len());
        reader.backend.measured(&mut || parsed.extend(texts.iter().map(|text| parse(&reader, text))));
        Ok(parsed)
    };
    let parsed: Vec<_> = if is_short { read()? } else { blocking(read).await? };
    let (mut good, mut places) = (Vec::with_capacity(parsed.len()), Vec::with_capacity(parsed.len()));
    for item in parsed {
        places.push(item.map(|(id, transaction)| {
            good.push((id, transaction));
            id
        }));
    }
    let mut answers = if good.is_empty() { Vec::new() } else { hand_in(&api, good).await? }.into_iter();
    let refused = |id, error| SubmittedItem { id, status: Status::Rejected, error: Some(error) };
    let items = places.into_iter().map(|place| match place {
        Err(error) => refused(None, error),
        Ok(id) => match answers.next() {
            Some(Ok(admitted)) => SubmittedItem { id: Some(id), status: admitted.status, error: None },
            Some(Err(error)) => refused(Some(id), error),
            None => refused(Some(id), ApiError::new(vostro_api::code::INTERNAL, "no answer")),
        },
    });
    Ok(SubmittedBatch { items: items.collect() })
}

async fn submit_and_wait(api: Arc<Api>, fields: Fields) -> Result<ReceiptJson, ApiError> {
    let wait = match fields.number("timeoutMs").map(Duration::from_millis) {
        None => DEFAULT_WAIT,
        Some(wait) if wait <= MAX_WAIT => wait,
        Some(_) => {
            return Err(ApiError::invalid_params("timeoutMs", format!("is at most {}", MAX_WAIT.as_millis())));
        }
    };
    let deadline = Instant::now() + wait;
    let Admitted { id, status } = hand_in_one(&api, fields.text("tx")?).await?;
    // What was let in just now stands in no block yet.
    let mut is_known = status != Status::Pending && api.backend.locate(&id).is_some();
    loop {
        if is_known {
            let reader = Arc::clone(&api);
            match blocking(move || receipt_of(&reader, &id, false)).await {
                // It stands in a block that cannot be read now.
                Err(e) if matches!(e.code, vostro_api::code::PENDING | vostro_api::code::NOT_FOUND) => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                answer => return answer,
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(still_pending(&id));
        }
        // Whoever waits is told; looking meanwhile would cost as much as the payment where many wait.
        let told = timeout(left, api.backend.settled(id)).await.is_ok();
        is_known = api.backend.locate(&id).is_some();
        if told && !is_known {
            tokio::time::sleep(LOOK_AGAIN.min(left)).await; // it cannot wait with so many others: do not spin
        }
    }
}

fn receipt_of(api: &Api, id: &TxId, prove: bool) -> Result<ReceiptJson, ApiError> {
    let (stored, index) = api.executed(id)?;
    let mut json = api.view(|view| receipt_json(&stored, index, view))?;
    if prove {
        let leaves: Vec<_> = stored.receipts.iter().map(receipt_leaf).collect();
        let path = usize::try_from(index).ok().and_then(|i| merkle::prove(&leaves, i));
        let path = path.ok_or_else(|| ApiError::new(vostro_api::code::INTERNAL, "the receipt cannot be proved"))?;
        json.proof = Some(ReceiptProof {
            receipt: codec::encode(receipt_at(&stored, index)?),
            path: codec::encode(&path),
            header: codec::encode(&stored.block.header),
            certificate: codec::encode(&stored.certificate),
        });
    }
    Ok(json)
}

fn receipt(api: &Api, fields: Fields) -> Result<ReceiptJson, ApiError> {
    receipt_of(api, &fields.parse("id")?, fields.flag("prove"))
}

fn get(api: &Api, fields: Fields) -> Result<TxView, ApiError> {
    let id: TxId = fields.parse("id")?;
    let (stored, index) = match api.executed(&id) {
        Ok(found) => found,
        Err(e) if e.code == vostro_api::code::PENDING => {
            return Ok(TxView {
                id,
                status: Status::Pending,
                height: None,
                index: None,
                block: None,
                time: None,
                transaction: None,
                words: Vec::new(),
                encoded: None,
                receipt: None,
            });
        }
        Err(e) => return Err(e),
    };
    let transaction = usize::try_from(index).ok().and_then(|i| stored.block.transactions.get(i));
    let transaction = transaction
        .ok_or_else(|| ApiError::new(vostro_api::code::INTERNAL, format!("the index of {id} leads nowhere")))?;
    let at = place(&stored, index);
    api.view(|view| {
        let receipt = receipt_json(&stored, index, view)?;
        Ok(TxView {
            id,
            status: receipt.status,
            height: Some(at.height.0),
            index: Some(index),
            block: Some(at.block),
            time: Some(at.time),
            transaction: Some(TransactionJson::of(transaction, &api.chain, view)),
            words: plain_words(transaction, view),
            encoded: Some(encode_transaction(transaction)),
            receipt: Some(receipt),
        })
    })
}

fn encode(api: &Api, mut fields: Fields) -> Result<Encoded, ApiError> {
    let json: BodyJson = fields.take_object("body")?;
    api.view(|view| Ok(Encoded::of(&json.body(view)?, &api.chain, view)))
}

fn decode(api: &Api, fields: Fields) -> Result<Decoded, ApiError> {
    let transaction = parse_transaction(fields.text("tx")?)?;
    api.view(|view| {
        Ok(Decoded {
            transaction: TransactionJson::of(&transaction, &api.chain, view),
            words: plain_words(&transaction, view),
            signatures_valid: transaction.clone().verify(&api.chain).is_ok(),
        })
    })
}
