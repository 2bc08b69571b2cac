//! Typed reads: a function for each method.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use vostro_api::BodyJson;
use vostro_api::chain::{BlockJson, BlockList, ChainStatus, GenesisJson, SignedHeaderJson, ValidatorsJson};
use vostro_api::evidence::EvidenceList;
use vostro_api::ledger::{AccountJson, EntitlementCheck, HistoryList, OrderAnswer, OrderList, OrderView, PlatformList};
use vostro_api::node::{NodeInfo, Peers};
use vostro_api::objects::{
    Answer, CampaignView, CouponView, HtlcView, ItemView, MandateView, Object, ObjectKey, ParamsView, PlanView,
    ProposalView, WindowView,
};
use vostro_api::receipt::ReceiptJson;
use vostro_api::statement::Statement;
use vostro_api::tx::{Decoded, Encoded, TxView};
use vostro_types::{AccountId, AssetCode, BlockId, Hash, Header, Height, Label, TxId};

use crate::chain::Chain;
use crate::error::ClientError;
use crate::http::Client;

/// Which part of a statement is asked for; everything may be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span<'a> {
    /// First height in digits, or the time from which on.
    pub from: Option<&'a str>,
    /// Last height in digits, or the time before which.
    pub to: Option<&'a str>,
    /// The asset.
    pub asset: Option<&'a AssetCode>,
    /// Where an earlier page ended.
    pub cursor: Option<&'a str>,
    /// Lines.
    pub limit: Option<u32>,
}

/// A list's `cursor` and `limit`, absent ones left out.
fn page(mut params: Map<String, Value>, cursor: Option<&str>, limit: Option<u32>) -> Value {
    if let Some(cursor) = cursor {
        params.insert("cursor".into(), cursor.into());
    }
    if let Some(limit) = limit {
        params.insert("limit".into(), limit.into());
    }
    Value::Object(params)
}

fn kept(answer: OrderAnswer) -> Result<OrderView, ClientError> {
    match answer {
        OrderAnswer::Kept(order) => Ok(*order),
        OrderAnswer::Archived(archived) => {
            Err(ClientError::Archived { order_id: archived.order_id, digest: archived.digest })
        }
    }
}

/// Every function fails with [`ClientError`] if no answer came, the node refused, or the answer has another shape.
#[allow(clippy::missing_errors_doc)]
impl Client {
    /// The node's chain. With `pinned` the node must be on that chain; without, the node is believed (and whatever is
    /// signed works on that chain only).
    pub async fn chain(&self, pinned: Option<Hash>) -> Result<Chain, ClientError> {
        let genesis = self.genesis().await?;
        Chain::decode(&genesis.encoded, pinned.unwrap_or(genesis.genesis_hash))
    }

    /// `chain_status`.
    pub async fn status(&self) -> Result<ChainStatus, ClientError> {
        self.call("chain_status", json!({})).await
    }

    /// `chain_genesis`.
    pub async fn genesis(&self) -> Result<GenesisJson, ClientError> {
        self.call("chain_genesis", json!({})).await
    }

    /// `chain_validators`, at the tip or at a height.
    pub async fn validators(&self, height: Option<Height>) -> Result<ValidatorsJson, ClientError> {
        let params = height.map_or_else(|| json!({}), |h| json!({"height": h.0}));
        self.call("chain_validators", params).await
    }

    /// `chain_block` by height.
    pub async fn block(&self, height: Height) -> Result<BlockJson, ClientError> {
        self.call("chain_block", json!({"height": height.0})).await
    }

    /// `chain_block` by hash.
    pub async fn block_by_hash(&self, hash: &BlockId) -> Result<BlockJson, ClientError> {
        self.call("chain_block", json!({"hash": hash.to_string()})).await
    }

    /// `chain_blocks`, newest first.
    pub async fn blocks(&self, cursor: Option<&str>, limit: Option<u32>) -> Result<BlockList, ClientError> {
        self.call("chain_blocks", page(Map::new(), cursor, limit)).await
    }

    /// `chain_header`; see [`Chain::verify_header`].
    pub async fn header(&self, height: Height) -> Result<SignedHeaderJson, ClientError> {
        self.call("chain_header", json!({"height": height.0})).await
    }

    /// `tx_get`.
    pub async fn transaction(&self, id: &TxId) -> Result<TxView, ClientError> {
        self.call("tx_get", json!({"id": id.to_string()})).await
    }

    /// `tx_receipt`: code 1408 while the transaction is pending.
    pub async fn receipt(&self, id: &TxId) -> Result<ReceiptJson, ClientError> {
        self.call("tx_receipt", json!({"id": id.to_string()})).await
    }

    /// `tx_receipt` with its proof; see [`Chain::verify_receipt`].
    pub async fn proved_receipt(&self, id: &TxId) -> Result<ReceiptJson, ClientError> {
        self.call("tx_receipt", json!({"id": id.to_string(), "prove": true})).await
    }

    /// `tx_decode`: what base64 of canonical bytes says.
    pub async fn decode(&self, transaction: &str) -> Result<Decoded, ClientError> {
        self.call("tx_decode", json!({"tx": transaction})).await
    }

    /// `tx_encode`: for comparison with the bytes that this program builds; see [`crate::Draft`].
    pub async fn encode(&self, body: &BodyJson) -> Result<Encoded, ClientError> {
        self.call("tx_encode", json!({"body": body})).await
    }

    /// `account_get`.
    pub async fn account(&self, id: &AccountId) -> Result<AccountJson, ClientError> {
        self.call("account_get", json!({"id": id.to_string()})).await
    }

    /// `account_get` with its proof; see [`Chain::verify_state`].
    pub async fn proved_account(&self, id: &AccountId) -> Result<AccountJson, ClientError> {
        self.call("account_get", json!({"id": id.to_string(), "prove": true})).await
    }

    /// `account_history`, newest first.
    pub async fn history(
        &self,
        id: &AccountId,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<HistoryList, ClientError> {
        let params = Map::from_iter([("id".to_string(), id.to_string().into())]);
        self.call("account_history", page(params, cursor, limit)).await
    }

    /// `account_statement`, oldest first, of one asset or all, from and to a height or a time (RFC 3339); see
    /// [`Statement::check`].
    pub async fn statement(&self, id: &AccountId, span: &Span<'_>) -> Result<Statement, ClientError> {
        let moment = |text: &str| text.parse::<u64>().map_or_else(|_| Value::from(text), Value::from);
        let mut params = Map::from_iter([("id".to_string(), id.to_string().into())]);
        params.insert("from".into(), span.from.map_or(Value::Null, moment));
        params.insert("to".into(), span.to.map_or(Value::Null, moment));
        params.insert("asset".into(), span.asset.map_or(Value::Null, |code| code.as_str().into()));
        self.call("account_statement", page(params, span.cursor, span.limit)).await
    }

    /// `order_get`, with a proof if asked for (see [`Chain::verify_state`]): the order, or what is left of an archived
    /// one. The platform is an account or its public name.
    pub async fn order_or_archived(
        &self,
        platform: &str,
        order_id: &Label,
        prove: bool,
    ) -> Result<OrderAnswer, ClientError> {
        let params = json!({"platform": platform, "orderId": order_id.as_str(), "prove": prove});
        self.call("order_get", params).await
    }

    /// `order_get` of an order that is kept; [`ClientError::Archived`] for one that is not.
    pub async fn order(&self, platform: &str, order_id: &Label) -> Result<OrderView, ClientError> {
        kept(self.order_or_archived(platform, order_id, false).await?)
    }

    /// The same with its proof.
    pub async fn proved_order(&self, platform: &str, order_id: &Label) -> Result<OrderView, ClientError> {
        kept(self.order_or_archived(platform, order_id, true).await?)
    }

    /// `order_list` of a platform that sold, by name; the platform is an account or its public name.
    pub async fn orders_sold_by(
        &self,
        platform: &str,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<OrderList, ClientError> {
        let params = Map::from_iter([("platform".to_string(), platform.into())]);
        self.call("order_list", page(params, cursor, limit)).await
    }

    /// `order_list` of an account that paid, newest first.
    pub async fn orders_paid_by(
        &self,
        account: &AccountId,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<OrderList, ClientError> {
        let params = Map::from_iter([("account".to_string(), account.to_string().into())]);
        self.call("order_list", page(params, cursor, limit)).await
    }

    /// `chain_params`: the parameters as they are now.
    pub async fn params(&self) -> Result<ParamsView, ClientError> {
        self.call("chain_params", json!({})).await
    }

    /// An object by its key, such as [`CampaignView`] by `campaign_get`.
    pub async fn object<O: Object + DeserializeOwned>(&self, key: &O::Key) -> Result<O, ClientError> {
        self.call(O::METHOD, key.params().into()).await
    }

    /// The same as its proof says, drawn here and not by the node, and the header of the block after which the state is
    /// so. [`ClientError::Proof`] for the first rule broken.
    pub async fn proved_object<O: Object + DeserializeOwned>(
        &self,
        chain: &Chain,
        key: &O::Key,
    ) -> Result<(O, Header), ClientError> {
        let mut params = key.params();
        params.push(true.into());
        let answer: Answer<O> = self.call(O::METHOD, params.into()).await?;
        let wrong = |reason: &str| ClientError::Shape { method: O::METHOD, reason: reason.into() };
        let proof = answer.proof.as_ref().ok_or_else(|| wrong("it has no proof"))?;
        chain.verify_object(&answer.object, key, proof)
    }

    /// `plan_get`; the platform is an account or its public name, as in the functions below.
    pub async fn plan(&self, platform: &str, plan: &Label, version: u32) -> Result<PlanView, ClientError> {
        self.call("plan_get", json!({"platform": platform, "plan": plan.as_str(), "version": version})).await
    }

    /// `item_get`: a version of an item, or the newest.
    pub async fn item(&self, host: &str, item: &Label, version: Option<u32>) -> Result<ItemView, ClientError> {
        self.call("item_get", json!({"host": host, "item": item.as_str(), "version": version})).await
    }

    /// `campaign_get`.
    pub async fn campaign(&self, platform: &str, campaign: &Label) -> Result<CampaignView, ClientError> {
        self.call("campaign_get", json!({"platform": platform, "campaign": campaign.as_str()})).await
    }

    /// `coupon_get`.
    pub async fn coupon(&self, platform: &str, serial: &Label) -> Result<CouponView, ClientError> {
        self.call("coupon_get", json!({"platform": platform, "serial": serial.as_str()})).await
    }

    /// `mandate_get`.
    pub async fn mandate(&self, payer: &str, mandate: &Label) -> Result<MandateView, ClientError> {
        self.call("mandate_get", json!({"payer": payer, "mandate": mandate.as_str()})).await
    }

    /// `window_get`: a window of an asset by number, or the open one.
    pub async fn window(&self, asset: &AssetCode, window: Option<u64>) -> Result<WindowView, ClientError> {
        self.call("window_get", json!({"asset": asset.as_str(), "window": window})).await
    }

    /// `htlc_get`.
    pub async fn htlc(&self, owner: &str, htlc_id: &Label) -> Result<HtlcView, ClientError> {
        self.call("htlc_get", json!({"owner": owner, "htlcId": htlc_id.as_str()})).await
    }

    /// `proposal_get`.
    pub async fn proposal(&self, proposer: &str, proposal: &Label) -> Result<ProposalView, ClientError> {
        self.call("proposal_get", json!({"proposer": proposer, "proposal": proposal.as_str()})).await
    }

    /// `entitlement_check`: whether an account has access to an item of a host, with a proof if asked for. The host is
    /// an account or its public name.
    pub async fn entitlement(
        &self,
        holder: &AccountId,
        host: &str,
        item: &Label,
        prove: bool,
    ) -> Result<EntitlementCheck, ClientError> {
        let params = json!({"holder": holder.to_string(), "item": format!("{host}/{item}"), "prove": prove});
        self.call("entitlement_check", params).await
    }

    /// `platform_list`.
    pub async fn platforms(&self) -> Result<PlatformList, ClientError> {
        self.call("platform_list", json!({})).await
    }

    /// `validator_evidence`: about one validator by name, or all.
    pub async fn evidence(
        &self,
        validator: Option<&str>,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<EvidenceList, ClientError> {
        let named = validator.map(|name| ("validator".to_string(), name.into()));
        self.call("validator_evidence", page(Map::from_iter(named), cursor, limit)).await
    }

    /// `node_info`.
    pub async fn node_info(&self) -> Result<NodeInfo, ClientError> {
        self.call("node_info", json!({})).await
    }

    /// `net_peers`.
    pub async fn peers(&self) -> Result<Peers, ClientError> {
        self.call("net_peers", json!({})).await
    }
}
