//! EIP-4361, strictly: what a message says, and whether this site may believe it at this time. Bytes in, no clock, no I/O.

use anyhow::Context;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use ids::{AccountId, Address, ChainId, UserId};
use signinwithethereum::{Message as Parsed, TimeStamp};

use crate::{
    config::Config,
    error::Refused,
    model::{Aim, CLOCK_SKEW},
};

const MESSAGE_MAX_BYTES: usize = 16 * 1024;
const STATEMENT_MAX_BYTES: usize = 512;
const RESOURCES_MAX: usize = 10;
const RESOURCE_MAX_BYTES: usize = 512;
/// How long after it was written a message may arrive.
const ISSUED_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// What a message says, as far as a sign-in hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) scheme: Option<String>,
    pub(crate) domain: String,
    pub(crate) account: AccountId,
    pub(crate) statement: Option<String>,
    pub(crate) uri: String,
    pub(crate) nonce: String,
    pub(crate) issued_at: DateTime<Utc>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) not_before: Option<DateTime<Utc>>,
}

/// Reads a message, or says what is wrong with it.
///
/// The library's grammar is wider than the standard's in places, and the signature is over the received bytes: so
/// whatever would be printed differently from how it was received is refused (`Chain ID: 01`, `+1`), and the characters
/// that the grammar allows are checked here.
pub(crate) fn parse(text: &str) -> Result<Message, Refused> {
    let wrong = Refused::MessageMalformed;
    if text.len() > MESSAGE_MAX_BYTES {
        return Err(wrong("it is too long"));
    }
    if !text.bytes().all(|b| b == b'\n' || (0x20..=0x7e).contains(&b)) {
        return Err(wrong("it has characters that the grammar does not"));
    }
    let parsed: Parsed = text.parse().map_err(|_| wrong("it does not follow the grammar"))?;
    // A list of resources may be empty, which the library does not print.
    if parsed.to_string() != text.strip_suffix("\nResources:").unwrap_or(text) {
        return Err(wrong("a field is not written canonically"));
    }
    if let Some(statement) = &parsed.statement {
        if statement.len() > STATEMENT_MAX_BYTES {
            return Err(wrong("the statement is too long"));
        }
        if !statement.bytes().all(|b| b == b' ' || is_unreserved(b) || b":/?#[]@!$&'()*+,;=".contains(&b)) {
            return Err(wrong("the statement has characters that the grammar does not"));
        }
    }
    if !parsed.request_id.as_deref().is_none_or(is_pchars) {
        return Err(wrong("the request id has characters that the grammar does not"));
    }
    if parsed.resources.len() > RESOURCES_MAX
        || parsed.resources.iter().any(|resource| resource.as_str().len() > RESOURCE_MAX_BYTES)
    {
        return Err(wrong("there are too many resources, or one is too long"));
    }
    let chain_id = ChainId::new(parsed.chain_id).map_err(|_| wrong("the chain id is not one"))?;
    Ok(Message {
        scheme: parsed.scheme,
        domain: parsed.domain.to_string(),
        account: AccountId::new(chain_id, Address::new(parsed.address)),
        statement: parsed.statement,
        uri: parsed.uri.to_string(),
        nonce: parsed.nonce,
        issued_at: time(&parsed.issued_at)?,
        expires_at: parsed.expiration_time.as_ref().map(time).transpose()?,
        not_before: parsed.not_before.as_ref().map(time).transpose()?,
    })
}

fn time(stamp: &TimeStamp) -> Result<DateTime<Utc>, Refused> {
    let at = stamp.as_ref();
    DateTime::from_timestamp(at.unix_timestamp(), at.nanosecond())
        .ok_or(Refused::MessageMalformed("a time is out of range"))
}

fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~".contains(&b)
}

/// `*pchar` of RFC 3986.
fn is_pchars(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let is_escape = bytes[at] == b'%'
            && bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        match bytes[at] {
            _ if is_escape => at += 3,
            b if is_unreserved(b) || b"!$&'()*+,;=:@".contains(&b) => at += 1,
            _ => return false,
        }
    }
    true
}

/// For whom this site lets people sign in; the client has no say in it.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    domains: Vec<String>,
    origins: Vec<String>,
    statement: String,
    link_statement: String,
}

impl Rules {
    /// From the configuration; an empty list would let nobody in.
    pub(crate) fn of(config: &Config) -> anyhow::Result<Rules> {
        let lower = |list: &[String]| list.iter().map(|text| text.to_ascii_lowercase()).collect::<Vec<_>>();
        let (domains, origins) = (lower(&config.domains), lower(&config.origins));
        anyhow::ensure!(!domains.is_empty(), "domains: at least one is needed");
        anyhow::ensure!(!origins.is_empty(), "origins: at least one is needed");
        let (statement, link_statement) = (config.statement.clone(), config.link_statement.clone());
        anyhow::ensure!(statement != link_statement, "link_statement: it must not say the same as statement");
        let rules = Rules { domains, origins, statement, link_statement };
        for aim in [Aim::SignIn { pre_session: None }, Aim::Link { user_id: UserId::new() }] {
            let account = AccountId::new(ChainId::new(1)?, Address::new([1; 20]));
            let message = rules.compose(&aim, &account, "00000000", Utc::now(), Utc::now());
            let parsed = parse(&message).and_then(|message| rules.check_site(&message));
            parsed.context("domains, origins, statement, link_statement: no message can be made of them")?;
        }
        Ok(rules)
    }

    /// The message that this site would write for an account.
    pub(crate) fn compose(
        &self,
        aim: &Aim,
        account: &AccountId,
        nonce: &str,
        issued_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> String {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        format!(
            "{} wants you to sign in with your Ethereum account:\n{}\n\n{}\n\nURI: {}\nVersion: 1\nChain ID: {}\n\
             Nonce: {nonce}\nIssued At: {}\nExpiration Time: {}",
            self.domain(),
            account.address,
            self.statement(aim),
            self.uri(),
            account.chain_id.number(),
            time(issued_at),
            time(expires_at),
        )
    }

    /// The domain that clients are told to use.
    pub(crate) fn domain(&self) -> &str {
        &self.domains[0]
    }

    /// The URI that clients are told to use.
    pub(crate) fn uri(&self) -> &str {
        &self.origins[0]
    }

    /// What people read when they sign.
    pub(crate) fn statement(&self, aim: &Aim) -> &str {
        match aim {
            Aim::SignIn { .. } => &self.statement,
            Aim::Link { .. } => &self.link_statement,
        }
    }

    /// Whether people could read what their signature is for. Clients may write a statement of their own, but nobody links
    /// a wallet by what looks like a sign-in.
    pub(crate) fn check_statement(&self, message: &Message, aim: &Aim) -> Result<(), Refused> {
        let is_told = match aim {
            Aim::SignIn { .. } => true,
            Aim::Link { .. } => message.statement.as_deref() == Some(self.link_statement.as_str()),
        };
        if is_told {
            Ok(())
        } else {
            Err(Refused::MessageMalformed("it does not say that a wallet is linked"))
        }
    }

    /// Whether the message is for this site.
    pub(crate) fn check_site(&self, message: &Message) -> Result<(), Refused> {
        let domain = message.domain.to_ascii_lowercase();
        if !self.domains.contains(&domain) {
            return Err(Refused::DomainMismatch);
        }
        if let Some(scheme) = &message.scheme {
            let origin = format!("{}://{domain}", scheme.to_ascii_lowercase());
            if !self.origins.contains(&origin) {
                return Err(Refused::DomainMismatch);
            }
        }
        // Compared as text: what a URL library would fold together (escapes, IDNA, default ports) is not the same here.
        let uri = message.uri.to_ascii_lowercase();
        let is_of = |origin: &String| {
            uri.strip_prefix(origin.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
        };
        if self.origins.iter().any(is_of) { Ok(()) } else { Err(Refused::UriMismatch) }
    }
}

/// Whether the message is good at this time: from not-before on, up to but not including the expiration.
pub(crate) fn check_time(message: &Message, now: DateTime<Utc>) -> Result<(), Refused> {
    if message.issued_at > now + CLOCK_SKEW || message.not_before.is_some_and(|from| now < from) {
        return Err(Refused::MessageNotYetValid);
    }
    if now - message.issued_at > ISSUED_WITHIN || message.expires_at.is_some_and(|until| now >= until) {
        return Err(Refused::MessageExpired);
    }
    Ok(())
}

#[cfg(test)]
#[path = "siwe_tests.rs"]
mod tests;
