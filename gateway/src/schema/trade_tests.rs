//! Preparing, intents and orders: what a query costs, what services are asked, and what becomes of their answers.

use std::collections::BTreeMap;

use async_graphql::{EmptyMutation, EmptySubscription, Object};
use events::intents::IntentUpserted;
use ids::{IntentId, OrderId, UserId};
use prost::Message;
use proto::{
    catalog::v1 as catalog,
    common::v1 as common,
    orchestrator::v1::{self as pb, Intent, Step},
};
use rpc::{Code, Refusal};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    intent::TxIntent,
    node,
    played_tests::{Answers, CHAIN, CONTRACT, Fleet, UNKNOWN, WRAPPED, chains, viewer},
};

fn contract() -> common::ContractRef {
    common::ContractRef { chain_id: CHAIN.to_owned(), address: CONTRACT.to_owned() }
}

fn order(token_id: &str, currency: &str) -> catalog::Order {
    catalog::Order {
        id: OrderId::new().to_string(),
        chain_id: CHAIN.to_owned(),
        exchange: UNKNOWN.to_owned(),
        order_hash: format!("0x{}", "11".repeat(32)),
        side: catalog::OrderSide::Listing.into(),
        status: catalog::OrderStatus::Active.into(),
        maker: UNKNOWN.to_owned(),
        contract: Some(contract()),
        token_id: token_id.to_owned(),
        quantity: "1".to_owned(),
        price_raw: "1500000000000000000".to_owned(),
        currency: currency.to_owned(),
        marketplace: "seaport-1.6".to_owned(),
        ..Default::default()
    }
}

fn intent(kind: pb::IntentKind, order_id: &str) -> Intent {
    Intent {
        intent_id: IntentId::new().to_string(),
        kind: kind.into(),
        chain_id: CHAIN.to_owned(),
        order_id: order_id.to_owned(),
        ..Default::default()
    }
}

fn signature() -> Step {
    Step {
        step_id: Uuid::now_v7().to_string(),
        kind: pb::StepKind::Signature.into(),
        typed_data_json: "{\"primaryType\":\"OrderComponents\",\"domain\":{\"chainId\":31337}}".to_owned(),
        status: pb::StepStatus::Prepared.into(),
        ..Default::default()
    }
}

fn transaction(status: pb::StepStatus) -> Step {
    Step {
        step_id: Uuid::now_v7().to_string(),
        kind: pb::StepKind::Transaction.into(),
        transaction: Some(pb::TxRequest {
            chain_id: CHAIN.to_owned(),
            from: CONTRACT.to_owned(),
            to: UNKNOWN.to_owned(),
            data: vec![1, 2],
            value: "0".to_owned(),
            ..Default::default()
        }),
        status: status.into(),
        tx_hash: format!("0x{}", "22".repeat(32)),
        error_code: "TX_WILL_FAIL".to_owned(),
        error_message: "it was refused".to_owned(),
        simulated: true,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_page_of_orders_costs_one_call_for_each_different_thing() {
    let orders: Vec<_> =
        (0..20).map(|at| order(["1", "2", ""][at % 3], ["", WRAPPED, UNKNOWN][at % 3])).collect();
    let listed = catalog::ListOrdersResponse {
        cursors: (0..20).map(|at| at.to_string()).collect(),
        orders,
        has_next: true,
    };
    let collection = catalog::GetCollectionResponse {
        collection: Some(catalog::Collection { name: "Things".to_owned(), ..Default::default() }),
    };
    let token = catalog::GetTokenResponse {
        token: Some(catalog::Token { name: "One".to_owned(), ..Default::default() }),
    };
    let fleet = Fleet::start(BTreeMap::from([
        ("ListOrders", Ok(listed.encode_to_vec())),
        ("GetCollection", Ok(collection.encode_to_vec())),
        ("GetToken", Ok(token.encode_to_vec())),
        ("ListChains", Ok(chains().encode_to_vec())),
    ]))
    .await;
    let query = "{ orders(side: LISTING) { pageInfo { hasNextPage endCursor } nodes {
        side status maker taker priceRaw currency price { raw decimal currency { symbol decimals address } }
        quantity quantityFilled orderHash marketplace { name } tokenId
        token { name } collection { name } chain { blockTimeMs finalityBlocks features contracts { abiSha256 } } } } }";
    let data = fleet.data(query, None).await;
    let asked: catalog::ListOrdersRequest = fleet.asked("ListOrders");
    assert_eq!(asked.statuses, [i32::from(catalog::OrderStatus::Active)]);
    assert_eq!(asked.side(), catalog::OrderSide::Listing);
    let expected = ["GetCollection", "GetToken", "GetToken", "ListChains", "ListOrders"];
    assert_eq!(fleet.calls(), expected);

    let nodes = &data["orders"]["nodes"];
    assert_eq!(nodes[0]["price"]["decimal"], "1.5");
    assert_eq!(nodes[0]["price"]["currency"], json!({ "symbol": "ETH", "decimals": 18, "address": null }));
    assert_eq!(nodes[1]["price"]["currency"]["symbol"], "WETH");
    assert_eq!(nodes[2]["price"], Value::Null, "nobody knows the decimals of a currency of somebody else");
    assert_eq!(nodes[2]["priceRaw"], "1500000000000000000");
    assert_eq!((&nodes[2]["token"], &nodes[2]["tokenId"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&nodes[0]["token"]["name"], &nodes[0]["collection"]["name"]),
        (&json!("One"), &json!("Things"))
    );
    assert_eq!((&nodes[0]["quantityFilled"], &nodes[0]["taker"]), (&json!("0"), &Value::Null));
    assert_eq!(nodes[0]["chain"]["features"], json!({ "blobs": true }));
    assert_eq!(nodes[0]["chain"]["blockTimeMs"], "12000");
    assert_eq!(nodes[0]["chain"]["contracts"][0]["abiSha256"], "ab".repeat(32));

    // The cursor is of what was asked for, and of nothing else.
    let cursor = data["orders"]["pageInfo"]["endCursor"].as_str().unwrap();
    let go_on = format!("{{ orders(side: LISTING, after: \"{cursor}\") {{ nodes {{ id }} }} }}");
    fleet.data(&go_on, None).await;
    assert_eq!(fleet.asked::<catalog::ListOrdersRequest>("ListOrders").page_token, "19");
    let misused = fleet.ask(&go_on.replace("LISTING", "OFFER"), None).await;
    assert!(format!("{:?}", misused.errors).contains("BAD_CURSOR"), "{:?}", misused.errors);
}

#[tokio::test]
async fn orders_that_cannot_be_read_are_null_alone() {
    let away = Refusal::new(Code::Unavailable, "UNAVAILABLE", "away");
    let fleet = Fleet::start(BTreeMap::from([
        ("ListOrders", Err(away.clone().into())),
        ("GetOrder", Err(Refusal::new(Code::NotFound, "NOT_FOUND", "no").into())),
        ("ListChains", Ok(chains().encode_to_vec())),
    ]))
    .await;
    let id = node::id("Order", OrderId::new());
    let query =
        format!("{{ chains {{ chainId }} orders {{ nodes {{ id }} }} order(id: \"{}\") {{ id }} }}", *id);
    let answer = fleet.ask(&query, None).await;
    assert_eq!(answer.errors.len(), 1, "{:?}", answer.errors);
    let data = answer.data.into_json().unwrap();
    assert_eq!(data, json!({ "chains": [{ "chainId": CHAIN }], "orders": null, "order": null }));
}

#[tokio::test]
async fn steps_cost_a_call_only_where_they_are_asked_for_and_did_not_come_along() {
    let rows: Vec<_> = (0..3).map(|_| intent(pb::IntentKind::List, "")).collect();
    let whole = pb::GetIntentResponse { intent: Some(rows[0].clone()), steps: vec![signature()] };
    let listed = pb::ListIntentsResponse {
        cursors: vec!["1".to_owned(), "2".to_owned(), "3".to_owned()],
        intents: rows,
        has_next: false,
    };
    let fleet = Fleet::start(BTreeMap::from([
        ("ListIntents", Ok(listed.encode_to_vec())),
        ("GetIntent", Ok(whole.encode_to_vec())),
    ]))
    .await;
    let me = viewer(UserId::new());
    fleet.data("{ intents { nodes { id kind status } } }", Some(&me)).await;
    assert_eq!(fleet.calls(), ["ListIntents"]);
    fleet.data("{ intents { nodes { id steps { id status } order { id } } } }", Some(&me)).await;
    assert_eq!(fleet.calls(), ["GetIntent", "GetIntent", "GetIntent", "ListIntents"]);
    let id = node::id("TxIntent", IntentId::new());
    let query =
        format!("{{ intent(id: \"{}\") {{ steps {{ typedData status txHash problem {{ code }} }} }} }}", *id);
    let seen = fleet.data(&query, Some(&me)).await;
    assert_eq!(fleet.calls(), ["GetIntent"]);
    assert_eq!(seen["intent"]["steps"][0]["typedData"]["domain"]["chainId"], 31337, "an object, not a text");
    assert_eq!(seen["intent"]["steps"][0]["problem"], Value::Null);
}

/// One intent as its event told of it, and nothing else.
struct Told(TxIntent);

#[Object]
impl Told {
    async fn intent(&self) -> TxIntent {
        self.0.clone()
    }
}

#[tokio::test]
async fn what_an_event_does_not_say_of_an_intent_is_asked_for_once() {
    let me = viewer(UserId::new());
    let at = chrono::Utc::now();
    let stored = order("1", "");
    let fact = IntentUpserted {
        intent_id: IntentId::new(),
        created_by: me.user_id,
        kind: "BUY".to_owned(),
        status: "SUBMITTED".to_owned(),
        chain_id: CHAIN.parse().unwrap(),
        contract: None,
        preview_address: None,
        token_ids: Vec::new(),
        tx_hash: None,
        confirmations: None,
        required_confirmations: 1,
        error_code: None,
        error_message: None,
        order_id: Some(stored.id.parse().unwrap()),
        revision: 2,
        deadline_at: at,
        created_at: at,
        updated_at: at,
    };
    let whole = pb::GetIntentResponse {
        intent: Some(intent(pb::IntentKind::Buy, &stored.id)),
        steps: vec![transaction(pb::StepStatus::Failed), transaction(pb::StepStatus::Submitted)],
    };
    let found = catalog::GetOrderResponse { order: Some(stored) };
    let fleet = Fleet::start(BTreeMap::from([
        ("GetIntent", Ok(whole.encode_to_vec())),
        ("GetOrder", Ok(found.encode_to_vec())),
    ]))
    .await;
    let ask = async |query: &str| {
        let schema =
            async_graphql::Schema::new(Told(TxIntent::told(&fact)), EmptyMutation, EmptySubscription);
        let request = fleet.request(query, Some(&me));
        let answer = schema.execute(request).await;
        assert!(answer.errors.is_empty(), "{:?}", answer.errors);
        answer.data.into_json().unwrap()
    };
    ask("{ intent { id status txHash } }").await;
    assert!(fleet.calls().is_empty(), "an event is enough for what it says");
    let seen =
        ask("{ intent { steps { status txHash simulated problem { code message } } order { maker } } }")
            .await;
    assert_eq!(fleet.calls(), ["GetIntent", "GetOrder"]);
    let first = &seen["intent"]["steps"][0];
    assert_eq!((&first["status"], &first["simulated"]), (&json!("FAILED"), &json!(true)));
    assert_eq!(first["problem"], json!({ "code": "TX_WILL_FAIL", "message": "it was refused" }));
    assert_eq!(seen["intent"]["steps"][1]["status"], "SUBMITTED");
    assert_eq!(seen["intent"]["order"]["maker"], UNKNOWN);
}

#[tokio::test]
async fn what_is_prepared_is_asked_as_it_was_meant_and_shown_as_viem_names_it() {
    let prepared = pb::PrepareListingResponse {
        intent: Some(intent(pb::IntentKind::List, "")),
        steps: vec![transaction(pb::StepStatus::Prepared), signature()],
    };
    let offered = pb::PrepareOfferResponse { intent: Some(intent(pb::IntentKind::Offer, "")), steps: vec![] };
    let minted = pb::PrepareMint721Response {
        intent: Some(intent(pb::IntentKind::Mint721, "")),
        steps: vec![transaction(pb::StepStatus::Prepared)],
        eligibility: Some(pb::MintEligibility {
            eligible: true,
            stage_kind: "public".to_owned(),
            price_raw: "5".to_owned(),
            supply_left: "9".to_owned(),
            ..Default::default()
        }),
    };
    let submitted =
        pb::SubmitOrderResponse { intent: Some(intent(pb::IntentKind::List, "")), steps: vec![signature()] };
    let fleet = Fleet::start(BTreeMap::from([
        ("PrepareListing", Ok(prepared.encode_to_vec())),
        ("PrepareOffer", Ok(offered.encode_to_vec())),
        ("PrepareMint721", Ok(minted.encode_to_vec())),
        ("SubmitOrder", Ok(submitted.encode_to_vec())),
    ]))
    .await;
    let me = viewer(UserId::new());

    let listing = format!(
        "mutation {{ prepareListing(input: {{ token: {{ chainId: \"{CHAIN}\", address: \"{CONTRACT}\", tokenId: \"7\" }},
            seller: \"{UNKNOWN}\", priceRaw: \"10\", expiresAt: \"2030-01-01T00:00:00Z\", idempotencyKey: \"k\" }}) {{
            ... on PreparedTransaction {{ eligibility {{ eligible }} intent {{ kind steps {{ id }} }} steps {{
                kind status transaction {{ chain chainId from to data value }} typedData }} }} }} }}"
    );
    let seen = fleet.data(&listing, Some(&me)).await;
    let asked: pb::PrepareListingRequest = fleet.asked("PrepareListing");
    assert_eq!(asked.token.unwrap().token_id, "7");
    assert_eq!(
        (asked.request_id.as_str(), asked.price_raw.as_str(), asked.currency.as_str()),
        ("k", "10", "")
    );
    assert_eq!((asked.quantity.as_str(), asked.taker.as_str()), ("", ""));
    assert_eq!(asked.end_time.unwrap().seconds, 1_893_456_000);
    assert!(asked.start_time.is_none());
    assert_eq!(fleet.calls(), ["PrepareListing"], "the intent of a preparation knows its steps");
    let prepared = &seen["prepareListing"];
    assert_eq!((&prepared["eligibility"], &prepared["intent"]["kind"]), (&Value::Null, &json!("LIST")));
    assert_eq!(prepared["steps"][0]["transaction"]["chainId"], 31337);
    assert_eq!(prepared["steps"][0]["transaction"]["data"], "0x0102");
    assert_eq!(prepared["steps"][1]["kind"], "SIGNATURE");
    assert_eq!(prepared["steps"][1]["typedData"]["primaryType"], "OrderComponents");

    let offer = format!(
        "mutation {{ prepareOffer(input: {{ target: {{ collection: {{ chainId: \"{CHAIN}\", address: \"{CONTRACT}\" }} }},
            buyer: \"{UNKNOWN}\", quantity: \"2\", priceRaw: \"10\", expiresAt: \"2030-01-01T00:00:00Z\",
            idempotencyKey: \"k\" }}) {{ __typename }} }}"
    );
    fleet.data(&offer, Some(&me)).await;
    let asked: pb::PrepareOfferRequest = fleet.asked("PrepareOffer");
    assert_eq!(
        (asked.collection, asked.token_id.as_str(), asked.quantity.as_str()),
        (Some(contract()), "", "2")
    );
    let both = offer.replace(
        "} },\n",
        &format!("}}, token: {{ chainId: \"{CHAIN}\", address: \"{CONTRACT}\", tokenId: \"1\" }} }},\n"),
    );
    assert_ne!(both, offer);
    assert!(!fleet.ask(&both, Some(&me)).await.errors.is_empty(), "an offer is for one thing");

    let mint = format!(
        "mutation {{ prepareMint721(input: {{ collection: {{ chainId: \"{CHAIN}\", address: \"{CONTRACT}\" }},
            minter: \"{UNKNOWN}\", metadataUris: [\"ipfs://a\", \"ipfs://b\"], expectedPriceRaw: \"0\",
            idempotencyKey: \"k\" }}) {{ ... on PreparedTransaction {{
            eligibility {{ eligible stageKind priceRaw walletLeft supplyLeft reasonCode proof }} }} }} }}"
    );
    let seen = fleet.data(&mint, Some(&me)).await;
    let asked: pb::PrepareMint721Request = fleet.asked("PrepareMint721");
    assert_eq!((asked.quantity, asked.metadata_uris.len()), (2, 2), "one a token");
    assert_eq!(asked.expected_price_raw, "0", "nothing is a price too");
    let expected = json!({ "eligible": true, "stageKind": "PUBLIC", "priceRaw": "5", "walletLeft": null,
        "supplyLeft": "9", "reasonCode": null, "proof": [] });
    assert_eq!(seen["prepareMint721"]["eligibility"], expected);

    let id = node::id("TxIntent", IntentId::new());
    let submit = format!(
        "mutation {{ submitListing(input: {{ intentId: \"{}\", signature: \"0x0a0b\" }}) {{
            __typename ... on TxIntent {{ steps {{ kind }} }} }} }}",
        *id
    );
    let seen = fleet.data(&submit, Some(&me)).await;
    assert_eq!(
        seen["submitListing"],
        json!({ "__typename": "TxIntent", "steps": [{ "kind": "SIGNATURE" }] })
    );
    assert_eq!(fleet.asked::<pb::SubmitOrderRequest>("SubmitOrder").signature, [10, 11]);
}

#[tokio::test]
async fn what_the_chain_would_refuse_is_data_with_its_code() {
    let will_fail = |code| -> Result<Vec<u8>, tonic::Status> {
        let refusal =
            Refusal::new(Code::Conflict, code, "no").violation("revert_reason", "REVERT", "OrderInvalid()");
        Err(refusal.violation("revert_data", "REVERT", "0x01").into())
    };
    let answers: Answers = BTreeMap::from([
        ("PrepareBuy", will_fail("PRICE_CHANGED")),
        ("PrepareAcceptOffer", will_fail("NOT_OWNER")),
        ("PrepareCancelOrder", will_fail("ORDER_FILLED")),
        ("SubmitOrder", will_fail("SIGNATURE_INVALID")),
        ("PrepareApprove", Err(Refusal::new(Code::Forbidden, "FORBIDDEN", "no").into())),
    ]);
    let fleet = Fleet::start(answers).await;
    let order_id = node::id("Order", OrderId::new());
    let intent_id = node::id("TxIntent", IntentId::new());
    let code = "__typename ... on Problem { code } ... on TxWillFailProblem { revertReason revertData }";
    let me = viewer(UserId::new());
    for (operation, kind, expected) in [
        (
            format!(
                "prepareBuy(input: {{ orderId: \"{}\", buyer: \"{UNKNOWN}\", idempotencyKey: \"k\" }})",
                *order_id
            ),
            "TxWillFailProblem",
            "PRICE_CHANGED",
        ),
        (
            format!(
                "prepareBuy(input: {{ orderId: \"made up\", buyer: \"{UNKNOWN}\", idempotencyKey: \"k\" }})"
            ),
            "NotFoundProblem",
            "NOT_FOUND",
        ),
        (
            format!(
                "prepareAcceptOffer(input: {{ orderId: \"{}\", seller: \"{UNKNOWN}\", idempotencyKey: \"k\" }})",
                *order_id
            ),
            "TxWillFailProblem",
            "NOT_OWNER",
        ),
        (
            format!(
                "prepareCancelListing(input: {{ orderId: \"{}\", maker: \"{UNKNOWN}\", idempotencyKey: \"k\" }})",
                *order_id
            ),
            "TxWillFailProblem",
            "ORDER_FILLED",
        ),
        (
            format!("submitOffer(input: {{ intentId: \"{}\", signature: \"0x00\" }})", *intent_id),
            "TxWillFailProblem",
            "SIGNATURE_INVALID",
        ),
        (
            format!(
                "prepareApprove(input: {{ contract: {{ chainId: \"{CHAIN}\", address: \"{CONTRACT}\" }},
                    owner: \"{UNKNOWN}\", idempotencyKey: \"k\" }})"
            ),
            "ForbiddenProblem",
            "FORBIDDEN",
        ),
    ] {
        let field = operation.split('(').next().unwrap().to_owned();
        let seen = fleet.data(&format!("mutation {{ {operation} {{ {code} }} }}"), Some(&me)).await;
        let mut wanted = json!({ "__typename": kind, "code": expected });
        if kind == "TxWillFailProblem" {
            wanted["revertReason"] = json!("OrderInvalid()");
            wanted["revertData"] = json!("0x01");
        }
        assert_eq!(seen[&field], wanted, "{operation}");
    }
}
