//! The sources of the workspace, read once and parsed once.
use std::{
    fmt, fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use anyhow::Context;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Attribute, Item, spanned::Spanned};
use walkdir::WalkDir;

/// A rule that is broken, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// One Rust file. Paths are relative to the workspace, with `/`.
pub struct Source {
    pub path: String,
    pub text: String,
    pub file: syn::File,
    /// Every token, also inside macros, that is not a test's. A group is followed by what is in it.
    pub tokens: Vec<TokenTree>,
    test_lines: Vec<RangeInclusive<usize>>,
}

impl Source {
    pub fn parse(path: &str, text: &str) -> anyhow::Result<Self> {
        let file = syn::parse_file(text).with_context(|| format!("{path} is not Rust"))?;
        let mut test_lines = Vec::new();
        find_tests(&file.items, &mut test_lines);
        let stream: TokenStream = text.parse().map_err(|_| anyhow::anyhow!("{path} is not Rust"))?;
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let (path, text) = (path.to_owned(), text.to_owned());
        let mut source = Self { path, text, file, tokens: Vec::new(), test_lines };
        tokens.retain(|token| !source.is_test_at(token.span().start().line));
        source.tokens = tokens;
        Ok(source)
    }

    pub fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }

    /// Code that never runs in a process of the fleet.
    pub fn is_test_at(&self, line: usize) -> bool {
        self.is_test_file() || self.test_lines.iter().any(|lines| lines.contains(&line))
    }

    pub fn is_test_file(&self) -> bool {
        let in_folder = self.path.contains("/tests/") || self.path.contains("/benches/");
        // `#[path]`-less test modules that outgrew their file.
        in_folder
            || self.path.ends_with("/tests.rs")
            || self.path.ends_with("_tests.rs")
            || self.path.contains("_tests/")
            || self.path.starts_with("e2e/")
    }

    /// `services/wallet` for everything in it; the gateway counts as one.
    pub fn service(&self) -> Option<&str> {
        if self.path.starts_with("gateway/") {
            return Some("gateway");
        }
        self.path.strip_prefix("services/")?.split('/').next()
    }

    /// The module path below `src/` as the file system shows it: `store/tokens`.
    pub fn room(&self) -> Option<&str> {
        let (_, below) = self.path.split_once("/src/")?;
        below.strip_suffix(".rs")
    }
}

/// A group becomes itself (its delimiter can be seen) followed by what is in it.
fn flatten(stream: TokenStream, tokens: &mut Vec<TokenTree>) {
    for token in stream {
        let inner = match &token {
            TokenTree::Group(group) => Some(group.stream()),
            _ => None,
        };
        tokens.push(token);
        if let Some(inner) = inner {
            flatten(inner, tokens);
        }
    }
}

pub(crate) fn is_call(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
}

fn find_tests(items: &[Item], found: &mut Vec<RangeInclusive<usize>>) {
    for item in items {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => continue,
        };
        if attributes.iter().any(is_for_tests) {
            found.push(item.span().start().line..=item.span().end().line);
        } else if let Item::Mod(syn::ItemMod { content: Some((_, items)), .. }) = item {
            find_tests(items, found);
        }
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    let path = attribute.path();
    let last = path.segments.last().map(|segment| segment.ident.to_string());
    match last.as_deref() {
        Some("test") => true,
        Some("cfg") => attribute.meta.require_list().is_ok_and(|list| {
            list.tokens.clone().into_iter().any(|token| token.to_string() == "test")
                || list.tokens.to_string().starts_with("all (test")
        }),
        _ => false,
    }
}

/// The workspace's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default()
}

/// Every Rust file of the workspace that is written by hand.
pub fn read_tree(root: &Path) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for folder in ["crates", "proto", "services", "gateway", "xtask", "desk", "e2e", "bench"] {
        let folder = root.join(folder);
        if !folder.exists() {
            continue;
        }
        let is_ours = |name: &str| !matches!(name, "target" | "node_modules" | ".git");
        let entries = WalkDir::new(folder).sort_by_file_name().into_iter();
        for entry in entries.filter_entry(|entry| entry.file_name().to_str().is_some_and(is_ours)) {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == "rs") {
                let path = entry.path().strip_prefix(root)?.to_string_lossy().replace('\\', "/");
                sources.push(Source::parse(&path, &fs::read_to_string(entry.path())?)?);
            }
        }
    }
    Ok(sources)
}
