//! Everything that can be signed, signed by outside packages: with a key, and by a Safe.

use e2e::Stage;

use crate::outside;

pub(crate) fn outside_clients_trade(stage: &Stage) -> anyhow::Result<()> {
    outside::side_by_side(vec![
        ("market.mjs", stage.script("market.mjs")?, 9),
        ("foreign.mjs", stage.script("foreign.mjs")?, 4),
        ("safe.mjs", stage.script("safe.mjs")?, 4),
    ])
}
