//! The text of one line that `strace -f -y -xx` writes: its process, call, arguments and result.
//!
//! What a call means for the database folder is in `trace`; nothing here knows of folders or files.
//! With `-xx` strings and paths are `\x2f\x74…` throughout, so that quotes, commas, brackets, dots and
//! blanks in a line are always `strace`'s own. That is why splitting by them is enough.

/// One line of a trace that is about a call; `text` runs from the call's name to its result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// The call started and returned with nothing of another thread in between.
    Whole { thread: &'a str, text: &'a str },
    /// The call started; `text` ends after its arguments.
    Started { thread: &'a str, text: &'a str },
    /// The call that this thread had started returned; `text` is what was left to say.
    Resumed { thread: &'a str, text: &'a str },
    /// A thread ended.
    Ended { thread: &'a str },
    /// A signal, or nothing at all.
    Other,
}

impl<'a> Line<'a> {
    /// Takes a line apart, or gives `None` if it is none of `strace`'s.
    pub(crate) fn parse(line: &'a str) -> Option<Line<'a>> {
        if line.is_empty() {
            return Some(Line::Other);
        }
        let (thread, text) = line.split_once(' ')?;
        let text = text.trim_start();
        if text.starts_with("+++ exited with ") || text.starts_with("+++ killed by ") {
            Some(Line::Ended { thread })
        } else if text.starts_with("---") || text.starts_with("+++") {
            Some(Line::Other)
        } else if let Some(resumed) = text.strip_prefix("<... ") {
            Some(Line::Resumed { thread, text: resumed.split_once(" resumed>")?.1 })
        } else if let Some(started) = text.strip_suffix(" <unfinished ...>") {
            Some(Line::Started { thread, text: started })
        } else {
            Some(Line::Whole { thread, text })
        }
    }
}

/// What became of a call.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Outcome {
    /// It returned this number.
    Returned(u64),
    /// The thread ended inside it: it may have happened.
    Unknown,
    /// It returned an error, or `strace` returned in its place: it did not happen.
    DidNotHappen,
}

/// A call: its name, its arguments as written, and what became of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CallText<'a> {
    pub(crate) name: &'a str,
    pub(crate) arguments: Vec<&'a str>,
    pub(crate) outcome: Outcome,
}

impl<'a> CallText<'a> {
    /// Takes the text of a whole call apart, or of one that never returned if `returned` is false.
    pub(crate) fn parse(text: &'a str, returned: bool) -> Option<CallText<'a>> {
        let (name, rest) = text.split_once('(')?;
        if !returned {
            return Some(CallText { name, arguments: split_arguments(rest), outcome: Outcome::Unknown });
        }
        let (arguments, result) = rest.rsplit_once(" = ")?;
        // Where a thread is killed as its call returns, `strace` may read the end of another call: an error
        // that has no name.
        let outcome = if result.starts_with('?') || result.starts_with("-1 (errno ") {
            Outcome::Unknown
        } else if result.starts_with('-') || result.contains("(INJECTED)") {
            Outcome::DidNotHappen
        } else if let Some(address) = result.strip_prefix("0x") {
            Outcome::Returned(u64::from_str_radix(address, 16).ok()?)
        } else {
            let end = result.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(result.len());
            Outcome::Returned(result[..end].parse().ok()?)
        };
        // The line of a call whose thread ended inside it lacks one or has both of these ends.
        let arguments = arguments.trim_end();
        let arguments = arguments.strip_suffix(')').unwrap_or(arguments);
        let arguments = arguments.strip_suffix(" <unfinished ...>").unwrap_or(arguments);
        Some(CallText { name, arguments: split_arguments(arguments), outcome })
    }

    /// The argument at `index`, or an empty one: a call that never returned may lack its last ones.
    pub(crate) fn argument(&self, index: usize) -> &'a str {
        self.arguments.get(index).copied().unwrap_or("")
    }
}

/// Splits at the commas that stand outside of all brackets.
fn split_arguments(text: &str) -> Vec<&str> {
    let mut arguments = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (index, letter) in text.bytes().enumerate() {
        match letter {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                arguments.push(text[start..index].trim());
                start = index + 1;
            }
            _ => {}
        }
    }
    arguments.push(text[start..].trim());
    arguments
}

/// A descriptor as `-y` writes it: `4<\x2f\x61>`, with `(deleted)` behind it once the file has no name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Descriptor<'a> {
    /// The number, or `AT_FDCWD`.
    pub(crate) number: &'a str,
    /// A path, or `socket:[…]`, `pipe:[…]` and the like.
    pub(crate) target: String,
    pub(crate) unlinked: bool,
}

impl<'a> Descriptor<'a> {
    /// Reads a descriptor; `None` for one without a target, such as the `-1` of `mmap`.
    pub(crate) fn parse(argument: &'a str) -> Option<Descriptor<'a>> {
        let (number, rest) = argument.split_once('<')?;
        let (target, rest) = rest.split_once('>')?;
        let target = String::from_utf8(decode_hex(target)?).ok()?;
        Some(Descriptor { number, target, unlinked: rest == "(deleted)" })
    }
}

/// The bytes of a quoted string; `None` if it is abbreviated or no string at all.
pub(crate) fn decode_string(argument: &str) -> Option<Vec<u8>> {
    decode_hex(argument.strip_prefix('"')?.strip_suffix('"')?)
}

/// The bytes of all buffers of an array of `struct iovec`, in order, wherever it stands in the arguments.
pub(crate) fn decode_buffers(argument: &str) -> Option<Vec<u8>> {
    if argument.contains("...") {
        return None;
    }
    let mut bytes = Vec::new();
    for buffer in argument.split("iov_base=\"").skip(1) {
        bytes.extend(decode_hex(buffer.split_once('"')?.0)?);
    }
    Some(bytes)
}

/// The bytes of `\x00\x01…`.
fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |letter: u8| match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    };
    let (escapes, rest) = text.as_bytes().as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let decode = |escape: &[u8; 4]| match *escape {
        [b'\\', b'x', high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    escapes.iter().map(decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_whether_its_call_started_returned_or_both() {
        let parse = |line| Line::parse(line).unwrap();
        assert_eq!(parse("7  fsync(3) = 0"), Line::Whole { thread: "7", text: "fsync(3) = 0" });
        assert_eq!(parse("7  fsync(3 <unfinished ...>"), Line::Started { thread: "7", text: "fsync(3" });
        assert_eq!(parse("7  <... fsync resumed>) = 0"), Line::Resumed { thread: "7", text: ") = 0" });
        assert_eq!(parse("7  +++ killed by SIGKILL +++"), Line::Ended { thread: "7" });
        assert_eq!(parse("7  --- SIGTERM {si_signo=SIGTERM} ---"), Line::Other);
        assert_eq!(Line::parse("nonsense"), None);
    }

    #[test]
    fn a_failed_or_injected_call_did_not_happen() {
        let outcome = |text| CallText::parse(text, true).unwrap().outcome;
        assert_eq!(outcome("fsync(3)                = 0"), Outcome::Returned(0));
        assert_eq!(outcome("mmap(NULL, 8) = 0x7f10"), Outcome::Returned(0x7f10));
        assert_eq!(outcome(r"openat(3) = 12<\x2f\x61>"), Outcome::Returned(12));
        assert_eq!(outcome("fsync(3) = -1 EIO (Input/output error)"), Outcome::DidNotHappen);
        assert_eq!(outcome("fsync(3) = 0 (INJECTED)"), Outcome::DidNotHappen);
        assert_eq!(outcome("fsync(3) = ?"), Outcome::Unknown);
        assert_eq!(outcome("writev(3) = -1 (errno 18446744073709551598)"), Outcome::Unknown);
        assert_eq!(CallText::parse("fsync(3 <unfinished ...>) = ?", true).unwrap().argument(0), "3");
        assert_eq!(CallText::parse("fsync(3", false).unwrap().outcome, Outcome::Unknown);
    }

    #[test]
    fn commas_inside_brackets_do_not_split_arguments() {
        let text =
            r#"writev(7<\x61>, [{iov_base="\x61\x62", iov_len=2}, {iov_base="\x63", iov_len=1}], 2) = 3"#;
        let call = CallText::parse(text, true).unwrap();
        assert_eq!((call.name, call.arguments.len(), call.argument(2)), ("writev", 3, "2"));
        assert_eq!(decode_buffers(call.argument(1)).unwrap(), b"abc");
        assert_eq!(call.argument(9), "");
    }

    #[test]
    fn an_abbreviated_string_has_no_bytes() {
        assert_eq!(decode_string(r#""\x00\xff""#).unwrap(), [0x00, 0xff]);
        assert_eq!(decode_string(r#""\x00\xff"..."#), None);
        assert_eq!(decode_buffers(r#"[{iov_base="\x61"..., iov_len=900}]"#), None);
        assert_eq!(decode_string(r#""\x0""#), None);
    }

    #[test]
    fn a_descriptor_says_what_it_stands_for_and_whether_that_still_has_a_name() {
        let descriptor = Descriptor::parse(r"6<\x2f\x78>(deleted)").unwrap();
        assert_eq!(descriptor, Descriptor { number: "6", target: "/x".into(), unlinked: true });
        assert!(!Descriptor::parse(r"6<\x2f\x78>").unwrap().unlinked);
        assert_eq!(Descriptor::parse("-1"), None);
    }
}
