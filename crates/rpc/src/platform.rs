//! `platform_*`: who takes part in the chain.

use jsonrpsee::core::RegisterMethodError;
use vostro_api::ledger::{PlatformJson, PlatformList};
use vostro_types::AccountKind;

use crate::methods::{Api, Method, Methods};

pub(crate) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.read(
        Method {
            name: "platform_list",
            about: "The platforms, their accounts and the validators they run.",
            params: &[],
            result: "PlatformList",
        },
        |api, _| Ok(list(api)),
    )
}

fn list(api: &Api) -> PlatformList {
    let genesis = api.backend.genesis();
    let mut platforms: Vec<PlatformJson> = genesis
        .accounts
        .iter()
        .filter(|a| a.kind == AccountKind::Platform)
        .map(|a| {
            let account = a.id();
            let validators = genesis.validators.iter().filter(|v| v.platform == account);
            PlatformJson {
                account,
                name: a.name.to_string(),
                validators: validators.map(|v| v.name.to_string()).collect(),
            }
        })
        .collect();
    platforms.sort_by(|a, b| a.name.cmp(&b.name));
    PlatformList { platforms }
}
