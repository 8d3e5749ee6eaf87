//! How far a backend was told: per source, and what it still shows that is not selected any more. No I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use status_metrics::{Changes, Set};

use super::plan::{Claims, Selected};
use crate::catalog::Module;
use crate::source::Source;

/// What goes into the requests of one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What changed since it was told last.
    Changes,
    /// Everything, and what ended since the backend acknowledged last.
    Complete,
}

/// Changes of one source, and the sets of which they are told.
pub(crate) type Telling = (BTreeSet<Set>, Changes);

/// The book of one exporter.
#[derive(Debug, Default)]
pub(crate) struct Told {
    sources: BTreeMap<Module, Position>,
    leaving: Vec<Position>,
}

/// How far the backend was told about one source.
#[derive(Debug)]
struct Position {
    source: Arc<Source>,
    sets: BTreeSet<Set>,
    /// Up to this revision everything was acknowledged; 0 is nothing.
    acknowledged: u64,
    /// Up to this revision everything was sent, whatever became of it. What is refused is not sent again as a change.
    tried: Option<u64>,
    /// Where the pass that is under way began.
    from: Option<u64>,
}

impl Told {
    /// Takes over a new selection. What is no longer in it leaves.
    pub(crate) fn select(&mut self, selected: &[Selected]) {
        let mut before = std::mem::take(&mut self.sources);
        for Selected { source, sets } in selected {
            let known = before.remove(&source.module);
            let position = self.position(source, sets, known);
            self.sources.insert(source.module.clone(), position);
        }
        self.leaving.extend(before.into_values());
        for leaving in &mut self.leaving {
            if let Some(position) = self.sources.get(&leaving.source.module) {
                leaving.sets.retain(|set| !position.sets.contains(set));
            }
        }
        self.leaving.retain(|leaving| !leaving.sets.is_empty());
    }

    fn position(&mut self, source: &Arc<Source>, sets: &BTreeSet<Set>, known: Option<Position>) -> Position {
        let new = Position {
            source: Arc::clone(source),
            sets: sets.clone(),
            acknowledged: 0,
            tried: None,
            from: None,
        };
        let Some(known) = known.filter(|known| Arc::ptr_eq(&known.source, source)) else { return new };
        let dropped: BTreeSet<Set> = known.sets.difference(sets).copied().collect();
        // A set that is new has to be told from the beginning.
        let grown = !sets.is_subset(&known.sets);
        let position = if grown { new } else { Position { acknowledged: known.acknowledged, ..new } };
        if !dropped.is_empty() {
            self.leaving.push(Position { sets: dropped, ..known });
        }
        position
    }

    /// Nothing is selected any more.
    pub(crate) fn leave_all(&mut self) {
        self.leaving.extend(std::mem::take(&mut self.sources).into_values());
    }

    /// The end of everything that leaves, but for what others send to the same backend.
    pub(crate) fn leaving(&self, others: &Claims, now_ms: u64) -> Vec<Telling> {
        let ended = |position: &Position| {
            let claimed = |set: &Set| others.contains(&(position.source.module.clone(), *set));
            let sets: BTreeSet<Set> = position.sets.iter().filter(|set| !claimed(set)).copied().collect();
            let changes = position.source.store.complete(position.acknowledged);
            (sets, changes.into_ended(now_ms))
        };
        self.leaving.iter().map(ended).collect()
    }

    /// What left has been told, or cannot be.
    pub(crate) fn left(&mut self) {
        self.leaving.clear();
    }

    /// Begins a pass.
    pub(crate) fn gather(&mut self, scope: Scope) -> Vec<Telling> {
        let gather = |position: &mut Position| {
            let store = &position.source.store;
            let told = position.tried.filter(|_| scope == Scope::Changes);
            let from = told.unwrap_or(position.acknowledged);
            let changes = if told.is_some() { store.changes(from) } else { store.complete(from) };
            position.from = Some(from);
            position.tried = Some(changes.revision);
            (position.sets.clone(), changes)
        };
        self.sources.values_mut().map(gather).collect()
    }

    /// The last pass was given up: what it had to say is still to be said.
    pub(crate) fn rewind(&mut self) {
        for position in self.sources.values_mut() {
            position.tried = position.from.take().filter(|from| *from > 0);
        }
    }

    /// All of the last pass was acknowledged. What was refused before it goes with the next complete pass.
    pub(crate) fn acknowledge(&mut self) {
        for position in self.sources.values_mut() {
            if position.from == Some(position.acknowledged) {
                position.acknowledged = position.tried.unwrap_or(position.acknowledged);
            }
        }
    }

    /// Whether something changed that was not sent yet.
    pub(crate) fn is_behind(&self) -> bool {
        self.sources.values().any(|position| position.tried != Some(position.source.store.revision()))
    }

    /// Whether something is not acknowledged.
    pub(crate) fn is_pending(&self) -> bool {
        self.sources.values().any(|position| position.acknowledged != position.source.store.revision())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use status_metrics::{ObjectKey, Origin, Rendered};
    use status_model::{ModuleRef, parse};

    use super::*;

    fn module(name: &str) -> Module {
        let (name, group) = (name.to_owned(), "g.io".to_owned());
        Module { resource: format!("{name}s"), name, group, version: None, namespace: None }
    }

    fn source(name: &str) -> Arc<Source> {
        let source = Source::new(module(name));
        set_state(&source, "Ready");
        Arc::new(source)
    }

    fn set_state(source: &Source, state: &str) {
        let name = &source.module.name;
        let object = ModuleRef::new("g.io", "v1", name, "default").with_module(name);
        let (status, _) = parse(&json!({"state": state}));
        let samples = Set::Module.translate(&Origin::default(), &object, &status).0;
        let rendered = Rendered::new(&Origin::default(), &object, &[(Set::Module, samples)]);
        source.store.apply(ObjectKey::from(&object), rendered, 1);
    }

    fn select(sources: &[&Arc<Source>]) -> Vec<Selected> {
        let selected =
            |source: &&Arc<Source>| Selected { source: Arc::clone(source), sets: [Set::Module].into() };
        sources.iter().map(selected).collect()
    }

    /// How many objects are told, and how many series are ended, in the sets that they are told of.
    fn count(told: &[Telling]) -> (usize, usize) {
        let changes = |(sets, changes): &Telling| {
            let ended = |ended: &Arc<status_metrics::EndedObject>| {
                ended.series.iter().filter(|series| sets.contains(&series.set)).count()
            };
            let objects = changes.objects.values().filter(|change| change.object.is_some()).count();
            let ends = changes.objects.values().flat_map(|change| &change.ended).map(ended).sum::<usize>();
            if sets.is_empty() { (0, 0) } else { (objects, ends) }
        };
        told.iter().map(changes).fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    }

    #[test]
    fn what_was_told_is_told_again_only_if_it_changes() {
        let (a, b) = (source("a"), source("b"));
        let mut told = Told::default();
        told.select(&select(&[&a, &b]));
        assert_eq!(count(&told.gather(Scope::Changes)), (2, 0), "nothing was told yet");
        told.acknowledge();
        assert!(!told.is_behind() && !told.is_pending());
        set_state(&a, "Error");
        assert!(told.is_behind());
        assert_eq!(count(&told.gather(Scope::Changes)), (1, 1));
        told.acknowledge();
        assert_eq!(count(&told.gather(Scope::Complete)), (2, 0));
    }

    #[test]
    fn an_end_that_was_refused_goes_with_the_next_complete_pass() {
        let a = source("a");
        let mut told = Told::default();
        told.select(&select(&[&a]));
        told.gather(Scope::Complete);
        told.acknowledge();
        set_state(&a, "Error");
        assert_eq!(count(&told.gather(Scope::Changes)), (1, 1), "refused");
        assert!(!told.is_behind(), "it is not tried again before something changes");
        set_state(&a, "Warning");
        assert_eq!(count(&told.gather(Scope::Changes)), (1, 1), "the newest end alone");
        told.acknowledge();
        assert!(told.is_pending());
        assert_eq!(count(&told.gather(Scope::Complete)), (1, 2), "both ends");
        told.acknowledge();
        assert!(!told.is_pending());
        assert_eq!(count(&told.gather(Scope::Complete)), (1, 0));
    }

    #[test]
    fn a_pass_that_was_given_up_is_begun_again_where_it_was() {
        let a = source("a");
        let mut told = Told::default();
        told.select(&select(&[&a]));
        told.gather(Scope::Complete);
        told.acknowledge();
        set_state(&a, "Error");
        told.gather(Scope::Changes);
        told.rewind();
        assert!(told.is_behind());
        assert_eq!(count(&told.gather(Scope::Changes)), (1, 1));
    }

    #[test]
    fn what_is_selected_again_or_sent_by_others_is_not_ended() {
        let (a, b) = (source("a"), source("b"));
        let mut told = Told::default();
        told.select(&select(&[&a, &b]));
        told.gather(Scope::Complete);
        told.acknowledge();
        told.select(&select(&[&a]));
        assert_eq!(count(&told.leaving(&Claims::new(), 5)), (0, 1));
        assert_eq!(count(&told.leaving(&[(module("b"), Set::Module)].into(), 5)), (0, 0));
        told.select(&select(&[&a, &b]));
        assert_eq!(count(&told.leaving(&Claims::new(), 5)), (0, 0));
        told.leave_all();
        assert_eq!(count(&told.leaving(&Claims::new(), 5)), (0, 2));
        told.left();
        assert_eq!(count(&told.leaving(&Claims::new(), 5)), (0, 0));
    }
}
