//! What the operations port answers.
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::FutureExt;
use launch::Process;
use serde_json::{Value, json};

async fn get(ops: SocketAddr, path: &str) -> Option<(u16, String)> {
    let answer = reqwest::get(format!("http://{ops}{path}")).await.ok()?;
    Some((answer.status().as_u16(), answer.text().await.ok()?))
}

async fn eventually(ops: SocketAddr, path: &str, wanted: u16) -> String {
    let began = Instant::now();
    loop {
        if let Some((status, body)) = get(ops, path).await
            && status == wanted
        {
            return body;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{path} never answered {wanted}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_process_is_ready_while_its_dependencies_are_and_alive_in_any_case() {
    let mut process = Process::for_test("sample");
    let (ops, stop) = (process.ops_addr(), process.stopping());
    let works = Arc::new(AtomicBool::new(true));
    let asked = works.clone();
    process.ready("store", move || {
        let works = asked.load(Ordering::SeqCst);
        async move { if works { Ok(json!({ "lag": 3 })) } else { Err("connection refused".into()) } }.boxed()
    });
    let running = tokio::spawn(process.run());

    let body: Value = serde_json::from_str(&eventually(ops, "/ready", 200).await).expect("it is JSON");
    assert_eq!(body["dependencies"]["store"]["detail"], json!({ "lag": 3 }));

    works.store(false, Ordering::SeqCst);
    let body: Value = serde_json::from_str(&eventually(ops, "/ready", 503).await).expect("it is JSON");
    assert_eq!(body["dependencies"]["store"]["error"], "connection refused");
    assert_eq!(get(ops, "/health").await.expect("it answers").0, 200);

    stop.cancel();
    running.await.expect("it does not panic").expect("it was asked to stop");
}

#[tokio::test]
async fn a_dependency_that_hangs_costs_two_seconds_and_names_itself() {
    let mut process = Process::for_test("sample");
    let (ops, stop) = (process.ops_addr(), process.stopping());
    process.ready("slow", || std::future::pending().boxed());
    process.ready("other", || async { Ok(Value::Null) }.boxed());
    let running = tokio::spawn(process.run());

    let began = Instant::now();
    let body: Value = serde_json::from_str(&eventually(ops, "/ready", 503).await).expect("it is JSON");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(body["dependencies"]["slow"]["error"], "did not answer in time");
    assert_eq!(body["dependencies"]["other"]["ok"], true);
    stop.cancel();
    running.await.expect("it does not panic").expect("it was asked to stop");
}

#[tokio::test]
async fn metrics_tell_of_the_process_and_are_refreshed_when_read() {
    let mut process = Process::for_test("sample");
    let (ops, stop) = (process.ops_addr(), process.stopping());
    let gauge = prometheus::register_int_gauge!("sample_depth", "For this test.").expect("the name is free");
    process.on_scrape(move || gauge.inc());
    let running = tokio::spawn(process.run());
    assert!(eventually(ops, "/metrics", 200).await.contains("sample_depth 1"));
    let page = eventually(ops, "/metrics", 200).await;
    assert!(page.contains("sample_depth 2") && page.contains("process_resident_memory_bytes"), "{page}");
    stop.cancel();
    running.await.expect("it does not panic").expect("it was asked to stop");
}

#[tokio::test]
async fn a_task_that_fails_stops_the_others_and_the_process() {
    let mut process = Process::for_test("sample");
    let stopping = process.stopping();
    let (told, heard) = tokio::sync::oneshot::channel();
    process.task("steady", async move {
        stopping.cancelled().await;
        let _ = told.send(());
        Ok(())
    });
    process.task("frail", async { anyhow::bail!("the disk is gone") });
    let err = process.run().await.expect_err("it fails with its task");
    assert_eq!(format!("{err:#}"), "task frail: the disk is gone");
    heard.await.expect("the steady task was told");
}

#[tokio::test]
async fn a_task_that_ends_early_is_a_failure_too() {
    let mut process = Process::for_test("sample");
    process.task("short", async { Ok(()) });
    let err = process.run().await.expect_err("nothing may end by itself");
    assert_eq!(err.to_string(), "task short ended before the process was asked to stop");
}
