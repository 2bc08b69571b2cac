//! The mutual fund of an asset: what platforms pay in, and what bears a debtor's default when a window settles.
//!
//! Netting keeps every debtor covered by its own collateral, so the fund is a second line that nothing should ever reach:
//! it makes a settlement go through, and nothing is unwound, even if the first line were breached.
//!
//! Invariant: the fund of an asset is the sum of its contributions, all above zero.

use std::collections::BTreeMap;

use vostro_types::transaction::{FundContribute, FundRelease};
use vostro_types::{AccountId, AccountKind, Amount, AssetCode, Event, allocate};

use crate::authority::{Call, require_asset};
use crate::books::Books;
use crate::ledger::{Ledger, Reader};
use crate::rejection::{Rejection, refuse};
use crate::tables::{FUND, NETTINGS, WINDOWS};
use crate::{Done, above_zero};

pub(crate) fn contribute(call: &Call<'_>, action: &FundContribute, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let (account, asset, amount) = (call.sender, action.asset, action.amount);
    call.require_kind(AccountKind::Platform)?;
    above_zero(amount, "amount")?;
    require_asset(reader, asset)?;
    let mut books = Books::default();
    books.debit(reader, account, asset, amount, "sender")?;

    // Point of no return.
    let mut fund = Fund::load(reader, asset);
    fund.add(account, amount);
    fund.commit(ledger);
    books.event(Event::FundContributed { account, asset, amount });
    Ok(Done::Applied(books.commit(ledger)))
}

pub(crate) fn release(call: &Call<'_>, action: &FundRelease, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let (account, asset, amount) = (call.sender, action.asset, action.amount);
    call.require_kind(AccountKind::Platform)?;
    above_zero(amount, "amount")?;
    require_asset(reader, asset)?;
    let netting = NETTINGS.get(reader, &asset).unwrap_or_default();
    // Whoever left between an obligation and its settlement would leave the others with its part of the risk.
    let waits = netting.settled + 1 < netting.open || WINDOWS.contains(reader, &(asset, netting.open));
    if waits {
        return Err(refuse::state("window"));
    }
    let mut fund = Fund::load(reader, asset);
    fund.take(account, amount).map_err(|_| refuse::funds("fund"))?;

    // Point of no return.
    fund.commit(ledger);
    let reader: &dyn Reader = &*ledger;
    let mut books = Books::default();
    books.credit(reader, account, asset, amount);
    books.event(Event::FundReleased { account, asset, amount });
    Ok(Done::Applied(books.commit(ledger)))
}

/// A working copy of an asset's contributions.
pub(crate) struct Fund {
    asset: AssetCode,
    parts: BTreeMap<AccountId, Amount>,
}

impl Fund {
    pub(crate) fn load(reader: &dyn Reader, asset: AssetCode) -> Self {
        // Platforms alone contribute, and they are those of the genesis.
        Fund { asset, parts: FUND.walk(reader, &asset).map(|((_, account), amount)| (account, amount)).collect() }
    }

    fn add(&mut self, account: AccountId, amount: Amount) {
        let part = self.parts.entry(account).or_default();
        *part = part.add(amount).expect("an asset's custody is at most 10^18");
    }

    fn take(&mut self, account: AccountId, amount: Amount) -> Result<(), vostro_types::AmountError> {
        let part = self.parts.entry(account).or_default();
        *part = part.sub(amount)?;
        Ok(())
    }

    /// Bears what a debtor cannot pay: its own contribution first, then the others' in proportion, to whom it owes that
    /// from now on. Refuses (305) if the whole fund does not suffice.
    pub(crate) fn bear(
        &mut self,
        reader: &dyn Reader,
        books: &mut Books,
        debtor: AccountId,
        missing: Amount,
    ) -> Result<(), Rejection> {
        let own = self.parts.get(&debtor).copied().unwrap_or_default().min(missing);
        let rest = missing.sub(own).expect("own is at most what is missing");
        let others: Vec<AccountId> = self.parts.keys().copied().filter(|account| *account != debtor).collect();
        let weights: Vec<u64> = others.iter().map(|account| self.parts[account].units()).collect();
        let there: u128 = weights.iter().map(|w| u128::from(*w)).sum();
        if u128::from(rest.units()) > there {
            return Err(refuse::cover("fund"));
        }
        let shares = if rest.is_zero() {
            Vec::new()
        } else {
            allocate(rest, &weights).expect("there are contributions to share what is left")
        };
        for (contributor, amount) in [(debtor, own)].into_iter().chain(others.into_iter().zip(shares)) {
            if amount.is_zero() {
                continue;
            }
            self.take(contributor, amount).expect("a share is no more than its weight");
            books.event(Event::FundUsed { debtor, contributor, asset: self.asset, amount });
            if contributor != debtor {
                books.raise_receivable(reader, debtor, contributor, self.asset, amount)?;
            }
        }
        Ok(())
    }

    /// Writes the contributions. Called behind the point of no return.
    pub(crate) fn commit(self, ledger: &mut dyn Ledger) {
        for (account, amount) in self.parts {
            let key = (self.asset, account);
            if amount.is_zero() { FUND.delete(ledger, &key) } else { FUND.put(ledger, &key, &amount) }
        }
    }
}
