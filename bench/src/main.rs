//! **bench** measures the fleet against named peers and limits; `cargo xtask bench <name>` runs it in release.

fn main() -> anyhow::Result<()> {
    anyhow::bail!("name a benchmark")
}
