//! The public vectors, what the library alone would let through, and inputs that nobody thought of.

use alloy::signers::{SignerSync, local::PrivateKeySigner};
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
        assert_eq!(message.statement, field("statement"), "{name}");
        // What no sign-in hangs on is read all the same.
        let parsed: Parsed = vector["message"].as_str().unwrap().parse().unwrap();
        assert_eq!(parsed.request_id, field("requestId"), "{name}");
        let resources: Vec<&str> = parsed.resources.iter().map(|resource| resource.as_str()).collect();
        let expected = vector["fields"]["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert_eq!(resources, expected.iter().map(|r| r.as_str().unwrap()).collect::<Vec<_>>(), "{name}");
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
        link_statement: "Link this wallet to my Vitrine account.".into(),
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

#[test]
fn a_time_in_thousands_of_years_is_a_time() {
    let from = GOOD.lines().find(|line| line.starts_with("Issued At: ")).unwrap();
    for end in ["2262-04-11T23:47:17Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"] {
        let message = parse(&GOOD.replacen(from, &format!("{from}\nExpiration Time: {end}"), 1)).unwrap();
        assert_eq!(message.expires_at, Some(stamp(end)));
        let expected = if end < "2026" { Err(Refused::MessageExpired) } else { Ok(()) };
        assert_eq!(check_time(&message, message.issued_at), expected, "{end}");
    }
}

#[test]
fn what_this_site_writes_it_reads() {
    let account: AccountId = "eip155:10:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap();
    let (issued_at, expires_at) = (stamp("2026-01-01T00:00:00Z"), stamp("2026-01-01T00:05:00Z"));
    let (sign_in, link) = (Aim::SignIn { pre_session: None }, Aim::Link { user_id: UserId::new() });
    let read = |aim: &Aim| {
        parse(&rules().compose(aim, &account, "abcdefgh12345678", issued_at, expires_at)).unwrap()
    };
    for aim in [&sign_in, &link] {
        let message = read(aim);
        assert_eq!((message.account, message.nonce.as_str()), (account, "abcdefgh12345678"));
        assert_eq!((message.issued_at, message.expires_at), (issued_at, Some(expires_at)));
        assert_eq!(message.statement.as_deref(), Some(rules().statement(aim)));
        assert_eq!(rules().check_site(&message), Ok(()));
        assert_eq!(rules().check_statement(&message, aim), Ok(()));
    }
    assert!(rules().check_statement(&read(&sign_in), &link).is_err(), "it says nothing of a link");
    assert_eq!(rules().check_statement(&read(&link), &sign_in), Ok(()));
}

/// What would be let in, if its nonce is good: whom the site and the time let in, and whose key signed exactly this.
fn is_accepted(text: &str, signature: &[u8], now: DateTime<Utc>) -> bool {
    let Ok(message) = parse(text) else { return false };
    rules().check_site(&message).is_ok()
        && check_time(&message, now).is_ok()
        && crate::signature::recover(text.as_bytes(), signature) == Some(message.account.address)
}

#[test]
fn of_all_the_ways_to_change_one_byte_none_is_accepted() {
    let signer: PrivateKeySigner =
        "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80".parse().unwrap();
    let (sign, now) = (
        |text: &str| signer.sign_message_sync(text.as_bytes()).unwrap().as_bytes(),
        stamp("2026-01-01T00:01:00Z"),
    );
    let signature = sign(GOOD);
    assert!(is_accepted(GOOD, &signature, now));
    let mut read = 0;
    for at in 0..GOOD.len() {
        let (head, tail) = GOOD.split_at(at);
        let without = format!("{head}{}", &tail[1..]);
        let others = (0..=0x7f_u8).filter(|byte| *byte != GOOD.as_bytes()[at]).map(char::from);
        let changed = others.flat_map(|c| [format!("{head}{c}{}", &tail[1..]), format!("{head}{c}{tail}")]);
        for text in changed.chain([without]).filter(|text| text != GOOD) {
            assert!(!is_accepted(&text, &signature, now), "{text:?}");
            read += usize::from(parse(&text).is_ok());
        }
    }
    // Many of them are messages; only the signature tells them from the one that was signed.
    assert!(read > 5_000, "{read}");
    for at in 0..signature.len() {
        for bit in 0..8 {
            let mut other = signature;
            other[at] ^= 1 << bit;
            assert!(!is_accepted(GOOD, &other, now), "byte {at}, bit {bit}");
        }
    }
}

proptest! {
    #[test]
    fn no_input_panics(text in ".{0,400}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>(), at in 0..GOOD.len(), cut in 0..GOOD.len()) {
        let noise = String::from_utf8_lossy(&bytes);
        let _ = parse(&noise);
        // Noise in the middle of what is good gets further.
        let _ = parse(&format!("{}{noise}{}", &GOOD[..at], &GOOD[cut..]));
    }

    #[test]
    fn whatever_fields_a_message_is_made_of_they_are_read_back(
        address in any::<[u8; 20]>(),
        chain in 1u64..=u64::MAX / 2 - 40,
        nonce in "[a-zA-Z0-9]{8,64}",
        statement in "[a-zA-Z0-9 .,:/?#@!$&'()*+;=_~-]{1,80}",
        issued in 0i64..4_000_000_000_000,
        life in 0i64..4_000_000_000,
    ) {
        let at = |millis| DateTime::from_timestamp_millis(millis).unwrap();
        let account = AccountId::new(ChainId::new(chain).unwrap(), Address::new(address));
        let site = Rules { statement: statement.clone(), ..rules() };
        let aim = Aim::SignIn { pre_session: None };
        let message = parse(&site.compose(&aim, &account, &nonce, at(issued), at(issued + life))).unwrap();
        let expected = Message {
            scheme: None,
            domain: "good.com".to_owned(),
            account,
            statement: Some(statement),
            uri: "https://good.com".to_owned(),
            nonce,
            issued_at: at(issued),
            expires_at: Some(at(issued + life)),
            not_before: None,
        };
        prop_assert_eq!(message, expected);
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
