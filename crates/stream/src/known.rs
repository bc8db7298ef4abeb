//! What the log says about photos.

use std::collections::{HashMap, HashSet};

use efficientad_evaluation::Verdict;

use crate::entry::{Entry, JudgedPhoto, Key, PhotoFile};

/// Which photos are done with, and which verdicts a sink still has to get.
#[derive(Debug, Default)]
pub struct Known {
    done: HashSet<Key>,
    undelivered: HashMap<Key, JudgedPhoto>,
}

impl Known {
    /// Takes a line of the log; `is_wanted` tells which verdicts the sink wants.
    pub(crate) fn record_entry(&mut self, entry: &Entry, is_wanted: impl Fn(&Verdict) -> bool) {
        match entry {
            Entry::Judged(judged) => {
                let key = judged.photo.key();
                self.done.insert(key);
                if is_wanted(&judged.verdict) {
                    self.undelivered.insert(key, judged.clone());
                }
            }
            Entry::Failed(failure) => {
                self.done.insert(failure.photo.key());
            }
            Entry::Filed(filed) => {
                self.undelivered.remove(&filed.photo.key());
            }
            Entry::Started(_) | Entry::Drift(_) | Entry::Stopped => {}
            Entry::Dropped(_) | Entry::Lost(_) | Entry::Back => {}
        }
    }

    /// Whether the photo was judged or given up.
    pub fn is_done(&self, photo: &PhotoFile) -> bool {
        self.is_done_key(photo.key())
    }

    pub(crate) fn is_done_key(&self, key: Key) -> bool {
        self.done.contains(&key)
    }

    /// The verdict on a photo that the sink still has to get.
    pub fn undelivered_verdict(&self, photo: &PhotoFile) -> Option<&Verdict> {
        self.undelivered.get(&photo.key()).map(|judged| &judged.verdict)
    }

    /// Photos whose verdicts the sink still has to get.
    pub(crate) fn undelivered(&self) -> impl Iterator<Item = &PhotoFile> {
        self.undelivered.values().map(|judged| &judged.photo)
    }
}
