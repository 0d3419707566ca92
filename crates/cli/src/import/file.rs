//! The file that is imported, as the body of a request.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail};
use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// How much is read at once.
const PIECE_BYTES: usize = 128 * 1024;

/// How many pieces wait to be sent.
const PIECES_WAITING: usize = 4;

/// A file that can be read.
pub(crate) struct InputFile {
    /// What it is called, which may tell its format.
    pub(crate) name: String,
    /// How long it is; not known of a pipe.
    pub(crate) bytes: Option<u64>,
    /// Where it lies, as it was named.
    path: PathBuf,
    input: Box<dyn Read + Send>,
}

/// Why a file can't be read on, told by the thread that reads it.
#[derive(Clone, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<anyhow::Error>>>);

impl Failure {
    fn set(&self, error: anyhow::Error) {
        *self.0.lock().expect("nothing panics while it holds this") = Some(error);
    }

    /// What kept us from reading says more than what the other side makes of a body that broke off.
    pub(crate) fn take(&self) -> Option<anyhow::Error> {
        self.0.lock().expect("nothing panics while it holds this").take()
    }
}

impl InputFile {
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self {
                name: "-".to_owned(),
                bytes: None,
                path: path.to_owned(),
                input: Box::new(io::stdin()),
            });
        }
        let cannot = || format!("`{}` can't be read", path.display());
        let file = File::open(path).with_context(cannot)?;
        let known = file.metadata().with_context(cannot)?;
        if known.is_dir() {
            bail!("`{}` is a folder\nhint: name its files", path.display());
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self {
            name,
            bytes: known.is_file().then_some(known.len()),
            path: path.to_owned(),
            input: Box::new(file),
        })
    }

    /// Its bytes, as they are taken; `sent` counts them. Why it can't be read on is told in `failed`; the body breaks off there.
    pub(crate) fn body(self, sent: Arc<AtomicU64>, failed: Failure) -> Body {
        let (sender, pieces) = mpsc::channel::<io::Result<Bytes>>(PIECES_WAITING);
        let Self { mut input, path, .. } = self;
        spawn_blocking(move || {
            let mut buffer = vec![0; PIECE_BYTES];
            loop {
                let piece = match input.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => Ok(Bytes::copy_from_slice(&buffer[..count])),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => {
                        let told = anyhow::Error::new(error)
                            .context(format!("`{}` can't be read on", path.display()));
                        failed.set(told);
                        Err(io::Error::other("the file can't be read on"))
                    }
                };
                let count = piece.as_ref().map_or(0, Bytes::len);
                let is_end = piece.is_err();
                if sender.blocking_send(piece).is_err() || is_end {
                    return;
                }
                sent.fetch_add(u64::try_from(count).unwrap_or_default(), Ordering::Relaxed);
            }
        });
        Body::from_stream(stream::unfold(pieces, async |mut pieces| {
            let piece = pieces.recv().await?;
            Some((piece, pieces))
        }))
    }
}
