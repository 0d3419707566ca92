//! Orders of an invented shop, as its export has them: customers who come again, households that share a phone, addresses that are
//! mistyped, values that many share, and rows that nobody can use.

use std::fmt::Write;

use crate::random::Random;

/// What the first line says.
pub const HEADER: &str = "order_id,created_at,email,phone,name,city,total";

const NAMES: [&str; 16] = [
    "anna", "ben", "carla", "david", "eva", "felix", "greta", "hans", "ida", "jonas", "kim", "lea", "mia",
    "noah", "olga", "paul",
];

/// The first of January 2020, in seconds.
const BEGIN: u64 = 1_577_836_800;

/// The orders, one after the other.
pub struct Orders {
    random: Random,
    customers: u64,
    number: u64,
    at: u64,
}

impl Orders {
    /// About so many orders will be asked for.
    pub fn new(random: Random, orders: u64) -> Self {
        Self { random, customers: (orders * 2 / 5).max(1), number: 0, at: BEGIN }
    }

    /// The next order, without its line end.
    pub fn next_line(&mut self) -> String {
        let random = &mut self.random;
        self.number += 1;
        self.at += random.below(200);
        // Three of ten are of the hundredth part that comes again and again.
        let often = (self.customers / 100).max(1);
        let bound = if random.below(10) < 3 { often } else { self.customers };
        let customer = random.below(bound);
        let name = NAMES[usize::try_from(customer % 16).expect("a small number")];
        let mut email = format!("{name}{customer}@mail{}.example", customer % 7);
        // One of ten has the phone of somebody else's household.
        let holder = if customer.is_multiple_of(10) { customer / 2 } else { customer };
        let mut phone = format!("+4915{:09}", 10_000_000 + holder);
        match random.below(1_000) {
            0..=199 => phone.clear(),
            200..=299 => email.clear(),
            300..=304 => "noreply@shop.example".clone_into(&mut email),
            305..=307 => "0000000000".clone_into(&mut phone),
            308..=309 => "not an address".clone_into(&mut email),
            310 => {
                phone.clear();
                email.clear();
            }
            311..=329 => email = email.replace(".example", ".exmaple"),
            330..=359 => email = email.to_uppercase(),
            360..=369 => phone = format!("\"{}, mobile\"", &phone[1..]),
            _ => {}
        }
        let mut line = String::with_capacity(96);
        let at = jiff::Timestamp::from_second(i64::try_from(self.at).expect("it is soon")).expect("a time");
        write!(
            line,
            "{},{at},{email},{phone},{name} {customer},\"Spring, field\",{}",
            self.number,
            customer % 90
        )
        .expect("memory can be written");
        line
    }

    /// A whole file of them.
    pub fn file(mut self, orders: u64) -> String {
        let mut file = format!("{HEADER}\n");
        for _ in 0..orders {
            file.push_str(&self.next_line());
            file.push('\n');
        }
        file
    }
}
