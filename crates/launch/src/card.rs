//! A service's card: its name, its default configuration, its migrations. From it a process starts.
use std::{marker::PhantomData, path::PathBuf, process::exit};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use sqlx::migrate::Migrator;

use crate::{
    ConfigError, Process, Resolved, Secret, Settings, layers::prefix, migrations, probe, resolve, telemetry,
};

/// What a binary knows of itself before it has read anything.
pub struct Card<C> {
    pub(crate) name: &'static str,
    pub(crate) defaults: &'static str,
    pub(crate) migrator: Option<&'static Migrator>,
    config: PhantomData<fn() -> C>,
}

impl<C> Card<C> {
    /// `name` is the kebab name of the service, `defaults` the text of its `config.toml`.
    pub const fn new(name: &'static str, defaults: &'static str) -> Self {
        Self { name, defaults, migrator: None, config: PhantomData }
    }

    pub const fn migrations(self, migrator: &'static Migrator) -> Self {
        Self { name: self.name, defaults: self.defaults, migrator: Some(migrator), config: PhantomData }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Command {
    Serve,
    Healthcheck,
    Migrate,
    CheckConfig,
    Help,
    Version,
}

/// Reads the command line and the configuration. `None` means that a subcommand has done all there was to do.
/// A configuration that cannot be used ends the process with code 2 and one line.
pub async fn start<C: DeserializeOwned + JsonSchema>(card: &Card<C>) -> anyhow::Result<Option<(C, Process)>> {
    start_with(card, std::env::args().skip(1)).await
}

/// [`start`] with a command line of one's own; the tests of this crate are their own sample service.
#[doc(hidden)]
pub async fn start_with<C: DeserializeOwned + JsonSchema>(
    card: &Card<C>,
    arguments: impl Iterator<Item = String>,
) -> anyhow::Result<Option<(C, Process)>> {
    // Two providers could be compiled in through a dependency's feature; choosing one first keeps rustls from panicking.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();

    let (command, file) = read_arguments(arguments).unwrap_or_else(|line| refuse(card.name, &line));
    match command {
        Command::Help => print!("{}", help(card.name)),
        Command::Version => println!("{} {}", card.name, telemetry::VERSION),
        _ => return begin(card, command, file).await,
    }
    Ok(None)
}

async fn begin<C: DeserializeOwned + JsonSchema>(
    card: &Card<C>,
    command: Command,
    file: Option<PathBuf>,
) -> anyhow::Result<Option<(C, Process)>> {
    let said = std::env::var_os(format!("{}CONFIG", prefix(card.name))).map(PathBuf::from);
    // A variable that is not Unicode cannot be one of ours; the others' are none of our business.
    let environment =
        std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    let resolved = resolve::<C>(card.name, card.defaults, file.or(said).as_deref(), environment)
        .unwrap_or_else(|err| refuse(card.name, &err.to_string()));

    match command {
        Command::CheckConfig => println!("{:#}", resolved.redacted()),
        Command::Healthcheck => probe::health(settings(card.name, &resolved).ops_addr).await?,
        Command::Migrate => {
            let Some(migrator) = card.migrator else {
                println!("{} has no database", card.name);
                return Ok(None);
            };
            let url: Secret =
                resolved.part("database_url").unwrap_or_else(|err| refuse(card.name, &err.to_string()));
            migrations::migrate(&url, migrator).await?;
            println!("{}: the database is up to date", card.name);
        }
        _ => {
            let settings = settings(card.name, &resolved);
            let telemetry = telemetry::install(card.name, &settings)?;
            return Ok(Some((resolved.config, Process::new(card.name, settings, Some(telemetry)))));
        }
    }
    Ok(None)
}

fn settings<C>(name: &str, resolved: &Resolved<C>) -> Settings {
    let read: Result<Settings, ConfigError> = resolved.part("process");
    read.unwrap_or_else(|err| refuse(name, &err.to_string()))
}

fn read_arguments(arguments: impl Iterator<Item = String>) -> Result<(Command, Option<PathBuf>), String> {
    let (mut command, mut file) = (Command::Serve, None);
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        command = match argument.as_str() {
            "healthcheck" => Command::Healthcheck,
            "migrate" => Command::Migrate,
            "--check-config" => Command::CheckConfig,
            "-h" | "--help" | "help" => Command::Help,
            "-V" | "--version" => Command::Version,
            "--config" => {
                file = Some(arguments.next().ok_or("--config wants a path")?.into());
                continue;
            }
            other => match other.strip_prefix("--config=") {
                Some(path) => {
                    file = Some(path.into());
                    continue;
                }
                None => return Err(format!("unknown argument {other:?}; try --help")),
            },
        };
    }
    Ok((command, file))
}

fn help(name: &str) -> String {
    let prefix = prefix(name);
    format!(
        "{name}: one service of the Vitrine fleet\n\n\
         {name}                  serve until SIGTERM or SIGINT\n\
         {name} healthcheck      ask the running process whether it lives; the exit code answers\n\
         {name} migrate          bring the database up to date\n\
         {name} --check-config   print the configuration with all layers applied, secrets hidden\n\
         {name} --config FILE    read FILE (TOML) over the defaults; also {prefix}CONFIG\n\
         {name} --version\n\n\
         Every key is also an environment variable: {prefix}PROCESS__LOG=debug. docs/config.md lists them.\n"
    )
}

/// One line and code 2: what is wrong is outside the program.
fn refuse(name: &str, line: &str) -> ! {
    eprintln!("{name}: {line}");
    exit(2)
}

#[cfg(test)]
mod tests {
    use super::{Command, read_arguments};

    fn read(line: &str) -> Result<(Command, Option<std::path::PathBuf>), String> {
        read_arguments(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn no_argument_means_serve() {
        assert_eq!(read(""), Ok((Command::Serve, None)));
    }

    #[test]
    fn a_file_goes_with_every_command() {
        assert_eq!(read("migrate --config a.toml"), Ok((Command::Migrate, Some("a.toml".into()))));
        assert_eq!(read("--config=a.toml --check-config"), Ok((Command::CheckConfig, Some("a.toml".into()))));
    }

    #[test]
    fn an_unknown_argument_is_named() {
        assert_eq!(read("serve-me"), Err("unknown argument \"serve-me\"; try --help".into()));
    }
}
