//! The API in memory as `kube` sees it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "functions beside the tests fail as the tests do")]

mod controllers;
mod definitions;
mod faults;
mod http;
mod objects;
mod seeded;
mod watching;
