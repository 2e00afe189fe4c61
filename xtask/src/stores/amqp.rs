//! RabbitMQ from the system's package, with its page, and a port mapper (epmd) of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::Place;
use crate::http::{Ask, connect, send};
use crate::ports::{Port, is_free};

const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

pub(super) fn launch(place: &Place) -> Result<()> {
    let folder = place.data.join("rabbitmq");
    let home = folder.join("home");
    fs::create_dir_all(&home)?;
    let cookie = home.join(".erlang.cookie");
    if !cookie.exists() {
        fs::write(&cookie, place.password("amqp_cookie")?)?;
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400))?;
    }
    let plugins = folder.join("enabled_plugins");
    fs::write(&plugins, "[rabbitmq_management,rabbitmq_prometheus,rabbitmq_consistent_hash_exchange].\n")?;
    let conf = folder.join("rabbitmq.conf");
    fs::write(&conf, settings(place)?)?;
    fs::set_permissions(&conf, fs::Permissions::from_mode(0o600))?;
    launch_epmd(place)?;

    let mut server = Command::new(SERVER);
    server
        .env("HOME", &home)
        .env("RABBITMQ_NODENAME", "vitrine@localhost")
        .env("RABBITMQ_CONFIG_FILE", &conf)
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", folder.join("log"))
        .env("RABBITMQ_LOGS", "-")
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", &plugins)
        .env("RABBITMQ_PID_FILE", folder.join("rabbitmq.pid"))
        .env("RABBITMQ_DIST_PORT", place.port(Port::AmqpCluster).to_string())
        .env("ERL_EPMD_PORT", place.port(Port::Epmd).to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        // Without this its script stays in between as a second process that signals do not get past at once.
        .env("RUNNING_UNDER_SYSTEMD", "true")
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        );
    place.room.spawn("rabbitmq", server)
}

fn settings(place: &Place) -> Result<String> {
    let port = |port| place.port(port);
    let (user, password) = admin(place)?;
    Ok(format!(
        "listeners.tcp.1 = 127.0.0.1:{}\n\
         management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {}\n\
         prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {}\n\
         default_user = {user}\ndefault_pass = {password}\n\
         disk_free_limit.absolute = 50MB\nvm_memory_high_watermark.absolute = 1GB\n\
         collect_statistics_interval = 5000\nlog.console = true\nlog.console.level = warning\nlog.file = false\n",
        port(Port::Amqp),
        port(Port::AmqpPage),
        port(Port::AmqpMetrics),
    ))
}

/// The user of the page and of `desk`; the services have users of their own.
fn admin(place: &Place) -> Result<(&'static str, &str)> {
    Ok((if place.is_trial() { "guest" } else { "vitrine_admin" }, place.password("amqp_admin")?))
}

/// A broker would start a port mapper that outlives it. Ours is there first and ends with the set.
fn launch_epmd(place: &Place) -> Result<()> {
    let port = place.port(Port::Epmd);
    if place.room.is_alive("epmd") {
        return Ok(());
    }
    if !is_free(port) {
        bail!("epmd needs port {port}, where somebody else listens: `ss -ltnp 'sport = {port}'` shows who");
    }
    let mut epmd = Command::new("epmd");
    epmd.args(["-address", "127.0.0.1", "-port", &port.to_string()]);
    place.room.spawn("epmd", epmd)?;
    let began = Instant::now();
    while connect(port).is_err() {
        if began.elapsed() > Duration::from_secs(20) {
            bail!("epmd does not answer: {}", place.room.last_words("epmd"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

pub(super) fn stop_epmd(place: &Place) -> Result<()> {
    place.room.stop("epmd", libc::SIGTERM, Duration::from_secs(5))
}

pub(super) fn is_ready(place: &Place) -> bool {
    let asks = || -> Result<bool> {
        let ask = Ask { method: "GET", path: "/api/overview", login: Some(admin(place)?), body: "" };
        Ok(send(place.port(Port::AmqpPage), &ask)?.status == 200)
    };
    asks().unwrap_or(false)
}
