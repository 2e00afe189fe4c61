//! A page of `docs/` whose tables are printed: between `<!-- printed: name -->` and `<!-- end -->`.
//!
//! One column of a table may be written by hand; it is kept for a row that stays, and is `?` for a new one.
use std::collections::BTreeMap;

/// A table as the code knows it.
pub struct Table {
    pub name: String,
    /// The headings, the key's first.
    pub columns: Vec<&'static str>,
    /// Which column is written by hand.
    pub by_hand: Option<usize>,
    /// A row's cells without the one that is written by hand.
    pub rows: Vec<Vec<String>>,
}

const END: &str = "<!-- end -->";

/// The page with each of its tables printed anew. A table that the page has no place for is an error, and so is a place
/// that no table fills.
pub fn reprint(page: &str, tables: &[Table]) -> Result<String, String> {
    let mut printed = String::new();
    let mut left: BTreeMap<&str, &Table> = tables.iter().map(|table| (table.name.as_str(), table)).collect();
    let mut rest = page;
    while let Some(start) = rest.find("<!-- printed: ") {
        let (before, from) = rest.split_at(start);
        let (mark, body) = from.split_once("-->\n").ok_or("a mark does not end")?;
        let name = mark.trim_start_matches("<!-- printed: ").trim();
        let table = left.remove(name).ok_or_else(|| format!("the code has no table `{name}`"))?;
        let (old, after) = body.split_once(END).ok_or_else(|| format!("table `{name}` does not end"))?;
        printed += &format!("{before}<!-- printed: {name} -->\n{}{END}", table.print(old));
        rest = after;
    }
    if let Some(name) = left.keys().next() {
        return Err(format!("the page has no place for the table `{name}`"));
    }
    Ok(printed + rest)
}

impl Table {
    fn print(&self, old: &str) -> String {
        let kept = self.by_hand.map(|column| by_key(old, column)).unwrap_or_default();
        let mut text = line(self.columns.iter().map(|cell| (*cell).to_owned()).collect());
        text += &line(vec!["---".to_owned(); self.columns.len()]);
        for row in &self.rows {
            let mut cells = row.clone();
            if let Some(column) = self.by_hand {
                let said = row.first().and_then(|key| kept.get(key)).cloned();
                cells.insert(column.min(cells.len()), said.unwrap_or_else(|| "?".to_owned()));
            }
            text += &line(cells);
        }
        text
    }
}

fn by_key(old: &str, column: usize) -> BTreeMap<String, String> {
    let rows = old.lines().filter_map(|row| {
        let cells: Vec<&str> = row.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        Some(((*cells.first()?).to_owned(), (*cells.get(column)?).to_owned()))
    });
    rows.collect()
}

fn line(cells: Vec<String>) -> String {
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::{Table, reprint};

    fn table(keys: &[&str]) -> Table {
        let rows = keys.iter().map(|key| vec![format!("`{key}`"), "wallet".to_owned()]).collect();
        Table { name: "t".to_owned(), columns: vec!["key", "holds", "of"], by_hand: Some(1), rows }
    }

    const PAGE: &str = "# P\n<!-- printed: t -->\n| key | holds | of |\n| --- | --- | --- |\n\
                        | `a` | what a holds | nobody |\n| `b` | b | wallet |\n<!-- end -->\nrest\n";

    #[test]
    fn what_is_written_by_hand_stays_and_the_rest_is_printed() {
        let printed = reprint(PAGE, &[table(&["a", "c"])]).unwrap();
        assert!(
            printed.contains("| `a` | what a holds | wallet |\n| `c` | ? | wallet |\n<!-- end -->\nrest\n")
        );
        assert!(!printed.contains("`b`"));
        assert_eq!(reprint(&printed, &[table(&["a", "c"])]).unwrap(), printed);
    }

    #[test]
    fn a_page_has_a_place_for_every_table_and_no_other() {
        assert!(reprint("# P\n", &[table(&[])]).unwrap_err().contains("no place"));
        assert!(reprint(PAGE, &[]).unwrap_err().contains("has no table"));
    }
}
