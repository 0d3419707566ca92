//! A reference model of policy and corrections: SEMANTICS as plain loops over flat lists. It exists to be obviously right
//! by reading, and shares no code with the rules. Not here, on purpose: events, replay, and every index or shortcut.

/// A value that was seen: kind, text, whether it was verified.
pub(crate) type Seen = (&'static str, String, bool);

/// The rules of one workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelPolicy {
    pub(crate) blocked: Vec<(&'static str, String)>,
    pub(crate) contacts_max: Option<usize>,
    pub(crate) limits: Vec<(&'static str, usize)>,
    pub(crate) unique: Vec<&'static str>,
    pub(crate) claims: Vec<&'static str>,
}

/// One contact. Those with the same `person` are one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) person: i64,
    pub(crate) at: i64,
    pub(crate) values: Vec<(&'static str, String)>,
    pub(crate) owns: Vec<(&'static str, String)>,
    pub(crate) deleted: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) policy: ModelPolicy,
    pub(crate) rows: Vec<Row>,
    /// Two contacts that are kept apart, in both orders.
    pub(crate) apart: Vec<(i64, i64)>,
    /// What was refused, and a contact of each identity that was concerned.
    pub(crate) refusals: Vec<(Vec<Seen>, Vec<i64>)>,
    /// A planted fault: negative control of the tests.
    pub(crate) forgets_keep_aparts: bool,
}

/// What an observation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelAnswer {
    /// `None` if nothing could link. The ids of the identity, the primary first, then by age.
    pub(crate) contacts: Option<Vec<i64>>,
    /// What it owns, sorted.
    pub(crate) owned: Vec<(&'static str, String)>,
    pub(crate) refused: bool,
    /// Whether something was written.
    pub(crate) event: bool,
}

impl Model {
    pub(crate) fn person_of(&self, id: i64) -> i64 {
        self.rows.iter().find(|row| row.id == id).unwrap().person
    }

    fn owner(&self, value: &(&'static str, String)) -> Option<i64> {
        self.rows.iter().find(|row| row.owns.contains(value)).map(|row| row.person)
    }

    /// The live contacts of a person, oldest first.
    pub(crate) fn live(&self, person: i64) -> Vec<i64> {
        let mut rows: Vec<_> = self.rows.iter().filter(|row| row.person == person && !row.deleted).collect();
        rows.sort_by_key(|row| (row.at, row.id));
        rows.iter().map(|row| row.id).collect()
    }

    pub(crate) fn owned(&self, person: i64) -> Vec<(&'static str, String)> {
        let mut owned = Vec::new();
        for row in self.rows.iter().filter(|row| row.person == person) {
            owned.extend(row.owns.clone());
        }
        owned.sort();
        owned
    }

    fn count(&self, person: i64, kind: &str) -> usize {
        self.owned(person).iter().filter(|(of, _)| *of == kind).count()
    }

    fn most(&self, kind: &str) -> Option<usize> {
        if self.policy.unique.contains(&kind) {
            return Some(1);
        }
        self.policy.limits.iter().find(|(of, _)| *of == kind).map(|(_, most)| *most)
    }

    fn links(&self, seen: &Seen) -> bool {
        let blocked = self.policy.blocked.contains(&(seen.0, seen.1.clone()));
        !blocked && (seen.2 || !self.policy.claims.contains(&seen.0))
    }

    pub(crate) fn are_apart(&self, one: i64, other: i64) -> bool {
        let between =
            |(left, right): &(i64, i64)| self.person_of(*left) == one && self.person_of(*right) == other;
        one != other && !self.forgets_keep_aparts && self.apart.iter().any(between)
    }

    pub(crate) fn keep_apart(&mut self, one: &[i64], other: &[i64]) {
        for left in one {
            for right in other {
                self.apart.push((*left, *right));
                self.apart.push((*right, *left));
            }
        }
    }

    /// All contacts of a person, deleted ones too.
    pub(crate) fn everybody(&self, person: i64) -> Vec<i64> {
        self.rows.iter().filter(|row| row.person == person).map(|row| row.id).collect()
    }

    /// Whether a limit or a unique kind forbids these to be one.
    pub(crate) fn limited(&self, people: &[i64]) -> bool {
        let breaks = |most: usize, counts: Vec<usize>| {
            let (sum, alone) = (counts.iter().sum::<usize>(), *counts.iter().max().unwrap());
            sum > most && sum > alone
        };
        for kind in ["email", "phone", "customerId"] {
            if let Some(most) = self.most(kind)
                && breaks(most, people.iter().map(|person| self.count(*person, kind)).collect())
            {
                return true;
            }
        }
        self.policy
            .contacts_max
            .is_some_and(|most| breaks(most, people.iter().map(|person| self.live(*person).len()).collect()))
    }

    pub(crate) fn touched(&self, seen: &[Seen]) -> Vec<i64> {
        let mut people = Vec::new();
        for one in seen.iter().filter(|one| self.links(one)) {
            if let Some(person) = self.owner(&(one.0, one.1.clone()))
                && !people.contains(&person)
            {
                people.push(person);
            }
        }
        people
    }

    pub(crate) fn insert(
        &mut self,
        person: Option<i64>,
        seen: &[Seen],
        owns: Vec<(&'static str, String)>,
        at: i64,
    ) -> i64 {
        let id = self.rows.iter().map(|row| row.id).max().unwrap_or(0) + 1;
        let values = seen.iter().map(|(kind, text, _)| (*kind, text.clone())).collect();
        self.rows.push(Row { id, person: person.unwrap_or(id), at, values, owns, deleted: false });
        id
    }

    pub(crate) fn observe(&mut self, seen: &[Seen], at: i64) -> ModelAnswer {
        if !seen.iter().any(|one| self.links(one)) {
            return ModelAnswer { contacts: None, owned: Vec::new(), refused: false, event: false };
        }
        let mut people = self.touched(seen);
        people.sort_by_key(|person| {
            let oldest = self.live(*person)[0];
            (self.rows.iter().find(|row| row.id == oldest).unwrap().at, oldest)
        });
        let mut concerned: Vec<i64> = people.iter().map(|person| self.live(*person)[0]).collect();
        let mut refused = false;
        let mut merged = false;
        if people.len() > 1 {
            let pair_apart = people.iter().any(|one| people.iter().any(|other| self.are_apart(*one, *other)));
            if pair_apart || self.limited(&people) {
                refused = true;
                people = vec![self.answered(seen)];
            } else {
                merged = true;
                for row in &mut self.rows {
                    if people.contains(&row.person) {
                        row.person = people[0];
                    }
                }
                people.truncate(1);
            }
        }
        let home = people.first().copied();
        let mut owns: Vec<(&'static str, String)> = Vec::new();
        for one in seen.iter().filter(|one| self.links(one)) {
            let value = (one.0, one.1.clone());
            if self.owner(&value).is_some() {
                continue;
            }
            let held = home.map_or(0, |home| self.count(home, one.0));
            if self.most(one.0).is_some_and(|most| held + 1 > most) {
                concerned = if refused { concerned } else { vec![self.live(home.unwrap())[0]] };
                refused = true;
            } else {
                owns.push(value);
            }
        }
        let borne = |value: &(&'static str, String)| {
            let mut rows = self.rows.iter().filter(|row| Some(row.person) == home && !row.deleted);
            rows.any(|row| row.values.contains(value))
        };
        let unowned_is_new = seen.iter().any(|one| !self.links(one) && !borne(&(one.0, one.1.clone())));
        let mut row = !owns.is_empty() || unowned_is_new;
        if let (Some(home), true, Some(most)) = (home, row, self.policy.contacts_max)
            && self.live(home).len() + 1 > most
        {
            concerned = if refused { concerned } else { vec![self.live(home)[0]] };
            (row, refused) = (false, true);
        }
        let mut event = merged || row;
        if refused {
            let people_now = |ids: &[i64]| {
                let mut people: Vec<i64> = ids.iter().map(|id| self.person_of(*id)).collect();
                people.sort_unstable();
                people.dedup();
                people
            };
            let now = people_now(&concerned);
            let known = self.refusals.iter().any(|(what, who)| what == seen && people_now(who) == now);
            if !known {
                self.refusals.push((seen.to_vec(), concerned));
                event = true;
            }
        }
        let person = if row {
            let id = self.insert(home, seen, owns, at);
            self.person_of(id)
        } else {
            home.unwrap()
        };
        ModelAnswer { contacts: Some(self.live(person)), owned: self.owned(person), refused, event }
    }

    /// Who owns the first identifier that somebody owns: unique kinds, then e-mail, phone, others.
    fn answered(&self, seen: &[Seen]) -> i64 {
        let mut order = self.policy.unique.clone();
        order.extend(["email", "phone", "customerId"]);
        for kind in order {
            for one in seen.iter().filter(|one| one.0 == kind && self.links(one)) {
                if let Some(person) = self.owner(&(one.0, one.1.clone())) {
                    return person;
                }
            }
        }
        unreachable!()
    }

    /// The named contacts leave and form a person of their own.
    pub(crate) fn split(&mut self, ids: &[i64]) {
        let former = self.person_of(ids[0]);
        let rest: Vec<i64> = self.everybody(former).into_iter().filter(|id| !ids.contains(id)).collect();
        let label = self.rows.iter().map(|row| row.person).max().unwrap().max(1_000_000) + 1;
        for row in self.rows.iter_mut().filter(|row| ids.contains(&row.id)) {
            row.person = label;
        }
        self.keep_apart(ids, &rest);
    }

    pub(crate) fn join(&mut self, one: i64, other: i64) {
        let (left, right) = (self.everybody(one), self.everybody(other));
        self.apart.retain(|(a, b)| {
            let lifted = left.contains(a) && right.contains(b) || right.contains(a) && left.contains(b);
            !lifted
        });
        for row in self.rows.iter_mut().filter(|row| row.person == other) {
            row.person = one;
        }
    }

    pub(crate) fn delete(&mut self, id: i64) {
        let person = self.person_of(id);
        let place = self.rows.iter().position(|row| row.id == id).unwrap();
        self.rows[place].deleted = true;
        for value in std::mem::take(&mut self.rows[place].owns) {
            if !self.links(&(value.0, value.1.clone(), false)) {
                continue;
            }
            for heir in self.live(person) {
                let heir = self.rows.iter_mut().find(|row| row.id == heir).unwrap();
                if heir.values.contains(&value) {
                    heir.owns.push(value);
                    break;
                }
            }
        }
    }
}
