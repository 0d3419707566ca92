//! Requests that are sent again: carried out once, and answered alike each time.

use selfsame_store::{Kept, KeptAnswer, Once};

/// The answer to what came of a request; `None` for one that a repeat isn't to get: a repeat is carried out anew.
pub type Answering<T> = Box<dyn Fn(&T) -> Option<KeptAnswer> + Send>;

/// How a request's answer is kept: `T` is what came of it.
pub struct Keeping<T> {
    /// By what the request is known when it comes again.
    pub once: Once,
    /// What is kept.
    pub answer: Answering<T>,
}

/// What came of a request that may be a repeat.
#[derive(Clone, Debug)]
pub enum Repeatable<T> {
    /// It was carried out now.
    Now(T),
    /// One with the same key was answered before. Nothing was done.
    Before(Kept),
}

impl<T> Repeatable<T> {
    /// What came of it now.
    pub fn now(self) -> Option<T> {
        match self {
            Self::Now(done) => Some(done),
            Self::Before(_) => None,
        }
    }
}

/// The parts of how an answer is kept, where it is.
pub(crate) fn parts<T>(
    keeping: Option<Keeping<T>>,
) -> (Option<Once>, impl Fn(&T) -> Option<KeptAnswer> + Send) {
    let (once, answer) = keeping.map(|keeping| (keeping.once, keeping.answer)).unzip();
    (once, move |done: &T| answer.as_ref().and_then(|answer| answer(done)))
}
