//! Keys, sets and blocks for tests. A block's payload is its receipts root; it is valid if its state root follows from
//! payload and parent, which stands in for executing it.

use std::sync::Arc;

use vostro_consensus::{MESSAGE_VERSION, Message, Signed, Timing};
use vostro_crypto::{Domain, Hash, SecretKey, hash};
use vostro_types::block::{HEADER_VERSION, transactions_root};
use vostro_types::evidence::evidence_root;
use vostro_types::{
    AccountId, Block, BlockId, Epoch, Header, Height, Label, Time, Validator, ValidatorIndex, ValidatorSet,
};

pub const TIMING: Timing =
    Timing { base_timeout_ms: 400, heartbeat_ms: 3000, delay_ms: 200, precision_ms: 50, rebroadcast_ms: 150 };
/// Wall time at which tests begin.
pub const START: Time = Time(1_700_000_000_000);

#[derive(Clone)]
pub struct Chain {
    pub hash: Hash,
    pub set: Arc<ValidatorSet>,
    pub keys: Vec<SecretKey>,
}

impl Chain {
    pub fn new(n: usize) -> Self {
        let keys: Vec<SecretKey> = (0..n).map(|i| SecretKey::from_seed([i as u8 + 1; 32])).collect();
        let member = |(i, key): (usize, &SecretKey)| Validator {
            name: Label::new(format!("v{i}")).unwrap(),
            platform: AccountId([i as u8; 32]),
            key: key.public(),
            network_key: SecretKey::from_seed([i as u8 + 101; 32]).public(),
        };
        let set = ValidatorSet::new(Epoch(0), keys.iter().enumerate().map(member).collect()).unwrap();
        Chain { hash: Hash([7; 32]), set: Arc::new(set), keys }
    }

    pub fn block(&self, height: Height, parent: BlockId, time: Time, payload: Hash) -> Arc<Block> {
        let header = Header {
            version: HEADER_VERSION,
            epoch: self.set.epoch(),
            height,
            parent,
            time,
            validators: self.set.hash(),
            next_validators: self.set.hash(),
            transactions_root: transactions_root(&[]),
            evidence_root: evidence_root(&[]),
            receipts_root: payload,
            state_root: state_after(parent, payload),
        };
        Arc::new(Block { header, transactions: Vec::new(), evidence: Vec::new() })
    }

    /// Signs past every guard: what only a faulty validator can do.
    pub fn sign(&self, sender: ValidatorIndex, message: Message) -> Signed {
        let bytes = message.statement().bytes(&self.hash, &self.set);
        let signature = self.keys[usize::from(sender.0)].sign(&bytes);
        Signed { version: MESSAGE_VERSION, sender, signature, message }
    }
}

fn state_after(parent: BlockId, payload: Hash) -> Hash {
    hash(Domain::Object, &[&parent.0.0, &payload.0])
}

pub fn executes_well(block: &Block) -> bool {
    block.header.state_root == state_after(block.header.parent, block.header.receipts_root)
}
