//! Corrections that people make: each looks at what it concerns under the workspace's lock, and is one event.

use std::sync::{Arc, Mutex};

use data_encoding::BASE32_NOPAD;
use selfsame_rules::{
    Actor, Asked, ContactId, Correcting, ErasureReceipt, Event, Incoherent, Judgement, Policy, Refolding,
    Sequence, SpellsOtherwise, delete, erase, govern, join, refold, review, split, undo,
};
use selfsame_store::{Corrected, ErasedTexts, Recall, Recalled, StoreError};

use crate::Engine;

/// The random part of an erased value's token: more than anybody will ever guess.
const TOKEN_BYTES: usize = 20;

/// What a person decides.
#[derive(Clone, Debug)]
pub enum Order {
    /// These contacts, some of one identity, are somebody else.
    Split(Vec<ContactId>),
    /// The merge or the attachment of that event was wrong.
    Undo(Sequence),
    /// The identities of these contacts are the same person.
    Join(Vec<ContactId>),
    /// A refusal is decided.
    Review(Sequence, Judgement),
    /// The contact matches nothing any more.
    Delete(ContactId),
    /// The person that the contact belongs to is erased.
    Erase(ContactId),
    /// Another policy holds for what comes after.
    Govern(Policy),
    /// Another policy holds, and what was recorded is decided again under it.
    Refold(Policy),
}

/// What came of an order, or would come of it.
#[derive(Clone, Debug)]
pub struct Ordered {
    /// The event; nothing where there was nothing to change.
    pub event: Option<Event>,
    /// Of an erasure, what went and what did not.
    pub receipt: Option<ErasureReceipt>,
    /// Of a refold, what it decides otherwise.
    pub refolding: Option<Refolding>,
    /// Of an erasure, what went.
    pub(crate) erased: ErasedTexts,
}

/// Why a correction was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CorrectError {
    /// The rules don't allow it. Nothing was changed.
    #[error(transparent)]
    Refused(#[from] Correcting),
    /// The system has no random numbers to give, without which nobody can be erased. Nothing was changed.
    #[error("the system has no random numbers to give: {0}")]
    NoRandomness(Arc<str>),
    /// The store could not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Incoherent> for CorrectError {
    fn from(error: Incoherent) -> Self {
        Self::Store(error.into())
    }
}

impl From<SpellsOtherwise> for CorrectError {
    fn from(_: SpellsOtherwise) -> Self {
        Self::Refused(Correcting::SpeltOtherwise)
    }
}

/// An order with what it makes of the tables.
struct Decided {
    ordered: Ordered,
    corrected: Option<Corrected>,
}

impl Order {
    /// What it looks at.
    fn recall(&self) -> Recall {
        match self {
            Self::Split(contacts) | Self::Join(contacts) => Recall::Identities(contacts.clone()),
            Self::Delete(contact) => Recall::Identities(vec![*contact]),
            Self::Undo(event) => Recall::OfEvent(*event),
            Self::Review(review, _) => Recall::Review(*review),
            Self::Erase(contact) => Recall::Person(*contact),
            Self::Govern(_) => Recall::Identities(Vec::new()),
            Self::Refold(_) => Recall::Workspace,
        }
    }

    fn decide(&self, recalled: &Recalled, asked: &Asked) -> Result<Decided, CorrectError> {
        let Recalled { register, events, bearers } = recalled;
        let (mut receipt, mut refolding, mut rewritten) = (None, None, Vec::new());
        let event = match self {
            Self::Split(contacts) => Some(split(register, contacts, asked)?),
            Self::Undo(event) => Some(undo(register, events, *event, asked)?),
            Self::Join(contacts) => Some(join(register, contacts, asked)?),
            Self::Review(number, judgement) => Some(review(register, *number, *judgement, asked)?),
            Self::Delete(contact) => Some(delete(register, *contact, asked)?),
            Self::Erase(contact) => {
                let mut lacking = None;
                let token = || token().unwrap_or_else(|why| lacking.insert(why).to_string());
                let erasure = erase(register, events, *contact, bearers, token, asked);
                if let Some(why) = lacking {
                    return Err(CorrectError::NoRandomness(why));
                }
                let erasure = erasure?;
                receipt = Some(erasure.receipt);
                rewritten = erasure.rewritten;
                Some(erasure.event)
            }
            Self::Govern(policy) => govern(register, policy.clone(), asked)?,
            Self::Refold(policy) => {
                let refolded = refold(register, events, policy.clone(), asked)?;
                let event = refolded.event.clone();
                refolding = Some(refolded);
                Some(event)
            }
        };
        let corrected = event.clone().map(|event| Corrected::of(register, event, rewritten)).transpose()?;
        let erased = corrected.as_ref().filter(|_| receipt.is_some());
        let erased = erased.map(|corrected| ErasedTexts::between(recalled, corrected)).unwrap_or_default();
        Ok(Decided { ordered: Ordered { event, receipt, refolding, erased }, corrected })
    }
}

fn token() -> Result<String, Arc<str>> {
    let mut random = [0; TOKEN_BYTES];
    getrandom::fill(&mut random).map_err(|error| Arc::from(error.to_string()))?;
    Ok(BASE32_NOPAD.encode(&random).to_ascii_lowercase())
}

impl Engine {
    /// Carries an order out, or tells what it would do (`dry_run`), which changes nothing.
    ///
    /// # Errors
    ///
    /// [`CorrectError`]; except for [`StoreError::OutcomeUnknown`], nothing was changed.
    pub async fn correct(
        &self,
        order: Order,
        by: Actor,
        reason: Option<Box<str>>,
        dry_run: bool,
    ) -> Result<Ordered, CorrectError> {
        let (store, clock, workspace) = (self.store(), self.clock(), self.workspace());
        let asked = move || Asked { by: by.clone(), reason: reason.clone(), clock: clock.now() };
        if dry_run {
            let recalled = store.recall(workspace, order.recall()).await?;
            return order.decide(&recalled, &asked()).map(|decided| decided.ordered);
        }
        let recall = order.recall();
        let told: Arc<Mutex<Option<Result<Ordered, CorrectError>>>> = Arc::default();
        let telling = Arc::clone(&told);
        let decision = Box::new(move |recalled: &Recalled| {
            let decided = order.decide(recalled, &asked());
            let (ordered, corrected) = match decided {
                Ok(Decided { ordered, corrected }) => (Ok(ordered), corrected),
                Err(error) => (Err(error), None),
            };
            *telling.lock().expect("nothing panics while it holds this") = Some(ordered);
            corrected
        });
        let corrected = store.correct(workspace, recall, decision).await;
        self.feed().tell();
        corrected?;
        let told = told.lock().expect("nothing panics while it holds this").take();
        told.unwrap_or_else(|| Err(StoreError::failed("the store did not ask for the decision").into()))
    }
}
