//! An order in words, for the one who is about to sign it: what it costs, who gets what of that, and when it holds.

use amounts::U256;
use chrono::DateTime;
use ids::Address;

use super::{order::Terms, read_chain::Told};
use crate::{chains::Chain, simulate::ether};

/// An amount in its currency. The native one and its wrapped form are told in whole coins, others in their smallest unit.
pub(crate) fn price_text(chain: &Chain, amount: U256, currency: Option<Address>) -> String {
    let symbol = &chain.native_symbol;
    match currency {
        None => format!("{} {symbol}", ether(amount)),
        Some(currency) if Some(currency) == chain.wrapped_native => format!("{} W{symbol}", ether(amount)),
        Some(currency) => format!("{amount} units of {currency}"),
    }
}

/// A part of a whole in per cent, with at most two decimals.
pub(crate) fn share(part: U256, whole: U256) -> String {
    // Rounded up: a share above a bound never reads as the bound.
    let hundredths = part.saturating_mul(U256::from(10_000)).div_ceil(whole.max(U256::from(1)));
    let (whole, rest) = hundredths.div_rem(U256::from(100));
    let rest = format!("{:0>2}", rest.to_string());
    match rest.trim_end_matches('0') {
        "" => format!("{whole} %"),
        rest => format!("{whole}.{rest} %"),
    }
}

/// Who gets what of the price of so many of the tokens; `seller` is how the sentence begins.
pub(crate) fn split_text(chain: &Chain, terms: &Terms, quantity: U256, seller: &str) -> String {
    let net = price_text(chain, terms.part(terms.net(), quantity), terms.currency);
    match terms.royalty {
        None => format!("{seller} {net}, there is no royalty."),
        Some(royalty) => {
            let (amount, share) = (terms.part(royalty.amount, quantity), share(royalty.amount, terms.price));
            let amount = price_text(chain, amount, terms.currency);
            format!("{seller} {net}; {} gets a royalty of {amount} ({share}).", royalty.receiver)
        }
    }
}

/// What is to be known of a royalty that the collection did not tell; empty where it did.
pub(crate) fn mute_text(told: &Told) -> &'static str {
    if told.is_mute {
        " The collection claims royalties, but told none when it was asked: none is paid."
    } else {
        ""
    }
}

/// What the approval of one token takes from somebody else; empty where nobody else has one.
pub(crate) fn replaced_text(other: Option<Address>) -> String {
    match other {
        Some(other) => format!(" It replaces the approval of {other}, who may move this token now."),
        None => String::new(),
    }
}

/// When it begins and ends.
pub(crate) fn times_text(terms: &Terms) -> String {
    format!("from {} until {}", moment(terms.starts_at), moment(terms.ends_at))
}

/// A moment for people.
fn moment(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    at.map_or_else(|| format!("second {seconds}"), |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_told_in_per_cent_and_never_below_what_it_is() {
        let share = |part: u64, whole: u64| share(U256::from(part), U256::from(whole));
        assert_eq!(share(5, 100), "5 %");
        assert_eq!(share(1, 1), "100 %");
        assert_eq!(share(275, 10_000), "2.75 %");
        assert_eq!(share(25, 1000), "2.5 %");
        assert_eq!(share(100_001, 1_000_000), "10.01 %");
        assert_eq!(share(0, 0), "0 %");
    }

    #[test]
    fn a_moment_is_told_to_the_second() {
        assert_eq!(moment(1_700_000_000), "2023-11-14 22:13:20 UTC");
        assert_eq!(moment(u64::MAX), format!("second {}", u64::MAX));
    }
}
