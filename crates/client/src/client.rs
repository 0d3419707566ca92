//! The client: its settings, and what it can ask and tell a server.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderValue;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answers::{Corrected, Customer, ErasureReceipt, Identified, Identity, Observed, Why};
use crate::batch::{Batch, batch};
use crate::change::Change;
use crate::dry_run::DryRun;
use crate::error::{Error, InvalidSetting};
use crate::event::EventPage;
use crate::feed::Feed;
use crate::observation::{Checkout, Lookup, Observation};
use crate::retries::Retries;
use crate::transport::{JSON, Request, Transport};
use crate::words::{ContactId, Sequence};

/// The code of the problem that nobody owns an identifier.
const NOBODY: &str = "nobody";

/// The longest `Idempotency-Key`.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// A client of one server, for one workspace of it.
///
/// Clones are cheap and share their connections; one client serves any number of tasks at the same time. It needs a tokio
/// runtime with its I/O and time drivers. `Debug` shows the server's URL and neither the key nor anything that was sent.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) transport: Transport,
    pub(crate) retries: Retries,
    keys_for_observations: bool,
    idempotency_key: Option<Box<str>>,
    /// What was set and can't be sent, told by the first request.
    unfit: Option<Unfit>,
}

#[derive(Clone, Copy, Debug)]
enum Unfit {
    Key,
    Workspace,
}

/// Settings. Each method gives the client back with that setting changed.
impl Client {
    /// A client of the server at that URL: `http://` or `https://`, a host, and the path below which a proxy has the server, if
    /// it has it below one. Nothing is sent yet.
    ///
    /// By `https://`, a server is trusted if its certificate is signed by an authority that the system trusts; see also
    /// [`trusting`](Self::trusting).
    ///
    /// # Errors
    ///
    /// If the URL isn't such a one.
    pub fn new(url: &str) -> Result<Self, InvalidSetting> {
        let transport = Transport::new(url)?;
        let retries = Retries::default();
        Ok(Self { transport, retries, keys_for_observations: true, idempotency_key: None, unfit: None })
    }

    /// Sends that key with each request.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        match HeaderValue::try_from(format!("Bearer {key}")) {
            Ok(mut value) => {
                value.set_sensitive(true);
                self.transport.key = Some(value);
            }
            Err(_) => self.unfit = Some(Unfit::Key),
        }
        self
    }

    /// Asks for that workspace: of a key that opens every one.
    #[must_use]
    pub fn workspace(mut self, name: &str) -> Self {
        match HeaderValue::try_from(name) {
            Ok(value) => self.transport.workspace = Some(value),
            Err(_) => self.unfit = Some(Unfit::Workspace),
        }
        self
    }

    /// How often what failed is sent again.
    #[must_use]
    pub fn retries(self, retries: Retries) -> Self {
        Self { retries, ..self }
    }

    /// How long the server may say nothing before an attempt is given up, from the request to the answer's beginning and between
    /// pieces of it; 30 seconds if it isn't set.
    #[must_use]
    pub fn timeout(mut self, silence_max: Duration) -> Self {
        self.transport.silence_max = silence_max;
        self
    }

    /// Trusts the authorities of these certificates (PEM) besides those of the system: for a certificate of your own.
    ///
    /// # Errors
    ///
    /// If there is no certificate in it, or one can't be read.
    pub fn trusting(mut self, certificates_pem: &[u8]) -> Result<Self, InvalidSetting> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates_pem).collect();
        let authorities = read.ok().filter(|authorities| !authorities.is_empty());
        self.transport.trust(authorities.ok_or(InvalidSetting::Certificate)?);
        Ok(self)
    }

    /// Sends observations without an `Idempotency-Key`. They are cheaper for the server: many share a transaction, and what is known
    /// already needs none. One whose answer was lost is as safe to send again, but is then answered `unchanged`, where the lost answer
    /// said `created`, say.
    #[must_use]
    pub fn without_keys_for_observations(self) -> Self {
        Self { keys_for_observations: false, ..self }
    }

    /// Takes that `Idempotency-Key` for the next change instead of a new one: for a job that may itself die and begin again, and has
    /// stored the key before. The server refuses it for a second, different change by the same route.
    ///
    /// ```no_run
    /// # async fn example(client: selfsame_client::Client) -> Result<(), selfsame_client::Error> {
    /// use selfsame_client::Sequence;
    ///
    /// client.idempotency_key("ticket-4711-undo").undo(Sequence(3), Some("a shared phone")).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn idempotency_key(&self, text: &str) -> Self {
        Self { idempotency_key: Some(text.into()), ..self.clone() }
    }
}

/// What is seen and asked.
impl Client {
    /// Stores what was seen at a checkout, and answers whose it is: `POST /identify`, as the original service has it.
    ///
    /// # Errors
    ///
    /// A problem, or no answer.
    pub async fn identify(&self, checkout: &Checkout) -> Result<Customer, Error> {
        let body = Some((JSON, json(checkout)));
        let request = Request { method: Method::POST, body, ..Request::get("/identify".to_owned()) };
        Ok(self.send::<Identified>(&request).await?.contact)
    }

    /// Stores what was seen, and answers what came of it: `POST /v1/observations`.
    ///
    /// # Errors
    ///
    /// A problem, or no answer.
    pub async fn observe(&self, observation: &Observation) -> Result<Observed, Error> {
        self.change(&Change::observe(observation), false).await
    }

    /// Stores what was seen at many checkouts, in one request: `POST /v1/observations/batch`. The answers are in their order.
    ///
    /// # Errors
    ///
    /// A problem of the whole request, or no answer. Problems of single lines are in the batch.
    pub async fn observe_batch(&self, checkouts: &[Checkout]) -> Result<Batch, Error> {
        batch(self, checkouts).await
    }

    /// Looks a person up; nothing where nobody owns the identifier. A contact that isn't there is a problem: `contact_not_found`, or
    /// `contact_gone` where it was deleted or erased.
    ///
    /// # Errors
    ///
    /// A problem, or no answer.
    pub async fn find(&self, lookup: &Lookup) -> Result<Option<Identity>, Error> {
        match self.send(&Request::get(lookup.path())).await {
            Ok(identity) => Ok(Some(identity)),
            Err(Error::Problem(problem)) if problem.code == NOBODY => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Why two contacts are the same person.
    ///
    /// # Errors
    ///
    /// A problem, or no answer.
    pub async fn why(&self, one: ContactId, other: ContactId) -> Result<Why, Error> {
        self.send(&Request::get(format!("/v1/identities/{one}/why?other={other}"))).await
    }

    /// The events behind that one, in the order of the log, `limit` at most (1 to 1000). The page behind it is that after its last
    /// event.
    ///
    /// # Errors
    ///
    /// A problem, or no answer.
    pub async fn events(&self, after: Sequence, limit: u16) -> Result<EventPage, Error> {
        self.send(&Request::get(format!("/v1/events?after={after}&limit={limit}"))).await
    }

    /// The events behind that one, and those to come, as they come. Nothing is sent before the first is asked for.
    pub fn follow(&self, after: Sequence) -> Feed {
        Feed::new(self.clone(), after)
    }
}

/// Corrections. Each is one event, and can be tried by a [`dry_run`](Self::dry_run).
impl Client {
    /// Undoes a merge or an attachment; `reason` stands in the event.
    ///
    /// # Errors
    ///
    /// A problem, or no answer.
    pub async fn undo(&self, event: Sequence, reason: Option<&str>) -> Result<Corrected, Error> {
        self.change(&Change::undo(event, reason), false).await
    }

    /// Makes somebody else of these contacts of the person of `contact`; `reason` stands in the event.
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
        self.change(&Change::split(contact, leaving, reason), false).await
    }

    /// Makes one person of those of two contacts; `reason` stands in the event, and isn't blank.
    ///
    /// # Errors
    ///
    /// A problem, or no answer.
    pub async fn merge(&self, one: ContactId, other: ContactId, reason: &str) -> Result<Corrected, Error> {
        self.change(&Change::merge(one, other, reason), false).await
    }

    /// Erases the person of that contact, for good.
    ///
    /// # Errors
    ///
    /// A problem, or no answer.
    pub async fn erase(&self, contact: ContactId) -> Result<ErasureReceipt, Error> {
        self.change(&Change::erase(contact), false).await
    }

    /// Tells what a change would do, and changes nothing.
    ///
    /// ```no_run
    /// # async fn example(client: selfsame_client::Client) -> Result<(), selfsame_client::Error> {
    /// use selfsame_client::ContactId;
    ///
    /// let receipt = client.dry_run().erase(ContactId(7)).await?;
    /// println!("{} values would go", receipt.values);
    /// # Ok(())
    /// # }
    /// ```
    pub fn dry_run(&self) -> DryRun<'_> {
        DryRun { client: self }
    }
}

impl Client {
    /// Makes a change, or only asks what it would do.
    pub(crate) async fn change<A: DeserializeOwned>(
        &self,
        change: &Change,
        is_dry_run: bool,
    ) -> Result<A, Error> {
        let idempotency_key = if is_dry_run { None } else { self.key_of(change)? };
        self.send(&change.request(is_dry_run, idempotency_key)).await
    }

    /// What a change is known by when it comes again: of a dry run nothing, as it does nothing.
    fn key_of(&self, change: &Change) -> Result<Option<HeaderValue>, Error> {
        if let Some(text) = &self.idempotency_key {
            let fits = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len()) && text.is_ascii();
            let value = HeaderValue::try_from(&**text).ok().filter(|_| fits);
            return Ok(Some(value.ok_or(InvalidSetting::IdempotencyKey)?));
        }
        if change.is_observation() && !self.keys_for_observations {
            return Ok(None);
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Error::NoRandomness(error.into()))?;
        let text = format!("{:032x}", u128::from_ne_bytes(random));
        Ok(Some(HeaderValue::try_from(text).expect("hexadecimal digits are ASCII")))
    }

    /// Sends a request, as often as it takes and may; what is answered.
    async fn send<A: DeserializeOwned>(&self, request: &Request) -> Result<A, Error> {
        let body = self.send_for_body(request).await?;
        serde_json::from_slice(&body).map_err(|error| Error::unreadable(&error))
    }

    /// The same, for an answer that isn't one value.
    pub(crate) async fn send_for_body(&self, request: &Request) -> Result<Vec<u8>, Error> {
        self.fit()?;
        let mut failures = 0;
        loop {
            let attempt = async {
                let answer = self.transport.begin(request).await?;
                self.transport.collect(answer.into_body()).await
            };
            let error = match attempt.await {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            failures += 1;
            let Some(wait) = self.retries.wait_after(failures, &error) else { return Err(error) };
            tokio::time::sleep(wait).await;
        }
    }

    /// Whether all that was set can be sent.
    pub(crate) fn fit(&self) -> Result<(), InvalidSetting> {
        match self.unfit {
            None => Ok(()),
            Some(Unfit::Key) => Err(InvalidSetting::Key),
            Some(Unfit::Workspace) => Err(InvalidSetting::Workspace),
        }
    }
}

/// What is sent as JSON.
pub(crate) fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("texts and numbers always make JSON").into()
}
