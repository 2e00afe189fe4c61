//! What the `topology` command does: declares exchanges, queues, bindings, policies and users, all from the table.
//!
//! Queues and bindings go over AMQP, which refuses a queue that stands with other arguments; the rest only exists in
//! the management API. Everything may be repeated.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, bail};
use events::{
    exchange,
    topology::{EXCHANGES, QUEUES, Queue, RETRY_STEPS},
};
use futures::{StreamExt, TryStreamExt, stream};
use lapin::{
    ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
    uri::AMQPUri,
};
use launch::Secret;
use reqwest::{Client, Method, Url};
use serde_json::{Value, json};

use crate::{connect, rights::Permissions};

/// High enough that restarts never reach it, low enough to end a message that kills every consumer.
const DELIVERY_LIMIT: i64 = 50;
/// A dead queue is looked at and put back by an operator, which must never remove anything.
const NO_DELIVERY_LIMIT: i64 = 1_000_000_000;
const CHANNELS: usize = 8;
const API_DEADLINE: Duration = Duration::from_secs(30);

/// An argument of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Argument<'a> {
    Text(&'a str),
    Number(i64),
}

/// A queue as it is declared.
struct Declaration {
    name: String,
    /// For a main queue where it dead-letters to; for a retry queue where it returns to.
    dead_letter: Option<(&'static str, String)>,
    delivery_limit: i64,
    bindings: Vec<(&'static str, String)>,
}

impl Declaration {
    /// The queue itself, its retry queues and its dead queue.
    fn family(queue: &Queue) -> Vec<Declaration> {
        let own = |name: String| vec![(exchange::DEAD_LETTERS, name)];
        let mut family = vec![Declaration {
            name: queue.name.to_owned(),
            dead_letter: Some((exchange::DEAD_LETTERS, queue.dead())),
            delivery_limit: DELIVERY_LIMIT,
            bindings: queue.bindings.iter().map(|bound| (bound.exchange, bound.pattern.to_owned())).collect(),
        }];
        family.extend((1..=RETRY_STEPS.len()).map(|step| Declaration {
            name: queue.retry(step),
            // The default exchange leads to this one queue and to no other listener of the event.
            dead_letter: Some(("", queue.name.to_owned())),
            delivery_limit: NO_DELIVERY_LIMIT,
            bindings: own(queue.retry(step)),
        }));
        family.push(Declaration {
            name: queue.dead(),
            dead_letter: None,
            delivery_limit: NO_DELIVERY_LIMIT,
            bindings: own(queue.dead()),
        });
        family
    }

    fn arguments(&self) -> BTreeMap<&'static str, Argument<'_>> {
        let mut arguments = BTreeMap::from([
            ("x-queue-type", Argument::Text("quorum")),
            ("x-delivery-limit", Argument::Number(self.delivery_limit)),
        ]);
        if let Some((exchange, key)) = &self.dead_letter {
            arguments.extend([
                ("x-dead-letter-exchange", Argument::Text(exchange)),
                ("x-dead-letter-routing-key", Argument::Text(key)),
                // Republished with confirms; the broker offers that only with reject-publish.
                ("x-dead-letter-strategy", Argument::Text("at-least-once")),
                ("x-overflow", Argument::Text("reject-publish")),
            ]);
        }
        arguments
    }

    async fn declare(&self, channel: &lapin::Channel) -> anyhow::Result<()> {
        let mut table = FieldTable::default();
        for (name, argument) in self.arguments() {
            let value = match argument {
                Argument::Text(text) => AMQPValue::LongString(text.into()),
                Argument::Number(number) => AMQPValue::LongLongInt(number),
            };
            table.insert(name.into(), value);
        }
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(self.name.as_str().into(), durable, table).await.context(self.name.clone())?;
        for (exchange, pattern) in &self.bindings {
            let (queue, exchange, key) =
                (self.name.as_str().into(), (*exchange).into(), pattern.as_str().into());
            channel
                .queue_bind(queue, exchange, key, QueueBindOptions::default(), FieldTable::default())
                .await
                .context(self.name.clone())?;
        }
        Ok(())
    }
}

/// Declares everything: exchanges, queues, bindings and the policies of the retry steps.
pub async fn topology(amqp: &Secret, api: &Api) -> anyhow::Result<()> {
    let all: Vec<&Queue> = QUEUES.to_vec();
    queues(amqp, &all).await?;
    policies(api, &vhost_of(amqp)?, &RETRY_STEPS).await
}

/// Declares the exchanges and these queues with what belongs to them.
pub async fn queues(amqp: &Secret, queues: &[&Queue]) -> anyhow::Result<()> {
    let connection = connect::open(amqp, "topology").await?;
    let channel = connection.create_channel().await?;
    for name in EXCHANGES {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare(name.into(), ExchangeKind::Topic, durable, FieldTable::default()).await?;
    }
    let mut channels = vec![channel];
    while channels.len() < CHANNELS {
        channels.push(connection.create_channel().await?);
    }
    let channels = &channels;
    let declarations = queues.iter().flat_map(|queue| Declaration::family(queue)).enumerate();
    stream::iter(declarations)
        .map(|(at, declaration)| async move { declaration.declare(&channels[at % CHANNELS]).await })
        .buffer_unordered(CHANNELS)
        .try_collect::<()>()
        .await?;
    connection.close(200, "done".into()).await?;
    Ok(())
}

/// Sets how long a message waits in each retry queue: a policy, so that it can change without new queues.
pub async fn policies(api: &Api, vhost: &str, steps: &[Duration]) -> anyhow::Result<()> {
    for (at, wait) in steps.iter().enumerate() {
        let step = at + 1;
        let policy = json!({
            "pattern": format!(r"^.+\.retry\.{step}$"),
            "apply-to": "queues",
            "priority": 10,
            "definition": { "message-ttl": wait.as_millis() as u64 },
        });
        api.put(&["policies", vhost, &format!("retry-{step}")], policy).await?;
    }
    Ok(())
}

/// Creates a vhost, or leaves it as it is.
pub async fn vhost(api: &Api, name: &str) -> anyhow::Result<()> {
    api.put(&["vhosts", name], json!({})).await
}

/// Creates a user, or gives it a new password, with exactly these rights in the vhost.
pub async fn user(
    api: &Api,
    vhost: &str,
    name: &str,
    password: &Secret,
    permissions: &Permissions,
) -> anyhow::Result<()> {
    api.put(&["users", name], json!({ "password": password.expose(), "tags": "" })).await?;
    let Permissions { configure, write, read, topics } = permissions;
    let rights = json!({ "configure": configure, "write": write, "read": read });
    api.put(&["permissions", vhost, name], rights).await?;
    for (exchange, keys) in topics {
        let rights = json!({ "exchange": exchange, "write": keys, "read": "^$" });
        api.put(&["topic-permissions", vhost, name], rights).await?;
    }
    Ok(())
}

/// The same topology as a definitions file, for a broker that loads one at its start.
pub fn definitions(vhost: &str) -> Value {
    let declarations: Vec<Declaration> = QUEUES.iter().flat_map(|queue| Declaration::family(queue)).collect();
    let argument = |(name, argument): (&str, Argument<'_>)| match argument {
        Argument::Text(text) => (name.to_owned(), json!(text)),
        Argument::Number(number) => (name.to_owned(), json!(number)),
    };
    let queue = |d: &Declaration| {
        let arguments: serde_json::Map<String, Value> = d.arguments().into_iter().map(argument).collect();
        json!({ "name": d.name, "vhost": vhost, "durable": true, "auto_delete": false, "arguments": arguments })
    };
    let bound = |d: &Declaration| -> Vec<Value> {
        let binding = |(exchange, key): &(&str, String)| {
            json!({ "source": exchange, "vhost": vhost, "destination": d.name, "destination_type": "queue",
                    "routing_key": key, "arguments": {} })
        };
        d.bindings.iter().map(binding).collect()
    };
    let policy = |(at, wait): (usize, &Duration)| {
        json!({ "vhost": vhost, "name": format!("retry-{}", at + 1), "pattern": format!(r"^.+\.retry\.{}$", at + 1),
                "apply-to": "queues", "priority": 10, "definition": { "message-ttl": wait.as_millis() as u64 } })
    };
    let exchange = |name: &&str| {
        json!({ "name": name, "vhost": vhost, "type": "topic", "durable": true, "auto_delete": false,
                "internal": false, "arguments": {} })
    };
    json!({
        "vhosts": [{ "name": vhost }],
        "exchanges": EXCHANGES.iter().map(exchange).collect::<Vec<_>>(),
        "queues": declarations.iter().map(queue).collect::<Vec<_>>(),
        "bindings": declarations.iter().flat_map(bound).collect::<Vec<_>>(),
        "policies": RETRY_STEPS.iter().enumerate().map(policy).collect::<Vec<_>>(),
    })
}

/// The vhost that an AMQP URL names.
pub fn vhost_of(amqp: &Secret) -> anyhow::Result<String> {
    let uri: Result<AMQPUri, String> = amqp.expose().parse();
    Ok(uri.map_err(|_| anyhow::anyhow!("the AMQP URL is malformed"))?.vhost)
}

/// The broker's management API.
#[derive(Clone)]
pub struct Api {
    client: Client,
    base: Url,
    user: String,
    password: Secret,
}

impl Api {
    /// From a URL with user and password in it, like `http://user:password@127.0.0.1:15672`.
    pub fn new(url: &Secret) -> anyhow::Result<Api> {
        let mut base =
            Url::parse(url.expose()).map_err(|_| anyhow::anyhow!("the management URL is malformed"))?;
        let (user, password) = (base.username().to_owned(), base.password().unwrap_or_default().to_owned());
        let stripped = base.set_username("").and_then(|()| base.set_password(None));
        stripped.map_err(|()| anyhow::anyhow!("the management URL has no host"))?;
        let client = Client::builder().timeout(API_DEADLINE).no_proxy().build()?;
        Ok(Api { client, base, user, password: password.into() })
    }

    /// What the API says of a resource.
    pub async fn get(&self, path: &[&str]) -> anyhow::Result<Value> {
        self.ask(Method::GET, path, None).await
    }

    /// Creates or changes a resource.
    pub async fn put(&self, path: &[&str], body: Value) -> anyhow::Result<()> {
        self.ask(Method::PUT, path, Some(body)).await.map(drop)
    }

    /// Asks for something to be done.
    pub async fn post(&self, path: &[&str], body: Value) -> anyhow::Result<Value> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Removes a resource.
    pub async fn delete(&self, path: &[&str]) -> anyhow::Result<()> {
        self.ask(Method::DELETE, path, None).await.map(drop)
    }

    async fn ask(&self, method: Method, path: &[&str], body: Option<Value>) -> anyhow::Result<Value> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            // The vhost may be "/", which travels as %2F.
            Ok(mut segments) => segments.clear().push("api").extend(path),
            Err(()) => bail!("the management URL has no path"),
        };
        let mut request =
            self.client.request(method.clone(), url).basic_auth(&self.user, Some(self.password.expose()));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let place = path.join("/");
        let response = request.send().await.map_err(reqwest::Error::without_url).context(place.clone())?;
        let status = response.status();
        let text = response.text().await.map_err(reqwest::Error::without_url)?;
        if !status.is_success() {
            bail!("{method} {place}: {status} {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}
