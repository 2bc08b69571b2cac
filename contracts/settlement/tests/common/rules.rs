//! Keys, tiers and votes.

use super::*;
use vostro_settlement::Ledger;
use vostro_settlement::model::AccountHead;
use vostro_settlement::tables::{ACCOUNTS, NAMES, NETWORK, POLICIES, VALIDATORS};
use vostro_types::account::WeightedKey;
use vostro_types::codec::encode;

pub fn policy(threshold: u32, keys: &[(u8, u16)]) -> KeyPolicy {
    let keys = keys.iter().map(|(seed, weight)| WeightedKey { key: secret(*seed).public(), weight: *weight });
    KeyPolicy::new(threshold, keys.collect()).unwrap()
}

pub fn set_keys(policy: KeyPolicy) -> Action {
    Action::SetKeys(SetKeys { policy })
}

pub fn set_tier(account: AccountId, tier: u8) -> Action {
    Action::SetTier(SetTier { account, tier, attestation: Hash([tier; 32]) })
}

pub fn propose(name: &str, parameter: Parameter, value: u64, from_height: u64) -> Action {
    let from_height = Height(from_height);
    Action::Propose(Propose { proposal: label(name), parameter, value, from_height })
}

pub fn approve(proposer: AccountId, name: &str) -> Action {
    Action::Approve(Approve { proposer, proposal: label(name) })
}

impl World {
    /// Lets these platforms run the validators, one each time they are named.
    pub fn validators(&mut self, platforms: &[AccountId]) {
        self.ledger.put(&VALIDATORS.key(&()), &encode(&(1u8, platforms.to_vec())));
    }

    /// Lets a platform take part that the genesis did not name.
    pub fn join(&mut self, seed: u8) -> AccountId {
        let id = self.newcomer(seed);
        let head = ACCOUNTS.get(&self.ledger, &self.p).unwrap();
        self.ledger.put(&ACCOUNTS.key(&id), &encode(&(1u8, AccountHead { platform: id, ..head })));
        self.ledger.put(&POLICIES.key(&id), &encode(&(1u8, KeyPolicy::single(secret(seed).public()))));
        self.ledger.put(&NAMES.key(&id), &encode(&(1u8, label(&format!("platform-{seed}")))));
        self.keys.insert(id, secret(seed));
        id
    }

    /// Changes a parameter from the next block on.
    pub fn vote(&mut self, parameter: Parameter, value: u64) {
        let name = format!("vote-{}", self.salt);
        let height = self.height + 2;
        let receipt = self.ok(self.p, propose(&name, parameter, value, height));
        assert!(receipt.events.iter().any(|e| matches!(e, Event::ProposalApproved { .. })));
        assert_eq!(parameter.get(&read::parameters(&self.ledger)), value);
    }

    /// Changes parameters in the state itself.
    pub fn set_parameters(&mut self, change: impl FnOnce(&mut Parameters)) {
        let mut network = (*read::network(&self.ledger)).clone();
        change(&mut network.parameters);
        self.ledger.put(&NETWORK.key(&()), &encode(&(1u8, network)));
    }

    /// Runs an action with keys of one's choice.
    pub fn with_keys(&mut self, sender: AccountId, seeds: &[u8], action: Action) -> Receipt {
        let tx = self.signed(sender, seeds, Payload::One(action));
        self.block(&[tx]).remove(0)
    }

    pub fn signed(&mut self, sender: AccountId, seeds: &[u8], payload: Payload) -> VerifiedTransaction {
        let body = self.body(sender, payload);
        let keys: Vec<SecretKey> = seeds.iter().map(|seed| secret(*seed)).collect();
        let keys: Vec<&SecretKey> = keys.iter().collect();
        body.sign(&self.chain, &keys).verify(&self.chain).unwrap()
    }
}

/// What is given and done, and the refusal expected: code and what it is about.
pub type Case = (&'static str, fn(&mut World) -> Receipt, (u16, &'static str));

pub const APPLIED: (u16, &str) = (0, "applied");
pub const REPLAYED: (u16, &str) = (0, "replayed");

/// Runs each case on a copy of the same world.
pub fn check_cases(base: &World, cases: &[Case]) {
    for (name, act, (code, about)) in cases {
        let mut world = base.clone();
        assert_eq!(refusal(&act(&mut world)), (*code, about.to_string()), "{name}");
    }
}
