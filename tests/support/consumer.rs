//! A consumer of the log as anybody could write one: it knows the JSON of `/v1/events`, and adds up what that says.
//!
//! It shares no line with the product, so that the product isn't judged by itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// A contact as the consumer has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// By kind; nothing where a value was erased.
    pub values: BTreeMap<String, Option<String>>,
    pub owns: BTreeSet<String>,
    pub linked_to: Option<i64>,
    pub created_at: String,
    pub updated_at: String,
    pub deleted_at: Option<String>,
}

/// What is kept of an event: whose a refold has made it, and whom it names.
#[derive(Clone, Debug)]
struct Seen {
    made: Option<i64>,
    named: BTreeSet<i64>,
}

/// What the log adds up to so far.
#[derive(Clone, Debug, Default)]
pub struct Consumer {
    /// The last event that it has taken.
    pub last: i64,
    pub contacts: BTreeMap<i64, Held>,
    seen: BTreeMap<i64, Seen>,
    erased: BTreeSet<i64>,
    /// Events that hold less than when they were taken, and are to be read again.
    pub stale: BTreeSet<i64>,
}

impl Consumer {
    /// Takes the next event of the log.
    pub fn take(&mut self, event: &Value) {
        let sequence = number(&event["sequence"]);
        assert_eq!(sequence, self.last + 1, "the log has no gaps");
        let (at, outcome) = (text(&event["at"]), &event["outcome"]);
        let values = values_of(event);
        let home = outcome["primaryContactId"].as_i64();
        match text(&event["kind"]).as_str() {
            "created" | "attached" => self.insert(outcome, home, &at, &values),
            "merged" | "refused" => {
                for former in numbers(&outcome["formerPrimaryContactIds"]) {
                    self.join(former, home.expect("they join somebody"), &at);
                }
                if outcome["contactId"].is_i64() {
                    self.insert(outcome, home, &at, &values);
                }
            }
            "undone" | "split" | "joined" | "reviewed" => self.correct(outcome, &at),
            "refolded" => {
                for new in list(&outcome["newContacts"]) {
                    let id = number(&new["contactId"]);
                    let seen = self.seen.get_mut(&number(&new["observedInSequence"])).expect("it was told");
                    // From now on that is whose it is.
                    seen.made = Some(id);
                    self.add(id, None, &at, values_in(&new["identifiers"]));
                }
                self.lose(&outcome["lost"]);
                for one in list(&outcome["respelt"]) {
                    let held = self.held(number(&one["contactId"]));
                    (held.values, held.updated_at) = (values_in(&one["identifiers"]), at.clone());
                }
                self.move_and_gain(outcome, &at);
            }
            "deleted" => self.delete(outcome, &at),
            "erased" => self.erase(outcome, &at),
            "policyChanged" | "keyChanged" | "workspaceChanged" => {}
            kind => panic!("an event of a kind that nobody told of: {kind}"),
        }
        let mut named = BTreeSet::new();
        contacts_in(outcome, &mut named);
        self.seen.insert(sequence, Seen { made: outcome["contactId"].as_i64(), named });
        self.last = sequence;
    }

    /// Takes an event again that was rewritten: of what it saw, the contact of it bears nothing any more that is null now,
    /// however that was spelt.
    pub fn take_again(&mut self, event: &Value) {
        let sequence = number(&event["sequence"]);
        assert!(self.stale.remove(&sequence), "nobody told that event {sequence} was rewritten");
        let seen = self.seen.get_mut(&sequence).expect("it was taken before");
        let erased: Vec<String> =
            values_of(event).into_iter().filter(|(_, value)| value.is_none()).map(|(kind, _)| kind).collect();
        if let Some(made) = seen.made.filter(|made| !self.erased.contains(made)) {
            for kind in erased {
                self.held(made).values.insert(kind, None);
            }
        }
    }

    /// The contacts as `selfsame export` writes them.
    pub fn export(&self) -> Vec<Value> {
        let row = |(id, held): (&i64, &Held)| {
            let value = |kind: &str| held.values.get(kind).cloned().flatten();
            json!({
                "id": id,
                "phoneNumber": value("phone"),
                "email": value("email"),
                "linkedId": held.linked_to,
                "linkPrecedence": if held.linked_to.is_none() { "primary" } else { "secondary" },
                "createdAt": held.created_at,
                "updatedAt": held.updated_at,
                "deletedAt": held.deleted_at,
            })
        };
        self.contacts.iter().map(row).collect()
    }

    /// The identity of a contact: its primary, and its live contacts oldest first; nothing if nobody of it lives.
    pub fn identity(&self, id: i64) -> Option<(i64, Vec<i64>)> {
        let primary = self.primary(id);
        let live = self.contacts.iter().filter(|(id, held)| {
            (**id == primary || held.linked_to == Some(primary)) && held.deleted_at.is_none()
        });
        let mut live: Vec<i64> = live.map(|(id, _)| *id).collect();
        live.sort_by_key(|id| (&self.contacts[id].created_at, *id));
        (!live.is_empty()).then_some((primary, live))
    }

    /// What the contacts of an identity own, in no order.
    pub fn owned(&self, contacts: &[i64]) -> BTreeSet<(String, Option<String>)> {
        let owned = contacts.iter().map(|id| &self.contacts[id]).flat_map(|held| {
            held.owns.iter().map(|kind| (kind.clone(), held.values[kind].clone())).collect::<Vec<_>>()
        });
        owned.collect()
    }

    /// All contacts of a contact's identity, deleted ones too.
    pub fn everybody_of(&self, id: i64) -> BTreeSet<i64> {
        self.everybody(self.primary(id)).into_iter().collect()
    }

    /// The contacts that an event names.
    pub fn named(&self, sequence: i64) -> &BTreeSet<i64> {
        &self.seen[&sequence].named
    }

    pub fn primary(&self, id: i64) -> i64 {
        self.contacts[&id].linked_to.unwrap_or(id)
    }

    fn everybody(&self, primary: i64) -> Vec<i64> {
        let all = self.contacts.iter();
        all.filter(|(id, held)| **id == primary || held.linked_to == Some(primary))
            .map(|(id, _)| *id)
            .collect()
    }

    fn held(&mut self, id: i64) -> &mut Held {
        self.contacts.get_mut(&id).unwrap_or_else(|| panic!("an event names contact {id}, which none made"))
    }

    fn insert(
        &mut self,
        outcome: &Value,
        linked_to: Option<i64>,
        at: &str,
        values: &BTreeMap<String, Option<String>>,
    ) {
        let id = number(&outcome["contactId"]);
        self.add(id, linked_to, at, values.clone());
        self.held(id).owns = list(&outcome["owns"]).iter().map(text).collect();
    }

    fn add(&mut self, id: i64, linked_to: Option<i64>, at: &str, values: BTreeMap<String, Option<String>>) {
        let (created_at, updated_at) = (at.to_owned(), at.to_owned());
        let held =
            Held { values, owns: BTreeSet::new(), linked_to, created_at, updated_at, deleted_at: None };
        assert!(self.contacts.insert(id, held).is_none(), "contact {id} is made twice");
    }

    /// Links contacts to a primary, which may be one of them; those that link there already stay as they are.
    fn link(&mut self, contacts: &[i64], primary: i64, at: &str) {
        for id in contacts {
            let (held, linked_to) = (self.held(*id), (*id != primary).then_some(primary));
            if held.linked_to != linked_to {
                (held.linked_to, held.updated_at) = (linked_to, at.to_owned());
            }
        }
    }

    fn join(&mut self, former: i64, survivor: i64, at: &str) {
        self.link(&self.everybody(former), survivor, at);
    }

    fn correct(&mut self, outcome: &Value, at: &str) {
        self.lose(&outcome["lost"]);
        self.move_and_gain(outcome, at);
    }

    fn move_and_gain(&mut self, outcome: &Value, at: &str) {
        for moved in list(&outcome["moves"]) {
            if let Some(former) = moved["join"].as_i64() {
                self.join(former, number(&moved["to"]), at);
                continue;
            }
            let leaving = numbers(&moved["part"]);
            let mut stay = self.everybody(self.primary(leaving[0]));
            stay.retain(|id| !leaving.contains(id));
            self.link(&leaving, leaving[0], at);
            if let Some(rest) = moved["rest"].as_i64() {
                self.link(&stay, rest, at);
            }
        }
        self.gain(&outcome["gained"]);
    }

    fn lose(&mut self, lost: &Value) {
        for one in list(lost) {
            assert!(self.held(number(&one["contactId"])).owns.remove(&text(&one["kind"])), "it owned that");
        }
    }

    fn gain(&mut self, gained: &Value) {
        for one in list(gained) {
            assert!(
                self.held(number(&one["contactId"])).owns.insert(text(&one["kind"])),
                "it didn't own that"
            );
        }
    }

    fn delete(&mut self, outcome: &Value, at: &str) {
        let id = number(&outcome["contactId"]);
        self.lose(&outcome["lost"]);
        let held = self.held(id);
        (held.deleted_at, held.updated_at) = (Some(at.to_owned()), at.to_owned());
        if let Some(rest) = outcome["newPrimaryContactId"].as_i64() {
            self.link(&self.everybody(self.primary(id)), rest, at);
        }
        self.gain(&outcome["gained"]);
    }

    fn erase(&mut self, outcome: &Value, at: &str) {
        self.lose(&outcome["lost"]);
        for id in numbers(&outcome["contactIds"]) {
            let held = self.held(id);
            held.values.clear();
            held.deleted_at.get_or_insert_with(|| at.to_owned());
            held.updated_at = at.to_owned();
            self.erased.insert(id);
        }
        self.stale.extend(numbers(&outcome["rewrittenSequences"]));
    }
}

/// What an event saw, by kind.
fn values_of(event: &Value) -> BTreeMap<String, Option<String>> {
    values_in(&event["evidence"])
}

/// Values by kind.
fn values_in(identifiers: &Value) -> BTreeMap<String, Option<String>> {
    let seen = list(identifiers).iter();
    seen.map(|seen| (text(&seen["kind"]), seen["value"].as_str().map(str::to_owned))).collect()
}

/// Every contact that an outcome names.
fn contacts_in(outcome: &Value, named: &mut BTreeSet<i64>) {
    match outcome {
        Value::Array(parts) => parts.iter().for_each(|part| contacts_in(part, named)),
        Value::Object(members) => {
            let numbers_of_events = [
                "undoneSequence",
                "reviewedSequence",
                "observedInSequence",
                "rewrittenSequences",
                "before",
                "after",
            ];
            let contacts = members.iter().filter(|(name, _)| !numbers_of_events.contains(&name.as_str()));
            contacts.for_each(|(_, part)| contacts_in(part, named));
        }
        Value::Number(_) => named.extend(outcome.as_i64()),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn numbers(value: &Value) -> Vec<i64> {
    list(value).iter().map(number).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
