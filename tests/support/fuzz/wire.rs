//! The real server on connections that never leave the process: no ports to run out of.

use std::time::Duration;

use selfsame_api::{Admission, Edge, ServerSettings, serve};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::door::{api, runtime};
use crate::dialled::Dialled;

/// A server that neither answers nor closes for so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// After so many connections a server is replaced, as doors are.
const CONNECTIONS_MAX: usize = 2_000;

/// A server, and the far ends of its connections.
pub(super) struct Wire {
    runtime: Runtime,
    dial: mpsc::Sender<UnixStream>,
    connections: usize,
    _folder: TempDir,
}

impl Wire {
    pub(super) fn new() -> Self {
        let runtime = runtime();
        let (dial, dialled) = mpsc::channel(1);
        let folder = runtime.block_on(async {
            let (api, _, folder) = api(Admission::KeysOnceMade).await;
            // Longer than our patience: nothing here may end by a time limit.
            let limit = PATIENCE * 2;
            let settings = ServerSettings {
                header_timeout: limit,
                send_timeout: limit,
                connections_max: CONNECTIONS_MAX,
                drain_timeout: limit,
                edge: Edge::default(),
            };
            tokio::spawn(serve(Dialled(dialled), api, settings, std::future::pending()));
            folder
        });
        Self { runtime, dial, connections: 0, _folder: folder }
    }

    /// Whether it has served often enough.
    pub(super) fn is_worn(&self) -> bool {
        self.connections >= CONNECTIONS_MAX
    }

    /// Sends `data` on a connection of its own, and then, if `ends`, that nothing more will come; returns what came
    /// back until the server closed.
    ///
    /// # Panics
    ///
    /// If it doesn't close in time.
    pub(super) fn exchange(&mut self, data: &[u8], ends: bool) -> Vec<u8> {
        self.connections += 1;
        self.runtime.block_on(async {
            let (near, far) = UnixStream::pair().expect("the system has sockets");
            self.dial.send(far).await.expect("the server accepts");
            let (mut from, mut to) = near.into_split();
            let sending = async {
                // A server that has heard enough may close before the end.
                let sent = to.write_all(data).await;
                if ends && sent.is_ok() {
                    // The same.
                    let _ = to.shutdown().await;
                }
                to
            };
            let mut received = Vec::new();
            let reading = async {
                // A reset is an end, too: something of what was sent was not read.
                let _ = from.read_to_end(&mut received).await;
            };
            let both = timeout(PATIENCE, async { tokio::join!(sending, reading) }).await;
            assert!(both.is_ok(), "the server neither answers nor closes");
            received
        })
    }
}
