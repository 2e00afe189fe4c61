//! The newest block whenever it is another one. Polled: a lost socket goes unnoticed, a missed poll does not.

use std::time::Duration;

use alloy::primitives::B256;
use futures::{Stream, stream};

use crate::{Header, Node, NodeError};

impl Node {
    /// Each new head once, as long as the stream is read; an error is passed on and asking goes on after a pause.
    pub fn heads(&self, every: Duration) -> impl Stream<Item = Result<Header, NodeError>> + Send + 'static {
        let first: (Node, Option<B256>, bool) = (self.clone(), None, true);
        stream::unfold(first, move |(node, mut last, mut is_first)| async move {
            loop {
                if !is_first {
                    tokio::time::sleep(every).await;
                }
                is_first = false;
                match node.latest_header().await {
                    Ok(header) if last == Some(header.hash) => {}
                    Ok(header) => {
                        last = Some(header.hash);
                        return Some((Ok(header), (node, last, is_first)));
                    }
                    Err(err) => return Some((Err(err), (node, last, is_first))),
                }
            }
        })
    }
}
