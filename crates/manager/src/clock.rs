//! The manager's clock: the one place that reads the time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time of day.
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// The time of day in whole milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    to_ms(now())
}

/// Whole milliseconds since 1970; what is before is 0.
pub(crate) fn to_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time that is so many milliseconds after 1970 began.
pub(crate) fn from_ms(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}
