//! `docs/config.md` is printed from the configuration structs.
use launch::document;

const OPENING: &str = "# Configuration

Printed from the configuration struct of each binary (`UPDATE=1 cargo test -p papers` writes it anew).

A key is set by the defaults that are compiled in (`config.toml` of the crate), over them by a TOML file
(`--config FILE`, or the variable `<PREFIX>__CONFIG`), over that by the environment. A list in a variable is
separated by commas. A key that does not exist, or a value of another type, ends the start with one line that names the
key and where it was said. `<binary> --check-config` prints what came out, with stars for secrets.
";

#[test]
fn the_page_of_the_configuration_is_the_structs() {
    let pages = [
        document(&gateway::CARD),
        document(&auth::CARD),
        document(&user::CARD),
        document(&wallet::CARD),
        document(&orchestrator::CARD),
        document(&media::CARD),
        document(&chain_registry::CARD),
        document(&catalog::CARD),
        document(&indexer::CARD),
        document(&subs_worker::CARD),
    ];
    super::same("docs/config.md", &format!("{OPENING}\n{}", pages.join("\n")));
}

#[test]
fn every_key_says_what_it_is_for() {
    let page = super::read("docs/config.md");
    let silent: Vec<&str> = page.lines().filter(|line| line.ends_with("|  |")).collect();
    assert!(silent.is_empty(), "a doc comment is missing:\n{}", silent.join("\n"));
}
