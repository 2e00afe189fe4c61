//! How long a test goes on whose input is random: `cargo xtask soak` says it, the ordinary tests do not.

/// Which seeds are tried, and how much happens in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Soak {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// How much happens in each.
    pub steps: u64,
}

impl Soak {
    /// The seeds, in their order.
    pub fn seeds(&self) -> std::ops::Range<u64> {
        self.first..self.first.saturating_add(self.count)
    }
}

/// What `VITRINE_SOAK=first:count:steps` asks for; `None` in an ordinary run.
pub fn soak() -> Option<Soak> {
    let text = std::env::var("VITRINE_SOAK").ok().filter(|text| !text.is_empty())?;
    Some(parse(&text).unwrap_or_else(|| panic!("VITRINE_SOAK is {text}: say first:count:steps")))
}

fn parse(text: &str) -> Option<Soak> {
    let mut numbers = text.split(':').map(|number| number.parse::<u64>().ok());
    let (first, count, steps) = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(Soak { first, count, steps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soak_is_three_numbers() {
        let soak = parse("5:3:80").unwrap();
        assert_eq!(soak, Soak { first: 5, count: 3, steps: 80 });
        assert_eq!(soak.seeds().collect::<Vec<_>>(), [5, 6, 7]);
        assert_eq!(parse("5:3"), None);
        assert_eq!(parse("5:3:80:1"), None);
    }
}
