//! Erasing a person: the correction, and then what is left of them elsewhere: in the store's files, and in texts that people wrote.

use selfsame_rules::{Actor, ContactId, ErasureReceipt, Event};
use selfsame_store::{Scrubbed, StoreError};

use crate::remnants::{Remnants, remnants};
use crate::{CorrectError, Engine, Order, Ordered};

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
        let engine = self.clone();
        let erasing = tokio::spawn(async move { erase(&engine, contact, by, dry_run).await });
        erasing.await.unwrap_or_else(|error| Err(StoreError::failed(error).into()))
    }
}

async fn erase(
    engine: &Engine,
    contact: ContactId,
    by: Actor,
    dry_run: bool,
) -> Result<Erased, CorrectError> {
    let ordered = engine.correct(Order::Erase(contact), by, None, dry_run).await?;
    let Ordered { event, receipt, erased, .. } = ordered;
    let receipt = receipt.unwrap_or_default();
    if dry_run {
        return Ok(Erased { event, receipt, verified: None });
    }
    let store = engine.store();
    let files = match store.scrub().await {
        Ok(scrubbed) => Some(scrubbed),
        Err(error) => {
            tracing::warn!(%error, "what an erasure left can't be removed from the files yet; trying again");
            None
        }
    };
    // The erasure is made: that nobody could look is not its failure.
    let remnants = remnants(store, engine.workspace(), &erased).await;
    if let Err(error) = &remnants {
        tracing::warn!(%error, "what people wrote could not be searched for what was erased");
    }
    let remnants = remnants.ok();
    Ok(Erased { event, receipt, verified: Some(Verified { files, remnants }) })
}
