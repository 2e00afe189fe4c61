//! Lists: Relay connections with `nodes`, and cursors that are signed positions of the service that owns the list.

use async_graphql::SimpleObject;

use crate::{
    cursor::Seal,
    error::{PAGE_TOO_LARGE, coded},
};

const DEFAULT: i32 = 20;
const LARGEST: i32 = 100;

/// Where a page lies in its list.
#[derive(SimpleObject, Clone, Debug, Default)]
pub(crate) struct PageInfo {
    /// Whether more follows.
    has_next_page: bool,
    /// Whether the page began behind a cursor.
    has_previous_page: bool,
    /// The first node's cursor.
    start_cursor: Option<String>,
    /// The last node's cursor: pass it as `after`.
    end_cursor: Option<String>,
}

/// What was asked of a list.
pub(crate) struct Page {
    pub(crate) size: i32,
    /// The service's own position, or nothing for the beginning.
    pub(crate) token: String,
}

impl Page {
    /// A page that is too large is an error, not a silent cut.
    pub(crate) fn read(
        seal: &Seal,
        kind: &str,
        first: Option<i32>,
        after: Option<&str>,
    ) -> async_graphql::Result<Page> {
        let size = first.unwrap_or(DEFAULT);
        if !(1..=LARGEST).contains(&size) {
            return Err(coded(PAGE_TOO_LARGE, format!("first must be between 1 and {LARGEST}")));
        }
        let token = after.map(|after| seal.open(kind, after)).transpose()?.unwrap_or_default();
        Ok(Page { size, token })
    }

    pub(crate) fn info(&self, cursors: &[String], has_next: bool) -> PageInfo {
        PageInfo {
            has_next_page: has_next,
            has_previous_page: !self.token.is_empty(),
            start_cursor: cursors.first().cloned(),
            end_cursor: cursors.last().cloned(),
        }
    }
}

/// A connection of one kind of node, with its edge. With a kind there is one such list; without one there are many, and
/// each names its own kind when a page is made.
macro_rules! connection {
    ($connection:ident, $edge:ident, $node:ty, $kind:literal) => {
        crate::schema::connection::connection!($connection, $edge, $node);

        impl $connection {
            pub(crate) const KIND: &'static str = $kind;

            pub(crate) fn new(
                seal: &crate::cursor::Seal,
                page: &crate::schema::connection::Page,
                nodes: Vec<$node>,
                positions: &[String],
                has_next: bool,
            ) -> $connection {
                $connection::within(seal, $connection::KIND, page, nodes, positions, has_next)
            }
        }
    };
    ($connection:ident, $edge:ident, $node:ty) => {
        #[doc = concat!("A page of `", stringify!($node), "`.")]
        #[derive(async_graphql::SimpleObject)]
        pub(crate) struct $connection {
            /// Nodes with their cursors.
            edges: Vec<$edge>,
            /// The nodes alone.
            nodes: Vec<$node>,
            /// Where the page lies in the list.
            page_info: crate::schema::connection::PageInfo,
        }

        /// A node with its cursor.
        #[derive(async_graphql::SimpleObject)]
        pub(crate) struct $edge {
            /// Pass it as `after` to go on behind this node.
            cursor: String,
            /// The node.
            node: $node,
        }

        impl $connection {
            pub(crate) fn within(
                seal: &crate::cursor::Seal,
                kind: &str,
                page: &crate::schema::connection::Page,
                nodes: Vec<$node>,
                positions: &[String],
                has_next: bool,
            ) -> $connection {
                let cursors: Vec<String> = positions.iter().map(|at| seal.seal(kind, at)).collect();
                let page_info = page.info(&cursors, has_next);
                let edges =
                    nodes.iter().cloned().zip(cursors).map(|(node, cursor)| $edge { cursor, node }).collect();
                $connection { edges, nodes, page_info }
            }
        }
    };
}
pub(crate) use connection;
