//! The bytes validators sign, put together here a second time from their parts.
#![allow(clippy::unwrap_used, missing_docs)]

mod samples;

use vostro_crypto::Domain;
use vostro_types::statement::{proposal_bytes, statement_head, view_change_bytes};
use vostro_types::*;

fn head(domain: Domain) -> Vec<u8> {
    let set = samples::validator_set();
    let mut tag = Vec::new();
    domain.write_to(&mut tag);
    [
        &tag[..],
        &samples::chain().0[..],
        &0u32.to_le_bytes(), // epoch
        &set.hash().0[..],
        &7u64.to_le_bytes(), // height
        &2u64.to_le_bytes(), // view
    ]
    .concat()
}

#[test]
fn a_statement_names_its_kind_chain_epoch_validators_height_and_view() {
    let (chain, set) = (samples::chain(), samples::validator_set());
    for domain in [Domain::PrePrepare, Domain::ViewChange, Domain::Vote] {
        assert_eq!(statement_head(domain, &chain, &set, Height(7), View(2)), head(domain));
    }
}

#[test]
fn a_proposal_ends_with_its_block() {
    let (chain, set) = (samples::chain(), samples::validator_set());
    let block = BlockId(Hash([9; 32]));
    let said = proposal_bytes(&chain, &set, Height(7), View(2), block);
    assert_eq!(said, [head(Domain::PrePrepare), vec![9; 32]].concat());
}

#[test]
fn a_view_change_ends_with_what_was_prepared() {
    let (chain, set) = (samples::chain(), samples::validator_set());
    let said = |prepared| view_change_bytes(&chain, &set, Height(7), View(2), prepared);
    let head = head(Domain::ViewChange);
    assert_eq!(said(None), [&head[..], &[0]].concat());
    let at = PreparedAt { view: View(1), block: BlockId(Hash([9; 32])) };
    assert_eq!(said(Some(at)), [&head[..], &[1], &1u64.to_le_bytes(), &[9; 32]].concat());
}
