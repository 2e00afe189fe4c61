//! A frontend that nobody here wrote the parts of: npm's siwe, viem and graphql-ws.

use anyhow::ensure;
use e2e::Stage;

pub(crate) fn an_outside_client_logs_in_creates_mints_and_resumes(stage: &Stage) -> anyhow::Result<()> {
    let output = stage.script("mint.mjs")?.output()?;
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{said}{complained}");
    ensure!(
        said.lines().filter(|line| line.starts_with("ok ")).count() == 7,
        "it did not get to its end: {said}"
    );
    Ok(())
}
