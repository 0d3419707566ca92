//! Our server on PostgreSQL, through HTTP, beside pgbench's single statements on the same cluster.

use std::time::Duration;

use crate::bench::Bench;
use crate::generator::Pace;
use crate::measure::{Meter, Pairs, Round, round};
use crate::postgres::{Cluster, SETTINGS};
use crate::report::{Finding, Goal, number, pairs_table};
use crate::requests::{Choice, Crowd, Singles};
use crate::server::Server;

/// The connections to our server.
const CONNECTIONS: usize = 256;
/// The clients of pgbench.
const CLIENTS: u32 = 32;

const SELECT: &str = "\\set id random(1, :rows)\nSELECT email, phone FROM customer WHERE id = :id;\n";
const INSERT: &str = "\\set number random(1, 1000000000)\n\
    INSERT INTO arrival (email, phone) VALUES (:number || '@example.org', :number + 100000000000);\n";

/// Known beside pgbench's select, new beside its insert.
pub(crate) fn postgres(bench: &mut Bench) -> anyhow::Result<Finding> {
    let Some(cluster) = Cluster::start(bench)? else {
        return Ok(Finding { details: MISSING.to_owned(), ..Finding::default() });
    };
    let contacts = bench.settings.contacts;
    prepare(&cluster, contacts)?;
    let url = cluster.create_database("selfsame")?;
    let folder = bench.scratch()?;
    let server = Server::start(&bench.program, &url, folder.path(), &bench.interrupt)?;
    let filled_per_second = bench.fill(&server.target, 0, contacts)?;
    let mut crowd = Crowd::new(bench.settings.seed, contacts);
    let stored = number(contacts as f64);
    let mut finding = Finding {
        details: format!(
            "{}, with {} besides its defaults; reached by its Unix socket by both. {CONNECTIONS} connections to our server, \
             {CLIENTS} clients of pgbench. Server CPU is ours and PostgreSQL's together. {stored} contacts stored, by batch bodies, at {} a second.\n\n",
            cluster.version()?,
            SETTINGS.map(|setting| format!("`{setting}`")).join(", "),
            number(filled_per_second),
        ),
        ..Finding::default()
    };
    let script = SELECT.replace(":rows", &contacts.to_string());
    let sides = [
        (Choice::Uniform, "known customer", "pgbench select", script.as_str()),
        (Choice::New, "new customer", "pgbench insert", INSERT),
    ];
    for (choice, name, other, script) in sides {
        let mut ours = |duration| singles(bench, &server, &cluster, &mut crowd, choice, duration);
        let mut theirs = |duration| pgbench(&cluster, script, duration);
        let pairs = Pairs::measure(bench, &mut ours, &mut theirs)?;
        let goal_name = format!("PostgreSQL, through HTTP, {name}, {stored} contacts stored");
        finding.goals.push(Goal::ratio(goal_name, 1.0, pairs.ratio(), other));
        let table = pairs_table("requests", &pairs, other);
        finding.details += &format!("**{name}**\n\n{table}");
    }
    Ok(finding)
}

/// What a document says that was made without PostgreSQL.
pub(crate) const MISSING: &str = "PostgreSQL's programs are not installed here, so this was not measured.\n";

/// The tables that pgbench works on, as large as ours.
fn prepare(cluster: &Cluster, rows: u64) -> anyhow::Result<()> {
    cluster.create_database("pgbench")?;
    let sql = format!(
        "CREATE TABLE customer (id bigint PRIMARY KEY, email text NOT NULL, phone text NOT NULL);
         CREATE TABLE arrival (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL, phone text NOT NULL);
         INSERT INTO customer SELECT id, id || '@example.org', id + 100000000000 FROM generate_series(1, {rows}) AS id;"
    );
    cluster.execute("pgbench", &sql)?;
    cluster.execute("pgbench", "VACUUM ANALYZE")
}

fn singles(
    bench: &Bench,
    server: &Server,
    cluster: &Cluster,
    crowd: &mut Crowd,
    choice: Choice,
    duration: Duration,
) -> anyhow::Result<Round> {
    let meter = Meter { processes: vec![server.id()], families: vec![cluster.id()] };
    let mut requests = Singles::new(&server.target, crowd, choice);
    round(bench, (&server.target, &meter), CONNECTIONS, &mut requests, (Pace::Closed, duration))
}

fn pgbench(cluster: &Cluster, script: &str, duration: Duration) -> anyhow::Result<Round> {
    let meter = Meter { processes: Vec::new(), families: vec![cluster.id()] };
    let seconds = Duration::from_secs(duration.as_secs().max(1));
    let (per_second, cpu) = meter.during(|| cluster.pgbench("pgbench", script, CLIENTS, seconds))?;
    let server_cpu_us = cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / (per_second * seconds.as_secs_f64()));
    Ok(Round { per_second, errors: 0, latencies: None, server_cpu_us, generator_cpu_us: None })
}
