//! A server that runs out of descriptors goes on when there are some again.
use std::{
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use proto::indexer::v1::ListCheckpointsRequest;

use crate::{
    authority::Authority,
    fleet::{Server, fine},
};

const INSIDE: &str = "VITRINE_TEST_FEW_DESCRIPTORS";

/// Runs itself again in a process with few descriptors: the limit would hurt the other tests of this one.
#[test]
fn running_out_of_descriptors_does_not_end_the_accepting() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let me = std::env::current_exe().expect("a test has a binary");
    let script =
        "ulimit -n 96; exec \"$0\" --exact accepting::running_out_of_descriptors_does_not_end_the_accepting";
    let output = Command::new("sh").args(["-c", script]).arg(me).env(INSIDE, "1").output().expect("sh runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::main]
async fn inside() {
    let authority = Authority::new();
    let server = Server::indexer(&authority, fine());
    let gateway = authority.settings("gateway");
    let mut client = server.indexer_client(&gateway);

    // Each connection takes two descriptors of this process, one an end; the server's end fails first or last,
    // and either way some accept does fail in the end.
    let mut held: Vec<TcpStream> = Vec::new();
    let began = Instant::now();
    while accept_errors() == 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "{} connections and no error", held.len());
        match TcpStream::connect(server.addr) {
            Ok(stream) => held.push(stream),
            // The last descriptor was ours: give it to the server, which has a connection waiting, and none after it.
            Err(_) => drop(held.pop()),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(held);
    let answered = async {
        while client.list_checkpoints(ListCheckpointsRequest::default()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), answered).await.expect("it accepts again");
}

fn accept_errors() -> u64 {
    let families = prometheus::gather();
    let errors = families.iter().find(|family| family.name() == "grpc_server_accept_errors_total");
    let metrics = errors.map(|family| family.get_metric().to_vec()).unwrap_or_default();
    let accepts = metrics.iter().filter(|m| m.get_label().iter().any(|l| l.value() == "accept"));
    accepts.map(|m| m.get_counter().get_value() as u64).sum()
}
