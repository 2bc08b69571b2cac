//! No single bit of anything that a light client takes can be changed: header, certificate, set, proofs, genesis.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use support::*;
use vostro_client::api::objects::{CampaignView, ItemView, PlanView};
use vostro_client::light::{LightClient, LightError, TrustedHeader};
use vostro_client::{Chain, ProvedState};
use vostro_settlement::read::entitlement_id;
use vostro_settlement::tables::{
    ACCOUNTS, BALANCES, CAMPAIGNS, ENTITLEMENTS, ITEMS, NETTINGS, ORDERS, PLANS, POLICIES,
};
use vostro_types::codec::encode;
use vostro_types::transaction::OrderKey;

/// Shows `accept` every change of one bit, every shorter beginning and one byte more; none may be accepted.
fn refuses_every_change<T, E>(what: &str, bytes: &[u8], accept: impl Fn(&[u8]) -> Result<T, E>) {
    assert!(accept(bytes).is_ok(), "{what} as it is");
    let mut changed = bytes.to_vec();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            changed[at] ^= 1 << bit;
            assert!(accept(&changed).is_err(), "{what}: bit {bit} of byte {at} was changed and it was accepted");
            changed[at] ^= 1 << bit;
        }
        assert!(accept(&bytes[..at]).is_err(), "{what}: only {at} bytes of it were accepted");
    }
    changed.push(0);
    assert!(accept(&changed).is_err(), "{what}: it was accepted with a byte behind it");
}

fn trusted(chain: &TestChain, height: usize) -> TrustedHeader {
    let made = chain.at(height);
    chain.chain.light().verify(&made.header(), &made.certificate()).unwrap()
}

#[test]
fn of_a_header_and_its_certificate() {
    let chain = TestChain::furnished();
    let light = chain.chain.light();
    for height in [1, 3] {
        let (header, certificate) = (chain.at(height).header(), chain.at(height).certificate());
        refuses_every_change("header", &header, |changed| light.verify(changed, &certificate));
        refuses_every_change("certificate", &certificate, |changed| light.verify(&header, changed));
    }
    let parent = trusted(&chain, 2);
    let (header, certificate) = (chain.at(3).header(), chain.at(3).certificate());
    refuses_every_change("followed header", &header, |changed| light.follow(&parent, changed, &certificate));
}

#[test]
fn of_a_hand_over() {
    let mut chain = TestChain::furnished();
    let next = set(1, 1);
    chain.decide(vec![], vec![], Some((next.clone(), 1)));
    let (header, certificate, next) = (chain.at(5).header(), chain.at(5).certificate(), encode(&next));
    let light = chain.chain.light();
    let hand_over = |header: &[u8], certificate: &[u8], set: &[u8]| light.clone().hand_over(header, certificate, set);
    refuses_every_change("last header", &header, |changed| hand_over(changed, &certificate, &next));
    refuses_every_change("its certificate", &certificate, |changed| hand_over(&header, changed, &next));
    refuses_every_change("the set handed over", &next, |changed| hand_over(&header, &certificate, changed));
}

/// Every change of a proof must leave the key that is asked for unproved. A changed proof may still be one, of another
/// key that is as absent: its place in the tree is the same.
fn state_proof<T>(
    header: &TrustedHeader,
    what: &str,
    proof: &[u8],
    get: impl Fn(&ProvedState) -> Result<T, LightError>,
) {
    refuses_every_change(what, proof, |changed| get(&header.state([changed])?));
}

#[test]
fn of_an_account_and_its_money() {
    let chain = TestChain::furnished();
    let (made, header, buyer) = (chain.at(4), trusted(&chain, 4), account_of(BUYER));
    state_proof(&header, "account", &made.prove(ACCOUNTS.key(&buyer)), |s| s.get(&ACCOUNTS, &buyer));
    state_proof(&header, "keys", &made.prove(POLICIES.key(&buyer)), |s| s.get(&POLICIES, &buyer));
    let (usd, jpy) = (code("USD"), code("JPY"));
    state_proof(&header, "money", &made.prove(BALANCES.key(&(buyer, usd))), |s| s.balance(buyer, usd));
    state_proof(&header, "no money", &made.prove(BALANCES.key(&(buyer, jpy))), |s| s.balance(buyer, jpy));
    let nobody = account_of(99);
    state_proof(&header, "no account", &made.prove(ACCOUNTS.key(&nobody)), |s| s.get(&ACCOUNTS, &nobody));
}

#[test]
fn of_an_order_and_an_entitlement() {
    let chain = TestChain::furnished();
    let (made, header) = (chain.at(4), trusted(&chain, 4));
    let order = |id: &str| OrderKey { platform: account_of(NORTHWIND), order_id: label(id) };
    let (bought, none) = (order("A-1"), order("A-2"));
    let usd = code("USD");
    state_proof(&header, "netting", &made.prove(NETTINGS.key(&usd)), |s| s.get(&NETTINGS, &usd));
    for (what, key, there) in [("order", &bought, true), ("no order", &none, false)] {
        let proof = made.prove(ORDERS.key(key));
        assert_eq!(header.state([&proof[..]]).unwrap().get(&ORDERS, key).unwrap().is_some(), there);
        state_proof(&header, what, &proof, |s| s.order(key));
    }
    let (holder, host, item) = (account_of(BUYER), account_of(HARBOR), label("course"));
    for (what, key, there) in [("entitlement", &bought, true), ("no entitlement", &none, false)] {
        let id = entitlement_id(key);
        let proof = made.prove(ENTITLEMENTS.key(&(holder, host, item.clone(), id)));
        let get = |s: &ProvedState| s.entitlement(holder, host, &item, id);
        assert_eq!(get(&header.state([&proof[..]]).unwrap()).unwrap().is_some(), there);
        state_proof(&header, what, &proof, get);
    }
}

#[test]
fn of_an_object_drawn_from_the_state() {
    let chain = TestChain::furnished();
    let (made, header, known) = (chain.at(4), trusted(&chain, 4), chain.chain.directory());
    let (host, course, standard) = (account_of(HARBOR), label("course"), label("standard"));
    let item = made.prove(ITEMS.key(&(host, course.clone(), 1)));
    state_proof(&header, "item", &item, |s| s.object::<ItemView>(&(host, course.clone(), Some(1)), known));
    let plan = made.prove(PLANS.key(&(host, standard.clone(), 1)));
    state_proof(&header, "plan", &plan, |s| s.object::<PlanView>(&(host, standard.clone(), 1), known));
    let none = made.prove(CAMPAIGNS.key(&(host, standard.clone())));
    state_proof(&header, "no campaign", &none, |s| s.object::<CampaignView>(&(host, standard.clone()), known));
}

#[test]
fn of_what_stands_in_a_block() {
    let chain = TestChain::furnished();
    let (light, made, header) = (chain.chain.light(), chain.at(3), trusted(&chain, 3));
    for index in 0..3 {
        let (transaction, path) = made.transaction(index);
        let id = made.transactions[index].body.id(light.chain());
        refuses_every_change("transaction", &transaction, |changed| light.transaction_of(&header, &id, changed, &path));
        refuses_every_change("its path", &path, |changed| light.transaction_of(&header, &id, &transaction, changed));
        let (receipt, path) = made.receipt(index);
        refuses_every_change("receipt", &receipt, |changed| header.receipt_of(&id, changed, &path));
        refuses_every_change("its path", &path, |changed| header.receipt_of(&id, &receipt, changed));
    }
    let (evidence, path) = made.evidence(0);
    refuses_every_change("evidence", &evidence, |changed| header.evidence(changed, &path));
    refuses_every_change("its path", &path, |changed| header.evidence(&evidence, changed));
    // a block with one transaction: the path is empty and the place counts all the same
    let ((transaction, path), header) = (chain.at(4).transaction(0), trusted(&chain, 4));
    refuses_every_change("a path without hashes", &path, |changed| header.transaction(&transaction, changed));
}

#[test]
fn of_a_pinned_genesis() {
    let genesis = genesis("light");
    let (bytes, hash) = (encode(&genesis), genesis.hash());
    assert_eq!(LightClient::of(&genesis).unwrap().chain(), &hash);
    refuses_every_change("genesis", &bytes, |changed| Chain::decode(changed, hash));
}
