//! The original service in memory, faults and all, as ORIGINAL.md describes it. For requests without null.

use selfsame_rules::{OriginalRow, Precedence, Timestamp};

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Original {
    /// The table tells what the request said.
    Recorded,
    /// It answered, but joined nobody and stored nothing of what the request said: a merge through values that
    /// only secondaries bear.
    Forgotten,
    /// 500: a row that it met links to one that is no primary.
    Failed,
}

/// Its table, in order of id.
#[derive(Clone, Debug, Default)]
pub struct OriginalService {
    pub rows: Vec<OriginalRow>,
}

impl OriginalService {
    /// One request at the moment `now`, later than all before; at least one value.
    pub fn identify(&mut self, email: Option<&str>, phone: Option<&str>, now: i64) -> Original {
        let now = Timestamp::from_milliseconds(now);
        let bears =
            |of: Option<&String>, sent: Option<&str>| sent.is_some() && of.map(String::as_str) == sent;
        let matches: Vec<usize> = (0..self.rows.len())
            .filter(|place| {
                let row = &self.rows[*place];
                bears(row.email.as_ref(), email) || bears(row.phone.as_ref(), phone)
            })
            .collect();
        let Some(first) = matches.first() else {
            self.insert(email, phone, None, now);
            return Original::Recorded;
        };
        let is_primary = |id: i64| self.rows.iter().any(|row| row.id == id && row.linked_id.is_none());
        if matches.iter().any(|place| self.rows[*place].linked_id.is_some_and(|id| !is_primary(id))) {
            return Original::Failed;
        }
        let primaries: Vec<usize> =
            matches.iter().copied().filter(|place| self.rows[*place].linked_id.is_none()).collect();
        // A match that is no primary is linked to as if it were one: so chains come about.
        let survivor = primaries.first().unwrap_or(first);
        let survivor = self.rows[*survivor].id;
        for place in primaries.iter().skip(1) {
            let row = &mut self.rows[*place];
            row.linked_id = Some(survivor);
            row.precedence = Precedence::Secondary;
            row.updated_at = now;
        }
        let known_email =
            email.is_none_or(|sent| self.rows.iter().any(|row| row.email.as_deref() == Some(sent)));
        let known_phone =
            phone.is_none_or(|sent| self.rows.iter().any(|row| row.phone.as_deref() == Some(sent)));
        if !(known_email && known_phone) {
            self.insert(email, phone, Some(survivor), now);
        }
        let root = self.root(&self.rows[*first]);
        let forgotten = matches.iter().any(|place| self.root(&self.rows[*place]) != root);
        if forgotten { Original::Forgotten } else { Original::Recorded }
    }

    fn insert(&mut self, email: Option<&str>, phone: Option<&str>, linked_id: Option<i64>, now: Timestamp) {
        self.rows.push(OriginalRow {
            id: i64::try_from(self.rows.len()).expect("a few rows") + 1,
            email: email.map(str::to_owned),
            phone: phone.map(str::to_owned),
            linked_id,
            precedence: if linked_id.is_none() { Precedence::Primary } else { Precedence::Secondary },
            created_at: now,
            updated_at: now,
            deleted_at: None,
        });
    }

    /// Where the links of a row lead in the end.
    fn root(&self, row: &OriginalRow) -> i64 {
        match row.linked_id {
            None => row.id,
            Some(id) => self.root(&self.rows[usize::try_from(id - 1).expect("ids count from 1")]),
        }
    }
}
