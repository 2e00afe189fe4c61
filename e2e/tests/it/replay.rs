//! One signed message is good for one session, whoever asks, how often, and at which of several processes.

use std::{
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use alloy::signers::{SignerSync, local::PrivateKeySigner};
use anyhow::{Context, ensure};
use e2e::Stage;
use proto::auth::v1::{
    ClientInfo, IssueNonceRequest, VerifySiweRequest, auth_service_client::AuthServiceClient,
};
use sqlx::{Connection, PgConnection};
use url::Url;

use crate::{count::note, frontend};

type Auth = AuthServiceClient<rpc::Channel>;

const TWINS: [&str; 3] = ["auth-2", "auth-3", "auth-4"];
const AT_ONCE: usize = 200;
const ROUNDS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn one_message_opens_one_session_over_four_processes(stage: &Stage) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut urls = vec![stage.variable("AUTH_URL")?.to_owned()];
    for name in TWINS {
        let (grpc, ops) = (free_port()?, free_port()?);
        stage.fleet().start_another("auth", name, grpc, ops)?;
        urls.push(format!("https://127.0.0.1:{grpc}"));
    }
    note(begun, "four processes on the same stores");
    let runtime = tokio::runtime::Runtime::new()?;
    let told = runtime.block_on(async {
        let auths: Vec<Auth> = urls.iter().map(|url| client(stage, url)).collect::<anyhow::Result<_>>()?;
        // A pool that has yet to connect would be what is measured.
        for auth in &auths {
            let asking =
                (0..8).map(|_| async { auth.clone().issue_nonce(IssueNonceRequest::default()).await });
            futures::future::try_join_all(asking).await?;
        }
        let mut last = None;
        for round in 0..ROUNDS {
            last = Some(one_round(stage, &auths, round).await?);
        }
        anyhow::Ok(last)
    })?;
    note(begun, &format!("{ROUNDS} messages, {AT_ONCE} times each"));

    // What a process remembers is not what the answer rests on.
    for name in TWINS {
        stage.fleet().room().stop(name, 15, Duration::from_secs(30))?;
    }
    stage.fleet().kill("auth")?;
    stage.fleet().start("auth", &[])?;
    let (signer, request) = told.context("there were rounds")?;
    runtime.block_on(async {
        let refused = client(stage, &urls[0])?.verify_siwe(request).await;
        let reason = refused.err().map(|status| rpc::Problem::from(&status).reason);
        ensure!(reason.as_deref() == Some("NONCE_USED"), "after a restart: {reason:?}");
        only_one_session(stage, &signer).await
    })
}

async fn one_round(
    stage: &Stage,
    auths: &[Auth],
    round: usize,
) -> anyhow::Result<(PrivateKeySigner, VerifySiweRequest)> {
    let signer = PrivateKeySigner::random();
    let asked = auths[round % auths.len()]
        .clone()
        .issue_nonce(IssueNonceRequest { client: Some(visitor()), ..Default::default() })
        .await?
        .into_inner();
    let asked = serde_json::json!({ "domain": asked.domain, "uri": asked.uri, "nonce": asked.nonce,
        "statement": asked.statement });
    let message = frontend::written(&asked, &signer, frontend::LOCAL_CHAIN);
    let request = VerifySiweRequest {
        signature: signer.sign_message_sync(message.as_bytes())?.as_bytes().to_vec(),
        client: Some(visitor()),
        message,
        ..Default::default()
    };
    // Redis loses everything between the nonce and its use, and once more in the middle of them.
    flush(stage).await?;
    let attempts: Vec<_> = (0..AT_ONCE)
        .map(|turn| tokio::spawn(insist(auths[turn % auths.len()].clone(), request.clone())))
        .collect();
    flush(stage).await?;
    let mut opened = 0;
    for attempt in attempts {
        match attempt.await? {
            Ok(()) => opened += 1,
            Err(status) => {
                let reason = rpc::Problem::from(&status).reason;
                ensure!(reason == "NONCE_USED", "refused for another reason: {status:?}");
            }
        }
    }
    ensure!(opened == 1, "round {round}: {opened} of {AT_ONCE} opened a session");
    only_one_session(stage, &signer).await?;
    Ok((signer, request))
}

/// Asks until there is an answer: of so many at once a busy machine turns some away.
async fn insist(mut auth: Auth, request: VerifySiweRequest) -> Result<(), tonic::Status> {
    let begun = Instant::now();
    loop {
        match auth.verify_siwe(request.clone()).await {
            Err(status) if status.code() == tonic::Code::Unavailable && begun.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            answer => return answer.map(drop),
        }
    }
}

/// What the database says: one session, one success, one fact.
async fn only_one_session(stage: &Stage, signer: &PrivateKeySigner) -> anyhow::Result<()> {
    let mut db = PgConnection::connect(stage.variable("AUTH_DATABASE_URL")?).await?;
    let address = format!("{:#x}", signer.address());
    let counts: (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from sessions where identity = $1),
                (select count(*) from login_events where account_id = $1 and result = 'success'),
                (select count(*) from outbox where routing_key = 'user.logged_in'
                    and body #>> '{data,accountId}' ilike '%' || $1)",
    )
    .bind(address)
    .fetch_one(&mut db)
    .await?;
    ensure!(counts == (1, 1, 1), "sessions, successes and facts: {counts:?}");
    Ok(())
}

fn client(stage: &Stage, url: &str) -> anyhow::Result<Auth> {
    let certs = Path::new(stage.variable("CERTS_DIR")?);
    let identity = rpc::Identity::load(&rpc::Settings {
        addr: ([127, 0, 0, 1], 0).into(),
        ca: certs.join("ca.pem"),
        cert: certs.join("gateway.pem"),
        key: certs.join("gateway.key"),
    })?;
    let url: Url = url.parse()?;
    Ok(AuthServiceClient::new(rpc::channel("auth", &url, &identity)?))
}

fn visitor() -> ClientInfo {
    let device_id = String::new();
    ClientInfo { ip_address: "203.0.113.7".to_owned(), user_agent: "story/1.0".to_owned(), device_id }
}

pub(crate) async fn flush(stage: &Stage) -> anyhow::Result<()> {
    let client = redis::Client::open(stage.variable("REDIS_URL")?)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    Ok(redis::cmd("FLUSHALL").exec_async(&mut connection).await?)
}

pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
