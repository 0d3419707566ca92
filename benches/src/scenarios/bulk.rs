//! Bulk reconciliation in memory: many observations on one core, and what they cost in memory.

use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use rustix::time::{ClockId, clock_gettime};
use selfsame_rules::{Head, IdentifierKind, IdentityIndex, Timestamp};

use crate::bench::Bench;
use crate::data::{Customers, EMAIL_LENGTH_BYTES, PHONE_LENGTH_BYTES, Random};
use crate::process::memory_bytes;
use crate::report::{Finding, Goal, number, spread};
use crate::statistics::Spread;

/// How many observations are made ready at once; that is not measured.
const READY_AT_ONCE: u64 = 65_536;
/// Customers for each hundred observations: most order more than once.
const CUSTOMERS_PERCENT: u64 = 40;
/// Of so many observations one bears the phone of another customer, of the same household.
const HOUSEHOLD_EVERY: u64 = 50;
/// The goals of the issue that asked for speed.
const LEAST_PER_SECOND: f64 = 1_500_000.0;
const MOST_BYTES: f64 = 100.0;

/// Reconciles in a process of its own, whose memory is nothing else's; as often as there are pairs of rounds.
pub(crate) fn bulk(bench: &mut Bench) -> anyhow::Result<Finding> {
    let observations = bench.settings.bulk_observations;
    let (mut rates, mut bytes, mut contacts) = (Vec::new(), Vec::new(), 0.0);
    for round in 0..bench.settings.pairs {
        bench.interrupt.check()?;
        let seed = bench.settings.seed + round as u64;
        let numbers = in_its_own_process(observations, seed)?;
        let [per_second, bytes_each, made] = numbers[..] else { bail!("a round printed something else") };
        rates.push(per_second);
        bytes.push(bytes_each);
        contacts = made;
    }
    let (rate, bytes) = (Spread::of(&rates), Spread::of(&bytes));
    let name = format!("bulk reconciliation in memory, {} observations", number(observations as f64));
    let goals = vec![
        Goal {
            name: format!("{name}, speed"),
            goal: format!("at least {} a second of a core", number(LEAST_PER_SECOND)),
            measured: spread(rate, 0),
            met: rate.median >= LEAST_PER_SECOND,
        },
        Goal {
            name: format!("{name}, memory"),
            goal: format!("at most {MOST_BYTES:.0} bytes an observation"),
            measured: spread(bytes, 0),
            met: bytes.median <= MOST_BYTES,
        },
    ];
    let details = format!(
        "Orders of {CUSTOMERS_PERCENT} customers for each hundred, one order in {HOUSEHOLD_EVERY} with the phone of another \
         customer; each has an e-mail address of {EMAIL_LENGTH_BYTES} bytes and a phone of {PHONE_LENGTH_BYTES} digits, in canonical \
         spelling. Decided one after the other, as if each came alone: {} contacts. Processor time of the one thread that \
         does it; memory as the system sees it at the end.\n\n",
        number(contacts)
    );
    Ok(Finding { goals, details, ..Finding::default() })
}

fn in_its_own_process(observations: u64, seed: u64) -> anyhow::Result<Vec<f64>> {
    let own = std::env::current_exe().context("this program's own path is not known")?;
    let arguments = [crate::RECONCILE.to_owned(), observations.to_string(), seed.to_string()];
    let output = Command::new(own).args(arguments).stderr(Stdio::inherit()).output();
    let output = output.context("this program can't be started again")?;
    if !output.status.success() {
        bail!("a round of the reconciliation failed");
    }
    let text = String::from_utf8(output.stdout).context("a round printed something else")?;
    text.split_whitespace().map(|number| number.parse().context("a round printed something else")).collect()
}

/// One round; prints observations a second, bytes an observation, and contacts.
pub(crate) fn reconcile(observations: u64, seed: u64) -> anyhow::Result<()> {
    let (email, phone) = (IdentifierKind::Email, IdentifierKind::Phone);
    let (customers, mut random) = (Customers::of(seed), Random::of(seed));
    let count = (observations * CUSTOMERS_PERCENT / 100).max(1);
    let mut index = IdentityIndex::new(Head::EMPTY, seed);
    let (before, _) = memory_bytes(std::process::id())?;
    let (mut seconds, mut done) = (0.0, 0);
    while done < observations {
        let ready = READY_AT_ONCE.min(observations - done);
        let texts: Vec<_> = (0..ready)
            .map(|_| {
                let customer = random.below(count);
                let household = random.below(HOUSEHOLD_EVERY) == 0;
                let other = if household { random.below(count) } else { customer };
                (customers.email(customer), customers.phone(other))
            })
            .collect();
        let seen: Vec<[(&IdentifierKind, &str); 2]> = texts
            .iter()
            .map(|(address, digits)| {
                Ok([(&email, std::str::from_utf8(address)?), (&phone, std::str::from_utf8(digits)?)])
            })
            .collect::<anyhow::Result<_>>()?;
        let at = Timestamp::from_milliseconds(i64::try_from(done).unwrap_or(i64::MAX));
        let begin = thread_seconds();
        index.reconcile(&seen, at, |_, _| {})?;
        seconds += thread_seconds() - begin;
        done += ready;
    }
    let (after, _) = memory_bytes(std::process::id())?;
    let bytes = after.saturating_sub(before);
    println!("{} {} {}", observations as f64 / seconds, bytes as f64 / observations as f64, index.len());
    Ok(())
}

/// The processor time that this thread has used.
fn thread_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
