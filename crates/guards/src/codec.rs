//! Encoding and decoding of what travels most.

use vostro_consensus::{Message, Signed, Vote};
use vostro_crypto::Hash;
use vostro_types::codec::{self, Decode, Encode, MAX_BLOCK, MAX_TRANSACTION};
use vostro_types::transaction::PayMode;
use vostro_types::{Block, BlockId, Height, Transaction, ValidatorIndex, View};

use crate::agreement::signed;
use crate::cast::{Cast, START, block};

/// A split payment.
pub fn payment() -> Transaction {
    Cast::new().pay(0, PayMode::Instant)
}

/// A block of a hundred split payments.
pub fn full_block() -> Block {
    let cast = Cast::new();
    block(cast.payments(PayMode::Instant), BlockId(cast.chain), START)
}

/// A commit of the second validator.
pub fn commit() -> Signed {
    let vote = Vote { height: Height(1), view: View(0), block: BlockId(Hash([3; 32])) };
    signed(ValidatorIndex(1), Message::Commit(vote))
}

/// The value's bytes.
pub fn bytes<T: Encode>(value: T) -> Vec<u8> {
    codec::encode(&value)
}

/// Encodes.
pub fn encode<T: Encode>(value: T) -> (Vec<u8>, T) {
    (codec::encode(&value), value)
}

fn decode<T: Decode<()> + Encode>(bytes: Vec<u8>, cap: usize) -> (T, Vec<u8>) {
    (codec::decode(&bytes, cap).expect("what was encoded decodes"), bytes)
}

/// Decodes a transaction.
pub fn decode_transaction(bytes: Vec<u8>) -> (Transaction, Vec<u8>) {
    decode(bytes, MAX_TRANSACTION)
}

/// Decodes a block.
pub fn decode_block(bytes: Vec<u8>) -> (Block, Vec<u8>) {
    decode(bytes, MAX_BLOCK)
}

/// Decodes a message between validators.
pub fn decode_message(bytes: Vec<u8>) -> (Signed, Vec<u8>) {
    (Signed::decode(&bytes).expect("what was encoded decodes"), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decoded_is_what_was_encoded() {
        assert_eq!(decode_transaction(encode(payment()).0).0, payment());
        let full = full_block();
        assert_eq!(full.transactions.len(), 100);
        assert_eq!(decode_block(bytes(full.clone())).0, full);
        assert_eq!(decode_message(bytes(commit())).0, commit());
    }

    #[test]
    fn inputs_are_the_same_each_time() {
        assert_eq!(bytes(full_block()), bytes(full_block()));
        assert_eq!(bytes(payment()).len(), 288);
    }
}
