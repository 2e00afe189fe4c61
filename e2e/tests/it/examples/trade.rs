//! Examples of preparing, signing, tracking and trading, and of allowlists.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Example, HASH, IDS, PLAIN, collection, key};
use crate::permissions::{Public, Things};

/// An order that nobody made: whose wallet is named is seen first, or nothing is.
fn order() -> String {
    URL_SAFE_NO_PAD.encode(format!("Order:{}", Uuid::now_v7()))
}

fn signed(_: &Public, things: &Things) -> Value {
    json!({ "input": { "intentId": things.intent, "signature": "0x00" } })
}

fn cancelled(_: &Public, things: &Things) -> Value {
    json!({ "input": { "orderId": order(), "maker": things.address, "idempotencyKey": key() } })
}

fn tracked(_: &Public, things: &Things) -> Value {
    json!({ "input": { "intentId": things.intent, "txHash": HASH } })
}

pub(super) const EXAMPLES: &[Example] = &[
    Example {
        field: "Query.mintEligibility",
        query: "query ($collection: ContractRef!, $wallet: Address!) {
            it: mintEligibility(collection: $collection, wallet: $wallet) { eligible } }",
        given: |public, things| json!({ "collection": collection(public), "wallet": things.address }),
        ..PLAIN
    },
    Example {
        field: "Query.order",
        query: "query ($id: ID!) { it: order(id: $id) { id } }",
        given: |_, _| json!({ "id": order() }),
        may_be_null: true,
        ..PLAIN
    },
    Example { field: "Query.orders", query: "{ it: orders(status: []) { nodes { id maker } } }", ..PLAIN },
    Example {
        field: "Query.allowlist",
        query: "query ($id: ID!) { it: allowlist(id: $id) { id members { nodes } } }",
        given: |_, things| json!({ "id": things.allowlist }),
        ..IDS
    },
    Example {
        field: "Query.allowlistProof",
        query: "query ($root: Hex!, $address: Address!) {
            it: allowlistProof(root: $root, address: $address) { listed } }",
        given: |_, things| json!({ "root": HASH, "address": things.address }),
        // No list has this root.
        may_be_null: true,
        ..PLAIN
    },
    Example {
        field: "Mutation.prepareCreateCollection",
        query: "mutation ($input: PrepareCreateCollectionInput!) {
            it: prepareCreateCollection(input: $input) {
                __typename ... on PreparedTransaction { intent { id } } ... on Problem { code message } } }",
        given: |_, things| {
            json!({ "input": { "chainId": "eip155:31337", "standard": "ERC721", "name": "Mine",
            "symbol": "MINE", "creator": things.address, "idempotencyKey": key(),
            "mintStages": [{ "kind": "PUBLIC", "priceRaw": "0" }] } })
        },
        ..IDS
    },
    Example {
        field: "Mutation.prepareMint721",
        query: "mutation ($input: PrepareMint721Input!) {
            it: prepareMint721(input: $input) { __typename ... on Problem { code message } } }",
        given: |public, things| {
            json!({ "input": { "collection": collection(public), "minter": things.address,
            "quantity": 1, "idempotencyKey": key() } })
        },
        ..IDS
    },
    Example {
        field: "Mutation.prepareMint1155",
        query: "mutation ($input: PrepareMint1155Input!) {
            it: prepareMint1155(input: $input) { __typename ... on Problem { code message } } }",
        given: |public, things| {
            json!({ "input": { "collection": collection(public), "minter": things.address,
            "tokenId": "1", "quantity": "1", "idempotencyKey": key() } })
        },
        ..IDS
    },
    Example {
        field: "Mutation.prepareApprove",
        query: "mutation ($input: PrepareApproveInput!) {
            it: prepareApprove(input: $input) { __typename ... on Problem { code message } } }",
        given: |public, things| {
            json!({ "input": { "contract": collection(public), "owner": things.address,
            "idempotencyKey": key() } })
        },
        ..IDS
    },
    Example {
        field: "Mutation.prepareRevokeApproval",
        query: "mutation ($input: PrepareRevokeApprovalInput!) {
            it: prepareRevokeApproval(input: $input) { __typename ... on Problem { code message } } }",
        given: |public, things| {
            json!({ "input": { "contract": collection(public), "owner": things.address,
            "operator": public.contract, "idempotencyKey": key() } })
        },
        ..IDS
    },
    Example {
        field: "Mutation.prepareListing",
        query: "mutation ($input: PrepareListingInput!) {
            it: prepareListing(input: $input) { __typename ... on Problem { code message } } }",
        given: |public, things| {
            json!({ "input": { "token": { "chainId": "eip155:31337", "address": public.contract, "tokenId": "1" },
            "seller": things.address, "priceRaw": "1000", "expiresAt": "2100-01-01T00:00:00Z",
            "idempotencyKey": key() } })
        },
        ..IDS
    },
    Example {
        field: "Mutation.prepareOffer",
        query: "mutation ($input: PrepareOfferInput!) {
            it: prepareOffer(input: $input) { __typename ... on Problem { code message } } }",
        given: |public, things| {
            json!({ "input": { "target": { "collection": collection(public) }, "buyer": things.address,
            "priceRaw": "1000", "expiresAt": "2100-01-01T00:00:00Z", "idempotencyKey": key() } })
        },
        ..IDS
    },
    Example {
        field: "Mutation.submitListing",
        query: "mutation ($input: SubmitOrderInput!) {
            it: submitListing(input: $input) { __typename ... on Problem { code message } } }",
        given: signed,
        ..IDS
    },
    Example {
        field: "Mutation.submitOffer",
        query: "mutation ($input: SubmitOrderInput!) {
            it: submitOffer(input: $input) { __typename ... on Problem { code message } } }",
        given: signed,
        ..IDS
    },
    Example {
        field: "Mutation.prepareBuy",
        query: "mutation ($input: PrepareBuyInput!) {
            it: prepareBuy(input: $input) { __typename ... on Problem { code message } } }",
        given: |_, things| json!({ "input": { "orderId": order(), "buyer": things.address, "idempotencyKey": key() } }),
        ..IDS
    },
    Example {
        field: "Mutation.prepareAcceptOffer",
        query: "mutation ($input: PrepareAcceptOfferInput!) {
            it: prepareAcceptOffer(input: $input) { __typename ... on Problem { code message } } }",
        given: |_, things| json!({ "input": { "orderId": order(), "seller": things.address, "idempotencyKey": key() } }),
        ..IDS
    },
    Example {
        field: "Mutation.prepareCancelListing",
        query: "mutation ($input: PrepareCancelOrderInput!) {
            it: prepareCancelListing(input: $input) { __typename ... on Problem { code message } } }",
        given: cancelled,
        ..IDS
    },
    Example {
        field: "Mutation.prepareCancelOffer",
        query: "mutation ($input: PrepareCancelOrderInput!) {
            it: prepareCancelOffer(input: $input) { __typename ... on Problem { code message } } }",
        given: cancelled,
        ..IDS
    },
    Example {
        field: "Mutation.trackTx",
        query: "mutation ($input: TrackTxInput!) {
            it: trackTx(input: $input) { __typename ... on Problem { code message } } }",
        given: tracked,
        ..IDS
    },
    Example {
        field: "Mutation.trackCollectionTx",
        query: "mutation ($input: TrackTxInput!) {
            it: trackCollectionTx(input: $input) { __typename ... on Problem { code message } } }",
        given: tracked,
        ..IDS
    },
    Example {
        field: "Mutation.trackMintTx",
        query: "mutation ($input: TrackTxInput!) {
            it: trackMintTx(input: $input) { __typename ... on Problem { code message } } }",
        given: tracked,
        ..IDS
    },
    Example {
        field: "Mutation.cancelIntent",
        query: "mutation ($id: ID!) { it: cancelIntent(id: $id) { __typename ... on Problem { code message } } }",
        given: |_, things| json!({ "id": things.intent }),
        ..IDS
    },
    Example {
        field: "Mutation.createAllowlist",
        query: "mutation ($input: CreateAllowlistInput!) {
            it: createAllowlist(input: $input) {
                __typename ... on Allowlist { id } ... on Problem { code message } } }",
        given: |_, things| json!({ "input": { "name": "Mine", "addresses": [things.address] } }),
        ..PLAIN
    },
    Example {
        field: "Mutation.createAllowlistFromHolders",
        query: "mutation ($input: CreateAllowlistFromHoldersInput!) {
            it: createAllowlistFromHolders(input: $input) { __typename ... on Problem { code message } } }",
        given: |public, _| json!({ "input": { "collection": collection(public) } }),
        ..PLAIN
    },
    Example { field: "Viewer.allowlists", query: "{ viewer { it: allowlists { nodes { id } } } }", ..PLAIN },
];
