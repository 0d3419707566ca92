//! Questions about people and their past: reads of the tables and the log, each from one snapshot.

use selfsame_rules::{
    Actor, ContactId, Event, Identifier, Identities, Incoherent, Link, Moment, Observation, Outcome, Policy,
    Register, SeenIdentifier, Sequence, Spelt, Timestamp, as_of, why, within,
};
use selfsame_store::{PageAsked, PageOf, PersonPage, Recall, Recalled, Record, Scan, Scanned, StoreError};
use tokio::sync::mpsc;

use crate::Engine;

/// Whom a question is about.
#[derive(Clone, Debug)]
pub enum Whom {
    /// Whoever the contact belongs to: any number that was ever answered.
    Contact(ContactId),
    /// Whoever owns the identifier.
    Identifier(Identifier),
}

/// A person, as they are or were at a moment.
#[derive(Clone, Debug)]
pub struct Person {
    /// The contact that stands for them.
    pub primary: ContactId,
    /// Their contacts, and what those own.
    pub register: Register,
}

/// A person and all that is recorded of them, read at one moment.
#[derive(Clone, Debug)]
pub struct Story {
    /// The contacts of everybody who was ever one with them, and what those own.
    pub register: Register,
    /// The events of these, in the order of the log; of a refold, all.
    log: Vec<Event>,
}

/// Why a question has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AskError {
    /// No contact has that number, or none had it then.
    #[error("there is no contact {0}")]
    NoContact(ContactId),
    /// Nobody of the contact's identity lives, or lived then.
    #[error("contact {0} was deleted")]
    Gone(ContactId),
    /// Nobody owns the identifier, or owned it then.
    #[error("nobody owns that identifier")]
    Nobody,
    /// The store could not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Incoherent> for AskError {
    fn from(error: Incoherent) -> Self {
        Self::Store(error.into())
    }
}

impl Engine {
    /// The person that a question is about: now, or as they were at a moment.
    ///
    /// # Errors
    ///
    /// [`AskError`] if there is no such person, or the store can't be read.
    pub async fn person(&self, whom: &Whom, at: Option<Moment>) -> Result<Person, AskError> {
        let (register, contact) = match (whom, at) {
            (Whom::Contact(contact), None) => {
                (self.recall(Recall::Identities(vec![*contact])).await?.register, *contact)
            }
            (Whom::Contact(contact), Some(at)) => {
                let now = self.recall(Recall::History(vec![*contact])).await?;
                (as_of(&now.register, &now.events, at)?, *contact)
            }
            (Whom::Identifier(identifier), None) => {
                let owner = self.owner(identifier).await?.ok_or(AskError::Nobody)?;
                return Box::pin(self.person(&Whom::Contact(owner), None)).await;
            }
            (Whom::Identifier(identifier), Some(at)) => {
                let now = self.recall(Recall::SeenWith(identifier.clone())).await?;
                let then = as_of(&now.register, &now.events, at)?;
                let owner = owner_then(&then, &now.events, identifier).ok_or(AskError::Nobody)?;
                (then, owner)
            }
        };
        register.contact(contact).ok_or(AskError::NoContact(contact))?;
        let primary = register.resolve(contact).ok_or(AskError::Gone(contact))?;
        Ok(Person { primary, register })
    }

    /// A page of a person's contacts, so many after that age: as they are now, or were at a moment.
    ///
    /// # Errors
    ///
    /// As [`Engine::person`].
    pub async fn page(
        &self,
        whom: &Whom,
        at: Option<Moment>,
        after: Option<(Timestamp, ContactId)>,
        most: usize,
    ) -> Result<PersonPage, AskError> {
        let (meant, nobody) = match whom {
            Whom::Contact(contact) => (PageOf::Contact(*contact), AskError::NoContact(*contact)),
            Whom::Identifier(identifier) => (PageOf::Owner(identifier.clone()), AskError::Nobody),
        };
        let asked = PageAsked { whom: meant, after, most };
        let page = match at {
            Some(_) => {
                // Found by what they are called now, and shown as they were.
                let Person { primary, register } = self.person(whom, at).await?;
                PersonPage::of(&register, &PageAsked { whom: PageOf::Contact(primary), ..asked })
            }
            None => self.store().page(self.workspace(), asked).await?,
        };
        match (page, whom) {
            (None, _) => Err(nobody),
            (Some(PersonPage { count: 0, .. }), Whom::Contact(contact)) => Err(AskError::Gone(*contact)),
            (Some(page), _) => Ok(page),
        }
    }

    /// The primary of whoever owns the identifier.
    async fn owner(&self, identifier: &Identifier) -> Result<Option<ContactId>, StoreError> {
        let seen = SeenIdentifier::from_stored(identifier.clone(), None);
        let seen =
            Observation::new(Actor::named("question"), [seen]).expect("one identifier is no kind twice");
        let mut owner = None;
        let mut look = |identities: &dyn Identities| owner = identities.owner(identifier);
        self.store().look(self.workspace(), vec![seen], &mut look).await?;
        Ok(owner)
    }

    /// The events of everybody who was ever of the contact's identity, in the order of the log; of a refold, the values of nobody
    /// else.
    ///
    /// # Errors
    ///
    /// [`AskError`] if there is no such contact, or the store can't be read.
    pub async fn history(&self, contact: ContactId) -> Result<Vec<Event>, AskError> {
        Ok(self.story(contact).await?.into_events())
    }

    /// The person that a contact belongs to, with their past.
    ///
    /// # Errors
    ///
    /// [`AskError`] if there is no such contact, or the store can't be read.
    pub async fn story(&self, contact: ContactId) -> Result<Story, AskError> {
        let Recalled { register, events: log, .. } = self.recall(Recall::History(vec![contact])).await?;
        register.contact(contact).ok_or(AskError::NoContact(contact))?;
        Ok(Story { register, log })
    }

    /// What makes two contacts the same person; `None` if they are none.
    ///
    /// # Errors
    ///
    /// [`AskError`] if there is no such contact, or the store can't be read.
    pub async fn why(&self, one: ContactId, other: ContactId) -> Result<Option<Vec<Link>>, AskError> {
        let Recalled { register, events, .. } = self.recall(Recall::History(vec![one, other])).await?;
        for contact in [one, other] {
            register.contact(contact).ok_or(AskError::NoContact(contact))?;
            register.resolve(contact).ok_or(AskError::Gone(contact))?;
        }
        Ok(why(&register, &events, one, other)?)
    }

    /// So many events at most, in the order of the log, after that one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store can't be read.
    pub async fn events(&self, after: Sequence, most: usize) -> Result<Vec<Event>, StoreError> {
        Ok(self.recall(Recall::Log(after, most)).await?.events)
    }

    /// Sends everything that `what` names, as [`Store::scan`](selfsame_store::Store::scan) does.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store can't be read: what was sent is then not all.
    pub async fn scan(&self, what: Scan, into: mpsc::Sender<Vec<Record>>) -> Result<Scanned, StoreError> {
        self.store().scan(self.workspace(), what, into).await
    }

    /// So many refusals at most that wait for a review, oldest first, after that one; and whom they concern.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store can't be read.
    pub async fn open_reviews(&self, after: Sequence, most: usize) -> Result<Recalled, StoreError> {
        self.recall(Recall::OpenReviews(after, most)).await
    }

    /// The policy that holds now.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store can't be read.
    pub async fn policy(&self) -> Result<Policy, StoreError> {
        let recalled = self.recall(Recall::Identities(Vec::new())).await?;
        Ok(recalled.register.policy().cloned().unwrap_or_default())
    }

    async fn recall(&self, recall: Recall) -> Result<Recalled, StoreError> {
        self.store().recall(self.workspace(), recall).await
    }
}

impl Story {
    /// The events, in the order of the log; of a refold, the values of nobody else.
    pub fn into_events(self) -> Vec<Event> {
        let Self { register, log } = self;
        let theirs = |event: &Event| {
            !event.governs() || event.contacts().iter().any(|contact| register.contact(*contact).is_some())
        };
        let mut events: Vec<Event> = log.into_iter().filter(theirs).collect();
        for event in events.iter_mut().filter(|event| matches!(event.outcome, Outcome::Refolded { .. })) {
            *event = within(event, &register).into_owned();
            if let Outcome::Refolded { respelt, correction, .. } = &mut event.outcome {
                let is_there = |contact: &ContactId| register.contact(*contact).is_some();
                // What has no row may be somebody else's.
                respelt.retain(|one| one.contact.as_ref().is_some_and(is_there));
                correction.primaries.retain(is_there);
            }
        }
        events
    }
}

/// The primary of whoever owned the identifier, however it was spelt then; the oldest, where spellings of it were of several
/// people.
fn owner_then(then: &Register, log: &[Event], identifier: &Identifier) -> Option<ContactId> {
    let earlier = || {
        let spellings = Spelt::of(log).spellings(log, identifier);
        let owners = spellings.iter().filter_map(|spelling| then.owner(spelling));
        owners.min_by_key(|primary| (then.created_at(*primary), *primary))
    };
    then.owner(identifier).or_else(earlier)
}
