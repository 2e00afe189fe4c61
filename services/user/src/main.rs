//! Reads the config, starts the process, hands over to the service.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some((config, process)) = launch::start(&user::CARD).await? else { return Ok(()) };
    user::run(config, process).await
}
