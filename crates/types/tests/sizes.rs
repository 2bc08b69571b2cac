//! Values whose memory is largest for their bytes: what may be sent may be decoded, in every size class of the codec.
#![allow(clippy::unwrap_used, missing_docs)]

use vostro_types::codec::{MAX_BLOCK, MAX_TRANSACTION, decode, encode};
use vostro_types::receipt::{Event, Posting};
use vostro_types::transaction::{BODY_VERSION, CloseWindow, MAX_BATCH};
use vostro_types::*;

fn smallest_action() -> Action {
    Action::CloseWindow(CloseWindow { asset: "CNY".parse().unwrap(), window: 1 })
}

fn transaction(actions: usize) -> Transaction {
    let payload = match actions {
        1 => Payload::One(smallest_action()),
        _ => Payload::Batch(vec![smallest_action(); actions]),
    };
    let body = Body { version: BODY_VERSION, sender: AccountId([1; 32]), valid_until: Time(1), salt: 1, payload };
    body.sign(&Hash([0; 32]), &[&SecretKey::from_seed([1; 32])])
}

#[test]
fn every_batch_of_the_smallest_actions_decodes() {
    for actions in 1..=MAX_BATCH {
        let transaction = transaction(actions);
        let bytes = encode(&transaction);
        assert_eq!(decode::<Transaction>(&bytes, MAX_TRANSACTION).unwrap(), transaction, "{actions}");
    }
}

#[test]
fn lists_of_the_smallest_elements_decode_at_every_size() {
    let (batch, one) = (transaction(MAX_BATCH), transaction(1));
    let mut count = 1;
    while count * encode(&batch).len() < MAX_BLOCK - 4096 {
        for element in [&batch, &one] {
            let bytes = encode(&vec![element.clone(); count]);
            assert!(decode::<Vec<Transaction>>(&bytes, MAX_BLOCK).is_ok(), "{count} transactions");
        }
        count = count * 5 / 4 + 1;
    }
}

#[test]
fn elements_in_memory_stay_within_the_factor() {
    // Least bytes of an element: a tag, and what the smallest variant or the fixed fields hold.
    let action = encode(&smallest_action()).len();
    assert!(size_of::<Action>() <= 24 * action, "{} for {action}", size_of::<Action>());
    assert!(size_of::<Event>() <= 24 * 20, "{}", size_of::<Event>());
    assert!(size_of::<Posting>() <= 24 * 40 && size_of::<Transaction>() <= 24 * encode(&transaction(1)).len());
}
