//! The table against what the services themselves and the documents say.

use std::collections::HashSet;

use super::*;

#[test]
fn there_are_nine_services_with_seven_databases_and_one_gateway() {
    let numbers: HashSet<u8> = TABLE.iter().map(|service| service.number).collect();
    assert_eq!(numbers, (0..=9).collect());
    assert_eq!(TABLE.iter().filter(|service| service.has(Database)).count(), 7);
}

fn read(path: &str) -> String {
    let path = crate::repository().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `vitrine.chainregistry.v1.X` belongs to chain-registry: a package is its service's name without the hyphen.
fn owner(rpc: &str) -> &'static str {
    let package = rpc.split('.').nth(1).expect("vitrine.<package>.v1");
    let is_owner = |service: &&Service| service.name.replace('-', "") == package;
    match package {
        "subscription" => "subs-worker",
        _ => TABLE.iter().find(is_owner).map_or_else(|| panic!("nobody owns {rpc}"), |service| service.name),
    }
}

#[test]
fn everybody_knows_exactly_those_whom_the_list_of_calls_lets_them_call() {
    let text = read("docs/calls.txt");
    let calls: Vec<(&str, &str)> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" -> "))
        .collect();
    for service in TABLE {
        let listed: HashSet<&str> =
            calls.iter().filter(|(caller, _)| *caller == service.name).map(|(_, rpc)| owner(rpc)).collect();
        assert_eq!(service.peers.iter().copied().collect::<HashSet<_>>(), listed, "{}", service.name);
    }
}

#[test]
fn everybody_is_told_of_the_stores_that_its_own_defaults_name() {
    for service in TABLE {
        let folder =
            if service.is_gateway() { "gateway".to_owned() } else { format!("services/{}", service.name) };
        let defaults = read(&format!("{folder}/config.toml"));
        let names = |key: &str| defaults.lines().any(|line| line.starts_with(key));
        let has_bucket = service.needs.iter().any(|need| matches!(need, Bucket(_)));
        for (key, has) in [
            ("database_url", service.has(Database)),
            ("redis_url", service.has(Redis)),
            ("amqp_url", service.has(Amqp)),
            ("mongo_url", service.has(Mongo)),
            ("[s3]", has_bucket),
        ] {
            assert_eq!(names(key), has, "{} and {key}", service.name);
        }
    }
}

#[test]
fn every_password_that_is_asked_for_is_made() {
    let names = secret_names();
    assert!(TABLE.iter().all(|service| names.contains(&service.broker_secret())));
    let owners = TABLE.iter().filter(|service| service.has(Database));
    assert!(owners.into_iter().all(|service| names.contains(&service.role())));
}
