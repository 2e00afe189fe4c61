//! The body of an answer, bounded: until it has ended, its call counts as in flight, and a body that is not a stream
//! must end by the deadline.
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tonic::{Status, body::Body};

use crate::{Code, Refusal};

/// An answer's body, its deadline, and what is given back when it ends.
pub(crate) struct Bounded<G> {
    inner: Body,
    end: Option<Pin<Box<Sleep>>>,
    _held: G,
}

impl<G> Bounded<G> {
    pub(crate) fn new(inner: Body, deadline: Option<Instant>, held: G) -> Self {
        Self { inner, end: deadline.map(|at| Box::pin(tokio::time::sleep_until(at))), _held: held }
    }
}

impl<G: Unpin> hyper::body::Body for Bounded<G> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        let late = self.end.as_mut().is_some_and(|end| end.as_mut().poll(cx).is_ready());
        if late {
            let refusal = Refusal::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "no answer in time");
            return Poll::Ready(Some(Err(refusal.into())));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
