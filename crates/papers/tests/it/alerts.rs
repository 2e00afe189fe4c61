//! `deploy/prometheus/rules`: alerts stand on metrics that there are, and lead to a page that names what to do.
use std::{collections::BTreeSet, fs, io::ErrorKind, process::Command};

use super::{path, read};

const RULES: &str = "deploy/prometheus/rules";
/// What a histogram's name ends with where it is asked.
const PARTS: [&str; 3] = ["_bucket", "_count", "_sum"];

/// The rule files, without those that try them.
fn rules() -> Vec<String> {
    let folder = fs::read_dir(path(RULES)).expect("there are rules");
    let names = folder.filter_map(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".yml") && !name.ends_with("_test.yml")).collect()
}

/// The values of a key, in the order of the file.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let prefix = format!("{key}:");
    let value = |line: &'a str| line.trim_start_matches([' ', '-']).strip_prefix(&prefix).map(str::trim);
    text.lines().filter_map(value).collect()
}

#[test]
fn an_alert_stands_on_metrics_that_there_are() {
    let telemetry = read("docs/telemetry.md");
    for file in rules() {
        let text = read(&format!("{RULES}/{file}"));
        // Of the whole file: an expression may go over several lines.
        let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
        let service = file.trim_end_matches(".yml");
        let named: BTreeSet<&str> = words.filter(|word| word.starts_with(&format!("{service}_"))).collect();
        let named: BTreeSet<&str> = named.into_iter().filter(|word| !word.ends_with("_test")).collect();
        assert!(!named.is_empty(), "{file} names no metric of {service}");
        for metric in named {
            let whole = PARTS.iter().find_map(|part| metric.strip_suffix(part));
            let is_known = |name: &str| telemetry.contains(&format!("| `{name}` |"));
            assert!(is_known(metric) || whole.is_some_and(is_known), "{file}: there is no metric {metric}");
        }
    }
}

#[test]
fn an_alert_leads_to_a_page_that_names_it_and_a_command() {
    for file in rules() {
        let text = read(&format!("{RULES}/{file}"));
        let (alerts, pages) = (values(&text, "alert"), values(&text, "runbook"));
        assert_eq!(alerts.len(), pages.len(), "{file}: each alert has a runbook");
        assert!(!alerts.is_empty());
        for (alert, page) in alerts.into_iter().zip(pages) {
            assert!(path(page).exists(), "{alert}: there is no {page}");
            let page = read(page);
            assert!(
                page.lines().next().is_some_and(|title| title.contains(alert)),
                "{alert} is not the page's title"
            );
            assert!(page.contains("`cargo xtask index "), "{alert}: the page names no command");
        }
    }
}

/// Of each trial the alert, and whether it is expected to be loud.
fn trials(tried: &str) -> Vec<(&str, bool)> {
    let mut trials = Vec::new();
    for line in tried.lines().map(|line| line.trim_start_matches([' ', '-'])) {
        if let Some(alert) = line.strip_prefix("alertname:") {
            trials.push((alert.trim(), false));
        }
        // An empty list says that nothing is expected.
        let expected = line.strip_prefix("exp_alerts:").map(str::trim);
        if let (Some(""), Some(last)) = (expected, trials.last_mut()) {
            last.1 = true;
        }
    }
    trials
}

#[test]
fn every_alert_is_tried_quiet_and_loud() {
    assert_eq!(
        trials("- alertname: A\n  exp_alerts: []\n- alertname: B\n  exp_alerts:\n    - exp_labels: {}"),
        [("A", false), ("B", true)]
    );
    for file in rules() {
        let tried = read(&format!("{RULES}/{}_test.yml", file.trim_end_matches(".yml")));
        let trials = trials(&tried);
        for alert in values(&read(&format!("{RULES}/{file}")), "alert") {
            assert!(trials.contains(&(alert, true)), "{file}: nothing makes {alert} loud");
            assert!(trials.contains(&(alert, false)), "{file}: nothing leaves {alert} quiet");
        }
    }
}

/// Prometheus itself says what the rules do, on a machine that has its tool.
#[test]
fn the_trials_of_the_rules_pass() {
    for file in rules() {
        let tried = path(RULES).join(format!("{}_test.yml", file.trim_end_matches(".yml")));
        match Command::new("promtool").args(["test", "rules"]).arg(&tried).output() {
            Ok(said) => assert!(
                said.status.success(),
                "{}{}",
                String::from_utf8_lossy(&said.stdout),
                String::from_utf8_lossy(&said.stderr)
            ),
            Err(err) if err.kind() == ErrorKind::NotFound => return,
            Err(err) => panic!("promtool: {err}"),
        }
    }
}
