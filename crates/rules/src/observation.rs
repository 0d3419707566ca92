//! What one incoming request saw: identifiers, one per kind, each with the text as it was sent.

use std::borrow::Cow;
use std::sync::Arc;

use crate::{Actor, Identifier, IdentifierKind, InvalidIdentifier, Policy, Spelling, Timestamp};

/// An identifier together with the text that it was read from.
///
/// ```
/// use selfsame_rules::{IdentifierKind, SeenIdentifier};
///
/// let seen = SeenIdentifier::parse(&IdentifierKind::Email, "Doc@Hill.edu")?.expect("not blank");
/// assert_eq!((seen.identifier().value(), seen.as_sent()), ("doc@hill.edu", Some("Doc@Hill.edu")));
/// assert_eq!(SeenIdentifier::parse(&IdentifierKind::Email, " ")?, None);
/// # Ok::<(), selfsame_rules::InvalidIdentifier>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SeenIdentifier {
    identifier: Identifier,
    /// `None` when it was sent in its canonical spelling, which is the common case.
    as_sent: Option<Arc<str>>,
    verified: bool,
}

impl SeenIdentifier {
    /// Reads `text` as an identifier of `kind`; nothing if it is blank.
    ///
    /// # Errors
    ///
    /// [`InvalidIdentifier`] says which rule of the kind the text breaks.
    pub fn parse(kind: &IdentifierKind, text: &str) -> Result<Option<Self>, InvalidIdentifier> {
        let identifier = Identifier::parse(kind, text)?;
        Ok(identifier.map(|identifier| Self::from_stored(identifier, Some(text))))
    }

    /// What a store reads back; `as_sent` is `None` where the canonical spelling was sent.
    pub fn from_stored(identifier: Identifier, as_sent: Option<&str>) -> Self {
        let as_sent = as_sent.filter(|text| *text != identifier.value()).map(Arc::from);
        Self { identifier, as_sent, verified: false }
    }

    /// The same, marked as verified by whoever observed it: the person was shown to hold it.
    pub fn verified(self) -> Self {
        Self { verified: true, ..self }
    }

    /// Whether it was marked as verified, which the kinds that a policy names as claims need to link.
    pub fn is_verified(&self) -> bool {
        self.verified
    }

    /// The canonical identifier.
    pub fn identifier(&self) -> &Identifier {
        &self.identifier
    }

    /// The same, in another canonical spelling.
    #[must_use]
    pub fn spelt(&self, identifier: &Identifier) -> Self {
        // What stands for an erased value was sent by nobody.
        let sent = Some(self.sent()).filter(|_| !self.identifier.is_erased());
        let anew = Self::from_stored(identifier.clone(), sent);
        Self { verified: self.verified, ..anew }
    }

    /// The text as it was sent.
    pub fn sent(&self) -> &str {
        self.as_sent().unwrap_or_else(|| self.identifier.value())
    }

    /// The text as it was sent, where that differs from the canonical value.
    pub fn as_sent(&self) -> Option<&str> {
        self.as_sent.as_deref()
    }
}

impl std::fmt::Debug for SeenIdentifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.identifier.fmt(formatter)
    }
}

/// Where and when something was seen, in the words of whoever sent it. It decides nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// When it was seen, by another clock than the log's.
    pub observed_at: Option<Timestamp>,
    /// Where: a name of a shop, a file, a form.
    pub source: Option<Box<str>>,
    /// Whether a file brought it, and not whoever saw it as it happened.
    pub imported: bool,
}

/// The identifiers of one request: at least one, at most one per kind, in the order of kinds.
///
/// ```
/// use selfsame_rules::{Actor, IdentifierKind, InvalidObservation, Observation, SeenIdentifier};
///
/// let email = SeenIdentifier::parse(&IdentifierKind::Email, "Doc@Hill.edu").unwrap();
/// let observation = Observation::new(Actor::named("POST /identify"), email)?;
/// assert_eq!(observation.identifiers().next().unwrap().value(), "doc@hill.edu");
/// assert_eq!(Observation::new(Actor::named("test"), []), Err(InvalidObservation::Empty));
/// # Ok::<(), InvalidObservation>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    seen: Vec<SeenIdentifier>,
    caused_by: Actor,
    origin: Option<Arc<Origin>>,
    spelling: Spelling,
    accepted_at: Option<Timestamp>,
}

impl Observation {
    /// An observation of these identifiers, given in any order.
    ///
    /// # Errors
    ///
    /// [`InvalidObservation`] if there are none, or two of one kind.
    pub fn new(
        caused_by: Actor,
        seen: impl IntoIterator<Item = SeenIdentifier>,
    ) -> Result<Self, InvalidObservation> {
        let mut seen: Vec<SeenIdentifier> = seen.into_iter().collect();
        seen.sort_by(|left, right| left.identifier.cmp(&right.identifier));
        if seen.is_empty() {
            return Err(InvalidObservation::Empty);
        }
        if seen.windows(2).any(|pair| pair[0].identifier.kind() == pair[1].identifier.kind()) {
            return Err(InvalidObservation::RepeatedKind);
        }
        Ok(Self { seen, caused_by, origin: None, spelling: Spelling::default(), accepted_at: None })
    }

    /// The canonical identifiers, in the order of kinds.
    pub fn identifiers(&self) -> impl Iterator<Item = &Identifier> {
        self.seen.iter().map(SeenIdentifier::identifier)
    }

    /// The identifiers with their texts as sent: the evidence of the event that this may cause.
    pub fn seen(&self) -> &[SeenIdentifier] {
        &self.seen
    }

    /// The same, whose values were read in that way: where another policy holds once it is decided, it is read anew.
    #[must_use]
    pub fn read_by(self, spelling: Spelling) -> Self {
        Self { spelling, ..self }
    }

    /// The same as `policy` spells it (none: the default policy), read anew from what was sent if it was read in another way.
    ///
    /// ```
    /// use selfsame_rules::{Actor, IdentifierKind, Observation, Policy, PolicyDocument, SeenIdentifier};
    ///
    /// let email = SeenIdentifier::parse(&IdentifierKind::Email, "Doc@Hill.edu").unwrap();
    /// let seen = Observation::new(Actor::named("example"), email).unwrap();
    /// let exact = PolicyDocument { exact_email: true, ..PolicyDocument::default() };
    /// let seen = seen.as_spelt_by(Some(&Policy::read(&exact).unwrap())).into_owned();
    /// assert_eq!(seen.identifiers().next().unwrap().value(), "Doc@Hill.edu");
    /// ```
    pub fn as_spelt_by(&self, policy: Option<&Policy>) -> Cow<'_, Self> {
        let Some(spelling) = self.spelling.otherwise(policy) else { return Cow::Borrowed(self) };
        let seen = self.seen.iter().map(|seen| spelling.read_again(seen)).collect();
        Cow::Owned(Self { seen, spelling, ..self.clone() })
    }

    /// The same, with what was said of where and when it was seen.
    #[must_use]
    pub fn with_origin(self, origin: Origin) -> Self {
        let origin = (origin != Origin::default()).then(|| Arc::new(origin));
        Self { origin, ..self }
    }

    /// The same, as of that moment and not of the one in which it is decided: for the rows of an import into an empty workspace,
    /// which bring their own times and come in their order.
    ///
    /// ```
    /// use selfsame_rules::{
    ///     Actor, Head, IdentifierKind, Neighbourhood, Observation, Origin, SeenIdentifier, Timestamp, decide,
    /// };
    ///
    /// let at = Timestamp::from_milliseconds;
    /// let row = |phone: &str, ordered| {
    ///     let phone = SeenIdentifier::parse(&IdentifierKind::Phone, phone).unwrap();
    ///     let origin = Origin { observed_at: Some(at(ordered)), source: None, imported: true };
    ///     let seen = Observation::new(Actor::named("import"), phone).unwrap();
    ///     seen.with_origin(origin).accepted_at(at(ordered))
    /// };
    /// let nobody = Neighbourhood::new(Head::EMPTY, [], []).unwrap();
    /// let plan = decide(&nobody, &[row("1", 7), row("2", 5), row("3", 9)], at(1_000));
    /// let dated: Vec<_> = plan.events.iter().map(|event| (event.kind(), event.at.as_milliseconds())).collect();
    /// assert_eq!(dated, [("imported", 7), ("imported", 7), ("imported", 9)], "time never goes back");
    /// ```
    ///
    /// Source: SEMANTICS, "Time is the log's".
    #[must_use]
    pub fn accepted_at(self, at: Timestamp) -> Self {
        Self { accepted_at: Some(at), ..self }
    }

    /// The moment as of which it is accepted, if it brings its own.
    pub(crate) fn own_time(&self) -> Option<Timestamp> {
        self.accepted_at
    }

    /// What was said of where and when it was seen.
    pub fn origin(&self) -> Option<&Arc<Origin>> {
        self.origin.as_ref()
    }

    /// Who or what brought the observation.
    pub fn caused_by(&self) -> &Actor {
        &self.caused_by
    }
}

/// Why identifiers make no observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidObservation {
    /// No identifier at all.
    #[error("an observation needs at least one identifier")]
    Empty,
    /// Two identifiers of one kind.
    #[error("an observation has at most one identifier of a kind")]
    RepeatedKind,
}
