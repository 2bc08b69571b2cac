//! Submitting and waiting. The bytes are signed once and sent as often as needed.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use vostro_api::receipt::ReceiptJson;
use vostro_api::tx::{Submitted, SubmittedBatch, SubmittedItem};
use vostro_api::{code, encode_transaction};
use vostro_types::TxId;

use crate::draft::Signed;
use crate::error::ClientError;
use crate::http::Client;

/// Most transactions the server takes in one call.
const MAX_BATCH: usize = 1000;
/// Longest wait asked of the server in one call.
const MAX_WAIT: Duration = Duration::from_secs(20);
/// What a call may take beyond the wait it asks for.
const CALL_MARGIN: Duration = Duration::from_secs(10);
/// First and longest pause between two questions for a receipt.
const POLL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// Base64 characters in one batch call, below the server's limit on a request.
const MAX_BATCH_TEXT: usize = 1_500_000;

impl Client {
    /// `tx_submit`: hands a transaction in. What the node knows already is a success.
    ///
    /// # Errors
    /// [`ClientError::Rpc`] with the rule that refused it, or no answer.
    pub async fn submit(&self, signed: &Signed) -> Result<Submitted, ClientError> {
        self.call("tx_submit", json!({"tx": encode_transaction(&signed.transaction)})).await
    }

    /// `tx_submitBatch`: hands many transactions in, in as many calls as the limits ask for. An item for each, in order.
    ///
    /// # Errors
    /// No answer to one of the calls. Submitting all again is safe.
    pub async fn submit_batch(&self, signed: &[Signed]) -> Result<Vec<SubmittedItem>, ClientError> {
        let mut items = Vec::with_capacity(signed.len());
        let mut texts: Vec<String> = Vec::new();
        let mut length = 0;
        for (i, one) in signed.iter().enumerate() {
            let text = encode_transaction(&one.transaction);
            length += text.len() + 3;
            texts.push(text);
            let last = i + 1 == signed.len();

            if last || texts.len() == MAX_BATCH || length > MAX_BATCH_TEXT {
                let sent = texts.len();
                let batch: SubmittedBatch =
                    self.call("tx_submitBatch", json!({"txs": std::mem::take(&mut texts)})).await?;
                if batch.items.len() != sent {
                    let reason = format!("{} items for {sent} transactions", batch.items.len());
                    return Err(ClientError::Shape { method: "tx_submitBatch", reason });
                }
                items.extend(batch.items);
                length = 0;
            }
        }
        Ok(items)
    }

    /// `tx_submitAndWait`: hands a transaction in and waits until it is in a block. A receipt may say "rejected".
    ///
    /// # Errors
    /// [`ClientError::StillPending`] when the time is over, [`ClientError::Rpc`] with the rule that refused it before it
    /// reached a block, or no answer.
    pub async fn submit_and_wait(&self, signed: &Signed, timeout: Duration) -> Result<ReceiptJson, ClientError> {
        let deadline = Instant::now() + timeout;
        let text = encode_transaction(&signed.transaction);
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).min(MAX_WAIT);
            let params = json!({"tx": text, "timeoutMs": left.as_millis() as u64});
            match self.call_within("tx_submitAndWait", params, left + CALL_MARGIN).await {
                Err(e) if e.code() == Some(code::PENDING) => {
                    if Instant::now() >= deadline {
                        return Err(ClientError::StillPending { id: signed.id });
                    }
                }
                answer => return answer,
            }
        }
    }

    /// Waits until a transaction is in a block, whoever submitted it.
    ///
    /// # Errors
    /// [`ClientError::StillPending`] when the time is over, or no answer.
    pub async fn wait(&self, id: &TxId, timeout: Duration) -> Result<ReceiptJson, ClientError> {
        let deadline = Instant::now() + timeout;
        let (mut pause, longest) = POLL;
        loop {
            match self.receipt(id).await {
                // Not known yet is not known never: it may have been given to another node.
                Err(e) if matches!(e.code(), Some(code::PENDING | code::NOT_FOUND)) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(ClientError::StillPending { id: *id });
                    }
                    tokio::time::sleep(pause.min(left)).await;
                    pause = (pause * 2).min(longest);
                }
                answer => return answer,
            }
        }
    }
}
