//! Which customers are asked for, and the bytes that ask for them.

use std::io::Write;

use crate::data::{Customers, EMAIL_LENGTH_BYTES, PHONE_LENGTH_BYTES, Random};
use crate::target::Target;

/// How many customers the hot ones are.
pub(crate) const HOT_CUSTOMERS: u64 = 1_000;
/// The records of a batch body.
pub(crate) const BATCH_RECORDS: u32 = 1_000;
/// In the mix, so many of a hundred are known.
const MIX_KNOWN_PERCENT: u64 = 80;

/// What a request asks for; latencies are kept apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A customer, or a batch of them, that is stored.
    Known = 0,
    /// One that isn't, or a batch of them.
    New = 1,
}

/// A request that was written: what the answer must hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// What it asks for.
    pub(crate) kind: Kind,
    /// How many results answer it.
    pub(crate) records: u32,
}

/// Whatever can be asked, one request after the other.
pub(crate) trait Requests {
    /// Writes the next request over what `buffer` held; nothing, if there is no more to ask.
    fn write(&mut self, buffer: &mut Vec<u8>) -> Option<Sent>;
}

/// Which customers are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The same thousand again and again, spread over all that are stored.
    Hot,
    /// Any that is stored, each as likely.
    Uniform,
    /// Each once, and none of them stored.
    New,
    /// Four of five as `Uniform`, one as `New`.
    Mix,
}

/// The customers of a server: so many are stored, from number 0 on.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    customers: Customers,
    random: Random,
    /// The customers below this were stored when the measuring began.
    stored: u64,
    /// The number of the next new one.
    next: u64,
    /// No customer from here on is asked for.
    end: u64,
}

impl Crowd {
    /// A server that holds the customers below `stored`, all of `seed`.
    pub(crate) fn new(seed: u64, stored: u64) -> Self {
        Self { customers: Customers::of(seed), random: Random::of(seed), stored, next: stored, end: u64::MAX }
    }

    /// The same, until the customers below `end` are stored.
    #[must_use]
    pub(crate) fn until(mut self, end: u64) -> Self {
        self.end = end;
        self
    }

    /// How many were stored at the beginning or asked for as new since.
    pub(crate) fn asked_for(&self) -> u64 {
        self.next
    }

    fn choose(&mut self, choice: Choice) -> Option<(u64, Kind)> {
        let new = match choice {
            Choice::New => true,
            Choice::Mix => self.random.below(100) >= MIX_KNOWN_PERCENT,
            Choice::Hot | Choice::Uniform => false,
        };
        if new {
            let number = self.next;
            self.next = (number < self.end).then_some(number + 1)?;
            return Some((number, Kind::New));
        }
        let number = if choice == Choice::Hot {
            self.random.below(HOT_CUSTOMERS) * (self.stored / HOT_CUSTOMERS).max(1) % self.stored
        } else {
            self.random.below(self.stored)
        };
        Some((number, Kind::Known))
    }
}

/// `POST /identify`, a customer a request, with both identifiers.
pub(crate) struct Singles<'crowd> {
    crowd: &'crowd mut Crowd,
    choice: Choice,
    /// A whole request, of which only the values change from one to the next.
    template: Vec<u8>,
    email_at: usize,
    phone_at: usize,
}

impl<'crowd> Singles<'crowd> {
    /// Requests to `target` for customers of `crowd`.
    pub(crate) fn new(target: &Target, crowd: &'crowd mut Crowd, choice: Choice) -> Self {
        let body = identify_body(crowd.customers, 0, 0);
        let template = target.post("/identify", "application/json", &body);
        let body_at = template.len() - body.len();
        let email_at = body_at + br#"{"email":""#.len();
        let phone_at = email_at + EMAIL_LENGTH_BYTES + br#"","phoneNumber":""#.len();
        Self { crowd, choice, template, email_at, phone_at }
    }
}

impl Requests for Singles<'_> {
    fn write(&mut self, buffer: &mut Vec<u8>) -> Option<Sent> {
        let (number, kind) = self.crowd.choose(self.choice)?;
        let customers = self.crowd.customers;
        let email = &mut self.template[self.email_at..self.email_at + EMAIL_LENGTH_BYTES];
        email.copy_from_slice(&customers.email(number));
        let phone = &mut self.template[self.phone_at..self.phone_at + PHONE_LENGTH_BYTES];
        phone.copy_from_slice(&customers.phone(number));
        buffer.clear();
        buffer.extend_from_slice(&self.template);
        Some(Sent { kind, records: 1 })
    }
}

/// `POST /v1/observations/batch`, a thousand customers a body.
pub(crate) struct Batches<'crowd> {
    target: Target,
    crowd: &'crowd mut Crowd,
    choice: Choice,
    body: Vec<u8>,
}

impl<'crowd> Batches<'crowd> {
    /// Requests to `target` for customers of `crowd`.
    pub(crate) fn new(target: &Target, crowd: &'crowd mut Crowd, choice: Choice) -> Self {
        Self { target: target.clone(), crowd, choice, body: Vec::new() }
    }
}

impl Requests for Batches<'_> {
    fn write(&mut self, buffer: &mut Vec<u8>) -> Option<Sent> {
        self.body.clear();
        let mut sent = Sent { kind: Kind::Known, records: 0 };
        while sent.records < BATCH_RECORDS {
            let Some((number, kind)) = self.crowd.choose(self.choice) else { break };
            write_line(&mut self.body, self.crowd.customers, number, number);
            sent = Sent { kind, records: sent.records + 1 };
        }
        if sent.records == 0 {
            return None;
        }
        self.target.write_batch(buffer, &self.body);
        Some(sent)
    }
}

/// One request again and again.
pub(crate) struct Same {
    request: Vec<u8>,
    sent: Sent,
}

impl Same {
    /// Asks for the one identity that owns the address of customer `email_of` and the phone of customer `phone_of`.
    pub(crate) fn known(target: &Target, seed: u64, email_of: u64, phone_of: u64) -> Self {
        let body = identify_body(Customers::of(seed), email_of, phone_of);
        let request = target.post("/identify", "application/json", &body);
        Self { request, sent: Sent { kind: Kind::Known, records: 1 } }
    }

    /// The bytes of the request.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.request
    }
}

impl Requests for Same {
    fn write(&mut self, buffer: &mut Vec<u8>) -> Option<Sent> {
        buffer.clear();
        buffer.extend_from_slice(&self.request);
        Some(self.sent)
    }
}

/// Batch bodies of observations that join customers in pairs, until one identity holds all of them.
///
/// In a tree, because each answer holds the identity as it then is: joined one after the other, a hundred thousand
/// contacts would make ten thousand million lines of answer; in a tree they make not two million.
pub(crate) struct Joins {
    target: Target,
    customers: Customers,
    first: u64,
    count: u64,
    /// How many customers an identity of this level holds.
    width: u64,
    /// The identity of this level that is joined next with its neighbour.
    next: u64,
    body: Vec<u8>,
}

impl Joins {
    /// The most customers that the answers to one body list.
    const LISTED_MAX: u64 = 4_096;

    /// Joins `count` customers of `seed`, from number `first` on, that are stored and stand alone.
    ///
    /// To be sent on one connection: a level may only begin when the one below it was answered.
    pub(crate) fn new(target: &Target, seed: u64, first: u64, count: u64) -> Self {
        let customers = Customers::of(seed);
        Self { target: target.clone(), customers, first, count, width: 1, next: 0, body: Vec::new() }
    }
}

impl Requests for Joins {
    fn write(&mut self, buffer: &mut Vec<u8>) -> Option<Sent> {
        self.body.clear();
        let mut records = 0;
        if self.next + self.width >= self.count {
            (self.width, self.next) = (self.width * 2, 0);
        }
        while self.next + self.width < self.count && u64::from(records) * self.width * 2 < Self::LISTED_MAX {
            let (left, right) = (self.first + self.next, self.first + self.next + self.width);
            write_line(&mut self.body, self.customers, left, right);
            self.next += self.width * 2;
            records += 1;
        }
        if records == 0 {
            return None;
        }
        self.target.write_batch(buffer, &self.body);
        Some(Sent { kind: Kind::New, records })
    }
}

/// The body of a request: the address of one customer, the phone of another or the same.
fn identify_body(customers: Customers, email_of: u64, phone_of: u64) -> Vec<u8> {
    let mut body = Vec::new();
    write_line(&mut body, customers, email_of, phone_of);
    body.pop();
    body
}

fn write_line(body: &mut Vec<u8>, customers: Customers, email_of: u64, phone_of: u64) {
    let parts: [&[u8]; 5] = [
        br#"{"email":""#,
        &customers.email(email_of),
        br#"","phoneNumber":""#,
        &customers.phone(phone_of),
        b"\"}\n",
    ];
    for part in parts {
        body.write_all(part).expect("memory takes everything");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Batches, Choice, Crowd, Joins, Kind, Requests, Singles};
    use crate::target::Target;

    fn target() -> Target {
        "http://127.0.0.1:1".parse().unwrap()
    }

    #[test]
    fn a_request_is_whole_http_and_its_length_is_right() {
        let mut crowd = Crowd::new(1, 10);
        let mut buffer = b"left over".to_vec();
        let sent = Singles::new(&target(), &mut crowd, Choice::Uniform).write(&mut buffer).unwrap();
        assert_eq!((sent.kind, sent.records), (Kind::Known, 1));
        let text = String::from_utf8(buffer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /identify HTTP/1.1\r\nhost: 127.0.0.1:1\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        assert!(body.starts_with("{\"email\":\"") && body.ends_with("\"}"), "{body}");
    }

    #[test]
    fn new_customers_come_once_and_end_where_they_should() {
        let mut crowd = Crowd::new(1, 5).until(2_505);
        let mut buffer = Vec::new();
        let mut records = Vec::new();
        let mut batches = Batches::new(&target(), &mut crowd, Choice::New);
        while let Some(sent) = batches.write(&mut buffer) {
            records.push(sent.records);
        }
        assert_eq!(records, [1_000, 1_000, 500]);
        assert_eq!(crowd.asked_for(), 2_505);
    }

    #[test]
    fn four_of_five_in_the_mix_are_known() {
        let mut crowd = Crowd::new(1, 1_000);
        let known = (0..10_000).filter(|_| crowd.choose(Choice::Mix).unwrap().1 == Kind::Known).count();
        assert!((7_800..8_200).contains(&known), "{known}");
    }

    #[test]
    fn hot_customers_are_a_thousand_and_stored() {
        let mut crowd = Crowd::new(1, 1_000_000);
        let seen: HashSet<u64> = (0..20_000).map(|_| crowd.choose(Choice::Hot).unwrap().0).collect();
        assert_eq!(seen.len(), 1_000);
        assert!(seen.iter().all(|number| *number < 1_000_000));
    }

    #[test]
    fn joining_takes_one_record_less_than_there_are_customers() {
        for count in [1_u32, 2, 3, 10, 1_000, 5_001] {
            let mut joins = Joins::new(&target(), 1, 7, count.into());
            let mut buffer = Vec::new();
            let mut records = 0;
            while let Some(sent) = joins.write(&mut buffer) {
                records += sent.records;
            }
            assert_eq!(records, count - 1, "{count} customers");
        }
    }
}
