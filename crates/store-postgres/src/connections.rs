//! The pool of connections, and a connection on loan from it that is thrown away unless its use came to a clean end.

use std::ops::Deref;
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
};

use crate::error::Fault;
use crate::settings::ConnectionSettings;
use crate::statements::planned::PREPARE_LOAD;
use crate::tls::TlsError;

/// The pool that `settings` describe. It connects when it is first asked to.
pub(crate) fn pool(settings: &ConnectionSettings) -> Result<Pool, TlsError> {
    // Whether a connection still works shows when it is used: asking first would be a round trip for every look-up.
    let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(settings.client().clone(), settings.tls()?, manager_config);
    let mut builder = Pool::builder(manager);
    if settings.keeps_plans() {
        builder = builder.post_create(Hook::async_fn(|client, _| Box::pin(prepare(client))));
    }
    let pool = builder
        .max_size(settings.connections_max())
        .wait_timeout(settings.connection_wait())
        .create_timeout(settings.connect_timeout())
        .recycle_timeout(Some(Duration::from_secs(1)))
        .runtime(Runtime::Tokio1)
        .build();
    Ok(pool.expect("a runtime is named"))
}

/// Lets the server plan what will be asked most. Where it can't, or another client of a pooler has asked already, the
/// first look-up will tell.
async fn prepare(client: &mut ClientWrapper) -> Result<(), HookError> {
    match client.batch_execute(&PREPARE_LOAD).await {
        Err(error) if error.as_db_error().is_none() => Err(HookError::Backend(error)),
        _ => Ok(()),
    }
}

/// A connection on loan. Dropped in the middle of something, by a time limit for example, it is closed: nobody else
/// would know what it is in the middle of.
pub(crate) struct Loan(Option<Object>);

impl Loan {
    pub(crate) async fn from(pool: &Pool) -> Result<Self, Fault> {
        Ok(Self(Some(pool.get().await?)))
    }

    /// Gives it back: it is between two transactions.
    pub(crate) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Deref for Loan {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        self.0.as_ref().expect("it is taken only when the loan ends")
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}
