//! `plan_get`, `item_get`, `campaign_get`, `coupon_get`, `mandate_get`, `window_get`, `htlc_get`, `proposal_get` and
//! `chain_params`: single objects of the state, each by its business key.
//!
//! Invariant: an object is proved by exactly the entries it was drawn from ([`vostro_api::objects::Object`]).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use jsonrpsee::core::RegisterMethodError;
use serde::Serialize;
use vostro_api::chain::consensus_file;
use vostro_api::objects::{
    Answer, CampaignView, CouponView, HtlcView, ItemView, MAX_NETS, MandateView, Object, ParameterJson, ParamsView,
    PlanView, ProposalView, WindowKey, WindowView,
};
use vostro_api::{ApiError, Lookup};
use vostro_settlement::ledger::Entry;
use vostro_settlement::{Reader, read};
use vostro_types::parameters::ParametersFile;
use vostro_types::{AccountId, Label, Parameter};

use crate::account::PROVE;
use crate::chain::MAX_LIMIT;
use crate::methods::{Api, Method, Methods};
use crate::params::{Fields, Kind, Param, optional, required};
use crate::view::View;

/// How an object is asked for. Its parameters end with `prove`.
struct Ask<O: Object> {
    about: &'static str,
    result: &'static str,
    params: &'static [Param],
    key: KeyOf<O>,
}

/// Reads the key of what is asked for; what was left open the state chooses.
type KeyOf<O> = fn(&Api, &Fields, &View<'_>) -> Result<<O as Object>::Key, ApiError>;

impl<O: Object + Serialize + Clone + Send + 'static> Ask<O> {
    fn register(self, methods: &mut Methods) -> Result<(), RegisterMethodError> {
        let Ask { about, result, params, .. } = self;
        let ask = Arc::new(self);
        methods.read(Method { name: O::METHOD, about, params, result }, move |api, fields| ask.answer(api, &fields))
    }

    /// Draws the object that was asked for, and proves it if that was asked for too.
    fn answer(&self, api: &Api, fields: &Fields) -> Result<Answer<O>, ApiError> {
        let (found, asked) = api.view(|view| {
            let key = (self.key)(api, fields, view)?;
            let state = Recording { state: view.state, asked: RefCell::default() };
            Ok((O::draw(&key, &state, view), state.asked.into_inner()))
        })?;
        let object = found.ok_or_else(|| self.missing(fields))?;
        let proof = if fields.flag("prove") { Some(api.prove(asked.into_iter().collect())?) } else { None };
        Ok(Answer { object, proof })
    }

    fn missing(&self, fields: &Fields) -> ApiError {
        let name = self.params.get(1).and_then(|p| fields.opt_text(p.name)).unwrap_or_default();
        let version = fields.number("version").map_or_else(String::new, |v| format!(" in version {v}"));
        let what = self.result.to_lowercase();
        ApiError::not_found(format!("there is no {what} {name:?}{version} there")).about([name])
    }
}

pub(crate) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.read(
        Method {
            name: "chain_params",
            about: "The parameters as they are now, with the bounds within which they may be proposed.",
            params: &[],
            result: "Params",
        },
        params,
    )?;
    Ask::<PlanView> {
        about: "A version of a split plan.",
        result: "Plan",
        params: const {
            &[
                required("platform", Kind::Text, "Whose plan: its account (vo1…) or public name."),
                required("plan", Kind::Text, "The plan's name there."),
                required("version", Kind::Number, "Which version."),
                PROVED,
            ]
        },
        key: |api, fields, _| {
            let (platform, plan) = named(api, fields, "platform", "plan")?;
            let version = version(fields)?.ok_or_else(|| ApiError::invalid_params("version", "is required"))?;
            Ok((platform, plan, version))
        },
    }
    .register(methods)?;
    Ask::<ItemView> {
        about: "A version of an item: price, tax, plan and terms.",
        result: "Item",
        params: const {
            &[
                required("host", Kind::Text, "The platform that hosts it: its account (vo1…) or public name."),
                required("item", Kind::Text, "The item's name there."),
                optional("version", Kind::Number, "Which version; the newest of the first 100 if absent."),
                PROVED,
            ]
        },
        key: |api, fields, view| {
            let (host, item) = named(api, fields, "host", "item")?;
            let newest = || read::item_versions(view.state, host, &item, MAX_LIMIT).pop().map(|(version, _)| version);
            let version = version(fields)?.or_else(newest);
            Ok((host, item, version))
        },
    }
    .register(methods)?;
    Ask::<CampaignView> {
        about: "A campaign: budget, what its coupons pay, and its sponsors.",
        result: "Campaign",
        params: const {
            &[
                required("platform", Kind::Text, "The platform that opened it: its account (vo1…) or public name."),
                required("campaign", Kind::Text, "The campaign's name there."),
                PROVED,
            ]
        },
        key: |api, fields, _| named(api, fields, "platform", "campaign"),
    }
    .register(methods)?;
    Ask::<CouponView> {
        about: "A coupon, and the order it was used for.",
        result: "Coupon",
        params: const {
            &[
                required("platform", Kind::Text, "The platform that issued it: its account (vo1…) or public name."),
                required("serial", Kind::Text, "The coupon's serial there."),
                PROVED,
            ]
        },
        key: |api, fields, _| named(api, fields, "platform", "serial"),
    }
    .register(methods)?;
    Ask::<MandateView> {
        about: "A mandate: who may charge, for what, and how much.",
        result: "Mandate",
        params: const {
            &[
                required("payer", Kind::Text, "Who is charged: the account (vo1…), or a public name."),
                required("mandate", Kind::Text, "The mandate's name there."),
                PROVED,
            ]
        },
        key: |api, fields, _| named(api, fields, "payer", "mandate"),
    }
    .register(methods)?;
    Ask::<WindowView> {
        about: "A netting window: its state, its sum and who owes how much.",
        result: "Window",
        params: const {
            &[
                required("asset", Kind::Text, "The asset's code."),
                optional("window", Kind::Number, "Its number; the open one if absent."),
                PROVED,
            ]
        },
        key: |_, fields, view| window_key(fields, view),
    }
    .register(methods)?;
    Ask::<HtlcView> {
        about: "Money locked to a hash.",
        result: "Htlc",
        params: const {
            &[
                required("owner", Kind::Text, "Who locked it: the account (vo1…), or a public name."),
                required("htlcId", Kind::Text, "The lock's name there."),
                PROVED,
            ]
        },
        key: |api, fields, _| named(api, fields, "owner", "htlcId"),
    }
    .register(methods)?;
    Ask::<ProposalView> {
        about: "A proposed change of a parameter, and who approved.",
        result: "Proposal",
        params: const {
            &[
                required("proposer", Kind::Text, "Who proposed: its account (vo1…) or public name."),
                required("proposal", Kind::Text, "The proposal's name there."),
                PROVED,
            ]
        },
        key: |api, fields, _| named(api, fields, "proposer", "proposal"),
    }
    .register(methods)
}

const PROVED: Param = optional("prove", Kind::Flag, PROVE);

/// An account and a name within it, as most keys are.
fn named(api: &Api, fields: &Fields, account: &str, name: &str) -> Result<(AccountId, Label), ApiError> {
    Ok((api.account(account, fields.text(account)?)?, fields.parse(name)?))
}

fn version(fields: &Fields) -> Result<Option<u32>, ApiError> {
    let wrong = |_| ApiError::invalid_params("version", "is at most 4294967295");
    fields.number("version").map(|v| u32::try_from(v).map_err(wrong)).transpose()
}

fn window_key(fields: &Fields, view: &View<'_>) -> Result<WindowKey, ApiError> {
    let code = fields.parse("asset")?;
    if view.asset(&code).is_none() {
        return Err(ApiError::not_found(format!("there is no asset {code} on this chain")).about([code]));
    }
    let open = read::netting(view.state, code).open;
    let number = fields.number("window").unwrap_or(open);
    if number == 0 || number > open {
        let reason = format!("windows in {code} are numbered from 1; the open one is {open}");
        return Err(ApiError::not_found(reason));
    }
    let nets = read::window_nets(view.state, code, number).into_iter().take(MAX_NETS);
    let accounts = nets.map(|(account, _)| account).collect();
    Ok(WindowKey { asset: code, window: Some(number), accounts })
}

/// The state, and which of its entries were looked up.
struct Recording<'a> {
    state: &'a dyn Reader,
    asked: RefCell<BTreeSet<Vec<u8>>>,
}

impl Reader for Recording<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.asked.borrow_mut().insert(key.to_vec());
        self.state.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<Entry> {
        self.state.scan(from, to, limit)
    }
}

fn params(api: &Api, _: Fields) -> Result<ParamsView, ApiError> {
    let height = api.backend.status().height.0;
    let parameters = api.view(|view| Ok(read::parameters(view.state)))?;
    let line = |p: &Parameter| {
        let (least, most) = p.bounds();
        ParameterJson {
            name: p.name().into(),
            value: p.get(&parameters).to_string(),
            least: least.to_string(),
            most: most.to_string(),
        }
    };
    Ok(ParamsView {
        height,
        parameters: ParametersFile::of(&parameters),
        list: Parameter::ALL.iter().map(line).collect(),
        consensus: consensus_file(&api.backend.genesis().consensus),
    })
}
