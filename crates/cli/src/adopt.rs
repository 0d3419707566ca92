//! `selfsame adopt`: takes over a database that holds the original service's table, or tells what that would do.

use std::time::Duration;

use anyhow::bail;
use clap::ArgGroup;
use indicatif::{ProgressBar, ProgressStyle};
use selfsame_rules::{Actor, AdoptionReport, AdoptionSettings, Finding};
use selfsame_service::{Clock, SystemClock};
use selfsame_store_postgres::{Adopted, AdoptionOrder, AdoptionStep, adopt_database};

use crate::database::Database;
use crate::settings::DatabaseSettings;
use crate::{CommonArguments, Outcome, log, put, say};

#[derive(clap::Args)]
#[command(group = ArgGroup::new("what").args(["dry_run", "apply"]))]
pub(crate) struct AdoptArguments {
    /// Only tell what was found and what would be done, and change nothing; also what happens without a flag
    #[arg(long)]
    dry_run: bool,
    /// Take the database over, in one transaction
    #[arg(long)]
    apply: bool,
    /// Believe every linkedId, also one that looks as if a null in a request had linked strangers
    #[arg(long)]
    trust_links: bool,
    /// How long to wait until nobody else has the table open
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    lock_timeout_seconds: u32,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    common: CommonArguments,
}

pub(crate) async fn run(arguments: AdoptArguments) -> anyhow::Result<Outcome> {
    log::start("warn")?;
    let database = Database::of_command(arguments.database, &arguments.common)?;
    let Database::Postgres(settings) = &database else {
        bail!(
            "{database} is no PostgreSQL database, and the original's data is in one\n\
             hint: set DATABASE_URL to the original's, postgresql://…"
        );
    };
    let order = AdoptionOrder {
        apply: arguments.apply,
        lock_timeout: Duration::from_secs(arguments.lock_timeout_seconds.into()),
        settings: AdoptionSettings { trust_links: arguments.trust_links },
        actor: Actor::named("selfsame adopt"),
        at: SystemClock.now(),
    };
    let bar = ProgressBar::new(0);
    let adopted = adopt_database(settings, order, &|step| show(&bar, step)).await;
    bar.finish_and_clear();
    let adopted = adopted?;
    put(&told(&adopted, arguments.apply))?;
    if arguments.apply {
        say("hint: `selfsame check` proves it; `selfsame serve` serves it");
    } else {
        say("nothing was changed\nhint: stop the old server, then `selfsame adopt --apply` does it");
    }
    Ok(Outcome::Done)
}

/// Moves the bar, which is shown on a terminal only.
fn show(bar: &ProgressBar, step: AdoptionStep) {
    let of_rows = "{msg} {wide_bar} {human_pos}/{human_len} rows, {eta} left";
    let (message, template, done) = match step {
        AdoptionStep::Read(done, total) => ("reading", of_rows, Some((done, total))),
        AdoptionStep::Decide => ("deciding {spinner}", "{msg}", None),
        AdoptionStep::Written(done, total) => ("writing", of_rows, Some((done, total))),
        AdoptionStep::Commit => ("committing", "{msg} {spinner}", None),
    };
    if bar.message() != message {
        bar.set_style(ProgressStyle::with_template(template).expect("the templates above are well-formed"));
        bar.set_message(message);
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    if let Some((done, total)) = done {
        bar.set_length(total);
        bar.set_position(done);
    }
}

/// A line of the report: a number, what it counts, and the ids of some of the rows.
struct Line<'report>(u64, &'static str, Option<&'report Finding>);

impl std::fmt::Display for Line<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(count, what, finding) = self;
        write!(formatter, "{count:>12}  {what}")?;
        let examples = finding.map_or(&[][..], |finding| &finding.examples);
        let ids: Vec<String> = examples.iter().map(ToString::to_string).collect();
        if !ids.is_empty() {
            let more = if *count > ids.len() as u64 { ", …" } else { "" };
            write!(formatter, " (id {}{more})", ids.join(", "))?;
        }
        Ok(())
    }
}

fn told(adopted: &Adopted, applied: bool) -> String {
    let Adopted { schema, kept_as, dependents, report } = adopted;
    let count = |count: u64, what| Line(count, what, None).to_string();
    let mut lines = vec![format!("found in \"{schema}\".\"Contact\"")];
    lines.extend(found(report));
    lines.push(if applied { "done".to_owned() } else { "would be done".to_owned() });
    lines.extend(done(report));
    lines.push(count(report.rows, "events `adopted` open the log, one for each row"));
    lines.push(format!("              the table is kept as \"{schema}\".\"{kept_as}\", and the view \"Contact\" takes its place"));
    for dependent in dependents {
        lines.push(format!("              {dependent} goes on with the kept table, not with the view"));
    }
    lines.join("\n")
}

fn found(report: &AdoptionReport) -> Vec<String> {
    let count = |count, what| Line(count, what, None).to_string();
    let finding = |finding, what| of(finding, what);
    vec![
        count(report.rows, "rows"),
        count(report.live, "of them live"),
        count(report.deleted, "of them deleted"),
        count(report.identities_before, "identities, as the original counts: live rows marked primary"),
        finding(&report.chains, "chains: rows whose linkedId names a row that itself links on"),
        finding(&report.orphans, "orphans: rows whose linkedId names no row"),
        finding(&report.self_links, "rows whose linkedId names themselves"),
        finding(&report.contradictions, "rows whose linkPrecedence contradicts their linkedId"),
        finding(
            &report.duplicate_primaries,
            "duplicate primaries: primaries of a person who has an older one",
        ),
        finding(&report.empty_contacts, "empty contacts: rows with neither an e-mail nor a phone"),
        finding(&report.values_in_two_identities, "equal values in two or more identities"),
        count(report.values_canonicalised, "values that canonicalise: spelt in another way from then on"),
        count(report.values_blank, "blank values: none from then on"),
        count(report.values_refused, "values that would be refused today: kept in the log, they own nothing"),
        finding(&report.rows_with_refused, "rows with such a value"),
        finding(
            &report.dated_in_the_future,
            "rows dated in the future: new customers would be dated after them",
        ),
        finding(&report.ids_below_one, "rows with an id below 1, with which the table can't be adopted"),
    ]
}

fn done(report: &AdoptionReport) -> Vec<String> {
    let count = |count, what| Line(count, what, None).to_string();
    let finding = |finding, what| of(finding, what);
    vec![
        count(report.identities_after, "identities"),
        finding(&report.joined, "identities gather two or more of the original's"),
        finding(
            &report.set_apart,
            "rows are set apart: linked, though no value connects them, as a null links strangers (--trust-links keeps them)",
        ),
        finding(
            &report.links_kept,
            "rows stay with the row that they link to though no value connects them: a merge's only trace",
        ),
        finding(&report.relinked, "rows link elsewhere than before"),
        finding(&report.demoted, "primaries become secondary"),
        finding(&report.promoted, "secondaries become primary"),
        finding(
            &report.changed,
            "rows change in what the original shows of them, and their updatedAt with it",
        ),
    ]
}

fn of(finding: &Finding, what: &'static str) -> String {
    Line(finding.count, what, Some(finding)).to_string()
}
