//! What Shopify's webhooks of orders, checkouts and customers tell of a person.

use metrics::Counter;
use selfsame_rules::{Actor, Observation, Policy};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::problem::Problem;
use crate::sources::{Gathering, text};
use crate::times;
use crate::write_body::parse_object;

/// How events name the format.
const FORMAT: &str = "shopify";

/// What a webhook is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// An order or a checkout, with its customer in it.
    Order,
    /// A customer.
    Customer,
}

/// Why a topic is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// It asks that something be done with a person's data, which no observation does.
    Privacy,
    /// It tells of no person.
    Unknown,
}

impl Topic {
    /// What `X-Shopify-Topic` names.
    pub(crate) fn of(word: &str) -> Result<Self, NotTaken> {
        let is_word = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        match word.split_once('/') {
            Some(("orders" | "checkouts", what)) if is_word(what) => Ok(Self::Order),
            Some(("customers", "create" | "update" | "enable" | "disable")) => Ok(Self::Customer),
            Some(("customers", "redact" | "data_request" | "delete") | ("shop", "redact")) => {
                Err(NotTaken::Privacy)
            }
            _ => Err(NotTaken::Unknown),
        }
    }
}

/// An order, a checkout or a customer. All else is ignored: the phone of a shipping address is often somebody else's.
#[derive(Deserialize, Default)]
#[serde(default)]
struct WebhookBody<'text> {
    #[serde(borrow)]
    id: Option<&'text RawValue>,
    email: Option<&'text RawValue>,
    contact_email: Option<&'text RawValue>,
    phone: Option<&'text RawValue>,
    customer: Option<&'text RawValue>,
    created_at: Option<&'text RawValue>,
    updated_at: Option<&'text RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CustomerBody<'text> {
    #[serde(borrow)]
    id: Option<&'text RawValue>,
    email: Option<&'text RawValue>,
    phone: Option<&'text RawValue>,
}

/// What a webhook saw; nothing if it names nobody. `shop`: where.
pub(crate) fn observation(
    topic: Topic,
    body: &[u8],
    (policy, left_out): (&Policy, &Counter),
    actor: &Actor,
    shop: Option<&str>,
) -> Result<Option<Observation>, Problem> {
    let body: WebhookBody<'_> = parse_object(body)?;
    let mut seen = Gathering::new(FORMAT, policy, left_out);
    let customer: CustomerBody<'_> = seen.members("customer", body.customer);
    // What was typed at this order comes first; of one kind, an observation has one value.
    seen.take("email", [body.email, body.contact_email, customer.email]);
    seen.take("phone", [body.phone, customer.phone]);
    // The id of an order is no person's.
    seen.take("shopifyCustomerId", [if topic == Topic::Customer { body.id } else { customer.id }]);
    let times = [body.updated_at, body.created_at].into_iter().flatten();
    let at = times.filter_map(text).find_map(|text| times::read(&text));
    Ok(seen.observation(actor, shop, at))
}

#[cfg(test)]
mod tests {
    use selfsame_rules::PolicyDocument;
    use serde_json::json;

    use super::*;

    #[test]
    fn topics_that_tell_of_a_person_are_told_from_others() {
        for (word, want) in [
            ("orders/create", Ok(Topic::Order)),
            ("orders/updated", Ok(Topic::Order)),
            ("checkouts/create", Ok(Topic::Order)),
            ("customers/update", Ok(Topic::Customer)),
            ("customers/redact", Err(NotTaken::Privacy)),
            ("customers/data_request", Err(NotTaken::Privacy)),
            ("customers/delete", Err(NotTaken::Privacy)),
            ("shop/redact", Err(NotTaken::Privacy)),
            ("customers/merge", Err(NotTaken::Unknown)),
            ("products/update", Err(NotTaken::Unknown)),
            ("orders", Err(NotTaken::Unknown)),
            ("orders/", Err(NotTaken::Unknown)),
            ("orders/x/y", Err(NotTaken::Unknown)),
            ("orders/Create", Err(NotTaken::Unknown)),
            ("orders/partially_fulfilled", Ok(Topic::Order)),
            ("", Err(NotTaken::Unknown)),
        ] {
            assert_eq!(Topic::of(word), want, "{word}");
        }
    }

    #[test]
    fn an_order_tells_of_whoever_ordered() {
        let kinds = vec!["shopifyCustomerId".to_owned()];
        let policy = Policy::read(&PolicyDocument { kinds, ..PolicyDocument::default() }).unwrap();
        let customer =
            json!({ "id": 7, "email": "c@x.org", "phone": "+1", "default_address": { "phone": "+9" } });
        let shipping = json!({ "phone": "+8" });
        for (topic, body, want) in [
            (
                Topic::Order,
                json!({ "id": 1, "email": "a@x.org", "customer": customer }),
                "email=a@x.org phone=+1 shopifyCustomerId=7",
            ),
            (
                Topic::Order,
                json!({ "id": 1, "email": "", "contact_email": "b@x.org", "phone": "+2" }),
                "email=b@x.org phone=+2",
            ),
            (
                Topic::Order,
                json!({ "email": null, "customer": customer, "shipping_address": shipping }),
                "email=c@x.org phone=+1 shopifyCustomerId=7",
            ),
            (Topic::Order, json!({ "email": "a@x.org", "customer": "c@x.org" }), "email=a@x.org"),
            (Topic::Order, json!({ "email": "a@x.org", "customer": [7, "c@x.org"] }), "email=a@x.org"),
            (Topic::Order, json!({ "id": 1, "customer": null, "shipping_address": shipping }), ""),
            (Topic::Customer, customer, "email=c@x.org phone=+1 shopifyCustomerId=7"),
        ] {
            let actor = Actor::named("test");
            let seen =
                observation(topic, body.to_string().as_bytes(), (&policy, &Counter::noop()), &actor, None);
            let seen = seen.map_err(|problem| problem.detail).unwrap();
            let seen: Vec<_> = seen.iter().flat_map(Observation::identifiers).collect();
            let seen: Vec<_> =
                seen.iter().map(|one| format!("{}={}", one.kind().name(), one.value())).collect();
            assert_eq!(seen.join(" "), want, "{body}");
        }
    }
}
