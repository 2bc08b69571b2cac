//! A small network to test on: two platforms, two gateways, a few people, and every check after every block.
#![allow(dead_code, unreachable_pub, unused_imports)]

mod rules;

pub use rules::*;

mod orders;

pub mod campaigns;
pub mod exchange;
pub mod store;

use std::collections::{BTreeMap, BTreeSet};

use vostro_crypto::sha256;
use vostro_settlement::testing::MemLedger;
use vostro_settlement::{BlockContext, Reader, apply, fire_deadlines, invariants, open_genesis, read};
use vostro_types::genesis::{ConsensusParameters, FeeSchedule, GENESIS_VERSION, GenesisAccount, Parameters};
use vostro_types::receipt::OrderState;
use vostro_types::transaction::{BODY_VERSION, *};
use vostro_types::*;

#[allow(unused_imports)] // not every test uses every family
pub use orders::*;

pub const CNY: &str = "CNY";
pub const HOUR: u64 = 3_600_000;

pub fn fen(units: u64) -> Amount {
    Amount::new(units).unwrap()
}

pub fn ppm(parts: u32) -> Ppm {
    Ppm::new(parts).unwrap()
}

pub fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

pub fn cny() -> AssetCode {
    CNY.parse().unwrap()
}

pub fn usd() -> AssetCode {
    "USD".parse().unwrap()
}

pub fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

pub fn parameters() -> Parameters {
    Parameters {
        day_ms: 1000,
        escrow_ms: 5000,
        hold_ms: 5000,
        dispute_ms: 20_000,
        resolve_ms: 20_000,
        max_due_per_block: 100,
        debit_cap: fen(100_000),
        gateway_daily_cap: fen(10_000_000),
        ..Parameters::BASE
    }
}

fn roles(name: &str) -> Roles {
    Roles { risk: name == "risk", arbiter: name == "arbiter", auditor: name == "auditor" }
}

pub fn fee(rate: u32) -> FeeSchedule {
    FeeSchedule { rate: ppm(rate), min: Amount::ZERO, cap: fen(1_000_000), ..FeeSchedule::default() }
}

pub fn leg(payee: Payee, rate: u32) -> PlanLeg {
    PlanLeg { payee, share: Share::Rate(ppm(rate)), refund: RefundPolicy::Proportional }
}

#[derive(Clone)]
pub struct World {
    pub ledger: MemLedger,
    pub chain: Hash,
    pub height: u64,
    pub time: u64,
    pub salt: u64,
    pub keys: BTreeMap<AccountId, SecretKey>,
    /// Keys of accounts that nobody opened yet.
    pub spare: BTreeMap<AccountId, SecretKey>,
    pub p: AccountId,
    pub q: AccountId,
    pub gw: AccountId,
    pub gw2: AccountId,
    pub fees: AccountId,
    pub tax: AccountId,
    pub risk: AccountId,
    pub arbiter: AccountId,
    pub auditor: AccountId,
    pub suspense: Option<AccountId>,
    /// User of p.
    pub alice: AccountId,
    /// User of p.
    pub bob: AccountId,
    /// Creator of q.
    pub carol: AccountId,
    /// User of q.
    pub dave: AccountId,
}

pub fn genesis(parameters: Parameters, suspense: bool) -> (Genesis, BTreeMap<String, (AccountId, SecretKey)>) {
    let mut accounts = Vec::new();
    let mut keys = BTreeMap::new();
    let mut kinds = vec![
        ("p", AccountKind::Platform),
        ("q", AccountKind::Platform),
        ("gw", AccountKind::Gateway),
        ("gw2", AccountKind::Gateway),
        ("fees", AccountKind::NetworkFee),
        ("tax", AccountKind::Tax),
        ("risk", AccountKind::Platform),
        ("arbiter", AccountKind::Platform),
        ("auditor", AccountKind::Platform),
    ];
    if suspense {
        kinds.push(("suspense", AccountKind::Suspense));
    }
    for (i, (name, kind)) in kinds.into_iter().enumerate() {
        let key = secret(i as u8 + 1);
        let policy = KeyPolicy::single(key.public());
        let account = GenesisAccount { name: label(name), kind, policy, salt: [0; 16], roles: roles(name) };
        keys.insert(name.to_string(), (account.id(), key));
        accounts.push(account);
    }
    let key = |i| secret(i).public();
    let validators = vec![Validator { name: label("v"), platform: keys["p"].0, key: key(90), network_key: key(91) }];
    let genesis = Genesis {
        version: GENESIS_VERSION,
        chain_id: label("test"),
        time: Time(1_000_000),
        assets: vec![Asset::new(cny(), 2).unwrap(), Asset::new(usd(), 2).unwrap()],
        parameters,
        consensus: ConsensusParameters {
            base_timeout_ms: 1,
            heartbeat_ms: 1,
            delay_ms: 1,
            precision_ms: 1,
            max_block_transactions: 1,
            max_block_bytes: 1,
        },
        validators,
        accounts,
    };
    genesis.validate().unwrap();
    (genesis, keys)
}

impl World {
    pub fn new() -> Self {
        World::with(|_| {}, false)
    }

    pub fn with(change: impl FnOnce(&mut Parameters), suspense: bool) -> Self {
        let mut parameters = parameters();
        change(&mut parameters);
        let (genesis, named) = genesis(parameters, suspense);
        let mut ledger = MemLedger::default();
        open_genesis(&genesis, &mut ledger);
        let id = |name: &str| named[name].0;
        let nobody = AccountId([0; 32]);
        let mut world = World {
            ledger,
            chain: genesis.hash(),
            height: 0,
            time: genesis.time.0,
            salt: 0,
            p: id("p"),
            q: id("q"),
            gw: id("gw"),
            gw2: id("gw2"),
            fees: id("fees"),
            tax: id("tax"),
            risk: id("risk"),
            arbiter: id("arbiter"),
            auditor: id("auditor"),
            suspense: suspense.then(|| id("suspense")),
            keys: named.into_values().collect(),
            spare: BTreeMap::new(),
            alice: nobody,
            bob: nobody,
            carol: nobody,
            dave: nobody,
        };
        world.alice = world.open(world.p, AccountKind::User, 20);
        world.bob = world.open(world.p, AccountKind::User, 21);
        world.carol = world.open(world.q, AccountKind::Creator, 22);
        world.dave = world.open(world.q, AccountKind::User, 23);
        world
    }

    /// Opens an account of a platform with the key of a seed, which signs too.
    pub fn open(&mut self, platform: AccountId, kind: AccountKind, seed: u8) -> AccountId {
        let account = self.newcomer(seed);
        let receipt = self.by(platform, &[platform, account], open_account(kind, seed));
        assert!(receipt.applied(), "{receipt:?}");
        self.keys.insert(account, secret(seed));
        account
    }

    /// The account that a seed's key would have; from now on it can sign.
    pub fn newcomer(&mut self, seed: u8) -> AccountId {
        let account = KeyPolicy::single(secret(seed).public()).account_id(&[0; 16]);
        self.spare.insert(account, secret(seed));
        account
    }

    pub fn context(&self) -> BlockContext {
        BlockContext { height: Height(self.height), time: Time(self.time) }
    }

    pub fn body(&mut self, sender: AccountId, payload: Payload) -> Body {
        self.salt += 1;
        Body { version: BODY_VERSION, sender, valid_until: Time(self.time + 60_000), salt: self.salt, payload }
    }

    pub fn sign(&self, body: Body, signers: &[AccountId]) -> VerifiedTransaction {
        let signers: BTreeSet<&AccountId> = signers.iter().collect();
        let keys: Vec<&SecretKey> =
            signers.iter().map(|s| self.keys.get(s).unwrap_or_else(|| &self.spare[s])).collect();
        body.sign(&self.chain, &keys).verify(&self.chain).unwrap()
    }

    /// Runs a block of transactions and checks everything that can be checked. Receipts of deadlines come last.
    pub fn block(&mut self, transactions: &[VerifiedTransaction]) -> Vec<Receipt> {
        self.height += 1;
        self.time += 1;
        let context = self.context();
        let before = self.ledger.clone();
        let mut receipts = Vec::new();
        for tx in transactions {
            let untouched = self.ledger.clone();
            self.check_variants(tx);
            let receipt = apply(&context, tx, &mut self.ledger);
            assert_eq!(receipt.cause, Cause::Transaction(tx.id()));
            if !receipt.applied() {
                assert!(untouched == self.ledger, "what did not take effect changed something: {receipt:?}");
            }
            receipts.push(receipt);
        }
        receipts.extend(fire_deadlines(&context, &mut self.ledger));
        check_changes(&before, &self.ledger).unwrap();
        invariants::check(&self.ledger).unwrap();
        invariants::check_step(&before, &self.ledger, &receipts).unwrap();
        receipts
    }

    /// Signatures are outside a transaction's id, so anybody can pass it on with fewer of them or with more of strangers.
    /// Fewer may only be too few (101, 107: no block records that); more change nothing.
    fn check_variants(&self, tx: &VerifiedTransaction) {
        let whole = tx.transaction();
        if whole.signatures.len() < 2 {
            return;
        }
        let outcome = |signatures: Vec<SignedBy>| {
            let variant = Transaction { body: whole.body.clone(), signatures }.verify(&self.chain).unwrap();
            assert_eq!(variant.id(), tx.id());
            apply(&self.context(), &variant, &mut self.ledger.clone())
        };
        let expected = outcome(whole.signatures.clone());
        for missing in 0..whole.signatures.len() {
            let mut fewer = whole.signatures.clone();
            fewer.remove(missing);
            let receipt = outcome(fewer);
            let refused = matches!(receipt.outcome, Outcome::Rejected { code: 101 | 107, .. });
            assert!(refused || receipt == expected, "one signature less: {receipt:?} and not {expected:?}");
        }
        let stranger = whole.body.clone().sign(&self.chain, &[&secret(250)]).signatures[0];
        let mut more = whole.signatures.clone();
        more.push(stranger);
        more.sort_by_key(|s| s.key);
        assert_eq!(outcome(more), expected, "a stranger's signature more");
    }

    /// Moves time on and runs an empty block.
    pub fn wait(&mut self, ms: u64) -> Vec<Receipt> {
        self.time += ms;
        self.block(&[])
    }

    pub fn by(&mut self, sender: AccountId, signers: &[AccountId], action: Action) -> Receipt {
        let body = self.body(sender, Payload::One(action));
        let tx = self.sign(body, signers);
        self.block(&[tx]).remove(0)
    }

    /// Signed as clients do: by the sender, and payments by their origin too.
    pub fn run(&mut self, sender: AccountId, action: Action) -> Receipt {
        let signers = self.signers(sender, std::slice::from_ref(&action));
        self.by(sender, &signers, action)
    }

    fn signers(&self, sender: AccountId, actions: &[Action]) -> Vec<AccountId> {
        let origins = actions.iter().filter_map(|action| match action {
            Action::Pay(pay) => Some(pay.origin).filter(|origin| self.keys.contains_key(origin)),
            Action::Hold(hold) => Some(hold.origin).filter(|origin| self.keys.contains_key(origin)),
            _ => None,
        });
        origins.chain([sender]).collect()
    }

    pub fn batch(&mut self, sender: AccountId, actions: Vec<Action>) -> Receipt {
        let signers = self.signers(sender, &actions);
        let body = self.body(sender, Payload::Batch(actions));
        let tx = self.sign(body, &signers);
        self.block(&[tx]).remove(0)
    }

    /// Runs an action that must take effect.
    pub fn ok(&mut self, sender: AccountId, action: Action) -> Receipt {
        let receipt = self.run(sender, action);
        assert!(receipt.applied(), "{receipt:?}");
        receipt
    }

    /// The same on a state that was tampered with: nothing is checked.
    pub fn ok_unchecked(&mut self, sender: AccountId, action: Action) {
        let body = self.body(sender, Payload::One(action));
        let tx = self.sign(body, &[sender]);
        let receipt = apply(&self.context(), &tx, &mut self.ledger);
        assert!(receipt.applied(), "{receipt:?}");
    }

    /// Runs an action that must be refused: code and what it is about.
    pub fn no(&mut self, sender: AccountId, action: Action) -> (u16, String) {
        refusal(&self.run(sender, action))
    }

    pub fn deposit(&mut self, to: AccountId, units: u64) {
        let reference = format!("d-{}", self.salt);
        self.ok(self.gw, deposit("bank", &reference, to, units));
    }

    pub fn available(&self, account: AccountId) -> u64 {
        read::balance(&self.ledger, account, cny()).available.units()
    }

    pub fn held(&self, account: AccountId) -> u64 {
        read::balance(&self.ledger, account, cny()).held.units()
    }

    pub fn collateral(&self, account: AccountId) -> u64 {
        read::balance(&self.ledger, account, cny()).collateral.units()
    }

    pub fn owed(&self, account: AccountId) -> u64 {
        read::balance(&self.ledger, account, cny()).owed.units()
    }

    pub fn status(&mut self, account: AccountId, status: AccountStatus) {
        self.ok(self.risk, set_status(account, status));
    }

    /// Registers version 1 of a plan and of an open-priced item of the same name, hosted by `host`, made by carol.
    pub fn offer(&mut self, host: AccountId, name: &str, legs: Vec<PlanLeg>, tax: Option<TaxRule>) {
        self.ok(host, plan(name, 1, legs));
        let item = RegisterItem { tax, ..item(name, 1, self.carol) };
        self.ok(host, Action::RegisterItem(item));
    }

    pub fn state(&self, platform: AccountId, id: &str) -> OrderState {
        self.order(platform, id).state
    }

    pub fn order(&self, platform: AccountId, id: &str) -> read::Order {
        read::order(&self.ledger, &key(platform, id)).unwrap()
    }

    /// What the legs have left, in order.
    pub fn legs(&self, platform: AccountId, id: &str) -> Vec<u64> {
        self.order(platform, id).legs.iter().map(|l| l.left().units()).collect()
    }
}

/// What every node checks: the entries that differ.
pub fn check_changes(before: &MemLedger, after: &MemLedger) -> Result<(), invariants::Violation> {
    let (was, is): (BTreeMap<_, _>, BTreeMap<_, _>) = (before.entries().collect(), after.entries().collect());
    let keys: BTreeSet<&[u8]> = was.keys().chain(is.keys()).copied().collect();
    let entries = keys.into_iter().map(|key| (key, was.get(key).copied(), is.get(key).copied()));
    invariants::check_changes(entries.filter(|(_, before, after)| before != after))
}

pub fn refusal(receipt: &Receipt) -> (u16, String) {
    match &receipt.outcome {
        Outcome::Rejected { code, about } => (*code, about.iter().map(Label::as_str).collect::<Vec<_>>().join(" ")),
        Outcome::Applied => (0, "applied".into()),
        Outcome::Replayed { .. } => (0, "replayed".into()),
    }
}

pub fn key(platform: AccountId, id: &str) -> OrderKey {
    OrderKey { platform, order_id: label(id) }
}

pub fn open_account(kind: AccountKind, seed: u8) -> Action {
    let policy = KeyPolicy::single(secret(seed).public());
    Action::OpenAccount(OpenAccount { kind, policy, salt: [0; 16] })
}

pub fn deposit(channel: &str, reference: &str, to: AccountId, units: u64) -> Action {
    Action::Deposit(Deposit {
        channel: label(channel),
        channel_ref: label(reference),
        to,
        asset: cny(),
        amount: fen(units),
    })
}

pub fn transfer(to: AccountId, units: u64) -> Action {
    Action::Transfer(Transfer { to, asset: cny(), amount: fen(units), memo: Hash::ZERO })
}

pub fn set_status(account: AccountId, status: AccountStatus) -> Action {
    Action::SetStatus(SetStatus { account, status, reason: label("test") })
}

pub fn plan(name: &str, version: u32, legs: Vec<PlanLeg>) -> Action {
    Action::RegisterPlan(RegisterPlan { plan: label(name), version, legs })
}

pub fn item(name: &str, version: u32, creator: AccountId) -> RegisterItem {
    RegisterItem {
        item: label(name),
        version,
        asset: cny(),
        price: Price::Open { min: fen(1), max: Amount::MAX },
        discount: Ppm::ZERO,
        tax: None,
        plan: label(name),
        plan_version: 1,
        creator,
        terms: Terms { duration_ms: None, units: None, scope: label("read") },
    }
}

pub fn pay(origin: AccountId, id: &str, host: AccountId, name: &str, price: u64) -> Pay {
    Pay {
        origin,
        order_id: label(id),
        item: ItemRef { host, item: label(name), version: 1 },
        price: Some(fen(price)),
        coupon: None,
        mode: PayMode::Instant,
        fee_bearer: FeeBearer::PAYER,
        expected_total: fen(price),
    }
}

pub fn refund(platform: AccountId, id: &str, refund_id: &str, units: u64) -> Action {
    Action::Refund(Refund {
        order: key(platform, id),
        refund_id: label(refund_id),
        amount: fen(units),
        reason: label("asked"),
    })
}

pub fn confirm(platform: AccountId, id: &str) -> Action {
    Action::Confirm(Confirm { order: key(platform, id) })
}

pub fn lock(units: u64) -> Action {
    Action::LockCollateral(LockCollateral { asset: cny(), amount: fen(units) })
}

pub fn close_window(window: u64) -> Action {
    Action::CloseWindow(CloseWindow { asset: cny(), window })
}

pub fn settle_window(window: u64) -> Action {
    Action::SettleWindow(SettleWindow { asset: cny(), window })
}

pub fn withdraw(id: &str, gateway: AccountId, units: u64) -> Action {
    Action::Withdraw(Withdraw {
        withdrawal_id: label(id),
        gateway,
        asset: cny(),
        amount: fen(units),
        destination: Hash::ZERO,
    })
}

pub fn result(owner: AccountId, id: &str, ok: bool, payout_ref: &str) -> Action {
    Action::WithdrawResult(WithdrawResult { owner, withdrawal_id: label(id), ok, payout_ref: label(payout_ref) })
}

/// The plan of the examples: creator 70 %, host 20 %, origin 8 %, network 2 %.
pub fn seventy() -> Vec<PlanLeg> {
    vec![
        leg(Payee::Creator, 700_000),
        leg(Payee::Host, 200_000),
        leg(Payee::Origin, 80_000),
        leg(Payee::Network, 20_000),
    ]
}

/// What is given and done, and the refusal expected: code and what it is about.
pub type Case = (&'static str, fn(&mut World) -> Receipt, (u16, &'static str));

pub fn check(base: &World, cases: &[Case]) {
    for (name, act, (code, about)) in cases {
        let mut world = base.clone();
        assert_eq!(refusal(&act(&mut world)), (*code, about.to_string()), "{name}");
    }
}

pub const APPLIED: (u16, &str) = (0, "applied");
pub const REPLAYED: (u16, &str) = (0, "replayed");

/// alice and bob have 1000.00, p has 100.00; q offers "book" and p offers "own", each 70/20/8/2.
pub fn shop() -> World {
    let mut w = World::new();
    w.deposit(w.alice, 100_000);
    w.deposit(w.bob, 100_000);
    w.deposit(w.p, 10_000);
    w.offer(w.q, "book", seventy(), None);
    w.offer(w.p, "own", seventy(), None);
    w
}
