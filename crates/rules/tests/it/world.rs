//! The rules and the model side by side: the same steps, and then the same rows.

use selfsame_rules::{
    Actor, Asked, Changed, ContactId, Event, Head, IdentifierKind, Identities, IdentityIndex, Observation,
    Outcome, Policy, PolicyDocument, Register, RegisterRow, SeenIdentifier, Sequence, Timestamp, decide,
    recognise,
};

use crate::model::{Model, ModelAnswer, ModelPolicy, Seen};

pub(crate) struct World {
    pub(crate) model: Model,
    pub(crate) register: Register,
    pub(crate) index: IdentityIndex,
    pub(crate) log: Vec<Event>,
}

pub(crate) fn contact(id: i64) -> ContactId {
    ContactId(id)
}

pub(crate) fn asked(at: i64) -> Asked {
    Asked { by: Actor::named("test"), reason: None, clock: Timestamp::from_milliseconds(at) }
}

pub(crate) fn observation(seen: &[Seen]) -> Observation {
    let read = |(kind, text, verified): &Seen| {
        let kind = IdentifierKind::from_name(kind).unwrap();
        let seen = SeenIdentifier::parse(&kind, text).unwrap().unwrap();
        if *verified { seen.verified() } else { seen }
    };
    Observation::new(Actor::named("test"), seen.iter().map(read)).unwrap()
}

pub(crate) fn policy(model: &ModelPolicy) -> Policy {
    let names = |kinds: &[&str]| kinds.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>();
    let limit = |most: &usize| u32::try_from(*most).unwrap();
    let document = PolicyDocument {
        kinds: vec!["customerId".to_owned()],
        blocked: model.blocked.iter().map(|(kind, text)| ((*kind).to_owned(), text.clone())).collect(),
        contacts_max: model.contacts_max.as_ref().map(limit),
        identifiers_max: model.limits.iter().map(|(kind, most)| ((*kind).to_owned(), limit(most))).collect(),
        unique: names(&model.unique),
        claims: names(&model.claims),
        ..PolicyDocument::default()
    };
    Policy::read(&document).unwrap()
}

/// The event that makes a policy hold.
pub(crate) fn policy_event(policy: &Policy, last: &Head, at: i64) -> Event {
    Event {
        sequence: Sequence(last.last_sequence.0 + 1),
        at: last.last_event_at.max(Timestamp::from_milliseconds(at)),
        caused_by: Actor::named("test"),
        evidence: Vec::new(),
        origin: None,
        outcome: Outcome::PolicyChanged(Box::new(Changed { before: None, after: policy.clone() })),
    }
}

impl World {
    pub(crate) fn new(model_policy: ModelPolicy) -> Self {
        let mut world = Self {
            register: Register::new(Head::EMPTY),
            index: IdentityIndex::new(Head::EMPTY, 7),
            log: Vec::new(),
            model: Model::default(),
        };
        let nothing = format!("{:?}", ModelPolicy::default());
        if format!("{model_policy:?}") != nothing {
            let event = policy_event(&policy(&model_policy), &Head::EMPTY, 0);
            world.take(&event);
        }
        world.model.policy = model_policy;
        world
    }

    pub(crate) fn take(&mut self, event: &Event) {
        self.register.follow(event).unwrap();
        self.index.follow(event).unwrap();
        self.log.push(event.clone());
    }

    /// Decides an observation thrice, on two holders and again in a batch, and compares with the model.
    pub(crate) fn observe(&mut self, seen: &[Seen], at: i64) -> Result<ModelAnswer, String> {
        let clock = Timestamp::from_milliseconds(at);
        let observation = observation(seen);
        let plan = decide(&self.register, std::slice::from_ref(&observation), clock);
        if decide(&self.index, std::slice::from_ref(&observation), clock) != plan {
            return Err("the index decides otherwise".to_owned());
        }
        let twice = decide(&self.register, &[observation.clone(), observation.clone()], clock);
        if twice.events != plan.events || twice.answers[0] != plan.answers[0] {
            return Err(format!("a repeat in one batch changes something: {:?}", twice.events));
        }
        if twice.answers[1].identity != twice.answers[0].identity {
            return Err("a repeat in one batch is answered otherwise".to_owned());
        }
        plan.events.iter().for_each(|event| self.take(event));
        if recognise(&self.index, &[observation]).is_none() {
            return Err("a repeat changes something".to_owned());
        }
        let expected = self.model.observe(seen, at);
        let answer = &plan.answers[0];
        let (contacts, owned) = match &answer.identity {
            None => (None, Vec::new()),
            Some(view) => {
                let ids = std::iter::once(view.primary).chain(view.secondaries.iter().copied());
                let mut owned: Vec<_> = view
                    .identifiers
                    .iter()
                    .map(|value| (name(value.kind().name()), value.value().to_owned()))
                    .collect();
                owned.sort();
                (Some(ids.map(|id| id.0).collect()), owned)
            }
        };
        let got = ModelAnswer {
            contacts,
            owned,
            refused: answer.refused.is_some(),
            event: !plan.events.is_empty(),
        };
        if got == expected { Ok(expected) } else { Err(format!("{got:?} instead of {expected:?}")) }
    }

    /// The same partition, owners and pairs.
    pub(crate) fn agree(&self) -> Result<(), String> {
        for row in &self.model.rows {
            let live = self.model.live(row.person);
            let primary = live.first().copied().map(ContactId);
            let found = self.register.resolve(ContactId(row.id));
            if found != primary {
                return Err(format!("contact {} is of {found:?} instead of {primary:?}", row.id));
            }
        }
        for row in self.register.rows() {
            let mut owns: Vec<_> = row
                .contact
                .identifiers
                .iter()
                .filter(|value| row.owns.contains(value.kind()))
                .map(|value| (name(value.kind().name()), value.value().to_owned()))
                .collect();
            let model =
                self.model.rows.iter().find(|model| model.id == row.contact.id.0).ok_or("a row too many")?;
            let mut expected = model.owns.clone();
            owns.sort();
            expected.sort();
            if owns != expected {
                return Err(format!("contact {} owns {owns:?} instead of {expected:?}", row.contact.id));
            }
        }
        let primaries: Vec<ContactId> = self.register.primaries().collect();
        for one in &primaries {
            for other in primaries.iter().filter(|other| *other != one) {
                let expected =
                    self.model.are_apart(self.model.person_of(one.0), self.model.person_of(other.0));
                if self.register.kept_apart(*one, *other) != expected
                    || self.index.kept_apart(*one, *other) != expected
                {
                    return Err(format!("{one} and {other} are kept apart: {}", !expected));
                }
            }
        }
        Ok(())
    }

    /// Folding the log gives the same rows, and each identity in the same order.
    pub(crate) fn folds(&self) -> Result<(), String> {
        let folded = Register::fold(&self.log).map_err(|error| error.to_string())?;
        let same = folded.rows().eq(self.register.rows())
            && folded.kept_apart_pairs().eq(self.register.kept_apart_pairs());
        if !same {
            return Err("the log folds to other rows".to_owned());
        }
        let mut index = IdentityIndex::new(Head::EMPTY, 7);
        index.follow_all(&self.log).map_err(|error| error.to_string())?;
        for primary in self.register.primaries() {
            let live =
                |row: &RegisterRow| row.contact.deleted_at.is_none() && row.contact.primary() == primary;
            let mut members: Vec<_> = self.register.rows().filter(live).map(|row| row.contact).collect();
            members.sort_by_key(|contact| (contact.created_at, contact.id));
            let expected: Vec<ContactId> = members.into_iter().map(|contact| contact.id).collect();
            for (name, index) in [("followed one by one", &self.index), ("followed at once", &index)] {
                let (count, page) = index.page(primary, None, usize::MAX);
                if count != expected.len() || page != expected {
                    return Err(format!("{name}, {primary} has {page:?} instead of {expected:?}"));
                }
            }
        }
        Ok(())
    }
}

fn name(kind: &str) -> &'static str {
    ["email", "phone", "customerId"].into_iter().find(|name| *name == kind).unwrap()
}
