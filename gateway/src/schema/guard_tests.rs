//! Every field that the schema marks with `@auth` refuses those whom it says, before it does anything: the schema is
//! executed here without its services, so that a resolver which gets as far as to call one fails loudly.

use std::collections::HashMap;

use async_graphql::{
    EmptyMutation, EmptySubscription, Object, Request, Response, ServerError,
    parser::{
        parse_schema,
        types::{BaseType, FieldDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition},
    },
};
use futures::StreamExt;
use ids::{SessionId, UserId};
use serde_json::{Value, json};

use super::wallet::Wallet;
use crate::viewer::Viewer;

fn viewer(roles: &[&str]) -> Viewer {
    Viewer {
        user_id: UserId::new(),
        session_id: SessionId::new(),
        account_id: "eip155:1:0x0707070707070707070707070707070707070707".parse().unwrap(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        expires_at: chrono::Utc::now(),
    }
}

fn types() -> HashMap<String, TypeDefinition> {
    let document = parse_schema(super::sdl()).unwrap();
    let types = document.definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(found) => Some((found.node.name.node.to_string(), found.node)),
        _ => None,
    });
    types.collect()
}

/// A value that the type accepts.
fn example(types: &HashMap<String, TypeDefinition>, ty: &Type) -> String {
    let name = match &ty.base {
        BaseType::List(inner) => return format!("[{}]", example(types, inner)),
        BaseType::Named(name) => name.as_str(),
    };
    match name {
        "ID" | "String" | "URI" => "\"x\"".to_owned(),
        "Int" => "1".to_owned(),
        "Boolean" => "true".to_owned(),
        "BigInt" => "\"1\"".to_owned(),
        "Hex" => "\"0x00\"".to_owned(),
        "JSON" => "{}".to_owned(),
        "Address" => format!("\"0x{}\"", "07".repeat(20)),
        "ChainId" => "\"eip155:1\"".to_owned(),
        "AccountId" => format!("\"eip155:1:0x{}\"", "07".repeat(20)),
        "DateTime" => "\"2026-01-01T00:00:00Z\"".to_owned(),
        _ => match &types[name].kind {
            TypeKind::Enum(values) => values.values[0].node.value.node.to_string(),
            TypeKind::InputObject(input) => {
                let is_one_of = types[name].directives.iter().any(|found| found.node.name.node == "oneOf");
                let wanted: Vec<String> = input
                    .fields
                    .iter()
                    .map(|field| &field.node)
                    .filter(|field| is_one_of || (!field.ty.node.nullable && field.default_value.is_none()))
                    .take(if is_one_of { 1 } else { usize::MAX })
                    .map(|field| format!("{}: {}", field.name.node, example(types, &field.ty.node)))
                    .collect();
                format!("{{ {} }}", wanted.join(", "))
            }
            other => panic!("no example for {name}: {other:?}"),
        },
    }
}

fn operation(types: &HashMap<String, TypeDefinition>, root: &str, field: &FieldDefinition) -> String {
    let arguments: Vec<String> = field
        .arguments
        .iter()
        .map(|argument| &argument.node)
        .filter(|argument| !argument.ty.node.nullable && argument.default_value.is_none())
        .map(|argument| format!("{}: {}", argument.name.node, example(types, &argument.ty.node)))
        .collect();
    let arguments = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
    let mut answer = &field.ty.node.base;
    while let BaseType::List(inner) = answer {
        answer = &inner.base;
    }
    let is_leaf = match answer {
        BaseType::Named(name) => types
            .get(name.as_str())
            .is_none_or(|found| matches!(found.kind, TypeKind::Scalar | TypeKind::Enum(_))),
        BaseType::List(_) => true,
    };
    let selection = if is_leaf { "" } else { " { __typename }" };
    format!("{} {{ {}{arguments}{selection} }}", root.to_lowercase(), field.name.node)
}

async fn ask(operation: &str, viewer: Option<Viewer>) -> Response {
    let schema = super::builder().finish();
    let mut request = Request::new(operation);
    if let Some(viewer) = viewer {
        request = request.data(viewer);
    }
    schema.execute_stream(request).next().await.expect("an answer")
}

fn code(error: &ServerError) -> Value {
    let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code").cloned());
    code.map_or(Value::Null, |code| code.into_json().unwrap())
}

#[tokio::test]
async fn whoever_lacks_the_role_is_refused_before_anything_is_looked_at() {
    let types = types();
    let mut seen = 0;
    for root in ["Query", "Mutation", "Subscription"] {
        let TypeKind::Object(object) = &types[root].kind else { panic!("{root} is no object") };
        for field in object.fields.iter().map(|field| &field.node) {
            let Some(auth) = field.directives.iter().find(|found| found.node.name.node == "auth") else {
                continue;
            };
            let role = auth.node.get_argument("requires").unwrap().node.to_string();
            let operation = operation(&types, root, field);

            let guest = ask(&operation, None).await;
            assert_eq!(guest.errors.len(), 1, "{operation}: {:?}", guest.errors);
            assert_eq!(code(&guest.errors[0]), "UNAUTHENTICATED", "{operation}");
            if field.ty.node.nullable {
                let data = guest.data.into_json().unwrap();
                assert_eq!(data, json!({ field.name.node.as_str(): null }), "{operation}: alone is null");
            }

            let too_few: &[&[&str]] = match role.as_str() {
                "USER" => &[],
                "CREATOR" => &[&["user"], &["user", "moderator"], &["user", "admin"]],
                "MODERATOR" => &[&["user"], &["user", "creator"]],
                "ADMIN" => &[&["user"], &["user", "creator"], &["user", "moderator"]],
                other => panic!("{other} is no role"),
            };
            for roles in too_few {
                let refused = ask(&operation, Some(viewer(roles))).await;
                assert_eq!(refused.errors.len(), 1, "{operation} as {roles:?}: {:?}", refused.errors);
                assert_eq!(code(&refused.errors[0]), "FORBIDDEN", "{operation} as {roles:?}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} guarded fields were found");
}

/// One wallet and nothing else.
struct OneWallet(Wallet);

#[Object]
impl OneWallet {
    async fn wallet(&self) -> Wallet {
        self.0.clone()
    }
}

#[tokio::test]
async fn what_a_wallet_tells_its_owner_it_tells_nobody_else() {
    let row = proto::wallet::v1::Wallet {
        wallet_id: ids::WalletId::new().to_string(),
        user_id: UserId::new().to_string(),
        label: "savings".to_owned(),
        connector: "io.example".to_owned(),
        last_seen_time: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
        is_primary: true,
        ..Default::default()
    };
    let owner = Viewer { user_id: row.user_id.parse().unwrap(), ..viewer(&["user"]) };
    let schema = async_graphql::Schema::new(OneWallet(Wallet(row)), EmptyMutation, EmptySubscription);
    let private = "{ wallet { isPrimary label connector lastSeenAt } }";
    let nothing = json!({ "isPrimary": true, "label": null, "connector": null, "lastSeenAt": null });

    let shown = schema.execute(Request::new(private).data(owner)).await.data.into_json().unwrap();
    assert_eq!(shown["wallet"]["label"], "savings");
    assert_eq!(shown["wallet"]["connector"], "io.example");
    assert_eq!(shown["wallet"]["lastSeenAt"], "1970-01-01T00:00:01.000Z");
    // Not even to an admin: it concerns nobody's standing.
    for other in [None, Some(viewer(&["user"])), Some(viewer(&["user", "moderator", "admin"]))] {
        let mut request = Request::new(private);
        if let Some(other) = other {
            request = request.data(other);
        }
        assert_eq!(schema.execute(request).await.data.into_json().unwrap()["wallet"], nothing);
    }

    let approvals = "{ wallet { isPrimary approvals { nodes { approved } } } }";
    let alone = json!({ "wallet": { "isPrimary": true, "approvals": null } });
    let guest = schema.execute(Request::new(approvals)).await;
    assert_eq!(code(&guest.errors[0]), "UNAUTHENTICATED");
    assert_eq!(guest.data.into_json().unwrap(), alone);
    let stranger = schema.execute(Request::new(approvals).data(viewer(&["user"]))).await;
    assert!(stranger.errors.is_empty(), "{:?}", stranger.errors);
    assert_eq!(stranger.data.into_json().unwrap(), alone);
}
