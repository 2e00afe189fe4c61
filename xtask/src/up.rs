//! `cargo xtask up`: from whatever is there to a running system with a proof, one line a step.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::check::{cargo, phase};
use crate::fleet::Fleet;
use crate::ports::Port;
use crate::process::run;
use crate::progress::step;
use crate::services::TABLE;
use crate::stores::Store;
use crate::{interrupt, preflight, repository};

pub struct Wish {
    pub detach: bool,
    pub may_install: bool,
    pub proof: bool,
}

pub fn up(wish: &Wish) -> Result<()> {
    interrupt::catch();
    let began = Instant::now();
    preflight::check(wish.may_install)?;
    let fleet = Fleet::of_clone()?;
    let lock = fleet.lock()?;
    let was_up = fleet.is_up();
    if let Err(error) = bring_up(&fleet, wish, was_up) {
        if wish.detach {
            eprintln!("`cargo xtask down` stops what already runs; `cargo xtask up` goes on from here");
        } else {
            fleet.down()?;
        }
        return Err(error);
    }
    print_links(&fleet, began.elapsed(), was_up);
    if wish.detach {
        return Ok(());
    }
    // `status`, `restart` and `dev` from another terminal are welcome while we watch.
    drop(lock);
    watch(&fleet);
    eprintln!("stopping");
    let _lock = fleet.lock()?;
    fleet.down()
}

fn bring_up(fleet: &Fleet, wish: &Wish, was_up: bool) -> Result<()> {
    let steps: [(&str, &dyn Fn() -> Result<()>); 7] = [
        ("stores", &|| fleet.start_stores()),
        ("graphiql", &|| step("graphiql", || graphiql(fleet))),
        ("build", &|| phase("build", cargo(&["build", "--workspace"]))),
        ("prepare", &|| fleet.prepare()),
        ("services", &|| fleet.start_services(&[])),
        ("seed", &|| fleet.desk("deploy", &[]).and_then(|()| fleet.desk("seed", &[]))),
        ("proof", &|| if wish.proof { fleet.desk("proof", &[]) } else { Ok(()) }),
    ];
    for (name, work) in steps {
        // What already runs is not built anew under its feet, nor given a second seed.
        if was_up && name != "stores" && name != "services" {
            continue;
        }
        work()?;
        if interrupt::came() {
            bail!("interrupted after {name}");
        }
    }
    Ok(())
}

/// GraphiQL's files, from the packages that its lock file names, in a folder that the gateway serves.
fn graphiql(fleet: &Fleet) -> Result<()> {
    let target = fleet.room().run.join("graphiql");
    if target.join("index.html").exists() {
        return Ok(());
    }
    let source = repository().join("gateway/graphiql");
    run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&source))?;
    run(Command::new("node").arg("build.mjs").arg(&target).current_dir(&source)).map(drop)
}

/// Until Ctrl-C. A process that ends is reported once and never restarted behind anybody's back.
fn watch(fleet: &Fleet) {
    eprintln!("\nCtrl-C stops everything.");
    let names = || TABLE.iter().map(|service| service.name).chain(Store::ALL.map(Store::name));
    let mut ended: Vec<&str> = Vec::new();
    while !interrupt::came() {
        // A pid file without its process: `down` and `restart` remove it, a crash does not.
        let dead = |name: &&str| fleet.room().is_wanted(name) && !fleet.room().is_alive(name);
        let now: Vec<&str> = names().filter(dead).collect();
        for name in now.iter().filter(|name| !ended.contains(name)) {
            eprintln!("{name} ended: {}", fleet.room().last_words(name));
            eprintln!("  way out: `cargo xtask logs {name}`, then `cargo xtask restart {name}`");
        }
        ended = now;
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn print_links(fleet: &Fleet, took: Duration, was_up: bool) {
    let port = |port| fleet.ports().of(port);
    let state = if was_up { "already up" } else { "up" };
    let gateway = port(Port::GatewayHttp);
    println!("\nVitrine is {state}, after {:.1} s.\n", took.as_secs_f64());
    println!(
        "  GraphQL      http://localhost:{gateway}/graphql   (subscriptions: ws://localhost:{gateway}/graphql)"
    );
    println!("  GraphiQL     http://localhost:{gateway}/graphiql");
    println!("  media        http://localhost:{}", port(Port::MediaHttp));
    println!(
        "  broker page  http://localhost:{}   (vitrine_admin, password: amqp_admin in .vitrine/run/secrets)",
        port(Port::AmqpPage)
    );
    println!(
        "  metrics      http://localhost:{}/metrics   (gateway; the services follow)",
        port(Port::Ops(0))
    );
    println!("  chain        http://localhost:{}   (id 31337, a block each second)", port(Port::Anvil));
    println!("  addresses    {}", fleet.env_file().display());
    println!("\n  demo key     0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
    println!(
        "               the chain's first, publicly known account 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    );
    println!("\n  next         cargo xtask demo mint --count 3     watch tokens arrive over the socket");
    println!("               cargo xtask status | logs catalog -f | dev catalog | down");
}
