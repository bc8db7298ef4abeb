//! What the log says about photos.

use std::collections::{HashMap, HashSet};

use crate::entry::{Entry, Key, PhotoFile};

/// Which photos are done with, and which rejects are not filed yet.
#[derive(Debug, Default)]
pub struct Known {
    done: HashSet<Key>,
    unfiled: HashMap<Key, PhotoFile>,
}

impl Known {
    /// Takes a line of the log.
    pub fn take(&mut self, entry: &Entry) {
        match entry {
            Entry::Judged(verdict) => {
                let key = verdict.photo.key();
                self.done.insert(key);
                if verdict.anomalous == Some(true) {
                    self.unfiled.insert(key, verdict.photo.clone());
                }
            }
            Entry::Failed(failure) => {
                self.done.insert(failure.photo.key());
            }
            Entry::Filed(filed) => {
                self.unfiled.remove(&filed.photo.key());
            }
            Entry::Started(_) | Entry::Drift(_) | Entry::Stopped => {}
        }
    }

    /// Whether the photo was judged or given up.
    pub fn is_done(&self, key: Key) -> bool {
        self.done.contains(&key)
    }

    /// Whether the photo is a reject that was not filed yet.
    pub fn is_unfiled(&self, key: Key) -> bool {
        self.unfiled.contains_key(&key)
    }

    /// Rejects that were not filed yet.
    pub fn unfiled(&self) -> impl Iterator<Item = &PhotoFile> {
        self.unfiled.values()
    }
}
