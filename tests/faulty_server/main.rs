//! A server with a planted fault, as a process: `faulty-server FAULT`, on the database of the current folder.
//!
//! It greets as `selfsame serve` does, so that the crash harnesses start either.

use std::path::Path;
use std::sync::Arc;

use support::faulty::{Fault, FaultyStore};
use support::home::open;
use support::one_at_a_time::OneAtATime;
use support::server::{ServerOptions, TestServer};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, fault] = arguments.as_slice() else { panic!("usage: faulty-server FAULT") };
    if fault == "OneConnectionAtATime" {
        let store = open(Path::new("")).await;
        let server = TestServer::start_taking(OneAtATime::new, store, ServerOptions::default()).await;
        return serve_for_ever(&server).await;
    }
    let fault = [Fault::SkippedRelink, Fault::StaleLoad, Fault::CachedLoad, Fault::AnsweredBeforeCommit]
        .into_iter()
        .find(|known| format!("{known:?}") == *fault)
        .unwrap_or_else(|| panic!("no fault is called `{fault}`"));
    let store = FaultyStore::new(open(Path::new("")).await, fault);
    let server = TestServer::start(Arc::clone(&store) as _, ServerOptions::default()).await;
    serve_for_ever(&server).await;
}

/// Greets, and serves until a signal ends the process.
async fn serve_for_ever(server: &TestServer) {
    let address = server.address;
    eprintln!(
        "faulty-server is ready\n  address   http://{address}\n  try it    curl http://{address}/identify \\\n              -d '{{}}'"
    );
    std::future::pending::<()>().await;
}
