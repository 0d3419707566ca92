//! `selfsame export`: every contact row with the original's eight fields, in id order, as a stream.

use std::io::{self, BufWriter, Write};

use anyhow::Context;
use clap::ValueEnum;
use selfsame_rules::{Contact, Identifier, IdentifierKind, Timestamp};
use selfsame_store::{Record, Scan, WorkspaceKey};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::database::Database;
use crate::settings::DatabaseSettings;
use crate::workspaces::chosen;
use crate::{CommonArguments, Outcome, log};

#[derive(clap::Args)]
pub(crate) struct ExportArguments {
    /// JSON lines, or CSV with a header line and empty fields for null
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// The workspace whose contacts are written [default: default]
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    common: CommonArguments,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

/// A row of the original's table, its fields in the original's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContactRow<'contact> {
    id: i64,
    phone_number: Option<&'contact str>,
    email: Option<&'contact str>,
    linked_id: Option<i64>,
    link_precedence: &'static str,
    created_at: String,
    updated_at: String,
    deleted_at: Option<String>,
}

pub(crate) async fn run(arguments: ExportArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    let database = Database::of_command(arguments.database, &arguments.common)?;
    let store = database.open_for_reading().await?;
    let workspace = match &arguments.workspace {
        Some(name) => chosen(&*store, Some(name)).await?.first().map(|row| row.key),
        None => None,
    };
    let workspace = workspace.unwrap_or(WorkspaceKey::DEFAULT);
    let (sender, records) = mpsc::channel(4);
    // Writing blocks as long as whoever reads our output does, so it has a thread of its own.
    let writing = tokio::task::spawn_blocking(move || write(records, arguments.format));
    let (scanned, written) = tokio::join!(store.scan(workspace, Scan::Contacts, sender), writing);
    store.close().await?;
    match written? {
        // Whoever reads our output has enough, `head` for example.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Outcome::Done),
        written => written.context("can't write the export")?,
    }
    scanned?;
    Ok(Outcome::Done)
}

fn write(mut records: mpsc::Receiver<Vec<Record>>, format: Format) -> io::Result<()> {
    let mut rows = Rows::begin(BufWriter::with_capacity(64 * 1024, io::stdout().lock()), format)?;
    while let Some(records) = records.blocking_recv() {
        for record in records {
            if let Record::Contact(contact) = record {
                rows.write(&row(&contact)?)?;
            }
        }
    }
    rows.end()
}

/// The output in one of its formats.
enum Rows<W: Write> {
    Jsonl(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Rows<W> {
    fn begin(output: W, format: Format) -> io::Result<Self> {
        Ok(match format {
            Format::Jsonl => Self::Jsonl(output),
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(output);
                // Written by hand, so that an export without a row has a header too.
                writer.write_record([
                    "id",
                    "phoneNumber",
                    "email",
                    "linkedId",
                    "linkPrecedence",
                    "createdAt",
                    "updatedAt",
                    "deletedAt",
                ])?;
                Self::Csv(Box::new(writer))
            }
        })
    }

    fn write(&mut self, row: &ContactRow<'_>) -> io::Result<()> {
        match self {
            Self::Jsonl(output) => {
                serde_json::to_writer(&mut *output, row)?;
                output.write_all(b"\n")
            }
            Self::Csv(writer) => writer.serialize(row).map_err(csv_error),
        }
    }

    fn end(self) -> io::Result<()> {
        match self {
            Self::Jsonl(mut output) => output.flush(),
            Self::Csv(mut writer) => writer.flush(),
        }
    }
}

/// The error of the output below, so that a closed pipe is known as one: `csv`'s own conversion hides its kind.
fn csv_error(error: csv::Error) -> io::Error {
    let told = error.to_string();
    if let csv::ErrorKind::Io(below) = error.into_kind() { below } else { io::Error::other(told) }
}

fn row(contact: &Contact) -> io::Result<ContactRow<'_>> {
    let value = |kind| {
        contact.identifiers.iter().find(|identifier| *identifier.kind() == kind).map(Identifier::value)
    };
    Ok(ContactRow {
        id: contact.id.0,
        phone_number: value(IdentifierKind::Phone),
        email: value(IdentifierKind::Email),
        linked_id: contact.linked_to.map(|primary| primary.0),
        link_precedence: if contact.linked_to.is_none() { "primary" } else { "secondary" },
        created_at: rfc3339(contact.created_at)?,
        updated_at: rfc3339(contact.updated_at)?,
        deleted_at: contact.deleted_at.map(rfc3339).transpose()?,
    })
}

/// `2026-11-22T13:29:00.000Z`, as the original's JSON has times.
fn rfc3339(timestamp: Timestamp) -> io::Result<String> {
    let timestamp =
        jiff::Timestamp::from_millisecond(timestamp.as_milliseconds()).map_err(io::Error::other)?;
    Ok(format!("{timestamp:.3}"))
}
