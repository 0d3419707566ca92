//! `selfsame import`: files of customers, through whoever may write, with a progress bar and a summary.

mod file;
mod lines;
mod progress;
mod rejects;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use selfsame_service::WebhookSettings;

use crate::ask::{NO_ANSWER, Writer, read, request};
use crate::database::Database;
use crate::import_events;
use crate::settings::DatabaseSettings;
use crate::{CommonArguments, Outcome, log, put, say};
use file::{Failure, InputFile};
use lines::{Lines, Told};
use progress::Progress;
use rejects::RejectsFile;

/// What is said of rows, and not of a log.
const OF_ROWS: [&str; 12] = [
    "files",
    "map",
    "format",
    "no_header",
    "date_order",
    "no_times",
    "source",
    "dry_run",
    "rejects",
    "again",
    "workspace",
    "json",
];

#[derive(clap::Args)]
pub(crate) struct ImportArguments {
    /// CSV, TSV or lines of JSON, also as .gz or .zst; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present = "events")]
    files: Vec<PathBuf>,
    /// The log of another database instead, as `selfsame export events` wrote it: files in their order, or `-`; into a
    /// database without one
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = OF_ROWS)]
    events: Vec<PathBuf>,
    /// What columns mean, as `email=E-Mail,phone=Telefon` [default: guessed, and told]
    #[arg(long, value_name = "COLUMNS")]
    map: Option<String>,
    /// How rows are written: csv, tsv or jsonl [default: known by the file]
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// The first row is no header; columns are named by their numbers
    #[arg(long)]
    no_header: bool,
    /// Which comes first in dates as 1/2/2026: day-first or month-first [default: known by the file's dates]
    #[arg(long, value_name = "ORDER")]
    date_order: Option<String>,
    /// Take no column for the time at which rows were seen; all are accepted as of now
    #[arg(long, conflicts_with = "date_order")]
    no_times: bool,
    /// Where the rows were seen, for those that don't say it
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Tell what would come of it, and store nothing
    #[arg(long)]
    dry_run: bool,
    /// Write rows that can't be used, each with its line and the reason, to a file, to be mended and imported
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Decide rows once more that were imported before
    #[arg(long)]
    again: bool,
    /// The workspace whose customers they are [default: default]
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    /// What happens as JSON lines, as `POST /v1/import` answers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    common: CommonArguments,
}

pub(crate) async fn run(arguments: ImportArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    if arguments.rejects.is_some() && arguments.files.len() > 1 {
        bail!(
            "the columns of files differ, so each has rejects of its own\nhint: import one file at a time with --rejects"
        );
    }
    let database = Database::of_command(arguments.database.clone(), &arguments.common)?;
    if !arguments.events.is_empty() {
        return import_events::run(&database, &arguments.events).await;
    }
    let writer = Writer::of(&database, WebhookSettings::default()).await?;
    let mut outcome = Outcome::Done;
    for path in &arguments.files {
        let imported = tokio::select! {
            imported = import(&writer, path, &arguments) => imported,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted.context("signals can't be waited for")?;
                say("stopped\nhint: the same command goes on where it was");
                Ok(Outcome::No)
            }
        };
        outcome = imported?;
        if matches!(outcome, Outcome::No) {
            break;
        }
    }
    writer.close().await?;
    Ok(outcome)
}

/// Imports one file.
async fn import(writer: &Writer, path: &Path, arguments: &ImportArguments) -> anyhow::Result<Outcome> {
    let file = InputFile::open(path)?;
    let mut rejects = arguments.rejects.as_deref().map(RejectsFile::begin).transpose()?;
    let progress = Progress::begin(file.bytes, arguments.json);
    let failed = Failure::default();
    let sent =
        request("import", &Method::POST, &target(&file.name, arguments), arguments.workspace.as_deref())
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(file.body(progress.sent(), failed.clone()))?;
    let response = writer.send(sent).await.context(NO_ANSWER)?;
    if !response.status().is_success() {
        progress.end();
        if let Some(error) = failed.take() {
            return Err(error);
        }
        let Err(outcome) = read(response).await?.success()? else { bail!(NO_ANSWER) };
        return Ok(outcome);
    }
    let mut lines = Lines::of(response.into_body());
    while let Some((line, told)) = lines.next().await? {
        if arguments.json {
            put(&line)?;
        }
        match told {
            Told::Columns(columns) => {
                if let Some(rejects) = &mut rejects {
                    rejects.header(&columns.rejects_header)?;
                }
                progress.say(&columns.told(&path.display().to_string()), arguments.json);
            }
            Told::Rejected(row) => {
                progress.rejected(&row, rejects.is_some() || arguments.json);
                if let Some(rejects) = &mut rejects {
                    rejects.write(&row.row)?;
                }
            }
            Told::Stored(standing) => progress.stored(&standing),
            Told::Summary(summary) => {
                progress.end();
                let rejects = rejects.map(RejectsFile::finish).transpose()?.flatten();
                if !arguments.json {
                    put(&summary.told(progress.elapsed(), rejects.as_deref()))?;
                }
                return Ok(Outcome::Done);
            }
            Told::Problem { code, detail, status } => {
                progress.end();
                if let Some(error) = failed.take() {
                    return Err(error);
                }
                say(&format!("error: {detail}"));
                match code.as_str() {
                    "file_changed" | "invalid_file" => {}
                    _ => say("hint: what was stored stays; the same command goes on where it was"),
                }
                if status >= 500 {
                    bail!("the import did not come to its end");
                }
                return Ok(Outcome::No);
            }
        }
    }
    progress.end();
    bail!("the server did not say what came of the file\nhint: the same command goes on where it was")
}

/// Where it is sent to.
fn target(name: &str, arguments: &ImportArguments) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let mut say = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    };
    say("name", Some(name));
    say("map", arguments.map.as_deref());
    say("format", arguments.format.as_deref());
    say("header", arguments.no_header.then_some("false"));
    say("dateOrder", arguments.date_order.as_deref());
    say("times", arguments.no_times.then_some("false"));
    say("source", arguments.source.as_deref());
    say("again", arguments.again.then_some("true"));
    say("dryRun", arguments.dry_run.then_some("true"));
    format!("/v1/import?{}", query.finish())
}
