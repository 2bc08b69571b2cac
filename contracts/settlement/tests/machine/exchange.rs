//! Random actions: hash locks, quotes, reports, cover and the mutual fund.

use super::*;
use crate::common::exchange::{PREIMAGE, contribute, convert, htlc_claim, htlc_refund, release, report, unlock};

/// As [`super::action`], for this family's kinds; `None` where the state has nothing to act on.
pub(crate) fn action(w: &World, op: &Op) -> Option<(AccountId, Vec<AccountId>, Action)> {
    let people = [w.alice, w.bob, w.carol, w.dave];
    let platform = pick(&[w.p, w.q], op.b);
    let alone = |who: AccountId, action| Some((who, vec![], action));
    match op.kind {
        52 => {
            let (owner, to) = (pick(&people, op.who), pick(&people, op.a));
            let wait = u64::from(op.b) * 40;
            alone(owner, Action::HtlcLock(htlc_lock(&(op.a / 2).to_string(), to, op.units % 3_000, w.time + wait)))
        }
        53 => {
            // a lock that is open if there is one
            let open = people.iter().flat_map(|owner| {
                (0..6).filter_map(|id| {
                    let id = id.to_string();
                    let htlc = read::htlc(&w.ledger, *owner, &label(&id))?;
                    (op.a < 2 || htlc.end.is_none()).then_some((*owner, id, htlc))
                })
            });
            let open: Vec<_> = open.collect();
            if open.is_empty() {
                return None;
            }
            let (owner, id, htlc) = pick(&open, op.b);
            let preimage = if matches!(op.a, 3..=5) { [8; 32] } else { PREIMAGE };
            let over = htlc.deadline.0 <= w.time + 1;
            match (over && op.c < 6, op.c.is_multiple_of(2)) {
                (true, true) => alone(owner, htlc_refund(owner, &id)),
                (true, false) => alone(w.p, htlc_refund(owner, &id)),
                (false, _) if op.c == 7 => alone(owner, htlc_refund(owner, &id)),
                (false, _) => alone(htlc.to, htlc_claim(owner, &id, preimage)),
            }
        }
        54 => {
            let maker = pick(&[w.dave, w.p], op.a);
            let taker = (op.c == 0).then_some(w.bob);
            let expires = Time(if op.c == 1 { w.time } else { w.time + 1_000 });
            let spread_to = pick(&people, op.c);
            let quote = FxQuote { taker, expires, spread_to, ..quote(w, maker, &(op.a / 3).to_string()) };
            let quote = FxQuote { gives: fen(op.units % 500), takes: fen(op.units % 3_000), ..quote };
            alone(pick(&people, op.who), convert(w, quote))
        }
        55 => alone(pick(&[w.gw, w.auditor, w.p], op.b / 2), report("bank", &op.a.to_string(), op.c / 4)),
        56 if op.c < 5 => alone(platform, unlock(op.units % 1_500)),
        56 => alone(platform, contribute(op.units % 500)),
        _ => alone(platform, release(op.units % 300)),
    }
}
