//! `plan_get`, `item_get`, `campaign_get`, `coupon_get`, `mandate_get`, `window_get`, `htlc_get`, `proposal_get` and
//! `chain_params`: single objects of the state, each by its business key.

use jsonrpsee::core::RegisterMethodError;
use vostro_api::action::{Field, OrderJson, PriceJson, TaxJson, TermsJson, leg_json};
use vostro_api::chain::consensus_file;
use vostro_api::objects::{
    ApprovalJson, CampaignView, CouponView, HtlcEndJson, HtlcView, ItemView, MandateView, NetJson, ParameterJson,
    ParamsView, PlanView, ProposalView, SponsorshipJson, WindowView,
};
use vostro_api::{AmountText, ApiError, Lookup};
use vostro_settlement::read::{self, HtlcEnd, ProposalState};
use vostro_types::parameters::ParametersFile;
use vostro_types::{AccountId, Amount, Hash, Label, Parameter};

use crate::chain::MAX_LIMIT;
use crate::methods::{Api, Method, Methods};
use crate::params::{Fields, Kind, Param, optional, required};
use crate::view::View;

const VERSION: Param = optional("version", Kind::Number, "Which version; the newest of the first 100 if absent.");

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
    methods.read(
        Method {
            name: "plan_get",
            about: "A version of a split plan.",
            params: const {
                &[
                    required("platform", Kind::Text, "Whose plan: its account (vo1…) or public name."),
                    required("plan", Kind::Text, "The plan's name there."),
                    required("version", Kind::Number, "Which version."),
                ]
            },
            result: "Plan",
        },
        plan,
    )?;
    methods.read(
        Method {
            name: "item_get",
            about: "A version of an item: price, tax, plan and terms.",
            params: const {
                &[
                    required("host", Kind::Text, "The platform that hosts it: its account (vo1…) or public name."),
                    required("item", Kind::Text, "The item's name there."),
                    VERSION,
                ]
            },
            result: "Item",
        },
        item,
    )?;
    methods.read(
        Method {
            name: "campaign_get",
            about: "A campaign: budget, what its coupons pay, and its sponsors.",
            params: const {
                &[
                    required("platform", Kind::Text, "The platform that opened it: its account (vo1…) or public name."),
                    required("campaign", Kind::Text, "The campaign's name there."),
                ]
            },
            result: "Campaign",
        },
        campaign,
    )?;
    methods.read(
        Method {
            name: "coupon_get",
            about: "A coupon, and the order it was used for.",
            params: const {
                &[
                    required("platform", Kind::Text, "The platform that issued it: its account (vo1…) or public name."),
                    required("serial", Kind::Text, "The coupon's serial there."),
                ]
            },
            result: "Coupon",
        },
        coupon,
    )?;
    methods.read(
        Method {
            name: "mandate_get",
            about: "A mandate: who may charge, for what, and how much.",
            params: const {
                &[
                    required("payer", Kind::Text, "Who is charged: the account (vo1…), or a public name."),
                    required("mandate", Kind::Text, "The mandate's name there."),
                ]
            },
            result: "Mandate",
        },
        mandate,
    )?;
    methods.read(
        Method {
            name: "window_get",
            about: "A netting window: its state, its sum and who owes how much.",
            params: const {
                &[
                    required("asset", Kind::Text, "The asset's code."),
                    optional("window", Kind::Number, "Its number; the open one if absent."),
                ]
            },
            result: "Window",
        },
        window,
    )?;
    methods.read(
        Method {
            name: "htlc_get",
            about: "Money locked to a hash.",
            params: const {
                &[
                    required("owner", Kind::Text, "Who locked it: the account (vo1…), or a public name."),
                    required("htlcId", Kind::Text, "The lock's name there."),
                ]
            },
            result: "Htlc",
        },
        htlc,
    )?;
    methods.read(
        Method {
            name: "proposal_get",
            about: "A proposed change of a parameter, and who approved.",
            params: const {
                &[
                    required("proposer", Kind::Text, "Who proposed: its account (vo1…) or public name."),
                    required("proposal", Kind::Text, "The proposal's name there."),
                ]
            },
            result: "Proposal",
        },
        proposal,
    )
}

/// An account and a name within it, as most keys are.
fn key(api: &Api, fields: &Fields, account: &str, name: &str) -> Result<(AccountId, Label), ApiError> {
    Ok((api.account(account, fields.text(account)?)?, fields.parse(name)?))
}

fn version(fields: &Fields) -> Result<Option<u32>, ApiError> {
    let wrong = |_| ApiError::invalid_params("version", "is at most 4294967295");
    fields.number("version").map(|v| u32::try_from(v).map_err(wrong)).transpose()
}

fn missing(what: &str, name: &Label) -> ApiError {
    ApiError::not_found(format!("there is no {what} {:?} there", name.as_str())).about([name.as_str()])
}

/// Amounts of an asset as text.
fn money(view: &View<'_>, asset: &vostro_types::AssetCode) -> impl Fn(Amount) -> AmountText {
    let asset = view.asset(asset);
    move |amount| AmountText::of(amount, asset.as_ref())
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

fn plan(api: &Api, fields: Fields) -> Result<PlanView, ApiError> {
    let (platform, plan) = key(api, &fields, "platform", "plan")?;
    let version = version(&fields)?.ok_or_else(|| ApiError::invalid_params("version", "is required"))?;
    let found = api.view(|view| Ok(read::plan(view.state, platform, &plan, version)))?;
    let found = found.ok_or_else(|| missing("such version of plan", &plan))?;
    Ok(PlanView { platform, plan, version, legs: found.legs.iter().map(leg_json).collect(), registered_by: found.tx })
}

fn item(api: &Api, fields: Fields) -> Result<ItemView, ApiError> {
    let (host, item) = key(api, &fields, "host", "item")?;
    let version = version(&fields)?;
    api.view(|view| {
        let found = match version {
            Some(version) => read::item(view.state, host, &item, version).map(|found| (version, found)),
            None => read::item_versions(view.state, host, &item, MAX_LIMIT).pop(),
        };
        let (version, found) = found.ok_or_else(|| missing("such version of item", &item))?;
        Ok(ItemView {
            host,
            item: item.clone(),
            version,
            asset: found.asset,
            price: PriceJson::of(&found.price, view.asset(&found.asset).as_ref()),
            discount_ppm: found.discount.parts(),
            tax: found.tax.as_ref().map(TaxJson::of),
            plan: found.plan,
            plan_version: found.plan_version,
            creator: found.creator,
            terms: TermsJson::of(&found.terms),
            registered_by: found.tx,
        })
    })
}

fn campaign(api: &Api, fields: Fields) -> Result<CampaignView, ApiError> {
    let (platform, campaign) = key(api, &fields, "platform", "campaign")?;
    api.view(|view| {
        let found = read::campaign(view.state, platform, &campaign).ok_or_else(|| missing("campaign", &campaign))?;
        let (asset, money) = (view.asset(&found.asset), money(view, &found.asset));
        let sum = |part: fn(&read::Sponsorship) -> Amount| {
            Amount::sum(found.sponsors.iter().map(part))
                .map_err(|e| ApiError::new(vostro_api::code::INTERNAL, e.to_string()))
        };
        let (budget, spent) = (sum(|s| s.budget)?, sum(|s| s.spent)?);
        let gone = spent.add(sum(|s| s.returned)?).and_then(|gone| budget.sub(gone));
        let left = gone.map_err(|e| ApiError::new(vostro_api::code::INTERNAL, e.to_string()))?;
        Ok(CampaignView {
            platform,
            campaign: campaign.clone(),
            asset: found.asset,
            budget: money(found.budget),
            spent: money(spent),
            left: money(left),
            value: found.value.json(asset.as_ref()),
            min_price: money(found.min_price),
            scope: found.scope.json(None),
            per_user: found.per_user,
            starts: found.starts,
            ends: found.ends,
            ended: found.ended,
            sponsors: found
                .sponsors
                .iter()
                .map(|s| SponsorshipJson {
                    account: s.account,
                    share_ppm: s.share.parts(),
                    budget: money(s.budget),
                    spent: money(s.spent),
                    returned: money(s.returned),
                })
                .collect(),
            opened_by: found.tx,
        })
    })
}

fn coupon(api: &Api, fields: Fields) -> Result<CouponView, ApiError> {
    let (platform, serial) = key(api, &fields, "platform", "serial")?;
    let found = api.view(|view| Ok(read::coupon(view.state, platform, &serial)))?;
    let found = found.ok_or_else(|| missing("coupon", &serial))?;
    Ok(CouponView {
        platform,
        serial,
        campaign: found.campaign,
        holder: found.holder,
        used: found.used.as_ref().map(OrderJson::of),
        issued_by: found.tx,
    })
}

fn mandate(api: &Api, fields: Fields) -> Result<MandateView, ApiError> {
    let (payer, mandate) = key(api, &fields, "payer", "mandate")?;
    api.view(|view| {
        let found = read::mandate(view.state, payer, &mandate).ok_or_else(|| missing("mandate", &mandate))?;
        let money = money(view, &found.asset);
        Ok(MandateView {
            payer,
            mandate: mandate.clone(),
            payee: found.payee,
            host: found.host,
            item: found.item,
            asset: found.asset,
            max_per_charge: money(found.max_per_charge),
            max_per_month: money(found.max_per_month),
            charged_in_month: money(found.month.1),
            month: found.month.0,
            interval_ms: found.interval_ms,
            starts: found.starts,
            ends: found.ends,
            cancelled_by: found.cancelled,
            made_by: found.tx,
        })
    })
}

fn window(api: &Api, fields: Fields) -> Result<WindowView, ApiError> {
    let code = fields.parse("asset")?;
    let asked = fields.number("window");
    api.view(|view| {
        let asset = view
            .asset(&code)
            .ok_or_else(|| ApiError::not_found(format!("there is no asset {code} on this chain")).about([code]))?;
        let netting = read::netting(view.state, code);
        let number = asked.unwrap_or(netting.open);
        if number == 0 || number > netting.open {
            let reason = format!("windows in {code} are numbered from 1; the open one is {}", netting.open);
            return Err(ApiError::not_found(reason));
        }
        let state = match number {
            n if n <= netting.settled => "settled",
            n if n < netting.open => "closed",
            _ => "open",
        };
        let found = read::window(view.state, code, number);
        let signed = |units: i128| asset.format_signed(units);
        let nets = read::window_nets(view.state, code, number);
        Ok(WindowView {
            asset: code,
            window: number,
            state: state.into(),
            opened_at: found.as_ref().map(|w| w.opened),
            due_at: found.as_ref().and_then(|w| w.due),
            closed_at: found.as_ref().and_then(|w| w.closed),
            settled_at: found.as_ref().and_then(|w| w.settled),
            obligations: found.as_ref().map_or(0, |w| w.obligations),
            participants: found.as_ref().map_or(0, |w| w.participants),
            gross: signed(found.as_ref().map_or(0, |w| i128::try_from(w.gross).unwrap_or(i128::MAX))),
            nets: nets
                .into_iter()
                .take(MAX_LIMIT)
                .map(|(account, net)| NetJson { account, name: view.name(&account), owes: signed(net) })
                .collect(),
        })
    })
}

fn htlc(api: &Api, fields: Fields) -> Result<HtlcView, ApiError> {
    let (owner, htlc_id) = key(api, &fields, "owner", "htlcId")?;
    api.view(|view| {
        let found = read::htlc(view.state, owner, &htlc_id).ok_or_else(|| missing("lock", &htlc_id))?;
        Ok(HtlcView {
            owner,
            htlc_id: htlc_id.clone(),
            to: found.to,
            asset: found.asset,
            amount: money(view, &found.asset)(found.amount),
            hash: found.hash,
            deadline: found.deadline,
            end: found.end.map(|end| match end {
                HtlcEnd::Claimed { tx, preimage } => HtlcEndJson::Claimed { by: tx, preimage: Hash(preimage) },
                HtlcEnd::Refunded { tx } => HtlcEndJson::Refunded { by: tx },
            }),
            locked_by: found.tx,
        })
    })
}

fn proposal(api: &Api, fields: Fields) -> Result<ProposalView, ApiError> {
    let (proposer, proposal) = key(api, &fields, "proposer", "proposal")?;
    let found = api.view(|view| Ok(read::proposal(view.state, proposer, &proposal)))?;
    let found = found.ok_or_else(|| missing("proposal", &proposal))?;
    let state = match found.state {
        ProposalState::Open => "open",
        ProposalState::Approved => "approved",
        ProposalState::Done => "done",
        ProposalState::Void => "void",
    };
    let approvals = found.approvals.iter().map(|(platform, by)| ApprovalJson { platform: *platform, by: *by });
    Ok(ProposalView {
        proposer,
        proposal,
        parameter: found.parameter.name().into(),
        value: found.value.to_string(),
        from_height: found.from_height.0,
        state: state.into(),
        made_at: found.at,
        approvals: approvals.collect(),
    })
}
