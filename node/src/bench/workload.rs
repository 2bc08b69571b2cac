//! Who takes part in a benchmark and what they sign: platforms, creators, payers, items, split payments.
//!
//! Invariant: everything follows from the platforms' keys and numbers, so processes that know both make the same
//! transactions without telling each other. The mix of prices is the standard workload's.

use color_eyre::eyre::{Result, eyre};
use serde::{Deserialize, Serialize};
use vostro_crypto::{Hash, SecretKey};
use vostro_settlement::pricing;
use vostro_types::transaction::{
    BODY_VERSION, Deposit, FeeBearer, ItemRef, OpenAccount, OrderKey, Pay, PayMode, Payee, PlanLeg, Price, Refund,
    RefundPolicy, RegisterItem, RegisterPlan, Share, Terms,
};
use vostro_types::{
    AccountId, AccountKind, Action, Amount, AssetCode, Body, Genesis, KeyPolicy, Label, Payload, Ppm, Time, Transaction,
};

use crate::bench::measure::seed;
use crate::keystore::{KeyBook, own_account};

/// Prices in minor units and their weights in %, from the standard workload.
const PRICES: [(u64, u64); 9] =
    [(20, 990), (15, 1990), (10, 2990), (10, 4900), (20, 9900), (15, 19_900), (6, 29_900), (3, 39_900), (1, 99_900)];
/// Creators, shared by the hosts.
pub const CREATORS: u64 = 40;
/// Items, shared by the hosts.
pub const ITEMS: u64 = 200;
/// Accounts opened, or filled, by one transaction of the preparation.
pub const ACTIONS: u64 = 50;
const HIGHEST_PRICE: u64 = 99_900;
/// Rates of the split plans with three, four and five legs, in parts per million; `Account` stands for a co-author.
const PLANS: [&[(Who, u32)]; 3] = [
    &[(Who::Creator, 780_000), (Who::Host, 200_000), (Who::Network, 20_000)],
    &[(Who::Creator, 700_000), (Who::Host, 200_000), (Who::Origin, 80_000), (Who::Network, 20_000)],
    &[
        (Who::Creator, 600_000),
        (Who::CoAuthor, 100_000),
        (Who::Host, 200_000),
        (Who::Origin, 80_000),
        (Who::Network, 20_000),
    ],
];

#[derive(Clone, Copy)]
enum Who {
    Creator,
    CoAuthor,
    Host,
    Origin,
    Network,
}

/// A key and the account it opens.
#[derive(Clone)]
pub struct Party {
    /// Signs for the account.
    pub key: SecretKey,
    /// The account.
    pub account: AccountId,
}

impl Party {
    /// The account that a key opens.
    pub fn of(key: SecretKey) -> Self {
        Party { account: own_account(key.public()), key }
    }
}

/// Which payments a run makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Choice {
    /// Any item, a few of them far more often than the rest.
    Skewed,
    /// Items of one creator only.
    OneCreator,
}

/// Everybody who takes part in a benchmark.
#[derive(Clone)]
pub struct Cast {
    chain: Hash,
    asset: AssetCode,
    fee: vostro_types::genesis::FeeSchedule,
    platforms: Vec<Party>,
    gateway: Party,
    creators: Vec<Party>,
    payers: u64,
    payments_each: u64,
}

fn label(text: impl Into<String>) -> Label {
    Label::new(text.into()).expect("short and printable")
}

fn units(units: u64) -> Amount {
    Amount::new(units).expect("far below the cap")
}

/// Numbers that look random and follow from a number (Steele, Lea & Flood 2014, SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Cast {
    /// The cast on a chain whose platforms and gateway have their keys in `book`: `payers` with money for `payments_each`
    /// payments, whatever they cost.
    ///
    /// # Errors
    /// If a key is missing there.
    pub fn new(genesis: &Genesis, book: &KeyBook, payers: u64, payments_each: u64) -> Result<Self> {
        let party = |name: &Label, kind: AccountKind| {
            let key = book.key(kind, name.as_str());
            key.map(Party::of).ok_or_else(|| eyre!("the key book has no key for {} {name}", kind.name()))
        };
        let of_kind = |kind: AccountKind| genesis.accounts.iter().filter(move |a| a.kind == kind);
        let platforms = of_kind(AccountKind::Platform).map(|a| party(&a.name, AccountKind::Platform));
        let gateway = of_kind(AccountKind::Gateway).next().ok_or_else(|| eyre!("the chain has no gateway"))?;
        let creator = |i| Party::of(SecretKey::from_seed(seed("creator", i).0));
        Ok(Cast {
            chain: genesis.hash(),
            asset: genesis.assets.first().ok_or_else(|| eyre!("the chain has no asset"))?.code,
            fee: genesis.parameters.fee,
            platforms: platforms.collect::<Result<_>>()?,
            gateway: party(&gateway.name, AccountKind::Gateway)?,
            creators: (0..CREATORS).map(creator).collect(),
            payers,
            payments_each,
        })
    }

    /// How many payers there are.
    pub fn payers(&self) -> u64 {
        self.payers
    }

    /// The chain that signatures are for.
    pub fn chain(&self) -> &Hash {
        &self.chain
    }

    /// The asset of every payment.
    pub fn asset(&self) -> AssetCode {
        self.asset
    }

    fn home(&self, payer: u64) -> &Party {
        &self.platforms[(payer / ACTIONS) as usize % self.platforms.len()]
    }

    fn host(&self, item: u64) -> &Party {
        &self.platforms[item as usize % self.platforms.len()]
    }

    fn creator(&self, item: u64) -> &Party {
        &self.creators[(item % CREATORS) as usize]
    }

    fn payer(&self, payer: u64) -> Party {
        Party::of(SecretKey::from_seed(seed("payer", payer).0))
    }

    fn sign(
        &self,
        sender: &Party,
        consents: &[&SecretKey],
        actions: Vec<Action>,
        salt: u64,
        valid_until: Time,
    ) -> Transaction {
        let payload = match <[Action; 1]>::try_from(actions) {
            Ok([one]) => Payload::One(one),
            Err(many) => Payload::Batch(many),
        };
        let body = Body { version: BODY_VERSION, sender: sender.account, valid_until, salt, payload };
        let keys: Vec<&SecretKey> = std::iter::once(&sender.key).chain(consents.iter().copied()).collect();
        body.sign(&self.chain, &keys)
    }

    fn open(&self, platform: &Party, owners: &[Party], kind: AccountKind, salt: u64, until: Time) -> Transaction {
        let open = |owner: &Party| {
            let policy = KeyPolicy::single(owner.key.public());
            Action::OpenAccount(OpenAccount { kind, policy, salt: [0; 16] })
        };
        let keys: Vec<&SecretKey> = owners.iter().map(|owner| &owner.key).collect();
        self.sign(platform, &keys, owners.iter().map(open).collect(), salt, until)
    }

    /// Creators, plans and items. Each list can be handed in when the one before it is settled.
    pub fn catalog(&self, until: Time) -> Vec<Vec<Transaction>> {
        let first = &self.platforms[0];
        let creators = vec![self.open(first, &self.creators, AccountKind::Creator, 0, until)];
        let mut plans = Vec::new();
        let mut items = Vec::new();
        for (at, host) in self.platforms.iter().enumerate() {
            let plan = |(legs, rates): (usize, &&[(Who, u32)])| {
                Action::RegisterPlan(RegisterPlan {
                    plan: label(format!("split-{legs}")),
                    version: 1,
                    legs: rates.iter().map(|(who, rate)| self.leg(*who, *rate)).collect(),
                })
            };
            plans.push(self.sign(host, &[], PLANS.iter().enumerate().map(plan).collect(), 0, until));
            let own = (0..ITEMS).filter(|item| *item as usize % self.platforms.len() == at);
            let actions: Vec<Action> = own.map(|item| self.register(item)).collect();
            for (salt, some) in (1..).zip(actions.chunks(ACTIONS as usize)) {
                items.push(self.sign(host, &[], some.to_vec(), salt, until));
            }
        }
        vec![creators, plans, items]
    }

    fn leg(&self, who: Who, rate: u32) -> PlanLeg {
        let payee = match who {
            Who::Creator => Payee::Creator,
            Who::CoAuthor => Payee::Account(self.creators[0].account),
            Who::Host => Payee::Host,
            Who::Origin => Payee::Origin,
            Who::Network => Payee::Network,
        };
        let rate = Ppm::new(rate).expect("the rates of a plan sum to a million");
        PlanLeg { payee, share: Share::Rate(rate), refund: RefundPolicy::Proportional }
    }

    fn price(item: u64) -> u64 {
        let mut place = mixed(item) % 100;
        for (weight, price) in PRICES {
            if place < weight {
                return price;
            }
            place -= weight;
        }
        HIGHEST_PRICE
    }

    fn register(&self, item: u64) -> Action {
        Action::RegisterItem(RegisterItem {
            item: label(format!("item-{item}")),
            version: 1,
            asset: self.asset,
            price: Price::Fixed(units(Self::price(item))),
            discount: Ppm::ZERO,
            tax: None,
            plan: label(format!("split-{}", item as usize % PLANS.len())),
            plan_version: 1,
            creator: self.creator(item).account,
            terms: Terms { duration_ms: None, units: None, scope: label("all") },
        })
    }

    /// How many transactions [`Cast::open_payers`] and [`Cast::fund_payers`] take.
    pub fn payer_chunks(&self) -> u64 {
        self.payers.div_ceil(ACTIONS)
    }

    fn chunk(&self, chunk: u64) -> Vec<Party> {
        let first = chunk * ACTIONS;
        (first..(first + ACTIONS).min(self.payers)).map(|payer| self.payer(payer)).collect()
    }

    /// Opens the accounts of one chunk of payers, with their consent.
    pub fn open_payers(&self, chunk: u64, until: Time) -> Transaction {
        self.open(self.home(chunk * ACTIONS), &self.chunk(chunk), AccountKind::User, chunk + 1, until)
    }

    fn purse(&self) -> u64 {
        let fee = pricing::fee(units(HIGHEST_PRICE), self.fee.rate, &self.fee).units();
        self.payments_each.saturating_mul(HIGHEST_PRICE + fee).clamp(1, Amount::MAX.units())
    }

    /// Brings money in for one chunk of payers.
    pub fn fund_payers(&self, chunk: u64, until: Time) -> Transaction {
        let deposit = |(at, payer): (u64, Party)| {
            Action::Deposit(Deposit {
                channel: label("bank"),
                channel_ref: label(format!("purse-{}", chunk * ACTIONS + at)),
                to: payer.account,
                asset: self.asset,
                amount: units(self.purse()),
            })
        };
        let actions = (0..).zip(self.chunk(chunk)).map(deposit).collect();
        self.sign(&self.gateway, &[], actions, chunk, until)
    }

    fn item_of(&self, number: u64, choice: Choice) -> u64 {
        match choice {
            Choice::Skewed => {
                // The square of a uniform number: the first item gets every fourteenth payment.
                let uniform = (mixed(number) >> 11) as f64 / (1u64 << 53) as f64;
                (uniform * uniform * ITEMS as f64) as u64 % ITEMS
            }
            Choice::OneCreator => (mixed(number) % (ITEMS / CREATORS)) * CREATORS,
        }
    }

    /// The business key of payment `number`.
    pub fn order(&self, number: u64) -> OrderKey {
        OrderKey { platform: self.home(number % self.payers.max(1)).account, order_id: Self::order_id(number) }
    }

    fn order_id(number: u64) -> Label {
        label(format!("order-{number}"))
    }

    /// Payment `number`, signed by its payer alone. Payers take turns.
    pub fn pay(&self, number: u64, mode: PayMode, choice: Choice, until: Time) -> Transaction {
        let payer = number % self.payers.max(1);
        let item = self.item_of(number, choice);
        let price = Self::price(item);
        let pay = Pay {
            origin: self.home(payer).account,
            order_id: Self::order_id(number),
            item: ItemRef { host: self.host(item).account, item: label(format!("item-{item}")), version: 1 },
            price: None,
            coupon: None,
            mode,
            fee_bearer: FeeBearer::PAYER,
            expected_total: units(price + pricing::fee(units(price), self.fee.rate, &self.fee).units()),
        };
        self.sign(&self.payer(payer), &[], vec![Action::Pay(pay)], number, until)
    }

    /// Refunds payment `number` in full, signed by the platform that sold it.
    pub fn refund(&self, number: u64, choice: Choice, until: Time) -> Transaction {
        let origin = self.home(number % self.payers.max(1));
        let refund = Refund {
            order: self.order(number),
            refund_id: label("all"),
            amount: units(Self::price(self.item_of(number, choice))),
            reason: label("asked"),
        };
        self.sign(origin, &[], vec![Action::Refund(refund)], number, until)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn prices_follow_their_weights_roughly() {
        let cheap = (0..10_000).filter(|item| Cast::price(*item) == 990).count();
        assert!((1700..2300).contains(&cheap), "{cheap} of 10000 at the price that 20 % have");
        assert!((0..10_000).all(|item| PRICES.iter().any(|(_, price)| *price == Cast::price(item))));
    }

    #[test]
    fn the_rates_of_each_plan_sum_to_one() {
        for rates in PLANS {
            assert_eq!(rates.iter().map(|(_, rate)| rate).sum::<u32>(), 1_000_000);
        }
    }
}
