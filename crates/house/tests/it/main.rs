//! The house rules: each is shown a violation that it must see, and then the tree, in which there must be none.

mod samples;
mod tree;
