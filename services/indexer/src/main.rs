//! Reads the config, starts the process, hands over to the service.
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some((config, process)) = launch::start(&indexer::CARD).await? else { return Ok(()) };
    indexer::run(config, process).await
}
