//! Which tables an SQL statement writes and reads. Not a parser: it looks at the words around the names, which is
//! enough for statements that stand in full view.
use std::collections::BTreeSet;

/// What a statement touches, in lower case; names that are no table (a common table expression) are among it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Touched {
    pub written: BTreeSet<String>,
    pub read: BTreeSet<String>,
}

const VERBS: [&str; 5] = ["select", "insert", "update", "delete", "with"];

/// `None` for a text that is no statement.
pub fn touched(text: &str) -> Option<Touched> {
    let words = words(text);
    if !words.first().is_some_and(|verb| VERBS.contains(&verb.as_str())) {
        return None;
    }
    let mut touched = Touched::default();
    // What a write returns is read.
    let returns = words.iter().any(|word| word == "returning");
    let mut lists_tables = false;
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |at| words[at].as_str());
        let Some(next) = words.get(at + 1).cloned() else { break };
        match word.as_str() {
            "into" => drop(touched.written.insert(next)),
            // `for update`, `for no key update`, `on conflict do update` name no table.
            "update" if !matches!(before, "for" | "key" | "do") => drop(touched.written.insert(next)),
            "from" if before == "delete" => drop(touched.written.insert(next)),
            "from" if before != "distinct" => {
                lists_tables = true;
                touched.read.insert(next);
            }
            "join" | "using" => drop(touched.read.insert(next)),
            "," if lists_tables => drop(touched.read.insert(next)),
            "where" | "select" | "set" | "group" | "order" | "returning" | "limit" => lists_tables = false,
            _ => {}
        }
    }
    if returns {
        touched.read.extend(touched.written.iter().cloned());
    }
    Some(touched)
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c.to_ascii_lowercase());
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c == ',' {
            words.push(",".to_owned());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::touched;

    fn seen(text: &str) -> (String, String) {
        let touched = touched(text).unwrap();
        let list =
            |names: std::collections::BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(" ");
        (list(touched.written), list(touched.read))
    }

    #[test]
    fn verbs_tell_what_is_written_and_what_is_read() {
        for (text, written, read) in [
            ("select 1 from a join b using (id), c where x is distinct from y", "", "a b c id"),
            ("insert into a (x) select x from b on conflict (x) do update set x = 1", "a", "b"),
            ("update a set x = 1 from b where a.id = b.id", "a", "b"),
            ("DELETE FROM a USING b WHERE a.id = b.id", "a", "b"),
            ("select * from a order by x, y for no key update skip locked", "", "a"),
            ("with n as (delete from a returning id) insert into b select id from n", "a b", "a b n"),
        ] {
            assert_eq!(seen(text), (written.to_owned(), read.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_sentence_is_no_statement() {
        assert_eq!(touched("waiting for the update of sessions"), None);
    }
}
