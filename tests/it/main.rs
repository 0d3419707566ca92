//! Every test, in one binary: linked once, and each run by nextest in a process of its own.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod adopt_command;
mod adopt_random;
mod adopt_rules;
mod both_stores;
mod check;
mod check_log;
mod commands;
mod concurrency;
mod deployment;
mod disk_full;
mod export;
mod faulty_server;
mod healthcheck;
mod histories;
mod kill;
mod known_customer;
mod limits;
mod lost_commits;
mod million;
mod misfortunes;
mod people;
mod plans;
mod portable_sql;
mod postgres_contract;
mod postgres_faults;
mod postgres_start;
mod postgres_support;
mod postgres_tls;
mod power_cut;
mod prisma;
mod queue;
mod refusals;
mod refused_files;
mod replicas;
mod requests;
mod scenarios;
mod sent_statements;
mod settings;
mod shop;
mod statement_log;
mod tidy;
mod versions;
