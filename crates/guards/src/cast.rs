//! The small network whose payments are counted: a platform that sells for another, four validators, a hundred payers.
//!
//! Invariant: everything follows from constants.

use std::sync::Arc;

use vostro_crypto::{Hash, SecretKey, sha256};
use vostro_execution::{MemState, Tree, execute, genesis_state};
use vostro_types::block::{HEADER_VERSION, transactions_root};
use vostro_types::evidence::evidence_root;
use vostro_types::genesis::{
    ConsensusParameters, FeeSchedule, GENESIS_VERSION, Genesis, GenesisAccount, Limits, Parameters,
};
use vostro_types::parameters::ACCOUNT_TIERS;
use vostro_types::transaction::{
    BODY_VERSION, Deposit, FeeBearer, ItemRef, OpenAccount, OrderKey, Pay, PayMode, Payee, PlanLeg, Price, Refund,
    RefundPolicy, RegisterItem, RegisterPlan, Share, Terms, verify_all,
};
use vostro_types::{
    AccountId, AccountKind, Action, Amount, Asset, AssetCode, Block, BlockId, Body, Epoch, Header, Height, KeyPolicy,
    Label, Outcome, Payload, Ppm, Roles, Time, Transaction, Validator, ValidatorSet, VerifiedTransaction,
};

/// Payers, and payments in a block.
pub(crate) const PAYERS: u64 = 100;
/// Validators.
pub(crate) const VALIDATORS: u64 = 4;
/// Time of genesis.
pub(crate) const START: Time = Time(1_700_000_000_000);
/// How long payments take effect; above the time of every block here.
const VALID_MS: u64 = 3_000_000;
const PRICE: u64 = 9900;
const FEE_PPM: u32 = 10_000;
const PURSE: u64 = 10 * PRICE;

fn label(text: impl Into<String>) -> Label {
    Label::new(text.into()).expect("short and printable")
}

fn units(units: u64) -> Amount {
    Amount::new(units).expect("far below the cap")
}

fn ppm(parts: u32) -> Ppm {
    Ppm::new(parts).expect("at most a million")
}

fn asset() -> AssetCode {
    "CNY".parse().expect("three letters")
}

/// A key and the account it opens.
#[derive(Clone)]
struct Party {
    key: SecretKey,
    account: AccountId,
}

impl Party {
    fn new(role: &str, number: u64) -> Self {
        let seed = sha256(&[b"guards/", role.as_bytes(), &[0], &number.to_le_bytes()].concat());
        let key = SecretKey::from_seed(seed.0);
        Party { account: KeyPolicy::single(key.public()).account_id(&[0; 16]), key }
    }

    fn at_genesis(&self, name: &str, kind: AccountKind) -> GenesisAccount {
        let (policy, roles) = (KeyPolicy::single(self.key.public()), Roles::default());
        GenesisAccount { name: label(name), kind, policy, salt: [0; 16], roles }
    }
}

/// A chain with everything in place for payments, and who signs on it.
pub(crate) struct Cast {
    pub(crate) chain: Hash,
    pub(crate) state: MemState,
    pub(crate) tree: Tree,
    pub(crate) height: Height,
    pub(crate) time: Time,
    origin: Party,
    host: Party,
    gateway: Party,
    creator: Party,
    payers: Vec<Party>,
}

/// Keys of the validators, in order, and their set.
pub(crate) fn validators() -> (Vec<SecretKey>, Vec<Validator>) {
    let platform = Party::new("origin", 0).account;
    let keys: Vec<SecretKey> = (0..VALIDATORS).map(|at| Party::new("vote", at).key).collect();
    let member = |(at, key): (u64, &SecretKey)| Validator {
        name: label(format!("v{at}")),
        platform,
        key: key.public(),
        network_key: Party::new("network", at).key.public(),
    };
    let members = (0..).zip(&keys).map(member).collect();
    (keys, members)
}

/// The set of [`validators`].
pub(crate) fn validator_set() -> ValidatorSet {
    ValidatorSet::new(Epoch(0), validators().1).expect("four different keys")
}

fn genesis(origin: &Party, host: &Party, gateway: &Party) -> Genesis {
    let unlimited = Limits {
        per_transaction: units(PURSE),
        daily: units(PURSE),
        velocity: units(PURSE),
        yearly: units(PURSE * 100),
    };
    let base = Parameters::BASE;
    let parameters = Parameters {
        fee: FeeSchedule { rate: ppm(FEE_PPM), cap: units(PRICE), ..base.fee },
        gateway_daily_cap: units(PURSE * PAYERS * 2),
        limits: [unlimited; ACCOUNT_TIERS],
        refund_alarm: ppm(300_000),
        ..base
    };
    let genesis = Genesis {
        version: GENESIS_VERSION,
        chain_id: label("guards"),
        time: START,
        assets: vec![Asset::new(asset(), 2).expect("a scale of two")],
        parameters,
        consensus: ConsensusParameters {
            base_timeout_ms: 1000,
            heartbeat_ms: 5000,
            delay_ms: 500,
            precision_ms: 500,
            max_block_transactions: 1000,
            max_block_bytes: 1 << 20,
        },
        validators: validators().1,
        accounts: vec![
            origin.at_genesis("origin", AccountKind::Platform),
            host.at_genesis("host", AccountKind::Platform),
            gateway.at_genesis("bank", AccountKind::Gateway),
            Party::new("fees", 0).at_genesis("fees", AccountKind::NetworkFee),
        ],
    };
    genesis.validate().expect("a complete genesis");
    genesis
}

impl Cast {
    pub(crate) fn new() -> Self {
        let [origin, host, gateway, creator] = ["origin", "host", "bank", "creator"].map(|role| Party::new(role, 0));
        let genesis = genesis(&origin, &host, &gateway);
        let (changes, tree) = genesis_state(&genesis);
        let mut state = MemState::new();
        state.apply(&changes);
        let payers = (0..PAYERS).map(|number| Party::new("payer", number)).collect();
        let (chain, height, time) = (genesis.hash(), Height(0), genesis.time);
        let mut cast = Cast { chain, state, tree, height, time, origin, host, gateway, creator, payers };
        for prepared in [cast.accounts(), cast.catalog(), cast.money()] {
            cast.settle(&cast.verified(prepared));
        }
        cast
    }

    /// Executes and writes a block, all of whose transactions must take effect.
    pub(crate) fn settle(&mut self, transactions: &[VerifiedTransaction]) {
        (self.height, self.time) = (self.height.next(), self.time.plus(1));
        let done = execute(&self.state, &self.tree, self.height, self.time, &[], transactions);
        for receipt in &done.receipts {
            assert!(receipt.outcome == Outcome::Applied, "the preparation was refused: {:?}", receipt.outcome);
        }
        self.state.apply(&done.changes);
        self.tree = done.tree;
    }

    pub(crate) fn verified(&self, transactions: Vec<Transaction>) -> Vec<VerifiedTransaction> {
        let judged = verify_all(transactions, &self.chain);
        judged.into_iter().map(|tx| tx.expect("signed just now")).collect()
    }

    fn sign(&self, sender: &Party, consents: &[&SecretKey], salt: u64, mut actions: Vec<Action>) -> Transaction {
        let payload = match actions.len() {
            1 => Payload::One(actions.remove(0)),
            _ => Payload::Batch(actions),
        };
        let valid_until = START.plus(VALID_MS);
        let body = Body { version: BODY_VERSION, sender: sender.account, valid_until, salt, payload };
        let keys: Vec<&SecretKey> = std::iter::once(&sender.key).chain(consents.iter().copied()).collect();
        body.sign(&self.chain, &keys)
    }

    fn accounts(&self) -> Vec<Transaction> {
        let open = |kind: AccountKind, owner: &Party| {
            let policy = KeyPolicy::single(owner.key.public());
            Action::OpenAccount(OpenAccount { kind, policy, salt: [0; 16] })
        };
        let payers = self.payers.iter().map(|payer| open(AccountKind::User, payer)).collect();
        let consents: Vec<&SecretKey> = self.payers.iter().map(|payer| &payer.key).collect();
        vec![
            self.sign(&self.host, &[&self.creator.key], 0, vec![open(AccountKind::Creator, &self.creator)]),
            self.sign(&self.origin, &consents, 1, payers),
        ]
    }

    fn catalog(&self) -> Vec<Transaction> {
        let leg = |(payee, rate): (Payee, u32)| PlanLeg {
            payee,
            share: Share::Rate(ppm(rate)),
            refund: RefundPolicy::Proportional,
        };
        let rates =
            [(Payee::Creator, 700_000), (Payee::Host, 200_000), (Payee::Origin, 80_000), (Payee::Network, 20_000)];
        let plan = RegisterPlan { plan: label("split"), version: 1, legs: rates.map(leg).to_vec() };
        let item = RegisterItem {
            item: label("album"),
            version: 1,
            asset: asset(),
            price: Price::Fixed(units(PRICE)),
            discount: Ppm::ZERO,
            tax: None,
            plan: label("split"),
            plan_version: 1,
            creator: self.creator.account,
            terms: Terms { duration_ms: None, units: None, scope: label("all") },
        };
        vec![self.sign(&self.host, &[], 2, vec![Action::RegisterPlan(plan), Action::RegisterItem(item)])]
    }

    fn money(&self) -> Vec<Transaction> {
        let deposit = |(number, to): (usize, AccountId)| {
            Action::Deposit(Deposit {
                channel: label("bank"),
                channel_ref: label(format!("purse-{number}")),
                to,
                asset: asset(),
                amount: units(PURSE),
            })
        };
        let to = self.payers.iter().map(|payer| payer.account).enumerate();
        vec![self.sign(&self.gateway, &[], 3, to.map(deposit).collect())]
    }

    fn order_id(number: u64) -> Label {
        label(format!("order-{number:06}"))
    }

    /// Payment `number`, signed by its payer. Payers take turns.
    pub(crate) fn pay(&self, number: u64, mode: PayMode) -> Transaction {
        let fee = u64::from(FEE_PPM) * PRICE / 1_000_000;
        let pay = Pay {
            origin: self.origin.account,
            order_id: Self::order_id(number),
            item: ItemRef { host: self.host.account, item: label("album"), version: 1 },
            price: None,
            coupon: None,
            mode,
            fee_bearer: FeeBearer::PAYER,
            expected_total: units(PRICE + fee),
        };
        let payer = &self.payers[(number % PAYERS) as usize];
        self.sign(payer, &[], number, vec![Action::Pay(pay)])
    }

    /// A payment of each payer.
    pub(crate) fn payments(&self, mode: PayMode) -> Vec<Transaction> {
        (0..PAYERS).map(|number| self.pay(number, mode)).collect()
    }

    /// The refund of half of payment `number`, signed by the platform that sold it.
    pub(crate) fn refund(&self, number: u64) -> Transaction {
        let refund = Refund {
            order: OrderKey { platform: self.origin.account, order_id: Self::order_id(number) },
            refund_id: label("half"),
            amount: units(PRICE / 2),
            reason: label("asked"),
        };
        self.sign(&self.origin, &[], number, vec![Action::Refund(refund)])
    }
}

/// A first block of these transactions. Its roots but that of the transactions are made up.
pub(crate) fn block(transactions: Vec<Transaction>, parent: BlockId, time: Time) -> Block {
    let transactions: Vec<Arc<Transaction>> = transactions.into_iter().map(Arc::new).collect();
    let validators = validator_set().hash();
    let header = Header {
        version: HEADER_VERSION,
        epoch: Epoch(0),
        height: Height(1),
        parent,
        time,
        validators,
        next_validators: validators,
        transactions_root: transactions_root(&transactions),
        evidence_root: evidence_root(&[]),
        receipts_root: Hash([1; 32]),
        state_root: Hash([2; 32]),
    };
    Block { header, transactions, evidence: Vec::new() }
}
