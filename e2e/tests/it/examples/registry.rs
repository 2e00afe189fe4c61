//! Examples of administering the registry of chains: none of them changes how a chain is called.

use serde_json::{Value, json};

use super::{Example, PLAIN};
use crate::permissions::{Public, Things};

/// A version of the registry that is long gone, so that nothing is changed.
const LONG_GONE: &str = "1";

fn endpoints(_: &Public, _: &Things) -> Value {
    json!({ "input": { "chainId": "eip155:31337", "expectedVersion": LONG_GONE,
        "endpoints": [{ "url": "http://127.0.0.1:9" }] } })
}

pub(super) const EXAMPLES: &[Example] = &[
    Example {
        field: "Query.registryAudit",
        query: "{ it: registryAudit { nodes { version action } } }",
        ..PLAIN
    },
    Example {
        field: "Mutation.upsertChain",
        query: "mutation ($input: UpsertChainInput!) {
            it: upsertChain(input: $input) { __typename ... on Problem { code message } } }",
        given: |_, _| {
            json!({ "input": { "chainId": "eip155:31337", "name": "Local", "nativeSymbol": "ETH", "enabled": true,
            "confirmations": 1, "reorgDepth": 64, "expectedVersion": LONG_GONE,
            "endpoints": [{ "url": "http://127.0.0.1:9" }] } })
        },
        ..PLAIN
    },
    Example {
        field: "Mutation.enableChain",
        query: "mutation ($input: SetChainEndpointsInput!) {
            it: enableChain(input: $input) { __typename ... on Problem { code message } } }",
        given: endpoints,
        ..PLAIN
    },
    Example {
        field: "Mutation.setChainEndpoints",
        query: "mutation ($input: SetChainEndpointsInput!) {
            it: setChainEndpoints(input: $input) { __typename ... on Problem { code message } } }",
        given: endpoints,
        ..PLAIN
    },
    Example {
        field: "Mutation.setGasPolicy",
        query: "mutation ($input: SetGasPolicyInput!) {
            it: setGasPolicy(input: $input) { __typename ... on Problem { code message } } }",
        given: |_, _| {
            json!({ "input": { "chainId": "eip155:31337", "expectedVersion": LONG_GONE,
            "gasPolicy": { "multiplier": "1.25" } } })
        },
        ..PLAIN
    },
    Example {
        field: "Mutation.upsertChainContract",
        query: "mutation ($input: UpsertChainContractInput!) {
            it: upsertChainContract(input: $input) { __typename ... on Problem { code message } } }",
        given: |_, things| {
            json!({ "input": { "chainId": "eip155:31337", "expectedVersion": LONG_GONE, "name": "nobody",
            "address": things.address, "standard": "operator", "startBlock": "0" } })
        },
        ..PLAIN
    },
    Example {
        field: "Mutation.removeChainContract",
        query: "mutation ($input: RemoveChainContractInput!) {
            it: removeChainContract(input: $input) { __typename ... on Problem { code message } } }",
        given: |_, things| {
            json!({ "input": { "chainId": "eip155:31337", "expectedVersion": LONG_GONE,
            "address": things.address } })
        },
        ..PLAIN
    },
    Example {
        field: "Mutation.bumpChainVersion",
        query: "mutation {
            it: bumpChainVersion { __typename ... on RegistryChange { version } ... on Problem { code } } }",
        ..PLAIN
    },
];
