//! Inputs for a target without libFuzzer: the samples of its corpus, and what a few random changes make of them.

use std::fs;
use std::path::Path;

use crate::random::Random;

/// The most changes that make one input of a sample.
const CHANGES_MAX: u64 = 6;

/// The folder of the fuzz targets.
const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz");

/// Inputs without end.
pub struct Mutations {
    samples: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    random: Random,
}

impl Mutations {
    /// The inputs for the target of that name.
    ///
    /// # Panics
    ///
    /// If it has no samples.
    pub fn of(target: &str, random: Random) -> Self {
        let mut files: Vec<_> = Path::new(FUZZ)
            .join("corpus")
            .join(target)
            .read_dir()
            .expect("each target has a folder of samples")
            .map(|entry| entry.expect("it can be listed").path())
            .collect();
        files.sort();
        let samples: Vec<_> = files.iter().map(|path| fs::read(path).expect("it can be read")).collect();
        assert!(!samples.is_empty(), "{target} has no samples");
        let dictionary = fs::read_to_string(Path::new(FUZZ).join("words.dict")).expect("it can be read");
        let words = dictionary.lines().filter(|line| line.starts_with('"')).map(word).collect();
        Self { samples, words, random }
    }

    /// The samples as they are.
    pub fn samples(&self) -> &[Vec<u8>] {
        &self.samples
    }

    /// A sample with a few changes.
    pub fn mutated(&mut self) -> Vec<u8> {
        let mut input = self.sample();
        for _ in 0..=self.random.below(CHANGES_MAX) {
            self.change(&mut input);
        }
        input
    }

    fn sample(&mut self) -> Vec<u8> {
        let at = self.below(self.samples.len());
        self.samples[at].clone()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (begin, end) = self.range(input.len());
        match self.random.below(7) {
            0 => drop(input.drain(begin..end)),
            1 => {
                let copy = input[begin..end].to_vec();
                let at = self.below(input.len() + 1);
                drop(input.splice(at..at, copy));
            }
            2 => {
                let at = self.below(self.words.len());
                drop(input.splice(begin..end.min(begin + 1), self.words[at].iter().copied()));
            }
            3 => {
                let at = self.below(self.words.len());
                drop(input.splice(begin..begin, self.words[at].iter().copied()));
            }
            4 => {
                let other = self.sample();
                let (from, to) = self.range(other.len());
                drop(input.splice(begin..end, other[from..to].iter().copied()));
            }
            5 if begin < input.len() => input[begin] ^= 1 << self.random.below(8),
            _ if begin < input.len() => input[begin] = self.random.number().to_le_bytes()[0],
            _ => input.push(b'0'),
        }
    }

    /// A random part of so many bytes.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let (one, other) = (self.below(length + 1), self.below(length + 1));
        (one.min(other), one.max(other))
    }

    fn below(&mut self, bound: usize) -> usize {
        let below = self.random.below(u64::try_from(bound).expect("it fits"));
        usize::try_from(below).expect("it is below one that fits")
    }
}

/// The bytes that a line of the dictionary spells: `"…"`, with `\"`, `\\` and `\xNN`.
fn word(line: &str) -> Vec<u8> {
    let text =
        line.trim().strip_prefix('"').and_then(|text| text.strip_suffix('"')).expect("it is in quotes");
    let (mut word, mut bytes) = (Vec::new(), text.bytes());
    while let Some(byte) = bytes.next() {
        word.push(match byte {
            b'\\' => match bytes.next().expect("something is escaped") {
                b'x' => {
                    let digits = [bytes.next(), bytes.next()].map(|digit| digit.expect("two digits"));
                    let digits = std::str::from_utf8(&digits).expect("digits are ASCII");
                    u8::from_str_radix(digits, 16).expect("they are hexadecimal")
                }
                escaped => escaped,
            },
            plain => plain,
        });
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_dictionary_spells_bytes() {
        assert_eq!(word(r#""a\"\\\x00\xef""#), b"a\"\\\0\xef");
    }
}
