//! `selfsame import` of a file of orders: its whole time and memory, into an empty database and into one that holds a million contacts.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::bench::Bench;
use crate::generator::{Generator, Pace};
use crate::orders_file::{OrdersFile, RowByRow};
use crate::postgres::Cluster;
use crate::process::{Guarded, memory_bytes};
use crate::report::{Finding, Goal, number, spread};
use crate::scenarios::components;
use crate::scenarios::postgres::MISSING;
use crate::server::{Server, command};
use crate::statistics::Spread;

/// What an import into an empty database must reach, in rows a second; into a full one, half.
const EMBEDDED_PER_SECOND: f64 = 100_000.0;
/// The same on PostgreSQL.
const POSTGRES_PER_SECOND: f64 = 80_000.0;
/// The memory that it may use, and for each row.
const MEMORY_BYTES: f64 = 200e6;
const MEMORY_BYTES_A_ROW: f64 = 100.0;
/// So many orders leave two contacts.
const ORDERS_FOR_TWO_CONTACTS: u64 = 5;
/// How often the memory of the command is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long an import may take.
const LIMIT: Duration = Duration::from_secs(600);
/// The name of the database that others are copied from.
const FULL: &str = "filled";

/// What an import came to.
struct Imported {
    per_second: f64,
    memory_bytes: u64,
    contacts: u64,
    identities: u64,
}

/// The files of a run.
struct Files {
    /// What is imported into an empty database.
    first: OrdersFile,
    /// What a database is filled with.
    base: OrdersFile,
    /// What is imported into that: of its customers, and of as many others.
    second: OrdersFile,
}

/// Where an import goes: both stores can be made empty and be copied.
trait Place {
    /// The URL of an empty database, for `--database-url`.
    fn empty(&mut self, bench: &Bench) -> anyhow::Result<String>;
    /// The one that `empty` gave last is what `copy` copies from now on.
    fn keep(&mut self) -> anyhow::Result<()>;
    /// The URL of a copy.
    fn copy(&mut self) -> anyhow::Result<String>;
}

/// Files of SQLite's, in a folder.
struct Embedded<'folder>(&'folder Path);

/// Databases of a cluster.
struct Databases<'cluster>(&'cluster Cluster);

/// On the embedded store, then on PostgreSQL; and what others do with the same file.
pub(crate) fn import(bench: &mut Bench) -> anyhow::Result<Finding> {
    let folder = bench.scratch()?;
    let (seed, orders, contacts) =
        (bench.settings.seed, bench.settings.import_orders, bench.settings.contacts);
    let base = contacts * ORDERS_FOR_TWO_CONTACTS / 2;
    let file = |name: &str| folder.path().join(name);
    let files = Files {
        first: OrdersFile::write(file("first.csv"), seed, orders, orders)?,
        base: OrdersFile::write(file("base.csv"), seed + 1, base, base)?,
        second: OrdersFile::write(file("second.csv"), seed + 2, orders, 2 * base)?,
    };
    let mut finding = Finding { details: introduction(bench), ..Finding::default() };
    finding.details +=
        "| | rows a second | memory, MB | contacts before | and after |\n| --- | --- | --- | --- | --- |\n";
    let identities =
        on_a_store(bench, "SQLite", EMBEDDED_PER_SECOND, &mut Embedded(folder.path()), &files, &mut finding)?;
    let cluster = Cluster::start(bench)?;
    if let Some(cluster) = &cluster {
        let mut databases = Databases(cluster);
        on_a_store(bench, "PostgreSQL", POSTGRES_PER_SECOND, &mut databases, &files, &mut finding)?;
    }
    finding.details += "\n**The same file, otherwise**\n\n";
    let one = row_by_row(bench, "sqlite:one-by-one.db", folder.path(), &files.first)?;
    finding.details +=
        &format!("- A request a row, as the original takes it, on one connection: SQLite {one}");
    if let Some(cluster) = &cluster {
        let one = row_by_row(bench, &cluster.create_database("one_by_one")?, folder.path(), &files.first)?;
        finding.details += &format!(", PostgreSQL {one}");
    }
    finding.details += " rows a second.\n";
    if cluster.is_none() {
        finding.details += &format!("- {MISSING}");
    }
    finding.details += &components::beside(bench, folder.path(), &files.first, identities)?;
    Ok(finding)
}

/// Imports into empty databases and into full ones; how many identities the first file has.
fn on_a_store(
    bench: &Bench,
    store: &str,
    least: f64,
    place: &mut dyn Place,
    files: &Files,
    finding: &mut Finding,
) -> anyhow::Result<u64> {
    let rounds = bench.settings.imports;
    let empty: Vec<Imported> =
        (0..rounds).map(|_| run(bench, &place.empty(bench)?, &files.first)).collect::<Result<_, _>>()?;
    tell(finding, &format!("an empty {store} database"), least, 0, &files.first, &empty);
    let before = run(bench, &place.empty(bench)?, &files.base)?.contacts;
    place.keep()?;
    let full: Vec<Imported> =
        (0..rounds).map(|_| run(bench, &place.copy()?, &files.second)).collect::<Result<_, _>>()?;
    tell(finding, &format!("a full {store} database"), least / 2.0, before, &files.second, &full);
    Ok(empty[0].identities)
}

/// Adds the goals and the row of some imports.
fn tell(
    finding: &mut Finding,
    place: &str,
    least: f64,
    contacts_before: u64,
    file: &OrdersFile,
    imports: &[Imported],
) {
    let rates: Vec<f64> = imports.iter().map(|import| import.per_second).collect();
    let memory: Vec<f64> = imports.iter().map(|import| import.memory_bytes as f64 / 1e6).collect();
    let (rate, memory) = (Spread::of(&rates), Spread::of(&memory));
    let most = (MEMORY_BYTES + MEMORY_BYTES_A_ROW * file.orders as f64) / 1e6;
    let name = format!("import of {} orders into {place}", number(file.orders as f64));
    finding.goals.push(Goal {
        name: format!("{name}, speed"),
        goal: format!("at least {} rows a second", number(least)),
        measured: spread(rate, 0),
        met: rate.median >= least,
    });
    finding.goals.push(Goal {
        name: format!("{name}, memory"),
        goal: format!("at most {} MB", number(most)),
        measured: format!("{} MB", spread(memory, 0)),
        met: memory.most <= most,
    });
    let contacts = imports.first().map_or(0, |import| import.contacts);
    finding.details += &format!(
        "| {place} | {} | {} | {} | {} |\n",
        spread(rate, 0),
        spread(memory, 0),
        number(contacts_before as f64),
        number((contacts_before + contacts) as f64)
    );
}

/// Imports a file with the command, and waits for its end.
fn run(bench: &Bench, url: &str, file: &OrdersFile) -> anyhow::Result<Imported> {
    let told = bench.path().join("imported");
    let output = File::create(&told).context("what an import tells can't be kept")?;
    let mut import = command(&bench.program, bench.path());
    import.args(["import", "--json", "--database-url", url]).arg(&file.path);
    import.stdin(Stdio::null()).stdout(output).stderr(Stdio::inherit());
    let begin = Instant::now();
    let mut process = Guarded::spawn(&mut import)?;
    let (id, mut most) = (process.id(), 0);
    let status = bench.interrupt.wait_for("the end of an import", LOOK_EVERY, LIMIT, || {
        // Once it has ended, nothing is there to be read.
        most = memory_bytes(id).map_or(most, |(_, highest)| highest.max(most));
        process.ended()
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    let told = fs::read_to_string(&told).context("what an import tells can't be read")?;
    let last = told.lines().next_back().unwrap_or_default();
    let summary = serde_json::from_str::<Value>(last).unwrap_or_default()["summary"].take();
    let count = |name: &str| summary[name].as_u64();
    let (Some(contacts), Some(identities), true) = (count("contacts"), count("identities"), status.success())
    else {
        bail!("an import failed with {status}: {last}");
    };
    let per_second = file.orders as f64 / seconds;
    bench.say(&format!("  imported {} orders, {per_second:.0} a second", file.orders));
    Ok(Imported { per_second, memory_bytes: most, contacts, identities })
}

/// How many rows a second are stored one after the other.
fn row_by_row(bench: &Bench, url: &str, folder: &Path, file: &OrdersFile) -> anyhow::Result<String> {
    let server = Server::start(&bench.program, url, folder, &bench.interrupt)?;
    let mut requests = RowByRow::new(&server.target, file.rows()?);
    let generator = Generator::new(&server.target, 1, &bench.interrupt);
    let outcome = generator.run(&mut requests, Pace::Closed, bench.settings.burst)?;
    outcome.must_be_right()?;
    Ok(number(outcome.records_per_second()))
}

fn introduction(bench: &Bench) -> String {
    format!(
        "`selfsame import orders.csv`, the whole command, from its start to its end, when all is durable: {} orders, of which each has an order's number, \
         a time, an address, a phone number, a name, a city and a total. Three of ten are of customers who come again and again, households share phones, \
         addresses are mistyped, a few values are everybody's, some rows can't be used. The file of an empty database is sorted by its times, which it is \
         accepted as of. A full one was filled by such a file; half of the customers of the next are in it. {} imports of each; the memory is the most \
         that the command held.\n\n",
        number(bench.settings.import_orders as f64),
        bench.settings.imports,
    )
}

impl Place for Embedded<'_> {
    fn empty(&mut self, _: &Bench) -> anyhow::Result<String> {
        self.replace("imported.db", None)
    }

    fn keep(&mut self) -> anyhow::Result<()> {
        fs::rename(self.0.join("imported.db"), self.0.join(FULL)).context("a database can't be renamed")
    }

    fn copy(&mut self) -> anyhow::Result<String> {
        self.replace("imported.db", Some(FULL))
    }
}

impl Embedded<'_> {
    /// Puts a copy, or nothing, where a database was.
    fn replace(&self, name: &str, from: Option<&str>) -> anyhow::Result<String> {
        let path = self.0.join(name);
        for suffix in ["", "-wal", "-shm"] {
            let file = self.0.join(format!("{name}{suffix}"));
            if file.exists() {
                fs::remove_file(file).context("an old database can't be removed")?;
            }
        }
        if let Some(from) = from {
            fs::copy(self.0.join(from), &path).context("a database can't be copied")?;
        }
        Ok(format!("sqlite:{}", path.display()))
    }
}

impl Place for Databases<'_> {
    fn empty(&mut self, bench: &Bench) -> anyhow::Result<String> {
        self.0.execute("postgres", "DROP DATABASE IF EXISTS imported")?;
        let url = self.0.create_database("imported")?;
        let mut migrate = command(&bench.program, bench.path());
        migrate.args(["migrate", "--database-url", &url]).stdout(Stdio::null());
        let status = Guarded::spawn(&mut migrate)?.wait(&bench.interrupt, LIMIT)?;
        if !status.success() {
            bail!("a database could not be migrated");
        }
        Ok(url)
    }

    fn keep(&mut self) -> anyhow::Result<()> {
        self.0.execute("postgres", &format!("ALTER DATABASE imported RENAME TO {FULL}"))?;
        // What is left to be tidied and written back is not the next import's.
        self.0.execute(FULL, "VACUUM ANALYZE")?;
        self.0.execute(FULL, "CHECKPOINT")
    }

    fn copy(&mut self) -> anyhow::Result<String> {
        self.0.execute("postgres", "DROP DATABASE IF EXISTS imported")?;
        let url = self.0.copy_database("imported", FULL)?;
        self.0.execute("postgres", "CHECKPOINT")?;
        Ok(url)
    }
}
