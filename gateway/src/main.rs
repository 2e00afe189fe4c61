//! Reads the config, starts the process, hands over to the service.
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some((config, process)) = launch::start(&gateway::CARD).await? else { return Ok(()) };
    gateway::run(config, process).await
}
