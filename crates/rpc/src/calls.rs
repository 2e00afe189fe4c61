//! Which calls exist (from the descriptors) and which service may make them (from `docs/calls.txt`).
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::LazyLock,
};

use prost::Message;
use prost_types::FileDescriptorSet;

const ALLOWED: &str = include_str!("../../../docs/calls.txt");

static METHODS: LazyLock<HashMap<String, Method>> = LazyLock::new(methods);
static CALLS: LazyLock<HashSet<(&str, &str)>> = LazyLock::new(|| parse(ALLOWED));

/// One RPC, as labels and rules need it.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    pub(crate) service: String,
    pub(crate) name: String,
    /// The answer is a stream that may last: a deadline holds for its beginning only.
    pub(crate) is_streaming: bool,
}

/// The RPC at `/package.Service/Name`, if there is one.
pub(crate) fn method(path: &str) -> Option<&'static Method> {
    METHODS.get(path)
}

/// The full names of the gRPC services that the binary `name` serves.
pub(crate) fn services_of(name: &str) -> BTreeSet<String> {
    // The package is the binary's name without its hyphen; the one exception is named for what it offers.
    let package = if name == "subs-worker" { "subscription".to_owned() } else { name.replace('-', "") };
    let ours = format!("vitrine.{package}.");
    METHODS
        .values()
        .map(|method| method.service.clone())
        .filter(|service| service.starts_with(&ours))
        .collect()
}

/// How the file marks a call that no service makes yet; a certificate of that name gets nothing by it.
const NOBODY: &str = "nobody";

/// Denied unless the file says otherwise. Health and reflection are open to every certificate of the fleet.
pub(crate) fn is_allowed(peer: &str, path: &str) -> bool {
    let rpc = path.trim_start_matches('/');
    let is_listed = peer != NOBODY && CALLS.contains(&(peer, rpc));
    rpc.starts_with("grpc.health.v1.") || rpc.starts_with("grpc.reflection.") || is_listed
}

/// Lines of `caller -> package.Service/Rpc`; `#` begins a comment.
fn parse(text: &str) -> HashSet<(&str, &str)> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.filter_map(|line| line.split_once("->")).map(|(caller, rpc)| (caller.trim(), rpc.trim())).collect()
}

fn methods() -> HashMap<String, Method> {
    let mut methods = HashMap::new();
    let ours = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap_or_default();
    for file in ours.file {
        for service in &file.service {
            let service_name = format!("{}.{}", file.package(), service.name());
            for rpc in &service.method {
                let (service, name) = (service_name.clone(), rpc.name().to_owned());
                let method = Method { service, name, is_streaming: rpc.server_streaming() };
                methods.insert(format!("/{service_name}/{}", rpc.name()), method);
            }
        }
    }
    for (name, is_streaming) in [("Check", false), ("Watch", true)] {
        let (service, name) = ("grpc.health.v1.Health".to_owned(), name.to_owned());
        methods.insert(format!("/{service}/{name}"), Method { service, name, is_streaming });
    }
    methods
}

#[cfg(test)]
mod tests {
    use super::{is_allowed, parse};

    #[test]
    fn a_line_is_one_caller_and_one_rpc() {
        let calls = parse("# who\n\na -> x.v1.S/Get # why\n b  ->  x.v1.S/Put\n");
        assert_eq!(calls, [("a", "x.v1.S/Get"), ("b", "x.v1.S/Put")].into());
    }

    #[test]
    fn what_the_file_does_not_name_is_denied() {
        assert!(is_allowed("gateway", "/vitrine.auth.v1.AuthService/IssueNonce"));
        assert!(!is_allowed("wallet", "/vitrine.auth.v1.AuthService/IssueNonce"));
        assert!(!is_allowed("gateway", "/vitrine.auth.v1.AuthService/NoSuchCall"));
        assert!(is_allowed("wallet", "/grpc.health.v1.Health/Check"));
        assert!(!is_allowed("nobody", "/vitrine.wallet.v1.WalletService/ListApprovals"));
    }
}
