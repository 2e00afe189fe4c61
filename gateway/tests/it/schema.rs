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
        "issueSiweNonce: SiweNonce!",
        "verifySiwe(input: VerifySiweInput!): VerifySiweResult!",
        "prepareCreateCollection(input: PrepareCreateCollectionInput!): PrepareResult!",
        "prepareMint721(input: PrepareMint721Input!): PrepareResult!",
        "prepareMint1155(input: PrepareMint1155Input!): PrepareResult!",
        "trackCollectionTx(input: TrackTxInput!): TrackTxResult!",
        "trackMintTx(input: TrackTxInput!): TrackTxResult!",
        "intentStatus(intentId: ID!): TxIntent!",
        "input CollectionBy @oneOf",
        "scalar Address @specifiedBy",
        "union VerifySiweResult = AuthSession | SiweProblem",
    ] {
        assert!(sdl.contains(promised), "{promised}");
    }
}
