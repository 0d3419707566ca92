//! `selfsame import --events`: a log that `selfsame export events` wrote, into a database without one.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail};
use axum::body::{Body, Bytes};
use axum::http::Method;
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::ask::{Question, Sent};
use crate::database::Database;
use crate::{Outcome, put};

/// How much is read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// What is answered.
#[derive(Deserialize)]
struct Imported {
    events: i64,
    imported: u64,
}

/// Imports the log of another database: files in their order, or `-` for standard input.
pub(crate) async fn run(database: &Database, files: &[PathBuf]) -> anyhow::Result<Outcome> {
    // Before anything is asked: a file that isn't there should not leave an empty database behind.
    for file in files.iter().filter(|file| !is_standard_input(file)) {
        drop(open(file)?);
    }
    let question = Question {
        command: "import",
        method: Method::POST,
        path: "/v1/import/events".to_owned(),
        body: None,
        workspace: None,
    };
    let failed: Arc<Mutex<Option<anyhow::Error>>> = Arc::default();
    let body = || body_of(files.to_vec(), Arc::clone(&failed));
    let sent = Sent { content_type: "application/x-ndjson", body: &body };
    let answered = question.ask_sending(database, &sent).await;
    // What kept us from sending says more than what the other side makes of it.
    if let Some(error) = failed.lock().expect("nothing panics while it holds this").take() {
        return Err(error);
    }
    let answer = match answered?.success()? {
        Ok(answer) => answer,
        Err(no) => return Ok(no),
    };
    let Imported { events, imported } = serde_json::from_str(&answer)?;
    let before = u64::try_from(events).unwrap_or_default().saturating_sub(imported);
    let were_there = if before == 0 { String::new() } else { format!("; {before} were there before") };
    put(&format!("imported {imported} events{were_there}"))?;
    Ok(Outcome::Done)
}

fn is_standard_input(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn open(file: &Path) -> anyhow::Result<Box<dyn Read>> {
    if is_standard_input(file) {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(file).with_context(|| format!("can't read {}", file.display()))?;
    if opened.metadata()?.is_dir() {
        bail!(
            "{} is a folder\nhint: name the file that `selfsame export events` was written to",
            file.display()
        );
    }
    Ok(Box::new(opened))
}

/// The files, one behind the other, read when their turn comes. Why one can't be read is told in `failed`; the body breaks off
/// there.
fn body_of(files: Vec<PathBuf>, failed: Arc<Mutex<Option<anyhow::Error>>>) -> Body {
    let begin = move || {
        let (sender, pieces) = mpsc::channel::<io::Result<Bytes>>(2);
        // Reading may block for as long as whoever writes to our input does.
        tokio::task::spawn_blocking(move || {
            if let Err(error) = files.iter().try_for_each(|file| read(file, &sender)) {
                *failed.lock().expect("nothing panics while it holds this") = Some(error);
                let _ = sender.blocking_send(Err(io::Error::other("a file can't be read")));
            }
        });
        pieces
    };
    // Nothing is read before somebody wants it: until then, the request may be made anew.
    let pieces = stream::unfold((Some(begin), None), async |(begin, pieces)| {
        let mut pieces: mpsc::Receiver<_> = match begin {
            Some(begin) => begin(),
            None => pieces?,
        };
        let piece = pieces.recv().await?;
        Some((piece, (None, Some(pieces))))
    });
    Body::from_stream(pieces)
}

fn read(file: &Path, sender: &mpsc::Sender<io::Result<Bytes>>) -> anyhow::Result<()> {
    let mut opened = open(file)?;
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let length = opened.read(&mut piece).with_context(|| format!("can't read {}", file.display()))?;
        piece.truncate(length);
        // Whoever takes no more has said why.
        if length == 0 || sender.blocking_send(Ok(piece.into())).is_err() {
            return Ok(());
        }
    }
}
