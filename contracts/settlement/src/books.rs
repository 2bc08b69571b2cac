//! A working copy of the balances an action touches: debits and credits land here and are written all at once.
//!
//! Invariant: money is neither made nor lost here. A credit cannot overflow, because an asset's custody is at most
//! 10^18 (checked at deposits) and every balance is a part of it; so once all debits of an action have succeeded,
//! nothing that follows can fail. Every movement leaves a posting.

use std::collections::BTreeMap;

use vostro_types::receipt::Bucket;
use vostro_types::{AccountId, AccountStatus, Amount, AssetCode, Event, Posting};

use crate::ledger::{Ledger, Reader};
use crate::model::{AccountHead, Balance, Receivable};
use crate::rejection::{About, Rejection, refuse};
use crate::tables::{ACCOUNTS, BALANCES, RECEIVABLES};

/// From this many receivables of a debtor in an asset on, a new one is added to the creditor's latest instead of
/// standing at the end of the queue. With the fixed number of platforms this bounds the list. One credit pays so many at
/// most, which bounds receipts whatever the number of platforms: of a debtor of more than that, what is left of the credit
/// is its own, and its next credit pays the next ones.
pub const MAX_RECEIVABLES: usize = 32;

/// What an action did, besides its writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// The network fee and its asset, if there is one.
    pub(crate) fee: Option<(AssetCode, Amount)>,
    pub(crate) postings: Vec<Posting>,
    pub(crate) events: Vec<Event>,
}

struct Entry {
    balance: Balance,
    dirty: bool,
}

#[derive(Default)]
pub(crate) struct Books {
    balances: BTreeMap<(AccountId, AssetCode), Entry>,
    heads: BTreeMap<AccountId, AccountHead>,
    receivables: BTreeMap<(AccountId, AssetCode), Vec<Receivable>>,
    pub(crate) effects: Effects,
}

impl Books {
    pub(crate) fn event(&mut self, event: Event) {
        self.effects.events.push(event);
    }

    /// The account's head.
    pub(crate) fn head(&mut self, reader: &dyn Reader, account: AccountId) -> Option<AccountHead> {
        if let Some(head) = self.heads.get(&account) {
            return Some(*head);
        }
        let head = ACCOUNTS.get(reader, &account)?;
        self.heads.insert(account, head);
        Some(head)
    }

    /// Lets the rest of the action see an account as it is known already, or with another status.
    pub(crate) fn set_head(&mut self, account: AccountId, head: AccountHead) {
        self.heads.insert(account, head);
    }

    fn status(&mut self, reader: &dyn Reader, account: AccountId) -> AccountStatus {
        self.head(reader, account).expect("accounts named in state exist").status
    }

    fn entry(&mut self, reader: &dyn Reader, account: AccountId, asset: AssetCode) -> &mut Entry {
        let key = (account, asset);
        self.balances
            .entry(key)
            .or_insert_with(|| Entry { balance: BALANCES.get(reader, &key).unwrap_or_default(), dirty: false })
    }

    /// The balance as it stands in these books.
    pub(crate) fn balance(&mut self, reader: &dyn Reader, account: AccountId, asset: AssetCode) -> Balance {
        self.entry(reader, account, asset).balance
    }

    fn post(
        &mut self,
        reader: &dyn Reader,
        account: AccountId,
        asset: AssetCode,
        bucket: Bucket,
        credit: bool,
        amount: Amount,
    ) -> Result<(), Rejection> {
        if amount.is_zero() {
            return Ok(());
        }
        let entry = self.entry(reader, account, asset);
        let side = match bucket {
            Bucket::Available => &mut entry.balance.available,
            Bucket::Held => &mut entry.balance.held,
            Bucket::Collateral => &mut entry.balance.collateral,
        };
        let balance = if credit {
            side.add(amount).expect("an asset's custody is at most 10^18")
        } else {
            side.sub(amount).map_err(|_| refuse::funds("available"))?
        };
        *side = balance;
        entry.dirty = true;
        self.effects.postings.push(Posting { account, asset, bucket, credit, amount, balance });
        Ok(())
    }

    /// Takes from what is available, or refuses (301).
    pub(crate) fn debit(
        &mut self,
        reader: &dyn Reader,
        account: AccountId,
        asset: AssetCode,
        amount: Amount,
        about: About,
    ) -> Result<(), Rejection> {
        self.post(reader, account, asset, Bucket::Available, false, amount).map_err(|_| refuse::funds(about))
    }

    /// Takes up to `amount` from a bucket; says what is missing.
    pub(crate) fn take(
        &mut self,
        reader: &dyn Reader,
        account: AccountId,
        asset: AssetCode,
        bucket: Bucket,
        amount: Amount,
        leave: Amount,
    ) -> Amount {
        let balance = self.balance(reader, account, asset);
        let there = match bucket {
            Bucket::Available => balance.available,
            Bucket::Held => balance.held,
            Bucket::Collateral => balance.collateral,
        };
        let taken = there.sub(leave).unwrap_or_default().min(amount);
        self.post(reader, account, asset, bucket, false, taken).expect("no more than is there");
        amount.sub(taken).expect("no more than was asked")
    }

    /// Adds to a bucket as it is, past receivables and statuses: for money that stays with its owner.
    pub(crate) fn put_back(
        &mut self,
        reader: &dyn Reader,
        account: AccountId,
        asset: AssetCode,
        bucket: Bucket,
        amount: Amount,
    ) {
        self.post(reader, account, asset, bucket, true, amount).expect("a credit cannot fail");
    }

    /// Who can be credited in place of `account`: itself unless it is closed; then the suspense account if there is
    /// one, else the fee account. Neither can close, and nobody who could have an account closed gains by it.
    pub(crate) fn receiver(&mut self, reader: &dyn Reader, account: AccountId) -> AccountId {
        if self.status(reader, account) != AccountStatus::Closed {
            return account;
        }
        let network = crate::read::network(reader);
        network.suspense.unwrap_or(network.fee_account)
    }

    /// Credits `account` or whoever stands in for it; first pays what that account owes, oldest first. Says who was
    /// credited.
    pub(crate) fn credit(
        &mut self,
        reader: &dyn Reader,
        account: AccountId,
        asset: AssetCode,
        amount: Amount,
    ) -> AccountId {
        let to = self.receiver(reader, account);
        if amount.is_zero() {
            return to;
        }
        if to != account {
            self.event(Event::Rerouted { from: account, to, asset, amount });
        }
        let mut left = amount;
        if !self.balance(reader, to, asset).owed.is_zero() {
            left = self.pay_receivables(reader, to, asset, amount);
        }
        self.land(reader, to, asset, left);
        to
    }

    /// Credits an account that is not closed, into `held` if it is frozen.
    fn land(&mut self, reader: &dyn Reader, account: AccountId, asset: AssetCode, amount: Amount) {
        let bucket = match self.status(reader, account) {
            AccountStatus::Active | AccountStatus::DebitFrozen => Bucket::Available,
            AccountStatus::Frozen | AccountStatus::Closed => Bucket::Held,
        };
        self.put_back(reader, account, asset, bucket, amount);
    }

    /// Pays what `account` owes from what it has available.
    pub(crate) fn pay_debts(&mut self, reader: &dyn Reader, account: AccountId, asset: AssetCode) {
        let balance = self.balance(reader, account, asset);
        let due = balance.available.min(balance.owed);
        if !due.is_zero() {
            self.take(reader, account, asset, Bucket::Available, due, Amount::ZERO);
            self.pay_receivables(reader, account, asset, due);
        }
    }

    fn pay_receivables(&mut self, reader: &dyn Reader, debtor: AccountId, asset: AssetCode, amount: Amount) -> Amount {
        let mut queue = self.receivables_of(reader, debtor, asset);
        let mut left = amount;
        for receivable in queue.iter_mut().take(MAX_RECEIVABLES) {
            let paid = receivable.amount.min(left);
            if paid.is_zero() {
                break;
            }
            left = left.sub(paid).expect("paid is at most left");
            receivable.amount = receivable.amount.sub(paid).expect("paid is at most the receivable");
            let owed = &mut self.entry(reader, debtor, asset).balance.owed;
            *owed = owed.sub(paid).expect("owed is the sum of the receivables");
            let creditor = receivable.creditor;
            self.event(Event::ReceivablePaid { debtor, creditor, asset, amount: paid });
            // What a creditor is paid back was its own money, so it does not in turn pay what the creditor owes.
            let to = self.receiver(reader, creditor);
            self.land(reader, to, asset, paid);
        }
        queue.retain(|r| !r.amount.is_zero());
        self.entry(reader, debtor, asset).dirty = true;
        self.receivables.insert((debtor, asset), queue);
        left
    }

    fn receivables_of(&mut self, reader: &dyn Reader, debtor: AccountId, asset: AssetCode) -> Vec<Receivable> {
        let key = (debtor, asset);
        self.receivables.remove(&key).unwrap_or_else(|| RECEIVABLES.get(reader, &key).unwrap_or_default())
    }

    /// Notes that `creditor` stood in for `debtor`.
    pub(crate) fn raise_receivable(
        &mut self,
        reader: &dyn Reader,
        debtor: AccountId,
        creditor: AccountId,
        asset: AssetCode,
        amount: Amount,
    ) -> Result<(), Rejection> {
        let entry = self.entry(reader, debtor, asset);
        entry.balance.owed = entry.balance.owed.add(amount).map_err(|_| refuse::overflow("receivable"))?;
        entry.dirty = true;
        let mut queue = self.receivables_of(reader, debtor, asset);
        let full = queue.len() >= MAX_RECEIVABLES;
        let last = queue.len().saturating_sub(1);
        match queue.iter_mut().enumerate().rfind(|(i, r)| r.creditor == creditor && (full || *i == last)) {
            Some((_, r)) => r.amount = r.amount.add(amount).expect("at most owed, which fits"),
            None => queue.push(Receivable { creditor, amount }),
        }
        self.receivables.insert((debtor, asset), queue);
        self.event(Event::ReceivableRaised { debtor, creditor, asset, amount });
        Ok(())
    }

    /// Writes what changed. Called behind an action's point of no return.
    pub(crate) fn commit(self, ledger: &mut dyn Ledger) -> Effects {
        for (key, entry) in self.balances {
            if entry.dirty {
                BALANCES.put(ledger, &key, &entry.balance);
            }
        }
        for (key, queue) in self.receivables {
            if queue.is_empty() { RECEIVABLES.delete(ledger, &key) } else { RECEIVABLES.put(ledger, &key, &queue) }
        }
        self.effects
    }
}
