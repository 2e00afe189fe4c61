//! A log line is one fixed sentence in lower case without a full stop; what varies are its fields.
use proc_macro2::{TokenStream, TokenTree};

use crate::{Finding, Source};

const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

pub fn says_one_fixed_sentence(source: &Source) -> Vec<Finding> {
    let tokens = &source.tokens;
    let macros = tokens.windows(3).filter_map(|window| match window {
        [TokenTree::Ident(name), TokenTree::Punct(bang), TokenTree::Group(arguments)]
            if bang.as_char() == '!' && LEVELS.contains(&name.to_string().as_str()) =>
        {
            Some((name.span().start().line, arguments.stream()))
        }
        _ => None,
    });
    macros
        .filter_map(|(line, arguments)| Some(source.finding(line, complaint(&sentence(arguments)?)?)))
        .collect()
}

/// The literal that stands alone between commas, if there is one.
fn sentence(arguments: TokenStream) -> Option<String> {
    let tokens: Vec<_> = arguments.into_iter().collect();
    let parts = tokens.split(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ','));
    parts.into_iter().find_map(|part| match part {
        [TokenTree::Literal(literal)] => {
            let text = literal.to_string();
            Some(text.strip_prefix('"')?.strip_suffix('"')?.to_owned())
        }
        _ => None,
    })
}

fn complaint(sentence: &str) -> Option<String> {
    let upper = sentence.chars().next().is_some_and(char::is_uppercase);
    // A name may stand first: SIGTERM, PostgreSQL.
    let is_name =
        sentence.chars().nth(1).is_some_and(char::is_uppercase) || sentence.starts_with("PostgreSQL");
    match sentence {
        s if s.contains('{') => Some(format!("{s:?}: what varies is a field")),
        s if upper && !is_name => Some(format!("{s:?}: a log sentence begins in lower case")),
        s if s.ends_with('.') || s.ends_with('!') => Some(format!("{s:?}: a log sentence has no full stop")),
        _ => None,
    }
}
