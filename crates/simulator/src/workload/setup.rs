//! What the mix and the scenes stand on: accounts, money, plans and items before, settled windows afterwards.

use vostro_types::transaction::*;
use vostro_types::{AccountId, AccountKind, Action, AssetCode, SecretKey};

use super::genesis::gateway;
use super::mix::{METERED, PRICES, UNITS};
use super::{CLOSING, Cast, PEOPLE, PLATFORMS, When, cny, id, label, policy, ppm, units};
use crate::dice::Dice;

/// What every user starts with, in minor units.
const PURSE: u64 = 1_000_000;

impl Cast {
    /// Opens an account with a platform's and its owner's signature.
    pub(super) fn open(&mut self, when: When, kind: AccountKind, platform: &SecretKey, owner: &SecretKey) {
        let action = OpenAccount { kind, policy: policy(owner), salt: [0; 16] };
        self.add(when, &[platform, owner], Action::OpenAccount(action));
    }

    pub(super) fn deposit(&mut self, when: When, to: AccountId, asset: AssetCode, reference: String, amount: u64) {
        let (channel, channel_ref) = (label("bank"), label(reference));
        let action = Deposit { channel, channel_ref, to, asset, amount: units(amount) };
        self.add(when, &[&gateway()], Action::Deposit(action));
    }

    pub(super) fn set_up(&mut self) {
        for i in 0..PLATFORMS {
            let platform = self.platforms[i].clone();
            for person in i * PEOPLE..(i + 1) * PEOPLE {
                let (user, creator) = (self.users[person].clone(), self.creators[person].clone());
                self.open(When::stage(0), AccountKind::User, &platform, &user);
                self.open(When::stage(0), AccountKind::Creator, &platform, &creator);
                self.deposit(When::stage(1), id(&user), cny(), format!("purse {person}"), PURSE);
            }
            self.deposit(When::stage(1), id(&platform), cny(), format!("cover {i}"), 2 * PURSE);
            let items = (0..PRICES.len()).filter(|number| number % PLATFORMS == i);
            let items = items.map(|number| Action::RegisterItem(self.item(number)));
            let catalog = [Action::RegisterPlan(split())].into_iter().chain(items).collect();
            self.batch(When::stage(1), &[&platform], catalog);
            let lock = LockCollateral { asset: cny(), amount: units(PURSE) };
            self.add(When::stage(2), &[&platform], Action::LockCollateral(lock));
        }
    }

    fn item(&self, number: usize) -> RegisterItem {
        let metered = (number == METERED).then_some(UNITS);
        RegisterItem {
            item: label(format!("item {number}")),
            version: 1,
            asset: cny(),
            price: Price::Fixed(units(PRICES[number].1)),
            discount: ppm(0),
            tax: None,
            plan: label("split"),
            plan_version: 1,
            creator: id(&self.creators[number % PLATFORMS * PEOPLE]),
            terms: Terms { duration_ms: None, units: metered, scope: label("all") },
        }
    }

    /// Windows close, if their time did not close them, and settle in the end, those of late payments too.
    pub(super) fn close_windows(&mut self, dice: &mut Dice) {
        for (window, stage) in [(1, CLOSING - 1), (2, CLOSING), (3, CLOSING)] {
            let platform = dice.pick(&self.platforms).clone();
            let close = CloseWindow { asset: cny(), window };
            self.add(When::stage(stage), &[&platform], Action::CloseWindow(close));
            let settle = SettleWindow { asset: cny(), window };
            self.add(When::stage(stage).later(100 * window), &[&platform], Action::SettleWindow(settle));
        }
    }
}

/// A leg that gives back in proportion.
pub(super) fn leg(payee: Payee, rate: u32) -> PlanLeg {
    PlanLeg { payee, share: Share::Rate(ppm(rate)), refund: RefundPolicy::Proportional }
}

fn split() -> RegisterPlan {
    let legs = vec![
        leg(Payee::Creator, 700_000),
        leg(Payee::Host, 200_000),
        leg(Payee::Origin, 80_000),
        leg(Payee::Network, 20_000),
    ];
    RegisterPlan { plan: label("split"), version: 1, legs }
}
