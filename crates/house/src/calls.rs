//! `docs/calls.txt`, the protos and the code say the same about who calls whom.
//!
//! A call is `.rpc_name(` anywhere in a crate that names the generated client of a service with such an RPC.
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use proc_macro2::TokenTree;
use walkdir::WalkDir;

use crate::{Finding, Source, tree::is_call};

const FILE: &str = "docs/calls.txt";
/// `operator` is people, whose rights are used by hand; `nobody` is for an RPC that no service calls yet.
const NO_SERVICE: [&str; 2] = ["operator", "nobody"];

/// `vitrine.auth.v1.AuthService` -> its RPCs.
pub type Contracts = BTreeMap<String, BTreeSet<String>>;
/// Who follows the chains has `crates/chains` call for it.
const WATCH: &str = "vitrine.chainregistry.v1.ChainRegistryService/WatchSnapshot";
/// Caller and `package.Service/Rpc`.
pub type Call = (String, String);

pub fn contracts(root: &Path) -> anyhow::Result<Contracts> {
    let mut contracts = Contracts::new();
    for entry in WalkDir::new(root.join("proto/vitrine")) {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "proto") {
            read_contract(&fs::read_to_string(entry.path())?, &mut contracts);
        }
    }
    Ok(contracts)
}

pub fn read_contract(text: &str, contracts: &mut Contracts) {
    let (mut package, mut service) = (String::new(), String::new());
    for line in text.lines().map(str::trim) {
        let word = |rest: &str| rest.split([' ', ';', '(', '{']).next().unwrap_or_default().to_owned();
        if let Some(rest) = line.strip_prefix("package ") {
            package = word(rest);
        } else if let Some(rest) = line.strip_prefix("service ") {
            service = format!("{package}.{}", word(rest));
            contracts.entry(service.clone()).or_default();
        } else if let Some(rest) = line.strip_prefix("rpc ") {
            contracts.entry(service.clone()).or_default().insert(word(rest));
        }
    }
}

/// The lines of the file with their numbers.
pub fn listed(text: &str) -> Vec<(Call, usize)> {
    let lines = (1..).zip(text.lines().map(|line| line.split('#').next().unwrap_or_default()));
    let calls = lines.filter_map(|(number, line)| {
        let (caller, rpc) = line.split_once("->")?;
        Some(((caller.trim().to_owned(), rpc.trim().to_owned()), number))
    });
    calls.collect()
}

/// The calls that the sources of a service make, with a place for each.
pub fn made(sources: &[Source], contracts: &Contracts) -> BTreeMap<Call, (String, usize)> {
    let mut held: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in sources {
        let Some(service) = source.service() else { continue };
        let words: BTreeSet<String> = source.tokens.iter().map(ToString::to_string).collect();
        let clients = contracts.keys().filter(|name| words.contains(&format!("{}Client", last(name))));
        held.entry(service).or_default().extend(clients.map(String::as_str));
    }
    let mut made = BTreeMap::new();
    for source in sources {
        let (Some(service), Some(line)) = (source.service(), watches_chains(&source.tokens)) else {
            continue;
        };
        made.entry((service.to_owned(), WATCH.to_owned())).or_insert((source.path.clone(), line));
    }
    for source in sources {
        let Some((service, clients)) = source.service().and_then(|s| Some((s, held.get(s)?))) else {
            continue;
        };
        let rpcs: Vec<(String, String)> = clients
            .iter()
            .flat_map(|client| {
                contracts[*client].iter().map(move |rpc| (snake(rpc), format!("{client}/{rpc}")))
            })
            .collect();
        let tokens = &source.tokens;
        for window in tokens.windows(3) {
            let [TokenTree::Punct(dot), TokenTree::Ident(name), arguments] = window else { continue };
            if dot.as_char() != '.' || !is_call(Some(arguments)) {
                continue;
            }
            let name_text = name.to_string();
            for (_, rpc) in rpcs.iter().filter(|(snake, _)| *snake == name_text) {
                let place = (source.path.clone(), name.span().start().line);
                made.entry((service.to_owned(), rpc.clone())).or_insert(place);
            }
        }
    }
    made
}

/// The line of `Chains::watch(`.
fn watches_chains(tokens: &[TokenTree]) -> Option<usize> {
    tokens.windows(5).find_map(|window| {
        let [
            TokenTree::Ident(chains),
            TokenTree::Punct(_),
            TokenTree::Punct(_),
            TokenTree::Ident(watch),
            call,
        ] = window
        else {
            return None;
        };
        let is_watch = chains == "Chains" && watch == "watch" && is_call(Some(call));
        is_watch.then(|| watch.span().start().line)
    })
}

/// The list names only what exists, names nothing twice, leaves no RPC out, and does not say `nobody` beside a caller.
pub fn list_fits_the_contracts(list: &[(Call, usize)], contracts: &Contracts) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (call, line) in list {
        let exists = call
            .1
            .split_once('/')
            .is_some_and(|(s, r)| contracts.get(s).is_some_and(|rpcs| rpcs.contains(r)));
        if !exists {
            found.push(finding(FILE, *line, format!("there is no RPC {}", call.1)));
        }
        if !seen.insert(call) {
            found.push(finding(FILE, *line, format!("{} -> {} stands here twice", call.0, call.1)));
        }
    }
    for (service, rpcs) in contracts {
        for rpc in rpcs.iter().map(|rpc| format!("{service}/{rpc}")) {
            let callers: Vec<_> = list.iter().filter(|((_, listed), _)| *listed == rpc).collect();
            match callers.iter().find(|((caller, _), _)| caller == "nobody") {
                Some((_, line)) if callers.len() > 1 => {
                    found.push(finding(FILE, *line, format!("{rpc} has a caller, so `nobody` is wrong")));
                }
                None if callers.is_empty() => {
                    found.push(finding(FILE, 1, format!("there is no line for {rpc}")))
                }
                _ => {}
            }
        }
    }
    found
}

/// Every call that is made is allowed.
pub fn made_calls_are_listed(made: &BTreeMap<Call, (String, usize)>, list: &[(Call, usize)]) -> Vec<Finding> {
    let unlisted = made.iter().filter(|(call, _)| !list.iter().any(|(listed, _)| listed == *call));
    unlisted
        .map(|((caller, rpc), (path, line))| finding(path, *line, format!("{FILE} lacks {caller} -> {rpc}")))
        .collect()
}

/// Every right that is given to a service is used.
pub fn listed_calls_are_made(made: &BTreeMap<Call, (String, usize)>, list: &[(Call, usize)]) -> Vec<Finding> {
    let unused =
        list.iter().filter(|(call, _)| !NO_SERVICE.contains(&call.0.as_str()) && !made.contains_key(call));
    unused
        .map(|((caller, rpc), line)| finding(FILE, *line, format!("{caller} does not call {rpc}")))
        .collect()
}

fn finding(path: &str, line: usize, what: String) -> Finding {
    Finding { path: path.to_owned(), line, what }
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// As prost names a method: `PrepareMint721` is `prepare_mint721`.
fn snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
