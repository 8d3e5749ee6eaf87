//! What a Kyma module says about itself: a total, lenient reading of `status.state` and `status.conditions`.
//!
//! Any JSON value is a valid input. What can be read is read; what cannot is named in a list of [`Problem`]s.
//!
//! ```
//! use serde_json::json;
//! use status_model::{State, parse};
//!
//! let (status, problems) = parse(&json!({
//!     "state": "Warning",
//!     "conditions": [{"type": "Installed", "status": "False", "reason": "ChartMissing"}, "not a condition"],
//! }));
//! assert_eq!(status.state, Some(State::Warning));
//! assert_eq!(status.conditions[0].reason, "ChartMissing");
//! assert_eq!(problems[0].to_string(), "status.conditions[1] is a string instead of an object");
//! ```
//!
//! The crate has no features, does no I/O, and has no clock. Times are [`std::time::SystemTime`].

mod condition;
mod module;
mod problem;
mod status;
mod text;

pub use condition::{Condition, ConditionStatus};
pub use module::ModuleRef;
pub use problem::{JsonType, Problem};
pub use status::{ModuleStatus, State, parse, parse_text};

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
