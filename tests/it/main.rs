//! Every test, in one binary: linked once, and each run by nextest in a process of its own.

mod concurrency;
mod disk_full;
mod faulty_server;
mod histories;
mod kill;
mod people;
mod scenarios;
mod tidy;
