//! Reads the config, starts the process, hands over to the service.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some((config, process)) = launch::start(&auth::CARD).await? else { return Ok(()) };
    auth::run(config, process).await
}
