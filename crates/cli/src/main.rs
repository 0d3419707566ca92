//! The program `selfsame`: reads the settings, chooses the store, runs one subcommand.
//!
//! Exit codes: 0, done; 1, done, and the answer is no (an observation refused, a law broken); 2, could not be done.
//! Data goes to standard output, talk to standard error.

mod adopt;
mod any_certificate;
mod ask;
mod backup;
mod certificate;
mod check;
mod command_socket;
mod database;
mod doctor;
mod erasures;
mod export;
mod healthcheck;
mod identify;
mod import;
mod import_events;
mod keys;
mod log;
mod measure;
mod migrate;
mod open_files;
mod people;
mod policy;
mod restore;
mod scrub;
mod serve;
mod settings;
mod table;
mod traces;
mod webhooks;
mod workspaces;

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::Resettable;
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};

/// A request is a dozen small allocations, made on one thread and often freed on another: what this allocator is for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An identity reconciliation server: which of your customers is this?
///
/// Without a command, it serves.
#[derive(Parser)]
#[command(name = "selfsame", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the HTTP API.
    Serve(serve::ServeArguments),
    /// Identify one observation against a database; beside a running server, through it.
    Identify(identify::IdentifyArguments),
    /// Import files of customers: CSV, TSV, lines of JSON; beside a running server, through it.
    Import(import::ImportArguments),
    /// Make, list and revoke keys; beside a running server, through it.
    Keys(keys::KeysArguments),
    /// Make, list, rename and erase workspaces; beside a running server, through it.
    Workspaces(workspaces::WorkspacesArguments),
    /// Add, try, list and remove endpoints that events are sent to; beside a running server, through it.
    Webhooks(webhooks::WebhooksArguments),
    /// Tell why two contacts are the same person; exit code 1 if they aren't.
    Why(people::WhyArguments),
    /// List the events of a person.
    History(people::HistoryArguments),
    /// Tell everything that is held about a person, as JSON.
    Record(people::RecordArguments),
    /// Undo a merge or an attachment, and keep its sides apart.
    Undo(people::UndoArguments),
    /// Split contacts off their identity, and keep them apart from it.
    Split(people::SplitArguments),
    /// Merge two identities by hand.
    Merge(people::MergeArguments),
    /// Erase a person, for good.
    Erase(people::EraseArguments),
    /// Write the database anew without what was erased, and look for values that must be gone.
    Scrub(scrub::ScrubArguments),
    /// List who was erased, or erase them again in a database that was restored.
    Erasures(erasures::ErasuresArguments),
    /// Show, preview and set what links and what doesn't.
    Policy(policy::PolicyArguments),
    /// Write all contacts, identities or events to standard output, also while a server runs.
    Export(export::ExportArguments),
    /// Prove the laws of identity over a database, also while a server runs.
    Check(check::CheckArguments),
    /// Write a verified copy of the embedded database to a file, also while a server runs.
    Backup(backup::BackupArguments),
    /// Put a backup in the place of the embedded database.
    Restore(restore::RestoreArguments),
    /// Bring the database to this version's schema, which `serve` also does at its start.
    Migrate(migrate::MigrateArguments),
    /// Take over a database of the original service, or tell what that would do.
    Adopt(adopt::AdoptArguments),
    /// Tell in plain words what is wrong with this installation; exit code 1 if something is.
    Doctor(doctor::DoctorArguments),
    /// Ask the server on this machine whether it is ready; exit code 1 if not.
    Healthcheck(healthcheck::HealthcheckArguments),
}

/// How a command ended that could be done.
enum Outcome {
    Done,
    /// The answer is no; it was told.
    No,
}

/// What every command takes.
#[derive(clap::Args)]
struct CommonArguments {
    /// A TOML file of settings, named as the flags are [default: selfsame.toml, if it is there]
    #[arg(long, env = "SELFSAME_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run() {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Err(error) => {
            say(&format!("error: {}", told(&error)));
            ExitCode::from(2)
        }
    }
}

/// An error and its causes in one line, each said once, and the hints below.
fn told(error: &anyhow::Error) -> String {
    let (mut line, mut hints) = (String::new(), String::new());
    for cause in error.chain().map(ToString::to_string) {
        let (what, hint) = cause.split_once("\nhint: ").unwrap_or((&cause, ""));
        if !line.contains(what) {
            let colon = if line.is_empty() { "" } else { ": " };
            line.extend([colon, what]);
        }
        if !hint.is_empty() {
            hints.extend(["\nhint: ", hint]);
        }
    }
    line + &hints
}

fn run() -> anyhow::Result<Outcome> {
    let arguments = parse_arguments(&settings::load_dotenv()?);
    let command = arguments.command.unwrap_or(Command::Serve(arguments.serve));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Serve(arguments) => serve::run(arguments).await,
            Command::Identify(arguments) => identify::run(arguments).await,
            Command::Import(arguments) => import::run(arguments).await,
            Command::Keys(arguments) => keys::run(arguments).await,
            Command::Workspaces(arguments) => workspaces::run(arguments).await,
            Command::Webhooks(arguments) => webhooks::run(arguments).await,
            Command::Why(arguments) => people::why(arguments).await,
            Command::History(arguments) => people::history(arguments).await,
            Command::Record(arguments) => people::record(arguments).await,
            Command::Undo(arguments) => people::undo(arguments).await,
            Command::Split(arguments) => people::split(arguments).await,
            Command::Merge(arguments) => people::merge(arguments).await,
            Command::Erase(arguments) => people::erase(arguments).await,
            Command::Scrub(arguments) => scrub::run(arguments).await,
            Command::Erasures(arguments) => erasures::run(arguments).await,
            Command::Policy(arguments) => policy::run(arguments).await,
            Command::Export(arguments) => export::run(arguments).await,
            Command::Check(arguments) => check::run(arguments).await,
            Command::Backup(arguments) => backup::run(arguments).await,
            Command::Restore(arguments) => restore::run(arguments).await,
            Command::Migrate(arguments) => migrate::run(arguments).await,
            Command::Adopt(arguments) => adopt::run(arguments).await,
            Command::Doctor(arguments) => doctor::run(arguments).await,
            Command::Healthcheck(arguments) => healthcheck::run(arguments).await,
        }
    })
}

/// The arguments: a flag beats the environment, and that beats what `.env` says.
///
/// An empty variable is taken for one that isn't set: compose files pass such.
fn parse_arguments(dotenv: &HashMap<String, String>) -> Arguments {
    let settle = |argument: Arg| {
        let Some(name) = argument.get_env().map(std::ffi::OsStr::to_owned) else { return argument };
        let empty = std::env::var_os(&name).is_some_and(|value| value.is_empty());
        let argument = if empty { argument.env(Resettable::Reset) } else { argument };
        match name.to_str().and_then(|name| dotenv.get(name)).filter(|value| !value.is_empty()) {
            // Hidden, because it may be a password.
            Some(value) => argument.default_value(value.clone()).hide_default_value(true),
            None => argument,
        }
    };
    let command = with_arguments(Arguments::command(), &settle);
    Arguments::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

/// The command with each argument of its own, and of the commands below it, changed so.
fn with_arguments(command: clap::Command, settle: &impl Fn(Arg) -> Arg) -> clap::Command {
    command.mut_args(settle).mut_subcommands(|below| with_arguments(below, settle))
}

/// Talks to a person, on standard error. Where that can't be written, there is nobody to tell so.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Puts data on standard output. That its reader has had enough is no error.
fn put(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("can't write to standard output"),
    }
}
