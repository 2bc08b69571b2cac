//! Error codes: the one table of what can go wrong in a call, and the error as it travels.
//!
//! JSON-RPC's own codes are for its own faults. Ours are positive: 1000 + the contract's code where a settlement rule
//! refuses, 1408 for "still pending", 24xx and 25xx where the node itself cannot serve a call (14xx and 15xx belong to
//! the contract's rules). Numbers and names are wire format; a golden test keeps them.

use serde::{Deserialize, Serialize};

/// The codes that code names.
pub mod code {
    #![allow(missing_docs)] // each is a line of the table below
    pub const PARSE: i32 = -32700;
    pub const INVALID_REQUEST: i32 = -32600;
    pub const METHOD_NOT_FOUND: i32 = -32601;
    pub const INVALID_PARAMS: i32 = -32602;
    pub const INTERNAL: i32 = -32603;
    pub const SIGNATURE: i32 = 1101;
    pub const CHAIN: i32 = 1102;
    pub const EXPIRED: i32 = 1103;
    pub const DUPLICATE: i32 = 1104;
    pub const MALFORMED: i32 = 1108;
    pub const PENDING: i32 = 1408;
    pub const NOT_FOUND: i32 = 2404;
    pub const TOO_LARGE: i32 = 2413;
    pub const OVERLOADED: i32 = 2429;
    pub const NOT_READY: i32 = 2503;
    pub const TIMED_OUT: i32 = 2504;
}

/// What is added to the contract's code.
pub const REJECTION_BASE: i32 = 1000;

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number.
    pub code: i32,
    /// The name programs may match on.
    pub name: &'static str,
    /// Whether the same call may succeed later as it is.
    pub retryable: bool,
    /// What to do about it.
    pub hint: &'static str,
}

const fn entry(code: i32, name: &'static str, retryable: bool, hint: &'static str) -> Entry {
    Entry { code, name, retryable, hint }
}

/// Every code the RPC answers with.
///
/// A rejected transaction is never retryable as it is: its id is used up. Build and sign a new one.
pub const TABLE: &[Entry] = &[
    entry(code::PARSE, "parse_error", false, "The body is not JSON."),
    entry(code::INVALID_REQUEST, "invalid_request", false, "A request is {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":…}."),
    entry(code::METHOD_NOT_FOUND, "method_not_found", false, "Check the spelling against the documented methods."),
    entry(code::INVALID_PARAMS, "invalid_params", false, "See the method's parameters in the documentation."),
    entry(code::INTERNAL, "internal", true, "The node failed and its log says why. Submitting again is safe."),
    entry(code::SIGNATURE, "signature", false, "Sign the canonical bytes for this chain with the key given."),
    entry(code::CHAIN, "chain", false, "Signed for another chain; compare genesis hashes."),
    entry(code::EXPIRED, "expired", false, "Build it again with a validUntil that is ahead, by at most one hour."),
    entry(code::DUPLICATE, "duplicate", false, "This id was already executed; ask for its receipt."),
    entry(1106, "role", false, "The sender may not do this; check its kind and what it owns."),
    entry(1107, "threshold", false, "More of the sender's keys must sign."),
    entry(code::MALFORMED, "malformed", false, "The bytes or a field are not canonical; see docs/signing.md."),
    entry(1201, "zero_amount", false, "Amounts are above zero."),
    entry(1202, "overflow", false, "A sum exceeds 10^18 minor units."),
    entry(1203, "asset", false, "The asset does not exist here or is not the one expected."),
    entry(
        1205,
        "price_mismatch",
        false,
        "The contract computes another total than expectedTotal; read the item again.",
    ),
    entry(1301, "insufficient_funds", false, "Deposit first, then sign a new transaction."),
    entry(1302, "refund_unfunded", false, "Neither the payees nor the selling platform can cover the refund."),
    entry(1303, "budget", false, "The campaign's budget is used up."),
    entry(1304, "debit_cap", false, "The net position would exceed its cap; settle a window first."),
    entry(1305, "cover", false, "The collateral does not cover the position; lock more."),
    entry(1401, "missing", false, "What the transaction refers to does not exist; register or open it first."),
    entry(1402, "debit_frozen", false, "The account may receive but not pay."),
    entry(1403, "frozen", false, "The account is frozen."),
    entry(1404, "closed", false, "The account is closed."),
    entry(1405, "tier", false, "The account's tier does not allow this."),
    entry(1406, "same_account", false, "Payer and payee must differ."),
    entry(code::PENDING, "pending", true, "Not in a block yet; ask again with the id, or submit the same bytes again."),
    entry(
        1502,
        "idempotency_conflict",
        false,
        "The business key was used with another body; the fields that differ are named.",
    ),
    entry(1503, "no_order", false, "There is no such order."),
    entry(1504, "state", false, "The order's state does not allow this."),
    entry(1505, "over_refund", false, "More than what is left of the order."),
    entry(1506, "over_capture", false, "More than what was reserved."),
    entry(1507, "deadline", false, "The deadline has passed."),
    entry(1601, "plan", false, "The split plan does not add up or does not fit the price."),
    entry(1611, "coupon", false, "The coupon is not valid here."),
    entry(1621, "mandate_limit", false, "The mandate does not cover this charge."),
    entry(1622, "too_early", false, "Not due yet."),
    entry(1623, "revoked", false, "The mandate was revoked."),
    entry(1701, "reference_used", false, "The channel reference was used before."),
    entry(1702, "gateway_cap", false, "The gateway's daily cap is reached."),
    entry(1801, "per_transaction_limit", false, "Above the limit of a single transaction."),
    entry(1802, "daily_limit", false, "The daily limit is reached."),
    entry(1803, "velocity", false, "Too many payments in a short time."),
    entry(1804, "cooling", false, "A new payee waits before it is paid."),
    entry(1901, "window_closed", false, "The window is not open, or not the one named."),
    entry(1902, "window_order", false, "Windows settle first in, first out."),
    entry(1911, "quote", false, "The quote is expired, used or not signed by its maker."),
    entry(1921, "preimage", false, "The preimage does not match the hash lock."),
    entry(1922, "timelock", false, "The time lock does not allow this now."),
    entry(code::NOT_FOUND, "not_found", false, "Not on this node now; it may arrive with a later block."),
    entry(code::TOO_LARGE, "too_large", false, "Split the call into smaller ones."),
    entry(code::OVERLOADED, "overloaded", true, "Wait a moment and send the same call again."),
    entry(code::NOT_READY, "not_ready", true, "The node is not ready; /readyz?verbose says why."),
    entry(code::TIMED_OUT, "timed_out", true, "The call took too long. Submitting the same bytes again is safe."),
];

/// The line of a code.
pub fn lookup(code: i32) -> Option<&'static Entry> {
    TABLE.iter().find(|e| e.code == code)
}

/// The name of a contract's rejection code.
pub fn rejection_name(contract_code: u16) -> &'static str {
    lookup(REJECTION_BASE + i32::from(contract_code)).map_or("unknown", |e| e.name)
}

/// What went wrong, as it travels in a response's `error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// A code of [`TABLE`].
    pub code: i32,
    /// One sentence for a person.
    pub message: String,
    /// The same for a program.
    pub data: ErrorData,
}

/// What a program needs to decide what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorData {
    /// The code again, for clients that show `data` alone.
    pub code: i32,
    /// Its name.
    pub name: String,
    /// Whether the same call may succeed later as it is.
    pub retryable: bool,
    /// What to do.
    pub hint: String,
    /// What the error is about: a parameter, fields that differ, a transaction id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<String>,
}

impl ApiError {
    /// An error with a code of the table.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        let (name, retryable, hint) = lookup(code).map_or(("unknown", false, ""), |e| (e.name, e.retryable, e.hint));
        let data = ErrorData { code, name: name.to_string(), retryable, hint: hint.to_string(), about: Vec::new() };
        ApiError { code, message: message.into(), data }
    }

    /// Says what the error is about.
    #[must_use]
    pub fn about<T: ToString>(mut self, things: impl IntoIterator<Item = T>) -> Self {
        self.data.about = things.into_iter().map(|t| t.to_string()).collect();
        self
    }

    /// A parameter that is missing, unknown or wrong.
    pub fn invalid_params(field: &str, reason: impl Into<String>) -> Self {
        ApiError::new(code::INVALID_PARAMS, format!("{field}: {}", reason.into())).about([field])
    }

    /// Bytes that are no transaction.
    pub fn malformed(reason: impl Into<String>) -> Self {
        ApiError::new(code::MALFORMED, reason)
    }

    /// A settlement rule refused; `about` is what the contract says it is about.
    pub fn rejection<T: ToString>(contract_code: u16, about: impl IntoIterator<Item = T>) -> Self {
        let code = REJECTION_BASE + i32::from(contract_code);
        let about: Vec<String> = about.into_iter().map(|t| t.to_string()).collect();
        let name = rejection_name(contract_code);
        let detail = if about.is_empty() { String::new() } else { format!(": {}", about.join(", ")) };
        ApiError::new(code, format!("rejected by rule {contract_code} ({name}){detail}")).about(about)
    }

    /// Nothing there.
    pub fn not_found(what: impl Into<String>) -> Self {
        ApiError::new(code::NOT_FOUND, what)
    }

    /// The contract's code, if a settlement rule refused.
    pub fn contract_code(&self) -> Option<u16> {
        let code = u16::try_from(self.code - REJECTION_BASE).ok()?;
        (self.code < 2000 && self.code != self::code::PENDING).then_some(code)
    }
}
