//! What the indexer says, as a person reads it.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use proto::indexer::v1::{Checkpoint, FollowState, Job, JobKind, JobState, ProbeContractResponse, RawEvent};
use serde_json::{Value, json};

/// Chains with their endpoints and open work.
pub(super) fn status(checkpoints: &[Checkpoint], now: DateTime<Utc>) -> String {
    if checkpoints.is_empty() {
        return "no chain is read\n".to_owned();
    }
    checkpoints.iter().map(|one| chain(one, now)).collect::<Vec<_>>().join("\n")
}

fn chain(at: &Checkpoint, now: DateTime<Utc>) -> String {
    let mut text = format!("{}  {}\n", at.chain_id, state(at));
    let mut say = |line: String| {
        let _ = writeln!(text, "  {line}");
    };
    if at.halted {
        say(format!("HALTED: {}", at.halted_reason));
    }
    if let Some(indexed) = &at.indexed {
        let head = at.head.as_ref().map_or(0, |head| head.number);
        say(format!(
            "head {head}  read up to {}  behind {} blocks, {:.0} s  safe {}  finalized {}  read from {}",
            indexed.number,
            at.lag_blocks,
            at.lag_seconds,
            or_dash(at.safe_block),
            or_dash(at.finalized_block),
            at.first_block,
        ));
        say(format!("block {}", indexed.hash));
    }
    say(format!(
        "{:.1} blocks/s  {:.1} events/s  last commit {}",
        at.blocks_per_second,
        at.events_per_second,
        ago(at.commit_time.as_ref(), now),
    ));
    if at.reorgs > 0 {
        let when = ago(at.last_reorg_time.as_ref(), now);
        say(format!("{} reorganisations, the last {when}, {} blocks deep", at.reorgs, at.last_reorg_depth));
    }
    if !at.error.is_empty() {
        say(format!("last failure: {}", at.error));
    }
    if !at.endpoints.is_empty() {
        let head = ["endpoint", "standing", "head", "answers", "failures", "latency", "heads by"];
        let rows = at.endpoints.iter().map(|one| {
            let standing = match (one.in_use, one.back_time.as_ref()) {
                (true, _) => "in use".to_owned(),
                (false, None) => one.left.clone(),
                (false, Some(_)) => format!("{}, back {}", one.left, until(one.back_time.as_ref(), now)),
            };
            vec![
                one.host.clone(),
                standing,
                if one.head == 0 { "-".to_owned() } else { one.head.to_string() },
                one.answers.to_string(),
                one.failures.to_string(),
                format!("{} ms", one.latency_millis),
                if one.subscribed { "socket" } else { "asking" }.to_owned(),
            ]
        });
        text.push_str(&table(&head, rows.collect(), 2));
    }
    if !at.jobs.is_empty() {
        text.push_str(&jobs_table(&at.jobs, 2));
    }
    text
}

fn state(at: &Checkpoint) -> &'static str {
    match at.state() {
        FollowState::Following if at.live => "following, at the head",
        FollowState::Following => "following, catching up",
        FollowState::Starting => "starting: where to go on from is not found yet",
        FollowState::Waiting => "waiting: the registry names no contract to read",
        FollowState::Halted => "halted",
        FollowState::StandingBy => "followed by another process than the one that answers",
        FollowState::Unspecified => "not enabled in the registry, or not known there",
    }
}

fn or_dash(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn moment(at: Option<&prost_types::Timestamp>) -> Option<DateTime<Utc>> {
    let at = at?;
    DateTime::from_timestamp(at.seconds, u32::try_from(at.nanos).unwrap_or_default())
}

fn ago(at: Option<&prost_types::Timestamp>, now: DateTime<Utc>) -> String {
    moment(at).map_or_else(|| "never".to_owned(), |at| format!("{} ago", span((now - at).num_seconds())))
}

fn until(at: Option<&prost_types::Timestamp>, now: DateTime<Utc>) -> String {
    moment(at).map_or_else(|| "soon".to_owned(), |at| format!("in {}", span((at - now).num_seconds())))
}

fn span(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds @ 7200..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Raw events: a table, or all that there is of them.
pub(super) fn events(events: &[RawEvent], as_json: bool, with_head: bool) -> String {
    if as_json {
        return events.iter().map(|event| format!("{}\n", event_json(event))).collect();
    }
    if events.is_empty() {
        return if with_head { "no events\n".to_owned() } else { String::new() };
    }
    let rows = events.iter().map(|event| {
        let block = event.block.clone().unwrap_or_default();
        let standing = if event.canonical { event.finality.clone() } else { "TAKEN BACK".to_owned() };
        let kind = if event.event_type.is_empty() { "?" } else { event.event_type.as_str() };
        vec![
            block.number.to_string(),
            event.log_index.to_string(),
            kind.to_owned(),
            event.contract.clone(),
            event.tx_hash.clone(),
            standing,
            event.generation.to_string(),
        ]
    });
    table(&["block", "log", "event", "contract", "transaction", "standing", "generation"], rows.collect(), 0)
}

fn event_json(event: &RawEvent) -> Value {
    let block = event.block.clone().unwrap_or_default();
    json!({
        "id": event.event_id, "event": event.event_type, "contract": event.contract, "logIndex": event.log_index,
        "txHash": event.tx_hash, "txFrom": event.tx_from, "block": block.number, "blockHash": block.hash,
        "canonical": event.canonical, "finality": event.finality, "generation": event.generation,
        "data": serde_json::from_str::<Value>(&event.data_json).unwrap_or_default(),
    })
}

/// What a contract says that it is.
pub(super) fn probe(address: &str, probed: &ProbeContractResponse) -> String {
    if !probed.has_code {
        return format!("{address}: no code\n");
    }
    let or = |text: &str| if text.is_empty() { "-".to_owned() } else { printable(text) };
    format!(
        "{address}\n  standard {}  name {}  symbol {}  owner {}\n  interfaces {}\n",
        or(&probed.standard),
        or(&probed.name),
        or(&probed.symbol),
        or(&probed.owner),
        or(&probed.interfaces.join(" ")),
    )
}

/// A contract may call itself anything; a terminal obeys some of it.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// One piece of work, in full.
pub(super) fn job(job: &Job) -> String {
    let mut text = format!("{}\n", job_line(job));
    if job.state() != JobState::Done {
        let _ = writeln!(text, "  next block {}", job.next_block);
    }
    let found: Value = serde_json::from_str(&job.found_json).unwrap_or_default();
    for (name, count) in found["counts"].as_object().into_iter().flatten() {
        let _ = writeln!(text, "  {count} {name}");
        for sample in found["samples"][name].as_array().into_iter().flatten() {
            let _ = writeln!(text, "      {}", sample.as_str().unwrap_or_default());
        }
    }
    if !job.error.is_empty() {
        let _ = writeln!(text, "  error: {}", job.error);
    }
    text
}

/// The same in a line.
pub(super) fn job_line(job: &Job) -> String {
    let contract = if job.contract.is_empty() { String::new() } else { format!(" of {}", job.contract) };
    let trial = if job.dry_run { ", a trial" } else { "" };
    format!(
        "job {}: {}{contract} on {}, blocks {} to {}{trial}: {}, {}, {} events",
        job.job_id,
        kind(job),
        job.chain_id,
        job.from_block,
        job.to_block,
        job_state(job),
        share(job),
        job.events,
    )
}

/// A list of them.
pub(super) fn jobs(jobs: &[Job]) -> String {
    if jobs.is_empty() {
        return "no jobs\n".to_owned();
    }
    jobs_table(jobs, 0)
}

fn jobs_table(jobs: &[Job], indent: usize) -> String {
    let rows = jobs.iter().map(|job| {
        vec![
            job.job_id.to_string(),
            job.chain_id.clone(),
            if job.dry_run { format!("{} (trial)", kind(job)) } else { kind(job).to_owned() },
            if job.contract.is_empty() { "-".to_owned() } else { job.contract.clone() },
            format!("{} to {}", job.from_block, job.to_block),
            job_state(job).to_owned(),
            share(job),
            job.events.to_string(),
            if job.asked_by.is_empty() { "-".to_owned() } else { job.asked_by.clone() },
        ]
    });
    let head = ["job", "chain", "kind", "contract", "blocks", "state", "done", "events", "asked by"];
    table(&head, rows.collect(), indent)
}

fn kind(job: &Job) -> &'static str {
    match job.kind() {
        JobKind::Backfill => "backfill",
        JobKind::Replay => "replay",
        JobKind::Rewind => "rewind",
        JobKind::Verify => "verify",
        JobKind::Unspecified => "?",
    }
}

fn job_state(job: &Job) -> &'static str {
    match job.state() {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::Failed => "FAILED",
        JobState::Cancelled => "cancelled",
        JobState::Unspecified => "?",
    }
}

/// How much of its range is done.
fn share(job: &Job) -> String {
    let total = (job.to_block + 1).saturating_sub(job.from_block);
    let left = match job.kind() {
        // From the top down.
        JobKind::Rewind => (job.next_block + 1).saturating_sub(job.from_block),
        _ => (job.to_block + 1).saturating_sub(job.next_block),
    };
    if job.state() == JobState::Done || total == 0 {
        return "100 %".to_owned();
    }
    let done = total.saturating_sub(left.min(total));
    format!("{} %", u128::from(done) * 100 / u128::from(total))
}

fn table(head: &[&str], rows: Vec<Vec<String>>, indent: usize) -> String {
    let mut all: Vec<Vec<String>> = vec![head.iter().map(|&word| word.to_owned()).collect()];
    all.extend(rows);
    let widths: Vec<usize> = (0..head.len())
        .map(|column| all.iter().map(|row| row[column].chars().count()).max().unwrap_or_default())
        .collect();
    let mut text = String::new();
    for row in all {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{:indent$}{}", "", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use proto::{common::v1::BlockRef, indexer::v1::EndpointHealth};

    use super::*;

    fn time(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds, nanos: 0 })
    }

    #[test]
    fn a_person_sees_how_far_a_chain_is_what_is_wrong_and_what_is_done_about_it() {
        let block = |number| Some(BlockRef { number, hash: "0xab".into(), time: None });
        let left = EndpointHealth {
            host: "bad.example".into(),
            left: "lying".into(),
            back_time: time(1090),
            latency_millis: 40,
            ..Default::default()
        };
        let at = Checkpoint {
            chain_id: "eip155:1".into(),
            head: block(120),
            indexed: block(110),
            halted: true,
            halted_reason: "too deep".into(),
            finalized_block: Some(90),
            lag_blocks: 10,
            lag_seconds: 120.0,
            commit_time: time(700),
            reorgs: 3,
            last_reorg_time: time(400),
            last_reorg_depth: 65,
            state: FollowState::Halted.into(),
            endpoints: vec![left],
            jobs: vec![Job {
                job_id: 4,
                kind: JobKind::Rewind.into(),
                state: JobState::Running.into(),
                from_block: 101,
                to_block: 110,
                next_block: 107,
                ..Default::default()
            }],
            ..Default::default()
        };
        let text = status(&[at], DateTime::from_timestamp(1000, 0).unwrap());
        for part in [
            "eip155:1  halted",
            "HALTED: too deep",
            "head 120  read up to 110  behind 10 blocks, 120 s  safe -  finalized 90",
            "last commit 5 min ago",
            "3 reorganisations, the last 10 min ago, 65 blocks deep",
            "bad.example  lying, back in 90 s",
            "running 30 %",
        ] {
            let tight = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(tight(&text).contains(&tight(part)), "{part} in\n{text}");
        }
        assert!(text.lines().all(|line| line == line.trim_end()));
    }

    #[test]
    fn a_chain_that_cannot_be_begun_is_shown_with_the_reason() {
        let at = Checkpoint {
            chain_id: "eip155:1".into(),
            state: FollowState::Starting.into(),
            error: "no endpoint answers".into(),
            ..Default::default()
        };
        let text = status(&[at], DateTime::from_timestamp(1000, 0).unwrap());
        assert!(text.starts_with("eip155:1  starting"), "{text}");
        assert!(text.contains("last commit never") && text.contains("no endpoint answers"), "{text}");
    }

    #[test]
    fn work_that_has_not_come_to_its_end_says_where_it_is() {
        let failed = Job {
            state: JobState::Failed.into(),
            next_block: 41,
            error: "the node failed".into(),
            ..Default::default()
        };
        assert!(job(&failed).contains("next block 41"), "{}", job(&failed));
        assert_eq!(job(&failed).matches("the node failed").count(), 1);
    }

    #[test]
    fn a_name_does_not_command_the_terminal() {
        let probed = ProbeContractResponse {
            has_code: true,
            name: "a\x1b[2Jb".into(),
            standard: "ERC721".into(),
            ..Default::default()
        };
        assert!(!probe("0x1", &probed).contains('\x1b'));
    }

    #[test]
    fn events_are_shown_with_what_became_of_them() {
        let event = RawEvent {
            event_type: String::new(),
            canonical: false,
            data_json: "{\"data\":\"0x\"}".into(),
            ..Default::default()
        };
        let shown = events(std::slice::from_ref(&event), false, true);
        assert!(shown.contains("TAKEN BACK") && shown.contains('?'), "{shown}");
        let line: Value = serde_json::from_str(&events(&[event], true, true)).unwrap();
        assert_eq!((&line["canonical"], &line["data"]["data"]), (&json!(false), &json!("0x")));
        assert_eq!(events(&[], false, true), "no events\n");
    }
}
