//! Reads the config, starts the process, hands over to the service.
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some((config, process)) = launch::start(&subs_worker::CARD).await? else { return Ok(()) };
    subs_worker::run(config, process).await
}
