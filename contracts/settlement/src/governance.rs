//! Governance: validators' platforms change parameters by vote.
//!
//! ```text
//! Propose ─→ OPEN ─ approvals of n − f validators → APPROVED ─ its height → DONE, or VOID if it no longer fits
//!              └ 30 days pass: it stays open but takes no approval
//! ```
//!
//! Invariant: parameters change only by proposals that a quorum of validators approved, at the end of a block and by
//! `Parameters::with`, so that whatever the state holds is within bounds. A proposal keeps its value for ever.

use std::rc::Rc;

use vostro_types::transaction::{Approve, Propose};
use vostro_types::validators::quorum;
use vostro_types::{AccountId, Event, Height, Label, TxId};

use crate::authority::Call;
use crate::books::{Books, Effects};
use crate::ledger::{Ledger, Reader};
use crate::model::{Proposal, ProposalState};
use crate::rejection::{Rejection, refuse, same_or_conflict};
use crate::tables::{NETWORK, OPEN_PROPOSALS, PROPOSALS, SCHEDULE, VALIDATORS};
use crate::{BlockContext, Done, read};

/// Most open proposals of a platform that have not expired.
pub const MAX_OPEN_PROPOSALS: usize = 16;
/// How long a proposal takes approvals: 30 days, in milliseconds.
pub const PROPOSAL_MS: u64 = 30 * 86_400_000;
/// How far ahead of the block a proposal may name its height.
pub const MAX_LEAD: u64 = 10_000_000;
/// Most proposals that take effect at the end of one block; the rest does at the next one's.
pub const MAX_CHANGES_PER_BLOCK: usize = 32;

pub(crate) fn propose(call: &Call<'_>, action: &Propose, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let validators = require_validator(call, reader)?;
    let key = (call.sender, action.proposal.clone());
    if let Some(old) = PROPOSALS.get(reader, &key) {
        same_or_conflict(&[
            ("parameter", old.parameter == action.parameter),
            ("value", old.value == action.value),
            ("from_height", old.from_height == action.from_height),
        ])?;
        return Ok(Done::Replayed(old.tx));
    }
    if read::parameters(reader).with(action.parameter, action.value).is_none() {
        return Err(refuse::malformed("value"));
    }
    let (now, from_height) = (call.context.height.0, action.from_height);
    if from_height.0 <= now || from_height.0 > now.saturating_add(MAX_LEAD) {
        return Err(refuse::deadline("from_height"));
    }
    let mut open = OPEN_PROPOSALS.get(reader, &call.sender).unwrap_or_default();
    open.retain(|name| {
        let listed = PROPOSALS.get(reader, &(call.sender, name.clone()));
        listed.is_some_and(|p| p.state == ProposalState::Open && !expired(call.context, &p))
    });
    if open.len() >= MAX_OPEN_PROPOSALS {
        return Err(refuse::state("proposals"));
    }

    // Point of no return.
    let mut proposal = Proposal {
        tx: call.id(),
        at: call.context.time,
        parameter: action.parameter,
        value: action.value,
        from_height,
        approvals: Vec::new(),
        state: ProposalState::Open,
    };
    let mut books = Books::default();
    books.event(Event::ProposalMade {
        proposer: call.sender,
        proposal: action.proposal.clone(),
        parameter: action.parameter,
        value: action.value,
        from_height,
    });
    open.push(action.proposal.clone());
    OPEN_PROPOSALS.put(ledger, &call.sender, &open);
    count(call, &validators, &key, &mut proposal, &mut books, ledger);
    Ok(Done::Applied(books.commit(ledger)))
}

pub(crate) fn approve(call: &Call<'_>, action: &Approve, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let validators = require_validator(call, reader)?;
    let key = (action.proposer, action.proposal.clone());
    let mut proposal = PROPOSALS.get(reader, &key).ok_or_else(|| refuse::missing("proposal"))?;
    if let Some(own) = approval_of(&proposal, call.sender) {
        return Ok(Done::Replayed(own));
    }
    if proposal.state != ProposalState::Open {
        return Err(refuse::state("proposal"));
    }
    if expired(call.context, &proposal) {
        return Err(refuse::deadline("proposal"));
    }

    // Point of no return.
    let mut books = Books::default();
    count(call, &validators, &key, &mut proposal, &mut books, ledger);
    Ok(Done::Applied(books.commit(ledger)))
}

/// The platforms of the validators, if the sender is one of them (106).
fn require_validator(call: &Call<'_>, reader: &dyn Reader) -> Result<Vec<AccountId>, Rejection> {
    let validators = VALIDATORS.get(reader, &()).unwrap_or_default();
    if validators.contains(&call.sender) { Ok(validators) } else { Err(refuse::role("sender")) }
}

fn expired(context: &BlockContext, proposal: &Proposal) -> bool {
    context.time.since(proposal.at) > PROPOSAL_MS
}

fn approval_of(proposal: &Proposal, platform: AccountId) -> Option<TxId> {
    proposal.approvals.iter().find(|(by, _)| *by == platform).map(|(_, tx)| *tx)
}

/// How many validators the platforms that approved run.
pub(crate) fn weight(validators: &[AccountId], proposal: &Proposal) -> usize {
    validators.iter().filter(|v| approval_of(proposal, **v).is_some()).count()
}

/// Counts the sender's approval and schedules the proposal if that makes a quorum.
fn count(
    call: &Call<'_>,
    validators: &[AccountId],
    key: &(AccountId, Label),
    proposal: &mut Proposal,
    books: &mut Books,
    ledger: &mut dyn Ledger,
) {
    proposal.approvals.push((call.sender, call.id()));
    let weight = weight(validators, proposal);
    books.event(Event::ProposalApproved {
        proposer: key.0,
        proposal: key.1.clone(),
        by: call.sender,
        approvals: weight as u32, // at most the validators of a set
    });
    if weight >= quorum(validators.len()) {
        proposal.state = ProposalState::Approved;
        let Height(from) = proposal.from_height;
        let from = from.max(call.context.height.0.saturating_add(1));
        SCHEDULE.put(ledger, &(from, key.0, key.1.clone()), &());
        let mut open = OPEN_PROPOSALS.get(&*ledger, &key.0).unwrap_or_default();
        open.retain(|name| *name != key.1);
        if open.is_empty() {
            OPEN_PROPOSALS.delete(ledger, &key.0);
        } else {
            OPEN_PROPOSALS.put(ledger, &key.0, &open);
        }
    }
    PROPOSALS.put(ledger, key, proposal);
}

/// Lets what was approved take effect when its height has come: blocks after this one work with it.
pub(crate) fn fire(context: &BlockContext, ledger: &mut dyn Ledger) -> Vec<((AccountId, Label), Effects)> {
    let bound = context.height.0.saturating_add(2); // what begins with the next block
    let due = SCHEDULE.below(&*ledger, &bound, MAX_CHANGES_PER_BLOCK);
    if due.is_empty() {
        return Vec::new();
    }
    let mut network = Rc::unwrap_or_clone(read::network(&*ledger));
    let mut changes = Vec::new();
    for (scheduled, ()) in due {
        SCHEDULE.delete(ledger, &scheduled);
        let (_, proposer, name) = scheduled;
        let key = (proposer, name);
        let mut proposal = PROPOSALS.get(&*ledger, &key).expect("the schedule names proposals that exist");
        let (parameter, value) = (proposal.parameter, proposal.value);
        let mut books = Books::default();
        // What it has to fit may have changed since it was proposed.
        match network.parameters.with(parameter, value) {
            Some(changed) => {
                network.parameters = changed;
                proposal.state = ProposalState::Done;
                books.event(Event::ParameterSet { parameter, value });
            }
            None => {
                proposal.state = ProposalState::Void;
                books.event(Event::ProposalVoid { proposer, proposal: key.1.clone() });
            }
        }
        PROPOSALS.put(ledger, &key, &proposal);
        changes.push((key, books.commit(ledger)));
    }
    NETWORK.put(ledger, &(), &network);
    changes
}
