//! The limits that stand beside us: an HTTP handler that does nothing, and a file that is only appended to.
//!
//! The handler is what any axum server costs at least; the file is what any durable log costs at least.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::interrupt::Interrupt;
use crate::requests::BATCH_RECORDS;

/// As long as our answer for a customer of one contact among a million.
const ANSWER: &str = "{\"contact\":{\"primaryContactId\":1234567,\"emails\":[\"abcdefghij@example.org\"],\
    \"phoneNumbers\":[\"123456789012\"],\"secondaryContactIds\":[]}}";

/// The events that are committed together at 64 connections, and the bytes of one.
const APPEND_EVENTS: u16 = 64;
const EVENT_BYTES: usize = 250;

/// Serves the empty handler on a port of loopback until it is killed.
pub(crate) fn serve_empty(port: u16) -> anyhow::Result<()> {
    let lines: Bytes = format!("{ANSWER}\n").repeat(BATCH_RECORDS as usize).into();
    let batch = async move |body: Bytes| {
        let records = body.iter().filter(|byte| **byte == b'\n').count();
        json("application/x-ndjson", lines.slice(..lines.len().min(records * (ANSWER.len() + 1))))
    };
    let router = Router::new()
        .route("/", get(async || "ready"))
        // The body is read to its end, as every handler must.
        .route(
            "/identify",
            post(async |_: Bytes| json("application/json", Bytes::from_static(ANSWER.as_bytes()))),
        )
        .route("/v1/observations/batch", post(batch));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("tokio does not start")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.context("the port is taken")?;
        let listener = listener.tap_io(|stream| {
            // It would only be slower, and is never refused on a connection that was just made.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await.context("the empty handler ended")
    })
}

fn json(content_type: &'static str, body: Bytes) -> Response {
    ([(CONTENT_TYPE, content_type)], body).into_response()
}

/// How often a second 64 events can be appended and synced to a file of `folder`.
pub(crate) fn syncs_per_second(
    folder: &Path,
    duration: Duration,
    interrupt: &Interrupt,
) -> anyhow::Result<f64> {
    let path = folder.join("append");
    let mut file = File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
    let group = vec![b'e'; EVENT_BYTES * usize::from(APPEND_EVENTS)];
    let begin = Instant::now();
    let mut syncs = 0_u32;
    while begin.elapsed() < duration {
        interrupt.check()?;
        file.write_all(&group).context("the file can't be appended to")?;
        file.sync_data().context("the file can't be synced")?;
        syncs += 1;
    }
    let per_second = f64::from(syncs) / begin.elapsed().as_secs_f64();
    std::fs::remove_file(&path).with_context(|| format!("can't remove {}", path.display()))?;
    Ok(per_second)
}

/// The events in one sync of [`syncs_per_second`].
pub(crate) fn events_per_sync() -> f64 {
    f64::from(APPEND_EVENTS)
}
