//! A workspace's policy as JSON: what `GET /v1/policy` answers is what `PUT /v1/policy` takes.

use selfsame_rules::{Policy, PolicyDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};

use crate::problem::Problem;
use selfsame_service::is_region;

/// What links in a workspace and what doesn't. What is left out is as in the default policy, under which everything links.
#[derive(Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(expecting = "an object", rename_all = "camelCase", default, deny_unknown_fields)]
#[schema(as = Policy)]
pub(crate) struct PolicyBody {
    /// The kinds that observations may bring besides `email` and `phone`, such as `customerId`.
    #[schema(schema_with = declared_kinds)]
    kinds: Vec<String>,
    /// Values and patterns that never link anybody.
    #[schema(max_items = 10_000)]
    blocked: Vec<BlockedBody>,
    /// The most contacts that one identity may have; null for no limit.
    #[schema(minimum = 1, maximum = 4_294_967_295_u32, format = "uint32")]
    contacts_max: Option<u32>,
    /// The most identifiers of a kind that one identity may own.
    limits: Vec<LimitBody>,
    /// Kinds of which two values never meet in one identity.
    unique: Vec<String>,
    /// Kinds that link only when the observation marks them verified.
    claims: Vec<String>,
    /// Whether e-mail addresses are told apart byte for byte.
    exact_email: bool,
    /// Where phone numbers without a country are from: two capital letters (ISO 3166-1); null for nowhere.
    #[schema(pattern = "^[A-Z]{2}$")]
    default_region: Option<String>,
}

/// Up to 64 names of kinds.
fn declared_kinds() -> Array {
    let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z][A-Za-z0-9_-]{0,63}$"));
    let kinds = ArrayBuilder::new().items(name).max_items(Some(64));
    kinds
        .description(Some(
            "The kinds that observations may bring besides `email` and `phone`, such as `customerId`.",
        ))
        .build()
}

/// A value or a pattern of one kind.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(expecting = "an object", deny_unknown_fields)]
#[schema(as = Blocked)]
pub(crate) struct BlockedBody {
    kind: String,
    /// A canonical value, in which `*` stands for any characters.
    #[schema(min_length = 1, max_length = 254)]
    pattern: String,
}

/// A limit on one kind.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(expecting = "an object", deny_unknown_fields)]
#[schema(as = Limit)]
pub(crate) struct LimitBody {
    kind: String,
    #[schema(minimum = 1, maximum = 4_294_967_295_u32, format = "uint32")]
    most: u32,
}

impl PolicyBody {
    pub(crate) fn of(policy: &Policy) -> Self {
        let document = policy.document();
        let blocked = |(kind, pattern)| BlockedBody { kind, pattern };
        let limit = |(kind, most)| LimitBody { kind, most };
        Self {
            kinds: document.kinds,
            blocked: document.blocked.into_iter().map(blocked).collect(),
            contacts_max: document.contacts_max,
            limits: document.identifiers_max.into_iter().map(limit).collect(),
            unique: document.unique,
            claims: document.claims,
            exact_email: document.exact_email,
            default_region: document.default_region,
        }
    }

    pub(crate) fn read(self) -> Result<Policy, Problem> {
        let document = PolicyDocument {
            kinds: self.kinds,
            blocked: self.blocked.into_iter().map(|one| (one.kind, one.pattern)).collect(),
            contacts_max: self.contacts_max,
            identifiers_max: self.limits.into_iter().map(|one| (one.kind, one.most)).collect(),
            unique: self.unique,
            claims: self.claims,
            exact_email: self.exact_email,
            default_region: self.default_region,
        };
        let invalid = |why| Problem::bad_request("invalid_policy", format!("The policy can't hold: {why}."));
        let policy = Policy::read(&document).map_err(|why| invalid(why.to_string()))?;
        match &document.default_region {
            Some(region) if !is_region(region) => Err(invalid(format!(
                "no region is called {region}; ISO 3166-1 has them, Great Britain's is GB"
            ))),
            _ => Ok(policy),
        }
    }
}
