//! The resources that are watched now: those that some pipeline selects, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use status_metrics::Set;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use crate::catalog::Module;
use crate::source::Source;
use crate::watch::{self, Context};

/// What to watch, and which series to make of it.
pub(crate) type Wanted = BTreeMap<Module, BTreeSet<Set>>;

/// The sources that are watched; others may look at them at any time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watched(Arc<Mutex<Vec<Arc<Source>>>>);

impl Watched {
    /// All of them, in the order of the modules.
    pub(crate) fn all(&self) -> Vec<Arc<Source>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, sources: Vec<Arc<Source>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sources;
    }
}

/// Starts and stops watches.
pub(crate) struct Sources {
    context: Context,
    running: BTreeMap<Module, Running>,
    /// All that ever ran: an exporter may still hold the series of one.
    known: BTreeMap<Module, Weak<Source>>,
    watched: Watched,
}

struct Running {
    source: Arc<Source>,
    sets: BTreeSet<Set>,
    _task: AbortOnDropHandle<()>,
}

impl Sources {
    pub(crate) fn new(context: Context, watched: Watched) -> Self {
        Self { context, running: BTreeMap::new(), known: BTreeMap::new(), watched }
    }

    /// Watches just what is wanted. A source whose sets change is listed again into the series that it has.
    pub(crate) fn ensure(&mut self, wanted: &Wanted) {
        let gone = |module: &Module| !wanted.contains_key(module);
        for module in self.running.keys().filter(|module| gone(module)) {
            self.context.telemetry.watch_ended(&module.group, &module.resource);
        }
        self.running.retain(|module, _| !gone(module));
        for (module, sets) in wanted {
            let source = match self.running.get(module) {
                Some(running) if running.sets == *sets => continue,
                Some(running) => Arc::clone(&running.source),
                None => self.source(module),
            };
            let task = AbortOnDropHandle::new(self.spawn(&source, sets));
            let running = Running { source, sets: sets.clone(), _task: task };
            self.running.insert(module.clone(), running);
        }
        self.watched.set(self.running.values().map(|running| Arc::clone(&running.source)).collect());
    }

    /// A source that somebody still holds goes on where it was, so that its series are not ended and begun again.
    fn source(&mut self, module: &Module) -> Arc<Source> {
        let known = self.known.get(module).and_then(Weak::upgrade);
        let source = known
            .inspect(|source| source.begin_again())
            .unwrap_or_else(|| Arc::new(Source::new(module.clone())));
        self.known.insert(module.clone(), Arc::downgrade(&source));
        source
    }

    fn spawn(&self, source: &Arc<Source>, sets: &BTreeSet<Set>) -> JoinHandle<()> {
        tokio::spawn(watch::run(self.context.clone(), Arc::clone(source), sets.clone()))
    }

    /// The source of a module's resource, if it is watched.
    pub(crate) fn get(&self, module: &Module) -> Option<&Arc<Source>> {
        self.running.get(module).map(|running| &running.source)
    }
}
