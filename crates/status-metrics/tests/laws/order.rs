//! The output depends on what is said, not on when and in which order it is said.

use std::collections::BTreeSet;

use proptest::prelude::*;
use status_metrics::text::{Format, exposition};
use status_metrics::{Origin, Rendered, SETS, Set};
use status_model::{ModuleRef, ModuleStatus};

use crate::any;

fn render(origin: &Origin, object: &ModuleRef, status: &ModuleStatus) -> Rendered {
    Rendered::new(origin, object, &SETS.map(|set| (set, set.translate(origin, object, status).0)))
}

proptest! {
    #[test]
    fn the_same_status_is_the_same_bytes(
        origin in any::origin(), object in any::object(), state in any::state(), conditions in any::conditions(),
    ) {
        let render = || render(&origin, &object, &any::read(state.as_deref(), &conditions));
        prop_assert_eq!(render(), render());
    }

    #[test]
    fn the_order_of_conditions_changes_no_byte(
        object in any::object(),
        state in any::state(),
        (conditions, shuffled) in
            any::conditions().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let origin = Origin::default();
        let (a, b) = (any::read(state.as_deref(), &conditions), any::read(state.as_deref(), &shuffled));
        prop_assert_eq!(render(&origin, &object, &a), render(&origin, &object, &b));
    }

    #[test]
    fn the_order_of_the_sets_changes_no_byte_of_the_text(object in any::object(), status in any::status()) {
        let origin = Origin::default();
        let page = |sets: [Set; 2]| {
            let sets = sets.map(|set| (set, set.translate(&origin, &object, &status).0));
            exposition([Rendered::new(&origin, &object, &sets).text()], Format::OpenMetrics)
        };
        prop_assert_eq!(page([Set::Module, Set::Resource]), page([Set::Resource, Set::Module]));
    }

    #[test]
    fn a_sample_has_the_keys_of_its_family_sorted_and_each_once(
        origin in any::origin(), object in any::object(), status in any::status(),
    ) {
        for set in SETS {
            let (samples, _) = set.translate(&origin, &object, &status);
            let mut seen = BTreeSet::new();
            for sample in &samples {
                let keys: Vec<_> = sample.attributes.iter().map(|(key, _)| *key).collect();
                prop_assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
                prop_assert!(set.families().contains(&sample.family));
                let (family, context) = (sample.family.labels, sample.family.context);
                prop_assert!(family.iter().all(|key| keys.contains(key)), "{keys:?}");
                prop_assert!(keys.iter().all(|key| family.contains(key) || context.contains(key)), "{keys:?}");
                prop_assert!(seen.insert((sample.family.name, &sample.attributes)), "{sample:?} is there twice");
            }
            prop_assert_eq!(samples.len(), seen.len());
            prop_assert_eq!(samples.is_empty(), seen.is_empty());
        }
    }
}
