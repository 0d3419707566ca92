//! The power is cut at any moment of a server's life: nothing acknowledged before is lost.
//!
//! The server runs once, under `strace`; the disk that each cut leaves behind is then rebuilt from the trace.

use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use selfsame_service::check::check;
use selfsame_store::{Migrations, Store, WorkspaceKey};
use selfsame_store_sqlite::SqliteStore;
use support::acknowledged::{Answer, Found, Loss};
use support::disk::power_cut::rebuild;
use support::disk::trace::{Call, Trace, strace_arguments, strace_arguments_without_syncs};
use support::fill::fill;
use support::http_answers::complete_answers;
use support::load::Load;
use support::process::{ServerProcess, clean, program};
use support::random::Random;
use support::server::open_sqlite;
use support::size::{Size, proved};
use tempfile::TempDir;

const DATABASE: &str = "selfsame.db";

/// A run of a server: the folder before it, and what it did.
struct Run {
    initial: TempDir,
    trace: Trace,
}

impl Run {
    /// Records a server under load on a new database, or on one that has so many people.
    ///
    /// `strace_arguments`: from the trace's path. `server`: its program and arguments, run in the folder.
    async fn record(
        strace_arguments: fn(&Path) -> Vec<OsString>,
        server: Vec<OsString>,
        people: u64,
        load: Load,
        random: &mut Random,
    ) -> Self {
        let [initial, folder, aside] = [(); 3].map(|()| tempfile::tempdir().expect("there is room"));
        if people > 0 {
            let store = open_sqlite(&initial.path().join(DATABASE));
            fill(store.as_ref(), people).await;
            store.close().await.expect("nobody else has it open");
            std::fs::copy(initial.path().join(DATABASE), folder.path().join(DATABASE))
                .expect("there is room");
        }
        let output = aside.path().join("trace");
        let mut command = Command::new("strace");
        clean(&mut command, folder.path());
        command.args(strace_arguments(&output)).args(server);
        let mut server = ServerProcess::spawn(command).unwrap_or_else(|said| panic!("no greeting: {said}"));
        let answers = load.run(&server, random).await;
        server.wait();
        let trace = Trace::read(&output, folder.path()).unwrap_or_else(|error| panic!("{error}"));
        let run = Self { initial, trace };
        // What clients got must be found in the trace, or else the judge would know of too little.
        assert!(run.acknowledged(run.trace.moments).len() >= answers.len(), "the trace lacks answers");
        run
    }

    /// The folder after a cut at `at`, one of those that could be found.
    fn cut(&self, at: usize, seed: u64) -> TempDir {
        let folder = tempfile::tempdir().expect("there is room for a temporary folder");
        rebuild(self.initial.path(), &self.trace, at, seed, folder.path())
            .unwrap_or_else(|error| panic!("{error}"));
        folder
    }

    /// What clients may have been answered before a cut at `at`.
    fn acknowledged(&self, at: usize) -> Vec<Answer> {
        let sent = self.trace.acknowledged(at).into_iter();
        let sockets = sent.filter(|(connection, _)| connection.starts_with("socket:"));
        sockets.flat_map(|(_, bytes)| complete_answers(&bytes)).collect()
    }

    /// How often the server copied its log into the database file.
    fn checkpoints(&self) -> usize {
        let syncs = self
            .trace
            .calls
            .iter()
            .filter(|traced| matches!(&traced.call, Call::Sync { file } if file.name == DATABASE));
        syncs.count()
    }

    /// A moment at which the power can be cut: any one, or just after an answer started on its way, which is
    /// when the least time was left to make it durable.
    fn moment(&self, random: &mut Random) -> usize {
        let sent: Vec<usize> = if random.once_in(2) {
            let sent = self.trace.calls.iter().filter(|traced| matches!(traced.call, Call::Sent { .. }));
            sent.map(|traced| traced.started + 1).collect()
        } else {
            (0..=self.trace.moments).collect()
        };
        sent[usize::try_from(random.below(sent.len() as u64)).expect("it is below a length")]
    }

    /// Cuts the power again and again.
    async fn cut_often(&self, cuts: u64, random: &mut Random) -> Verdict {
        let mut verdict = Verdict::default();
        for _ in 0..cuts {
            let (at, seed) = (self.moment(random), random.number());
            let answers = self.acknowledged(at);
            verdict.answers_judged += answers.len();
            if let Err(fault) = judge(self.cut(at, seed).path(), &answers).await {
                println!("cut at {at} of {} with seed {seed}: {fault}", self.trace.moments);
                verdict.faults.push(fault);
            }
        }
        verdict
    }

    /// The same with the program itself, which must start and answer everybody.
    async fn cut_and_restart(&self, cuts: u64, random: &mut Random) {
        for _ in 0..cuts {
            let at = self.moment(random);
            let (folder, answers) = (self.cut(at, random.number()), self.acknowledged(at));
            let server = ServerProcess::start(folder.path());
            assert_eq!(Found::by_export(folder.path()).losses(&answers), BTreeSet::new());
            let found = Found::by_asking(server.address, &answers).await;
            assert_eq!(found.losses(&answers), BTreeSet::new());
        }
    }
}

/// What many cuts showed.
#[derive(Default)]
struct Verdict {
    /// One for each cut after which something was wrong.
    faults: Vec<Fault>,
    /// Answers acknowledged before a cut, summed over the cuts.
    answers_judged: usize,
}

/// The command line of the server itself.
fn selfsame() -> Vec<OsString> {
    [program().into_os_string(), "serve".into(), "--port".into(), "0".into()].into()
}

/// What is wrong with the folder that a cut left behind.
enum Fault {
    /// It can't be opened, can't be read or breaks a law.
    Damaged(String),
    Lost(BTreeSet<Loss>),
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(reason) => write!(formatter, "damaged: {reason}"),
            Self::Lost(losses) => {
                write!(formatter, "{} losses, the first of them {:?}", losses.len(), losses.first())
            }
        }
    }
}

/// Opens what a cut left behind as a server does, and says what is wrong with it.
async fn judge(folder: &Path, answers: &[Answer]) -> Result<(), Fault> {
    let damaged = |error: &dyn Error| Fault::Damaged(error.to_string());
    let store =
        SqliteStore::open(&folder.join(DATABASE), Migrations::Apply).map_err(|error| damaged(&error))?;
    let report = check(&store, WorkspaceKey::DEFAULT).await.map_err(|error| damaged(&error))?;
    if report.faults_count > 0 {
        return Err(Fault::Damaged(report.faults.join("; ")));
    }
    let losses = Found::by_scan(&store).await.losses(answers);
    store.close().await.map_err(|error| damaged(&error))?;
    if losses.is_empty() { Ok(()) } else { Err(Fault::Lost(losses)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_power_fails_under_a_new_database() {
    let mut random = Random::of_this_run();
    let (cuts, restarts, answers_until_end) = Size::of_this_run().pick((30, 2, 200), (500, 10, 1_000));
    let load = Load { clients: 16, people: 0..200, answers_until_end, end: Signal::KILL, name: 1 };
    let run = Run::record(strace_arguments, selfsame(), 0, load, &mut random).await;
    let Verdict { faults, answers_judged } = run.cut_often(cuts, &mut random).await;
    assert!(faults.is_empty() && answers_judged > 0, "{} cuts did harm", faults.len());
    run.cut_and_restart(restarts, &mut random).await;
    proved(&format!(
        "power cut, new database: {cuts} cuts among {} moments, {answers_judged} answers judged, 0 lost",
        run.trace.moments
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_power_fails_around_a_checkpoint() {
    let mut random = Random::of_this_run();
    let (cuts, restarts, answers_until_end) = Size::of_this_run().pick((30, 2, 400), (500, 10, 10_000));
    // So many that each commit changes many pages, and the log soon has those that start a checkpoint.
    let people = 5_000;
    let load = Load { clients: 32, people: 0..people, answers_until_end, end: Signal::TERM, name: 1 };
    let run = Run::record(strace_arguments, selfsame(), people, load, &mut random).await;
    let checkpoints = run.checkpoints();
    // The end makes one as well.
    let checkpoints_min = Size::of_this_run().pick(1, 3);
    assert!(checkpoints >= checkpoints_min, "there were only {checkpoints} checkpoints");
    let Verdict { faults, answers_judged } = run.cut_often(cuts, &mut random).await;
    assert!(faults.is_empty() && answers_judged > 0, "{} cuts did harm", faults.len());
    run.cut_and_restart(restarts, &mut random).await;
    proved(&format!(
        "power cut, checkpoints ({checkpoints}): {cuts} cuts among {} moments, {answers_judged} answers judged, 0 lost",
        run.trace.moments
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_only_pretends_to_sync_is_caught_by_a_power_cut() {
    let faults = cut_faulty(strace_arguments_without_syncs, selfsame()).await.len();
    assert!(faults > 0, "20 cuts did no harm to a disk that never synced");
    proved(&format!("power cut: a disk that only pretends to sync is caught, {faults} of 20 cuts"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_before_it_commits_is_caught_by_a_power_cut() {
    let server = [env!("CARGO_BIN_EXE_faulty-server"), "AnsweredBeforeCommit"];
    let faults = cut_faulty(strace_arguments, server.map(OsString::from).into()).await;
    // Not only contacts that are apart: this server also answers ids that it then gives to others.
    let lost = |fault: &&Fault| matches!(fault, Fault::Lost(losses) if losses.iter().any(|loss| matches!(loss, Loss::Value(_))));
    let losses = faults.iter().filter(lost).count();
    assert!(losses > 0, "20 cuts took nothing from a server that answers before it commits");
    proved(&format!("power cut: answers before the commit are caught, {losses} of 20 cuts"));
}

/// What 20 cuts did to a server under load with something wrong about it.
async fn cut_faulty(strace_arguments: fn(&Path) -> Vec<OsString>, server: Vec<OsString>) -> Vec<Fault> {
    let mut random = Random::of_this_run();
    let load = Load { clients: 16, people: 0..200, answers_until_end: 200, end: Signal::KILL, name: 1 };
    let run = Run::record(strace_arguments, server, 0, load, &mut random).await;
    run.cut_often(20, &mut random).await.faults
}
