//! Parameters, proposals, tiers, limits and volumes.
//!
//! What a parameter bounds is checked where it was taken, from one state to the next, because a vote may set a bound
//! below what is there: a debit cap below a position, a daily cap below a day's deposits. Then nothing grows until it is
//! within bounds again.

use std::collections::{BTreeMap, BTreeSet};

use vostro_types::genesis::Parameters;
use vostro_types::parameters::ACCOUNT_TIERS;
use vostro_types::validators::quorum;
use vostro_types::{AccountId, AccountKind, Amount, AssetCode, Event, Label, Receipt, Time};

use super::{Violation, require};
use crate::governance::{MAX_OPEN_PROPOSALS, weight};
use crate::ledger::Reader;
use crate::limits::{VELOCITY_HOURS, of_tier, year_of};
use crate::model::{Proposal, ProposalState, Spending};
use crate::netting::{highest_position, unsettled_nets};
use crate::tables::{
    ACCOUNTS, ATTESTATIONS, GATEWAY_DAYS, NETS, OPEN_PROPOSALS, PROPOSALS, SCHEDULE, SPENDING, VALIDATORS, VOLUMES,
};
use crate::{gateway, read};

const HOUR_MS: u64 = 3_600_000;

fn records(holds: bool, rule: &'static str) -> Result<(), Violation> {
    require(holds, || Violation::Records { rule })
}

pub(super) fn check(reader: &dyn Reader) -> Result<(), Violation> {
    records(read::parameters(reader).validate().is_ok(), "parameters are within bounds")?;
    check_proposals(reader)?;
    check_tiers(reader)?;
    for ((account, _), spending) in SPENDING.walk(reader, &()) {
        let broken = |rule| Violation::Account { account, rule };
        check_spending(&spending).map_err(broken)?;
        require(is_limited(reader, account), || broken("is a user or creator, so it has limits"))?;
    }
    for ((platform, _), volume) in VOLUMES.walk(reader, &()) {
        let broken = |rule| move || Violation::Account { account: platform, rule };
        let sells = ACCOUNTS.get(reader, &platform).is_some_and(|head| head.kind == AccountKind::Platform);
        require(sells, broken("is a platform, so it has a volume"))?;
        require(!volume.alarmed || volume.refunded > 0, broken("refunded something before the alarm"))?;
    }
    Ok(())
}

fn is_limited(reader: &dyn Reader, account: AccountId) -> bool {
    let head = ACCOUNTS.get(reader, &account);
    head.is_some_and(|head| matches!(head.kind, AccountKind::User | AccountKind::Creator))
}

fn check_tiers(reader: &dyn Reader) -> Result<(), Violation> {
    for (account, head) in ACCOUNTS.walk(reader, &()) {
        let within = (1..=ACCOUNT_TIERS).contains(&head.tier.into());
        require(within, || Violation::Account { account, rule: "has a tier" })?;
    }
    let attested = ATTESTATIONS.walk(reader, &()).all(|(account, _)| is_limited(reader, account));
    records(attested, "attestations are about users and creators")
}

fn check_proposals(reader: &dyn Reader) -> Result<(), Violation> {
    let validators = VALIDATORS.get(reader, &()).unwrap_or_default();
    let mut scheduled: BTreeMap<(AccountId, Label), u64> = BTreeMap::new();
    for ((height, proposer, name), ()) in SCHEDULE.walk(reader, &()) {
        records(scheduled.insert((proposer, name), height).is_none(), "a proposal is scheduled once")?;
    }
    for (key, proposal) in PROPOSALS.walk(reader, &()) {
        let Proposal { parameter, value, state, .. } = proposal;
        let (least, most) = parameter.bounds();
        records((least..=most).contains(&value), "a proposed value is within bounds")?;
        let platforms: BTreeSet<AccountId> = proposal.approvals.iter().map(|(by, _)| *by).collect();
        let first = proposal.approvals.first().is_some_and(|(by, tx)| *by == key.0 && *tx == proposal.tx);
        records(first, "the proposer approves first")?;
        let once = platforms.len() == proposal.approvals.len() && platforms.iter().all(|p| validators.contains(p));
        records(once, "validators' platforms approve, each once")?;
        let decided = weight(&validators, &proposal) >= quorum(validators.len());
        records(decided == (state != ProposalState::Open), "a quorum of approvals decides")?;
        let at = scheduled.remove(&key);
        let waits = at.is_some_and(|height| height >= proposal.from_height.0);
        records(if state == ProposalState::Approved { waits } else { at.is_none() }, "what is approved is scheduled")?;
    }
    records(scheduled.is_empty(), "the schedule names proposals that exist")?;
    for (proposer, names) in OPEN_PROPOSALS.walk(reader, &()) {
        let distinct: BTreeSet<&Label> = names.iter().collect();
        let open = |name: &Label| {
            let listed = PROPOSALS.get(reader, &(proposer, name.clone()));
            listed.is_some_and(|p| p.state == ProposalState::Open)
        };
        let good = distinct.len() == names.len() && names.len() <= MAX_OPEN_PROPOSALS && names.iter().all(open);
        records(good && !names.is_empty(), "listed proposals are open, each once, at most 16 of a platform")?;
    }
    Ok(())
}

/// Day, year and hours tell of the same movements.
fn check_spending(spending: &Spending) -> Result<(), &'static str> {
    let holds = |holds: bool, rule| if holds { Ok(()) } else { Err(rule) };
    let Spending { day, year, hours } = spending;
    let bounded = hours.len() as u64 <= VELOCITY_HOURS && hours.is_sorted_by(|a, b| a.0 < b.0);
    let (Some((first, _)), Some((last, _))) = (hours.first(), hours.last()) else {
        return Err("counts the hours of its movements");
    };
    holds(bounded && first + VELOCITY_HOURS > *last, "counts at most the last 24 hours")?;
    holds(day_of(*last) == day.0 && year.0 == year_of(day.0) && day.1 <= year.1, ONE)?;
    let of_day = hours.iter().filter(|(hour, _)| day_of(*hour) == day.0).map(|(_, a)| u128::from(a.units())).sum();
    let sum = u128::from(day.1.units());
    holds(sum == of_day || (day.1 == Amount::MAX && sum < of_day), ONE)
}

const ONE: &str = "counts a movement in its hour, its day and its year";

fn day_of(hour: u64) -> u64 {
    gateway::limit_day(Time(hour.saturating_mul(HOUR_MS)))
}

pub(super) fn check_step(before: &dyn Reader, after: &dyn Reader, receipts: &[Receipt]) -> Result<(), Violation> {
    let parameters = read::parameters(before);
    let voted = receipts.iter().flat_map(|r| &r.events).try_fold(parameters, |now, event| match event {
        Event::ParameterSet { parameter, value } => now.with(*parameter, *value),
        _ => Some(now),
    });
    records(voted == Some(read::parameters(after)), "parameters are what votes made them")?;
    for (key, old) in PROPOSALS.walk(before, &()) {
        let new = PROPOSALS.get(after, &key);
        records(new.is_some_and(|new| follows(&old, &new)), "proposals stay, and move along their diagram")?;
    }
    check_caps(before, after, &parameters)?;
    check_limits(before, after, receipts, &parameters)?;
    for ((platform, asset), old) in VOLUMES.walk(before, &()) {
        let new = VOLUMES.get(after, &(platform, asset)).unwrap_or_default();
        let same = new.before == old.before && new.sold >= old.sold && new.refunded >= old.refunded;
        let grows = new.period != old.period || (same && (new.alarmed || !old.alarmed));
        let broken = || Violation::Account { account: platform, rule: "its volume of a period only grows" };
        require(grows, broken)?;
    }
    Ok(())
}

/// Whether a proposal may become the other within a block.
fn follows(old: &Proposal, new: &Proposal) -> bool {
    use ProposalState::{Approved, Done, Open, Void};
    let moves = match old.state {
        Open => true,
        Approved => matches!(new.state, Approved | Done | Void),
        Done | Void => new.state == old.state,
    };
    let collects = new.approvals.starts_with(&old.approvals) && (old.state == Open || old.approvals == new.approvals);
    let kept = Proposal { approvals: old.approvals.clone(), state: old.state, ..new.clone() };
    moves && collects && kept == *old
}

/// What grew is within the caps that its block worked with.
fn check_caps(before: &dyn Reader, after: &dyn Reader, parameters: &Parameters) -> Result<(), Violation> {
    for (key, day) in GATEWAY_DAYS.walk(after, &()) {
        let old = GATEWAY_DAYS.get(before, &key).unwrap_or_default();
        let grew = old.day != day.day || old.total < day.total;
        let within = !grew || day.total <= parameters.gateway_daily_cap;
        records(within, "a gateway brings in at most its daily cap")?;
    }
    let cap = i128::from(parameters.debit_cap.units());
    let accounts: BTreeSet<(AssetCode, AccountId)> =
        NETS.walk(after, &()).map(|((asset, _, account), _)| (asset, account)).collect();
    for (asset, account) in accounts {
        let highest = |reader| highest_position(&unsettled_nets(reader, asset, account));
        let (old, new) = (highest(before), highest(after));
        let broken = || Violation::Account { account, rule: "its position grows to the debit cap at most" };
        require(new <= old || new <= cap, broken)?;
    }
    Ok(())
}

/// What users and creators moved is within the limits of their tiers, unless the block changed the tier.
fn check_limits(
    before: &dyn Reader,
    after: &dyn Reader,
    receipts: &[Receipt],
    parameters: &Parameters,
) -> Result<(), Violation> {
    let changed = |event: &Event| match event {
        Event::TierSet { account, .. } => Some(*account),
        _ => None,
    };
    let changed: BTreeSet<AccountId> = receipts.iter().flat_map(|r| &r.events).filter_map(changed).collect();
    for ((account, asset), new) in SPENDING.walk(after, &()) {
        let old = read::spending(before, account, asset);
        let Some(head) = ACCOUNTS.get(after, &account) else { continue };
        if old == new || changed.contains(&account) {
            continue;
        }
        let limits = of_tier(parameters, &head);
        let lately = new.hours.iter().map(|(_, a)| u128::from(a.units())).sum::<u128>();
        let sums = [
            (limits.daily, u128::from(new.day.1.units())),
            (limits.velocity, lately),
            (limits.yearly, u128::from(new.year.1.units())),
        ];
        let within = sums.iter().all(|(limit, sum)| limit.is_zero() || *sum <= u128::from(limit.units()));
        require(within, || Violation::Account { account, rule: "moves no more than its limits" })?;
    }
    Ok(())
}
