//! The standard workload in small: platforms, people, a mix of payments with the faults that real files have, and scenes
//! in which every other action of the contract takes its part.
//!
//! Everything is signed before a run begins, so that what clients hand in does not depend on what the network does.
//! Invariant: of each transaction it is known beforehand whether a block may hold it and whether it may take effect.

mod actions;
mod genesis;
mod mix;
mod scenes;
mod setup;

use std::sync::Arc;

use vostro_types::transaction::{BODY_VERSION, OrderKey};
use vostro_types::{
    AccountId, Action, Amount, AssetCode, Body, Genesis, Hash, KeyPolicy, Label, Payload, Ppm, SecretKey, Time, TxId,
    VerifiedTransaction,
};

use crate::dice::Dice;

/// Wall time at which a simulation begins, in milliseconds since 1970.
pub const START: u64 = 1_700_000_000_000;
/// Partner platforms.
const PLATFORMS: usize = 3;
/// Users and creators of each platform.
const PEOPLE: usize = 2;
/// Share of the network in parts per million.
const FEE: u32 = 10_000;
/// How long transactions stay valid, in milliseconds: longer than any run.
const VALID_MS: u64 = 50 * 60 * 1000;
/// The first stage of the mix; before it come accounts, money and catalog.
const OPENING: u8 = 3;
/// The last stage, in which windows settle.
const CLOSING: u8 = 6;
/// Scenes in a run.
const SCENES: usize = 3;

/// What may become of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A block holds it; the contract says how it ends.
    Settles,
    /// A block holds it, and it is refused: its sender has no right to it.
    Refused,
    /// No block holds it: those who signed may not do what it says.
    Never,
}

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
    /// What may become of it.
    pub fate: Fate,
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

/// When something is handed in: a stage, and milliseconds after it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct When {
    stage: u8,
    after: u64,
}

impl When {
    /// The beginning of a stage.
    fn stage(stage: u8) -> Self {
        When { stage, after: 0 }
    }

    /// As long after the beginning of the next stage.
    fn next(self) -> Self {
        When { stage: self.stage + 1, ..self }
    }

    fn later(self, by: u64) -> Self {
        When { after: self.after + by, ..self }
    }
}

/// A transaction before it is signed.
#[derive(Clone)]
struct Draft {
    when: When,
    sender: AccountId,
    signers: Vec<SecretKey>,
    payload: Payload,
    fate: Fate,
}

/// Who takes part, and what they are going to do.
struct Cast {
    chain: Hash,
    platforms: Vec<SecretKey>,
    users: Vec<SecretKey>,
    creators: Vec<SecretKey>,
    drafts: Vec<Draft>,
    orders: mix::Orders,
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

fn cny() -> AssetCode {
    "CNY".parse().expect("a code")
}

fn usd() -> AssetCode {
    "USD".parse().expect("a code")
}

fn units(units: u64) -> Amount {
    Amount::new(units).expect("far below the cap")
}

fn ppm(parts: u32) -> Ppm {
    Ppm::new(parts).expect("at most a million")
}

fn order(platform: &SecretKey, order_id: impl Into<String>) -> OrderKey {
    OrderKey { platform: id(platform), order_id: label(order_id) }
}

impl Cast {
    fn new(chain: Hash) -> Self {
        let people = |group| (0..PLATFORMS * PEOPLE).map(|i| key(group, i)).collect();
        Cast {
            chain,
            platforms: (0..PLATFORMS).map(genesis::platform).collect(),
            users: people(3),
            creators: people(4),
            drafts: Vec::new(),
            orders: mix::Orders::default(),
        }
    }

    /// One action of the first signer's, which the others sign too.
    fn add(&mut self, when: When, signers: &[&SecretKey], action: Action) {
        self.draft(when, signers, Payload::One(action), Fate::Settles);
    }

    /// Several actions of the first signer's at once.
    fn batch(&mut self, when: When, signers: &[&SecretKey], actions: Vec<Action>) {
        self.draft(when, signers, Payload::Batch(actions), Fate::Settles);
    }

    fn draft(&mut self, when: When, signers: &[&SecretKey], payload: Payload, fate: Fate) {
        let sender = id(signers[0]);
        let signers = signers.iter().map(|key| (*key).clone()).collect();
        self.drafts.push(Draft { when, sender, signers, payload, fate });
    }

    /// A user, who is also known by its number, and the platform that opened its account.
    fn buyer(&self, dice: &mut Dice) -> (usize, SecretKey, SecretKey) {
        let number = dice.below(self.users.len() as u64) as usize;
        (number, self.users[number].clone(), self.platforms[number / PEOPLE].clone())
    }

    /// Signs what was drafted. The salt makes each of equal bodies a transaction of its own.
    fn sign(mut self) -> Vec<Payment> {
        self.drafts.sort_by_key(|draft| draft.when);
        let sign = |(salt, draft): (usize, Draft)| {
            let body = Body {
                version: BODY_VERSION,
                sender: draft.sender,
                valid_until: Time(START + VALID_MS),
                salt: salt as u64,
                payload: draft.payload,
            };
            let keys: Vec<&SecretKey> = draft.signers.iter().collect();
            let transaction = body.sign(&self.chain, &keys).verify(&self.chain).expect("signed just now");
            let When { stage, after } = draft.when;
            Payment { id: transaction.id(), transaction, stage, after, fate: draft.fate }
        };
        self.drafts.into_iter().enumerate().map(sign).collect()
    }
}

impl Workload {
    /// The workload of a seed: about `count` payments of the mix and some scenes after what they need. Without
    /// payments it is what they would need alone.
    pub fn new(validators: usize, count: usize, span: u64, dice: &mut Dice) -> Self {
        let (genesis, validator_keys) = genesis::genesis(validators);
        let mut cast = Cast::new(genesis.hash());
        cast.set_up();
        for number in 0..count {
            let stage = if number * 2 < count { OPENING } else { OPENING + 1 };
            let after = dice.below(span);
            cast.mix(number, When { stage, after }, dice);
        }
        if count > 0 {
            for number in 0..SCENES {
                let scene = *dice.pick(scenes::ALL);
                cast.scene(scene, number, dice);
            }
        }
        cast.prepare_orders(dice);
        cast.close_windows(dice);
        Workload { genesis: Arc::new(genesis), validator_keys, payments: cast.sign() }
    }
}
