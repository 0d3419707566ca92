//! HTTP: what a client may send, what it gets back, and the server that carries both.
//!
//! Every route stands in `router`; each endpoint has a file of its own. JSON shapes live here and nowhere else,
//! so that no change in the rules can change the API by accident.
//!
//! Deliberately absent: decisions, SQL, settings, and HTTP/2 (a proxy that speaks it speaks HTTP/1.1 to us).

mod accept;
mod batch;
mod body;
mod change;
mod client_address;
mod contact_body;
mod corrections;
mod cors;
mod crowded;
mod docs;
mod door;
mod edge;
mod erasure_body;
mod event_body;
mod event_stream;
mod events;
mod finish;
mod foreign_pages;
mod forwarded;
mod framing;
mod health;
mod heartbeat;
mod identify;
mod identities;
mod identity_body;
mod international;
mod jobs;
mod keys;
mod measurements;
mod metrics;
mod observation;
mod observations;
mod openapi;
mod paced;
mod page;
mod policy;
mod policy_body;
mod problem;
mod problem_table;
mod public_address;
mod query;
mod rate_headers;
mod record;
mod request_id;
mod reviews;
mod router;
mod sealed;
mod server;
mod strangers;
mod target;
mod times;
mod tls;
mod tls_client;
mod trace;
mod trusted_proxies;
mod turn;
mod webhook_body;
mod webhook_transport;
mod webhook_url;
mod webhooks;
mod words;
mod workspaces;
mod write_body;

pub use accept::TcpAcceptor;
pub use client_address::PeerAddress;
pub use contact_body::ResponseSpelling;
pub use cors::{Cors, InvalidOrigins};
pub use door::Admission;
pub use edge::Edge;
pub use finish::answer;
pub use measurements::{CannotMeasure, Measurements};
pub use openapi::description;
pub use router::{Api, ApiSettings, router};
pub use server::{ServerSettings, serve};
pub use tls_client::tls_connector;
pub use trusted_proxies::{InvalidProxy, TrustedProxies};
pub use webhooks::webhooks;
