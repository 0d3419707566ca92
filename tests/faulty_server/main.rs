//! A server with a planted fault, as a process: `faulty-server DATABASE FAULT`.
//!
//! It greets as `selfsame serve` does, so that the crash harnesses start either.

use std::path::Path;
use std::sync::Arc;

use support::faulty::{Fault, FaultyStore};
use support::server::{ServerOptions, TestServer, open_sqlite};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, database, fault] = arguments.as_slice() else { panic!("usage: faulty-server DATABASE FAULT") };
    let fault = [Fault::SkippedRelink, Fault::StaleLoad, Fault::CachedLoad, Fault::AnsweredBeforeCommit]
        .into_iter()
        .find(|known| format!("{known:?}") == *fault)
        .unwrap_or_else(|| panic!("no fault is called `{fault}`"));
    let store = FaultyStore::new(open_sqlite(Path::new(database)), fault);
    let server = TestServer::start(Arc::clone(&store) as _, ServerOptions::default()).await;
    let address = server.address;
    eprintln!(
        "faulty-server is ready\n  address   http://{address}\n  try it    curl http://{address}/identify \\\n              -d '{{}}'"
    );
    // Until a signal ends the process.
    std::future::pending::<()>().await;
}
