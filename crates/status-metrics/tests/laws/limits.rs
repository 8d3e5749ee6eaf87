//! An object is limited, so that it and its end markers fit one request.

use proptest::prelude::*;
use serde_json::json;
use status_metrics::{Batch, Frame, LimitExceeded, MAX_BYTES, MAX_SERIES, Origin, Part, SETS, Samples, Set};
use status_model::{ModuleRef, ModuleStatus};

use crate::any;

/// A receiver takes requests of 4 MiB by default.
const RECEIVER_LIMIT: usize = 4 * 1024 * 1024;

fn keda() -> ModuleRef {
    ModuleRef::new("operator.kyma-project.io", "v1alpha1", "Keda", "default").with_namespace("kyma-system")
}

/// `count` conditions with a reason of `len` bytes.
fn large(count: usize, len: usize) -> ModuleStatus {
    let reason = "r".repeat(len);
    let condition = |index| json!({"type": format!("T{index:05}"), "status": "True", "reason": reason});
    any::read(Some("Ready"), &(0..count).map(condition).collect::<Vec<_>>())
}

fn translate(set: Set, status: &ModuleStatus) -> (Samples, Option<LimitExceeded>) {
    set.translate(&Origin::default().with_cluster_name("prod"), &keda(), status)
}

fn bytes(samples: &Samples) -> usize {
    let attributes = samples.iter().flat_map(|sample| &sample.attributes);
    attributes.map(|(key, value)| key.len() + value.len()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn an_object_has_at_most_so_many_series_and_bytes_and_what_is_left_out_is_said(
        count in 0..2 * MAX_SERIES,
        len in prop_oneof![0..8usize, 0..2 * MAX_BYTES / MAX_SERIES, 0..2 * MAX_BYTES],
    ) {
        // No more than 16 MiB of input.
        let status = large(count.min((16 << 20) / (len + 1)), len);
        for set in SETS {
            let (samples, exceeded) = translate(set, &status);
            prop_assert!(samples.len() <= MAX_SERIES && bytes(&samples) <= MAX_BYTES);
            let wanted = status.conditions.len() + 1;
            prop_assert_eq!(exceeded.is_some(), samples.len() < wanted);
            // The first are kept, and no more could be.
            let types = samples.iter().skip(1).filter_map(|sample| sample.attributes.iter().find(|(key, _)| *key == "type"));
            prop_assert!(types.zip(&status.conditions).all(|((_, type_), condition)| *type_ == condition.type_));
            let (state, _) = translate(set, &large(0, 0));
            let (with_one, _) = translate(set, &large(1, 0));
            let another = bytes(&with_one) - bytes(&state) + len;
            prop_assert!(exceeded.is_none() || samples.len() == MAX_SERIES || bytes(&samples) + another > MAX_BYTES);
        }
    }
}

#[test]
fn which_limit_was_exceeded_is_said() {
    let exceeded = |count, len| translate(Set::Module, &large(count, len)).1;
    assert_eq!(exceeded(MAX_SERIES - 1, 1), None, "the state is one of the series");
    assert_eq!(exceeded(MAX_SERIES, 1), Some(LimitExceeded::Series));
    assert_eq!(exceeded(1, MAX_BYTES), Some(LimitExceeded::Bytes));
    assert_eq!(
        LimitExceeded::Series.to_string(),
        "status gives more than 1000 series, of which the first are kept"
    );
    assert_eq!(
        LimitExceeded::Bytes.to_string(),
        "status gives series of more than 512 KiB, of which the first are kept"
    );
    for limit in [LimitExceeded::Series, LimitExceeded::Bytes] {
        assert_eq!(limit.reason(), "SeriesLimitExceeded");
    }
}

#[test]
fn the_largest_object_fits_one_request_with_the_end_markers_of_all_its_series() {
    for len in [0, 256, 320, 384, 4096] {
        let status = large(MAX_SERIES, len);
        let frame = Frame::new(
            &Origin::default().with_cluster_name("prod").with_cluster_uid("0".repeat(36)),
            &keda(),
            &SETS.map(|set| (set, translate(set, &status).0)),
        );
        let markers: Vec<_> = frame.sets().flat_map(|(_, metrics)| metrics.markers()).collect();
        let living = frame.sets().map(|(_, metrics)| metrics);
        let ended = markers.iter().map(status_metrics::SeriesMarker::metrics);
        let parts: Vec<_> = living.chain(ended).map(|metrics| Part { metrics, time_ms: 1 }).collect();
        let len = Batch::len_with(frame.resource(), &parts);
        assert!(len < RECEIVER_LIMIT, "{len} bytes");
    }
}
