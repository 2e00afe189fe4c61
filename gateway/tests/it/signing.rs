//! A key as auth has one, and tokens signed with it.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::Utc;
use ids::{SessionId, UserId};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};

/// Keys take a moment to make: two for all tests.
pub(crate) static FIRST: LazyLock<Key> = LazyLock::new(|| Key::new("first"));
pub(crate) static SECOND: LazyLock<Key> = LazyLock::new(|| Key::new("second"));

pub(crate) struct Key {
    kid: &'static str,
    encoding: EncodingKey,
    pub(crate) public: Value,
}

impl Key {
    fn new(kid: &'static str) -> Key {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let text = STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        let encoding = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        let mut public = Jwk::from_encoding_key(&encoding, Algorithm::RS256).unwrap();
        public.common.key_id = Some(kid.to_owned());
        Key { kid, encoding, public: serde_json::to_value(public).unwrap() }
    }

    /// A token that ends in so many seconds.
    pub(crate) fn sign(&self, user: UserId, session: SessionId, seconds: i64) -> String {
        let now = Utc::now().timestamp();
        let born = now.min(now + seconds - 900);
        let claims = json!({
            "iss": "http://localhost:8081", "aud": "vitrine", "sub": user, "sid": session,
            "acc": crate::auth_door::ACCOUNT, "roles": ["user"],
            "iat": born, "nbf": born, "exp": now + seconds, "jti": uuid::Uuid::now_v7(),
        });
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some(self.kid.to_owned()),
            ..Header::new(Algorithm::RS256)
        };
        jsonwebtoken::encode(&header, &claims, &self.encoding).unwrap()
    }
}
