//! The endpoint that the registry puts first misbehaves in every way that endpoints do.

use anyhow::Context;
use e2e::Stage;

use crate::{led::Led, operator};

pub(crate) fn mints_are_ready_though_the_first_endpoint_misbehaves(stage: &Stage) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let mut client = Led::begin(stage, "failover.mjs")?;
    let endpoint = client.next("endpoint")?.context("the client tells its endpoint")?;
    runtime.block_on(operator::endpoints(stage, Some(&endpoint)))?;
    client.go_on()?;
    let outcome = client.next("done");
    runtime.block_on(operator::endpoints(stage, None))?;
    anyhow::ensure!(outcome?.is_some(), "it did not get to its end");
    Ok(())
}
