//! `schema.graphql` is the contract with frontends: a change of it is seen in review.

use std::path::Path;

#[test]
fn the_schema_is_the_one_that_is_checked_in() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    let now = gateway::sdl();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == now,
        "the schema changed: run `UPDATE=1 cargo test -p gateway` and look at the difference"
    );
}

#[test]
fn everything_in_the_schema_has_the_names_that_frontends_were_promised() {
    let sdl = gateway::sdl();
    for promised in [
        "issueSiweNonce(purpose: NoncePurpose! = SIGN_IN, account: AccountId): SiweNonce!",
        "verifySiwe(input: VerifySiweInput!): VerifySiweResult!",
        "prepareCreateCollection(input: PrepareCreateCollectionInput!): PrepareResult!",
        "prepareMint721(input: PrepareMint721Input!): PrepareResult!",
        "prepareMint1155(input: PrepareMint1155Input!): PrepareResult!",
        "trackCollectionTx(input: TrackTxInput!): TrackTxResult!",
        "trackMintTx(input: TrackTxInput!): TrackTxResult!",
        "trackTx(input: TrackTxInput!): TrackTxResult!",
        "prepareApprove(input: PrepareApproveInput!): PrepareResult!",
        "prepareRevokeApproval(input: PrepareRevokeApprovalInput!): PrepareResult!",
        "prepareListing(input: PrepareListingInput!): PrepareResult!",
        "submitListing(input: SubmitOrderInput!): SubmitOrderResult!",
        "prepareOffer(input: PrepareOfferInput!): PrepareResult!",
        "submitOffer(input: SubmitOrderInput!): SubmitOrderResult!",
        "prepareBuy(input: PrepareBuyInput!): PrepareResult!",
        "prepareCancelListing(input: PrepareCancelOrderInput!): PrepareResult!",
        "prepareAcceptOffer(input: PrepareAcceptOfferInput!): PrepareResult!",
        "input OfferTarget @oneOf",
        "type Order implements Node",
        "order(id: ID!): Order\n",
        "upsertChain(input: UpsertChainInput!): AdministerRegistryResult! @auth(requires: ADMIN)",
        "bumpChainVersion: AdministerRegistryResult! @auth(requires: ADMIN)",
        "intentStatus(intentId: ID!): TxIntent!",
        "input CollectionBy @oneOf",
        "scalar Address @specifiedBy",
        "union VerifySiweResult = AuthSession | SiweProblem",
        "directive @auth(requires: Role! = USER) on FIELD_DEFINITION | OBJECT",
        "type Viewer @auth(requires: USER)",
        "updateProfile(input: UpdateProfileInput!): ProfileResult! @auth(requires: USER)",
        "linkWallet(input: LinkWalletInput!): LinkWalletResult! @auth(requires: USER)",
        "followUser(id: ID!): FollowResult! @auth(requires: USER)",
        "setUserRole(input: SetUserRoleInput!): AdministerUserResult! @auth(requires: ADMIN)",
        "searchUsers(prefix: String!, first: Int! = 10): [User!]\n",
        "isFollowedByViewer: Boolean\n",
        "union ProfileResult = User | ValidationProblem | ConflictProblem",
        "union LinkWalletResult = Wallet | SiweProblem | ConflictProblem | ValidationProblem",
    ] {
        assert!(sdl.contains(promised), "{promised}");
    }
}

#[test]
fn where_endpoints_are_called_goes_in_and_never_comes_out() {
    let sdl = gateway::sdl();
    let (_, input) = sdl.split_once("input EndpointInput {").unwrap();
    assert!(input.split_once('}').unwrap().0.contains("url: URI!"));
    assert!(
        !sdl.contains("type Endpoint") && !sdl.contains("endpoints: [Endpoint!]"),
        "an endpoint can be read"
    );
}
