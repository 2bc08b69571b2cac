//! Netting windows: LockCollateral, the obligations of window orders, CloseWindow and SettleWindow.
//!
//! Windows of an asset are numbered from 1; one is open, the ones before it are closed and settle in order. An account's
//! position is the sum of its nets over all unsettled windows.
//!
//! Invariant: whatever order the unsettled windows' nets have, collateral covers them: it is at least
//! [`cover_needed`], the highest sum of nets of the next windows to settle. Recording keeps it (305), refunds leave it
//! alone, and a settlement that pays out tops it up first. So settling cannot fail; the mutual fund ([`crate::fund`]) stands
//! behind it all the same.

use std::collections::BTreeMap;

use vostro_types::genesis::Parameters;
use vostro_types::receipt::Bucket;
use vostro_types::transaction::{CloseWindow, LockCollateral, SettleWindow, UnlockCollateral};
use vostro_types::{AccountId, AccountKind, Amount, AssetCode, Event};

use crate::authority::{Call, require_asset};
use crate::books::{Books, Effects};
use crate::deadlines::{self, Due};
use crate::fund::Fund;
use crate::ledger::{Ledger, Reader};
use crate::model::{Leg, Netting, Obligation, Window};
use crate::rejection::{Rejection, refuse};
use crate::tables::{NETS, NETTINGS, OBLIGATIONS, WINDOWS};
use crate::{BlockContext, Done, above_zero};

/// Most accounts in a window; the next one's order opens the next window. Bounds what settling one has to do, and keeps
/// its receipt below [`crate::MAX_RECEIPT`].
pub const MAX_PARTICIPANTS: u32 = 3072;
/// Most closed windows of an asset that wait to be settled.
pub const MAX_UNSETTLED: u64 = 16;

pub(crate) fn lock(call: &Call<'_>, action: &LockCollateral, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let (account, asset, amount) = (call.sender, action.asset, action.amount);
    call.require_kind(AccountKind::Platform)?;
    above_zero(amount, "amount")?;
    require_asset(reader, asset)?;
    let mut books = Books::default();
    books.debit(reader, account, asset, amount, "sender")?;

    // Point of no return.
    books.put_back(reader, account, asset, Bucket::Collateral, amount);
    books.event(Event::CollateralLocked { account, asset, amount });
    Ok(Done::Applied(books.commit(ledger)))
}

pub(crate) fn unlock(call: &Call<'_>, action: &UnlockCollateral, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let (account, asset, amount) = (call.sender, action.asset, action.amount);
    call.require_kind(AccountKind::Platform)?;
    above_zero(amount, "amount")?;
    require_asset(reader, asset)?;
    let mut books = Books::default();
    let left = books.balance(reader, account, asset).collateral.sub(amount).map_err(|_| refuse::funds("collateral"))?;
    if left < cover_needed(&unsettled_nets(reader, asset, account)) {
        return Err(refuse::cover("collateral"));
    }

    // Point of no return.
    books.take(reader, account, asset, Bucket::Collateral, amount, Amount::ZERO);
    // What it owes is paid from it first, like from any money that becomes available.
    books.credit(reader, account, asset, amount);
    books.event(Event::CollateralUnlocked { account, asset, amount });
    Ok(Done::Applied(books.commit(ledger)))
}

/// What an account owes (positive) or is owed in each unsettled window, in the order in which they settle; the open one
/// last.
pub fn unsettled_nets(reader: &dyn Reader, asset: AssetCode, account: AccountId) -> Vec<i128> {
    let netting = NETTINGS.get(reader, &asset).unwrap_or_default();
    nets_after(reader, asset, account, netting.settled, netting.open)
}

fn nets_after(reader: &dyn Reader, asset: AssetCode, account: AccountId, settled: u64, open: u64) -> Vec<i128> {
    (settled + 1..=open).map(|w| NETS.get(reader, &(asset, w, account)).unwrap_or_default()).collect()
}

/// The collateral that nets need: the highest sum of the windows that settle next.
pub fn cover_needed(nets: &[i128]) -> Amount {
    let mut sum = 0;
    let highest = nets.iter().map(|n| {
        sum += n;
        sum
    });
    to_amount(highest.fold(0, i128::max))
}

/// The highest position that settling any number of the older windows leaves: what the debit cap is about.
pub fn highest_position(nets: &[i128]) -> i128 {
    let mut sum = 0;
    let positions = nets.iter().rev().map(|n| {
        sum += n;
        sum
    });
    positions.max().unwrap_or(0)
}

fn to_amount(units: i128) -> Amount {
    let units = u64::try_from(units).ok().and_then(|u| Amount::new(u).ok());
    units.expect("what is owed over windows is covered by collateral, which is an amount")
}

/// Sums of obligations before and after netting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Sum of the obligations.
    pub gross: u128,
    /// Sum of what is left when each pair nets.
    pub bilateral: u128,
    /// Sum of what is left when all net together.
    pub multilateral: u128,
}

/// Computes what netting saves for obligations `(debtor, creditor, amount)`.
pub fn totals(obligations: impl IntoIterator<Item = (AccountId, AccountId, u128)>) -> Totals {
    let mut pairs: BTreeMap<(AccountId, AccountId), i128> = BTreeMap::new();
    let mut nets: BTreeMap<AccountId, i128> = BTreeMap::new();
    let mut gross = 0;
    for (debtor, creditor, amount) in obligations {
        gross += amount;
        let signed = amount as i128;
        let (pair, sign) = if debtor < creditor { ((debtor, creditor), 1) } else { ((creditor, debtor), -1) };
        *pairs.entry(pair).or_default() += sign * signed;
        *nets.entry(debtor).or_default() += signed;
        *nets.entry(creditor).or_default() -= signed;
    }
    let bilateral = pairs.values().map(|p| p.unsigned_abs()).sum();
    let multilateral = nets.values().filter(|n| **n > 0).map(|n| n.unsigned_abs()).sum();
    Totals { gross, bilateral, multilateral }
}

/// An order's obligations, checked and ready to be written.
pub(crate) struct Recording {
    asset: AssetCode,
    debtor: AccountId,
    netting: Netting,
    /// Whether the open window is full and closes first.
    full: bool,
    newcomers: u32,
    obligations: Vec<(AccountId, Amount)>,
}

impl Recording {
    /// Checks each leg in order against cap (304) and cover (305). `None` if the debtor owes nobody but itself.
    pub(crate) fn plan(
        reader: &dyn Reader,
        asset: AssetCode,
        debtor: AccountId,
        legs: &[Leg],
        cap: Amount,
        collateral: Amount,
    ) -> Result<Option<Self>, Rejection> {
        let owed = legs.iter().filter(|l| l.account != debtor && !l.amount.is_zero());
        let obligations: Vec<(AccountId, Amount)> = owed.map(|l| (l.account, l.amount)).collect();
        if obligations.is_empty() {
            return Ok(None);
        }
        let mut netting = NETTINGS.get(reader, &asset).unwrap_or_default();
        let mut nets = nets_after(reader, asset, debtor, netting.settled, netting.open);
        let mut newcomers = Self::newcomers(reader, asset, netting.open, debtor, &obligations);
        let window = WINDOWS.get(reader, &(asset, netting.open));
        let full = window.is_some_and(|w| w.participants + newcomers > MAX_PARTICIPANTS);
        if full {
            require_room(&netting)?;
            netting.open += 1;
            nets.push(0);
            newcomers = Self::newcomers(reader, asset, netting.open, debtor, &obligations);
        }
        let mut position: i128 = nets.iter().sum();
        let mut highest = highest_position(&nets);
        for (_, amount) in &obligations {
            position += i128::from(amount.units());
            highest += i128::from(amount.units());
            if highest > i128::from(cap.units()) {
                return Err(refuse::debit_cap("origin"));
            }
            if position > i128::from(collateral.units()) {
                return Err(refuse::cover("origin"));
            }
        }
        Ok(Some(Recording { asset, debtor, netting, full, newcomers, obligations }))
    }

    fn newcomers(
        reader: &dyn Reader,
        asset: AssetCode,
        window: u64,
        debtor: AccountId,
        obligations: &[(AccountId, Amount)],
    ) -> u32 {
        let mut accounts: Vec<AccountId> = obligations.iter().map(|(creditor, _)| *creditor).chain([debtor]).collect();
        accounts.sort();
        accounts.dedup();
        accounts.retain(|a| !NETS.contains(reader, &(asset, window, *a)));
        accounts.len() as u32 // at most a plan's legs and three
    }

    /// The window it goes to.
    pub(crate) fn window(&self) -> u64 {
        self.netting.open
    }

    /// Writes the obligations. Cannot fail.
    pub(crate) fn commit(
        self,
        context: &BlockContext,
        parameters: &Parameters,
        books: &mut Books,
        ledger: &mut dyn Ledger,
    ) {
        let (asset, debtor, number) = (self.asset, self.debtor, self.netting.open);
        if self.full {
            freeze(context, asset, number - 1, books, ledger);
        }
        let mut window = WINDOWS.get(&*ledger, &(asset, number)).unwrap_or_else(|| {
            let due = (parameters.window_ms > 0).then(|| context.time.plus(parameters.window_ms));
            Window { opened: context.time, due, closed: None, settled: None, obligations: 0, participants: 0, gross: 0 }
        });
        if let (0, Some(due)) = (window.obligations, window.due) {
            deadlines::arm(ledger, due, Due::Window(asset, number));
        }
        window.participants += self.newcomers;
        for (creditor, amount) in self.obligations {
            let units = u128::from(amount.units());
            window.obligations += 1;
            window.gross += units;
            let pair = (asset, number, debtor, creditor);
            let mut obligation = OBLIGATIONS.get(&*ledger, &pair).unwrap_or_default();
            obligation = Obligation { amount: obligation.amount + units, count: obligation.count + 1 };
            OBLIGATIONS.put(ledger, &pair, &obligation);
            for (account, change) in [(debtor, units as i128), (creditor, -(units as i128))] {
                let net = NETS.get(&*ledger, &(asset, number, account)).unwrap_or_default();
                NETS.put(ledger, &(asset, number, account), &(net + change));
            }
            books.event(Event::ObligationRecorded { debtor, creditor, asset, window: number, amount });
        }
        WINDOWS.put(ledger, &(asset, number), &window);
    }
}

fn require_room(netting: &Netting) -> Result<(), Rejection> {
    let waiting = netting.open - netting.settled - 1;
    if waiting < MAX_UNSETTLED { Ok(()) } else { Err(refuse::window_order("window")) }
}

/// Freezes the open window and opens the next.
fn freeze(context: &BlockContext, asset: AssetCode, number: u64, books: &mut Books, ledger: &mut dyn Ledger) {
    let mut netting = NETTINGS.get(&*ledger, &asset).unwrap_or_default();
    let mut window = WINDOWS.get(&*ledger, &(asset, number)).expect("a window that closes has obligations");
    netting.open = number + 1;
    NETTINGS.put(ledger, &asset, &netting);
    if let Some(due) = window.due.take() {
        deadlines::disarm(ledger, due, Due::Window(asset, number));
    }
    window.closed = Some(context.time);
    WINDOWS.put(ledger, &(asset, number), &window);
    books.event(Event::WindowClosed { asset, window: number, obligations: window.obligations });
}

/// Only a platform that takes part in a window closes it.
fn require_participant(call: &Call<'_>, reader: &dyn Reader, asset: AssetCode, window: u64) -> Result<(), Rejection> {
    call.require_kind(AccountKind::Platform)?;
    if NETS.contains(reader, &(asset, window, call.sender)) { Ok(()) } else { Err(refuse::role("window")) }
}

pub(crate) fn close(call: &Call<'_>, action: &CloseWindow, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let CloseWindow { asset, window } = *action;
    require_asset(reader, asset)?;
    let netting = NETTINGS.get(reader, &asset).unwrap_or_default();
    if window < netting.open {
        return Err(refuse::window_closed("window"));
    }
    if window > netting.open {
        return Err(refuse::window_order("window"));
    }
    require_participant(call, reader, asset, window)?;
    require_room(&netting)?;

    // Point of no return.
    let mut books = Books::default();
    freeze(call.context, asset, window, &mut books, ledger);
    Ok(Done::Applied(books.commit(ledger)))
}

/// The open window's time has come. If too many closed ones wait already, it stays open for another span.
pub(crate) fn fire(context: &BlockContext, asset: AssetCode, number: u64, ledger: &mut dyn Ledger) -> Effects {
    let mut books = Books::default();
    let netting = NETTINGS.get(&*ledger, &asset).unwrap_or_default();
    if require_room(&netting).is_ok() {
        freeze(context, asset, number, &mut books, ledger);
        return books.commit(ledger);
    }
    let mut window = WINDOWS.get(&*ledger, &(asset, number)).expect("the queue names windows that exist");
    if let Some(due) = window.due.take() {
        deadlines::disarm(ledger, due, Due::Window(asset, number));
    }
    // Parameters may have changed since the window opened: without a span it waits for a platform to close it.
    let span = crate::read::network(&*ledger).parameters.window_ms;
    if span > 0 {
        let next = context.time.plus(span);
        window.due = Some(next);
        deadlines::arm(ledger, next, Due::Window(asset, number));
    }
    WINDOWS.put(ledger, &(asset, number), &window);
    books.commit(ledger)
}

pub(crate) fn settle(call: &Call<'_>, action: &SettleWindow, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let SettleWindow { asset, window: number } = *action;
    require_asset(reader, asset)?;
    let mut netting = NETTINGS.get(reader, &asset).unwrap_or_default();
    if number <= netting.settled {
        return Err(refuse::state("window"));
    }
    if number > netting.settled + 1 {
        return Err(refuse::window_order("window"));
    }
    if number == netting.open {
        return Err(refuse::state("window"));
    }
    // What settling does not depend on who asks for it; if only participants could, one could hold up all others.
    call.require_kind(AccountKind::Platform)?;
    let mut window = WINDOWS.get(reader, &(asset, number)).expect("a closed window has obligations");
    let nets: Vec<(AccountId, i128)> =
        NETS.walk(reader, &(asset, number)).map(|((_, _, account), net)| (account, net)).collect();
    let mut books = Books::default();
    let mut fund = Fund::load(reader, asset);
    let mut paid = Amount::ZERO;
    for (debtor, net) in nets.iter().filter(|(_, net)| *net > 0) {
        let owed = to_amount(*net);
        // A frozen debtor pays too: settled obligations are never unwound.
        let missing = books.take(reader, *debtor, asset, Bucket::Available, owed, Amount::ZERO);
        let missing = books.take(reader, *debtor, asset, Bucket::Collateral, missing, Amount::ZERO);
        if !missing.is_zero() {
            // The module's invariant excludes it; should it fail all the same, nobody's settlement waits for it.
            fund.bear(reader, &mut books, *debtor, missing)?;
        }
        paid = paid.add(owed).map_err(|_| refuse::overflow("net"))?;
    }

    // Point of no return: Σ net = 0, so what was taken is what is due.
    for (creditor, net) in nets.iter().filter(|(_, net)| *net < 0) {
        let due = to_amount(-net);
        let head = books.head(reader, *creditor).expect("obligations name accounts that exist");
        let mut rest = due;
        if head.kind == AccountKind::Platform {
            let cover = cover_needed(&nets_after(reader, asset, *creditor, number, netting.open));
            let collateral = books.balance(reader, *creditor, asset).collateral;
            let top_up = cover.sub(collateral).unwrap_or_default().min(due);
            books.put_back(reader, *creditor, asset, Bucket::Collateral, top_up);
            rest = due.sub(top_up).expect("the top-up is at most what is due");
        }
        books.credit(reader, *creditor, asset, rest);
    }
    fund.commit(ledger);
    netting.settled = number;
    NETTINGS.put(ledger, &asset, &netting);
    window.settled = Some(call.context.time);
    WINDOWS.put(ledger, &(asset, number), &window);
    books.event(Event::WindowSettled { asset, window: number, gross: window.gross, net: paid });
    Ok(Done::Applied(books.commit(ledger)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g8_what_netting_saves() {
        let (a, b, c) = (AccountId([1; 32]), AccountId([2; 32]), AccountId([3; 32]));
        let obligations = [(a, b, 120), (b, a, 45), (b, c, 90), (c, a, 60), (a, c, 25)];
        assert_eq!(totals(obligations), Totals { gross: 340, bilateral: 200, multilateral: 55 });
    }

    #[test]
    fn cover_is_the_highest_sum_of_what_settles_next() {
        for (nets, cover, highest) in [
            (vec![], 0, 0),
            (vec![5], 5, 5),
            (vec![-5], 0, -5),
            (vec![300, -200, 350], 450, 450),
            (vec![500, -300], 500, 200),
            (vec![-300, 400], 100, 400),
        ] {
            assert_eq!(cover_needed(&nets).units(), cover, "{nets:?}");
            assert_eq!(highest_position(&nets), highest, "{nets:?}");
        }
    }
}
