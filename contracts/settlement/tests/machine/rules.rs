//! Random actions: keys, tiers, limits, fees and governance.

use super::*;

/// What these actions and the rules they set are seen to do.
pub(crate) const EXPECTED: &str = "Approve KeysSet ParameterSet ProposalApproved ProposalDue ProposalMade ProposalVoid \
    Propose RefundAlarm SetKeys SetTier TierSet";

/// Codes that they are refused with, or that a vote makes others be refused with.
pub(crate) const CODES: &[u16] = &[108, 405, 507, 801, 802, 803, 804];

pub(crate) fn parameters(p: &mut genesis::Parameters) {
    p.refund_alarm = ppm(900_000);
}

/// Lets q run three of four validators, so that it decides alone and p cannot.
pub(crate) fn prepare(w: &mut World) {
    w.validators(&[w.p, w.q, w.q, w.q]);
}

/// As [`super::action`], for this family's kinds; `None` where the state has nothing to act on.
pub(crate) fn action(w: &World, op: &Op) -> Option<(AccountId, Vec<AccountId>, Action)> {
    let people = [w.alice, w.bob, w.carol, w.dave];
    let voters = [w.p, w.q];
    let names = || voters.into_iter().flat_map(|by| (0..12u8).map(move |a| (by, a.to_string())));
    let found = |(by, name): &(AccountId, String)| read::proposal(&w.ledger, *by, &label(name));
    // a highest fee below the least one that is about to take effect
    let due = |p: &read::Proposal| (p.parameter, p.state) == (Parameter::FeeMin, read::ProposalState::Approved);
    if let Some(least) = names().filter_map(|name| found(&name)).find(due) {
        let lower = propose(&format!("{}", op.a), Parameter::FeeCap, least.value - 1, w.height + 2);
        return Some((w.q, vec![], lower));
    }
    match op.kind {
        46 => {
            // One's own key, alone or with the newcomers' beside it: whoever signed before still can.
            let who = pick(&[w.alice, w.bob, w.carol, w.dave, w.p, w.q], op.who);
            let mut keys = vec![WeightedKey { key: w.keys[&who].public(), weight: 1 + u16::from(op.a) }];
            let others: Vec<u8> = (60..60 + op.b % 3).collect();
            keys.extend(others.iter().map(|seed| WeightedKey { key: secret(*seed).public(), weight: 1 }));
            let threshold = if op.c == 0 { 1 + u32::from(op.a) + others.len() as u32 } else { 1 };
            let policy = KeyPolicy::new(threshold, keys).ok()?;
            Some((who, vec![], Action::SetKeys(SetKeys { policy })))
        }
        47 => {
            let account = pick(&people, op.a);
            let by = pick(&[read::account(&w.ledger, account)?.platform, w.risk], op.b);
            Some((by, vec![], set_tier(account, op.c % 5)))
        }
        48 | 49 => {
            let ((parameter, value), ahead) = (change(op), op.units % 12);
            Some((pick(&voters, op.who), vec![], propose(&format!("{}", op.a), parameter, value, w.height + 1 + ahead)))
        }
        _ => {
            // an open proposal if there is one
            let mut all: Vec<(AccountId, String)> = names().collect();
            let state = |name: &_| found(name).map(|p| (p.state == read::ProposalState::Open, p.approvals));
            all.retain(|p| state(p).is_some_and(|(open, _)| open || op.c == 0));
            if all.is_empty() {
                return None;
            }
            let (proposer, name) = pick(&all, op.a);
            let (_, approvals) = state(&(proposer, name.clone()))?;
            let rest: Vec<AccountId> =
                voters.into_iter().filter(|v| op.c == 1 || approvals.iter().all(|(by, _)| by != v)).collect();
            let by = if rest.is_empty() { w.p } else { pick(&rest, op.b) };
            Some((by, vec![], approve(proposer, &name)))
        }
    }
}

/// A parameter and a value that some action will notice.
fn change(op: &Op) -> (Parameter, u64) {
    use Parameter::*;
    let small = op.units % 2_000;
    match op.b {
        0 => (DebitCap, op.units),
        1 => (GatewayDailyCap, 100_000 + op.units),
        2 => (Tier1PerTransaction, 500 + small),
        3 => (Tier1Daily, 1_000 + small),
        4 => (Tier1Velocity, 1_000 + small),
        5 => (Tier1Yearly, 1_000 + small),
        6 => (CoolingMs, 100_000 * u64::from(op.c)),
        7 => (pick(&[RefundAlarm, FeePeriodMs, WindowMs, EscrowMs, DayMs, MaxDuePerBlock], op.c), 1 + op.units % 60),
        8 => (pick(&[FeeRate, FeeTier1Rate], op.c), 10_000 * u64::from(op.c)),
        9 => (pick(&[FeeTier1Volume, FeeTier2Volume], op.c), small),
        _ => (FeeMin, 1 + op.units % 100),
    }
}
