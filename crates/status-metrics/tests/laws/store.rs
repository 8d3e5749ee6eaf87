//! The store: any history of changes against a plain map, and what a backend shows that was told of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;
use status_metrics::{Changes, ObjectKey, Origin, Rendered, SETS, Snapshot, Store};
use status_model::ModuleRef;

use crate::any;
use crate::backend::Backend;

/// What an object says of itself, from a small world, so that series end and live again. The version is part of the resource,
/// and of the attributes of the set `resource` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    version: &'static str,
    state: Option<&'static str>,
    true_conditions: Vec<&'static str>,
}

type Objects = BTreeMap<&'static str, Said>;

#[derive(Debug, Clone)]
enum Operation {
    Apply(&'static str, Said),
    Delete(&'static str),
    Relist { objects: Objects, committed: bool },
    ForgetEnded { older_than: u64 },
}

fn name() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b", "c"])
}

fn said() -> impl Strategy<Value = Said> {
    let state = option::of(select(vec!["Ready", "Warning"]));
    let conditions = subsequence(vec!["Installed", "Configured"], 0..=2);
    (select(vec!["v1", "v1", "v1", "v2"]), state, conditions)
        .prop_map(|(version, state, true_conditions)| Said { version, state, true_conditions })
}

fn operation() -> impl Strategy<Value = Operation> {
    let relist = (btree_map(name(), said(), 0..4), any::<bool>());
    prop_oneof![
        6 => (name(), said()).prop_map(|(name, said)| Operation::Apply(name, said)),
        2 => name().prop_map(Operation::Delete),
        2 => relist.prop_map(|(objects, committed)| Operation::Relist { objects, committed }),
        1 => (0..8u64).prop_map(|older_than| Operation::ForgetEnded { older_than }),
    ]
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Some("kyma-system"), name)
}

fn render(name: &str, said: &Said) -> Rendered {
    let object =
        ModuleRef::new("operator.kyma-project.io", said.version, "Keda", name).with_namespace("kyma-system");
    let condition = |type_: &&str| json!({"type": type_, "status": "True"});
    let status = any::read(said.state, &said.true_conditions.iter().map(condition).collect::<Vec<_>>());
    let origin = Origin::default();
    Rendered::new(&origin, &object, &SETS.map(|set| (set, set.translate(&origin, &object, &status).0)))
}

fn shown(objects: &Objects) -> Backend {
    Backend::showing(rendered(objects).values())
}

fn objects_of(snapshot: &Snapshot) -> BTreeMap<ObjectKey, Rendered> {
    snapshot.iter().map(|(key, object)| (key.clone(), object.rendered().clone())).collect()
}

fn rendered(objects: &Objects) -> BTreeMap<ObjectKey, Rendered> {
    objects.iter().map(|(name, said)| (key(name), render(name, said))).collect()
}

/// The store, the plain map that it should be like, and all that was ever told.
#[derive(Default)]
struct Checked {
    store: Store,
    model: Objects,
    /// A backend at each revision, and when it was told.
    told: Vec<(u64, u64, Backend)>,
    held: Vec<(Snapshot, Objects)>,
}

impl Checked {
    fn step(&mut self, operation: &Operation, now_ms: u64) {
        let before = (self.model.clone(), self.store.revision());
        let changed = match operation {
            Operation::Apply(name, said) => {
                self.model.insert(name, said.clone());
                Some(self.store.apply(key(name), render(name, said), now_ms))
            }
            Operation::Delete(name) => {
                self.model.remove(name);
                Some(self.store.delete(&key(name), now_ms))
            }
            Operation::Relist { objects, committed } => self.relist(objects, *committed, now_ms),
            Operation::ForgetEnded { older_than } => {
                self.forget_ended(now_ms.saturating_sub(*older_than));
                None
            }
        };
        let differs = self.model != before.0;
        assert!(changed.is_none_or(|changed| changed == differs), "{operation:?} said {changed:?}");
        assert_eq!(
            self.store.revision() > before.1,
            differs,
            "the revision moves with every change and only then"
        );
        self.told.push((self.store.revision(), now_ms, shown(&self.model)));
        self.held.push((self.store.snapshot(), self.model.clone()));
    }

    fn relist(&mut self, objects: &Objects, committed: bool, now_ms: u64) -> Option<bool> {
        let (snapshot, revision) = (self.store.snapshot(), self.store.revision());
        let mut relist = self.store.relist();
        for (name, said) in objects {
            relist.insert(key(name), render(name, said));
            assert_eq!(self.store.snapshot(), snapshot, "a reader in between sees the old objects");
            assert_eq!(self.store.changes(revision), Changes { revision, ..Changes::default() });
        }
        if committed {
            self.model.clone_from(objects);
            return Some(relist.commit(now_ms));
        }
        drop(relist);
        assert_eq!(self.store.snapshot(), snapshot, "a dropped list changes nothing");
        assert_eq!(self.store.revision(), revision);
        None
    }

    fn forget_ended(&mut self, before_ms: u64) {
        let ended = || -> Vec<_> {
            self.store.changes(0).objects.into_values().flat_map(|change| change.ended).collect()
        };
        let kept: Vec<_> = ended().into_iter().filter(|ended| ended.at_ms >= before_ms).collect();
        self.store.forget_ended(before_ms);
        assert_eq!(ended(), kept);
        // Whoever was told before what is forgotten now is too late.
        self.told.retain(|(_, told_ms, _)| told_ms + 1 >= before_ms);
    }

    fn check(&self) {
        assert_eq!(objects_of(&self.store.snapshot()), rendered(&self.model));
        let living = shown(&self.model);
        for (revision, _, backend) in &self.told {
            for changes in [self.store.changes(*revision), self.store.complete(*revision)] {
                assert_eq!(changes.revision, self.store.revision());
                let mut ended = changes.objects.values().flat_map(|change| &change.ended);
                assert!(ended.all(|ended| !ended.series.is_empty()), "the end of nothing");
                let mut backend = backend.clone();
                backend.tell(&changes, &living);
                assert_eq!(backend, living, "told from revision {revision} on");
            }
            let mut backend = backend.clone();
            backend.tell(&self.store.complete(*revision).into_ended(u64::MAX), &Backend::default());
            assert_eq!(backend, Backend::default(), "ended for whoever was told up to revision {revision}");
        }
        let nothing_new = self.store.changes(self.store.revision());
        assert!(nothing_new.objects.is_empty());
        for (snapshot, model) in &self.held {
            assert_eq!(objects_of(snapshot), rendered(model), "a snapshot that is held never changes");
        }
    }
}

proptest! {
    #[test]
    fn any_history_leaves_what_a_plain_map_holds_and_whoever_is_told_the_changes_from_any_revision_on_shows_that(
        operations in vec(operation(), 1..20),
    ) {
        let mut checked = Checked::default();
        checked.told.push((0, 0, Backend::default()));
        for (operation, now_ms) in operations.iter().zip(1..) {
            checked.step(operation, now_ms);
        }
        checked.check();
    }
}

#[test]
fn a_reader_sees_all_the_old_or_all_the_new_objects_of_a_list() {
    let names: Vec<_> = (0..40).map(|index| format!("keda-{index}")).collect();
    let list = |state| {
        let said = Said { version: "v1", state: Some(state), true_conditions: Vec::new() };
        names.iter().map(|name| (key(name), render(name, &said))).collect::<BTreeMap<_, _>>()
    };
    let (old, new) = (list("Ready"), list("Warning"));
    let store = Store::new();
    let relist = |objects: &BTreeMap<ObjectKey, Rendered>, at_ms| {
        let mut relist = store.relist();
        for (key, rendered) in objects {
            relist.insert(key.clone(), rendered.clone());
        }
        assert!(relist.commit(at_ms));
    };
    relist(&old, 0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..20 {
                relist(&new, 2 * round + 1);
                relist(&old, 2 * round + 2);
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            let seen = objects_of(&store.snapshot());
            assert!(seen == old || seen == new, "a hole in a list");
        }
    });
}
