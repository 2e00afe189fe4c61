//! A user's sessions: listed, ended all but one or altogether, and what they are preparing.

use std::collections::BTreeSet;

use alloy::signers::local::PrivateKeySigner;
use ids::IntentId;
use proto::{
    auth::v1::{
        ListSessionsRequest, ListSessionsResponse, RefreshSessionRequest, RevokeSessionsRequest, Session,
        SetIntentContextRequest, ValidateSessionRequest,
    },
    common::v1::Caller,
};
use rpc::{Code, Problem};

use crate::fleet::{Fleet, start};

fn caller(session: &Session) -> Caller {
    Caller {
        user_id: session.user_id.clone(),
        session_id: session.session_id.clone(),
        account_id: session.account_id.clone(),
        roles: vec!["user".to_owned()],
    }
}

/// So many sessions of one user, the oldest first.
async fn sessions(fleet: &Fleet, number: usize) -> Vec<Session> {
    let (signer, mut sessions) = (PrivateKeySigner::random(), Vec::new());
    for _ in 0..number {
        sessions.push(fleet.sign_in(&signer).await.unwrap().session.unwrap());
    }
    sessions
}

async fn page(fleet: &Fleet, caller: &Caller, size: i32, token: &str) -> ListSessionsResponse {
    let request = ListSessionsRequest { page_size: size, page_token: token.to_owned() };
    let acting = rpc::caller::acting(request, caller);
    fleet.client("gateway").list_sessions(acting).await.unwrap().into_inner()
}

async fn alive(fleet: &Fleet, caller: &Caller) -> BTreeSet<String> {
    page(fleet, caller, 100, "").await.sessions.into_iter().map(|session| session.session_id).collect()
}

fn ids(sessions: &[Session]) -> BTreeSet<String> {
    sessions.iter().map(|session| session.session_id.clone()).collect()
}

#[tokio::test]
async fn sessions_are_listed_page_by_page_the_last_used_first() {
    let fleet = start().await;
    let mine = sessions(&fleet, 5).await;
    sessions(&fleet, 2).await;
    let me = caller(&mine[0]);
    // Ended ones and those past their end are not there; two were used at the same time.
    sqlx::query("update sessions set last_used_at = $1 where session_id::text = any($2)")
        .bind(chrono::Utc::now())
        .bind(vec![mine[1].session_id.clone(), mine[2].session_id.clone()])
        .execute(&fleet.db.pool)
        .await
        .unwrap();
    sqlx::query("update sessions set expires_at = now() where session_id::text = $1")
        .bind(&mine[3].session_id)
        .execute(&fleet.db.pool)
        .await
        .unwrap();

    let all = page(&fleet, &me, 100, "").await;
    assert_eq!(all.next_page_token, "");
    let listed: Vec<String> = all.sessions.iter().map(|session| session.session_id.clone()).collect();
    let expected = [&mine[2], &mine[1], &mine[4], &mine[0]].map(|session| session.session_id.clone());
    assert_eq!(listed, expected);
    assert!(all.sessions.iter().all(|session| session.chain_id == "eip155:31337"));
    assert!(all.sessions.iter().all(|session| session.fingerprint.len() == 64));

    let (mut walked, mut token) = (Vec::new(), String::new());
    loop {
        let page = page(&fleet, &me, 1, &token).await;
        assert_eq!((page.sessions.len(), page.positions.len()), (1, 1));
        walked.push(page.sessions[0].session_id.clone());
        if page.next_page_token.is_empty() {
            break;
        }
        token = page.next_page_token;
    }
    assert_eq!(walked, expected, "no row is left out or shown twice, also where two were used at once");
    // The position of a row in the middle is where a page can go on.
    assert_eq!(page(&fleet, &me, 2, &all.positions[1]).await.sessions, all.sessions[2..]);

    for (size, token) in [(0, ""), (101, ""), (1, "nonsense")] {
        let request = ListSessionsRequest { page_size: size, page_token: token.to_owned() };
        let acting = rpc::caller::acting(request, &me);
        let refused = fleet.client("gateway").list_sessions(acting).await.unwrap_err();
        assert_eq!(Problem::from(&refused).code, Code::BadInput);
    }
    fleet.end().await;
}

#[tokio::test]
async fn one_ends_all_ones_sessions_but_this_one_or_altogether() {
    let fleet = start().await;
    let (mine, theirs) = (sessions(&fleet, 4).await, sessions(&fleet, 2).await);
    let (me, them) = (caller(&mine[0]), caller(&theirs[0]));
    let revoke = async |caller: &Caller, kept: &[Session]| {
        let request = RevokeSessionsRequest {
            session_ids: kept.iter().map(|session| session.session_id.clone()).collect(),
            all_but_given: true,
            ..Default::default()
        };
        let acting = rpc::caller::acting(request, caller);
        fleet.client("gateway").revoke_sessions(acting).await.unwrap().into_inner().revoked
    };
    // Naming a session of somebody else keeps nothing and ends nothing of theirs.
    assert_eq!(revoke(&me, &[mine[0].clone(), theirs[1].clone()]).await, 3);
    assert_eq!(alive(&fleet, &me).await, ids(&mine[..1]));
    assert_eq!(alive(&fleet, &them).await, ids(&theirs));
    assert_eq!(revoke(&me, &[]).await, 1);
    assert!(alive(&fleet, &me).await.is_empty());
    let told: i64 = sqlx::query_scalar("select count(*) from outbox where routing_key = 'session.revoked'")
        .fetch_one(&fleet.db.pool)
        .await
        .unwrap();
    assert_eq!(told, 2);
    fleet.end().await;
}

#[tokio::test]
async fn an_operator_ends_all_sessions_of_a_user_and_nobody_else_does() {
    let fleet = start().await;
    let (mine, theirs) = (sessions(&fleet, 3).await, sessions(&fleet, 1).await);
    let request = RevokeSessionsRequest { user_id: mine[0].user_id.clone(), ..Default::default() };
    // The gateway acts for people, and people have sessions of their own.
    let acting = rpc::caller::acting(request.clone(), &caller(&theirs[0]));
    let refused = fleet.client("gateway").revoke_sessions(acting).await.unwrap_err();
    assert_eq!(Problem::from(&refused).code, Code::BadInput);
    for peer in ["wallet", "orchestrator"] {
        let refused = fleet.client(peer).revoke_sessions(request.clone()).await.unwrap_err();
        assert_eq!(Problem::from(&refused).code, Code::Forbidden);
    }
    // An operator names a user, and no session.
    let mut operator = fleet.client("operator");
    let both = RevokeSessionsRequest { session_ids: vec![mine[0].session_id.clone()], ..request.clone() };
    for wrong in [both, RevokeSessionsRequest::default()] {
        let refused = operator.revoke_sessions(wrong).await.unwrap_err();
        assert_eq!(Problem::from(&refused).code, Code::BadInput);
    }
    assert_eq!(operator.revoke_sessions(request).await.unwrap().into_inner().revoked, 3);
    assert!(alive(&fleet, &caller(&mine[0])).await.is_empty());
    assert_eq!(alive(&fleet, &caller(&theirs[0])).await, ids(&theirs));
    let reasons: BTreeSet<String> =
        sqlx::query_scalar("select revoke_reason from sessions where revoked_at is not null")
            .fetch_all(&fleet.db.pool)
            .await
            .unwrap()
            .into_iter()
            .collect();
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), ["revoked"]);
    fleet.end().await;
}

async fn find(fleet: &Fleet, session: &Session) -> Session {
    let request = ValidateSessionRequest { session_id: session.session_id.clone() };
    fleet.client("gateway").validate_session(request).await.unwrap().into_inner().session.unwrap()
}

#[tokio::test]
async fn what_a_session_prepares_is_kept_with_it_and_survives_a_refresh() {
    let fleet = start().await;
    let signed_in = fleet.sign_in(&PrivateKeySigner::random()).await.unwrap();
    let (session, tokens) = (signed_in.session.unwrap(), signed_in.tokens.unwrap());
    assert!(find(&fleet, &session).await.intent_context.is_none());
    let mut orchestrator = fleet.client("orchestrator");
    let note = |intent_id: IntentId| SetIntentContextRequest {
        session_id: session.session_id.clone(),
        user_id: session.user_id.clone(),
        chain_id: "eip155:31337".to_owned(),
        kind: "CREATE_COLLECTION".to_owned(),
        intent_id: intent_id.to_string(),
    };
    let intents: Vec<IntentId> = (0..12).map(|_| IntentId::new()).collect();
    for intent_id in &intents {
        orchestrator.set_intent_context(note(*intent_id)).await.unwrap();
    }
    // The same once more is the newest, and there once.
    orchestrator.set_intent_context(note(intents[5])).await.unwrap();
    let mut expected = vec![intents[5].to_string()];
    let others = intents.iter().rev().filter(|intent| **intent != intents[5]);
    expected.extend(others.take(9).map(ToString::to_string));

    let request = RefreshSessionRequest { refresh_token: tokens.refresh_token, client: None };
    let refreshed = fleet.client("gateway").refresh_session(request).await.unwrap().into_inner();
    for found in [find(&fleet, &session).await, refreshed.session.unwrap()] {
        let context = found.intent_context.unwrap();
        assert_eq!((context.chain_id.as_str(), context.kind.as_str()), ("eip155:31337", "CREATE_COLLECTION"));
        assert_eq!(context.intent_ids, expected);
        assert!(context.update_time.is_some());
    }
    fleet.end().await;
}

#[tokio::test]
async fn nothing_is_noted_in_a_session_of_somebody_else_or_one_that_ended() {
    let fleet = start().await;
    let (mine, theirs) = (sessions(&fleet, 1).await.remove(0), sessions(&fleet, 1).await.remove(0));
    let mut orchestrator = fleet.client("orchestrator");
    let note = SetIntentContextRequest {
        session_id: mine.session_id.clone(),
        user_id: theirs.user_id.clone(),
        chain_id: "eip155:1".to_owned(),
        kind: "MINT_721".to_owned(),
        intent_id: IntentId::new().to_string(),
    };
    orchestrator.set_intent_context(note.clone()).await.unwrap();
    assert!(find(&fleet, &mine).await.intent_context.is_none());

    sqlx::query("update sessions set expires_at = now()").execute(&fleet.db.pool).await.unwrap();
    let own = SetIntentContextRequest { user_id: mine.user_id.clone(), ..note.clone() };
    orchestrator.set_intent_context(own.clone()).await.unwrap();
    assert!(find(&fleet, &mine).await.intent_context.is_none());

    let strange = SetIntentContextRequest { kind: "mint'; drop".to_owned(), ..own };
    let refused = orchestrator.set_intent_context(strange).await.unwrap_err();
    assert_eq!(Problem::from(&refused).code, Code::BadInput);
    let refused = fleet.client("gateway").set_intent_context(note).await.unwrap_err();
    assert_eq!(Problem::from(&refused).code, Code::Forbidden);
    fleet.end().await;
}

/// So many further sessions of the same user, opened before.
async fn open_many(fleet: &Fleet, session: &Session, many: i32) {
    sqlx::query(
        "insert into sessions (session_id, user_id, account_id, identity, account_type, chain_id, refresh_hash, created_at,
             expires_at, absolute_expires_at, access_expires_at)
         select gen_random_uuid(), $1::uuid, 'x', 'x', 'eoa', 'x', 'x', now() - make_interval(mins => n),
             now() + interval '1 day', now() + interval '1 day', now() + interval '1 minute'
         from generate_series(1, $2) n",
    )
    .bind(&session.user_id)
    .bind(many)
    .execute(&fleet.db.pool)
    .await
    .unwrap();
}

/// The sessions of each fact that sessions ended.
async fn told(fleet: &Fleet) -> Vec<Vec<String>> {
    let sql =
        "select body #> '{data,sessionIds}' from outbox where routing_key = 'session.revoked' order by id";
    let told: Vec<serde_json::Value> = sqlx::query_scalar(sql).fetch_all(&fleet.db.pool).await.unwrap();
    told.into_iter().map(|ids| serde_json::from_value(ids).unwrap()).collect()
}

#[tokio::test]
async fn a_user_has_a_hundred_sessions_and_the_next_one_ends_the_oldest() {
    let fleet = start().await;
    let signer = PrivateKeySigner::random();
    let first = fleet.sign_in(&signer).await.unwrap().session.unwrap();
    open_many(&fleet, &first, 99).await;
    let alive = "sessions where revoked_at is null";
    assert_eq!((fleet.count(alive).await, told(&fleet).await.len()), (100, 0));
    let oldest: Vec<String> =
        sqlx::query_scalar("select session_id::text from sessions order by created_at limit 2")
            .fetch_all(&fleet.db.pool)
            .await
            .unwrap();
    let second = fleet.sign_in(&signer).await.unwrap().session.unwrap();
    fleet.sign_in(&signer).await.unwrap();
    assert_eq!(fleet.count(alive).await, 100);
    assert_eq!(told(&fleet).await.concat(), oldest);
    assert!(!oldest.contains(&second.session_id) && !oldest.contains(&first.session_id));
    fleet.end().await;
}

#[tokio::test]
async fn many_sessions_that_end_at_once_are_told_in_facts_of_bounded_size() {
    let fleet = start().await;
    let session = fleet.sign_in(&PrivateKeySigner::random()).await.unwrap().session.unwrap();
    open_many(&fleet, &session, 1_100).await;
    let request = RevokeSessionsRequest { user_id: session.user_id.clone(), ..Default::default() };
    let ended = fleet.client("operator").revoke_sessions(request).await.unwrap().into_inner().revoked;
    assert_eq!(ended, 1_101);
    let told = told(&fleet).await;
    assert_eq!(told.iter().map(Vec::len).collect::<Vec<_>>(), [500, 500, 101]);
    let ids: std::collections::BTreeSet<String> = told.concat().into_iter().collect();
    assert_eq!(ids.len(), 1_101, "each is told once");
    assert_eq!(fleet.count("session_revocations").await, 3);
    fleet.end().await;
}
