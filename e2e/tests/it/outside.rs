//! Frontends that write and sign their messages with packages that nobody here wrote.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use e2e::Stage;

pub(crate) fn outside_clients_log_in(stage: &Stage) -> anyhow::Result<()> {
    // Each with the number of things that it says are well, so that one which ends early is seen.
    side_by_side(vec![
        ("siwe.mjs", stage.script("siwe.mjs")?, 3),
        ("viem-siwe.mjs", stage.script("viem-siwe.mjs")?, 3),
        ("contract-wallets.mjs", stage.script("contract-wallets.mjs")?, 8),
        ("login.py", stage.python("login.py")?, 3),
    ])
}

pub(crate) fn side_by_side(clients: Vec<(&'static str, Command, usize)>) -> anyhow::Result<()> {
    // Side by side: a frontend is not alone in the world.
    std::thread::scope(|scope| {
        let running: Vec<_> = clients
            .into_iter()
            .map(|(name, client, due)| scope.spawn(move || run(client, due).context(name)))
            .collect();
        let mut ended =
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("it panicked")));
        ended.try_for_each(|outcome| outcome)
    })
}

fn run(mut client: Command, due: usize) -> anyhow::Result<()> {
    let output = client.stderr(Stdio::piped()).output()?;
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{said}{complained}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("ok ")).collect();
    lines.iter().for_each(|line| println!("    {line}"));
    ensure!(lines.len() == due, "{} of {due} things: {said}", lines.len());
    Ok(())
}
