//! What the viewer likes.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result, Union};
use proto::user::v1::{self as pb, GetPreferencesRequest, UpdatePreferencesRequest};

use super::{
    guard::{Requires, auth},
    problem::{self, ConflictProblem, Problem, ValidationProblem},
    profile::Mask,
    user::{Role, acting},
};
use crate::{error::failed, peers::Peers, viewer::Viewer};

/// What you like; nobody else sees it.
pub(crate) struct Preferences(pb::Preferences);

#[Object]
impl Preferences {
    async fn email_notifications(&self) -> bool {
        self.0.email_notifications
    }

    async fn push_notifications(&self) -> bool {
        self.0.push_notifications
    }

    async fn marketing_emails(&self) -> bool {
        self.0.marketing_emails
    }

    /// As BCP 47 names it.
    async fn language(&self) -> &str {
        &self.0.language
    }

    /// The currency that prices are shown in: `ETH`, `USD`.
    async fn currency(&self) -> &str {
        &self.0.currency
    }

    /// `system`, `light` or `dark`.
    async fn theme(&self) -> &str {
        &self.0.theme
    }

    /// `public`, `followers` or `private`.
    async fn privacy_level(&self) -> &str {
        &self.0.privacy_level
    }

    async fn show_activity(&self) -> bool {
        self.0.show_activity
    }

    /// Grows with each change. Pass it as `expectedVersion`.
    async fn version(&self) -> i64 {
        self.0.version
    }
}

/// What to change: a field that is absent or null stays as it is.
#[derive(InputObject)]
pub(crate) struct UpdatePreferencesInput {
    email_notifications: Option<bool>,
    push_notifications: Option<bool>,
    marketing_emails: Option<bool>,
    /// As BCP 47 names it.
    language: Option<String>,
    /// `ETH`, `USD`.
    currency: Option<String>,
    /// `system`, `light` or `dark`.
    theme: Option<String>,
    /// `public`, `followers` or `private`.
    privacy_level: Option<String>,
    show_activity: Option<bool>,
    /// Only where the preferences still have this version.
    expected_version: Option<i64>,
}

/// The preferences as they are now, or why nothing changed.
#[derive(Union)]
pub(crate) enum PreferencesResult {
    Preferences(Preferences),
    Validation(ValidationProblem),
    Conflict(ConflictProblem),
}

#[derive(Default)]
pub(crate) struct PreferencesMutation;

#[Object]
impl PreferencesMutation {
    /// Changes your preferences.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn update_preferences(
        &self,
        context: &Context<'_>,
        input: UpdatePreferencesInput,
    ) -> Result<PreferencesResult> {
        let viewer = acting(context)?;
        let asked = match request(input) {
            Ok(asked) => rpc::caller::acting(asked, &viewer.caller()),
            Err(problem) => return Ok(PreferencesResult::Validation(problem)),
        };
        match context.data_unchecked::<Peers>().user.clone().update_preferences(asked).await {
            Ok(answer) => Ok(PreferencesResult::Preferences(Preferences(
                answer.into_inner().preferences.unwrap_or_default(),
            ))),
            Err(status) => match problem::expected(&status)? {
                Problem::Validation(problem) => {
                    Ok(PreferencesResult::Validation(problem.without("preferences")))
                }
                Problem::Conflict(problem) => Ok(PreferencesResult::Conflict(problem)),
                _ => Err(failed(&status)),
            },
        }
    }
}

/// The viewer's own.
pub(crate) async fn load(context: &Context<'_>, viewer: &Viewer) -> Result<Preferences> {
    let asked = rpc::caller::acting(GetPreferencesRequest {}, &viewer.caller());
    let peers = context.data_unchecked::<Peers>();
    let answer = peers.user.clone().get_preferences(asked).await.map_err(|status| failed(&status))?;
    Ok(Preferences(answer.into_inner().preferences.unwrap_or_default()))
}

fn request(input: UpdatePreferencesInput) -> Result<UpdatePreferencesRequest, ValidationProblem> {
    let mut mask = Mask::default();
    let preferences = pb::Preferences {
        email_notifications: mask.take("email_notifications", given(input.email_notifications)),
        push_notifications: mask.take("push_notifications", given(input.push_notifications)),
        marketing_emails: mask.take("marketing_emails", given(input.marketing_emails)),
        language: mask.take("language", given(input.language)),
        currency: mask.take("currency", given(input.currency)),
        theme: mask.take("theme", given(input.theme)),
        privacy_level: mask.take("privacy_level", given(input.privacy_level)),
        show_activity: mask.take("show_activity", given(input.show_activity)),
        version: 0,
    };
    Ok(UpdatePreferencesRequest {
        preferences: Some(preferences),
        update_mask: Some(mask.named()?),
        expected_version: problem::version("expectedVersion", input.expected_version)?,
    })
}

/// A preference always has a value: there is nothing to clear.
fn given<T>(value: Option<T>) -> MaybeUndefined<T> {
    value.map_or(MaybeUndefined::Undefined, MaybeUndefined::Value)
}

#[cfg(test)]
mod tests {
    use async_graphql::{InputType, value};

    use super::*;

    #[test]
    fn switching_something_off_is_a_change_and_null_is_none() {
        let input = value!({ "showActivity": false, "theme": null, "expectedVersion": 2 });
        let input = UpdatePreferencesInput::parse(Some(input)).map_err(|_| "it does not parse").unwrap();
        let asked = request(input).unwrap();
        assert_eq!(asked.update_mask.unwrap().paths, ["show_activity"]);
        assert_eq!(asked.expected_version, 2);
    }
}
