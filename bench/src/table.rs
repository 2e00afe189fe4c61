//! What was measured, as one table with what is to be reached.

use std::fmt;

/// Rows of figure, value and bar.
#[derive(Default)]
pub(crate) struct Table(Vec<[String; 3]>);

impl Table {
    /// A figure without a bar.
    pub(crate) fn row(&mut self, figure: impl Into<String>, value: impl Into<String>) {
        self.0.push([figure.into(), value.into(), String::new()]);
    }

    /// A figure that has to reach something.
    pub(crate) fn bar(
        &mut self,
        figure: impl Into<String>,
        value: impl Into<String>,
        bar: &str,
        is_reached: bool,
    ) {
        let word = if is_reached { "reached" } else { "NOT reached" };
        self.0.push([figure.into(), value.into(), format!("{bar}: {word}")]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| figure | measured | to reach |\n| --- | ---: | --- |")?;
        self.0.iter().try_for_each(|[figure, value, bar]| writeln!(f, "| {figure} | {value} | {bar} |"))
    }
}
