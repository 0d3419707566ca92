//! A blocked value, or many at once: `*` stands for any characters, also none.

/// What [`Pattern::matches`] compares values with.
///
/// ```
/// use selfsame_rules::Pattern;
///
/// let pattern = Pattern::parse("noreply@*").unwrap();
/// assert!(pattern.matches("noreply@shop.example") && !pattern.matches("ada@shop.example"));
/// assert!(Pattern::parse("0000000000").unwrap().matches("0000000000"));
/// assert!(Pattern::parse("*").is_err() && Pattern::parse("").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Box<str>);

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// Nothing, or nothing but `*`, which would block every value of its kind.
    #[error("a pattern needs a character besides `*`: leave the kind out of observations to block all of it")]
    MatchesEverything,
    /// More than 254 bytes, which no value has.
    #[error("a pattern has at most 254 bytes")]
    TooLong,
    /// White space at an end, or a control character, which no canonical value has.
    #[error("a pattern has no white space at its ends and no control character")]
    NeverMatches,
}

impl Pattern {
    /// The pattern that the text is, compared with canonical values as it stands.
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`] if it would match everything, or nothing that can be.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        if text.chars().all(|character| character == '*') {
            Err(InvalidPattern::MatchesEverything)
        } else if text.len() > 254 {
            Err(InvalidPattern::TooLong)
        } else if text.trim() != text || text.contains(char::is_control) {
            Err(InvalidPattern::NeverMatches)
        } else {
            Ok(Self(text.into()))
        }
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the canonical value is one of those meant. Costs at most the product of both lengths.
    pub fn matches(&self, value: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else { return *self.0 == *value };
        let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
        let Some(mut left) = value.strip_prefix(head).and_then(|left| left.strip_suffix(tail)) else {
            return false;
        };
        // The earliest place of each part leaves the most for those after it.
        for part in middle.split('*').filter(|part| !part.is_empty()) {
            let Some(place) = left.find(part) else { return false };
            left = &left[place + part.len()..];
        }
        true
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pattern(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_everything_else_for_itself() {
        for (pattern, value, matches) in [
            ("a*", "a", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*x*y*", "axbyc", true),
            ("*x*y*", "aybxc", false),
            ("a*b*b", "ab", false),
            ("a*b*b", "abb", true),
            ("a.c", "abc", false),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(value), matches, "{pattern} {value}");
        }
    }
}
