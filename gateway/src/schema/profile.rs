//! Changing one's own profile.

use std::collections::HashMap;

use async_graphql::{Context, InputObject, Json, MaybeUndefined, Object, Result, Union};
use proto::user::v1::{Profile, UpdateProfileRequest};

use super::{
    guard::{Requires, auth},
    problem::{self, ConflictProblem, Problem, ValidationProblem},
    scalar::Uri,
    user::{Role, User, acting},
};
use crate::{error::failed, peers::Peers};

/// What to change: an absent field stays, null clears it.
#[derive(InputObject)]
pub(crate) struct UpdateProfileInput {
    /// 3 to 30 letters, digits and underscores; nobody else has it in any case.
    username: MaybeUndefined<String>,
    display_name: MaybeUndefined<String>,
    bio: MaybeUndefined<String>,
    avatar_url: MaybeUndefined<Uri>,
    banner_url: MaybeUndefined<Uri>,
    /// As BCP 47 names it.
    locale: MaybeUndefined<String>,
    /// As IANA names it.
    timezone: MaybeUndefined<String>,
    /// An object of names and `https:` addresses; it replaces what was there.
    socials: MaybeUndefined<Json<serde_json::Value>>,
    /// Only where the profile still has this version.
    expected_version: Option<i64>,
    /// 1 to 64 characters; the same again changes nothing.
    request_id: Option<String>,
}

/// The user as they are now, or why nothing changed.
#[derive(Union)]
pub(crate) enum ProfileResult {
    User(Box<User>),
    Validation(ValidationProblem),
    Conflict(ConflictProblem),
}

#[derive(Default)]
pub(crate) struct ProfileMutation;

#[Object]
impl ProfileMutation {
    /// Changes your profile.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn update_profile(
        &self,
        context: &Context<'_>,
        input: UpdateProfileInput,
    ) -> Result<ProfileResult> {
        let viewer = acting(context)?;
        let asked = match request(input) {
            Ok(asked) => rpc::caller::acting(asked, &viewer.caller()),
            Err(problem) => return Ok(ProfileResult::Validation(problem)),
        };
        match context.data_unchecked::<Peers>().user.clone().update_profile(asked).await {
            Ok(answer) => {
                Ok(ProfileResult::User(Box::new(User(answer.into_inner().user.unwrap_or_default()))))
            }
            Err(status) => match problem::expected(&status)? {
                Problem::Validation(problem) => Ok(ProfileResult::Validation(problem.without("profile"))),
                Problem::Conflict(problem) => Ok(ProfileResult::Conflict(problem)),
                _ => Err(failed(&status)),
            },
        }
    }
}

fn request(input: UpdateProfileInput) -> Result<UpdateProfileRequest, ValidationProblem> {
    let mut mask = Mask::default();
    let profile = Profile {
        username: mask.take("username", input.username),
        display_name: mask.take("display_name", input.display_name),
        bio: mask.take("bio", input.bio),
        avatar_url: mask.take("avatar_url", input.avatar_url.map_value(|url| url.0)),
        banner_url: mask.take("banner_url", input.banner_url.map_value(|url| url.0)),
        locale: mask.take("locale", input.locale),
        timezone: mask.take("timezone", input.timezone),
        socials: match input.socials {
            MaybeUndefined::Value(Json(value)) => {
                mask.take("socials", MaybeUndefined::Value(socials(value)?))
            }
            MaybeUndefined::Null => mask.take("socials", MaybeUndefined::Null),
            MaybeUndefined::Undefined => HashMap::new(),
        },
    };
    Ok(UpdateProfileRequest {
        profile: Some(profile),
        update_mask: Some(mask.named()?),
        expected_version: problem::version("expectedVersion", input.expected_version)?,
        request_id: input.request_id.unwrap_or_default(),
    })
}

fn socials(value: serde_json::Value) -> Result<HashMap<String, String>, ValidationProblem> {
    serde_json::from_value(value)
        .map_err(|_| ValidationProblem::field("socials", "must be an object of names and addresses"))
}

/// The fields that a change names.
#[derive(Default)]
pub(crate) struct Mask(Vec<String>);

impl Mask {
    /// The field's value for the wire; an absent one is not named, and null is named and empty.
    pub(crate) fn take<T: Default>(&mut self, field: &str, value: MaybeUndefined<T>) -> T {
        match value {
            MaybeUndefined::Undefined => T::default(),
            MaybeUndefined::Null => {
                self.0.push(field.to_owned());
                T::default()
            }
            MaybeUndefined::Value(value) => {
                self.0.push(field.to_owned());
                value
            }
        }
    }

    /// The mask. An empty one would mean every field to some readers, so it is refused here.
    pub(crate) fn named(self) -> Result<prost_types::FieldMask, ValidationProblem> {
        if self.0.is_empty() {
            return Err(ValidationProblem::field("input", "names nothing to change"));
        }
        Ok(prost_types::FieldMask { paths: self.0 })
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{InputType, Value, value};

    use super::*;

    fn read(input: Value) -> Result<UpdateProfileRequest, ValidationProblem> {
        request(UpdateProfileInput::parse(Some(input)).map_err(|_| "the input does not parse").unwrap())
    }

    #[test]
    fn an_absent_field_stays_and_null_clears_it() {
        let asked = read(value!({ "bio": null, "displayName": "Ada", "socials": null })).unwrap();
        assert_eq!(asked.update_mask.unwrap().paths, ["display_name", "bio", "socials"]);
        let profile = asked.profile.unwrap();
        assert_eq!((profile.display_name.as_str(), profile.bio.as_str()), ("Ada", ""));
        assert_eq!(asked.expected_version, 0);
    }

    #[test]
    fn socials_are_names_and_addresses_and_nothing_else() {
        let asked = read(value!({ "socials": { "x": "https://x.example/ada" } })).unwrap();
        assert_eq!(asked.profile.unwrap().socials["x"], "https://x.example/ada");
        assert!(read(value!({ "socials": { "x": 1 } })).is_err());
        assert!(read(value!({ "socials": ["x"] })).is_err());
    }

    #[test]
    fn a_change_of_nothing_is_refused_rather_than_taken_for_a_change_of_everything() {
        assert!(read(value!({ "expectedVersion": 3 })).is_err());
    }

    #[test]
    fn a_version_that_no_profile_has_is_not_taken_for_any_version() {
        assert!(read(value!({ "bio": "x", "expectedVersion": 0 })).is_err());
        assert!(read(value!({ "bio": "x", "expectedVersion": -1 })).is_err());
        assert_eq!(read(value!({ "bio": "x", "expectedVersion": 7 })).unwrap().expected_version, 7);
    }
}
