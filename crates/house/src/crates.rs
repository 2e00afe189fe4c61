//! Who may import whom.
use std::{collections::BTreeMap, path::Path};

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::Finding;

/// One arrow of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    pub from: Member,
    pub to: Member,
    pub is_dev: bool,
}

/// A crate and the folder it lives in, relative to the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub folder: String,
}

impl Member {
    pub fn new(folder: &str) -> Self {
        let name = folder.rsplit('/').next().unwrap_or(folder);
        Self { name: name.to_owned(), folder: folder.to_owned() }
    }

    fn is_service(&self) -> bool {
        self.folder.starts_with("services/") || self.folder == "gateway"
    }
}

/// The members and the arrows between them, as cargo sees them.
pub fn read(root: &Path) -> anyhow::Result<(Vec<Member>, Vec<Arrow>)> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root.join("Cargo.toml")).no_deps().other_options(["--offline".to_owned()]);
    let metadata = command.exec()?;
    let members: BTreeMap<String, Member> = metadata
        .packages
        .iter()
        .map(|package| {
            let folder = package.manifest_path.parent().map(|p| p.as_std_path());
            let folder =
                folder.and_then(|p| p.strip_prefix(root).ok()).map(|p| p.to_string_lossy().into_owned());
            let name = package.name.to_string();
            (name.clone(), Member { name, folder: folder.unwrap_or_default() })
        })
        .collect();
    let mut arrows = Vec::new();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            let (Some(from), Some(to)) = (members.get(package.name.as_str()), members.get(&dependency.name))
            else {
                continue;
            };
            let is_dev = dependency.kind == DependencyKind::Development;
            arrows.push(Arrow { from: from.clone(), to: to.clone(), is_dev });
        }
    }
    Ok((members.into_values().collect(), arrows))
}

pub fn arrows_point_one_way(arrows: &[Arrow]) -> Vec<Finding> {
    arrows.iter().filter_map(complaint).collect()
}

/// The folder is called what the crate is called.
pub fn folders_are_named_for_crates(members: &[Member]) -> Vec<Finding> {
    let wrong =
        members.iter().filter(|member| member.folder.rsplit('/').next() != Some(member.name.as_str()));
    wrong
        .map(|member| finding(member, format!("crate `{}` lives in a folder of another name", member.name)))
        .collect()
}

fn complaint(arrow: &Arrow) -> Option<Finding> {
    let Arrow { from, to, is_dev } = arrow;
    let say = |what: &str| Some(finding(from, format!("{} -> {}: {what}", from.name, to.name)));
    // Stories use everything, and so do the tests of the documents; nobody uses either.
    if from.name == "e2e" || from.name == "papers" {
        return None;
    }
    if to.is_service() {
        return say("a service is imported by the end-to-end tests only; others call it or hear of it");
    }
    if to.name == "testkit" {
        return if *is_dev { None } else { say("testkit is for tests") };
    }
    // What a crate's tests may use is what testkit brings anyway.
    if *is_dev || allowed(from).contains(&to.name.as_str()) {
        return None;
    }
    say("not an arrow of the house; see ARCHITECTURE.md")
}

fn allowed(from: &Member) -> &'static [&'static str] {
    match from.name.as_str() {
        "events" => &["ids", "amounts"],
        "evm" => &["ids", "amounts", "abi"],
        "chains" => &["ids", "proto", "rpc", "evm"],
        "bus" => &["ids", "amounts", "events", "launch"],
        "rpc" => &["proto"],
        "testkit" | "desk" => &["ids", "amounts", "abi", "proto", "events", "rpc", "bus", "evm", "launch"],
        // It brings stores and fleets up as the launcher does, and asks services as an operator would.
        "bench" => &["proto", "rpc", "xtask"],
        "gateway" => &["ids", "amounts", "proto", "events", "rpc", "launch"],
        _ if from.is_service() => {
            &["ids", "amounts", "abi", "proto", "events", "rpc", "bus", "evm", "chains", "launch"]
        }
        // Words, leaves and the thin launcher use none of ours.
        _ => &[],
    }
}

fn finding(member: &Member, what: String) -> Finding {
    Finding { path: format!("{}/Cargo.toml", member.folder), line: 1, what }
}
