//! Reads the config, starts the process, hands over to the service.
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some((config, process)) = launch::start(&chain_registry::CARD).await? else { return Ok(()) };
    chain_registry::run(config, process).await
}
