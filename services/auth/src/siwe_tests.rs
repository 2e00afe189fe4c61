//! The public vectors, what the library alone would let through, and inputs that nobody thought of.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const POSITIVE: &str = include_str!("../tests/vectors/parsing_positive.json");
const NEGATIVE: &str = include_str!("../tests/vectors/parsing_negative.json");
const NEGATIVE_OBJECTS: &str = include_str!("../tests/vectors/parsing_negative_objects.json");

const GOOD: &str = "localhost:8081 wants you to sign in with your Ethereum account:\n\
    0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266\n\nSign in to Vitrine.\n\nURI: http://localhost:8081/login\nVersion: 1\n\
    Chain ID: 31337\nNonce: abcdefgh12345678\nIssued At: 2026-01-01T00:00:00.000Z";

fn vectors(text: &str) -> serde_json::Map<String, Value> {
    serde_json::from_str(text).unwrap()
}

fn stamp(text: &str) -> DateTime<Utc> {
    text.parse::<DateTime<chrono::FixedOffset>>().unwrap().to_utc()
}

#[test]
fn the_positive_vectors_are_read_with_their_fields() {
    for (name, vector) in vectors(POSITIVE) {
        let message =
            parse(vector["message"].as_str().unwrap()).unwrap_or_else(|err| panic!("{name}: {err}"));
        let field = |key: &str| vector["fields"][key].as_str().map(str::to_owned);
        assert_eq!(Some(message.domain), field("domain"), "{name}");
        assert_eq!(message.scheme, field("scheme"), "{name}");
        assert_eq!(Some(message.account.address.to_string()), field("address"), "{name}");
        assert_eq!(Some(message.uri), field("uri"), "{name}");
        assert_eq!(Some(message.account.chain_id.number()), vector["fields"]["chainId"].as_u64(), "{name}");
        assert_eq!(Some(message.nonce), field("nonce"), "{name}");
        assert_eq!(message.issued_at, stamp(&field("issuedAt").unwrap()), "{name}");
        assert_eq!(message.expires_at, field("expirationTime").map(|t| stamp(&t)), "{name}");
        assert_eq!(message.not_before, field("notBefore").map(|t| stamp(&t)), "{name}");
    }
}

#[test]
fn the_negative_vectors_are_refused_but_for_the_one_that_is_our_policy() {
    for (name, message) in vectors(NEGATIVE) {
        let parsed = parse(message.as_str().unwrap());
        // The vector's address is all lower case: it has no checksum, and wallets that write it so may sign in.
        assert_eq!(parsed.is_ok(), name == "address not EIP-55", "{name}");
    }
}

#[test]
fn the_negative_objects_are_refused_when_written_as_messages() {
    let mut objects = vectors(NEGATIVE_OBJECTS);
    // The way of writing them is right: what lacks nothing is read.
    let mut whole = objects["version not 1"].clone();
    whole["version"] = "1".into();
    objects.insert("whole".to_owned(), whole);
    for (name, object) in objects {
        let field = |key: &str| match &object[key] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let mut text = format!(
            "{} wants you to sign in with your Ethereum account:\n{}\n\n",
            field("domain").unwrap_or_default(),
            field("address").unwrap_or_default()
        );
        text += &field("statement").map(|statement| format!("{statement}\n")).unwrap_or_default();
        for (tag, key) in [
            ("URI", "uri"),
            ("Version", "version"),
            ("Chain ID", "chainId"),
            ("Nonce", "nonce"),
            ("Issued At", "issuedAt"),
            ("Expiration Time", "expirationTime"),
            ("Not Before", "notBefore"),
            ("Request ID", "requestId"),
        ] {
            text += &field(key).map(|value| format!("\n{tag}: {value}")).unwrap_or_default();
        }
        if let Some(resources) = object["resources"].as_array() {
            text += "\nResources:";
            text += &resources.iter().map(|r| format!("\n- {}", r.as_str().unwrap())).collect::<String>();
        }
        assert_eq!(parse(&text).is_ok(), name == "whole", "{name}:\n{text}");
    }
}

#[test]
fn what_the_library_alone_would_let_through_is_refused() {
    assert!(parse(GOOD).is_ok());
    for (from, to) in [
        ("Chain ID: 31337", "Chain ID: 031337"),
        ("Chain ID: 31337", "Chain ID: +31337"),
        ("Chain ID: 31337", "Chain ID: 0"),
        ("Chain ID: 31337", "Chain ID: 18446744073709551617"),
        ("Sign in to Vitrine.", "Sign in to \"Vitrine\"."),
        ("Sign in to Vitrine.", "Sign in to Vitrin\u{e9}."),
        ("Sign in to Vitrine.", "Sign in\tto Vitrine."),
        ("Nonce: abcdefgh12345678", "Nonce: abcdefgh-2345678"),
        ("Nonce: abcdefgh12345678", "Nonce: abcdefgh12345678\r"),
        (".000Z", ".000Z\n"),
        (".000Z", ".000Z\nRequest ID: a b"),
        (".000Z", ".000Z\nRequest ID: a%2"),
        (".000Z", ".000Z\nNonce: abcdefgh12345678"),
        ("2026-01-01T", "2026-02-31T"),
        ("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0xf39fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD);
        assert!(parse(&text).is_err(), "{text}");
    }
    let long = GOOD.replacen("Sign in to Vitrine.", &"a".repeat(STATEMENT_MAX_BYTES + 1), 1);
    assert!(parse(&long).is_err());
    let many = format!("{GOOD}\nResources:{}", "\n- https://a.example/".repeat(RESOURCES_MAX + 1));
    assert!(parse(&many).is_err());
}

#[test]
fn an_address_of_one_case_has_no_checksum_to_be_wrong() {
    let lower = GOOD.replacen(
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
        1,
    );
    assert_eq!(parse(&lower).unwrap().account, parse(GOOD).unwrap().account);
    assert!(parse(&format!("{GOOD}\nRequest ID: a%20b\nResources:")).is_ok());
}

fn rules() -> Rules {
    Rules {
        domains: vec!["good.com".into(), "localhost:8081".into()],
        origins: vec!["https://good.com".into(), "http://localhost:8081".into()],
        statement: "Sign in to Vitrine.".into(),
    }
}

#[test]
fn only_the_configured_site_is_believed() {
    let good = parse(GOOD).unwrap();
    assert_eq!(rules().check_site(&good), Ok(()));
    for domain in [
        "evil.com",
        "good.com@evil.com",
        "evil@good.com",
        "good.com:444",
        "good.com.",
        "xn--good-6na.com",
        "localhost",
    ] {
        let message = Message { domain: domain.into(), ..good.clone() };
        assert_eq!(rules().check_site(&message), Err(Refused::DomainMismatch), "{domain}");
    }
    assert_eq!(rules().check_site(&Message { domain: "GOOD.com".into(), ..good.clone() }), Ok(()));
    for uri in [
        "http://localhost:8081.evil.com/",
        "http://localhost:8081@evil.com/",
        "https://localhost:8081/",
        "http://localhost:80811/",
        "http://loc%61lhost:8081/",
        "https://good.com:443/",
        "javascript:alert(1)",
    ] {
        let message = Message { uri: uri.into(), ..good.clone() };
        assert_eq!(rules().check_site(&message), Err(Refused::UriMismatch), "{uri}");
    }
    for uri in
        ["http://localhost:8081", "http://localhost:8081?a", "https://good.com/x", "HTTPS://GOOD.COM#y"]
    {
        assert_eq!(rules().check_site(&Message { uri: uri.into(), ..good.clone() }), Ok(()), "{uri}");
    }
    let schemed = |scheme: &str| Message { scheme: Some(scheme.into()), ..good.clone() };
    assert_eq!(rules().check_site(&schemed("http")), Ok(()));
    assert_eq!(rules().check_site(&schemed("https")), Err(Refused::DomainMismatch));
}

#[test]
fn times_are_half_open_and_the_skew_is_bounded() {
    let now = stamp("2026-01-01T00:05:00Z");
    let issued =
        |seconds: i64| Message { issued_at: now - TimeDelta::seconds(seconds), ..parse(GOOD).unwrap() };
    assert_eq!(check_time(&issued(0), now), Ok(()));
    assert_eq!(check_time(&issued(600), now), Ok(()));
    assert_eq!(check_time(&issued(601), now), Err(Refused::MessageExpired));
    assert_eq!(check_time(&issued(-60), now), Ok(()));
    assert_eq!(check_time(&issued(-61), now), Err(Refused::MessageNotYetValid));
    let bounded = |from: i64, until: i64| Message {
        not_before: Some(now + TimeDelta::seconds(from)),
        expires_at: Some(now + TimeDelta::seconds(until)),
        ..issued(0)
    };
    assert_eq!(check_time(&bounded(0, 1), now), Ok(()));
    assert_eq!(check_time(&bounded(1, 9), now), Err(Refused::MessageNotYetValid));
    assert_eq!(check_time(&bounded(-9, 0), now), Err(Refused::MessageExpired));
}

proptest! {
    #[test]
    fn no_input_panics(text in ".{0,400}") {
        let _ = parse(&text);
    }

    /// One changed byte gives a refusal or another message's fields, and never a panic or a silently equal reading
    /// of what a sign-in hangs on: the signature is over the bytes anyway.
    #[test]
    fn no_mutation_of_a_good_message_panics(at in 0..GOOD.len(), byte in any::<u8>()) {
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok(text) = String::from_utf8(bytes) {
            let _ = parse(&text);
        }
    }

    #[test]
    fn what_the_grammar_allows_is_read_back(
        statement in "[a-zA-Z0-9 .,:/?#@!$&'()*+;=_~-]{1,80}",
        nonce in "[a-zA-Z0-9]{8,64}",
        chain in 1u64..=u64::MAX / 2 - 40,
        path in "[a-z0-9/]{0,20}",
    ) {
        let text = GOOD
            .replacen("31337", &chain.to_string(), 1)
            .replacen("/login", &format!("/{path}"), 1)
            .replacen("abcdefgh12345678", &nonce, 1)
            .replacen("Sign in to Vitrine.", &statement, 1);
        let message = parse(&text).unwrap();
        prop_assert_eq!(message.nonce, nonce);
        prop_assert_eq!(message.account.chain_id.number(), chain);
        prop_assert_eq!(message.uri, format!("http://localhost:8081/{path}"));
    }
}
