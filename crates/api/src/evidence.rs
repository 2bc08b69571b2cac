//! Shapes of `validator_evidence` and of the evidence in a block: who contradicted itself, in words and as the two signed
//! statements that anyone can verify.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use vostro_types::{
    BlockId, Contradiction, Evidence, EvidenceKey, Hash, PreparedAt, Signature, ValidatorIndex, ValidatorSet, View,
    VoteKind, codec,
};

use crate::cursor::BadCursor;
use crate::ledger::StateProofJson;

/// First bytes of a cursor of this list: its version, and a number that no list of [`crate::cursor::List`] has.
const CURSOR: [u8; 2] = [1, 128];
/// Bytes of an encoded key.
const MAX_KEY: usize = 32;

/// Something a validator signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatementJson {
    /// `prepare`, `commit`, `proposal` or `viewChange`.
    pub says: String,
    /// View voted or proposed in; of a view-change, the view asked for.
    pub view: u64,
    /// The block voted for or proposed; of a view-change, the block it reported as prepared, if any.
    #[serde(with = "crate::text::option", default, skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockId>,
    /// Of a view-change, the view in which that block had prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_view: Option<u64>,
    /// The bytes that were signed.
    #[serde(with = "crate::text::base64")]
    pub signed: Vec<u8>,
    /// The signature on them by the validator's voting key.
    #[serde(with = "crate::text::signature")]
    pub signature: Signature,
}

/// Proof that a validator contradicted itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceJson {
    /// `E1`, `E2` or `E3`.
    pub kind: String,
    /// The validator's name.
    pub validator: String,
    /// Its position in the set.
    pub index: u16,
    /// Epoch of the set.
    pub epoch: u32,
    /// The height it contradicted itself at.
    pub height: u64,
    /// The view of the vote or proposal.
    pub view: u64,
    /// What it did, in a sentence.
    pub words: String,
    /// The two statements.
    pub statements: Vec<StatementJson>,
    /// Canonical bytes of the evidence.
    #[serde(with = "crate::text::base64")]
    pub encoded: Vec<u8>,
}

/// A line of `validator_evidence`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceLine {
    /// `E1`, `E2` or `E3`.
    pub kind: String,
    /// The validator's name.
    pub validator: String,
    /// Its position in the set.
    pub index: u16,
    /// Epoch of the set.
    pub epoch: u32,
    /// The height it contradicted itself at.
    pub height: u64,
    /// Height of the block that records it.
    pub recorded_at: u64,
    /// The evidence's leaf under that block's evidence root.
    #[serde(with = "crate::text")]
    pub digest: Hash,
    /// The evidence itself; absent if this node has not that block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceJson>,
}

/// `validator_evidence`: by validator, kind and height.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceList {
    /// The records.
    pub evidence: Vec<EvidenceLine>,
    /// Where the list goes on, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// Proofs of the records, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<StateProofJson>,
}

/// A validator's name, or its number if the set does not have it.
pub fn validator_name(set: &ValidatorSet, index: ValidatorIndex) -> String {
    set.get(index).map_or_else(|| format!("validator {index}"), |v| v.name.to_string())
}

fn vote_name(kind: VoteKind) -> &'static str {
    match kind {
        VoteKind::Prepare => "prepare",
        VoteKind::Commit => "commit",
    }
}

/// What evidence says, in a sentence.
pub fn evidence_words(evidence: &Evidence, set: &ValidatorSet) -> String {
    let (who, height) = (validator_name(set, evidence.validator), evidence.height);
    let two = |first: &BlockId, second: &BlockId| format!("{} and {}", first.0.short(), second.0.short());
    match &evidence.contradiction {
        Contradiction::Votes { kind, view, first, second } => {
            let blocks = two(&first.0, &second.0);
            format!("{who} signed a {} for two blocks at height {height} in view {view}: {blocks}.", vote_name(*kind))
        }
        Contradiction::Proposals { view, first, second } => {
            format!("{who} proposed two blocks at height {height} in view {view}: {}.", two(&first.0, &second.0))
        }
        Contradiction::Forgotten { commit, asked, reported, .. } => {
            let hidden = format!("{who} signed a commit for {} at height {height}", commit.block.0.short());
            let shown = match reported {
                None => "no prepared block".to_string(),
                Some(at) => format!("nothing prepared later than view {}", at.view),
            };
            format!("{hidden} in view {}; asking for view {asked}, it reported {shown}.", commit.view)
        }
    }
}

/// What each statement says: name, view, block, and the view it reports.
type Said = (&'static str, View, Option<BlockId>, Option<View>);

fn said(contradiction: &Contradiction) -> [Said; 2] {
    match contradiction {
        Contradiction::Votes { kind, view, first, second } => {
            [first, second].map(|(block, _)| (vote_name(*kind), *view, Some(*block), None))
        }
        Contradiction::Proposals { view, first, second } => {
            [first, second].map(|(block, _)| ("proposal", *view, Some(*block), None))
        }
        Contradiction::Forgotten { commit, asked, reported, .. } => {
            let (block, view) = reported.map_or((None, None), |PreparedAt { view, block }| (Some(block), Some(view)));
            [("commit", commit.view, Some(commit.block), None), ("viewChange", *asked, block, view)]
        }
    }
}

impl EvidenceJson {
    /// The JSON of evidence against a member of `set` on a chain.
    pub fn of(evidence: &Evidence, chain: &Hash, set: &ValidatorSet) -> Self {
        let signed = evidence.statements(chain, set);
        let statements = said(&evidence.contradiction).into_iter().zip(signed);
        EvidenceJson {
            kind: evidence.name().into(),
            validator: validator_name(set, evidence.validator),
            index: evidence.validator.0,
            epoch: evidence.epoch.0,
            height: evidence.height.0,
            view: evidence.view().0,
            words: evidence_words(evidence, set),
            statements: statements
                .map(|((says, view, block, reported), (signed, signature))| StatementJson {
                    says: says.into(),
                    view: view.0,
                    block,
                    reported_view: reported.map(|v| v.0),
                    signed,
                    signature,
                })
                .collect(),
            encoded: codec::encode(evidence),
        }
    }
}

/// The cursor after a record.
pub fn evidence_cursor(key: &EvidenceKey) -> String {
    URL_SAFE_NO_PAD.encode([&CURSOR[..], &codec::encode(key)].concat())
}

/// The record that a cursor stands after.
///
/// # Errors
/// [`BadCursor`] for any other text.
pub fn parse_evidence_cursor(text: &str) -> Result<EvidenceKey, BadCursor> {
    if text.len() > 2 * MAX_KEY {
        return Err(BadCursor);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
    codec::decode(bytes.strip_prefix(&CURSOR).ok_or(BadCursor)?, MAX_KEY).map_err(|_| BadCursor)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cursor::{Cursor, List};
    use vostro_types::{AccountId, Epoch, Height, Label, SecretKey, Validator};

    const CHAIN: Hash = Hash([9; 32]);

    fn set() -> ValidatorSet {
        let member = |i: u8| Validator {
            name: Label::new(format!("v{i}")).unwrap(),
            platform: AccountId([i; 32]),
            key: SecretKey::from_seed([i + 1; 32]).public(),
            network_key: SecretKey::from_seed([i + 100; 32]).public(),
        };
        ValidatorSet::new(Epoch(0), (0..4).map(member).collect()).unwrap()
    }

    fn evidence(contradiction: Contradiction) -> Evidence {
        Evidence { epoch: Epoch(0), validator: ValidatorIndex(2), height: Height(6), contradiction }
    }

    fn forgotten(reported: Option<u64>) -> Evidence {
        let at = |view: u64| PreparedAt { view: View(view), block: BlockId(Hash([1; 32])) };
        evidence(Contradiction::Forgotten {
            commit: at(3),
            commit_signature: Signature([1; 64]),
            asked: View(5),
            reported: reported.map(at),
            view_change_signature: Signature([2; 64]),
        })
    }

    #[test]
    fn each_kind_has_its_words_and_statements() {
        let block = |n: u8| (BlockId(Hash([n; 32])), Signature([n; 64]));
        let votes = evidence(Contradiction::votes(VoteKind::Prepare, View(1), block(0xbb), block(0xaa)));
        let proposals = evidence(Contradiction::proposals(View(0), block(0xaa), block(0xbb)));
        let cases = [
            (&votes, "v2 signed a prepare for two blocks at height 6 in view 1: aaaaaaaa and bbbbbbbb."),
            (&proposals, "v2 proposed two blocks at height 6 in view 0: aaaaaaaa and bbbbbbbb."),
            (
                &forgotten(None),
                "v2 signed a commit for 01010101 at height 6 in view 3; asking for view 5, it reported no prepared block.",
            ),
            (
                &forgotten(Some(2)),
                "v2 signed a commit for 01010101 at height 6 in view 3; asking for view 5, it reported nothing prepared \
                 later than view 2.",
            ),
        ];
        for (evidence, words) in cases {
            let json = EvidenceJson::of(evidence, &CHAIN, &set());
            assert_eq!(json.words, words);
            assert_eq!(json.kind, evidence.name());
            assert_eq!(codec::decode::<Evidence>(&json.encoded, 1000).unwrap(), *evidence);
            let text = serde_json::to_string(&json).unwrap();
            assert_eq!(serde_json::from_str::<EvidenceJson>(&text).unwrap(), json);
            for (shown, (signed, signature)) in json.statements.iter().zip(evidence.statements(&CHAIN, &set())) {
                assert_eq!((&shown.signed, shown.signature), (&signed, signature));
            }
        }
        let json = EvidenceJson::of(&forgotten(Some(2)), &CHAIN, &set());
        let said: Vec<_> = json.statements.iter().map(|s| (s.says.as_str(), s.view, s.reported_view)).collect();
        assert_eq!(said, [("commit", 3, None), ("viewChange", 5, Some(2))]);
    }

    #[test]
    fn a_cursor_of_this_list_is_of_no_other() {
        let key = forgotten(None).key();
        let cursor = evidence_cursor(&key);
        assert_eq!(parse_evidence_cursor(&cursor).unwrap(), key);
        assert!(Cursor::parse(List::Blocks, &cursor).is_err());
        let other = Cursor { list: List::Blocks, height: 5, index: 0 }.to_string();
        for bad in ["", "AAAA", &other, &"A".repeat(1000), "不是", &cursor[..cursor.len() - 2]] {
            assert!(parse_evidence_cursor(bad).is_err(), "{bad}");
        }
    }
}
