//! Three layers, one struct, and a clear word for each mistake.
use std::{io::Write, path::Path};

use launch::{ConfigError, Resolved, resolve};

use crate::sample::{CARD, Config, DEFAULTS, command};

fn read(file: Option<&Path>, environment: &[(&str, &str)]) -> Result<Resolved<Config>, ConfigError> {
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    resolve("the-sample", DEFAULTS, file, environment)
}

fn refused(file: Option<&Path>, environment: &[(&str, &str)]) -> String {
    read(file, environment).err().expect("it is refused").to_string()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("writable");
    file
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = file("database_pool = 20\norigins = [\"https://a\"]\n[process]\nlog = \"debug\"\n");
    let config = read(Some(file.path()), &[("THE_SAMPLE__DATABASE_POOL", "30")]).expect("all is well").config;
    assert_eq!(config.database_pool, 30);
    assert_eq!(config.origins, ["https://a"]);
    assert_eq!((config.process.log.as_str(), config.process.stop_secs), ("debug", 2));
    assert_eq!(config.peers.wallet.expect("a default").port(), Some(50053));
}

#[test]
fn text_of_the_environment_becomes_what_the_key_is() {
    let config = read(
        None,
        &[
            ("THE_SAMPLE__ORIGINS", "https://a, https://b,"),
            ("THE_SAMPLE__PORTS", "80,443"),
            ("THE_SAMPLE__VERBOSE", "true"),
            ("THE_SAMPLE__PEERS__WALLET", "https://wallet:50053"),
            ("THE_SAMPLE__PROCESS__OPS_ADDR", "127.0.0.1:9151"),
            ("THE_SAMPLE__PROCESS__OTLP_URL", "http://127.0.0.1:4317"),
            ("THE_SAMPLE__DATABASE_URL", "12345"),
            ("OTHER__DATABASE_POOL", "nonsense"),
            ("THE_SAMPLE_X", "nonsense"),
        ],
    );
    let config = config.expect("all is well").config;
    assert_eq!(config.origins, ["https://a", "https://b"]);
    assert_eq!(config.ports, [80, 443]);
    assert!(config.verbose);
    assert_eq!(config.peers.wallet.expect("it is set").host_str(), Some("wallet"));
    assert_eq!(config.process.ops_addr.port(), 9151);
    assert_eq!(config.process.otlp_url.expect("it is set").port(), Some(4317));
    assert_eq!(config.database_url.expose(), "12345", "text stays text even if it looks like a number");
}

#[test]
fn an_unknown_key_is_refused_wherever_it_stands() {
    let top = file("databse_pool = 1");
    assert_eq!(
        refused(Some(top.path()), &[]),
        format!("databse_pool: unknown key in file {}", top.path().display())
    );
    let nested = file("[process]\nlogs = \"info\"");
    assert!(refused(Some(nested.path()), &[]).starts_with("process.logs: unknown key in file "));
    assert_eq!(
        refused(None, &[("THE_SAMPLE__PEERS__WALET", "https://a")]),
        "peers.walet: unknown key in environment variable THE_SAMPLE__PEERS__WALET"
    );
}

#[test]
fn a_wrong_value_names_key_and_source_and_not_the_value() {
    assert_eq!(
        refused(None, &[("THE_SAMPLE__DATABASE_POOL", "hunter2")]),
        "database_pool: expected an integer in environment variable THE_SAMPLE__DATABASE_POOL"
    );
    let said = refused(None, &[("THE_SAMPLE__PROCESS__OPS_ADDR", "nowhere")]);
    assert!(said.starts_with("process.ops_addr: "), "{said}");
    let file = file("database_pool = \"hunter2\"");
    let said = refused(Some(file.path()), &[]);
    assert!(said.starts_with("database_pool: expected ") && said.contains(".toml"), "{said}");
    assert!(!said.contains("hunter2") && !said.contains('\n'), "{said}");
}

#[test]
fn a_file_that_is_not_there_or_not_toml_is_refused_in_one_line() {
    assert!(refused(Some(Path::new("/nowhere/at-all.toml")), &[]).contains("at-all.toml"));
    let broken = file("database_pool = = 1");
    let said = refused(Some(broken.path()), &[]);
    assert!(said.contains(".toml") && !said.contains('\n'), "{said}");
}

#[test]
fn a_printed_configuration_hides_its_secrets() {
    let resolved =
        read(None, &[("THE_SAMPLE__DATABASE_URL", "postgres://a:hunter2@db/x")]).expect("all is well");
    let printed = resolved.redacted().to_string();
    assert!(printed.contains(r#""database_url":"***""#) && !printed.contains("hunter2"), "{printed}");
    assert!(printed.contains("50053"));
    assert!(!format!("{:?}", resolved.config.database_url).contains("hunter2"));
}

#[test]
fn check_config_prints_and_a_mistake_ends_with_code_two_and_one_line() {
    let good = command("--check-config", &[("THE_SAMPLE__DATABASE_POOL", "31")]).output().expect("it runs");
    let printed = String::from_utf8_lossy(&good.stdout);
    assert!(good.status.success() && printed.contains("\"database_pool\": 31"), "{printed}");

    let bad = command("", &[("THE_SAMPLE__DATABASE_POOL", "many")]).output().expect("it runs");
    let line = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert_eq!(bad.status.code(), Some(2), "{line}");
    let expected =
        "the-sample: database_pool: expected an integer in environment variable THE_SAMPLE__DATABASE_POOL\n";
    assert_eq!(line, expected);
}

#[test]
fn the_document_has_a_row_for_every_key() {
    let page = launch::document(&CARD);
    let row = |key: &str| {
        let start = format!("| `{key}` |");
        page.lines()
            .find(|line| line.starts_with(&start))
            .unwrap_or_else(|| panic!("no {key} in\n{page}"))
            .to_owned()
    };
    assert!(page.starts_with("## the-sample\n"));
    assert_eq!(
        row("database_url"),
        "| `database_url` | `THE_SAMPLE__DATABASE_URL` | secret | `***` | Where the database is \\| and who we are. |"
    );
    assert!(
        row("origins").contains("| list of text | `http://localhost:8081` | Web origins that may call. |")
    );
    assert!(row("process.drain_secs").contains("`THE_SAMPLE__PROCESS__DRAIN_SECS` | integer | `0` |"));
    assert!(row("process.otlp_url").contains("| URL | none |"));
    assert!(row("verbose").contains("| boolean | `false` |"));
    assert!(row("peers.wallet").contains("| `https://127.0.0.1:50053` | The wallet service. |"));
}
