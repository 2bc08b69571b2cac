//! The list of methods: the one table from which calls are dispatched, checked and documented.

use std::sync::Arc;

use jsonrpsee::core::RegisterMethodError;
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{Extensions, RpcModule};
use serde::Serialize;
use vostro_api::{ApiError, Directory};
use vostro_types::{AccountId, Hash, ValidatorSet};

use crate::backend::Backend;
use crate::params::{Fields, Param};
use crate::{account, chain, entitlement, node, objects, openrpc, order, platform, statement, tx, validator};

/// What every method works with.
pub(crate) struct Api {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) directory: Directory,
    pub(crate) validators: ValidatorSet,
    pub(crate) chain: Hash,
}

impl Api {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        let directory = Directory::of(backend.genesis());
        let validators = backend.genesis().validator_set();
        let chain = backend.genesis_hash();
        Api { backend, directory, validators, chain }
    }

    /// The account of a text: `vo1…` or a public name.
    pub(crate) fn account(&self, field: &str, text: &str) -> Result<AccountId, ApiError> {
        match self.directory.account(text) {
            Some(account) => Ok(account),
            None => text.parse().map_err(|e: vostro_types::IdError| ApiError::invalid_params(field, e.to_string())),
        }
    }
}

/// A method as it is declared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) params: &'static [Param],
    pub(crate) result: &'static str,
}

/// Methods in the making: what is registered is what is documented.
pub(crate) struct Methods {
    pub(crate) module: RpcModule<Api>,
    pub(crate) list: Vec<Method>,
}

fn answer<T>(result: Result<T, ApiError>) -> Result<T, ErrorObjectOwned> {
    result.map_err(|e| ErrorObjectOwned::owned(e.code, e.message, Some(e.data)))
}

impl Methods {
    /// Adds a method that may block on the disk.
    pub(crate) fn read<T: Serialize + Clone + Send + 'static>(
        &mut self,
        method: Method,
        f: impl Fn(&Api, Fields) -> Result<T, ApiError> + Clone + Send + Sync + 'static,
    ) -> Result<(), RegisterMethodError> {
        self.list.push(method);
        self.module.register_blocking_method(method.name, move |params, api, _: Extensions| {
            answer(Fields::read(&params, method.params).and_then(|fields| f(&api, fields)))
        })?;
        Ok(())
    }

    /// Adds a method that waits for something.
    pub(crate) fn wait<T, F, Fut>(&mut self, method: Method, f: F) -> Result<(), RegisterMethodError>
    where
        T: Serialize + Clone + Send + 'static,
        F: Fn(Arc<Api>, Fields) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<T, ApiError>> + Send,
    {
        self.list.push(method);
        self.module.register_async_method(method.name, move |params, api, _| {
            let (f, api) = (f.clone(), Arc::clone(&api));
            async move {
                match Fields::read(&params, method.params) {
                    Ok(fields) => answer(f(api, fields).await),
                    Err(e) => answer(Err(e)),
                }
            }
        })?;
        Ok(())
    }
}

/// Every method of the RPC.
///
/// # Errors
/// Never: names are distinct, which the tests of this crate see by starting a server.
pub(crate) fn all(api: Arc<Api>) -> Result<Methods, RegisterMethodError> {
    let mut methods = Methods { module: RpcModule::from_arc(api), list: Vec::new() };
    chain::register(&mut methods)?;
    tx::register(&mut methods)?;
    account::register(&mut methods)?;
    statement::register(&mut methods)?;
    order::register(&mut methods)?;
    entitlement::register(&mut methods)?;
    objects::register(&mut methods)?;
    platform::register(&mut methods)?;
    validator::register(&mut methods)?;
    node::register(&mut methods)?;
    openrpc::register(&mut methods)?;
    Ok(methods)
}

/// Runs what may block on a thread made for that.
pub(crate) async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(f)
        .await
        .unwrap_or_else(|_| Err(ApiError::new(vostro_api::code::INTERNAL, "the call ended before its answer")))
}
