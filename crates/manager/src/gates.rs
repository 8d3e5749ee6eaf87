//! What `/readyz` says.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

/// Named gates. A closed one makes the replica not ready; a note is told and makes no difference, because waiting does not
/// cure what it is about.
#[derive(Debug, Default)]
pub(crate) struct Gates(Mutex<BTreeMap<String, Gate>>);

#[derive(Debug)]
enum Gate {
    Closed(String),
    Note(String),
}

impl Gates {
    /// Waiting for something that comes by itself.
    pub(crate) fn close(&self, name: &str, waiting_for: impl Into<String>) {
        self.set(name, Some(Gate::Closed(waiting_for.into())));
    }

    /// Something is amiss that only a person can mend.
    pub(crate) fn note(&self, name: &str, note: impl Into<String>) {
        self.set(name, Some(Gate::Note(note.into())));
    }

    /// All is well.
    pub(crate) fn open(&self, name: &str) {
        self.set(name, None);
    }

    /// Whether all gates are open, and a line for each that is not and for each note.
    pub(crate) fn report(&self) -> (bool, String) {
        let gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = !gates.values().any(|gate| matches!(gate, Gate::Closed(_)));
        let mut page = String::from(if ready { "ready\n" } else { "not ready\n" });
        for (name, gate) in gates.iter() {
            let (Gate::Closed(text) | Gate::Note(text)) = gate;
            let kind = if matches!(gate, Gate::Closed(_)) { "waiting" } else { "note" };
            writeln!(page, "{kind}: {name}: {text}").expect("writing to a String cannot fail");
        }
        (ready, page)
    }

    fn set(&self, name: &str, gate: Option<Gate>) {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match gate {
            Some(gate) => gates.insert(name.to_owned(), gate),
            None => gates.remove(name),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_waiting_cures_makes_a_replica_not_ready() {
        let gates = Gates::default();
        assert_eq!(gates.report(), (true, "ready\n".to_owned()));
        gates.note("lease", "may not be written");
        gates.close("identity", "the namespace kube-system");
        let page =
            "not ready\nwaiting: identity: the namespace kube-system\nnote: lease: may not be written\n";
        assert_eq!(gates.report(), (false, page.to_owned()));
        gates.open("identity");
        assert_eq!(gates.report(), (true, "ready\nnote: lease: may not be written\n".to_owned()));
    }
}
