//! What holds for every status, every text and every history of changes.

#![allow(clippy::panic, reason = "functions beside the tests fail as the tests do")]

mod any;
mod backend;
mod expected;
mod limits;
mod order;
mod otlp;
mod store;
mod text;
