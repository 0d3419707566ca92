//! How large the harnesses run: small in `cargo xtask test`, in full in `cargo xtask prove`.

/// The size of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// For every change: the same harness, fewer rounds.
    Small,
    /// The counts that an issue names.
    Full,
}

impl Size {
    /// `Full` if `SELFSAME_TEST_SIZE` is `full`.
    pub fn of_this_run() -> Self {
        match std::env::var("SELFSAME_TEST_SIZE").as_deref() {
            Ok("full") => Self::Full,
            _ => Self::Small,
        }
    }

    /// One of two values.
    pub fn pick<T>(self, small: T, full: T) -> T {
        match self {
            Self::Small => small,
            Self::Full => full,
        }
    }
}

/// Prints the line with which a harness says what it has proved; `cargo xtask prove` gathers these.
pub fn proved(line: &str) {
    println!("proved: {line}");
}
