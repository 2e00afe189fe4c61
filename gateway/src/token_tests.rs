//! Tokens that look like ours: every one of them is refused, signed by our own key or not.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PSS_SHA256, RsaKeyPair},
};
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{EncodingKey, jwk::Jwk};
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "http://localhost:8081";
const HEAD: &str = r#"{"typ":"at+jwt","alg":"RS256","kid":"our-key"}"#;

/// Our key, which the gateway knows, and one of somebody else.
struct Key {
    pair: RsaKeyPair,
    public: DecodingKey,
    /// What a confused verifier would take for a shared secret.
    public_pem: Vec<u8>,
    modulus: String,
}

static OURS: LazyLock<Key> = LazyLock::new(key);
static THEIRS: LazyLock<Key> = LazyLock::new(key);

fn key() -> Key {
    let made = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&made).unwrap();
    let text = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    let jwk = Jwk::from_encoding_key(&EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), Algorithm::RS256);
    let jwk = jwk.unwrap();
    let modulus = serde_json::to_value(&jwk).unwrap()["n"].as_str().unwrap().to_owned();
    let pair = RsaKeyPair::from_pkcs8(der.as_ref()).unwrap();
    let public_pem = aws_lc_rs::signature::KeyPair::public_key(&pair).as_ref().to_vec();
    Key { pair, public: DecodingKey::from_jwk(&jwk).unwrap(), public_pem, modulus }
}

fn now() -> i64 {
    Utc::now().timestamp()
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "vitrine", "sub": UserId::new(), "sid": SessionId::new(),
        "acc": "eip155:31337:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", "roles": ["user"],
        "iat": now(), "nbf": now(), "exp": now() + 900, "jti": Uuid::now_v7(),
    })
}

/// Ours but for one claim.
fn but(name: &str, value: Value) -> String {
    let mut claims = claims();
    claims[name] = value;
    claims.to_string()
}

/// Ours but for one claim that is not JSON as `serde_json` would write it.
fn but_text(name: &str, text: &str) -> String {
    but(name, json!("REPLACED")).replace("\"REPLACED\"", text)
}

fn without(name: &str) -> String {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims.to_string()
}

fn unsigned(head: &str, body: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(body))
}

fn signed_with(
    key: &Key,
    padding: &'static dyn aws_lc_rs::signature::RsaEncoding,
    head: &str,
    body: &str,
) -> String {
    let unsigned = unsigned(head, body);
    let mut signature = vec![0; key.pair.public_modulus_len()];
    key.pair.sign(padding, &SystemRandom::new(), unsigned.as_bytes(), &mut signature).unwrap();
    format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Signed by our own key: what is wrong is only what the test says.
fn signed(head: &str, body: &str) -> String {
    signed_with(&OURS, &RSA_PKCS1_SHA256, head, body)
}

fn mac(secret: &[u8], head: &str, body: &str) -> String {
    let unsigned = unsigned(head, body);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), unsigned.as_bytes());
    format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn judged(token: &str) -> Result<Claims, Flaw> {
    // Whatever name a forgery gives, the worst case is that it leads to our key.
    key_id(token)?;
    read(token, &OURS.public, ISSUER)
}

#[test]
fn what_auth_signs_is_read() {
    let written = claims();
    let read = judged(&signed(HEAD, &written.to_string())).unwrap();
    assert_eq!(json!(read.sub), written["sub"]);
    assert_eq!(json!(read.sid), written["sid"]);
    assert_eq!(read.roles, ["user"]);
    assert_eq!(key_id(&signed(HEAD, "{}")).unwrap(), "our-key");
}

#[test]
fn a_forged_head_is_refused() {
    let body = claims().to_string();
    let head = |alg: &str, typ: &str, kid: &str| json!({ "alg": alg, "typ": typ, "kid": kid }).to_string();
    let ours = |head: &str| signed(head, &body);
    let jwk = json!({ "kty": "RSA", "n": THEIRS.modulus, "e": "AQAB" });
    let mut cases = vec![
        ("no algorithm", format!("{}.", unsigned(&head("none", "at+jwt", "our-key"), &body))),
        ("no algorithm, in other words", ours(&head("nOnE", "at+jwt", "our-key"))),
        ("no algorithm, signed", ours(&head("none", "at+jwt", "our-key"))),
        ("the public key as a secret", mac(&OURS.public_pem, &head("HS256", "at+jwt", "our-key"), &body)),
        ("the modulus as a secret", mac(OURS.modulus.as_bytes(), &head("HS256", "at+jwt", "our-key"), &body)),
        ("a secret under our algorithm's name", mac(&OURS.public_pem, HEAD, &body)),
        ("another digest", signed_with(&OURS, &RSA_PKCS1_SHA384, &head("RS384", "at+jwt", "our-key"), &body)),
        ("another digest under our name", signed_with(&OURS, &RSA_PKCS1_SHA384, HEAD, &body)),
        ("another padding", signed_with(&OURS, &RSA_PSS_SHA256, &head("PS256", "at+jwt", "our-key"), &body)),
        ("another padding under our name", signed_with(&OURS, &RSA_PSS_SHA256, HEAD, &body)),
        ("our algorithm in small letters", ours(&head("rs256", "at+jwt", "our-key"))),
        ("a plain JWT", ours(&head("RS256", "JWT", "our-key"))),
        ("an identity token", ours(&head("RS256", "id_token+jwt", "our-key"))),
        ("no type", ours(&json!({ "alg": "RS256", "kid": "our-key" }).to_string())),
        ("no key id", ours(&json!({ "alg": "RS256", "typ": "at+jwt" }).to_string())),
        ("an empty key id", ours(&head("RS256", "at+jwt", ""))),
        ("a path as key id", ours(&head("RS256", "at+jwt", "../../../../dev/null"))),
        ("a query as key id", ours(&head("RS256", "at+jwt", "x' UNION SELECT 'secret"))),
        ("a key id without end", ours(&head("RS256", "at+jwt", &"k".repeat(65)))),
        ("a key id that is a list", ours(r#"{"alg":"RS256","typ":"at+jwt","kid":["our-key"]}"#)),
        ("an algorithm that is a list", ours(r#"{"alg":["RS256"],"typ":"at+jwt","kid":"our-key"}"#)),
        ("two algorithms", ours(r#"{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"our-key"}"#)),
        ("two key ids", ours(r#"{"alg":"RS256","typ":"at+jwt","kid":"x","kid":"our-key"}"#)),
        ("a head that is a list", ours(r#"["RS256","at+jwt","our-key"]"#)),
        ("a head that is nothing", ours("")),
    ];
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
    ] {
        let mut head: Value = serde_json::from_str(HEAD).unwrap();
        head[name] = value;
        cases.push((name, signed_with(&THEIRS, &RSA_PKCS1_SHA256, &head.to_string(), &body)));
        cases.push((name, ours(&head.to_string())));
    }
    for (name, token) in cases {
        assert_eq!(judged(&token).unwrap_err(), Flaw::Invalid, "{name}");
    }
}

#[test]
fn a_claim_that_is_missing_or_of_another_type_is_refused() {
    for name in ["iss", "aud", "sub", "sid", "acc", "roles", "iat", "nbf", "exp", "jti"] {
        assert_eq!(judged(&signed(HEAD, &without(name))).unwrap_err(), Flaw::Invalid, "without {name}");
        assert_eq!(judged(&signed(HEAD, &but(name, Value::Null))).unwrap_err(), Flaw::Invalid, "null {name}");
        assert_eq!(judged(&signed(HEAD, &but(name, json!({})))).unwrap_err(), Flaw::Invalid, "object {name}");
    }
    for name in ["exp", "nbf", "iat"] {
        let soon = (now() + 900).to_string();
        for text in
            [&format!("\"{soon}\""), &format!("[{soon}]"), "true", "1e999", "-1", "9223372036854775808"]
        {
            let token = signed(HEAD, &but_text(name, text));
            assert_eq!(judged(&token).unwrap_err(), Flaw::Invalid, "{name}: {text}");
        }
        assert!(
            judged(&signed(HEAD, &but_text(name, &format!("{soon}.5")))).is_err(),
            "{name} with a fraction"
        );
    }
}

#[test]
fn a_claim_that_is_wrong_is_refused() {
    let cases = [
        ("another issuer", but("iss", json!("http://localhost:8082"))),
        ("an issuer with a tail", but("iss", json!(format!("{ISSUER}/")))),
        ("a list of issuers", but("iss", json!([ISSUER]))),
        ("another audience", but("aud", json!("vitrine-admin"))),
        ("a list of audiences", but("aud", json!(["vitrine"]))),
        ("a list with another audience", but("aud", json!(["vitrine", "evil"]))),
        ("not yet", but("nbf", json!(now() + 120))),
        ("made in the future", but("iat", json!(now() + 120))),
        ("an hour and more", but("exp", json!(now() + 7200))),
        ("for ever", but("exp", json!(i64::MAX))),
        ("over before it began", {
            let mut claims = claims();
            (claims["iat"], claims["exp"]) = (json!(now()), json!(now() - 10));
            claims.to_string()
        }),
        ("a user that is none", but("sub", json!("admin"))),
        ("a session that is none", but("sid", json!("*"))),
        ("an account that is none", but("acc", json!("0xf39f"))),
        ("roles as text", but("roles", json!("admin"))),
        ("roles that are numbers", but("roles", json!([1]))),
        ("two subjects", but("sub", json!(UserId::new())).replacen('{', "{\"sub\":\"x\",", 1)),
        ("two ends", claims().to_string().replacen('{', "{\"exp\":1,", 1)),
        ("something behind the object", format!("{} {{}}", claims())),
        ("a list", format!("[{}]", claims())),
        ("nothing", String::new()),
    ];
    for (name, body) in cases {
        assert_eq!(judged(&signed(HEAD, &body)).unwrap_err(), Flaw::Invalid, "{name}");
    }
}

#[test]
fn a_token_is_good_for_its_time_and_a_bit_of_skew() {
    let lived = |ago: i64| {
        let mut claims = claims();
        (claims["iat"], claims["nbf"], claims["exp"]) =
            (json!(now() - 900 - ago), json!(now() - 900 - ago), json!(now() - ago));
        signed(HEAD, &claims.to_string())
    };
    assert!(judged(&lived(20)).is_ok());
    assert_eq!(judged(&lived(40)).unwrap_err(), Flaw::Expired);
    assert!(judged(&signed(HEAD, &but("nbf", json!(now() + 20)))).is_ok());

    // To leave one may come late, but not as somebody else and not for ever.
    assert!(read_late(&lived(3600), &OURS.public, ISSUER).is_ok());
    assert!(read_late(&lived(25 * 3600), &OURS.public, ISSUER).is_err());
    assert!(read_late(&lived(3600), &THEIRS.public, ISSUER).is_err());
    assert!(read_late(&lived(3600), &OURS.public, "http://localhost:8082").is_err());
}

#[test]
fn a_byte_that_is_changed_anywhere_is_noticed() {
    let token = signed(HEAD, &claims().to_string());
    assert_eq!(
        judged(&signed_with(&THEIRS, &RSA_PKCS1_SHA256, HEAD, &claims().to_string())).unwrap_err(),
        Flaw::Invalid
    );
    // One in seven, or the test would take a minute.
    for at in (0..token.len()).step_by(7) {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(changed == token || judged(&changed).is_err(), "byte {at}");
    }
    let parts: Vec<&str> = token.split('.').collect();
    for changed in [
        String::new(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        parts[..2].join("."),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{token}."),
        format!("{token}.{}", parts[2]),
        format!(" {token}"),
        format!("{token}=="),
        format!("{token}\n"),
        token.replace('.', ".."),
        "a".repeat(1 << 20),
        format!("{}.{}.{}", parts[0], "a".repeat(5000), parts[2]),
    ] {
        assert!(judged(&changed).is_err(), "{}", &changed[..changed.len().min(40)]);
    }
}
