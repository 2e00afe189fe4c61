//! People log in while auth, user and wallet are killed with -9: nobody becomes two users, no login half happens, and no
//! fact about one is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, bail, ensure};
use e2e::Stage;
use sqlx::{Connection, PgConnection};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    count::note,
    frontend::{Frontend, Person},
};

const AT_ONCE: usize = 4;
/// Logins between two kills.
const SHARE: u32 = 12;
const PATIENCE: Duration = Duration::from_secs(60);

/// Who is killed, and where: at a place in the code that a variable names, or wherever it happens to be.
const KILLS: [(&str, Option<&str>); 9] = [
    ("auth", None),
    ("user", None),
    ("wallet", None),
    ("auth", Some("auth.nonce.consumed:5")),
    ("auth", Some("auth.session.inserted:5")),
    ("auth", Some("auth.outbox.committed:5")),
    ("user", Some("consumer.effect_committed_unacked:3")),
    ("wallet", Some("consumer.effect_committed_unacked:3")),
    ("auth", Some("relay.confirmed_unmarked:3")),
];

/// Somebody who kept trying until they were in.
struct Login {
    person: Person,
    /// How many messages they signed: each is good for one session at most.
    messages: i64,
}

struct Crowd {
    frontend: Frontend,
    /// Closed while a service that is to die comes up: it must not die before it has said that it is ready.
    gate: Semaphore,
    stop: AtomicBool,
    logins: AtomicU32,
}

pub(crate) fn no_login_half_happens_when_services_are_killed(stage: &Stage) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let crowd = Arc::new(Crowd {
        frontend: Frontend::new(stage)?,
        gate: Semaphore::new(AT_ONCE),
        stop: AtomicBool::new(false),
        logins: AtomicU32::new(0),
    });
    let begun = Instant::now();
    let people: Vec<_> = (0..AT_ONCE).map(|_| runtime.spawn(stream(Arc::clone(&crowd)))).collect();

    let outcome = kills(stage, &runtime, &crowd, begun);
    crowd.stop.store(true, Ordering::SeqCst);
    let mut logins = Vec::new();
    for person in people {
        logins.extend(runtime.block_on(person)??);
    }
    outcome?;
    note(begun, &format!("{} people logged in", logins.len()));
    ensure!(logins.len() as u32 >= SHARE * KILLS.len() as u32, "only {} logins", logins.len());
    runtime.block_on(compare(stage, &logins))?;
    note(begun, "three databases tell the same");
    Ok(())
}

fn kills(
    stage: &Stage,
    runtime: &tokio::runtime::Runtime,
    crowd: &Crowd,
    begun: Instant,
) -> anyhow::Result<()> {
    let fleet = stage.fleet();
    for (victim, place) in KILLS {
        crowd.wait_for(SHARE)?;
        match place {
            None => fleet.kill(victim)?,
            Some(place) => {
                let closed = runtime.block_on(crowd.gate.acquire_many(AT_ONCE as u32))?;
                fleet.stop(victim)?;
                // What waits for it in its queues may be enough for it to die before it says that it is ready.
                let started = fleet.start(victim, &[("VITRINE_FAILPOINT", place)]);
                if fleet.room().is_alive(victim) {
                    started?;
                }
                drop(closed);
                wait_until(&format!("{victim} dies at {place}"), || !fleet.room().is_alive(victim))?;
            }
        }
        note(begun, &format!("{victim} killed {}", place.unwrap_or("in the middle of something")));
        // For a moment nobody is there, and people try in vain.
        std::thread::park_timeout(Duration::from_millis(300));
        fleet.start(victim, &[])?;
    }
    crowd.wait_for(SHARE)
}

impl Crowd {
    /// Waits for so many more logins.
    fn wait_for(&self, more: u32) -> anyhow::Result<()> {
        let due = self.logins.load(Ordering::SeqCst) + more;
        wait_until("people log in", || self.logins.load(Ordering::SeqCst) >= due)
    }
}

fn wait_until(what: &str, condition: impl Fn() -> bool) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !condition() {
        ensure!(begun.elapsed() < PATIENCE, "not after {PATIENCE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Ok(())
}

/// One new person after the other.
async fn stream(crowd: Arc<Crowd>) -> anyhow::Result<Vec<Login>> {
    let mut logins = Vec::new();
    while !crowd.stop.load(Ordering::SeqCst) {
        let _open = crowd.gate.acquire().await?;
        logins.push(log_in(&crowd.frontend).await?);
        crowd.logins.fetch_add(1, Ordering::SeqCst);
    }
    Ok(logins)
}

/// Tries until it works, as a person with patience does.
async fn log_in(frontend: &Frontend) -> anyhow::Result<Login> {
    let (signer, begun) = (PrivateKeySigner::random(), Instant::now());
    let mut messages = 0;
    loop {
        ensure!(begun.elapsed() < PATIENCE, "nobody let {} in for {PATIENCE:?}", signer.address());
        let Ok(message) = frontend.message(&signer).await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        messages += 1;
        let mut answer = frontend.verify(&signer, &message).await;
        if answer.is_err() {
            // Whether it happened is unknown; the same message again must not make it happen twice.
            tokio::time::sleep(Duration::from_millis(50)).await;
            answer = frontend.verify(&signer, &message).await;
        }
        match answer {
            Ok(Ok(tokens)) => return Ok(Login { person: Person::of(signer, tokens)?, messages }),
            Ok(Err(code)) if code == "NONCE_USED" => {}
            Ok(Err(code)) => bail!("an honest login was refused: {code}"),
            Err(_) => {}
        }
    }
}

async fn compare(stage: &Stage, logins: &[Login]) -> anyhow::Result<()> {
    let connect = async |name: &str| {
        anyhow::Ok(PgConnection::connect(stage.variable(&format!("{name}_DATABASE_URL"))?).await?)
    };
    let (mut auth, mut user, mut wallet) =
        (connect("AUTH").await?, connect("USER").await?, connect("WALLET").await?);
    let addresses: Vec<String> = logins.iter().map(|login| login.person.address()).collect();

    // Sessions, and the records of their beginning.
    let sessions: Vec<(Uuid, Uuid, String)> =
        sqlx::query_as("select session_id, user_id, identity from sessions where identity = any($1)")
            .bind(&addresses)
            .fetch_all(&mut auth)
            .await?;
    for login in logins {
        let address = login.person.address();
        let own: Vec<_> = sessions.iter().filter(|(_, _, identity)| *identity == address).collect();
        let range = 1..=login.messages;
        ensure!(
            range.contains(&(own.len() as i64)),
            "{address}: {} sessions for {} messages",
            own.len(),
            login.messages
        );
        ensure!(
            own.iter().any(|(session, _, _)| *session == login.person.session_id),
            "{address}: a session that was told is not there"
        );
        ensure!(
            own.iter().all(|(_, user, _)| *user == login.person.user_id),
            "{address}: sessions of several users"
        );
    }
    let ids: Vec<Uuid> = sessions.iter().map(|(session, _, _)| *session).collect();
    let successes: Vec<Uuid> = sqlx::query_scalar(
        "select session_id from login_events where session_id = any($1) and result = 'success' and purpose = 'sign_in'",
    )
    .bind(&ids)
    .fetch_all(&mut auth)
    .await?;
    same("records of success", &ids, &successes)?;

    // What a relay that died had taken is left alone for a minute; here that minute is over.
    sqlx::query("update outbox set claimed_until = null where sent_at is null").execute(&mut auth).await?;
    // Facts: each session has one, it was sent, and both who listen have taken it in once.
    let facts = told(&mut auth, &ids).await?;
    let about: Vec<Uuid> = facts.iter().map(|(_, session)| *session).collect();
    same("facts", &ids, &about)?;
    let messages: Vec<String> = facts.into_iter().map(|(message, _)| message).collect();
    for (name, db) in [("user", &mut user), ("wallet", &mut wallet)] {
        taken_in(name, db, &messages).await?;
    }

    // One user an account, in all three.
    let due: Vec<(String, Uuid)> =
        logins.iter().map(|login| (login.person.address(), login.person.user_id)).collect();
    agree("auth", &mut auth, "select identity, user_id from account_users where identity = any($1)", &due)
        .await?;
    agree("user", &mut user, "select identity, user_id from user_accounts where identity = any($1)", &due)
        .await?;
    let links = "select identity, user_id from wallet_links where identity = any($1) and is_primary";
    agree("wallet", &mut wallet, links, &due).await?;
    let nobodies: i64 = sqlx::query_scalar(
        "select count(*) from users u where not exists (select from user_accounts a where a.user_id = u.user_id)",
    )
    .fetch_one(&mut user)
    .await?;
    ensure!(nobodies == 0, "{nobodies} users without an account");
    Ok(())
}

/// The message and the session of each fact, once all of them were sent.
async fn told(auth: &mut PgConnection, sessions: &[Uuid]) -> anyhow::Result<Vec<(String, Uuid)>> {
    let begun = Instant::now();
    loop {
        let facts: Vec<(String, Uuid, bool)> = sqlx::query_as(
            "select message_id, (body #>> '{data,sessionId}')::uuid, sent_at is not null from outbox
             where routing_key = 'user.logged_in' and (body #>> '{data,sessionId}')::uuid = any($1)",
        )
        .bind(sessions)
        .fetch_all(&mut *auth)
        .await?;
        let unsent = facts.iter().filter(|(_, _, sent)| !sent).count();
        if unsent == 0 {
            return Ok(facts.into_iter().map(|(message, session, _)| (message, session)).collect());
        }
        ensure!(begun.elapsed() < PATIENCE, "{unsent} facts were not sent after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn taken_in(name: &str, db: &mut PgConnection, messages: &[String]) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let known: i64 = sqlx::query_scalar("select count(*) from processed_events where event_id = any($1)")
            .bind(messages)
            .fetch_one(&mut *db)
            .await?;
        if known == messages.len() as i64 {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "{name} knows {known} of {} facts", messages.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until a database knows of each account that it is its user's, and of no other user's.
async fn agree(
    name: &str,
    db: &mut PgConnection,
    query: &'static str,
    due: &[(String, Uuid)],
) -> anyhow::Result<()> {
    let addresses: Vec<&str> = due.iter().map(|(address, _)| address.as_str()).collect();
    let begun = Instant::now();
    loop {
        let found: Vec<(String, Uuid)> =
            sqlx::query_as(query).bind(&addresses).fetch_all(&mut *db).await.context(query)?;
        match same(&format!("accounts that {name} knows"), due, &found) {
            Err(_) if found.len() < due.len() && begun.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            outcome => return outcome,
        }
    }
}

/// The same things, each as often.
fn same<T: Ord + Clone + std::fmt::Debug>(what: &str, due: &[T], found: &[T]) -> anyhow::Result<()> {
    let (mut due, mut found) = (due.to_vec(), found.to_vec());
    due.sort();
    found.sort();
    if due == found {
        return Ok(());
    }
    let missing: Vec<&T> = due.iter().filter(|one| !found.contains(one)).collect();
    bail!("{what}: {} for {}, missing {missing:?}", found.len(), due.len())
}
