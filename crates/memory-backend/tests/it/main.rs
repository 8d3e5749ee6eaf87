//! The backend as its users see it: over loopback sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod faults;
mod lifecycle;
mod message;
mod send;
mod tls;
mod transport;
mod view;
mod violations;
