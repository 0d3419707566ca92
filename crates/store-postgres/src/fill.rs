//! Filling an empty workspace with all that an adoption comes to.

use selfsame_rules::Adoption;
use selfsame_store::{Changes, WorkspaceKey};
use tokio_postgres::Client;

use crate::adopt::AdoptionStep;
use crate::carry_out::advance;
use crate::copy_in::copy_in;

/// Writes the events of an adoption and what they add up to, within a transaction that the caller began.
pub(crate) async fn fill(
    client: &Client,
    adoption: &Adoption,
    progress: &(dyn Fn(AdoptionStep) + Sync),
) -> Result<(), tokio_postgres::Error> {
    let workspace = WorkspaceKey::DEFAULT;
    let Some(last) = adoption.events.last() else { return Ok(()) };
    let changes = Changes::of(&adoption.events);
    let total = (adoption.events.len() + changes.contacts.len() + changes.owners.len()) as u64;
    let written = |rows| progress(AdoptionStep::Written(rows, total));
    copy_in(client, workspace, &adoption.events, &changes, &written).await?;
    advance(workspace, last, &changes).send(client).await
}
