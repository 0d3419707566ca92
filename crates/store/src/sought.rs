//! Looking for texts in the bytes of files.

use std::collections::BTreeSet;
use std::fmt;

use aho_corasick::AhoCorasick;

use crate::StoreError;

/// Texts that are looked for, all in one reading. Prints as a number.
///
/// ```
/// use std::collections::BTreeSet;
///
/// let sought = selfsame_store::Sought::of(["doc@hill.edu", "\"b\"@hill.edu"]).unwrap();
/// assert!(!sought.is_in(b"doc@hill.ed"));
/// let mut found = BTreeSet::new();
/// sought.find_in(br#"{"value":"\"b\"@hill.edu"}"#, &mut found);
/// assert_eq!(found, BTreeSet::from([1]), "as JSON escapes it");
/// ```
pub struct Sought {
    finder: AhoCorasick,
    /// Which text each form is of.
    texts: Vec<usize>,
    length_bytes_max: usize,
}

impl fmt::Debug for Sought {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sought({})", self.texts.len())
    }
}

impl Sought {
    /// Texts, each looked for as it is and as JSON escapes it. An empty one is nowhere.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`] if they are more than can be looked for at once: some gigabytes.
    pub fn of<'text>(sought: impl IntoIterator<Item = &'text str>) -> Result<Self, StoreError> {
        let (mut forms, mut texts) = (Vec::new(), Vec::new());
        for (index, text) in sought.into_iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            for form in forms_of(text) {
                forms.push(form);
                texts.push(index);
            }
        }
        let length_bytes_max = forms.iter().map(Vec::len).max().unwrap_or(0);
        let finder = AhoCorasick::new(&forms).map_err(StoreError::failed)?;
        Ok(Self { finder, texts, length_bytes_max })
    }

    /// Whether any of them is in there.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.finder.is_match(bytes)
    }

    /// Adds those that are in there, by their place among the texts, from 0.
    pub fn find_in(&self, bytes: &[u8], found: &mut BTreeSet<usize>) {
        for found_form in self.finder.find_overlapping_iter(bytes) {
            found.insert(self.texts[found_form.pattern().as_usize()]);
        }
    }

    /// The length of the longest form: what pieces of a file must overlap by.
    pub fn length_bytes_max(&self) -> usize {
        self.length_bytes_max
    }
}

/// The bytes that stand in a file for a text: as it is, and as JSON escapes it where that differs.
fn forms_of(text: &str) -> Vec<Vec<u8>> {
    let plain = text.as_bytes().to_vec();
    let quoted = serde_json::to_string(text).expect("a text is JSON");
    let escaped = quoted.as_bytes()[1..quoted.len() - 1].to_vec();
    if escaped == plain { vec![plain] } else { vec![plain, escaped] }
}
