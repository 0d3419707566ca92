//! Disks after a power cut: a server's system calls, recorded, and the files that could be left at any moment.

pub mod power_cut;
mod power_cut_file;
mod power_cut_luck;
mod strace_call;
mod strace_line;
pub mod trace;
