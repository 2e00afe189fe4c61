//! What somebody wants their profile to be, and what is wrong with it: every field at once.

use std::collections::BTreeMap;

use serde::Serialize;
use url::Url;

use super::{Wrong, reserved::is_reserved};

/// What a mask may name.
pub(crate) const PROFILE_FIELDS: [&str; 8] =
    ["username", "display_name", "bio", "avatar_url", "banner_url", "locale", "timezone", "socials"];
const URL_LONGEST: usize = 2048;
const SOCIALS_MOST: usize = 10;
const SOCIAL_URL_LONGEST: usize = 500;

/// The fields to change; what is named and empty is cleared. Written as JSON it is what a request is known again by.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct ProfileChange {
    pub(crate) username: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) bio: Option<String>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) banner_url: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) timezone: Option<String>,
    pub(crate) socials: Option<BTreeMap<String, String>>,
}

impl ProfileChange {
    /// Everything that is wrong with it. `media` is where this house serves pictures itself.
    pub(crate) fn wrongs(&self, media: &Url) -> Vec<Wrong> {
        let mut wrongs = Vec::new();
        let mut say = |path: &str, complaint: Option<String>| {
            wrongs.extend(complaint.map(|message| Wrong::new(format!("profile.{path}"), message)));
        };
        say("display_name", given(&self.display_name).and_then(|name| text(name, 50, false)));
        say("bio", given(&self.bio).and_then(|bio| text(bio, 1000, true)));
        say("avatar_url", given(&self.avatar_url).and_then(|url| picture(url, media)));
        say("banner_url", given(&self.banner_url).and_then(|url| picture(url, media)));
        say("locale", given(&self.locale).and_then(language));
        say("timezone", given(&self.timezone).and_then(timezone));
        if let Some(socials) = &self.socials {
            say("socials", (socials.len() > SOCIALS_MOST).then(|| "must be at most 10".to_owned()));
            for (name, url) in socials.iter().take(SOCIALS_MOST) {
                say(&format!("socials.{name}"), social(name, url));
            }
        }
        wrongs.extend(given(&self.username).and_then(username));
        wrongs
    }

    /// Has the addresses as they were understood when they were judged: whoever reads them sees the same.
    pub(crate) fn settle(&mut self) {
        let pictures = self.avatar_url.iter_mut().chain(self.banner_url.iter_mut());
        for text in pictures.chain(self.socials.iter_mut().flat_map(BTreeMap::values_mut)) {
            if let Ok(url) = Url::parse(text) {
                *text = url.to_string();
            }
        }
    }
}

/// What is to be set; clearing needs no rule.
fn given(field: &Option<String>) -> Option<&str> {
    field.as_deref().filter(|text| !text.is_empty())
}

fn username(name: &str) -> Option<Wrong> {
    let path = "profile.username";
    let fits = (3..=30).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !fits {
        return Some(Wrong::new(path, "must be 3 to 30 letters, digits and underscores"));
    }
    let reserved = Wrong { code: "USERNAME_RESERVED", ..Wrong::new(path, "this name is reserved") };
    is_reserved(name).then_some(reserved)
}

/// Text that people read. What is invisible or turns the direction around would let one name look like another. The
/// joiners stay, since scripts and emoji are written with them, and the tags of a flag.
fn text(text: &str, longest: usize, has_lines: bool) -> Option<String> {
    if text.chars().count() > longest {
        return Some(format!("must be at most {longest} characters"));
    }
    let mut is_in_flag = false;
    let is_bad = |c: char| {
        let is_stray_tag = is_tag(c) && !is_in_flag;
        is_in_flag = c == BLACK_FLAG || (is_in_flag && is_tag(c) && c != LAST_TAG);
        (c.is_control() && !(has_lines && c == '\n')) || is_invisible(c) || is_stray_tag
    };
    if text.chars().any(is_bad) {
        return Some("must not hold control, invisible or direction characters".to_owned());
    }
    let is_blank =
        |c: char| c.is_whitespace() || matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
    text.chars().all(is_blank).then(|| "must not be blank".to_owned())
}

/// What the flags of England, Scotland and Wales begin with: tags that spell the region follow, and one that ends them.
const BLACK_FLAG: char = '\u{1f3f4}';
const LAST_TAG: char = '\u{e007f}';

fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0020}'..=LAST_TAG)
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e001f}' | '\u{e0080}'..='\u{e0fff}')
}

/// An address without spaces and without a name and password, which only pretend to be another host; nor with what a
/// parser forgives and a page may stumble over.
fn address(text: &str, longest: usize) -> Option<Url> {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | '"' | '<' | '>');
    let url = Url::parse(text).ok().filter(|_| text.chars().all(is_plain))?;
    if text.len().max(url.as_str().len()) > longest {
        return None;
    }
    let is_named = url.host_str().is_some_and(|host| !host.is_empty());
    (is_named && url.username().is_empty() && url.password().is_none()).then_some(url)
}

fn picture(text: &str, media: &Url) -> Option<String> {
    let is_ours = |url: &Url| {
        (url.scheme(), url.host(), url.port_or_known_default())
            == (media.scheme(), media.host(), media.port_or_known_default())
    };
    let url =
        address(text, URL_LONGEST).filter(|url| matches!(url.scheme(), "https" | "ipfs") || is_ours(url));
    url.is_none().then(|| "must be an https or ipfs address of at most 2048 characters".to_owned())
}

fn social(name: &str, text: &str) -> Option<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !(1..=20).contains(&name.len()) || !name.chars().all(is_name) {
        return Some("must be named with 1 to 20 of a-z, 0-9 and underscores".to_owned());
    }
    let url = address(text, SOCIAL_URL_LONGEST).filter(|url| url.scheme() == "https");
    url.is_none().then(|| "must be an https address of at most 500 characters".to_owned())
}

/// BCP 47 by its shape: `en`, `pt-BR`, `zh-Hant-TW`.
pub(super) fn language(tag: &str) -> Option<String> {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    let fits = tag.len() <= 10
        && (2..=3).contains(&first.len())
        && first.chars().all(|c| c.is_ascii_alphabetic())
        && parts.all(|part| (2..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric()));
    (!fits).then(|| "must be a BCP 47 tag of at most 10 characters".to_owned())
}

/// A name of the IANA database by its shape: `UTC`, `Europe/Zurich`, `America/Argentina/Salta`.
fn timezone(name: &str) -> Option<String> {
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-'))
    };
    let fits = name.len() <= 50 && name.split('/').count() <= 3 && name.split('/').all(is_part);
    (!fits).then(|| "must be a time zone's name, such as Europe/Zurich".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media() -> Url {
        "http://127.0.0.1:8082".parse().unwrap()
    }

    fn complaints(change: ProfileChange) -> Vec<(String, &'static str)> {
        change.wrongs(&media()).into_iter().map(|wrong| (wrong.path, wrong.code)).collect()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn what_is_right_and_what_is_cleared_passes() {
        let socials = [
            ("x".to_owned(), "https://x.com/ada".to_owned()),
            ("web_2".to_owned(), "https://ada.example".to_owned()),
        ];
        let right = ProfileChange {
            username: some("Ada_L"),
            display_name: some("Ada Lovelace 🎨"),
            bio: some("First line.\nSecond line."),
            avatar_url: some("ipfs://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi/a.png"),
            banner_url: some("http://127.0.0.1:8082/assets/abc"),
            locale: some("zh-Hant-TW"),
            timezone: some("America/Argentina/Salta"),
            socials: Some(socials.into()),
        };
        assert_eq!(complaints(right), []);
        let empty = || Some(String::new());
        let cleared = ProfileChange {
            username: empty(),
            display_name: empty(),
            bio: empty(),
            avatar_url: empty(),
            banner_url: empty(),
            locale: empty(),
            timezone: empty(),
            socials: Some(BTreeMap::new()),
        };
        assert_eq!(complaints(cleared), []);
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let mut socials: BTreeMap<String, String> = BTreeMap::new();
        socials.insert("X".to_owned(), "https://x.com/ada".to_owned());
        socials.insert("x".to_owned(), "http://x.com/ada".to_owned());
        let wrong = ProfileChange {
            username: some("ad"),
            display_name: some("a\u{202e}b"),
            bio: some(&"x".repeat(1001)),
            avatar_url: some("javascript:alert(1)"),
            banner_url: some("http://elsewhere.example/a.png"),
            locale: some("english"),
            timezone: some("../etc/passwd"),
            socials: Some(socials),
        };
        let paths: Vec<String> = complaints(wrong).into_iter().map(|(path, _)| path).collect();
        let expected = [
            "display_name",
            "bio",
            "avatar_url",
            "banner_url",
            "locale",
            "timezone",
            "socials.X",
            "socials.x",
            "username",
        ];
        assert_eq!(paths, expected.map(|path| format!("profile.{path}")));
    }

    #[test]
    fn names_that_look_like_others_are_refused() {
        for name in ["a\u{200b}b", "a\u{feff}", "\u{2067}a", "a\nb", "a\tb", "a\u{0}b", "\u{3164}", "  "] {
            let change = ProfileChange { display_name: some(name), ..Default::default() };
            assert_eq!(complaints(change).len(), 1, "{name:?}");
        }
        // Nor does a name of joiners alone show as anything, and tags are for flags.
        let long =
            ["\u{200d}", " \u{200c} ", "a\u{e0067}", "\u{1f3f4}\u{e0067}\u{e007f}\u{e0067}", "\u{e0001}"];
        for name in long.into_iter().chain(["\u{200e}a", "a\u{2060}b", "\u{200f}", "\u{2068}a\u{2069}"]) {
            let change = ProfileChange { display_name: some(name), ..Default::default() };
            assert_eq!(complaints(change).len(), 1, "{name:?}");
        }
        for (name, code) in
            [("admin", "USERNAME_RESERVED"), ("a-b", "INVALID"), ("äda", "INVALID"), ("a b", "INVALID")]
        {
            let change = ProfileChange { username: some(name), ..Default::default() };
            assert_eq!(complaints(change), [("profile.username".to_owned(), code)], "{name:?}");
        }
    }

    #[test]
    fn scripts_and_emoji_that_need_joiners_and_tags_are_written() {
        for name in [
            "\u{646}\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
            "Ada \u{1f469}\u{200d}\u{1f680}",
            "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f} Ada",
        ] {
            let change = ProfileChange { display_name: some(name), bio: some(name), ..Default::default() };
            assert_eq!(complaints(change), [], "{name:?}");
        }
    }

    #[test]
    fn what_is_kept_is_what_was_judged() {
        let mut change = ProfileChange {
            avatar_url: some("HTTPS:ada.EXAMPLE/a/../b.png"),
            banner_url: some("ipfs://QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG/A.png"),
            socials: Some([("x".to_owned(), "https:///x.com/{ada}".to_owned())].into()),
            bio: Some(String::new()),
            ..Default::default()
        };
        assert_eq!(complaints(change.clone()), []);
        change.settle();
        assert_eq!(change.avatar_url, some("https://ada.example/b.png"));
        assert_eq!(change.banner_url, some("ipfs://QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG/A.png"));
        assert_eq!(change.socials.unwrap()["x"], "https://x.com/%7Bada%7D");
        let mut cleared = ProfileChange { avatar_url: Some(String::new()), ..Default::default() };
        cleared.settle();
        assert_eq!(cleared.avatar_url, Some(String::new()));
    }

    #[test]
    fn addresses_say_where_they_lead() {
        for url in [
            "https://good.example@evil.example/a.png",
            "https://",
            "https:// spaced.example",
            "data:image/png;base64,AAAA",
            "http://127.0.0.1:8083/assets/abc",
            "//ours.example/a.png",
            "https:\\\\evil.example",
            "https://a.example/\"onload=",
            "https://a.example/<b>",
            "https://a.example/\tb",
            &format!("https://long.example/{}", "{".repeat(1000)),
            &format!("https://long.example/{}", "a".repeat(2048)),
        ] {
            let change = ProfileChange { avatar_url: some(url), ..Default::default() };
            assert_eq!(complaints(change).len(), 1, "{url}");
        }
    }

    #[test]
    fn eleven_socials_are_too_many() {
        let socials = (0..11).map(|n| (format!("s{n}"), "https://a.example".to_owned())).collect();
        let change = ProfileChange { socials: Some(socials), ..Default::default() };
        assert_eq!(complaints(change), [("profile.socials".to_owned(), "INVALID")]);
    }
}
