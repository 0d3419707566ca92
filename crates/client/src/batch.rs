//! Many checkouts in one request: lines of JSON out, lines of JSON in.

use hyper::Method;
use serde::Deserialize;

use crate::answers::{Customer, Identified};
use crate::client::{Client, json};
use crate::error::{Error, Problem};
use crate::observation::Checkout;
use crate::transport::{LINES, Request};

/// What came of many checkouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// One for each checkout, in their order: the customer, or what is wrong with this one, which stopped no other. Fewer than
    /// checkouts where the batch was stopped.
    pub lines: Vec<Result<Customer, Problem>>,
    /// Why the checkouts behind these lines were not done (the key was revoked meanwhile, say). They can be sent again.
    pub stopped: Option<Problem>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Customer(Identified),
    Problem(Problem),
}

/// Sends them in one body, as often as it takes: what is known already does nothing twice.
pub(crate) async fn batch(client: &Client, checkouts: &[Checkout]) -> Result<Batch, Error> {
    if checkouts.is_empty() {
        return Ok(Batch { lines: Vec::new(), stopped: None });
    }
    let mut body = Vec::new();
    for checkout in checkouts {
        body.extend_from_slice(&json(checkout));
        body.push(b'\n');
    }
    let path = "/v1/observations/batch".to_owned();
    let body = Some((LINES, body.into()));
    let request = Request { method: Method::POST, body, accept: LINES, ..Request::get(path) };
    read(&client.send_for_body(&request).await?, checkouts.len())
}

fn read(answer: &[u8], checkouts: usize) -> Result<Batch, Error> {
    let lines = answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut read = Vec::with_capacity(checkouts);
    for line in lines {
        let line = serde_json::from_slice(line).map_err(|error| Error::unreadable(&error))?;
        read.push(match line {
            Line::Customer(identified) => Ok(identified.contact),
            Line::Problem(problem) => Err(problem),
        });
    }
    // The last line tells of what was not done: it is no answer to the checkout of its place, or there would be one for each.
    let stopped = if read.len() < checkouts { read.pop() } else { None };
    match stopped {
        None => Ok(Batch { lines: read, stopped: None }),
        Some(Err(problem)) => Ok(Batch { lines: read, stopped: Some(problem) }),
        Some(Ok(_)) => Err(Error::Broken("the answer ends before its last line".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::ContactId;

    #[test]
    fn a_batch_that_was_stopped_says_where() {
        let customer =
            r#"{"contact":{"primaryContactId":1,"emails":[],"phoneNumbers":["1"],"secondaryContactIds":[]}}"#;
        let problem = r#"{"status":401,"code":"invalid_key","detail":"…","requestId":"r","line":2}"#;
        let both = format!("{customer}\n{problem}\n");

        let whole = read(both.as_bytes(), 2).unwrap();
        assert_eq!(whole.lines[0].as_ref().unwrap().primary_contact_id, ContactId(1));
        assert_eq!(whole.lines[1].as_ref().unwrap_err().code, "invalid_key");
        assert_eq!(whole.stopped, None);

        let stopped = read(both.as_bytes(), 3).unwrap();
        assert_eq!((stopped.lines.len(), stopped.stopped.unwrap().line), (1, Some(2)));

        assert!(matches!(read(customer.as_bytes(), 2), Err(Error::Broken(_))));
        assert!(matches!(read(b"{}\n", 1), Err(Error::Unreadable { .. })));
    }
}
