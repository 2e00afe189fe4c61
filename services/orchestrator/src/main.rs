//! Reads the config, starts the process, hands over to the service.
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some((config, process)) = launch::start(&orchestrator::CARD).await? else { return Ok(()) };
    orchestrator::run(config, process).await
}
