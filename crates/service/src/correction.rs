//! Corrections that people make, and observations that come by themselves: each looks at what it concerns under the workspace's
//! lock, and is one event.

use std::sync::{Arc, Mutex};

use data_encoding::BASE32_NOPAD;
use selfsame_rules::{
    Actor, Answer, Asked, ContactId, Correcting, ErasureReceipt, Event, Incoherent, International, Judgement,
    Observation, Plan, Policy, Refolding, Register, Sequence, SpellsOtherwise, decide, delete, erase, govern,
    join, refold, review, split, undo,
};
use selfsame_store::{Carried, Corrected, Decided, ErasedTexts, Recall, Recalled, StoreError};

use crate::repeat::parts;
use crate::{Engine, Keeping, Person, Repeatable};

/// The random part of an erased value's token: more than anybody will ever guess.
const TOKEN_BYTES: usize = 20;

/// What is to be decided on its own, in a transaction of its own.
#[derive(Clone, Debug)]
pub enum Order {
    /// An observation whose answer is kept with it; those without share transactions ([`Engine::identify`]).
    Observe(Box<Observation>),
    /// These contacts of that one's identity are somebody else.
    Split(ContactId, Vec<ContactId>),
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
    /// Another policy holds, and what was recorded is decided again under it; with the tables by which numbers are read.
    Refold(Policy, International),
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
    /// Of an observation, whose it is.
    pub observed: Option<Observed>,
    /// Of an erasure, what went.
    pub(crate) erased: ErasedTexts,
}

/// Whose an observation is.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What the rules answer.
    pub answer: Answer,
    /// The person, as they are after it; nobody if nothing of it could link.
    pub person: Option<Person>,
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
struct Judged {
    ordered: Ordered,
    corrected: Option<Corrected>,
}

impl Order {
    /// What it looks at.
    fn recall(&self) -> Recall {
        match self {
            Self::Observe(observation) => Recall::Observations(vec![(**observation).clone()]),
            Self::Split(of, contacts) => Recall::Identities([&[*of], &contacts[..]].concat()),
            Self::Join(contacts) => Recall::Identities(contacts.clone()),
            Self::Delete(contact) => Recall::Identities(vec![*contact]),
            Self::Undo(event) => Recall::OfEvent(*event),
            Self::Review(review, _) => Recall::Review(*review),
            Self::Erase(contact) => Recall::Person(*contact),
            Self::Govern(_) => Recall::Identities(Vec::new()),
            Self::Refold(..) => Recall::Workspace,
        }
    }

    fn decide(&self, recalled: &Recalled, asked: &Asked) -> Result<Judged, CorrectError> {
        let Recalled { register, events, bearers } = recalled;
        let (mut receipt, mut refolding, mut observed, mut rewritten) = (None, None, None, Vec::new());
        let event = match self {
            Self::Observe(observation) => {
                let Plan { mut events, mut answers } =
                    decide(register, std::slice::from_ref(&**observation), asked.clock);
                let (event, answer) = (events.pop(), answers.pop());
                let answer = answer.expect("one observation has one answer");
                observed = Some(Observed { person: after(register, event.as_ref(), &answer)?, answer });
                event
            }
            Self::Split(of, contacts) => Some(split(register, *of, contacts, asked)?),
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
            Self::Refold(policy, international) => {
                let refolded = refold(register, events, policy.clone(), *international, asked)?;
                let event = refolded.event.clone();
                refolding = Some(refolded);
                Some(event)
            }
        };
        let corrected = event.clone().map(|event| Corrected::of(register, event, rewritten)).transpose()?;
        let erased = corrected.as_ref().filter(|_| receipt.is_some());
        let erased = erased.map(|corrected| ErasedTexts::between(recalled, corrected)).unwrap_or_default();
        Ok(Judged { ordered: Ordered { event, receipt, refolding, observed, erased }, corrected })
    }
}

/// Whose an observation is, as they are after its event.
fn after(
    register: &Register,
    event: Option<&Event>,
    answer: &Answer,
) -> Result<Option<Person>, CorrectError> {
    let Some(view) = &answer.identity else { return Ok(None) };
    let mut register = register.clone();
    event.map(|event| register.follow(event)).transpose()?;
    Ok(Some(Person { primary: view.primary, register }))
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
        if dry_run {
            let asked = Asked { by, reason, clock: self.clock().now() };
            let recalled = self.store().recall(self.workspace(), order.recall()).await?;
            return order.decide(&recalled, &asked).map(|judged| judged.ordered);
        }
        let ordered = self.carry_out(order, by, reason, None).await?;
        ordered.now().ok_or_else(|| StoreError::failed("an answer was kept that nobody asked for").into())
    }

    /// Carries an order out and keeps its answer in the same transaction; or gives the answer that is kept.
    ///
    /// # Errors
    ///
    /// As [`Engine::correct`]. A refusal, too, is kept as `keeping` tells.
    pub async fn correct_once(
        &self,
        order: Order,
        by: Actor,
        reason: Option<Box<str>>,
        keeping: Keeping<Result<Ordered, CorrectError>>,
    ) -> Result<Repeatable<Ordered>, CorrectError> {
        self.carry_out(order, by, reason, Some(keeping)).await
    }

    pub(crate) async fn carry_out(
        &self,
        order: Order,
        by: Actor,
        reason: Option<Box<str>>,
        keeping: Option<Keeping<Result<Ordered, CorrectError>>>,
    ) -> Result<Repeatable<Ordered>, CorrectError> {
        let (clock, recall) = (self.clock(), order.recall());
        let erases = matches!(order, Order::Erase(_));
        let (once, answer) = parts(keeping);
        let told: Arc<Mutex<Option<Result<Ordered, CorrectError>>>> = Arc::default();
        let telling = Arc::clone(&told);
        let decision = Box::new(move |recalled: &Recalled| {
            let asked = Asked { by: by.clone(), reason: reason.clone(), clock: clock.now() };
            let (ordered, change) = match order.decide(recalled, &asked) {
                Ok(Judged { ordered, corrected }) => (Ok(ordered), corrected),
                Err(error) => (Err(error), None),
            };
            let answer = answer(&ordered);
            *telling.lock().expect("nothing panics while it holds this") = Some(ordered);
            Decided { change, answer }
        });
        let carried = self.store().correct(self.workspace(), recall, once, decision).await;
        // Also where the outcome isn't known.
        if erases {
            self.feed().tell_rewritten();
        } else {
            self.feed().tell();
        }
        if let Carried::Before(kept) = carried? {
            return Ok(Repeatable::Before(kept));
        }
        let told = told.lock().expect("nothing panics while it holds this").take();
        let none = || Err(StoreError::failed("the store did not ask for the decision").into());
        let ordered = told.unwrap_or_else(none)?;
        if ordered.observed.is_some() {
            self.metrics().count_alone(ordered.event.as_ref());
        }
        Ok(Repeatable::Now(ordered))
    }
}
