//! `selfsame export`: a workspace's contacts, identities or events to standard output, as a stream.

use std::io::{self, BufWriter, Write};

use anyhow::{Context, bail};
use clap::ValueEnum;
use selfsame_bulk::export::{Export, Format, Subject, read_moment};
use selfsame_store::WorkspaceKey;
use tokio::sync::mpsc;

use crate::database::Database;
use crate::settings::DatabaseSettings;
use crate::workspaces::chosen;
use crate::{CommonArguments, Outcome, log};

#[derive(clap::Args)]
pub(crate) struct ExportArguments {
    /// What is written
    #[arg(value_enum, default_value_t = SubjectArgument::Contacts)]
    what: SubjectArgument,
    /// JSON lines, or CSV with a header line and empty fields for null
    #[arg(long, value_enum, default_value_t = FormatArgument::Jsonl)]
    format: FormatArgument,
    /// As it was after that event, or at that time (RFC 3339); of events, those up to there
    #[arg(long, value_name = "SEQUENCE|TIME")]
    at: Option<String>,
    /// The workspace that is written [default: default]
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    common: CommonArguments,
}

#[derive(Clone, Copy, ValueEnum)]
enum SubjectArgument {
    /// A row for each contact, with the original's fields
    Contacts,
    /// A row for each customer
    Identities,
    /// A row for each event of the log, from which `import --events` makes the same database again
    Events,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatArgument {
    Jsonl,
    Csv,
}

pub(crate) async fn run(arguments: ExportArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    let at =
        arguments.at.as_deref().map(|text| read_moment(text).map_or_else(|| refuse(text), Ok)).transpose()?;
    let subject = match arguments.what {
        SubjectArgument::Contacts => Subject::Contacts,
        SubjectArgument::Identities => Subject::Identities,
        SubjectArgument::Events => Subject::Events,
    };
    let format = match arguments.format {
        FormatArgument::Jsonl => Format::JsonLines,
        FormatArgument::Csv => Format::Csv,
    };
    let database = Database::of_command(arguments.database, &arguments.common)?;
    let store = database.open_for_reading().await?;
    let workspace = match &arguments.workspace {
        Some(name) => chosen(&*store, Some(name)).await?.first().map(|row| row.key),
        None => None,
    };
    let workspace = workspace.unwrap_or(WorkspaceKey::DEFAULT);
    let (sender, pieces) = mpsc::channel(2);
    // Writing blocks as long as whoever reads our output does, so it has a thread of its own.
    let writing = tokio::task::spawn_blocking(move || write(pieces));
    let export = Export { subject, format, at };
    let exporting = export.write(|what, into| store.scan(workspace, what, into), sender);
    let (exported, written) = tokio::join!(exporting, writing);
    store.close().await?;
    match written? {
        // Whoever reads our output has enough, `head` for example.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Outcome::Done),
        written => written.context("can't write the export")?,
    }
    exported.context("the export is not whole")?;
    Ok(Outcome::Done)
}

fn refuse<T>(text: &str) -> anyhow::Result<T> {
    bail!(
        "`{text}` is no moment\n\
         hint: --at takes the number of an event, or a time as RFC 3339 has it: 2030-01-01T00:00:00Z"
    )
}

fn write(mut pieces: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    let mut output = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    while let Some(piece) = pieces.blocking_recv() {
        output.write_all(&piece)?;
    }
    output.flush()
}
