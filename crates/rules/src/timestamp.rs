//! A moment, as the log counts it. Deliberately absent: a clock; the moment is always handed in.

/// A moment in Unix milliseconds, UTC.
///
/// ```
/// use selfsame_rules::Timestamp;
///
/// assert!(Timestamp::from_milliseconds(1) < Timestamp::from_milliseconds(2));
/// assert_eq!(Timestamp::from_milliseconds(7).as_milliseconds(), 7);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment that lies `milliseconds` after 1970-01-01T00:00:00Z, or before it if negative.
    pub const fn from_milliseconds(milliseconds: i64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_milliseconds(self) -> i64 {
        self.0
    }
}
