//! Files of orders, from the generator of the tests: as an import takes them, and as the edges that other engines read.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use selfsame_bulk::{RowReader, Settings};
use selfsame_rules::{Actor, Identifier, IdentifierKind, Observation, Policy};

use crate::orders::Orders;
use crate::random::Random;
use crate::requests::{Kind, Requests, Sent};
use crate::target::Target;

/// A file of orders that lies on the disk.
#[derive(Clone, Debug)]
pub(crate) struct OrdersFile {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// How many orders are in it.
    pub(crate) orders: u64,
}

impl OrdersFile {
    /// Writes `orders` orders of the customers that a shop has after `orders_ever`, chosen by `seed`.
    pub(crate) fn write(path: PathBuf, seed: u64, orders: u64, orders_ever: u64) -> anyhow::Result<Self> {
        let file = Orders::new(Random::seeded(seed), orders_ever).file(orders);
        fs::write(&path, file).context("a file of orders can't be written")?;
        Ok(Self { path, orders })
    }

    /// What the rows say that an import takes, in their order.
    pub(crate) fn rows(&self) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Observation>> + use<>> {
        let file = File::open(&self.path).context("a file of orders can't be read")?;
        let policy = Policy::default();
        let settings = Settings::new(&policy, |_, _| None, Actor::named("bench"));
        let rows = RowReader::open(file, settings).context("a file of orders has no columns")?;
        Ok(rows.filter_map(|row| match row {
            Ok(row) => row.outcome.ok().map(Ok),
            Err(error) => Some(Err(anyhow::Error::from(error).context("a file of orders can't be read"))),
        }))
    }

    /// Writes the values that each of those rows bears, for an engine that only connects them: CSV without a header, an e-mail
    /// address and a phone number in canonical spelling, one of them blank perhaps.
    pub(crate) fn write_edges(&self, path: &Path) -> anyhow::Result<()> {
        let mut file = BufWriter::new(File::create(path).context("the edges can't be written")?);
        for row in self.rows()? {
            let row = row?;
            let value = |kind: &IdentifierKind| {
                let found = row.identifiers().find(|identifier| identifier.kind() == kind);
                found.map(Identifier::value).unwrap_or_default()
            };
            writeln!(file, "{},{}", value(&IdentifierKind::Email), value(&IdentifierKind::Phone))
                .context("the edges can't be written")?;
        }
        file.flush().context("the edges can't be written")
    }
}

/// The rows of a file as the original's clients would send them: `POST /identify`, a request a row.
pub(crate) struct RowByRow<Rows> {
    target: Target,
    rows: Rows,
}

impl<Rows: Iterator<Item = anyhow::Result<Observation>>> RowByRow<Rows> {
    /// Requests to `target`.
    pub(crate) fn new(target: &Target, rows: Rows) -> Self {
        Self { target: target.clone(), rows }
    }
}

impl<Rows: Iterator<Item = anyhow::Result<Observation>>> Requests for RowByRow<Rows> {
    fn write(&mut self, buffer: &mut Vec<u8>) -> Option<Sent> {
        let row = self.rows.next()?.expect("the file was read to its end before");
        let mut body = Vec::from(b"{");
        for seen in row.seen() {
            let member = match seen.identifier().kind() {
                IdentifierKind::Email => "email",
                IdentifierKind::Phone => "phoneNumber",
                IdentifierKind::Declared(_) => unreachable!("the default policy declares none"),
            };
            let comma = if body.len() > 1 { "," } else { "" };
            let text = serde_json::to_string(seen.sent()).expect("a text is JSON");
            write!(body, "{comma}\"{member}\":{text}").expect("memory takes everything");
        }
        body.push(b'}');
        buffer.clear();
        buffer.extend_from_slice(&self.target.post("/identify", "application/json", &body));
        Some(Sent { kind: Kind::New, records: 1 })
    }
}
