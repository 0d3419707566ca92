//! The console: pages on which a person looks up a customer, and sees why they are one.
//!
//! Every page is HTML that this server writes, and works without a script; scripts only save steps. Nothing on a page is
//! loaded from elsewhere.
//!
//! Deliberately absent: decisions, JSON shapes of the API, a concrete store; and request ids, log lines and numbers, which
//! `selfsame_api` gives to pages as it does to its own routes.

mod ask;
mod assets;
mod customer;
mod failure;
mod find;
mod form;
mod frame;
mod history;
mod moments;
mod router;
mod sentences;
mod shown;
mod sign_in;
mod visitor;

pub use router::{Console, ConsoleSettings, console};
