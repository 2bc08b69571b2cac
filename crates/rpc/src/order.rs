//! `order_*`: what became of an order.

use jsonrpsee::core::RegisterMethodError;
use vostro_api::action::{FeeBearerJson, ItemJson, mode_text, refund_policy_json};
use vostro_api::ledger::{OrderLegJson, OrderSourceJson, OrderView};
use vostro_api::{AmountText, ApiError, Lookup};
use vostro_settlement::read;
use vostro_settlement::tables::{NETTINGS, ORDERS};
use vostro_types::transaction::OrderKey;

use crate::account::PROVE;
use crate::methods::{Api, Method, Methods};
use crate::params::{Fields, Kind, optional, required};

pub(crate) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.read(
        Method {
            name: "order_get",
            about: "An order: state, money, who is paid and who funded it.",
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
    )
}

fn get(api: &Api, fields: Fields) -> Result<OrderView, ApiError> {
    let platform = api.account("platform", fields.text("platform")?)?;
    let key = OrderKey { platform, order_id: fields.parse("orderId")? };
    let mut shown = api.view(|view| {
        let order = read::order(view.state, &key).ok_or_else(|| {
            ApiError::not_found(format!("there is no order {:?} of that platform", key.order_id.as_str()))
                .about([key.order_id.as_str()])
        })?;
        let asset = view.asset(&order.asset);
        let money = |amount| AmountText::of(amount, asset.as_ref());
        Ok(OrderView {
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
        })
    })?;
    if fields.flag("prove") {
        // Whether a window order is settled stands with the netting of its asset.
        shown.proof = Some(api.prove(vec![ORDERS.key(&key), NETTINGS.key(&shown.asset)])?);
    }
    Ok(shown)
}
