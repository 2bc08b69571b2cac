//! Why an action was refused: one variant a rule, with the wire code that never changes.
//!
//! Invariant: codes and names are wire format (golden test below); a new rule gets a new number.

use vostro_types::Label;

/// What a refusal is about: names of fields, accounts by their part in the action.
pub type About = &'static str;

macro_rules! rejections {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $name:literal,)+) => {
        /// A rule that refused an action. Nothing was changed.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Rejection {
            $(
                $(#[$doc])*
                #[error("{}: {}", $name, .0.join(", "))]
                $variant(Vec<About>),
            )+
        }

        impl Rejection {
            /// The stable wire code.
            pub fn code(&self) -> u16 {
                match self { $(Rejection::$variant(_) => $code,)+ }
            }

            /// The rule's name in snake case.
            pub fn name(&self) -> &'static str {
                match self { $(Rejection::$variant(_) => $name,)+ }
            }

            /// What the refusal is about.
            pub fn about_names(&self) -> &[About] {
                match self { $(Rejection::$variant(about) => about,)+ }
            }

            /// The name of the rule with a code.
            pub fn name_of(code: u16) -> Option<&'static str> {
                Self::CODES.iter().find(|(c, _)| *c == code).map(|(_, n)| *n)
            }

            /// Every code and its rule's name, in order of the codes.
            pub const CODES: &[(u16, &str)] = &[$(($code, $name),)+];
        }
    };
}

rejections! {
    /// No key of the account's policy signed.
    Signature = 101 "signature",
    /// Signed for another chain.
    Chain = 102 "chain",
    /// Not within its time of validity.
    Expired = 103 "expired",
    /// A transaction with this id was executed already.
    Duplicate = 104 "duplicate",
    /// The account's role does not allow the action on this object.
    Role = 106 "role",
    /// Keys signed, but with less weight than the policy asks.
    Threshold = 107 "threshold",
    /// A field has a value that no state could make right.
    Malformed = 108 "malformed",
    /// An amount of zero.
    ZeroAmount = 201 "zero_amount",
    /// A sum above what an amount can be.
    Overflow = 202 "overflow",
    /// No such asset, or the wrong one.
    Asset = 203 "asset",
    /// The price differs from what was offered or expected.
    PriceMismatch = 205 "price_mismatch",
    /// The account's available balance does not suffice.
    InsufficientFunds = 301 "insufficient_funds",
    /// No one along the waterfall can fund the refund.
    RefundUnfunded = 302 "refund_unfunded",
    /// A campaign's budget does not suffice.
    Budget = 303 "budget",
    /// The netting position would exceed the debit cap.
    DebitCap = 304 "debit_cap",
    /// The netting position would exceed the collateral.
    Cover = 305 "cover",
    /// Something named does not exist.
    Missing = 401 "missing",
    /// The account may receive but not pay.
    DebitFrozen = 402 "debit_frozen",
    /// The account is frozen.
    Frozen = 403 "frozen",
    /// The account is closed.
    Closed = 404 "closed",
    /// The account's tier does not allow it.
    Tier = 405 "tier",
    /// Payer and payee are the same account.
    SameAccount = 406 "same_account",
    /// The business key was used with another body; about names the fields that differ.
    Conflict = 502 "idempotency_conflict",
    /// No such order.
    NoOrder = 503 "no_order",
    /// The object's state does not allow the action.
    State = 504 "state",
    /// More than what is left to refund.
    OverRefund = 505 "over_refund",
    /// More than what was reserved.
    OverCapture = 506 "over_capture",
    /// Past the object's deadline.
    Deadline = 507 "deadline",
    /// The split plan cannot be, or cannot split this amount.
    Plan = 601 "plan",
    /// The coupon cannot be used.
    Coupon = 611 "coupon",
    /// More than the mandate allows.
    MandateLimit = 621 "mandate_limit",
    /// The mandate's period has not begun.
    TooEarly = 622 "too_early",
    /// The mandate was cancelled.
    Revoked = 623 "revoked",
    /// The gateway used this reference for something else.
    ReferenceUsed = 701 "reference_used",
    /// More than the gateway may bring in today.
    GatewayCap = 702 "gateway_cap",
    /// More than a transaction may move.
    PerTransactionLimit = 801 "per_transaction_limit",
    /// More than may move in a day.
    DailyLimit = 802 "daily_limit",
    /// Too much in too short a time.
    Velocity = 803 "velocity",
    /// The payee is too new.
    Cooling = 804 "cooling",
    /// The netting window is closed.
    WindowClosed = 901 "window_closed",
    /// An older netting window must go first.
    WindowOrder = 902 "window_order",
    /// The quote cannot be used.
    Quote = 911 "quote",
    /// The preimage does not match.
    Preimage = 921 "preimage",
    /// The time lock does not allow it.
    Timelock = 922 "timelock",
}

impl Rejection {
    /// What the refusal is about, as receipts carry it.
    pub fn about(&self) -> Vec<Label> {
        self.about_names().iter().map(|name| Label::new(*name).expect("names in the contract are labels")).collect()
    }
}

macro_rules! about_one {
    ($($function:ident $variant:ident,)+) => {
        $(
            pub(crate) fn $function(about: About) -> Rejection {
                Rejection::$variant(vec![about])
            }
        )+
    };
}

/// Shorthands for refusals about one thing.
pub(crate) mod refuse {
    use super::{About, Rejection};

    about_one! {
        signature Signature, threshold Threshold, role Role, malformed Malformed, zero ZeroAmount, overflow Overflow,
        asset Asset, price PriceMismatch, funds InsufficientFunds, unfunded RefundUnfunded, debit_cap DebitCap,
        cover Cover, missing Missing, debit_frozen DebitFrozen, frozen Frozen, closed Closed, same_account SameAccount,
        no_order NoOrder, state State, over_refund OverRefund, plan Plan, reference_used ReferenceUsed,
        gateway_cap GatewayCap, window_closed WindowClosed, window_order WindowOrder, expired Expired,
        budget Budget, tier Tier, over_capture OverCapture, deadline Deadline, coupon Coupon,
        mandate_limit MandateLimit, too_early TooEarly, revoked Revoked, per_transaction PerTransactionLimit,
        daily DailyLimit, velocity Velocity, cooling Cooling, quote Quote, preimage Preimage, timelock Timelock,
    }
}

/// Answers a business key that was used before: replayed if no field differs, else a conflict that names them.
pub(crate) fn same_or_conflict(fields: &[(About, bool)]) -> Result<(), Rejection> {
    let differ: Vec<About> = fields.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect();
    if differ.is_empty() { Ok(()) } else { Err(Rejection::Conflict(differ)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_golden() {
        let golden = "101 signature, 102 chain, 103 expired, 104 duplicate, 106 role, 107 threshold, 108 malformed, \
            201 zero_amount, 202 overflow, 203 asset, 205 price_mismatch, 301 insufficient_funds, \
            302 refund_unfunded, 303 budget, 304 debit_cap, 305 cover, 401 missing, 402 debit_frozen, 403 frozen, \
            404 closed, 405 tier, 406 same_account, 502 idempotency_conflict, 503 no_order, 504 state, \
            505 over_refund, 506 over_capture, 507 deadline, 601 plan, 611 coupon, 621 mandate_limit, 622 too_early, \
            623 revoked, 701 reference_used, 702 gateway_cap, 801 per_transaction_limit, 802 daily_limit, \
            803 velocity, 804 cooling, 901 window_closed, 902 window_order, 911 quote, 921 preimage, 922 timelock";
        let listed: Vec<String> = Rejection::CODES.iter().map(|(c, n)| format!("{c} {n}")).collect();
        assert_eq!(listed.join(", "), golden);
        assert!(Rejection::CODES.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(Rejection::name_of(502), Some("idempotency_conflict"));
        assert_eq!(Rejection::name_of(503).zip(Rejection::name_of(999)), None);
    }

    #[test]
    fn a_conflict_names_what_differs() {
        assert_eq!(same_or_conflict(&[("to", true), ("amount", true)]), Ok(()));
        let conflict = same_or_conflict(&[("to", true), ("amount", false), ("asset", false)]).unwrap_err();
        assert_eq!((conflict.code(), conflict.name()), (502, "idempotency_conflict"));
        assert_eq!(conflict.about().iter().map(Label::as_str).collect::<Vec<_>>(), ["amount", "asset"]);
        assert_eq!(conflict.to_string(), "idempotency_conflict: amount, asset");
    }
}
