//! Each service's user may do what the table gives it, and is refused everything else.

use bus::{declare, rights};
use events::{
    exchange,
    topology::{KEYS, QUEUES, companions},
};
use lapin::{
    Connection, ConnectionProperties, ErrorKind,
    options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};
use testkit::Vhost;

/// The user's connection. A refusal closes the channel, so each question has a channel of its own.
struct User(Connection);

impl User {
    async fn publishes(&self, exchange: &str, key: &str) -> bool {
        let channel = self.0.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let (options, properties) = (BasicPublishOptions::default(), lapin::BasicProperties::default());
        let sending = channel.basic_publish(exchange.into(), key.into(), options, b"{}", properties).await;
        allowed(match sending {
            Ok(confirm) => confirm.await.map(drop),
            Err(err) => Err(err),
        })
    }

    async fn reads(&self, queue: &str) -> bool {
        let channel = self.0.create_channel().await.unwrap();
        allowed(channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.map(drop))
    }

    async fn declares(&self, queue: &str) -> bool {
        let channel = self.0.create_channel().await.unwrap();
        allowed(
            channel
                .queue_declare(queue.into(), QueueDeclareOptions::durable(), FieldTable::default())
                .await
                .map(drop),
        )
    }
}

fn allowed(outcome: lapin::Result<()>) -> bool {
    match outcome {
        Ok(()) => true,
        Err(err) => {
            let refused = matches!(err.kind(), ErrorKind::ProtocolError(why) if why.get_id() == 403);
            assert!(refused, "neither done nor refused: {err}");
            false
        }
    }
}

async fn user(vhost: &Vhost, service: &str) -> User {
    let name = format!("{}-{service}", vhost.name);
    let password = uuid::Uuid::new_v4().simple().to_string();
    declare::user(&vhost.api, &vhost.name, &name, &password.as_str().into(), &rights::permissions(service))
        .await
        .unwrap();
    let host = vhost.url.split('@').nth(1).unwrap();
    let url = format!("amqp://{name}:{password}@{host}");
    User(Connection::connect(&url, ConnectionProperties::default()).await.unwrap())
}

#[tokio::test]
async fn each_service_may_do_what_is_its_own_and_nothing_else() {
    let vhost = testkit::vhost().await;
    let mut cells = 0;
    for service in rights::services().into_iter().chain(["gateway"]) {
        let user = user(&vhost, service).await;
        for key in &KEYS {
            let is_own = key.from == service;
            assert_eq!(
                user.publishes(key.exchange, &key.example()).await,
                is_own,
                "{service} publishes {key:?}"
            );
            cells += 1;
        }
        for queue in QUEUES {
            let is_own = queue.consumer == service;
            assert_eq!(user.reads(queue.name).await, is_own, "{service} reads {}", queue.name);
            assert!(!user.publishes("", queue.name).await, "{service} writes into {}", queue.name);
            for name in companions(queue) {
                assert_eq!(
                    user.publishes(exchange::DEAD_LETTERS, &name).await,
                    is_own,
                    "{service} publishes {name}"
                );
                assert!(!user.reads(&name).await, "{service} reads {name}");
                cells += 2;
            }
            cells += 2;
        }
        assert!(!user.declares("anything").await, "{service} declares a queue");
        cells += 1;
        vhost.api.delete(&["users", &format!("{}-{service}", vhost.name)]).await.unwrap();
    }
    assert_eq!(cells, 9 * (24 + 23 * 12 + 1));
}
