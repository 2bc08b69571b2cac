//! What validators say to each other, and the one door through which it becomes trusted.
//!
//! Invariant: a [`Verified`] message was signed by the member of the set it names; every certificate and claim inside it
//! verifies; a block inside it has the height, the transactions, the evidence and (where a certificate names it) the id it should.
//! What remains for the replica to check depends on its own chain: parent, time, execution.

use std::sync::Arc;

use bincode::{Decode, Encode};
use vostro_crypto::{Batch, Domain, Hash, merkle, verify};
use vostro_types::block::{transaction_leaf, transactions_root};
use vostro_types::certificate::vote_bytes;
use vostro_types::codec::{self, CodecError, MAX_MESSAGE};
use vostro_types::evidence::evidence_root;
use vostro_types::statement::{proposal_bytes, statement_head, view_change_bytes};
use vostro_types::{
    Block, BlockId, Certificate, CertificateError, Height, PreparedAt, Signature, Transaction, ValidatorIndex,
    ValidatorSet, VerifiedTransaction, View, VoteKind,
};

/// Version of the message layout; the first byte on the wire.
pub const MESSAGE_VERSION: u8 = 2;

/// The part of a message that is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// I, primary of the view, propose this block.
    PrePrepare {
        /// Height proposed for.
        height: Height,
        /// View proposed in.
        view: View,
        /// The block.
        block: BlockId,
    },
    /// A prepare or a commit; its bytes are those of [`vote_bytes`], so that signatures add up to certificates.
    Vote {
        /// Prepare or commit.
        kind: VoteKind,
        /// Height voted on.
        height: Height,
        /// View voted in.
        view: View,
        /// The block.
        block: BlockId,
    },
    /// I leave every view below `view`, and this is the highest view in which I hold a prepared certificate.
    ViewChange {
        /// Height it is about.
        height: Height,
        /// The view asked for.
        view: View,
        /// The highest prepared certificate held, if any.
        prepared: Option<PreparedAt>,
    },
    /// My last decided block.
    Status {
        /// Its height; 0 for genesis.
        height: Height,
        /// Its id; the genesis hash at height 0.
        block: BlockId,
    },
}

impl Statement {
    /// The signed bytes: domain tag, genesis hash, epoch, set hash, height, view, then what is said.
    pub fn bytes(&self, chain: &Hash, set: &ValidatorSet) -> Vec<u8> {
        match *self {
            Statement::Vote { kind, height, view, block } => vote_bytes(chain, set, kind, height, view, block),
            Statement::PrePrepare { height, view, block } => proposal_bytes(chain, set, height, view, block),
            Statement::ViewChange { height, view, prepared } => view_change_bytes(chain, set, height, view, prepared),
            Statement::Status { height, block } => {
                let mut bytes = statement_head(Domain::Status, chain, set, height, View(0));
                bytes.extend_from_slice(&block.0.0);
                bytes
            }
        }
    }
}

/// A prepare or a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Vote {
    /// Height voted on.
    pub height: Height,
    /// View voted in.
    pub view: View,
    /// The block.
    pub block: BlockId,
}

/// One validator's view-change as a justification carries it: the claim without its certificate. The signature covers
/// the claim only, so a justification is linear in n: the certificate of the highest claim travels once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Claim {
    /// Who asked for the view.
    pub validator: ValidatorIndex,
    /// The highest prepared view it reported.
    pub prepared: Option<PreparedAt>,
    /// Its signature on [`Statement::ViewChange`].
    pub signature: Signature,
}

/// Why a primary may propose a block in a view above 0.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Justification {
    /// View-changes of a quorum, strictly ascending by validator.
    pub claims: Vec<Claim>,
    /// The prepared certificate of the highest view claimed; `None` if none claims any.
    pub prepared: Option<Certificate>,
}

/// A primary's proposal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PrePrepare {
    /// Height proposed for.
    pub height: Height,
    /// View proposed in.
    pub view: View,
    /// The block.
    pub block: Arc<Block>,
    /// `None` in view 0 and only there.
    pub justification: Option<Justification>,
}

impl PrePrepare {
    /// Whether the block is new, not one that a justification carries over from an earlier view.
    pub fn is_fresh(&self) -> bool {
        self.justification.as_ref().is_none_or(|j| j.prepared.is_none())
    }
}

/// A request to leave all views below `view`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ViewChange {
    /// Height it is about.
    pub height: Height,
    /// The view asked for.
    pub view: View,
    /// The highest prepared certificate the sender holds.
    pub prepared: Option<Certificate>,
    /// The block of that certificate, on the copy for the primary of the new view only; not signed, bound by its id.
    pub block: Option<Arc<Block>>,
}

/// What a validator has decided, with the proof.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Status {
    /// The decided block; the genesis hash if no block is decided yet.
    pub block: BlockId,
    /// Its commit certificate; `None` only at genesis.
    pub certificate: Option<Certificate>,
}

impl Status {
    /// The decided height.
    pub fn height(&self) -> Height {
        self.certificate.as_ref().map_or(Height(0), |c| c.height)
    }
}

/// Everything validators send each other.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Message {
    /// A proposal.
    PrePrepare(PrePrepare),
    /// A prepare.
    Prepare(Vote),
    /// A commit.
    Commit(Vote),
    /// A request for a view.
    ViewChange(ViewChange),
    /// A decided height with its proof.
    Status(Status),
}

impl Message {
    /// The part that is signed.
    pub fn statement(&self) -> Statement {
        match self {
            Message::PrePrepare(p) => {
                Statement::PrePrepare { height: p.height, view: p.view, block: p.block.header.id() }
            }
            Message::Prepare(v) => vote_statement(VoteKind::Prepare, v),
            Message::Commit(v) => vote_statement(VoteKind::Commit, v),
            Message::ViewChange(c) => Statement::ViewChange {
                height: c.height,
                view: c.view,
                prepared: c.prepared.as_ref().map(|p| PreparedAt { view: p.view, block: p.block }),
            },
            Message::Status(s) => Statement::Status { height: s.height(), block: s.block },
        }
    }

    /// The height it is about; of a status, the decided one.
    pub fn height(&self) -> Height {
        match self {
            Message::PrePrepare(p) => p.height,
            Message::Prepare(v) | Message::Commit(v) => v.height,
            Message::ViewChange(c) => c.height,
            Message::Status(s) => s.height(),
        }
    }

    /// The view it is about; of a status, 0.
    pub fn view(&self) -> View {
        match self {
            Message::PrePrepare(p) => p.view,
            Message::Prepare(v) | Message::Commit(v) => v.view,
            Message::ViewChange(c) => c.view,
            Message::Status(_) => View(0),
        }
    }

    /// Its name, for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Message::PrePrepare(_) => "pre-prepare",
            Message::Prepare(_) => "prepare",
            Message::Commit(_) => "commit",
            Message::ViewChange(_) => "view-change",
            Message::Status(_) => "status",
        }
    }
}

fn vote_statement(kind: VoteKind, vote: &Vote) -> Statement {
    Statement::Vote { kind, height: vote.height, view: vote.view, block: vote.block }
}

/// A message as it travels and as it is recorded: it claims to be signed by `sender`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Signed {
    /// [`MESSAGE_VERSION`].
    pub version: u8,
    /// Who claims to have signed.
    pub sender: ValidatorIndex,
    /// Signature on the statement of the message.
    pub signature: Signature,
    /// The message.
    pub message: Message,
}

/// Why bytes or a message are refused; one variant a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The bytes are no message.
    #[error("no message: {0}")]
    Codec(#[from] CodecError),
    /// Another version of the layout.
    #[error("message version {got} is not {MESSAGE_VERSION}")]
    Version {
        /// The version given.
        got: u8,
    },
    /// The sender is not in the set.
    #[error("sender {index} is not in the validator set")]
    Sender {
        /// The sender given.
        index: ValidatorIndex,
    },
    /// The sender did not sign this.
    #[error("the signature of sender {index} does not verify")]
    Signature {
        /// The sender given.
        index: ValidatorIndex,
    },
    /// A proposal from a validator that is not the primary of its view.
    #[error("validator {sender} is not the primary of view {view} at height {height}")]
    NotPrimary {
        /// Who proposed.
        sender: ValidatorIndex,
        /// The height.
        height: Height,
        /// The view.
        view: View,
    },
    /// The block inside is of another height than the message.
    #[error("the block has height {got}, the message {expected}")]
    BlockHeight {
        /// Height of the message.
        expected: Height,
        /// Height of the block.
        got: Height,
    },
    /// The block's transactions are not those its header binds.
    #[error("the transactions of block {block} are not those of its header")]
    TransactionsRoot {
        /// The header's id.
        block: BlockId,
    },
    /// The block's evidence is not what its header binds.
    #[error("the evidence of block {block} is not that of its header")]
    EvidenceRoot {
        /// The header's id.
        block: BlockId,
    },
    /// The block is not the one a certificate names.
    #[error("the block is {got}, the certificate's {expected}")]
    BlockMismatch {
        /// The certificate's block.
        expected: BlockId,
        /// The block given.
        got: BlockId,
    },
    /// A block without the certificate that names it.
    #[error("a view-change carries a block without a prepared certificate")]
    UnclaimedBlock,
    /// View 0 has no justification, every later view needs one.
    #[error("view {view} comes with the wrong kind of justification")]
    JustificationKind {
        /// The view.
        view: View,
    },
    /// The claims of a justification are not strictly ascending members of the set.
    #[error("claims must be of members, strictly ascending; {index} is not")]
    Claims {
        /// The first one out of place.
        index: ValidatorIndex,
    },
    /// Too few claims.
    #[error("{got} claims are fewer than the quorum of {quorum}")]
    NoQuorum {
        /// Claims given.
        got: usize,
        /// Claims needed.
        quorum: usize,
    },
    /// A claim whose signature does not verify.
    #[error("the claim of validator {index} does not verify")]
    ClaimSignature {
        /// Whose.
        index: ValidatorIndex,
    },
    /// A prepared view that is not below the view asked for.
    #[error("prepared view {prepared} is not below view {view}")]
    PreparedView {
        /// The view asked for.
        view: View,
        /// The prepared view reported.
        prepared: View,
    },
    /// The certificate carried is not that of the highest view claimed.
    #[error("the highest prepared view claimed is {claimed:?}, the certificate is of {carried:?}")]
    HighestPrepared {
        /// The highest view claimed.
        claimed: Option<View>,
        /// The view of the certificate carried.
        carried: Option<View>,
    },
    /// A view-change to view 0, where every height starts.
    #[error("nobody can ask for view 0")]
    ViewZero,
    /// A certificate of the wrong kind or height.
    #[error("a certificate of {got:?} at height {got_height} stands where one of {expected:?} at {height} should")]
    CertificateKind {
        /// Kind needed.
        expected: VoteKind,
        /// Height needed.
        height: Height,
        /// Kind given.
        got: VoteKind,
        /// Height given.
        got_height: Height,
    },
    /// A certificate that proves nothing.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A status of genesis that names another genesis.
    #[error("the status names genesis {got}")]
    Genesis {
        /// The genesis named.
        got: BlockId,
    },
}

impl Signed {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// A message from bytes of at most [`MAX_MESSAGE`].
    ///
    /// # Errors
    /// [`MessageError::Codec`] or [`MessageError::Version`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        // The version is the first byte so that another layout is named instead of called malformed.
        if let Some(got) = bytes.first().filter(|v| **v != MESSAGE_VERSION) {
            return Err(MessageError::Version { got: *got });
        }
        Ok(codec::decode(bytes, MAX_MESSAGE)?)
    }

    /// Checks everything that depends on nothing but the chain and the set. Cheap checks come before signatures.
    ///
    /// # Errors
    /// [`MessageError`] for the first rule broken.
    pub fn verify(self, chain: &Hash, set: &ValidatorSet) -> Result<Verified, MessageError> {
        self.authenticate(chain, set)?.prove(chain, set)
    }

    /// The first half of [`Signed::verify`]: its shape and its sender's signature.
    ///
    /// # Errors
    /// [`MessageError`] for the first rule broken.
    pub fn authenticate(self, chain: &Hash, set: &ValidatorSet) -> Result<Authentic, MessageError> {
        if self.version != MESSAGE_VERSION {
            return Err(MessageError::Version { got: self.version });
        }
        let index = self.sender;
        let member = set.get(index).ok_or(MessageError::Sender { index })?;
        self.message.check_shape(index, set)?;
        verify(&member.key, &self.message.statement().bytes(chain, set), &self.signature)
            .map_err(|_| MessageError::Signature { index })?;
        Ok(Authentic(self))
    }
}

/// A message that its sender signed. What it carries is not checked yet: blocks, certificates and claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentic(Signed);

/// One transaction of a proposal's block, to whoever puts the block together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// It was here before, verified.
    Held(Arc<VerifiedTransaction>),
    /// It came with the proposal.
    Sent(Arc<Transaction>),
}

impl Part {
    /// The transaction, if it was here before.
    pub fn held(&self) -> Option<&Arc<VerifiedTransaction>> {
        match self {
            Part::Held(transaction) => Some(transaction),
            Part::Sent(_) => None,
        }
    }

    fn leaf(&self) -> Hash {
        match self {
            Part::Held(transaction) => transaction.leaf(),
            Part::Sent(transaction) => transaction_leaf(transaction),
        }
    }

    fn into_transaction(self) -> Arc<Transaction> {
        match self {
            Part::Held(transaction) => transaction.transaction().clone(),
            Part::Sent(transaction) => transaction,
        }
    }
}

impl Authentic {
    /// The message, as far as it came.
    pub fn signed(&self) -> &Signed {
        &self.0
    }

    /// The second half of [`Signed::verify`]: what the message carries.
    ///
    /// # Errors
    /// [`MessageError`] for the first rule broken.
    pub fn prove(self, chain: &Hash, set: &ValidatorSet) -> Result<Verified, MessageError> {
        if let Message::PrePrepare(p) = &self.0.message {
            check_transactions(&p.block, transactions_root(&p.block.transactions))?;
        }
        self.prove_rest(chain, set)
    }

    /// As [`Authentic::prove`], of a proposal whose block came without its transactions: these are they, in their order.
    /// The hash of one that was held before is not computed again. Of any other message they are no part.
    ///
    /// # Errors
    /// [`MessageError`] for the first rule broken.
    pub fn prove_with(
        mut self,
        transactions: Vec<Part>,
        chain: &Hash,
        set: &ValidatorSet,
    ) -> Result<Verified, MessageError> {
        if let Message::PrePrepare(p) = &mut self.0.message {
            check_transactions(&p.block, merkle::root(&transactions.iter().map(Part::leaf).collect::<Vec<_>>()))?;
            Arc::make_mut(&mut p.block).transactions = transactions.into_iter().map(Part::into_transaction).collect();
        }
        self.prove_rest(chain, set)
    }

    /// Everything but the transactions of a proposal.
    fn prove_rest(self, chain: &Hash, set: &ValidatorSet) -> Result<Verified, MessageError> {
        self.0.message.check_proofs(chain, set)?;
        Ok(Verified(self.0))
    }
}

impl Message {
    fn check_shape(&self, sender: ValidatorIndex, set: &ValidatorSet) -> Result<(), MessageError> {
        match self {
            Message::PrePrepare(p) => {
                let (height, view) = (p.height, p.view);
                if sender != set.primary(height, view) {
                    return Err(MessageError::NotPrimary { sender, height, view });
                }
                check_height(&p.block, height)?;
                match &p.justification {
                    None if view == View(0) => Ok(()),
                    Some(justification) if view > View(0) => check_justification(justification, p, set),
                    _ => Err(MessageError::JustificationKind { view }),
                }
            }
            Message::Prepare(_) | Message::Commit(_) => Ok(()),
            Message::ViewChange(c) => {
                if c.view == View(0) {
                    return Err(MessageError::ViewZero);
                }
                match (&c.prepared, &c.block) {
                    (None, None) => Ok(()),
                    (None, Some(_)) => Err(MessageError::UnclaimedBlock),
                    (Some(prepared), block) => {
                        check_prepared(prepared, c.height, c.view)?;
                        block.as_ref().map_or(Ok(()), |b| check_height(b, c.height).and(check_id(b, prepared.block)))
                    }
                }
            }
            Message::Status(s) => s.certificate.as_ref().map_or(Ok(()), |c| {
                check_kind(c, VoteKind::Commit, c.height)?;
                if c.block == s.block {
                    Ok(())
                } else {
                    Err(MessageError::BlockMismatch { expected: c.block, got: s.block })
                }
            }),
        }
    }

    /// All that a message carries but the transactions of a proposal.
    fn check_proofs(&self, chain: &Hash, set: &ValidatorSet) -> Result<(), MessageError> {
        match self {
            Message::PrePrepare(p) => {
                check_evidence(&p.block)?;
                let Some(justification) = &p.justification else { return Ok(()) };
                let mut batch = Batch::new();
                for claim in &justification.claims {
                    let index = claim.validator;
                    let member = set.get(index).ok_or(MessageError::Claims { index })?;
                    let said = Statement::ViewChange { height: p.height, view: p.view, prepared: claim.prepared };
                    batch.push(&member.key, &said.bytes(chain, set), &claim.signature);
                }
                batch
                    .verify()
                    .map_err(|bad| MessageError::ClaimSignature { index: justification.claims[bad[0]].validator })?;
                justification.prepared.as_ref().map_or(Ok(()), |c| Ok(c.verify(chain, set)?))
            }
            Message::Prepare(_) | Message::Commit(_) => Ok(()),
            Message::ViewChange(c) => {
                c.prepared.as_ref().map_or(Ok(()), |p| p.verify(chain, set))?;
                c.block.as_ref().map_or(Ok(()), |b| check_body(b))
            }
            Message::Status(s) => match &s.certificate {
                Some(certificate) => Ok(certificate.verify(chain, set)?),
                None if s.block == BlockId(*chain) => Ok(()),
                None => Err(MessageError::Genesis { got: s.block }),
            },
        }
    }
}

/// R1 for views above 0: a quorum of distinct claims, and the certificate of the highest one.
fn check_justification(
    justification: &Justification,
    proposal: &PrePrepare,
    set: &ValidatorSet,
) -> Result<(), MessageError> {
    let claims = &justification.claims;
    for (i, claim) in claims.iter().enumerate() {
        let ascending = i == 0 || claims[i - 1].validator < claim.validator;
        if !ascending || set.get(claim.validator).is_none() {
            return Err(MessageError::Claims { index: claim.validator });
        }
        if let Some(at) = claim.prepared.filter(|at| at.view >= proposal.view) {
            return Err(MessageError::PreparedView { view: proposal.view, prepared: at.view });
        }
    }
    if claims.len() < set.quorum() {
        return Err(MessageError::NoQuorum { got: claims.len(), quorum: set.quorum() });
    }
    let claimed = claims.iter().filter_map(|c| c.prepared).map(|at| at.view).max();
    let carried = justification.prepared.as_ref().map(|c| c.view);
    if claimed != carried {
        return Err(MessageError::HighestPrepared { claimed, carried });
    }
    justification.prepared.as_ref().map_or(Ok(()), |prepared| {
        check_prepared(prepared, proposal.height, proposal.view)?;
        check_id(&proposal.block, prepared.block)
    })
}

fn check_prepared(prepared: &Certificate, height: Height, view: View) -> Result<(), MessageError> {
    check_kind(prepared, VoteKind::Prepare, height)?;
    if prepared.view < view { Ok(()) } else { Err(MessageError::PreparedView { view, prepared: prepared.view }) }
}

fn check_kind(certificate: &Certificate, expected: VoteKind, height: Height) -> Result<(), MessageError> {
    let (got, got_height) = (certificate.kind, certificate.height);
    if got == expected && got_height == height {
        Ok(())
    } else {
        Err(MessageError::CertificateKind { expected, height, got, got_height })
    }
}

fn check_height(block: &Block, expected: Height) -> Result<(), MessageError> {
    let got = block.header.height;
    if got == expected { Ok(()) } else { Err(MessageError::BlockHeight { expected, got }) }
}

fn check_id(block: &Block, expected: BlockId) -> Result<(), MessageError> {
    let got = block.id();
    if got == expected { Ok(()) } else { Err(MessageError::BlockMismatch { expected, got }) }
}

/// The id covers the header only; without this check one id could stand for two different bodies.
fn check_body(block: &Block) -> Result<(), MessageError> {
    check_transactions(block, transactions_root(&block.transactions))?;
    check_evidence(block)
}

fn check_transactions(block: &Block, root: Hash) -> Result<(), MessageError> {
    if root == block.header.transactions_root {
        Ok(())
    } else {
        Err(MessageError::TransactionsRoot { block: block.id() })
    }
}

fn check_evidence(block: &Block) -> Result<(), MessageError> {
    if evidence_root(&block.evidence) == block.header.evidence_root {
        Ok(())
    } else {
        Err(MessageError::EvidenceRoot { block: block.id() })
    }
}

/// A message that passed [`Signed::verify`], or both its halves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified(Signed);

impl Verified {
    /// Who signed it.
    pub fn sender(&self) -> ValidatorIndex {
        self.0.sender
    }

    /// What it says.
    pub fn message(&self) -> &Message {
        &self.0.message
    }

    /// The message as it travels.
    pub fn signed(&self) -> &Signed {
        &self.0
    }

    /// The message as it travels.
    pub fn into_signed(self) -> Signed {
        self.0
    }

    /// The message without the block attached to a view-change, which its signature does not cover.
    pub(crate) fn without_attachment(mut self) -> Self {
        if let Message::ViewChange(change) = &mut self.0.message {
            change.block = None;
        }
        self
    }
}

/// A block with the certificate that decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidedBlock {
    block: Arc<Block>,
    certificate: Certificate,
}

impl DecidedBlock {
    /// A block fetched from a peer: the certificate is a quorum's commits for exactly this block.
    ///
    /// # Errors
    /// [`MessageError`] for the first rule broken.
    pub fn verify(
        block: Arc<Block>,
        certificate: Certificate,
        chain: &Hash,
        set: &ValidatorSet,
    ) -> Result<Self, MessageError> {
        check_kind(&certificate, VoteKind::Commit, block.header.height)?;
        check_id(&block, certificate.block)?;
        certificate.verify(chain, set)?;
        check_body(&block)?;
        Ok(DecidedBlock { block, certificate })
    }

    /// A block and a certificate that the replica verified part by part.
    pub(crate) fn new(block: Arc<Block>, certificate: Certificate) -> Self {
        DecidedBlock { block, certificate }
    }

    /// The block.
    pub fn block(&self) -> &Arc<Block> {
        &self.block
    }

    /// Its commit certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Both parts.
    pub fn into_parts(self) -> (Arc<Block>, Certificate) {
        (self.block, self.certificate)
    }
}
