//! What every scenario has at hand: sizes, the program, a folder, the empty handler, and filled databases.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::generator::{Generator, Pace};
use crate::interrupt::Interrupt;
use crate::measure::{Meter, Pairs, Round, round};
use crate::outcome::Outcome;
use crate::requests::{Batches, Choice, Crowd, Requests, Singles};
use crate::server::Server;
use crate::target::Target;

/// The connections of a batch load.
pub(crate) const BATCH_CONNECTIONS: usize = 4;
/// How long a fill may take; beyond, the whole could not end within its half hour.
const FILL_LIMIT: Duration = Duration::from_secs(300);

/// How much is measured, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What customers and choices come from.
    pub(crate) seed: u64,
    /// The connections of a load of single requests.
    pub(crate) connections: usize,
    /// Pairs of rounds.
    pub(crate) pairs: usize,
    /// One round.
    pub(crate) round: Duration,
    /// Before the first round of each side.
    pub(crate) warm_up: Duration,
    /// The contacts that are stored, unless a scenario is about size.
    pub(crate) contacts: u64,
    /// The sizes over which growth is shown.
    pub(crate) sizes: Vec<u64>,
    /// How long new customers arrive, and how often that is done.
    pub(crate) burst: Duration,
    /// See `burst`.
    pub(crate) bursts: usize,
    /// How long one stretch of the sustained load is, and how many there are.
    pub(crate) stretch: Duration,
    /// See `stretch`.
    pub(crate) stretches: usize,
    /// Contacts of one identity.
    pub(crate) identity_sizes: Vec<u64>,
    /// Contacts of each of the two identities that are merged.
    pub(crate) merge_contacts: u64,
    /// How often that is done.
    pub(crate) merges: usize,
    /// Observations of a bulk reconciliation.
    pub(crate) bulk_observations: u64,
    /// Orders of a file that is imported.
    pub(crate) import_orders: u64,
    /// How often that is done.
    pub(crate) imports: usize,
}

impl Settings {
    /// All that the document promises.
    pub(crate) fn full(seed: u64) -> Self {
        Self {
            seed,
            connections: 64,
            pairs: 5,
            round: Duration::from_secs(2),
            warm_up: Duration::from_secs(1),
            contacts: 1_000_000,
            sizes: vec![10_000, 100_000, 1_000_000, 10_000_000],
            burst: Duration::from_secs(30),
            bursts: 3,
            stretch: Duration::from_secs(60),
            stretches: 5,
            identity_sizes: vec![1, 10, 100, 1_000, 10_000, 100_000],
            merge_contacts: 100_000,
            merges: 3,
            bulk_observations: 10_000_000,
            import_orders: 1_000_000,
            imports: 3,
        }
    }

    /// The same document in a few minutes, from less of everything.
    pub(crate) fn quick(seed: u64) -> Self {
        Self {
            round: Duration::from_millis(500),
            warm_up: Duration::from_millis(300),
            contacts: 100_000,
            sizes: vec![10_000, 100_000],
            burst: Duration::from_secs(5),
            stretch: Duration::from_secs(5),
            stretches: 3,
            identity_sizes: vec![1, 10, 100, 1_000, 10_000],
            merge_contacts: 5_000,
            bulk_observations: 1_000_000,
            import_orders: 100_000,
            ..Self::full(seed)
        }
    }
}

/// All that scenarios share.
pub(crate) struct Bench {
    /// How much is measured.
    pub(crate) settings: Settings,
    /// The program `selfsame`.
    pub(crate) program: PathBuf,
    /// Whether somebody asked for the end.
    pub(crate) interrupt: Interrupt,
    /// The empty handler.
    pub(crate) empty: Server,
    /// Rivals, by their names.
    pub(crate) rivals: Vec<(String, Target)>,
    /// Whether the known customer's path is profiled.
    pub(crate) profiled: bool,
    /// Databases that nobody writes to, by the contacts that they hold.
    filled: BTreeMap<u64, PathBuf>,
    folder: TempDir,
    begin: Instant,
}

impl Bench {
    /// Makes a folder in `parent` and starts the empty handler.
    pub(crate) fn start(
        settings: Settings,
        program: PathBuf,
        parent: &Path,
        interrupt: Interrupt,
    ) -> anyhow::Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("selfsame-bench-").tempdir_in(parent).with_context(|| {
                format!("can't make a folder in {}\nhint: --folder names another", parent.display())
            })?;
        // PostgreSQL, which refuses to be root, must be able to enter its own folder within.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))
            .context("our folder can't be opened")?;
        let empty = Server::start_empty(folder.path(), &interrupt)?;
        let (filled, begin) = (BTreeMap::new(), Instant::now());
        let (rivals, profiled) = (Vec::new(), false);
        Ok(Self { settings, program, interrupt, empty, rivals, profiled, filled, folder, begin })
    }

    /// Tells on standard error how far this is.
    pub(crate) fn say(&self, text: &str) {
        let seconds = self.begin.elapsed().as_secs();
        eprintln!("{:>3}:{:02}  {text}", seconds / 60, seconds % 60);
    }

    /// The folder of everything.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A new folder, which goes when it is dropped.
    pub(crate) fn scratch(&self) -> anyhow::Result<TempDir> {
        tempfile::tempdir_in(self.path()).context("can't make a folder")
    }

    /// The folder of an embedded database that holds the customers below `contacts`, and no server.
    ///
    /// It is for all: whoever writes takes a copy.
    pub(crate) fn filled(&mut self, contacts: u64) -> anyhow::Result<PathBuf> {
        if let Some(folder) = self.filled.get(&contacts) {
            return Ok(folder.clone());
        }
        let folder = self.path().join(format!("filled-{contacts}"));
        fs::create_dir(&folder).context("can't make a folder")?;
        let server = self.serve(&folder)?;
        self.fill(&server.target, 0, contacts)?;
        server.stop()?;
        self.filled.insert(contacts, folder.clone());
        Ok(folder)
    }

    /// A copy of [`Bench::filled`] to write to.
    pub(crate) fn copy_of_filled(&mut self, contacts: u64) -> anyhow::Result<TempDir> {
        let from = self.filled(contacts)?;
        let copy = self.scratch()?;
        for entry in fs::read_dir(&from).context("the filled database can't be read")? {
            let entry = entry.context("the filled database can't be read")?;
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                fs::copy(entry.path(), copy.path().join(entry.file_name())).context("it can't be copied")?;
            }
        }
        Ok(copy)
    }

    /// Starts a server on the embedded database of a folder.
    pub(crate) fn serve(&self, folder: &Path) -> anyhow::Result<Server> {
        Server::start(&self.program, "sqlite:selfsame.db", folder, &self.interrupt)
    }

    /// Starts one that asks everybody for a key.
    pub(crate) fn serve_with_key(&self, folder: &Path) -> anyhow::Result<Server> {
        Server::start_with_key(&self.program, "sqlite:selfsame.db", folder, &self.interrupt)
    }

    /// Stores the customers from number `from` up to `until` by the batch route; records a second.
    pub(crate) fn fill(&self, target: &Target, from: u64, until: u64) -> anyhow::Result<f64> {
        let mut crowd = Crowd::new(self.settings.seed, from).until(until);
        let mut batches = Batches::new(target, &mut crowd, Choice::New);
        let outcome = self.run_out(target, BATCH_CONNECTIONS, &mut batches)?;
        let per_second = outcome.records_per_second();
        self.say(&format!("  stored {} contacts, {per_second:.0} a second", until - from));
        Ok(per_second)
    }

    /// Sends requests until there are no more.
    pub(crate) fn run_out(
        &self,
        target: &Target,
        connections: usize,
        requests: &mut dyn Requests,
    ) -> anyhow::Result<Outcome> {
        let generator = Generator::new(target, connections, &self.interrupt);
        let outcome = generator.run(requests, Pace::Closed, FILL_LIMIT)?;
        outcome.must_be_right()?;
        if !outcome.exhausted {
            bail!("{} records were not stored within {} seconds", outcome.records, FILL_LIMIT.as_secs());
        }
        Ok(outcome)
    }

    /// A closed loop of single requests to a server, metered.
    pub(crate) fn singles(
        &self,
        server: &Server,
        crowd: &mut Crowd,
        choice: Choice,
        duration: Duration,
    ) -> anyhow::Result<Round> {
        let meter = Meter::of(server.id());
        let mut requests = Singles::new(&server.target, crowd, choice);
        let side = (&server.target, &meter);
        round(self, side, self.settings.connections, &mut requests, (Pace::Closed, duration))
    }

    /// The same of the empty handler, which doesn't mind who is asked for.
    pub(crate) fn empty_singles(&self, duration: Duration) -> anyhow::Result<Round> {
        let mut crowd = Crowd::new(self.settings.seed, self.settings.contacts);
        self.singles(&self.empty, &mut crowd, Choice::Uniform, duration)
    }

    /// Single requests to a server and to the empty handler, in turn.
    pub(crate) fn beside_empty(
        &self,
        server: &Server,
        crowd: &mut Crowd,
        choice: Choice,
    ) -> anyhow::Result<Pairs> {
        let mut ours = |duration| self.singles(server, crowd, choice, duration);
        Pairs::measure(self, &mut ours, &mut |duration| self.empty_singles(duration))
    }
}
