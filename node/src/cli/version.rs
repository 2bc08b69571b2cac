//! `version`: which binary this is and which formats it speaks.

use color_eyre::eyre::Result;
use serde::Serialize;

use crate::output::{Output, pairs};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    name: &'static str,
    version: &'static str,
    transaction_version: u8,
    header_version: u8,
    genesis_version: u32,
    key_file_version: u32,
    target: String,
}

/// Prints the versions.
///
/// # Errors
/// If standard output cannot be written.
pub fn run(output: Output) -> Result<()> {
    let version = Version {
        name: "vostro",
        version: env!("CARGO_PKG_VERSION"),
        transaction_version: vostro_types::transaction::BODY_VERSION,
        header_version: vostro_types::block::HEADER_VERSION,
        genesis_version: vostro_types::genesis::GENESIS_VERSION,
        key_file_version: crate::keystore::KEY_FILE_VERSION,
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
    };
    output.show(&version, || {
        pairs([
            (version.name, version.version.to_string()),
            ("transactions", format!("version {}", version.transaction_version)),
            ("headers", format!("version {}", version.header_version)),
            ("genesis", format!("version {}", version.genesis_version)),
            ("key files", format!("version {}", version.key_file_version)),
            ("target", version.target.clone()),
        ])
    })
}
