//! Erasing a person: the correction, and then what is left of them elsewhere: in the store's files, and in texts that people wrote.

use selfsame_rules::{Actor, ContactId, ErasureReceipt, Event};
use selfsame_store::{KeptAnswer, Once, Scrubbed, StoreError};
use tokio::time::Instant;

use crate::feed::sent_by_nobody;
use crate::remnants::{Remnants, remnants};
use crate::{CorrectError, Engine, Keeping, Order, Ordered, Repeatable};

/// A person who was erased, or would be.
#[derive(Debug)]
pub struct Erased {
    /// The event.
    pub event: Option<Event>,
    /// What went and what did not.
    pub receipt: ErasureReceipt,
    /// Whether the store's files are free of it, and what is left elsewhere; nothing of a dry run.
    pub verified: Option<Verified>,
}

/// What was found after an erasure.
#[derive(Debug)]
pub struct Verified {
    /// The files. Nothing, if they could not be cleaned yet: that is tried again.
    pub files: Option<Scrubbed>,
    /// Where the texts stand all the same. Nothing, if that could not be searched.
    pub remnants: Option<Remnants>,
}

impl Engine {
    /// Erases the person that the contact belongs to, and removes what is left of them from the store's files; or tells what would go.
    ///
    /// Once begun, it is carried to its end, also when whoever asked has gone.
    ///
    /// # Errors
    ///
    /// [`CorrectError`]; except for [`StoreError::OutcomeUnknown`], nothing was changed. That the files can't be cleaned yet is no
    /// error: the person is erased, and it is told.
    pub async fn erase(&self, contact: ContactId, by: Actor, dry_run: bool) -> Result<Erased, CorrectError> {
        if dry_run {
            let ordered = self.correct(Order::Erase(contact), by, None, true).await?;
            return Ok(Erased::of(ordered, None));
        }
        let engine = self.clone();
        let erased = to_its_end(async move {
            let erased = erase(&engine, contact, by, None).await?;
            sent_by_nobody(engine.store(), Instant::now()).await;
            Ok(erased)
        })
        .await?;
        erased.now().ok_or_else(|| StoreError::failed("an answer was kept that nobody asked for").into())
    }

    /// Erases the person and keeps the answer in the same transaction; or gives the answer that is kept. What is verified is known
    /// only after that transaction, and then kept instead.
    ///
    /// # Errors
    ///
    /// As [`Engine::erase`].
    pub async fn erase_once(
        &self,
        contact: ContactId,
        by: Actor,
        once: Once,
        answer: impl Fn(&Result<Erased, CorrectError>) -> Option<KeptAnswer> + Clone + Send + 'static,
    ) -> Result<Repeatable<Erased>, CorrectError> {
        let telling = answer.clone();
        let first = move |ordered: &Result<Ordered, CorrectError>| {
            telling(&ordered.clone().map(|ordered| Erased::of(ordered, None)))
        };
        let keeping = Keeping { once: once.clone(), answer: Box::new(first) };
        let engine = self.clone();
        to_its_end(async move {
            let erased = erase(&engine, contact, by, Some(keeping)).await?;
            let Repeatable::Now(erased) = erased else { return Ok(erased) };
            sent_by_nobody(engine.store(), Instant::now()).await;
            let erased = Ok(erased);
            if let Some(answer) = answer(&erased)
                && let Err(error) = engine.store().keep_instead(&once, answer).await
            {
                tracing::warn!(%error, "a repeat of an erasure will not be told what was verified");
            }
            erased.map(Repeatable::Now)
        })
        .await
    }
}

/// Lets work go on, once it is begun, whoever waits for it.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, CorrectError>> + Send + 'static,
) -> Result<T, CorrectError> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(StoreError::failed(error).into()))
}

impl Erased {
    fn of(ordered: Ordered, verified: Option<Verified>) -> Self {
        Self { event: ordered.event, receipt: ordered.receipt.unwrap_or_default(), verified }
    }
}

/// Erases, and doesn't wait until no replica sends what it read before.
pub(crate) async fn erase(
    engine: &Engine,
    contact: ContactId,
    by: Actor,
    keeping: Option<Keeping<Result<Ordered, CorrectError>>>,
) -> Result<Repeatable<Erased>, CorrectError> {
    let ordered = engine.carry_out(Order::Erase(contact), by, None, keeping).await?;
    let ordered = match ordered {
        Repeatable::Now(ordered) => ordered,
        Repeatable::Before(kept) => return Ok(Repeatable::Before(kept)),
    };
    let store = engine.store();
    let files = match store.scrub().await {
        Ok(scrubbed) => Some(scrubbed),
        Err(error) => {
            tracing::warn!(%error, "what an erasure left can't be removed from the files yet; trying again");
            None
        }
    };
    // The erasure is made: that nobody could look is not its failure.
    let remnants = remnants(store, engine.workspace(), &ordered.erased).await;
    if let Err(error) = &remnants {
        tracing::warn!(%error, "what people wrote could not be searched for what was erased");
    }
    let remnants = remnants.ok();
    Ok(Repeatable::Now(Erased::of(ordered, Some(Verified { files, remnants }))))
}
