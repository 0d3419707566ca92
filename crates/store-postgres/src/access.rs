//! Reading all workspaces and keys, from one snapshot.

use deadpool_postgres::ClientWrapper;
use futures_util::future::join3;
use selfsame_rules::{KeyFacts, KeyLimits, Name, Scope, Scopes, Sequence, WorkspaceFacts};
use selfsame_store::{Access, FormerNames, KeyDigest, KeyRow, StoreError, WorkspaceKey, WorkspaceRow};
use tokio_postgres::Row;

use crate::rows::{counts, get, head, time, time_if_any};
use crate::statements::administration::ACCESS;
use crate::statements::{BEGIN_LOAD, COMMIT};

/// Sends the statement.
pub(crate) async fn send(client: &ClientWrapper) -> Result<Vec<Row>, tokio_postgres::Error> {
    client.query_typed(ACCESS, &[]).await
}

/// [`send`] in a transaction of its own, in one round trip.
pub(crate) async fn send_alone(client: &ClientWrapper) -> Result<Vec<Row>, tokio_postgres::Error> {
    let (begun, sent, ended) =
        join3(client.batch_execute(BEGIN_LOAD), send(client), client.batch_execute(COMMIT)).await;
    begun.and(ended).and(sent)
}

/// Reads the rows that [`send`] got.
pub(crate) fn read(rows: &[Row]) -> Result<Access, StoreError> {
    let mut access = Access::default();
    for row in rows {
        let workspace = WorkspaceKey(get(row, "workspace")?);
        // A row for each of its keys, one behind the other.
        if access.workspaces.last().is_none_or(|last| last.key != workspace) {
            access.workspaces.push(workspace_row(row, workspace)?);
        }
        if let Some(id) = get::<Option<&str>>(row, "key_id")? {
            access.keys.push(key_row(row, workspace, id)?);
        }
    }
    // A database may order texts as a language does.
    access.keys.sort_by(|one, other| (one.workspace, &one.facts.id).cmp(&(other.workspace, &other.facts.id)));
    Ok(access)
}

fn workspace_row(row: &Row, key: WorkspaceKey) -> Result<WorkspaceRow, StoreError> {
    let facts = WorkspaceFacts {
        name: name(row, "name")?,
        created_at: time(row, "created_at_ms")?,
        erased_at: time_if_any(row, "erased_at_ms")?,
    };
    let swept = time_if_any(row, "swept_at_ms")?.is_some();
    let former_names =
        FormerNames::from_text(get(row, "former_names")?).ok_or_else(|| unreadable("former names"))?;
    let policy_since = Sequence(get(row, "policy_sequence")?);
    Ok(WorkspaceRow { key, facts, head: head(row)?, former_names, counts: counts(row)?, policy_since, swept })
}

fn key_row(row: &Row, workspace: WorkspaceKey, id: &str) -> Result<KeyRow, StoreError> {
    let limits = KeyLimits {
        requests_per_second: limit(row, "key_requests_per_second")?,
        requests_at_once_max: limit(row, "key_requests_at_once_max")?,
    };
    let facts = KeyFacts {
        id: id.into(),
        name: name(row, "key_name")?,
        scopes: scopes(get(row, "key_scopes")?).ok_or_else(|| unreadable("scopes"))?,
        every_workspace: get(row, "key_every_workspace")?,
        limits,
        created_at: time(row, "key_created_at_ms")?,
        expires_at: time_if_any(row, "key_expires_at_ms")?,
        revoked_at: time_if_any(row, "key_revoked_at_ms")?,
    };
    let digest = KeyDigest::from_text(get(row, "key_digest")?).ok_or_else(|| unreadable("digest"))?;
    Ok(KeyRow { workspace, facts, digest })
}

fn name(row: &Row, column: &str) -> Result<Name, StoreError> {
    Name::parse(get(row, column)?).map_err(|_| unreadable("name"))
}

fn limit(row: &Row, column: &str) -> Result<Option<u32>, StoreError> {
    let limit: Option<i64> = get(row, column)?;
    limit.map(u32::try_from).transpose().map_err(|_| unreadable("limit"))
}

/// The text of a column `scopes`.
pub(crate) fn scopes_text(scopes: Scopes) -> String {
    scopes.iter().map(Scope::word).collect::<Vec<_>>().join(" ")
}

fn scopes(text: &str) -> Option<Scopes> {
    text.split(' ').filter(|word| !word.is_empty()).map(Scope::from_word).collect()
}

/// What stands there is in no message.
fn unreadable(what: &str) -> StoreError {
    StoreError::failed(format!("the {what} of a key or a workspace can't be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_words_with_a_space_between() {
        let both: Scopes = [Scope::Admin, Scope::Identify].into_iter().collect();
        for (set, text) in [(both, "identify admin"), (Scopes::default(), "")] {
            assert_eq!(scopes_text(set), text);
            assert_eq!(scopes(text), Some(set));
        }
        assert_eq!(scopes("identify root"), None);
    }
}
