//! Latency of single requests at half of what the server can do, in an open loop.

use crate::bench::Bench;
use crate::generator::Pace;
use crate::measure::{Meter, Round, latencies, round};
use crate::report::{Finding, Goal, milliseconds, number, rounds_table};
use crate::requests::{Choice, Crowd, Singles};
use crate::server::Server;
use crate::statistics::Spread;

/// What the 99th percentile must stay under.
const P99_MICROSECONDS_MAX: f64 = 5_000.0;

/// Known and new, each at half of its own peak; the empty handler at the same rate beside it.
pub(crate) fn latency(bench: &mut Bench) -> anyhow::Result<Finding> {
    let contacts = bench.settings.contacts;
    let folder = bench.copy_of_filled(contacts)?;
    let server = bench.serve(folder.path())?;
    let mut crowd = Crowd::new(bench.settings.seed, contacts);
    let mut finding = Finding::default();
    for (choice, name) in [(Choice::Uniform, "known"), (Choice::New, "new")] {
        bench.singles(&server, &mut crowd, choice, bench.settings.warm_up)?;
        let peak = bench.singles(&server, &mut crowd, choice, bench.settings.round)?.per_second;
        let pace = Pace::Open { per_second: peak / 2.0 };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..bench.settings.pairs {
            ours.push(open(bench, &server, &mut crowd, choice, pace)?);
            let mut any = Crowd::new(bench.settings.seed, contacts);
            theirs.push(open(bench, &bench.empty, &mut any, Choice::Uniform, pace)?);
        }
        let p99s: Vec<f64> = ours.iter().map(p99).collect();
        let of_rounds = Spread::of(&p99s);
        let all = latencies(&ours).map_or(0, |all| all.value_at_quantile(0.99));
        finding.goals.push(Goal {
            name: format!(
                "p99 at half of the peak, {name} customer, {} contacts stored",
                number(contacts as f64)
            ),
            goal: "under 5 ms".to_owned(),
            measured: format!(
                "{:.2} ms ({:.2} to {:.2}); of all rounds together {}",
                of_rounds.median / 1e3,
                of_rounds.least / 1e3,
                of_rounds.most / 1e3,
                milliseconds(all)
            ),
            met: of_rounds.median < P99_MICROSECONDS_MAX,
        });
        let table = rounds_table("requests", &[("selfsame", &ours), ("empty handler", &theirs)]);
        finding.details += &format!(
            "**{name}**: the peak was {} requests a second, so {} were due each second; latency counts from then.\n\n{table}\n",
            number(peak),
            number(peak / 2.0),
        );
    }
    Ok(finding)
}

fn open(
    bench: &Bench,
    server: &Server,
    crowd: &mut Crowd,
    choice: Choice,
    pace: Pace,
) -> anyhow::Result<Round> {
    let mut requests = Singles::new(&server.target, crowd, choice);
    let side = (&server.target, &Meter::of(server.id()));
    round(bench, side, bench.settings.connections, &mut requests, (pace, bench.settings.round))
}

fn p99(round: &Round) -> f64 {
    round.latencies.as_ref().map_or(0.0, |latencies| latencies.value_at_quantile(0.99) as f64)
}
