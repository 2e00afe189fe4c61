//! The wire's words as ours: what cannot be used is named, every field of it at once.

use ids::{AccountId, UserId};
use prost_types::FieldMask;
use proto::{common::v1::Caller, user::v1 as pb};
use rpc::{Code, Refusal};
use tonic::{Request, Status};
use url::Url;

use crate::{
    error::Error,
    model::{Account, Actor, PROFILE_FIELDS, PreferencesChange, ProfileChange, Wrong},
    update_profile::ProfileAsk,
};

/// How many ids one call may name.
const BATCH_MAX: usize = 100;
const REASON_LONGEST: usize = 500;
const REQUEST_ID_LONGEST: usize = 64;

pub(super) fn user_id(path: &'static str, text: &str) -> Result<UserId, Error> {
    text.parse().map_err(|err: ids::Invalid| Error::field(path, err.why))
}

pub(super) fn user_ids(asked: &[String]) -> Result<Vec<UserId>, Error> {
    if asked.len() > BATCH_MAX {
        return Err(Error::field("user_ids", "must be at most 100"));
    }
    asked.iter().map(|id| user_id("user_ids", id)).collect()
}

pub(super) fn account_id(path: &'static str, text: &str) -> Result<AccountId, Error> {
    text.parse().map_err(|err: ids::Invalid| Error::field(path, err.why))
}

/// Both identities that an account can have: which kind it is, nobody may know.
pub(super) fn identities(account: &AccountId) -> [String; 2] {
    [Account::eoa(account).identity, Account::contract(account).identity]
}

/// Whether it is made of what usernames are made of.
pub(super) fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The account that is asked for, of the kind that a signature proved.
pub(super) fn account(text: &str, kind: &str) -> Result<Account, Error> {
    let account = account_id("account_id", text)?;
    match kind {
        "" | "eoa" => Ok(Account::eoa(&account)),
        "contract" => Ok(Account::contract(&account)),
        _ => Err(Error::field("account_type", "must be eoa or contract")),
    }
}

/// The person on whose behalf the call is made.
pub(super) fn caller<T>(request: &Request<T>) -> Result<UserId, Status> {
    id_of(&rpc::caller::of(request)?)
}

/// The person who looks, where there is one.
pub(super) fn viewer<T>(request: &Request<T>) -> Option<UserId> {
    caller(request).ok()
}

fn id_of(caller: &Caller) -> Result<UserId, Status> {
    let nobody =
        |_| Refusal::new(Code::Unauthenticated, "UNAUTHENTICATED", "the caller has no user id").into();
    caller.user_id.parse().map_err(nobody)
}

/// Who may change what others may do: an operator, or an admin by their token. Whether they still are one is asked later.
pub(super) fn actor<T>(request: &Request<T>) -> Result<Actor, Status> {
    if rpc::caller::peer(request).is_some_and(|peer| peer.name() == "operator") {
        return Ok(Actor::Operator);
    }
    let caller = rpc::caller::of(request)?;
    if !caller.roles.iter().any(|role| role == "admin") {
        return Err(Error::NotAdmin.into());
    }
    Ok(Actor::Admin(id_of(&caller)?))
}

pub(super) fn page_size(asked: i32, most: i32) -> Result<usize, Error> {
    if !(1..=most).contains(&asked) {
        return Err(Error::field("page_size", format!("must be between 1 and {most}")));
    }
    Ok(asked.unsigned_abs() as usize)
}

/// A version or a revision that the caller saw; 0 for whichever.
pub(super) fn expected(path: &'static str, asked: i64) -> Result<i64, Error> {
    if asked < 0 { Err(Error::field(path, "must not be negative")) } else { Ok(asked) }
}

/// Why somebody does something, for the record.
pub(super) fn reason(asked: String) -> Result<String, Error> {
    let fits = asked.chars().count() <= REASON_LONGEST && !asked.chars().any(|c| c.is_control() && c != '\n');
    if fits {
        Ok(asked)
    } else {
        Err(Error::field("reason", "must be at most 500 characters, none of them control"))
    }
}

/// A change of a profile, with everything that is wrong with it.
pub(super) fn profile(
    user_id: UserId,
    ask: pb::UpdateProfileRequest,
    media: &Url,
) -> Result<ProfileAsk, Error> {
    let mut wrongs = Vec::new();
    let mut change = ProfileChange::default();
    let profile = ask.profile.unwrap_or_default();
    for path in mask(ask.update_mask, &mut wrongs) {
        match path.as_str() {
            "username" => change.username = Some(profile.username.clone()),
            "display_name" => change.display_name = Some(profile.display_name.trim().to_owned()),
            // As all systems but one end their lines.
            "bio" => change.bio = Some(profile.bio.replace("\r\n", "\n").trim().to_owned()),
            "avatar_url" => change.avatar_url = Some(profile.avatar_url.clone()),
            "banner_url" => change.banner_url = Some(profile.banner_url.clone()),
            "locale" => change.locale = Some(profile.locale.clone()),
            "timezone" => change.timezone = Some(profile.timezone.clone()),
            "socials" => change.socials = Some(profile.socials.clone().into_iter().collect()),
            _ => wrongs.push(Wrong::new(
                "update_mask",
                format!("must name fields of {}", PROFILE_FIELDS.join(", ")),
            )),
        }
    }
    wrongs.extend(change.wrongs(media));
    let request_id = Some(ask.request_id).filter(|id| !id.is_empty());
    let is_bad = |id: &String| id.len() > REQUEST_ID_LONGEST || !id.chars().all(|c| c.is_ascii_graphic());
    if request_id.as_ref().is_some_and(is_bad) {
        wrongs.push(Wrong::new("request_id", "must be 1 to 64 visible ASCII characters"));
    }
    if ask.expected_version < 0 {
        wrongs.push(Wrong::new("expected_version", "must not be negative"));
    }
    if !wrongs.is_empty() {
        return Err(Error::Invalid(wrongs));
    }
    change.settle();
    Ok(ProfileAsk { user_id, change, expected_version: ask.expected_version, request_id })
}

/// A change of preferences, with everything that is wrong with it.
pub(super) fn preferences(ask: pb::UpdatePreferencesRequest) -> Result<(PreferencesChange, i64), Error> {
    let mut wrongs = Vec::new();
    let mut change = PreferencesChange::default();
    let wanted = ask.preferences.unwrap_or_default();
    for path in mask(ask.update_mask, &mut wrongs) {
        match path.as_str() {
            "email_notifications" => change.email_notifications = Some(wanted.email_notifications),
            "push_notifications" => change.push_notifications = Some(wanted.push_notifications),
            "marketing_emails" => change.marketing_emails = Some(wanted.marketing_emails),
            "language" => change.language = Some(wanted.language.clone()),
            "currency" => change.currency = Some(wanted.currency.clone()),
            "theme" => change.theme = Some(wanted.theme.clone()),
            "privacy_level" => change.privacy_level = Some(wanted.privacy_level.clone()),
            "show_activity" => change.show_activity = Some(wanted.show_activity),
            _ => wrongs.push(Wrong::new("update_mask", "must name fields of the preferences")),
        }
    }
    wrongs.extend(change.wrongs());
    if ask.expected_version < 0 {
        wrongs.push(Wrong::new("expected_version", "must not be negative"));
    }
    if wrongs.is_empty() { Ok((change, ask.expected_version)) } else { Err(Error::Invalid(wrongs)) }
}

/// The fields that are named; a mask that names none asks for nothing.
fn mask(mask: Option<FieldMask>, wrongs: &mut Vec<Wrong>) -> Vec<String> {
    let paths = mask.unwrap_or_default().paths;
    if paths.is_empty() {
        wrongs.push(Wrong::new("update_mask", "must name at least one field"));
    }
    paths
}
