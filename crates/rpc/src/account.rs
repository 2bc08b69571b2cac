//! `account_*`: who an account is, what it has, and what happened to it.

use jsonrpsee::core::RegisterMethodError;
use vostro_api::action::{PolicyJson, status_name};
use vostro_api::chain::RolesJson;
use vostro_api::cursor::List;
use vostro_api::ledger::{AccountJson, BalanceJson, HistoryLine, HistoryList};
use vostro_api::receipt::{CauseJson, OutcomeJson, PostingJson, Status};
use vostro_api::{AmountText, ApiError, Cursor, Lookup};
use vostro_settlement::read;
use vostro_settlement::tables::{ACCOUNTS, BALANCES, POLICIES};
use vostro_types::Height;

use crate::chain::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::methods::{Api, Method, Methods};
use crate::params::{CURSOR, Fields, Kind, LIMIT, optional, required};
use crate::view::{cause_words, receipt_at};

pub(crate) const ID: &str = "The account (vo1…), or the public name of an account of the genesis.";

/// What `prove` asks for.
pub(crate) const PROVE: &str = "Whether to add a proof against a decided header.";

pub(crate) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.read(
        Method {
            name: "account_get",
            about: "An account: kind, status, keys and money.",
            params: const { &[required("id", Kind::Text, ID), optional("prove", Kind::Flag, PROVE)] },
            result: "Account",
        },
        get,
    )?;
    methods.read(
        Method {
            name: "account_history",
            about: "What happened to an account, newest first.",
            params: const { &[required("id", Kind::Text, ID), CURSOR, LIMIT] },
            result: "HistoryList",
        },
        history,
    )
}

fn get(api: &Api, fields: Fields) -> Result<AccountJson, ApiError> {
    let id = api.account("id", fields.text("id")?)?;
    let keys = || {
        let balances = api.directory.assets().map(|asset| BALANCES.key(&(id, asset.code)));
        [ACCOUNTS.key(&id), POLICIES.key(&id)].into_iter().chain(balances).collect()
    };
    let proof = if fields.flag("prove") { Some(api.prove(keys())?) } else { None };
    api.view(|view| {
        let account = read::account(view.state, id)
            .ok_or_else(|| ApiError::not_found(format!("account {id} is not open")).about([id]))?;
        let balances = read::balances(view.state, id).into_iter().map(|entry| {
            let asset = view.asset(&entry.asset);
            let money = |amount| AmountText::of(amount, asset.as_ref());
            BalanceJson {
                asset: entry.asset,
                available: money(entry.balance.available),
                held: money(entry.balance.held),
                collateral: money(entry.balance.collateral),
                owed: money(entry.balance.owed),
            }
        });
        Ok(AccountJson {
            id,
            name: view.name(&id),
            kind: account.kind.name().into(),
            status: status_name(account.status).into(),
            tier: account.tier,
            roles: RolesJson::of(account.roles),
            platform: account.platform,
            opened_at: account.opened,
            policy: PolicyJson::of(&account.policy),
            balances: balances.collect(),
            proof,
        })
    })
}

fn history(api: &Api, fields: Fields) -> Result<HistoryList, ApiError> {
    let id = api.account("id", fields.text("id")?)?;
    let limit = fields.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let before = match fields.opt_text("cursor") {
        Some(text) => {
            let cursor = Cursor::parse(List::History, text);
            let cursor = cursor.map_err(|e| ApiError::invalid_params("cursor", e.to_string()))?;
            Some((Height(cursor.height), cursor.index))
        }
        None => None,
    };
    // One more than asked for tells whether the list goes on.
    let mut places = api.backend.history(&id, before, limit + 1);
    let more = places.len() > limit;
    places.truncate(limit);
    let next_cursor = places
        .last()
        .filter(|_| more)
        .map(|(height, index)| Cursor { list: List::History, height: height.0, index: *index }.to_string());
    let found: Vec<_> = places
        .into_iter()
        .map(|(height, index)| Ok((height, index, api.stored(height)?)))
        .collect::<Result<_, ApiError>>()?;
    api.view(|view| {
        let lines = found.into_iter().map(|(height, index, stored)| {
            let receipt = receipt_at(&stored, index)?;
            Ok(HistoryLine {
                height: height.0,
                index,
                time: stored.block.header.time,
                cause: CauseJson::of(&receipt.cause),
                words: cause_words(&stored, index, receipt, view),
                status: Status::of(&receipt.outcome),
                outcome: OutcomeJson::of(&receipt.outcome),
                postings: receipt
                    .postings
                    .iter()
                    .filter(|p| p.account == id)
                    .map(|p| PostingJson::of(p, view))
                    .collect(),
            })
        });
        Ok(HistoryList { entries: lines.collect::<Result<_, ApiError>>()?, next_cursor })
    })
}
