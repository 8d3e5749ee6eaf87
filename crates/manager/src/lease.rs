//! What a Lease says, and what to do about it: the pure half of leader election.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use crate::clock;

/// For so long a Lease is held after its last renewal.
pub(crate) const DURATION: Duration = Duration::from_secs(15);
/// So long before the end of the Lease its holder falls silent, counted from before the renewal was sent.
pub(crate) const MARGIN: Duration = Duration::from_secs(5);
/// The times of points may be so far ahead of the clock, because the last holder could have stamped them.
const SPOKEN_FOR_MS: u64 = 10_000;

/// What to do about a Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is ours: renew it.
    Renew,
    /// Nobody holds it any more: take it, and stamp nothing up to this time.
    Take {
        /// Milliseconds since 1970.
        floor_ms: u64,
    },
    /// Somebody else holds it.
    Wait,
}

/// Decides. `unchanged_for` is how long this replica has seen the Lease as it is, by its own clock.
pub(crate) fn decide(me: &str, lease: &LeaseSpec, unchanged_for: Duration) -> Decision {
    let renewed_ms = lease.renew_time.as_ref().map_or(0, micro_to_ms);
    match lease.holder_identity.as_deref() {
        Some(holder) if holder == me => Decision::Renew,
        // Released: its renewTime was written after the last stamp.
        None | Some("") => Decision::Take { floor_ms: renewed_ms.saturating_add(1) },
        Some(_) if unchanged_for >= duration(lease) => Decision::Take { floor_ms: spoken_for_ms(lease) },
        Some(_) => Decision::Wait,
    }
}

/// Up to which time the holder of a Lease could have stamped points.
pub(crate) fn spoken_for_ms(lease: &LeaseSpec) -> u64 {
    lease.renew_time.as_ref().map_or(0, micro_to_ms).saturating_add(SPOKEN_FOR_MS)
}

/// The Lease as its holder writes it. Each renewal differs from the last one, whatever the clock does: by that others see it.
pub(crate) fn held(previous: &LeaseSpec, me: &str, now_ms: u64) -> LeaseSpec {
    let ours = previous.holder_identity.as_deref() == Some(me);
    let renewed_ms = previous.renew_time.as_ref().map_or(0, micro_to_ms);
    let now = ms_to_micro(if ours { now_ms.max(renewed_ms.saturating_add(1)) } else { now_ms });
    let transitions = previous.lease_transitions.unwrap_or_default();
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        acquire_time: previous.acquire_time.clone().filter(|_| ours).or_else(|| Some(now.clone())),
        renew_time: Some(now),
        lease_transitions: Some(if ours { transitions } else { transitions.saturating_add(1) }),
        ..LeaseSpec::default()
    }
}

/// The Lease as its holder leaves it: nobody's, and renewed no earlier than the last point was stamped.
pub(crate) fn released(previous: &LeaseSpec, now_ms: u64, stamped_ms: u64) -> LeaseSpec {
    LeaseSpec {
        holder_identity: None,
        lease_duration_seconds: Some(1),
        renew_time: Some(ms_to_micro(now_ms.max(stamped_ms))),
        ..previous.clone()
    }
}

fn duration(lease: &LeaseSpec) -> Duration {
    let seconds = lease.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or(DURATION, Duration::from_secs)
}

/// Rounded up, so that nothing that was stamped before is later.
fn micro_to_ms(time: &MicroTime) -> u64 {
    let micros = u64::try_from(time.0.as_microsecond()).unwrap_or(0);
    micros.div_ceil(1_000)
}

fn ms_to_micro(ms: u64) -> MicroTime {
    MicroTime(jiff::Timestamp::try_from(clock::from_ms(ms)).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 1_700_000_000_000;

    #[test]
    fn a_lease_is_waited_for_until_it_has_been_unchanged_for_its_own_duration() {
        let lease = held(&LeaseSpec::default(), "other", T);
        assert_eq!(decide("me", &lease, Duration::from_millis(14_999)), Decision::Wait);
        assert_eq!(decide("me", &lease, DURATION), Decision::Take { floor_ms: T + 10_000 });
        assert_eq!(decide("other", &lease, Duration::MAX), Decision::Renew);
    }

    #[test]
    fn a_released_lease_is_taken_at_once_and_later_than_the_last_stamp() {
        let lease = released(&held(&LeaseSpec::default(), "other", T), T + 5, T + 40);
        assert_eq!(decide("me", &lease, Duration::ZERO), Decision::Take { floor_ms: T + 41 });
        let taken = held(&lease, "me", T + 60);
        assert_eq!((taken.lease_transitions, taken.holder_identity.as_deref()), (Some(2), Some("me")));
        assert_eq!(held(&taken, "me", T + 70).acquire_time, taken.acquire_time);
    }
}
