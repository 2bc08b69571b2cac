//! Cover, the mutual fund and windows of netting.

use clap::{Args, Subcommand};
use color_eyre::eyre::Result;
use vostro_types::transaction::{
    CloseWindow, FundContribute, FundRelease, LockCollateral, SettleWindow, UnlockCollateral,
};
use vostro_types::{Action, Amount, AssetCode};

use super::super::remote::asset;
use super::{SendArgs, act};
use crate::output::Output;

/// Verbs about netting.
#[allow(clippy::large_enum_variant)] // there is one, once
#[derive(Subcommand, Debug)]
pub enum NettingCommand {
    /// Lock money as cover for netting windows, or take back what they do not need (as a platform)
    #[command(subcommand)]
    Collateral(CollateralCommand),
    /// Contribute to the mutual fund of an asset, or take a contribution back (as a platform)
    #[command(subcommand)]
    Fund(FundCommand),
    /// Close or settle a netting window (as a platform)
    #[command(subcommand)]
    Window(WindowCommand),
}

/// Verbs about cover.
#[derive(Subcommand, Debug)]
pub enum CollateralCommand {
    /// Available money becomes cover
    Lock(SumArgs),
    /// Cover that no window needs becomes available
    Unlock(SumArgs),
}

/// Verbs about the mutual fund.
#[derive(Subcommand, Debug)]
pub enum FundCommand {
    /// Available money becomes your contribution
    Contribute(SumArgs),
    /// Your contribution becomes available, while no window waits
    Release(SumArgs),
}

/// Verbs about windows.
#[derive(Subcommand, Debug)]
pub enum WindowCommand {
    /// Freeze the open window and open the next
    Close(WindowArgs),
    /// Pay what everybody owes and is owed in the oldest closed window
    Settle(WindowArgs),
}

/// How much.
#[derive(Args, Clone, Debug)]
pub struct SumArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub send: SendArgs,
    /// How much
    #[arg(long)]
    pub amount: String,
    /// Which asset, if the chain has several
    #[arg(long)]
    pub asset: Option<String>,
}

/// Which window.
#[derive(Args, Clone, Debug)]
pub struct WindowArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub send: SendArgs,
    /// Which asset, if the chain has several
    #[arg(long)]
    pub asset: Option<String>,
    /// The window's number (`query window` shows it)
    #[arg(long)]
    pub window: u64,
}

/// Runs one of these verbs.
///
/// # Errors
/// No answer, or the rule that refused.
pub(super) async fn run(command: NettingCommand, output: Output) -> Result<()> {
    use NettingCommand::{Collateral, Fund, Window};
    let sum = |action: fn(AssetCode, Amount) -> Action, args| move_sum(args, action, output);
    match command {
        Collateral(CollateralCommand::Lock(args)) => {
            sum(|asset, amount| Action::LockCollateral(LockCollateral { asset, amount }), args).await
        }
        Collateral(CollateralCommand::Unlock(args)) => {
            sum(|asset, amount| Action::UnlockCollateral(UnlockCollateral { asset, amount }), args).await
        }
        Fund(FundCommand::Contribute(args)) => {
            sum(|asset, amount| Action::FundContribute(FundContribute { asset, amount }), args).await
        }
        Fund(FundCommand::Release(args)) => {
            sum(|asset, amount| Action::FundRelease(FundRelease { asset, amount }), args).await
        }
        Window(WindowCommand::Close(args)) => {
            of_window(args, |asset, window| Action::CloseWindow(CloseWindow { asset, window }), output).await
        }
        Window(WindowCommand::Settle(args)) => {
            of_window(args, |asset, window| Action::SettleWindow(SettleWindow { asset, window }), output).await
        }
    }
}

async fn move_sum(args: SumArgs, action: fn(AssetCode, Amount) -> Action, output: Output) -> Result<()> {
    act(&args.send, None, output, |chain| {
        let asset = asset(chain, args.asset.as_deref())?;
        Ok((action(asset.code, asset.parse(&args.amount)?), Some(asset.code)))
    })
    .await
}

async fn of_window(args: WindowArgs, action: fn(AssetCode, u64) -> Action, output: Output) -> Result<()> {
    act(&args.send, None, output, |chain| {
        let asset = asset(chain, args.asset.as_deref())?;
        Ok((action(asset.code, args.window), Some(asset.code)))
    })
    .await
}
