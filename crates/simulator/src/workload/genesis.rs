//! The first facts of a simulated network: its parameters, its validators and who is there before the first block.

use vostro_types::genesis::{ConsensusParameters, FeeSchedule, GENESIS_VERSION, GenesisAccount, Parameters};
use vostro_types::{AccountKind, Amount, Asset, Genesis, Roles, SecretKey, Time, Validator};

use super::{FEE, PLATFORMS, START, cny, id, key, label, policy, ppm, units, usd};

/// Voting keys of validators.
const VOTING: u8 = 5;
/// Network keys of validators.
const NETWORK: u8 = 6;

pub(super) fn platform(number: usize) -> SecretKey {
    key(1, number)
}

pub(super) fn gateway() -> SecretKey {
    key(2, 0)
}

/// The network's fee account, which may do nothing for anybody else: it stands for every stranger.
pub(super) fn stranger() -> SecretKey {
    key(2, 1)
}

pub(super) fn risk() -> SecretKey {
    key(2, 2)
}

pub(super) fn arbiter() -> SecretKey {
    key(2, 3)
}

pub(super) fn auditor() -> SecretKey {
    key(2, 4)
}

pub(super) fn schedule() -> FeeSchedule {
    FeeSchedule { rate: ppm(FEE), min: Amount::ZERO, cap: units(1_000_000), ..FeeSchedule::default() }
}

/// Times are so short that every deadline comes within a run.
fn parameters() -> Parameters {
    Parameters {
        day_ms: 700,
        escrow_ms: 1500,
        hold_ms: 2500,
        dispute_ms: 3000,
        resolve_ms: 1500,
        archive_ms: 3000,
        window_ms: 2000,
        max_due_per_block: 3,
        fee: schedule(),
        fee_period_ms: 60_000,
        refund_alarm: ppm(200_000),
        debit_cap: units(50_000_000),
        gateway_daily_cap: units(1_000_000_000),
        ..Parameters::BASE
    }
}

pub(super) fn genesis(validators: usize) -> (Genesis, Vec<SecretKey>) {
    let account = |name: &str, kind, key: &SecretKey| GenesisAccount {
        name: label(name),
        kind,
        policy: policy(key),
        salt: [0; 16],
        roles: Roles { risk: name == "risk", arbiter: name == "arbiter", auditor: name == "auditor" },
    };
    let mut accounts: Vec<GenesisAccount> =
        (0..PLATFORMS).map(|i| account(&format!("platform-{i}"), AccountKind::Platform, &platform(i))).collect();
    accounts.push(account("gateway", AccountKind::Gateway, &gateway()));
    accounts.push(account("fees", AccountKind::NetworkFee, &stranger()));
    accounts.push(account("risk", AccountKind::Platform, &risk()));
    accounts.push(account("arbiter", AccountKind::Platform, &arbiter()));
    accounts.push(account("auditor", AccountKind::Platform, &auditor()));
    let keys: Vec<SecretKey> = (0..validators).map(|i| key(VOTING, i)).collect();
    let member = |(i, voting): (usize, &SecretKey)| Validator {
        name: label(format!("v{i}")),
        platform: id(&platform(i % PLATFORMS)),
        key: voting.public(),
        network_key: key(NETWORK, i).public(),
    };
    let genesis = Genesis {
        version: GENESIS_VERSION,
        chain_id: label(format!("simulation-{validators}")),
        time: Time(START),
        assets: [cny(), usd()].map(|code| Asset::new(code, 2).expect("a scale")).to_vec(),
        parameters: parameters(),
        consensus: ConsensusParameters {
            base_timeout_ms: 400,
            heartbeat_ms: 3000,
            delay_ms: 200,
            precision_ms: 50,
            max_block_transactions: 20,
            max_block_bytes: 1 << 20,
        },
        validators: keys.iter().enumerate().map(member).collect(),
        accounts,
    };
    genesis.validate().expect("a genesis of the simulation is well made");
    (genesis, keys)
}
