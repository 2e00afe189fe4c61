//! An operation for each field of the gateway's table of permissions. Each selects its result under the name `it`.

mod registry;
mod trade;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::permissions::{Public, Things};

/// What an example shows beside being let through or not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// It names nothing that belongs to anybody.
    Plain,
    /// It names things by their ids: those of others are answered like those of nobody.
    Ids,
    /// It shows a field of something public: null where the asker may not see it.
    Shown,
}

pub(crate) struct Example {
    pub(crate) field: &'static str,
    pub(crate) query: &'static str,
    pub(crate) given: fn(&Public, &Things) -> Value,
    pub(crate) shape: Shape,
    /// It needs a session of its own.
    pub(crate) ends_session: bool,
    /// It ends sessions that other examples use, and comes after them.
    pub(crate) ends_all: bool,
    pub(crate) may_be_null: bool,
    /// How it may fail for somebody who may ask.
    pub(crate) may_fail_with: &'static [&'static str],
}

const PLAIN: Example = Example {
    field: "",
    query: "",
    given: |_, _| json!({}),
    shape: Shape::Plain,
    ends_session: false,
    ends_all: false,
    may_be_null: false,
    may_fail_with: &[],
};
const IDS: Example = Example { shape: Shape::Ids, ..PLAIN };
const SHOWN: Example =
    Example { shape: Shape::Shown, given: |_, things| json!({ "id": things.user }), ..PLAIN };
const ENDING: Example = Example { ends_session: true, ..PLAIN };

const HASH: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";

fn account(things: &Things) -> String {
    format!("eip155:31337:{}", things.address)
}

fn collection(public: &Public) -> Value {
    json!({ "chainId": "eip155:31337", "address": public.contract })
}

fn key() -> String {
    Uuid::new_v4().to_string()
}

/// All of them.
pub(crate) fn examples() -> impl Iterator<Item = &'static Example> + Clone {
    EXAMPLES.iter().chain(trade::EXAMPLES).chain(registry::EXAMPLES)
}

const EXAMPLES: &[Example] = &[
    Example {
        field: "Query.node",
        query: "query ($id: ID!) { it: node(id: $id) { __typename id } }",
        given: |_, things| json!({ "id": things.user }),
        ..PLAIN
    },
    Example {
        field: "Query.nodes",
        query: "query ($ids: [ID!]!) { it: nodes(ids: $ids) { __typename id } }",
        given: |_, things| json!({ "ids": [things.user] }),
        ..PLAIN
    },
    Example { field: "Query.viewer", query: "{ it: viewer { roles } }", ..PLAIN },
    Example {
        field: "Query.user",
        query: "query ($id: ID!) { it: user(by: { id: $id }) { id } }",
        given: |_, things| json!({ "id": things.user }),
        ..PLAIN
    },
    Example { field: "Query.searchUsers", query: "{ it: searchUsers(prefix: \"a\") { id } }", ..PLAIN },
    Example {
        field: "Query.approvals",
        query: "query ($account: AccountId!) { it: approvals(account: $account) { nodes { operator } } }",
        given: |_, things| json!({ "account": account(things) }),
        ..PLAIN
    },
    Example {
        field: "Query.approvalHistory",
        query: "query ($account: AccountId!) { it: approvalHistory(account: $account) { nodes { operator } } }",
        given: |_, things| json!({ "account": account(things) }),
        ..PLAIN
    },
    Example {
        field: "Query.grantors",
        query: "query ($operator: Address!) {
            it: grantors(operator: $operator, chainId: \"eip155:31337\") { nodes { owner } } }",
        given: |_, things| json!({ "operator": things.address }),
        ..PLAIN
    },
    Example { field: "Query.chains", query: "{ it: chains { chainId } }", ..PLAIN },
    Example { field: "Query.chain", query: "{ it: chain(chainId: \"eip155:31337\") { name } }", ..PLAIN },
    Example {
        field: "Query.collection",
        query: "query ($by: CollectionBy!) { it: collection(by: $by) { id } }",
        given: |public, _| json!({ "by": { "contract": collection(public) } }),
        ..PLAIN
    },
    Example { field: "Query.collections", query: "{ it: collections { nodes { id } } }", ..PLAIN },
    Example {
        field: "Query.token",
        query: "query ($by: TokenBy!) { it: token(by: $by) { id } }",
        given: |public, _| {
            json!({ "by": { "contract":
            { "chainId": "eip155:31337", "address": public.contract, "tokenId": "1" } } })
        },
        may_be_null: true,
        ..PLAIN
    },
    Example {
        field: "Query.tokens",
        query: "query ($by: CollectionBy!) { it: tokens(filter: { collection: $by }) { nodes { id } } }",
        given: |public, _| json!({ "by": { "contract": collection(public) } }),
        ..PLAIN
    },
    Example {
        field: "Query.intent",
        query: "query ($id: ID!) { it: intent(id: $id) { id } }",
        given: |_, things| json!({ "id": things.intent }),
        ..IDS
    },
    Example { field: "Query.intents", query: "{ it: intents { nodes { id } } }", ..PLAIN },
    Example { field: "Mutation.issueSiweNonce", query: "mutation { it: issueSiweNonce { nonce } }", ..PLAIN },
    Example {
        field: "Mutation.verifySiwe",
        query: "mutation ($input: VerifySiweInput!) {
            it: verifySiwe(input: $input) { __typename ... on SiweProblem { code } } }",
        given: |_, _| json!({ "input": { "message": "not a message", "signature": "0x00", "delivery": "BEARER" } }),
        ..PLAIN
    },
    Example {
        field: "Mutation.refreshSession",
        query: "mutation ($token: String) {
            it: refreshSession(refreshToken: $token) { __typename ... on SiweProblem { code } } }",
        given: |_, _| json!({ "token": "not-a-token" }),
        ..PLAIN
    },
    Example { field: "Mutation.signOut", query: "mutation { it: signOut }", ..ENDING },
    Example {
        field: "Mutation.signOutEverywhere",
        query: "mutation { it: signOutEverywhere }",
        ends_all: true,
        ..ENDING
    },
    Example {
        field: "Mutation.revokeSession",
        query: "mutation ($id: ID!) { it: revokeSession(id: $id) }",
        given: |_, things| json!({ "id": things.session }),
        ends_session: true,
        ..IDS
    },
    Example {
        field: "Mutation.revokeOtherSessions",
        query: "mutation { it: revokeOtherSessions }",
        ends_all: true,
        ..ENDING
    },
    Example {
        field: "Mutation.renewSocket",
        query: "mutation { it: renewSocket(accessToken: \"not-a-token\") }",
        may_fail_with: &["UNAUTHENTICATED", "VALIDATION_FAILED", "BAD_INPUT"],
        ..PLAIN
    },
    Example {
        field: "Mutation.updateProfile",
        query: "mutation { it: updateProfile(input: { bio: \"here\" }) {
            __typename ... on User { id } ... on Problem { code } } }",
        ..PLAIN
    },
    Example {
        field: "Mutation.updatePreferences",
        query: "mutation { it: updatePreferences(input: { theme: \"dark\" }) {
            __typename ... on Preferences { theme } ... on Problem { code } } }",
        ..PLAIN
    },
    Example {
        field: "Mutation.followUser",
        query: "mutation ($id: ID!) { it: followUser(id: $id) { __typename ... on Problem { code } } }",
        given: |_, things| json!({ "id": things.user }),
        ..PLAIN
    },
    Example {
        field: "Mutation.unfollowUser",
        query: "mutation ($id: ID!) { it: unfollowUser(id: $id) { __typename ... on Problem { code } } }",
        given: |_, things| json!({ "id": things.user }),
        ..PLAIN
    },
    Example {
        field: "Mutation.linkWallet",
        query: "mutation ($input: LinkWalletInput!) {
            it: linkWallet(input: $input) { __typename ... on Problem { code } } }",
        given: |_, _| json!({ "input": { "message": "not a message", "signature": "0x00" } }),
        ..PLAIN
    },
    Example {
        field: "Mutation.unlinkWallet",
        query: "mutation ($id: ID!) { it: unlinkWallet(id: $id) { __typename ... on Problem { code message } } }",
        given: |_, things| json!({ "id": things.wallet }),
        ..IDS
    },
    Example {
        field: "Mutation.setPrimaryWallet",
        query: "mutation ($id: ID!) { it: setPrimaryWallet(id: $id) { __typename ... on Problem { code message } } }",
        given: |_, things| json!({ "id": things.wallet }),
        ..IDS
    },
    Example {
        field: "Mutation.setWalletLabel",
        query: "mutation ($id: ID!) {
            it: setWalletLabel(id: $id, label: \"mine\") { __typename ... on Problem { code message } } }",
        given: |_, things| json!({ "id": things.wallet }),
        ..IDS
    },
    Example {
        field: "Mutation.setUserRole",
        query: "mutation ($id: ID!) {
            it: setUserRole(input: { user: { id: $id }, role: MODERATOR, granted: false }) {
                __typename ... on Problem { code } } }",
        given: |_, things| json!({ "id": things.user }),
        ..PLAIN
    },
    Example {
        field: "Mutation.setUserStatus",
        query: "mutation ($id: ID!) {
            it: setUserStatus(input: { user: { id: $id }, status: ACTIVE }) {
                __typename ... on Problem { code } } }",
        given: |_, things| json!({ "id": things.user }),
        ..PLAIN
    },
    Example {
        field: "Mutation.createMediaUpload",
        query: "mutation ($input: CreateMediaUploadInput!) {
            it: createMediaUpload(input: $input) {
                __typename ... on MediaUpload { uploadId } ... on Problem { code message } } }",
        given: |_, _| {
            json!({ "input": { "filename": "a.png", "mimeType": "image/png", "byteSize": "1024",
            "sha256": "1111111111111111111111111111111111111111111111111111111111111111" } })
        },
        ..PLAIN
    },
    Example {
        field: "Mutation.completeMediaUpload",
        query: "mutation ($id: ID!) {
            it: completeMediaUpload(uploadId: $id) { __typename ... on Problem { code message } } }",
        given: |_, things| json!({ "id": things.upload }),
        // Nothing was uploaded.
        may_fail_with: &["CONFLICT"],
        ..IDS
    },
    Example {
        field: "Mutation.pinMetadata",
        query: "mutation { it: pinMetadata(input: { name: \"Mine\" }) {
            __typename ... on Problem { code message } } }",
        ..PLAIN
    },
    Example {
        field: "Subscription.intentStatus",
        query: "subscription ($id: ID!) { it: intentStatus(intentId: $id) { status } }",
        given: |_, things| json!({ "id": things.intent }),
        ..IDS
    },
    Example {
        field: "Subscription.collectionUpserted",
        query: "subscription { it: collectionUpserted { cursor } }",
        ..PLAIN
    },
    Example {
        field: "Subscription.tokenUpserted",
        query: "subscription { it: tokenUpserted { cursor } }",
        ..PLAIN
    },
    Example {
        field: "Subscription.indexStatus",
        query: "subscription { it: indexStatus(chainId: \"eip155:31337\") { indexedBlock lagSeconds } }",
        ..PLAIN
    },
    Example {
        field: "Subscription.viewerEvent",
        query: "subscription { it: viewerEvent { __typename } }",
        ..PLAIN
    },
    Example { field: "Viewer.user", query: "{ viewer { it: user { id } } }", ..PLAIN },
    Example { field: "Viewer.session", query: "{ viewer { it: session { id } } }", ..PLAIN },
    Example { field: "Viewer.sessions", query: "{ viewer { it: sessions { id } } }", ..PLAIN },
    Example {
        field: "Viewer.loginEvents",
        query: "{ viewer { it: loginEvents { nodes { id } } } }",
        ..PLAIN
    },
    Example { field: "Viewer.roles", query: "{ viewer { it: roles } }", ..PLAIN },
    Example { field: "Viewer.preferences", query: "{ viewer { it: preferences { theme } } }", ..PLAIN },
    Example { field: "Viewer.wallets", query: "{ viewer { it: wallets { id } } }", ..PLAIN },
    Example {
        field: "Viewer.walletActivity",
        query: "{ viewer { it: walletActivity { nodes { id } } } }",
        ..PLAIN
    },
    Example {
        field: "User.status",
        query: "query ($id: ID!) { user(by: { id: $id }) { it: status } }",
        ..SHOWN
    },
    Example {
        field: "User.roles",
        query: "query ($id: ID!) { user(by: { id: $id }) { it: roles } }",
        ..SHOWN
    },
    Example {
        field: "User.revision",
        query: "query ($id: ID!) { user(by: { id: $id }) { it: revision } }",
        ..SHOWN
    },
    Example {
        field: "Wallet.label",
        query: "query ($id: ID!) { user(by: { id: $id }) { wallets { it: label } } }",
        ..SHOWN
    },
    Example {
        field: "Wallet.connector",
        query: "query ($id: ID!) { user(by: { id: $id }) { wallets { it: connector } } }",
        may_be_null: true,
        ..SHOWN
    },
    Example {
        field: "Wallet.lastSeenAt",
        query: "query ($id: ID!) { user(by: { id: $id }) { wallets { it: lastSeenAt } } }",
        may_be_null: true,
        ..SHOWN
    },
    Example {
        field: "Wallet.approvals",
        query: "query ($id: ID!) { user(by: { id: $id }) { wallets { it: approvals { nodes { operator } } } } }",
        ..SHOWN
    },
];
