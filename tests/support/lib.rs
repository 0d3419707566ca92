//! What the tests stand on: servers of their own, clients, a reference model and judges.
//!
//! Deliberately absent: any mock of a store, a server or a client.

#![allow(missing_docs, reason = "its only readers are the tests beside it, which say what they mean")]

pub mod acknowledged;
pub mod administration;
pub mod adoption_model;
pub mod attack;
pub mod backend;
pub mod busy;
pub mod captured;
pub mod client;
pub mod clock;
pub mod collector;
pub mod consumer;
pub mod copies;
pub mod corrections;
pub mod crowd;
pub mod databases;
pub mod deadline;
pub mod dialled;
pub mod disk;
pub mod event_stream;
pub mod exposition;
pub mod faulty;
pub mod files;
pub mod fill;
pub mod front;
pub mod fuzz;
pub mod gated;
pub mod home;
pub mod http_answers;
pub mod judge;
pub mod linearizability;
pub mod load;
pub mod model;
pub mod offered;
pub mod one_at_a_time;
pub mod open_files;
pub mod orders;
pub mod original;
pub mod original_database;
pub mod postgres;
pub mod prisma;
pub mod prober;
pub mod process;
pub mod prometheus;
mod python;
pub mod random;
pub mod raw;
pub mod receiver;
pub mod recorder;
pub mod scenario;
pub mod schemathesis;
pub mod segment;
pub mod server;
pub mod shop;
pub mod shopify;
pub mod size;
pub mod small_disk;
pub mod sql;
pub mod standard_webhooks;
pub mod tls;
pub mod traces_of;
pub mod webhooks;
pub mod world;
