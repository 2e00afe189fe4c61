//! A vhost of one's own for each story, with the whole topology and short retries.

use std::time::Duration;

use bus::declare::{self, Api};
use events::topology::{QUEUES, Queue};
use launch::Secret;

use crate::{clean_up, variable};

/// How long a message waits in the retry queues of a test.
pub const TEST_STEPS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(150),
    Duration::from_millis(200),
];

/// A vhost that goes when the test does.
pub struct Vhost {
    /// The AMQP URL, with the administrator's name.
    pub url: String,
    /// Its name.
    pub name: String,
    /// The broker's management API.
    pub api: Api,
}

/// A vhost with the whole topology and [`TEST_STEPS`].
pub async fn vhost() -> Vhost {
    vhost_with(&TEST_STEPS).await
}

/// A vhost for one service: its own queues with all that belongs to them, of the others' the main ones alone, as plain
/// boxes in which a test can find what was sent. The broker makes that in a tenth of the time.
pub async fn vhost_of(service: &str) -> Vhost {
    let vhost = bare_vhost().await;
    let (own, others): (Vec<&Queue>, Vec<&Queue>) =
        QUEUES.iter().partition(|queue| queue.consumer == service);
    declare::queues(&vhost.secret(), &own).await.expect("the test broker takes the queues");
    for queue in others {
        let (name, api) = (vhost.name.as_str(), &vhost.api);
        let plain = serde_json::json!({ "durable": true });
        api.put(&["queues", name, queue.name], plain).await.expect("the test broker makes a queue");
        for bound in queue.bindings {
            let path = ["bindings", name, "e", bound.exchange, "q", queue.name];
            let key = serde_json::json!({ "routing_key": bound.pattern });
            api.post(&path, key).await.expect("the test broker binds a queue");
        }
    }
    declare::policies(&vhost.api, &vhost.name, &TEST_STEPS).await.expect("the test broker takes policies");
    vhost
}

/// A vhost with the whole topology and these waits before the next attempts.
pub async fn vhost_with(steps: &[Duration]) -> Vhost {
    let vhost = bare_vhost().await;
    declare::topology(&vhost.secret(), &vhost.api).await.expect("the test broker takes the topology");
    declare::policies(&vhost.api, &vhost.name, steps).await.expect("the test broker takes policies");
    vhost
}

async fn bare_vhost() -> Vhost {
    let api = Api::new(&variable("VITRINE_TEST_AMQP_API").into()).expect("VITRINE_TEST_AMQP_API is a URL");
    let name = format!("t-{}", uuid::Uuid::new_v4().simple());
    declare::vhost(&api, &name).await.expect("the test broker makes a vhost");
    let mut url = url::Url::parse(&variable("VITRINE_TEST_AMQP")).expect("VITRINE_TEST_AMQP is a URL");
    url.set_path(&name);
    Vhost { url: url.into(), name, api }
}

impl Vhost {
    /// The AMQP URL as a service's configuration has it.
    pub fn secret(&self) -> Secret {
        self.url.as_str().into()
    }

    /// How many messages are ready or unacknowledged in a queue, as the broker says now (it counts with a delay).
    pub async fn depth(&self, queue: &str) -> u64 {
        let state = self.api.get(&["queues", &self.name, queue]).await.expect("the queue is there");
        state["messages"].as_u64().unwrap_or(0)
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        let (name, api_url) = (self.name.clone(), variable("VITRINE_TEST_AMQP_API"));
        clean_up(async move {
            // A client of its own: the test's waits on a runtime that stands still while this runs.
            if let Ok(api) = Api::new(&api_url.as_str().into()) {
                let _ = api.delete(&["vhosts", &name]).await;
            }
        });
    }
}
