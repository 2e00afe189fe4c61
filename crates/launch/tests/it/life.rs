//! A process from its start to its end, by signals.
use std::time::Duration;

use crate::sample::{Running, command, free_address};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_signal_ends_the_process_cleanly_and_its_logs_are_json() {
    for signal in ["TERM", "INT"] {
        let mut running = Running::start(&[]);
        let line = running.line("process started");
        assert_eq!(line["service"], "the-sample");
        assert_eq!(line["level"], "INFO");
        running.signal(signal);
        running.line("process stopped");
        assert_eq!(running.end(SOON).0, Some(0), "{signal}");
    }
}

#[test]
fn healthcheck_answers_for_the_running_process() {
    let ops = free_address().to_string();
    let environment = [("THE_SAMPLE__PROCESS__OPS_ADDR", ops.as_str())];
    let dead = command("healthcheck", &environment).output().expect("it runs");
    assert!(!dead.status.success());

    let mut running = Running::start(&environment);
    running.line("process started");
    let alive = command("healthcheck", &environment).output().expect("it runs");
    assert!(alive.status.success(), "{}", String::from_utf8_lossy(&alive.stderr));
}

#[test]
fn a_failed_task_is_said_once_and_ends_the_process_with_code_one() {
    let mut running = Running::start(&[("THE_SAMPLE__ACT", "fail")]);
    let line = running.line("process stops with an error");
    assert_eq!(line["error"], "task work: the disk is gone");
    let (code, rest) = running.end(SOON);
    assert_eq!(code, Some(1));
    assert!(!rest.contains("the disk is gone"), "{rest}");
}

#[test]
fn a_panic_is_a_log_line_and_ends_the_process() {
    let mut running = Running::start(&[("THE_SAMPLE__ACT", "panic")]);
    let line = running.line("panicked");
    assert_eq!(line["panic"], "the unexpected");
    assert!(line["location"].as_str().is_some_and(|place| place.contains("sample.rs")));
    assert_eq!(running.end(SOON).0, Some(1));
}

#[test]
fn what_does_not_stop_is_left_behind_after_the_bound() {
    let mut running = Running::start(&[("THE_SAMPLE__ACT", "hang"), ("THE_SAMPLE__PROCESS__STOP_SECS", "1")]);
    running.line("process started");
    running.signal("TERM");
    assert_eq!(running.line("tasks did not stop in time and are left behind")["tasks"], 1);
    assert_eq!(running.end(SOON).0, Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let patient = [("THE_SAMPLE__ACT", "hang"), ("THE_SAMPLE__PROCESS__DRAIN_SECS", "600")];
    let mut running = Running::start(&patient);
    running.line("process started");
    running.signal("TERM");
    running.line("draining");
    running.signal("TERM");
    assert_eq!(running.end(SOON).0, Some(130));
}

#[test]
fn a_collector_that_is_away_holds_nothing_up() {
    let nobody = format!("http://{}", free_address());
    let mut running = Running::start(&[("THE_SAMPLE__PROCESS__OTLP_URL", &nobody)]);
    running.line("process started");
    running.signal("TERM");
    assert_eq!(running.end(SOON).0, Some(0));
}
