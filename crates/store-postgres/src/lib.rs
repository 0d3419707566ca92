//! The production store: PostgreSQL, and any number of replicas on it.
