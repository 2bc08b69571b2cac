//! Rules broken on purpose: the core is the one of production, and what it is shown is not what happened.
//!
//! A core that forgot its prepare is a core without the rule that it prepares once in a view; one that is shown votes
//! that nobody cast is one that asks for fewer. So each rule can be taken away by lies about the core's own past or about
//! what others signed, and the core needs no switch for it. What counts as signed in the model is what really was: the
//! disk keeps everything, whatever of it the core was shown.

use vostro_consensus::{Guard, GuardMark, Message, Record};
use vostro_types::View;

use crate::host::{Disk, Heard, Names};

/// What is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// R1: a validator prepares at most once in a view. Its earlier prepare and the proposal with it are hidden.
    PrepareOnce,
    /// R1: above view 0 claims and a certificate justify a proposal. Claims that nobody signed are shown.
    Justification,
    /// R1: the certificate carried is the highest that a quorum claims. Claims that nobody signed name a lower one.
    HighestCertificate,
    /// R1: a block that does not execute is not prepared. The host says of each that it does.
    Execution,
    /// R2: a validator commits on a prepared certificate. Prepares that nobody signed are shown.
    CommitPrepared,
    /// R2: the certificate is durable before the commit. A crash may lose it and keep the commit.
    CertificateFirst,
    /// R3: no vote below the view asked for. What was said above the vote's view is hidden.
    NoVoteBelow,
    /// R3: a request reports the highest certificate. Certificates are hidden except where prepares are counted.
    Report,
    /// The guard's own memory that there was a commit, which a request must not deny. It is hidden.
    GuardRemembers,
    /// A quorum of prepares makes a certificate: here one less does. One vote that nobody cast is shown.
    QuorumOfPrepares,
    /// A quorum of commits decides: here one less does.
    QuorumOfCommits,
    /// A quorum of requests enters a view and justifies: here one less does. One that nobody signed is shown.
    QuorumOfClaims,
}

fn view_of(record: &Record) -> View {
    match record {
        Record::Own(signed) | Record::Accepted(signed) => signed.message.view(),
        Record::Prepared(certificate) => certificate.view,
    }
}

/// The disk as the core is shown it before it hears something.
pub fn shown(names: &Names, rules: &[Rule], who: u8, disk: &Disk, heard: &Heard) -> Disk {
    let mut disk = disk.clone();
    let count = disk.records.len();
    for rule in rules {
        match (rule, heard) {
            (Rule::PrepareOnce, Heard::Propose(proposal)) => {
                let view = View(u64::from(proposal.view));
                disk.records.retain(|record| view_of(record) != view || !is_about(record, |_| true));
            }
            (Rule::PrepareOnce, Heard::Prepares { view, block, .. }) => {
                let (view, counted) = (View(u64::from(*view)), *block);
                disk.records.retain(|r| view_of(r) != view || !is_about(r, |b| names.number(b) != counted));
            }
            (Rule::NoVoteBelow, Heard::Propose(proposal)) => hide_above(&mut disk, proposal.view),
            (Rule::NoVoteBelow, Heard::Prepares { view, .. }) => hide_above(&mut disk, *view),
            (Rule::Report, Heard::Propose(_) | Heard::Changes { .. } | Heard::TimeOut(_)) => {
                disk.records.retain(|record| !matches!(record, Record::Prepared(_)));
            }
            _ => {}
        }
    }
    let forgets = rules.contains(&Rule::GuardRemembers);
    if disk.records.len() < count && !rules.contains(&Rule::Report) || forgets {
        disk.mark = mark_of(names, who, &disk, if forgets { disk.mark } else { Some(GuardMark::never_signed()) });
    }
    if forgets {
        disk.mark = disk.mark.map(|mark| GuardMark { committed: None, ..mark });
    }
    disk
}

/// Whether a record is a prepare, or a proposal of another accepted with it, of a block of that kind.
fn is_about(record: &Record, block: impl Fn(vostro_types::BlockId) -> bool) -> bool {
    match record {
        Record::Own(signed) => matches!(&signed.message, Message::Prepare(vote) if block(vote.block)),
        Record::Accepted(signed) => matches!(&signed.message, Message::PrePrepare(p) if block(p.block.id())),
        Record::Prepared(_) => false,
    }
}

fn hide_above(disk: &mut Disk, view: u8) {
    disk.records.retain(|record| view_of(record) <= View(u64::from(view)));
}

/// The guard's mark, raised by the log.
fn mark_of(names: &Names, who: u8, disk: &Disk, mark: Option<GuardMark>) -> Option<GuardMark> {
    let chain = &names.chain;
    let mut guard = Guard::new(chain.keys[usize::from(who)].clone(), mark);
    for record in &disk.records {
        if let Record::Own(signed) = record {
            guard.learn(&signed.message.statement(), &chain.hash, &chain.set);
        }
    }
    guard.mark()
}
