//! String literals of a source, as the program sees them.
use house::Source;
use proc_macro2::TokenTree;

/// The text of a literal, if it is a string.
pub(crate) fn text_of(token: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else { return None };
    let parsed: syn::LitStr = syn::parse_str(&literal.to_string()).ok()?;
    Some(parsed.value())
}

/// Every string of a source outside of its tests and its documentation.
pub(crate) fn all_of(source: &Source) -> impl Iterator<Item = String> + '_ {
    let is_doc = |at: usize| {
        let before = |back: usize| at.checked_sub(back).map(|at| source.tokens[at].to_string());
        before(1).as_deref() == Some("=") && before(2).as_deref() == Some("doc")
    };
    source
        .tokens
        .iter()
        .enumerate()
        .filter(move |(at, _)| !is_doc(*at))
        .filter_map(|(_, token)| text_of(token))
}
