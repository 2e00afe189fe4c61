//! One question to a chain: the best endpoint is asked, the next one where its answer is none, all within one deadline.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use alloy::primitives::U64;
use prometheus::{HistogramVec, register_histogram_vec};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{sleep_until, timeout};

use crate::{
    Node, NodeError,
    believe::{Standing, WITHIN},
    check::{Check, Fit},
    choose::{Next, next},
    error::{Blame, is_execution},
    live::{Live, Reason},
    wire::{self, Failure},
};

/// How often one call asks an endpoint that asked for a pause.
const TRIES: u32 = 2;
/// A batch of which hardly anybody says that it is too much.
const SMALL_BATCH: usize = 16;
/// Who was waited for this long in vain has no excuse, whoever stopped waiting.
const FAIR_CHANCE: Duration = Duration::from_secs(1);

static ASKED: LazyLock<HistogramVec> = LazyLock::new(|| {
    register_histogram_vec!(
        "chain_rpc_seconds",
        "Time that a question to a chain took, over all endpoints that were tried.",
        &["chain", "method", "result"]
    )
    .expect("each metric is registered once")
});

/// What an endpoint's answer is worth.
enum Worth {
    Full,
    /// Another endpoint may know more.
    Doubt,
    /// It tells of this head.
    Head(u64, Standing),
}

/// An answer that is taken when nobody has a better one.
struct Kept<T> {
    answer: T,
    live: Arc<Live>,
    /// Where it tells of a head: which, and whether that is behind what was told of lately.
    head: Option<(u64, Standing)>,
}

impl Node {
    /// Asks until an answer fits. What the question itself caused comes back at once.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &Value,
        check: &Check<'_, T>,
    ) -> Result<T, NodeError> {
        Ok(self.ask_whom(method, params, check).await?.0)
    }

    /// The same, with whose answer it is.
    pub(crate) async fn ask_whom<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &Value,
        check: &Check<'_, T>,
    ) -> Result<(T, Arc<Live>), NodeError> {
        let began = Instant::now();
        // On the heap: whoever asks holds it, and asks much.
        let answer = Box::pin(self.ask_in_order(method, params, check, began + self.limits.call)).await;
        let result = match &answer {
            Ok(_) => "ok",
            Err(NodeError::Transport(_)) => "transport",
            Err(NodeError::Rpc { .. }) => "rpc",
            Err(NodeError::WrongChain { .. }) => "wrong_chain",
            Err(NodeError::Lie(_)) => "lie",
            Err(NodeError::Timeout(_)) => "timeout",
            Err(NodeError::TooLarge { .. }) => "too_large",
        };
        let chain = self.chain_id().to_string();
        ASKED.with_label_values(&[chain.as_str(), method, result]).observe(began.elapsed().as_secs_f64());
        answer
    }

    async fn ask_in_order<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &Value,
        check: &Check<'_, T>,
        deadline: Instant,
    ) -> Result<(T, Arc<Live>), NodeError> {
        let mut candidates = self.inner.candidates(Instant::now());
        if check.questions > 1 {
            candidates.retain(|candidate| candidate.live.batch_most(Instant::now()) >= check.questions);
            if candidates.is_empty() {
                return Err(NodeError::refused_batch("no endpoint takes so many questions at once"));
            }
        }
        let (mut kept, mut last): (Vec<Kept<T>>, Option<NodeError>) = (Vec::new(), None);
        loop {
            let mut candidate = match next(&mut candidates, check.questions, Instant::now(), deadline) {
                Next::Ask(candidate) => candidate,
                Next::Wait(free) if kept.is_empty() && free < deadline => {
                    sleep_until(free.into()).await;
                    continue;
                }
                Next::Wait(_) => {
                    last = last.or_else(|| Some(NodeError::exhausted()));
                    break;
                }
                Next::Nobody => break,
            };
            let is_comparison = kept.iter().any(|kept| kept.head.is_some());
            // To hear another one about a head, nobody waits long.
            let longest = if is_comparison { self.limits.endpoint.min(WITHIN) } else { self.limits.endpoint };
            let within = deadline.saturating_duration_since(Instant::now()).min(longest);
            if within.is_zero() {
                last = last.or(Some(NodeError::Timeout(self.limits.call)));
                break;
            }
            candidate.times += 1;
            let live = Arc::clone(&candidate.live);
            let began = Instant::now();
            let question = Question { method, params, check, is_comparison };
            let Failure { error, retry_after } = match self.attempt(&live, &question, within).await {
                Ok((answer, Worth::Full)) => {
                    let height = check.height.and_then(|height| height(&answer));
                    kept.iter().for_each(|kept| self.outdone(kept, height));
                    self.inner.took_answer_of(&live);
                    return Ok((answer, live));
                }
                Ok((answer, Worth::Doubt)) => {
                    kept.push(Kept { answer, live, head: None });
                    // Two who do not know it are believed; and for a second opinion nobody waits long.
                    if kept.len() > 1 {
                        break;
                    }
                    candidates.retain(|candidate| candidate.left.is_none());
                    continue;
                }
                Ok((answer, Worth::Head(number, standing))) => {
                    if standing == Standing::Jump && !self.is_believed(&live, number, deadline).await {
                        last = Some(NodeError::Lie("a head that no other endpoint has"));
                        continue;
                    }
                    kept.push(Kept { answer, live, head: Some((number, standing)) });
                    if matches!(standing, Standing::Behind | Standing::Unheard) {
                        candidates.retain(|candidate| candidate.left.is_none());
                        continue;
                    }
                    break;
                }
                Err(failure) => failure,
            };
            // Who had little time says nothing by having none.
            let is_fair = within >= self.limits.endpoint.min(FAIR_CHANCE);
            let is_batch = check.questions > 1;
            if is_batch && is_too_much(&error, check.questions, is_fair) {
                live.refused_batch_of(check.questions, Instant::now());
            }
            let blame = match error.blame(method) {
                // Nobody can ask for less than one block: who gives it in one answer has it.
                Blame::Question if error.is_too_wide() && is_one_block(params) => Blame::Nobody,
                blame => blame,
            };
            match blame {
                Blame::Question => {
                    self.worked(&live, began.elapsed());
                    // What another one knew of nothing stays known.
                    if kept.is_empty() {
                        return Err(error);
                    }
                    break;
                }
                Blame::Nobody => {}
                Blame::Endpoint(Reason::Limited) => {
                    self.limit(&live, method, retry_after);
                    // A batch is not asked again as it is, but in smaller ones.
                    if candidate.times < TRIES && !is_batch {
                        candidates.push(candidate);
                    }
                }
                Blame::Endpoint(reason) => match error {
                    NodeError::Timeout(_) if !is_fair => {}
                    NodeError::Timeout(_) if is_batch || is_execution(method) => self.suspect(&live, method),
                    _ => self.leave(&live, reason, method, &error.to_string()),
                },
            }
            last = Some(match last {
                Some(before) => more_telling(before, error, method),
                None => error,
            });
        }
        match self.best_of(kept, deadline).await {
            Some(kept) => {
                self.inner.took_answer_of(&kept.live);
                Ok((kept.answer, kept.live))
            }
            None => Err(last.unwrap_or_else(|| NodeError::Transport("no endpoint is configured".to_owned()))),
        }
    }

    /// The highest head that is believed, though of two that are about the same the one that was heard first; or the
    /// first who knew nothing.
    async fn best_of<T>(&self, mut kept: Vec<Kept<T>>, deadline: Instant) -> Option<Kept<T>> {
        let head_of = |kept: &Kept<T>| kept.head.map(|(head, _)| head);
        while let Some(best) = (0..kept.len()).rev().max_by_key(|place| head_of(&kept[*place])) {
            let Some(head) = head_of(&kept[best]) else { return Some(kept.swap_remove(best)) };
            let mut is_refuted = false;
            for other in &kept {
                if head_of(other).is_some_and(|other| self.is_far_behind(other, head))
                    && !self.outruns((&kept[best].live, head), &other.live, deadline).await
                {
                    is_refuted = true;
                    break;
                }
            }
            if is_refuted {
                kept.remove(best);
                continue;
            }
            let is_about =
                |kept: &Kept<T>| head_of(kept).is_some_and(|other| !self.is_far_behind(other, head));
            let first = kept.iter().position(is_about).unwrap_or(best);
            let chosen = kept.swap_remove(first);
            if chosen.head.is_some_and(|(_, standing)| standing != Standing::Behind) {
                chosen.live.caught_up();
            }
            return Some(chosen);
        }
        None
    }

    /// Another endpoint knew what lies at this height, and this one did not.
    fn outdone<T>(&self, kept: &Kept<T>, height: Option<u64>) {
        let now = Instant::now();
        let head = self.inner.highest_head(now);
        // What was mined a moment ago, one endpoint hears of before the other.
        let is_long_ago = height.zip(head).is_some_and(|(height, head)| self.is_far_behind(height, head));
        if is_long_ago && kept.live.missed(now) {
            let why = "does not know what another endpoint has known for long";
            self.leave(&kept.live, Reason::Lying, "", why);
        }
    }

    /// It was silent about something that may take long for anybody. Only one that is silent about everything is left.
    fn suspect(&self, live: &Arc<Live>, method: &'static str) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (node, live) = (self.clone(), Arc::clone(live));
        runtime.spawn(async move {
            if live.admit(Instant::now()).is_err() {
                return;
            }
            let (nothing, limit) = (json!([]), node.limits.answer_bytes);
            let asked = wire::ask::<U64>(&live.endpoint, "eth_blockNumber", &nothing, limit);
            match timeout(node.limits.endpoint.min(FAIR_CHANCE), asked).await {
                Ok(Ok(_)) => {}
                Ok(Err(failure)) if failure.error.is_limit() => {
                    node.limit(&live, method, failure.retry_after);
                }
                _ => node.leave(&live, Reason::Failing, method, "silent about a plain question too"),
            }
        });
    }

    fn worked(&self, live: &Live, took: Duration) {
        if live.worked(Instant::now(), took) {
            self.inner.show_standing();
        }
    }

    async fn attempt<T: DeserializeOwned>(
        &self,
        live: &Arc<Live>,
        question: &Question<'_, T>,
        within: Duration,
    ) -> Result<(T, Worth), Failure> {
        let may_take_long = question.check.questions > 1 || is_execution(question.method);
        let (method, began) = (question.method, Instant::now());
        let waiting = Waiting { node: self, live, method, may_take_long, began, is_over: false };
        let asked = timeout(within, self.ask_one(live, question)).await;
        waiting.end();
        asked.unwrap_or_else(|_| Err(NodeError::Timeout(within).into()))
    }

    async fn ask_one<T: DeserializeOwned>(
        &self,
        live: &Live,
        question: &Question<'_, T>,
    ) -> Result<(T, Worth), Failure> {
        let (limit, check) = (self.limits.answer_bytes, question.check);
        self.inner.prove_chain(live, limit).await?;
        let began = Instant::now();
        let answer: T =
            wire::put(&live.endpoint, question.method, question.params, limit, &check.form).await?;
        let took = began.elapsed();
        let worth = match ((check.fit)(&answer), check.head) {
            (Fit::Lie(why), _) => return Err(NodeError::Lie(why).into()),
            (Fit::Doubt, _) => Worth::Doubt,
            (Fit::Yes, Some(head)) => {
                let number = head(&answer);
                Worth::Head(number, self.stand(live, number, question.is_comparison).await?)
            }
            (Fit::Yes, None) => Worth::Full,
        };
        self.worked(live, took);
        Ok((answer, worth))
    }
}

/// One question, as it is put to each endpoint.
struct Question<'a, T> {
    method: &'static str,
    params: &'a Value,
    check: &'a Check<'a, T>,
    /// Whether another endpoint's head is held against this one's.
    is_comparison: bool,
}

/// Of two errors the one that the caller hears. That something is nowhere is only said when everybody says so; what
/// nobody is to blame for tells more than that an endpoint is away.
fn more_telling(before: NodeError, error: NodeError, method: &str) -> NodeError {
    let is_kept =
        error.is_state_missing() || (!before.is_state_missing() && before.blame(method) == Blame::Nobody);
    if is_kept { before } else { error }
}

impl NodeError {
    /// No endpoint may be asked within the deadline.
    fn exhausted() -> NodeError {
        let message = "every endpoint is asked as often as it may be".to_owned();
        NodeError::Rpc { code: 429, message, revert_data: None }
    }
}

/// Blames an endpoint also when it was the caller who stopped waiting.
struct Waiting<'a> {
    node: &'a Node,
    live: &'a Arc<Live>,
    method: &'static str,
    may_take_long: bool,
    began: Instant,
    is_over: bool,
}

impl Waiting<'_> {
    fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_over || self.began.elapsed() < FAIR_CHANCE {
            return;
        }
        if self.may_take_long {
            self.node.suspect(self.live, self.method);
        } else {
            self.node.leave(self.live, Reason::Failing, "", "no answer while the caller waited");
        }
    }
}

/// Whether a batch may have been more than the endpoint can do. One that asks for peace may well mean something else, and
/// so it does not lead to very small batches.
fn is_too_much(error: &NodeError, questions: usize, is_fair: bool) -> bool {
    match error {
        NodeError::Timeout(_) => is_fair,
        error if error.is_refused_batch() => true,
        error => error.is_limit() && questions > SMALL_BATCH,
    }
}

/// Whether a question for logs is about a single block.
fn is_one_block(params: &Value) -> bool {
    let filter = &params[0];
    !filter["blockHash"].is_null()
        || (!filter["fromBlock"].is_null() && filter["fromBlock"] == filter["toBlock"])
}
