//! Changes that are only asked about.

use crate::answers::{Corrected, ErasureReceipt, Observed};
use crate::change::Change;
use crate::client::Client;
use crate::error::Error;
use crate::observation::Observation;
use crate::words::{ContactId, Sequence};

/// Tells what each change would do: the methods of [`Client`] of the same names, without their effect. Made by
/// [`Client::dry_run`].
#[derive(Clone, Copy, Debug)]
pub struct DryRun<'client> {
    pub(crate) client: &'client Client,
}

impl DryRun<'_> {
    /// What would come of an observation. `sequence` is the number that its event would have, and `identity` is as it is now.
    ///
    /// # Errors
    ///
    /// A problem, or no answer.
    pub async fn observe(&self, observation: &Observation) -> Result<Observed, Error> {
        self.client.change(&Change::observe(observation), true).await
    }

    /// What an undo would part.
    ///
    /// # Errors
    ///
    /// A problem, or no answer.
    pub async fn undo(&self, event: Sequence, reason: Option<&str>) -> Result<Corrected, Error> {
        self.client.change(&Change::undo(event, reason), true).await
    }

    /// What a split would part.
    ///
    /// # Errors
    ///
    /// A problem, or no answer.
    pub async fn split(
        &self,
        contact: ContactId,
        leaving: &[ContactId],
        reason: Option<&str>,
    ) -> Result<Corrected, Error> {
        self.client.change(&Change::split(contact, leaving, reason), true).await
    }

    /// What a merge would join.
    ///
    /// # Errors
    ///
    /// A problem, or no answer.
    pub async fn merge(&self, one: ContactId, other: ContactId, reason: &str) -> Result<Corrected, Error> {
        self.client.change(&Change::merge(one, other, reason), true).await
    }

    /// What an erasure would remove.
    ///
    /// # Errors
    ///
    /// A problem, or no answer.
    pub async fn erase(&self, contact: ContactId) -> Result<ErasureReceipt, Error> {
        self.client.change(&Change::erase(contact), true).await
    }
}
