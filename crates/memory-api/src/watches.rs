//! The watches that are open, and what can be done to them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{mpsc, watch};

use crate::{path::Attributes, selection::Selection};

/// What happens to an open watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// Half a line, then the end of the connection.
    Cut,
    /// A clean end, as after `timeoutSeconds`.
    End,
    /// An `ERROR` event with 410, then the end.
    Gone,
    /// Nothing more, and no end either.
    Freeze,
}

/// The open watches of an API; clones are handles to the same ones.
#[derive(Debug, Clone)]
pub struct Watches {
    open: Arc<Mutex<Open>>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    watches: BTreeMap<u64, (Attributes, mpsc::UnboundedSender<Interrupt>)>,
}

/// An open watch; dropped, it is closed.
#[derive(Debug)]
pub(crate) struct OpenWatch {
    id: u64,
    watches: Watches,
    pub(crate) interrupts: mpsc::UnboundedReceiver<Interrupt>,
}

impl Drop for OpenWatch {
    fn drop(&mut self) {
        self.watches.lock().watches.remove(&self.id);
        self.watches.changes.send_replace(());
    }
}

impl Watches {
    pub(crate) fn new() -> Self {
        Self { open: Arc::default(), changes: watch::Sender::new(()) }
    }

    pub(crate) fn open(&self, request: Attributes) -> OpenWatch {
        let (sender, interrupts) = mpsc::unbounded_channel();
        let id = {
            let mut open = self.lock();
            open.last += 1;
            let id = open.last;
            open.watches.insert(id, (request, sender));
            id
        };
        self.changes.send_replace(());
        OpenWatch { id, watches: self.clone(), interrupts }
    }

    /// How many are open among those selected.
    pub fn count(&self, selection: &Selection) -> usize {
        self.lock().watches.values().filter(|(request, _)| selection.matches(request)).count()
    }

    /// Waits until exactly so many are open among those selected.
    pub async fn until(&self, selection: &Selection, count: usize) {
        let mut changes = self.changes.subscribe();
        while self.count(selection) != count {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Cuts their connections in the middle of a line; returns how many there were.
    pub fn cut(&self, selection: &Selection) -> usize {
        self.interrupt(selection, Interrupt::Cut)
    }

    /// Ends them cleanly, as a timeout of the server does; returns how many there were.
    pub fn end(&self, selection: &Selection) -> usize {
        self.interrupt(selection, Interrupt::End)
    }

    /// Sends them an `ERROR` event with 410 Gone and ends them; returns how many there were.
    pub fn expire(&self, selection: &Selection) -> usize {
        self.interrupt(selection, Interrupt::Gone)
    }

    /// Silences them without an end, as a lost network does; returns how many there were.
    pub fn freeze(&self, selection: &Selection) -> usize {
        self.interrupt(selection, Interrupt::Freeze)
    }

    fn interrupt(&self, selection: &Selection, interrupt: Interrupt) -> usize {
        let open = self.lock();
        let selected = open.watches.values().filter(|(request, _)| selection.matches(request));
        selected.filter(|(_, sender)| sender.send(interrupt).is_ok()).count()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
