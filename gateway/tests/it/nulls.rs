//! Why the GraphQL library is pinned: a field that fails is null in its place, and only `Option<Result<_>>` stops
//! there. Newer releases drop the key, which breaks clients that normalise what they get.

use async_graphql::{EmptyMutation, EmptySubscription, Error, Object, Schema};
use serde_json::{Value, json};

struct Query;

#[Object]
impl Query {
    async fn token(&self) -> Token {
        Token
    }
}

struct Token;

#[Object]
impl Token {
    async fn id(&self) -> &str {
        "1"
    }

    async fn owner(&self) -> Option<Result<String, Error>> {
        Some(Err(Error::new("a service is down")))
    }

    async fn strict(&self) -> Result<String, Error> {
        Err(Error::new("a service is down"))
    }
}

async fn ask(query: &str) -> Value {
    let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
    serde_json::to_value(schema.execute(query).await).expect("answers are JSON")
}

#[tokio::test]
async fn a_field_that_fails_alone_is_null_in_its_place() {
    let answer = ask("{ token { id owner } }").await;
    assert_eq!(answer["data"], json!({ "token": { "id": "1", "owner": null } }));
    assert_eq!(answer["errors"][0]["path"], json!(["token", "owner"]));
}

#[tokio::test]
async fn a_required_field_that_fails_takes_its_parents_with_it() {
    let answer = ask("{ token { id strict } }").await;
    assert_eq!(answer["data"], Value::Null);
}
