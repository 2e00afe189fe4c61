//! `docs/glossary.md`: one word, one meaning.
use super::read;

#[test]
fn each_word_stands_once_and_in_order() {
    let page = read("docs/glossary.md");
    let words: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| **")?.split_once("**"))
        .map(|(word, _)| word.to_lowercase())
        .collect();
    assert!(words.len() > 20, "{words:?}");
    for pair in words.windows(2) {
        assert!(pair[0] < pair[1], "`{}` stands before `{}`", pair[0], pair[1]);
    }
}
