//! `chain_*`: where the chain stands, its genesis, validators, blocks and headers.

use jsonrpsee::core::RegisterMethodError;
use vostro_api::chain::{
    BlockJson, BlockList, CertificateJson, ChainStatus, GenesisJson, HeaderJson, SignedHeaderJson, ValidatorJson,
    ValidatorsJson,
};
use vostro_api::cursor::List;
use vostro_api::{ApiError, Cursor};
use vostro_settlement::evidence::count_records;
use vostro_types::{BlockId, Height, ValidatorIndex, codec};

use crate::methods::{Api, Method, Methods};
use crate::params::{CURSOR, Fields, Kind, LIMIT, optional, required};
use crate::view::{count, executed_json, receipt_json};

/// Items of a list without `limit`.
pub(crate) const DEFAULT_LIMIT: usize = 20;
/// Most items of a list.
pub(crate) const MAX_LIMIT: usize = 100;

pub(crate) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.read(
        Method { name: "chain_status", about: "Where the chain stands.", params: &[], result: "ChainStatus" },
        |api, _| Ok(status(api)),
    )?;
    methods.read(
        Method {
            name: "chain_genesis",
            about: "The chain's first facts, with the canonical bytes whose hash names the chain.",
            params: &[],
            result: "Genesis",
        },
        |api, _| Ok(GenesisJson::of(api.backend.genesis())),
    )?;
    methods.read(
        Method {
            name: "chain_validators",
            about: "The validators that decide a block.",
            params: const { &[optional("height", Kind::Number, "Height of the block; the next one if absent.")] },
            result: "Validators",
        },
        validators,
    )?;
    methods.read(
        Method {
            name: "chain_block",
            about: "A block: header, who signed, transactions in words, receipts, evidence.",
            params: const {
                &[
                    optional("height", Kind::Number, "Height; the tip if neither is given."),
                    optional("hash", Kind::Text, "The block's hash."),
                ]
            },
            result: "Block",
        },
        block,
    )?;
    methods.read(
        Method {
            name: "chain_blocks",
            about: "Blocks, newest first.",
            params: const { &[CURSOR, LIMIT] },
            result: "BlockList",
        },
        blocks,
    )?;
    methods.read(
        Method {
            name: "chain_header",
            about: "A header and its commit certificate, for light clients.",
            params: const { &[required("height", Kind::Number, "Height.")] },
            result: "SignedHeader",
        },
        header,
    )
}

pub(crate) fn status(api: &Api) -> ChainStatus {
    let status = api.backend.status();
    let (n, quorum) = (api.validators.len(), api.validators.quorum());
    let online = status.validators_online.min(n);
    ChainStatus {
        chain_id: api.backend.genesis().chain_id.to_string(),
        genesis_hash: api.chain,
        height: status.height.0,
        block_hash: status.block,
        state_root: status.state_root,
        time: status.time,
        syncing: status.syncing,
        epoch: status.epoch.0,
        validators: count(n),
        quorum: count(quorum),
        fault_budget: count(api.validators.faulty()),
        validators_online: count(online),
        live_fault_budget: count(online.saturating_sub(quorum)),
        pending_transactions: status.pending as u64,
    }
}

fn validators(api: &Api, fields: Fields) -> Result<ValidatorsJson, ApiError> {
    let next = api.backend.status().height.next();
    let height = fields.number("height").map_or(next, Height);
    if height > next {
        return Err(ApiError::not_found(format!("block {height} is not decided yet; the next one is {next}")));
    }
    let set = &api.validators;
    let validators = api.view(|view| {
        let mut validators = ValidatorJson::all(set);
        for v in &mut validators {
            v.evidence = Some(count_records(view.state, (set.epoch(), ValidatorIndex(v.index))));
        }
        Ok(validators)
    })?;
    Ok(ValidatorsJson {
        height: height.0,
        epoch: set.epoch().0,
        hash: set.hash(),
        quorum: count(set.quorum()),
        fault_budget: count(set.faulty()),
        validators,
    })
}

fn block(api: &Api, fields: Fields) -> Result<BlockJson, ApiError> {
    let height = match (fields.number("height"), fields.opt_text("hash")) {
        (Some(_), Some(_)) => return Err(ApiError::invalid_params("hash", "give height or hash, not both")),
        (Some(height), None) => Height(height),
        (None, Some(_)) => {
            let id: BlockId = fields.parse("hash")?;
            let height = api.backend.block_height(&id);
            height.ok_or_else(|| ApiError::not_found(format!("block {id} is not known here")).about([id]))?
        }
        (None, None) => api.backend.status().height,
    };
    let stored = api.stored(height)?;
    let executed = count(stored.block.transactions.len());
    api.view(|view| {
        Ok(BlockJson {
            header: HeaderJson::of(&stored.block.header),
            proposer: api.proposer(&stored),
            certificate: CertificateJson::of(&stored.certificate, &api.validators),
            transactions: executed_json(&stored, &api.chain, view)?,
            deadlines: (executed..count(stored.receipts.len()))
                .map(|index| receipt_json(&stored, index, view))
                .collect::<Result<_, _>>()?,
            evidence: stored.block.evidence.iter().map(|piece| api.evidence_json(piece)).collect(),
        })
    })
}

fn blocks(api: &Api, fields: Fields) -> Result<BlockList, ApiError> {
    let limit = fields.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let mut height = match fields.opt_text("cursor") {
        Some(text) => {
            let cursor = Cursor::parse(List::Blocks, text);
            Height(cursor.map_err(|e| ApiError::invalid_params("cursor", e.to_string()))?.height).prev()
        }
        None => api.backend.status().height,
    };
    let mut blocks = Vec::with_capacity(limit);
    while blocks.len() < limit && height > Height(0) {
        // A node that joined from a snapshot has no blocks below it: the list ends there.
        let Some(stored) = api.backend.block(height) else { break };
        blocks.push(api.block_line(&stored));
        height = height.prev();
    }
    let more = height > Height(0) && blocks.len() == limit;
    let next_cursor = blocks
        .last()
        .filter(|_| more)
        .map(|last| Cursor { list: List::Blocks, height: last.height, index: 0 }.to_string());
    Ok(BlockList { blocks, next_cursor })
}

fn header(api: &Api, fields: Fields) -> Result<SignedHeaderJson, ApiError> {
    let stored = api.stored(Height(fields.number("height").unwrap_or(0)))?;
    Ok(SignedHeaderJson {
        header: HeaderJson::of(&stored.block.header),
        certificate: CertificateJson::of(&stored.certificate, &api.validators),
        encoded_header: codec::encode(&stored.block.header),
        encoded_certificate: codec::encode(&stored.certificate),
    })
}
