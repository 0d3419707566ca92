//! The HTTP answers in bytes that a server sent on one connection, which may be cut off anywhere.

use crate::acknowledged::Answer;

/// The customers of the complete answers with status 200, in their order.
///
/// # Panics
///
/// If the bytes are not what selfsame sends: answers with a `content-length`.
pub fn complete_answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(head_length) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = std::str::from_utf8(&bytes[..head_length]).expect("headers are ASCII");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize =
            length.and_then(|length| length.parse().ok()).expect("every answer tells its length");
        let Some(body) = bytes.get(head_length + 4..head_length + 4 + length) else { break };
        if head.starts_with("HTTP/1.1 200 ") {
            answers.extend(Answer::parse(body));
        }
        bytes = &bytes[head_length + 4 + length..];
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 93\r\n\r\n\
        {\"contact\":{\"primaryContactId\":1,\"emails\":[],\"phoneNumbers\":[\"1\"],\"secondaryContactIds\":[2]}}";
    const REFUSAL: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}";

    #[test]
    fn an_answer_counts_when_it_is_complete() {
        let answer = Answer { contacts: vec![1, 2], values: vec!["1".to_owned()] };
        let sent = format!("{ANSWER}{REFUSAL}{ANSWER}");
        assert_eq!(complete_answers(sent.as_bytes()), [answer.clone(), answer.clone()]);
        assert_eq!(complete_answers(&sent.as_bytes()[..sent.len() - 1]), [answer]);
        assert_eq!(complete_answers(&ANSWER.as_bytes()[..10]), []);
    }
}
