//! `docs/telemetry.md`: the names that dashboards, alerts and searches stand on.
use super::{PRINTED, tables_are_true};

#[test]
fn the_page_names_every_metric_and_every_log_field() {
    tables_are_true("docs/telemetry.md", &PRINTED.telemetry);
}

#[test]
fn a_metric_is_named_as_prometheus_has_it_and_says_what_it_counts() {
    let metrics = &PRINTED.telemetry[0].rows;
    assert!(metrics.len() > 20, "the scan finds too little");
    for row in metrics {
        let [name, kind, labels, _, help] = row.as_slice() else { panic!("{row:?}") };
        let name = name.trim_matches('`');
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        assert!(!help.is_empty(), "{name} has no help");
        // A label with an unbounded number of values is a metric per value.
        for forbidden in ["user", "id", "address", "hash", "contract"] {
            assert!(!labels.contains(&format!("`{forbidden}`")), "{name}: {labels}");
        }
    }
}
