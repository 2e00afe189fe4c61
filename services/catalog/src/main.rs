//! Reads the config, starts the process, hands over to the service.
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some((config, process)) = launch::start(&catalog::CARD).await? else { return Ok(()) };
    catalog::run(config, process).await
}
