//! Hash locks, quotes, reports, cover and the mutual fund.

use super::*;

pub const PREIMAGE: [u8; 32] = [7; 32];

/// Locks to the hash of [`PREIMAGE`].
pub fn htlc_lock(id: &str, to: AccountId, units: u64, deadline: u64) -> HtlcLock {
    HtlcLock {
        htlc_id: label(id),
        to,
        asset: cny(),
        amount: fen(units),
        hash: sha256(&PREIMAGE),
        deadline: Time(deadline),
    }
}

pub fn htlc_claim(owner: AccountId, id: &str, preimage: [u8; 32]) -> Action {
    Action::HtlcClaim(HtlcClaim { owner, htlc_id: label(id), preimage })
}

pub fn htlc_refund(owner: AccountId, id: &str) -> Action {
    Action::HtlcRefund(HtlcRefund { owner, htlc_id: label(id) })
}

/// 700 USD cents for 5000 fen and a spread of 50 fen, which goes to the platform p.
pub fn quote(w: &World, maker: AccountId, id: &str) -> FxQuote {
    FxQuote {
        maker,
        quote_id: label(id),
        taker: None,
        gives_asset: usd(),
        gives: fen(700),
        takes_asset: cny(),
        takes: fen(5000),
        spread: fen(50),
        spread_to: w.p,
        expires: Time(w.time + 10_000),
    }
}

/// The quote as its maker signs it.
pub fn convert(w: &World, quote: FxQuote) -> Action {
    let signatures = quote.sign(&w.chain, &[&w.keys[&quote.maker]]);
    Action::FxConvert(FxConvert { quote, signatures })
}

pub fn report(channel: &str, period: &str, root: u8) -> Action {
    let (channel, period) = (label(channel), label(period));
    Action::AnchorReport(AnchorReport { period, channel, root: Hash([root; 32]) })
}

pub fn unlock(units: u64) -> Action {
    Action::UnlockCollateral(UnlockCollateral { asset: cny(), amount: fen(units) })
}

pub fn contribute(units: u64) -> Action {
    Action::FundContribute(FundContribute { asset: cny(), amount: fen(units) })
}

pub fn release(units: u64) -> Action {
    Action::FundRelease(FundRelease { asset: cny(), amount: fen(units) })
}

impl World {
    pub fn deposit_usd(&mut self, to: AccountId, units: u64) {
        let (channel, channel_ref) = (label("wire"), label(&format!("u-{}", self.salt)));
        self.ok(self.gw, Action::Deposit(Deposit { channel, channel_ref, to, asset: usd(), amount: fen(units) }));
    }

    pub fn usd(&self, account: AccountId) -> u64 {
        read::balance(&self.ledger, account, usd()).available.units()
    }

    /// What the mutual fund has of an account.
    pub fn funded(&self, account: AccountId) -> u64 {
        read::fund(&self.ledger, cny()).into_iter().find(|(a, _)| *a == account).map_or(0, |(_, a)| a.units())
    }
}
