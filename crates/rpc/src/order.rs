//! `order_*`: what became of an order.

use jsonrpsee::core::RegisterMethodError;
use vostro_api::action::{CouponJson, FeeBearerJson, ItemJson, mode_text, refund_policy_json};
use vostro_api::cursor::OrderCursor;
use vostro_api::ledger::{
    ArchivedJson, CapturedJson, ChargedJson, DisputeEndJson, DisputeJson, OrderAnswer, OrderLegJson, OrderLine,
    OrderList, OrderSourceJson, OrderView,
};
use vostro_api::{AmountText, ApiError, Lookup};
use vostro_settlement::read;
use vostro_settlement::tables::{ARCHIVED, NETTINGS, ORDERS};
use vostro_types::transaction::OrderKey;
use vostro_types::{AccountId, Event, Height, Label};

use crate::account::PROVE;
use crate::chain::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::methods::{Api, Method, Methods};
use crate::params::{CURSOR, Fields, Kind, LIMIT, optional, required};
use crate::view::{View, receipt_at};

/// Entries of an account's history that one call for its orders looks at. With fewer orders among them than asked for,
/// the answer has a cursor and the caller goes on.
const MAX_SCAN: usize = 1000;

pub(crate) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.read(
        Method {
            name: "order_get",
            about: "An order: state, money, who is paid, who funded it, and its dispute; or what is left of an archived one.",
            params: const {
                &[
                    required("platform", Kind::Text, "The platform that sells: its account (vo1…) or public name."),
                    required("orderId", Kind::Text, "The order's name there."),
                    optional("prove", Kind::Flag, PROVE),
                ]
            },
            result: "Order",
        },
        get,
    )?;
    methods.read(
        Method {
            name: "order_list",
            about: "Orders that a platform sold, by name, or that an account paid, newest first.",
            params: const {
                &[
                    optional("account", Kind::Text, "The payer: an account (vo1…), or a public name."),
                    optional("platform", Kind::Text, "The platform that sells: its account (vo1…) or public name."),
                    CURSOR,
                    LIMIT,
                ]
            },
            result: "OrderList",
        },
        list,
    )
}

fn get(api: &Api, fields: Fields) -> Result<OrderAnswer, ApiError> {
    let platform = api.account("platform", fields.text("platform")?)?;
    let key = OrderKey { platform, order_id: fields.parse("orderId")? };
    let answer = api.view(|view| shown(view, &key))?;
    let prove = fields.flag("prove");
    Ok(match answer {
        OrderAnswer::Kept(mut order) if prove => {
            // Whether a window order is settled stands with the netting of its asset.
            order.proof = Some(api.prove(vec![ORDERS.key(&key), NETTINGS.key(&order.asset)])?);
            OrderAnswer::Kept(order)
        }
        OrderAnswer::Archived(mut archived) if prove => {
            archived.proof = Some(api.prove(vec![ORDERS.key(&key), ARCHIVED.key(&key)])?);
            OrderAnswer::Archived(archived)
        }
        answer => answer,
    })
}

/// What the state says of an order.
fn shown(view: &View<'_>, key: &OrderKey) -> Result<OrderAnswer, ApiError> {
    let platform = key.platform;
    if let Some(order) = read::order(view.state, key) {
        let dispute = read::dispute(view.state, key);
        let asset = view.asset(&order.asset);
        let money = |amount| AmountText::of(amount, asset.as_ref());
        return Ok(OrderAnswer::Kept(Box::new(OrderView {
            platform,
            order_id: key.order_id.clone(),
            state: order.state.name().into(),
            payer: order.payer,
            item: ItemJson::of(&order.item),
            mode: mode_text(order.mode),
            fee_bearer: FeeBearerJson::of(&order.fee_bearer),
            asset: order.asset,
            price: money(order.price),
            tax: money(order.tax),
            fee: money(order.fee),
            total: money(order.total),
            refunded: money(order.returned()),
            pot: money(order.pot),
            placed_at: order.placed,
            due_at: order.due,
            placed_by: order.tx,
            window: order.window,
            coupon: order.coupon.as_ref().map(CouponJson::of),
            mandate: order.mandate.map(|(mandate, period)| ChargedJson { mandate: mandate.to_string(), period }),
            captured: order.captured.map(|(by, amount)| CapturedJson { by, amount: money(amount) }),
            dispute: dispute.map(dispute_json),
            legs: order
                .legs
                .iter()
                .map(|leg| OrderLegJson {
                    payee: leg.account,
                    name: view.name(&leg.account),
                    amount: money(leg.amount),
                    returned: money(leg.returned),
                    refund: refund_policy_json(leg.refund),
                })
                .collect(),
            sources: order
                .sources
                .iter()
                .map(|source| OrderSourceJson {
                    account: source.account,
                    name: view.name(&source.account),
                    amount: money(source.amount),
                    returned: money(source.returned),
                })
                .collect(),
            proof: None,
        })));
    }
    let archived = read::archived(view.state, key).ok_or_else(|| {
        ApiError::not_found(format!("there is no order {:?} of that platform", key.order_id.as_str()))
            .about([key.order_id.as_str()])
    })?;
    Ok(OrderAnswer::Archived(Box::new(ArchivedJson {
        platform,
        order_id: key.order_id.clone(),
        state: archived.state.name().into(),
        archived: true,
        digest: archived.digest,
        placed_by: archived.tx,
        proof: None,
    })))
}

fn dispute_json(dispute: read::Dispute) -> DisputeJson {
    let end = dispute.end.map(|end| {
        let (by, arbiter, reason) = match end.by {
            Some((tx, arbiter, reason)) => (Some(tx), Some(arbiter), Some(reason.to_string())),
            None => (None, None, None),
        };
        DisputeEndJson { arbiter, by, reason, refund_ppm: end.refund.parts() }
    });
    DisputeJson {
        opened_by: dispute.tx,
        opened_at: dispute.opened,
        reason: dispute.reason.to_string(),
        evidence: dispute.evidence,
        from: dispute.from.name().into(),
        end,
    }
}

fn list(api: &Api, fields: Fields) -> Result<OrderList, ApiError> {
    let limit = fields.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let bad = || ApiError::invalid_params("cursor", vostro_api::cursor::BadCursor.to_string());
    let cursor: Option<OrderCursor> = fields.opt_text("cursor").map(|c| c.parse().map_err(|_| bad())).transpose()?;
    match (fields.opt_text("account"), fields.opt_text("platform"), cursor) {
        (Some(account), None, None) => paid_by(api, api.account("account", account)?, None, limit),
        (Some(account), None, Some(OrderCursor::Account { height, index, event })) => {
            paid_by(api, api.account("account", account)?, Some((Height(height), index, event)), limit)
        }
        (None, Some(platform), None) => sold_by(api, api.account("platform", platform)?, None, limit),
        (None, Some(platform), Some(OrderCursor::Platform(after))) => {
            sold_by(api, api.account("platform", platform)?, Some(after), limit)
        }
        (Some(_), None, _) | (None, Some(_), _) => Err(bad()),
        _ => Err(ApiError::invalid_params("account", "give either account or platform")),
    }
}

fn line(view: &View<'_>, key: &OrderKey, order: &read::Order) -> OrderLine {
    OrderLine {
        platform: key.platform,
        order_id: key.order_id.clone(),
        state: order.state.name().into(),
        payer: order.payer,
        item: ItemJson::of(&order.item),
        asset: order.asset,
        total: AmountText::of(order.total, view.asset(&order.asset).as_ref()),
        placed_at: order.placed,
    }
}

fn sold_by(api: &Api, platform: AccountId, after: Option<Label>, limit: usize) -> Result<OrderList, ApiError> {
    api.view(|view| {
        // One more than asked for tells whether the list goes on.
        let mut found = read::orders_of(view.state, platform, after.as_ref(), limit + 1);
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(key, _)| OrderCursor::Platform(key.order_id.clone()));
        Ok(OrderList {
            orders: found.iter().map(|(key, order)| line(view, key, order)).collect(),
            next_cursor: next.map(|c| c.to_string()),
        })
    })
}

/// Orders are found in the account's history: every receipt that placed one has its payer there. Archived orders are
/// left out, for what is left of them does not say who paid.
fn paid_by(
    api: &Api,
    payer: AccountId,
    after: Option<(Height, u32, u32)>,
    limit: usize,
) -> Result<OrderList, ApiError> {
    // The receipt in which the page before ended may hold more orders.
    let before = after.map(|(height, index, _)| (height, index.saturating_add(1)));
    let places = api.backend.history(&payer, before, MAX_SCAN + 1);
    let mut orders = Vec::new();
    for (height, index) in places.iter().copied().take(MAX_SCAN) {
        let stored = api.stored(height)?;
        let placed: Vec<(u32, OrderKey)> = (0u32..)
            .zip(&receipt_at(&stored, index)?.events)
            .filter_map(|(at, event)| match event {
                Event::OrderMoved { order, from: None, .. } => Some((at, order.clone())),
                _ => None,
            })
            .filter(|(at, _)| after.is_none_or(|(h, i, event)| (h, i) != (height, index) || *at < event))
            .collect();
        let mut lines = api.view(|view| {
            let found = placed.iter().rev().filter_map(|(at, key)| Some((*at, key, read::order(view.state, key)?)));
            let own = found.filter(|(_, _, order)| order.payer == payer);
            Ok(own.map(|(at, key, order)| (at, line(view, key, &order))).collect::<Vec<_>>())
        })?;
        let room = limit - orders.len();
        if lines.len() >= room {
            lines.truncate(room);
            let event = lines.last().map_or(0, |(at, _)| *at);
            orders.extend(lines.into_iter().map(|(_, line)| line));
            let next = OrderCursor::Account { height: height.0, index, event };
            return Ok(OrderList { orders, next_cursor: Some(next.to_string()) });
        }
        orders.extend(lines.into_iter().map(|(_, line)| line));
    }
    let last = places.get(MAX_SCAN - 1).filter(|_| places.len() > MAX_SCAN);
    let next = last.map(|(height, index)| OrderCursor::Account { height: height.0, index: *index, event: 0 });
    Ok(OrderList { orders, next_cursor: next.map(|c| c.to_string()) })
}
