//! `account_statement`: the movements of an account's money over a span of blocks, oldest first, from the receipts that
//! its history names.

use jsonrpsee::core::RegisterMethodError;
use vostro_api::statement::{Statement, StatementCursor, statement_lines};
use vostro_api::{ApiError, Lookup, code};
use vostro_settlement::read;
use vostro_types::{AssetCode, Height, Time};

use crate::account::ID;
use crate::chain::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::methods::{Api, Method, Methods};
use crate::params::{CURSOR, Fields, Kind, Moment, optional, required};
use crate::view::{place, receipt_at};

/// Entries of an account's history that one call looks at. Where fewer of them than asked for moved the asset, the
/// answer has a cursor and the caller goes on.
const MAX_SCAN: usize = 1000;

pub(crate) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.read(
        Method {
            name: "account_statement",
            about: "Every movement of an account's money over a span, oldest first, with the sums that it explains.",
            params: const {
                &[
                    required("id", Kind::Text, ID),
                    optional(
                        "from",
                        Kind::Moment,
                        "First height, or the time from which on; the first block if absent.",
                    ),
                    optional("to", Kind::Moment, "Last height, or the time before which; the tip if absent."),
                    optional("asset", Kind::Text, "The asset's code; every asset if absent."),
                    CURSOR,
                    optional("limit", Kind::Number, "Lines, 1 to 100; 20 if absent."),
                ]
            },
            result: "Statement",
        },
        statement,
    )
}

/// The first height at or after a time; one above the tip if there is none yet. Times of blocks rise.
fn first_at(api: &Api, time: Time) -> Result<u64, ApiError> {
    let (mut low, mut high) = (1, api.backend.status().height.0.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        if api.stored(Height(middle))?.block.header.time < time { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// First and last height that are asked for, the last one no higher than the tip.
fn span(api: &Api, fields: &Fields) -> Result<(u64, u64), ApiError> {
    let tip = api.backend.status().height.0;
    let from = match fields.moment("from")? {
        None => 1,
        Some(Moment::Height(height)) => height.max(1),
        Some(Moment::Time(time)) => first_at(api, time)?,
    };
    let to = match fields.moment("to")? {
        None => tip,
        Some(Moment::Height(height)) => height.min(tip),
        Some(Moment::Time(time)) => first_at(api, time)? - 1,
    };
    Ok((from, to))
}

fn statement(api: &Api, fields: Fields) -> Result<Statement, ApiError> {
    let id = api.account("id", fields.text("id")?)?;
    let limit = fields.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let asset: Option<AssetCode> = fields.opt_text("asset").map(|_| fields.parse("asset")).transpose()?;
    if let Some(code) = asset.filter(|code| api.directory.asset(code).is_none()) {
        return Err(ApiError::not_found(format!("there is no asset {code} on this chain")).about([code]));
    }
    if api.view(|view| Ok(read::account(view.state, id)))?.is_none() {
        return Err(ApiError::not_found(format!("account {id} is not open")).about([id]));
    }
    let (from, to) = span(api, &fields)?;
    let start = StatementCursor { height: from, index: 0, postings: 0 };
    let after = match fields.opt_text("cursor") {
        None => start,
        Some(text) => {
            let cursor = text.parse::<StatementCursor>();
            let cursor = cursor.map_err(|e| ApiError::invalid_params("cursor", e.to_string()))?;
            if cursor.height < from { start } else { cursor }
        }
    };
    // One more than is looked at tells whether the history goes on.
    let first = (Height(after.height), after.index);
    let more = after.height <= to;
    let places = if more { api.backend.history_since(&id, first, Height(to), MAX_SCAN + 1) } else { Vec::new() };
    let mut lines = Vec::new();
    let mut next = None;
    for (at, (height, index)) in places.into_iter().enumerate() {
        let goes_on = |postings| Some(StatementCursor { height: height.0, index, postings });
        if at == MAX_SCAN || lines.len() == limit {
            next = goes_on(0);
            break;
        }
        let stored = api.stored(height)?;
        let receipt = receipt_at(&stored, index)?;
        let transaction = usize::try_from(index).ok().and_then(|i| stored.block.transactions.get(i));
        let place = place(&stored, index);
        let mut of_receipt =
            statement_lines(id, asset, receipt, transaction.map(|held| &**held), &place, &api.directory);
        if (height.0, index) == (after.height, after.index) {
            of_receipt.retain(|line| line.posting >= after.postings);
        }
        let room = limit - lines.len();
        if of_receipt.len() > room {
            next = goes_on(of_receipt[room].posting);
            of_receipt.truncate(room);
        }
        lines.extend(of_receipt);
        if next.is_some() {
            break;
        }
    }
    let sums = Statement::sums_of(&lines, &api.directory);
    let sums = sums.map_err(|e| ApiError::new(code::INTERNAL, e.to_string()))?;
    Ok(Statement {
        account: id,
        name: api.directory.name(&id),
        from_height: from,
        to_height: to,
        lines,
        sums,
        next_cursor: next.map(|cursor| cursor.to_string()),
    })
}
