//! How somebody wants things to be, of closed lists.

use super::{Wrong, profile::language};

const THEMES: [&str; 3] = ["system", "light", "dark"];
const PRIVACY_LEVELS: [&str; 3] = ["public", "followers", "private"];
const CURRENCIES: [&str; 14] =
    ["ETH", "WETH", "USDC", "USD", "EUR", "GBP", "JPY", "CNY", "KRW", "INR", "BRL", "CAD", "AUD", "CHF"];

/// The preferences of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Preferences {
    pub(crate) email_notifications: bool,
    pub(crate) push_notifications: bool,
    pub(crate) marketing_emails: bool,
    pub(crate) language: String,
    pub(crate) currency: String,
    pub(crate) theme: String,
    pub(crate) privacy_level: String,
    pub(crate) show_activity: bool,
    pub(crate) version: i64,
}

/// The preferences to change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PreferencesChange {
    pub(crate) email_notifications: Option<bool>,
    pub(crate) push_notifications: Option<bool>,
    pub(crate) marketing_emails: Option<bool>,
    pub(crate) language: Option<String>,
    pub(crate) currency: Option<String>,
    pub(crate) theme: Option<String>,
    pub(crate) privacy_level: Option<String>,
    pub(crate) show_activity: Option<bool>,
}

impl PreferencesChange {
    /// Everything that is wrong with it.
    pub(crate) fn wrongs(&self) -> Vec<Wrong> {
        let one_of = |field: &Option<String>, list: &[&str]| {
            let is_other = field.as_deref().is_some_and(|word| !list.contains(&word));
            is_other.then(|| format!("must be one of {}", list.join(", ")))
        };
        let complaints = [
            ("language", self.language.as_deref().and_then(language)),
            ("currency", one_of(&self.currency, &CURRENCIES)),
            ("theme", one_of(&self.theme, &THEMES)),
            ("privacy_level", one_of(&self.privacy_level, &PRIVACY_LEVELS)),
        ];
        let said = complaints.into_iter().filter_map(|(path, message)| Some((path, message?)));
        said.map(|(path, message)| Wrong::new(format!("preferences.{path}"), message)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_the_lists_pass_and_all_others_are_named() {
        let change = |language: &str, currency: &str, theme: &str, privacy: &str| PreferencesChange {
            language: Some(language.to_owned()),
            currency: Some(currency.to_owned()),
            theme: Some(theme.to_owned()),
            privacy_level: Some(privacy.to_owned()),
            ..Default::default()
        };
        assert_eq!(change("de-CH", "USD", "dark", "private").wrongs(), []);
        assert_eq!(change("", "usd", "blue", "").wrongs().len(), 4);
        assert_eq!(PreferencesChange::default().wrongs(), []);
    }
}
