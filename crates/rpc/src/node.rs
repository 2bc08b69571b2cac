//! `node_*` and `net_*`: the node itself and whom it talks to.

use jsonrpsee::core::RegisterMethodError;
use vostro_api::node::Peers;

use crate::methods::{Method, Methods};

pub(crate) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods
        .read(Method { name: "node_info", about: "Who this node is.", params: &[], result: "NodeInfo" }, |api, _| {
            Ok(api.backend.node_info())
        })?;
    methods.read(
        Method { name: "net_peers", about: "The peers this node knows.", params: &[], result: "Peers" },
        |api, _| {
            let mut peers = api.backend.peers();
            peers.sort_by(|a, b| a.peer_id.cmp(&b.peer_id));
            Ok(Peers { peers })
        },
    )
}
