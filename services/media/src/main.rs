//! Reads the config, starts the process, hands over to the service.
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some((config, process)) = launch::start(&media::CARD).await? else { return Ok(()) };
    media::run(config, process).await
}
