//! `audit`: replays a home offline and says what differs.

use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre::{Result, bail};

use crate::audit::{Audit, audit};
use crate::output::{Output, pairs};

/// Which home to audit.
#[derive(Args, Debug)]
pub struct AuditArgs {
    /// The node's home; the node must not be running
    #[arg(long, env = "VOSTRO_HOME", value_name = "DIR")]
    pub home: PathBuf,
}

fn text(audit: &Audit) -> String {
    let verdict = if audit.clean { "clean" } else { "NOT CLEAN" };
    let mut text = pairs([
        ("verdict", verdict.to_string()),
        ("home", audit.home.clone()),
        ("height", audit.height.to_string()),
        ("state root", audit.state_root.clone()),
        ("blocks replayed", audit.blocks.to_string()),
        ("transactions", format!("{} ({} rejected by a rule)", audit.transactions, audit.rejected)),
        ("certificate signatures", audit.certificate_signatures.to_string()),
        ("invariants checked", format!("{} times", audit.invariant_checks)),
    ]);
    for problem in &audit.problems {
        text.push_str(&format!("\nproblem  {problem}"));
    }
    text
}

/// Audits a home.
///
/// # Errors
/// If it cannot be opened, or if anything differs.
pub async fn run(args: AuditArgs, output: Output) -> Result<()> {
    let home = args.home;
    let found = tokio::task::spawn_blocking(move || {
        let mut bar = None;
        let found = audit(&home, |height, last| {
            bar.get_or_insert_with(|| output.progress(last, "replaying blocks")).set_position(height);
        });
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        found
    })
    .await??;
    output.show(&found, || text(&found))?;
    if !found.clean {
        bail!("{} problems in {}", found.problems.len(), found.home);
    }
    Ok(())
}
