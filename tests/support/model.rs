//! A reference model of `identify`: the rules of SEMANTICS as plain loops over one flat list of rows.
//!
//! It exists to be obviously right by reading, so that the product can be compared with it. It shares no
//! code with the product. Not here, on purpose: parsing (values come in canonical), policy, corrections,
//! events, and every index or shortcut that would have to be trusted.

/// One stored contact.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelRow {
    /// The contact's id.
    pub id: i64,
    /// What the contact bears, as (kind, canonical value): email, then phone, then other kinds by name.
    pub values: Vec<(String, String)>,
    /// The primary's id, or `None` for a primary.
    pub linked_id: Option<i64>,
    /// When the contact was accepted, in Unix milliseconds, UTC.
    pub created_at_ms: i64,
    /// When its link last changed, in Unix milliseconds, UTC; the time of creation if it never did.
    pub updated_at_ms: i64,
}

/// What `identify` answers: one identity, seen from outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelAnswer {
    /// The primary's id.
    pub primary: i64,
    /// All (kind, canonical value) of the identity without repeats: the primary's own first, then the others'
    /// in order of their contacts (`created_at_ms`, `id`); within one contact email, phone, other kinds by name.
    pub values: Vec<(String, String)>,
    /// The ids of the other contacts, in order of (`created_at_ms`, `id`).
    pub secondaries: Vec<i64>,
}

/// What one observation did to the stored rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelChange {
    /// All was known, and of one identity: no row was written.
    Nothing,
    /// Nothing was known: a new primary.
    Created,
    /// One identity was touched and learnt something: a new secondary.
    Attached,
    /// Several identities became one, with a new secondary if the observation also brought something new.
    Merged,
}

/// The stored rows of one workspace, and `identify` on them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Model {
    rows: Vec<ModelRow>,
}

impl Model {
    /// Gives an empty workspace.
    pub fn new() -> Model {
        Model::default()
    }

    /// Gives a workspace that already holds `rows`, in any order; ids must be unique.
    ///
    /// The laws (no chains, one owner, the oldest is primary) aren't checked, so that a test can also ask what
    /// a server would answer that had broken them.
    pub fn with_rows(mut rows: Vec<ModelRow>) -> Model {
        rows.sort_by_key(|row| row.id);
        for row in &mut rows {
            sort_by_kind(&mut row.values);
        }
        Model { rows }
    }

    /// Takes in one observation and gives the identity's view after it, and what was written for it.
    ///
    /// `seen`: (kind, canonical value), at least one, one per kind, in any order.
    /// `now_ms`: Unix milliseconds. The rows' time is the later of it and the latest time in any row, because
    /// time is the log's and never decreases. An observation that changes nothing isn't in the log and moves
    /// no time. A new contact's id is one more than the highest.
    ///
    /// # Panics
    ///
    /// If `seen` is empty or names a kind twice: canonicalising would have refused that.
    ///
    /// Source: SEMANTICS, "identify", whose step numbers the comments repeat.
    pub fn identify(&mut self, seen: &[(&str, &str)], now_ms: i64) -> (ModelAnswer, ModelChange) {
        // Step 1, as far as it concerns canonical values.
        assert!(!seen.is_empty(), "an observation has at least one identifier");
        for (place, (kind, _)) in seen.iter().enumerate() {
            assert!(!seen[..place].iter().any(|(other, _)| other == kind), "an observation has one `{kind}`");
        }
        let mut seen: Vec<(String, String)> =
            seen.iter().map(|(kind, value)| (kind.to_string(), value.to_string())).collect();
        sort_by_kind(&mut seen);

        let mut now_ms = now_ms;
        for row in &self.rows {
            now_ms = now_ms.max(row.created_at_ms).max(row.updated_at_ms);
        }

        // Step 2: the primaries of the identities that own one of the identifiers.
        let mut touched: Vec<i64> = Vec::new();
        for row in &self.rows {
            let bears_one = seen.iter().any(|value| row.values.contains(value));
            if bears_one && !touched.contains(&primary_of(row)) {
                touched.push(primary_of(row));
            }
        }

        // Step 3.
        if touched.is_empty() {
            let primary = self.insert(seen, None, now_ms);
            return (self.view(primary), ModelChange::Created);
        }

        // Step 4: under the oldest.
        let mut survivor = touched[0];
        for &primary in &touched {
            if age(self.row(primary)) < age(self.row(survivor)) {
                survivor = primary;
            }
        }
        for row in &mut self.rows {
            let identity = primary_of(row);
            if identity != survivor && touched.contains(&identity) {
                row.linked_id = Some(survivor);
                row.updated_at_ms = now_ms;
            }
        }

        // Step 5.
        let known = self.view(survivor).values;
        let brings_something_new = seen.iter().any(|value| !known.contains(value));
        if brings_something_new {
            self.insert(seen, Some(survivor), now_ms);
        }

        // Step 6.
        let change = if touched.len() > 1 {
            ModelChange::Merged
        } else if brings_something_new {
            ModelChange::Attached
        } else {
            ModelChange::Nothing
        };
        (self.view(survivor), change)
    }

    /// Gives all stored rows, in order of id.
    pub fn rows(&self) -> &[ModelRow] {
        &self.rows
    }

    fn insert(&mut self, values: Vec<(String, String)>, linked_id: Option<i64>, now_ms: i64) -> i64 {
        let mut id = 1;
        for row in &self.rows {
            id = id.max(row.id + 1);
        }
        self.rows.push(ModelRow { id, values, linked_id, created_at_ms: now_ms, updated_at_ms: now_ms });
        id
    }

    fn row(&self, id: i64) -> &ModelRow {
        self.rows.iter().find(|row| row.id == id).expect("links lead to stored rows")
    }

    fn view(&self, primary: i64) -> ModelAnswer {
        let mut secondaries: Vec<&ModelRow> = Vec::new();
        for row in &self.rows {
            if row.linked_id == Some(primary) {
                secondaries.push(row);
            }
        }
        secondaries.sort_by_key(|row| age(row));

        let mut values: Vec<(String, String)> = Vec::new();
        for row in std::iter::once(self.row(primary)).chain(secondaries.iter().copied()) {
            for value in &row.values {
                if !values.contains(value) {
                    values.push(value.clone());
                }
            }
        }
        ModelAnswer { primary, values, secondaries: secondaries.iter().map(|row| row.id).collect() }
    }
}

impl ModelAnswer {
    /// Gives the identity's values of one kind, in the answer's order.
    pub fn of_kind(&self, kind: &str) -> Vec<&str> {
        self.values.iter().filter(|(of, _)| of == kind).map(|(_, value)| value.as_str()).collect()
    }
}

/// A contact with an equal time is older if its id is smaller.
fn age(row: &ModelRow) -> (i64, i64) {
    (row.created_at_ms, row.id)
}

fn primary_of(row: &ModelRow) -> i64 {
    row.linked_id.unwrap_or(row.id)
}

/// Sorts one contact's values: email, phone, other kinds by name.
fn sort_by_kind(values: &mut [(String, String)]) {
    values.sort_by_key(|(kind, _)| match kind.as_str() {
        "email" => (0, String::new()),
        "phone" => (1, String::new()),
        other => (2, other.to_owned()),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `1 e1 p1 | 2 e2 p1 > 1` as rows: id, values, and after `>` the link. Times are the ids.
    fn rows(text: &str) -> Vec<ModelRow> {
        text.split('|').map(row).collect()
    }

    fn row(text: &str) -> ModelRow {
        let (left, link) = text.split_once('>').unwrap_or((text, ""));
        let mut words = left.split_whitespace();
        let id: i64 = words.next().unwrap().parse().unwrap();
        let values = words.map(|word| (kind_of(word).to_owned(), word.to_owned())).collect();
        let linked_id = link.trim().parse().ok();
        ModelRow { id, values, linked_id, created_at_ms: id, updated_at_ms: id }
    }

    fn kind_of(word: &str) -> &'static str {
        match &word[..1] {
            "e" => "email",
            "p" => "phone",
            _ => "customerId",
        }
    }

    fn identify(model: &mut Model, words: &str, now_ms: i64) -> (ModelAnswer, ModelChange) {
        let seen: Vec<(&str, &str)> = words.split_whitespace().map(|word| (kind_of(word), word)).collect();
        model.identify(&seen, now_ms)
    }

    fn words(answer: &ModelAnswer) -> String {
        answer.values.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn links(model: &Model) -> Vec<(i64, Option<i64>)> {
        model.rows().iter().map(|row| (row.id, row.linked_id)).collect()
    }

    #[test]
    fn the_first_observation_becomes_a_primary() {
        let mut model = Model::new();
        let (answer, change) = identify(&mut model, "p1 e1", 7);
        assert_eq!(change, ModelChange::Created);
        assert_eq!((answer.primary, words(&answer).as_str(), answer.secondaries), (1, "e1 p1", vec![]));
        assert_eq!((model.rows()[0].created_at_ms, model.rows()[0].updated_at_ms), (7, 7));
    }

    #[test]
    fn a_new_value_of_a_known_customer_becomes_a_secondary() {
        let mut model = Model::with_rows(rows("1 e1 p1"));
        let (answer, change) = identify(&mut model, "e2 p1", 9);
        assert_eq!(change, ModelChange::Attached);
        assert_eq!((answer.of_kind("email"), answer.of_kind("phone")), (vec!["e1", "e2"], vec!["p1"]));
        assert_eq!((answer.primary, answer.secondaries), (1, vec![2]));
        assert_eq!(model.rows()[0].updated_at_ms, 1, "the primary didn't change");
    }

    #[test]
    fn a_chain_of_observations_is_one_identity_linked_directly() {
        let mut model = Model::new();
        for (step, seen) in ["e1 p1", "e1 p2", "e2 p2", "e2 p3"].iter().enumerate() {
            identify(&mut model, seen, i64::try_from(step).unwrap());
        }
        assert_eq!(links(&model), [(1, None), (2, Some(1)), (3, Some(1)), (4, Some(1))]);
        let (answer, change) = identify(&mut model, "p3", 9);
        assert_eq!(change, ModelChange::Nothing);
        assert_eq!(answer.of_kind("email"), ["e1", "e2"]);
        assert_eq!(answer.of_kind("phone"), ["p1", "p2", "p3"]);
    }

    #[test]
    fn the_same_observation_again_changes_nothing_and_answers_the_same() {
        let mut model = Model::with_rows(rows("1 e1 p1 | 2 e2 p2"));
        for seen in ["e1 p1", "e1 p2", "e3 p1", "p7", "e3 p7"] {
            let (first, _) = identify(&mut model, seen, 10);
            let before = model.clone();
            assert_eq!(identify(&mut model, seen, 20), (first, ModelChange::Nothing), "{seen}");
            assert_eq!(model, before, "{seen}");
        }
    }

    #[test]
    fn values_known_from_different_contacts_of_one_identity_make_no_row() {
        let mut model = Model::with_rows(rows("1 e1 p1 | 2 e1 p2 > 1 | 3 e2 p2 > 1"));
        let before = model.clone();
        assert_eq!(identify(&mut model, "e2 p1", 9).1, ModelChange::Nothing);
        assert_eq!(model, before);
    }

    #[test]
    fn a_merge_of_known_values_writes_no_row_and_the_oldest_stays_primary() {
        let mut model = Model::with_rows(rows("1 e1 p1 | 2 e2 p2"));
        let (answer, change) = identify(&mut model, "e2 p1", 9);
        assert_eq!(change, ModelChange::Merged);
        assert_eq!(
            (answer.primary, words(&answer).as_str(), answer.secondaries),
            (1, "e1 p1 e2 p2", vec![2])
        );
        assert_eq!(links(&model), [(1, None), (2, Some(1))]);
    }

    #[test]
    fn a_merge_relinks_the_secondaries_of_the_younger_side() {
        let mut model = Model::with_rows(rows("1 e1 | 2 e2 | 3 e2 p2 > 2 | 4 e1 p1 > 1"));
        let (answer, _) = identify(&mut model, "e1 p2", 9);
        assert_eq!(answer.secondaries, [2, 3, 4]);
        assert_eq!(links(&model), [(1, None), (2, Some(1)), (3, Some(1)), (4, Some(1))]);
    }

    #[test]
    fn the_time_of_change_moves_for_the_rows_that_changed_and_for_no_other() {
        let mut model = Model::with_rows(rows("1 e1 | 2 e2 | 3 e2 p2 > 2 | 4 e1 p1 > 1 | 5 e9"));
        identify(&mut model, "e1 p2", 9);
        let updated: Vec<i64> = model.rows().iter().map(|row| row.updated_at_ms).collect();
        assert_eq!(updated, [1, 9, 9, 4, 5]);
    }

    #[test]
    fn merges_of_merges_end_under_the_oldest_of_all() {
        let mut model = Model::with_rows(rows("1 e1 p1 | 2 e2 p2 | 3 e3 p3 | 4 e4 p4"));
        identify(&mut model, "e3 p4", 10);
        identify(&mut model, "e2 p3", 11);
        let (answer, change) = identify(&mut model, "e4 p1", 12);
        assert_eq!(change, ModelChange::Merged);
        assert_eq!((answer.primary, answer.secondaries), (1, vec![2, 3, 4]));
        assert_eq!(links(&model), [(1, None), (2, Some(1)), (3, Some(1)), (4, Some(1))]);
    }

    #[test]
    fn three_identities_can_merge_at_once_with_a_new_contact() {
        let mut model = Model::with_rows(rows("1 e1 | 2 p1 | 3 c1"));
        let seen = [("customerId", "c1"), ("deviceId", "d1"), ("email", "e1"), ("phone", "p1")];
        let (answer, change) = model.identify(&seen, 9);
        assert_eq!(change, ModelChange::Merged);
        assert_eq!((words(&answer).as_str(), answer.secondaries), ("e1 p1 c1 d1", vec![2, 3, 4]));
    }

    #[test]
    fn a_tie_in_age_goes_to_the_lower_id() {
        let mut given = rows("5 e1 | 3 p1");
        given.iter_mut().for_each(|row| row.created_at_ms = 7);
        let mut model = Model::with_rows(given);
        assert_eq!(identify(&mut model, "e1 p1", 9).0.primary, 3);
    }

    #[test]
    fn an_older_time_beats_a_lower_id() {
        let mut given = rows("3 p1 | 5 e1");
        given[0].created_at_ms = 8;
        let mut model = Model::with_rows(given);
        let (answer, _) = identify(&mut model, "e1 p1", 9);
        assert_eq!((answer.primary, words(&answer).as_str(), answer.secondaries), (5, "e1 p1", vec![3]));
    }

    #[test]
    fn time_never_decreases() {
        let mut model = Model::new();
        identify(&mut model, "e1", 100);
        identify(&mut model, "e2", 50);
        assert_eq!(model.rows()[1].created_at_ms, 100);
    }

    #[test]
    fn new_ids_follow_the_highest() {
        let mut model = Model::with_rows(rows("40 e1 | 7 e2"));
        assert_eq!(identify(&mut model, "e3", 50).0.primary, 41);
    }

    #[test]
    fn the_same_text_as_two_kinds_is_two_identifiers() {
        let mut model = Model::new();
        model.identify(&[("email", "x")], 1);
        assert_eq!(model.identify(&[("phone", "x")], 2).1, ModelChange::Created);
    }

    #[test]
    fn the_partition_is_the_same_in_every_order_of_observations() {
        let observations = ["e1 p1", "e2 p2", "e3", "e1 p2", "p3 e3"];
        for rotation in 0..observations.len() {
            for reversed in [false, true] {
                let mut order = observations.to_vec();
                order.rotate_left(rotation);
                if reversed {
                    order.reverse();
                }
                let mut model = Model::new();
                for seen in &order {
                    identify(&mut model, seen, 1);
                }
                for (one, all) in [("e1", vec!["e1", "e2", "p1", "p2"]), ("e3", vec!["e3", "p3"])] {
                    let answer = identify(&mut model, one, 2).0;
                    let mut values: Vec<&str> = answer.values.iter().map(|(_, v)| v.as_str()).collect();
                    values.sort_unstable();
                    assert_eq!(values, all, "{order:?}");
                }
            }
        }
    }
}
