//! The program `selfsame`: reads the settings, chooses the store, runs one subcommand.
//!
//! Exit codes: 0, done; 1, done, and the answer is no (an observation refused, a law broken); 2, could not be done.
//! Data goes to standard output, talk to standard error.

mod check;
mod command_socket;
mod database;
mod export;
mod identify;
mod serve;
mod settings;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

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
    /// Write every contact to standard output, also while a server runs.
    Export(export::ExportArguments),
    /// Prove the laws of identity over a database, also while a server runs.
    Check(check::CheckArguments),
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
            eprintln!("error: {}", told(&error));
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
    // Before clap looks at the environment, and before there is a second thread.
    settings::load_dotenv()?;
    let arguments = parse_arguments();
    let command = arguments.command.unwrap_or(Command::Serve(arguments.serve));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Serve(arguments) => serve::run(arguments).await,
            Command::Identify(arguments) => identify::run(arguments).await,
            Command::Export(arguments) => export::run(arguments).await,
            Command::Check(arguments) => check::run(arguments).await,
        }
    })
}

/// The arguments, with an empty variable of the environment taken for one that isn't set: compose files pass such.
fn parse_arguments() -> Arguments {
    fn without_empty(argument: Arg) -> Arg {
        let empty = argument.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        if empty { argument.env(Resettable::Reset) } else { argument }
    }
    let command = Arguments::command()
        .mut_args(without_empty)
        .mut_subcommands(|subcommand| subcommand.mut_args(without_empty));
    Arguments::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

/// Sends the log to standard error, at the level that `filter` names.
fn start_log(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|_| {
        anyhow::anyhow!("`--log` is no log filter\nhint: try `info`, or `selfsame_service=debug,warn`")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}
