//! The standard workload in small: platforms, people and a mix of payments, with the faults that real files have.
//!
//! Everything is signed before a run begins, so that what clients hand in does not depend on what the network does.
//! Charge, Consume and disputes of the standard mix come with the actions they need.

use std::sync::Arc;

use vostro_settlement::pricing;
use vostro_types::genesis::{ConsensusParameters, FeeSchedule, GENESIS_VERSION, GenesisAccount, Parameters};
use vostro_types::transaction::*;
use vostro_types::{
    AccountId, AccountKind, Action, Amount, Asset, AssetCode, Body, Genesis, Hash, KeyPolicy, Label, Payload, Ppm,
    Roles, SecretKey, Time, TxId, Validator, VerifiedTransaction,
};

use crate::dice::Dice;

/// Wall time at which a simulation begins, in milliseconds since 1970.
pub const START: u64 = 1_700_000_000_000;
/// Partner platforms.
const PLATFORMS: usize = 3;
/// Users and creators of each platform.
const PEOPLE: usize = 2;
/// Prices in minor units and their weights in %, from the standard workload.
const PRICES: [(u64, u64); 9] =
    [(20, 990), (15, 1990), (10, 2990), (10, 4900), (20, 9900), (15, 19_900), (6, 29_900), (3, 39_900), (1, 99_900)];
/// Share of the network in parts per million.
const FEE: u32 = 10_000;
/// What every user starts with, in minor units.
const PURSE: u64 = 1_000_000;
/// How long transactions stay valid, in milliseconds: longer than any run.
const VALID_MS: u64 = 50 * 60 * 1000;

/// A transaction and when it may be handed in.
pub struct Payment {
    /// Its id.
    pub id: TxId,
    /// What is handed in.
    pub transaction: VerifiedTransaction,
    /// Handed in when all of lower stages are settled.
    pub stage: u8,
    /// Not before this many milliseconds after its stage began.
    pub after: u64,
    /// Whether its signers may not do what it says: no block may hold it.
    pub forged: bool,
}

/// A network's first facts and what its clients will do.
pub struct Workload {
    /// The chain's first facts.
    pub genesis: Arc<Genesis>,
    /// Voting keys of the validators.
    pub validator_keys: Vec<SecretKey>,
    /// In the order in which they are handed in.
    pub payments: Vec<Payment>,
}

/// Who takes part.
struct Cast {
    chain: Hash,
    platforms: Vec<SecretKey>,
    gateway: SecretKey,
    users: Vec<SecretKey>,
    creators: Vec<SecretKey>,
    payments: Vec<Payment>,
    salt: u64,
}

fn key(group: u8, number: usize) -> SecretKey {
    let mut seed = [group; 32];
    seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
    SecretKey::from_seed(seed)
}

fn policy(key: &SecretKey) -> KeyPolicy {
    KeyPolicy::single(key.public())
}

fn id(key: &SecretKey) -> AccountId {
    policy(key).account_id(&[0; 16])
}

fn label(text: impl Into<String>) -> Label {
    Label::new(text.into()).expect("short and printable")
}

fn asset() -> AssetCode {
    "CNY".parse().expect("a code")
}

fn units(units: u64) -> Amount {
    Amount::new(units).expect("far below the cap")
}

fn ppm(parts: u32) -> Ppm {
    Ppm::new(parts).expect("at most a million")
}

fn schedule() -> FeeSchedule {
    FeeSchedule { rate: ppm(FEE), min: Amount::ZERO, cap: units(1_000_000), ..FeeSchedule::default() }
}

fn genesis(validators: usize) -> (Genesis, Vec<SecretKey>) {
    let account = |name: String, kind, key: &SecretKey| GenesisAccount {
        name: label(name),
        kind,
        policy: policy(key),
        salt: [0; 16],
        roles: Roles::default(),
    };
    let mut accounts: Vec<GenesisAccount> =
        (0..PLATFORMS).map(|i| account(format!("platform-{i}"), AccountKind::Platform, &key(1, i))).collect();
    accounts.push(account("gateway".into(), AccountKind::Gateway, &key(2, 0)));
    accounts.push(account("fees".into(), AccountKind::NetworkFee, &key(2, 1)));
    let keys: Vec<SecretKey> = (0..validators).map(|i| key(5, i)).collect();
    let member = |(i, voting): (usize, &SecretKey)| Validator {
        name: label(format!("v{i}")),
        platform: id(&key(1, i % PLATFORMS)),
        key: voting.public(),
        network_key: key(6, i).public(),
    };
    let genesis = Genesis {
        version: GENESIS_VERSION,
        chain_id: label(format!("simulation-{validators}")),
        time: Time(START),
        assets: vec![Asset::new(asset(), 2).expect("a scale")],
        parameters: Parameters {
            day_ms: 700,
            escrow_ms: 1500,
            window_ms: 900,
            max_due_per_block: 3,
            fee: schedule(),
            debit_cap: units(50_000_000),
            gateway_daily_cap: units(1_000_000_000),
            ..Parameters::BASE
        },
        consensus: ConsensusParameters {
            base_timeout_ms: 400,
            heartbeat_ms: 3000,
            delay_ms: 200,
            precision_ms: 50,
            max_block_transactions: 20,
            max_block_bytes: 1 << 20,
        },
        validators: keys.iter().enumerate().map(member).collect(),
        accounts,
    };
    genesis.validate().expect("a genesis of the simulation is well made");
    (genesis, keys)
}

impl Cast {
    fn add(&mut self, stage: u8, after: u64, signers: &[&SecretKey], action: Action) {
        self.add_forged(stage, after, signers, action, false);
    }

    fn add_forged(&mut self, stage: u8, after: u64, signers: &[&SecretKey], action: Action, forged: bool) {
        self.salt += 1;
        let body = Body {
            version: BODY_VERSION,
            sender: id(signers[0]),
            valid_until: Time(START + VALID_MS),
            salt: self.salt,
            payload: Payload::One(action),
        };
        let tx = body.id(&self.chain);
        let transaction = if forged {
            // signed by somebody else
            body.sign(&self.chain, &[&key(9, 9)])
        } else {
            body.sign(&self.chain, signers)
        };
        let transaction = transaction.verify(&self.chain).expect("signed just now");
        self.payments.push(Payment { id: tx, transaction, stage, after, forged });
    }

    fn open(&mut self, kind: AccountKind, platform: usize, owner: &SecretKey) {
        let action = Action::OpenAccount(OpenAccount { kind, policy: policy(owner), salt: [0; 16] });
        let platform = self.platforms[platform].clone();
        self.add(0, 0, &[&platform, owner], action);
    }

    fn deposit(&mut self, stage: u8, after: u64, to: AccountId, reference: String, amount: u64) {
        let (channel, channel_ref) = (label("bank"), label(reference));
        let action = Deposit { channel, channel_ref, to, asset: asset(), amount: units(amount) };
        let gateway = self.gateway.clone();
        self.add(stage, after, &[&gateway], Action::Deposit(action));
    }

    fn set_up(&mut self) {
        for i in 0..PLATFORMS {
            for person in 0..PEOPLE {
                let (user, creator) =
                    (self.users[i * PEOPLE + person].clone(), self.creators[i * PEOPLE + person].clone());
                self.open(AccountKind::User, i, &user);
                self.open(AccountKind::Creator, i, &creator);
                self.deposit(1, 0, id(&user), format!("purse {i} {person}"), PURSE);
            }
            let platform = self.platforms[i].clone();
            self.deposit(1, 0, id(&platform), format!("cover {i}"), 2 * PURSE);
            let leg =
                |payee, rate| PlanLeg { payee, share: Share::Rate(ppm(rate)), refund: RefundPolicy::Proportional };
            let legs = vec![
                leg(Payee::Creator, 700_000),
                leg(Payee::Host, 200_000),
                leg(Payee::Origin, 80_000),
                leg(Payee::Network, 20_000),
            ];
            let plan = RegisterPlan { plan: label("split"), version: 1, legs };
            self.add(1, 0, &[&platform], Action::RegisterPlan(plan));
            let lock = LockCollateral { asset: asset(), amount: units(PURSE) };
            self.add(2, 0, &[&platform], Action::LockCollateral(lock));
            for (number, (_, price)) in PRICES.iter().enumerate().filter(|(number, _)| number % PLATFORMS == i) {
                let item = RegisterItem {
                    item: label(format!("item {number}")),
                    version: 1,
                    asset: asset(),
                    price: Price::Fixed(units(*price)),
                    discount: Ppm::ZERO,
                    tax: None,
                    plan: label("split"),
                    plan_version: 1,
                    creator: id(&self.creators[i * PEOPLE]),
                    terms: Terms { duration_ms: None, units: None, scope: label("all") },
                };
                self.add(2, 0, &[&platform], Action::RegisterItem(item));
            }
        }
    }

    /// One payment of the mix; `number` makes its business keys.
    fn mix(&mut self, number: usize, stage: u8, after: u64, dice: &mut Dice) {
        let buyer = dice.below(self.users.len() as u64) as usize;
        let user = self.users[buyer].clone();
        let origin = self.platforms[buyer / PEOPLE].clone();
        let priced: Vec<(u64, usize)> = PRICES.iter().enumerate().map(|(i, (weight, _))| (*weight, i)).collect();
        let item = *dice.weighted(&priced);
        let price = PRICES[item].1;
        let pay = |mode, order: usize, item: usize| {
            let fee = if mode == PayMode::Window {
                units(0)
            } else {
                pricing::fee(units(PRICES[item].1), ppm(FEE), &schedule())
            };
            Pay {
                origin: id(&origin),
                order_id: label(format!("order {order}")),
                item: ItemRef { host: id(&key(1, item % PLATFORMS)), item: label(format!("item {item}")), version: 1 },
                price: None,
                coupon: None,
                mode,
                fee_bearer: FeeBearer::PAYER,
                expected_total: units(PRICES[item].1 + fee.units()),
            }
        };
        let order = OrderKey { platform: id(&origin), order_id: label(format!("order {number}")) };
        let choice = *dice.weighted(&[
            (50, "instant"),
            (10, "escrow"),
            (8, "maturing"),
            (6, "window"),
            (6, "transfer"),
            (7, "deposit"),
            (4, "withdraw"),
            (4, "poor"),
            (3, "duplicate"),
            (2, "conflict"),
            (2, "forged"),
        ]);
        match choice {
            "instant" | "escrow" | "maturing" => {
                let mode = match choice {
                    "instant" => PayMode::Instant,
                    "escrow" => PayMode::Escrow,
                    _ => PayMode::Maturing(dice.between(1, 3) as u16),
                };
                self.add(stage, after, &[&user], Action::Pay(pay(mode, number, item)));
                if choice == "escrow" && dice.chance(5000) {
                    self.add(stage + 1, after, &[&user], Action::Confirm(Confirm { order: order.clone() }));
                }
                if dice.chance(1500) {
                    let part = if dice.chance(5000) { price } else { dice.between(1, price) };
                    let refund_id = label(format!("refund {number}"));
                    let refund = Refund { order, refund_id, amount: units(part), reason: label("asked") };
                    self.add(stage + 1, after, &[&origin], Action::Refund(refund));
                }
            }
            "window" => self.add(stage, after, &[&user, &origin], Action::Pay(pay(PayMode::Window, number, item))),
            "transfer" | "poor" | "forged" => {
                let amount = if choice == "poor" { 40_000_000 } else { dice.between(1, 5000) };
                let to = id(&self.users[(buyer + 1) % self.users.len()]);
                let transfer = Transfer { to, asset: asset(), amount: units(amount), memo: Hash([0; 32]) };
                self.add_forged(stage, after, &[&user], Action::Transfer(transfer), choice == "forged");
            }
            "deposit" => self.deposit(stage, after, id(&user), format!("top-up {number}"), dice.between(1, 50_000)),
            "withdraw" => {
                let withdrawal_id = label(format!("withdrawal {number}"));
                let gateway = id(&self.gateway);
                let (amount, destination) = (units(dice.between(1, 20_000)), Hash([1; 32]));
                let withdraw =
                    Withdraw { withdrawal_id: withdrawal_id.clone(), gateway, asset: asset(), amount, destination };
                self.add(stage, after, &[&user], Action::Withdraw(withdraw));
                let (owner, payout_ref) = (id(&user), label(format!("payout {number}")));
                let result = WithdrawResult { owner, withdrawal_id, ok: dice.chance(7000), payout_ref };
                let gateway = self.gateway.clone();
                self.add(stage + 1, after, &[&gateway], Action::WithdrawResult(result));
            }
            _ => {
                // The same order twice, by the same body or by another.
                self.add(stage, after, &[&user], Action::Pay(pay(PayMode::Instant, number, item)));
                let other = if choice == "conflict" { (item + 1) % PRICES.len() } else { item };
                self.add(stage, after + 1, &[&user], Action::Pay(pay(PayMode::Instant, number, other)));
            }
        }
    }
}

impl Workload {
    /// The workload of a seed: about `count` payments of the mix after what they need.
    pub fn new(validators: usize, count: usize, span: u64, dice: &mut Dice) -> Self {
        let (genesis, validator_keys) = genesis(validators);
        let people = |group| (0..PLATFORMS * PEOPLE).map(|i| key(group, i)).collect();
        let mut cast = Cast {
            chain: genesis.hash(),
            platforms: (0..PLATFORMS).map(|i| key(1, i)).collect(),
            gateway: key(2, 0),
            users: people(3),
            creators: people(4),
            payments: Vec::new(),
            salt: 0,
        };
        cast.set_up();
        for number in 0..count {
            let stage = if number * 2 < count { 3 } else { 4 };
            let after = dice.below(span);
            cast.mix(number, stage, after, dice);
        }
        // Windows close and settle in the end, twice so that late payments are in the second.
        for stage in [5, 6] {
            let platform = cast.platforms[dice.below(PLATFORMS as u64) as usize].clone();
            let window = u64::from(stage - 4);
            let close = CloseWindow { asset: asset(), window };
            cast.add(stage, 0, &[&platform], Action::CloseWindow(close));
            let settle = SettleWindow { asset: asset(), window };
            cast.add(stage, 300, &[&platform], Action::SettleWindow(settle));
        }
        cast.payments.sort_by_key(|p| (p.stage, p.after));
        Workload { genesis: Arc::new(genesis), validator_keys, payments: cast.payments }
    }
}
