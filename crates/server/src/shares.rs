//! How much of the server one client among several may take.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Requests in progress, by client.
pub(crate) struct Shares {
    counts: Arc<Mutex<HashMap<String, usize>>>,
    most: usize,
}

/// A request in progress; no longer counted when dropped.
pub(crate) struct Share {
    client: String,
    counts: Arc<Mutex<HashMap<String, usize>>>,
}

impl Shares {
    /// Of a queue with so many places: a client may have half of them.
    pub(crate) fn new(places: usize) -> Self {
        Self { counts: Arc::default(), most: (places / 2).max(1) }
    }

    /// Requests that a client may have in progress.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Counts one more request of a client; `None` if it has as many as it may.
    pub(crate) fn take(&self, client: &str) -> Option<Share> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client.to_owned()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share { client: client.to_owned(), counts: Arc::clone(&self.counts) })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_leaves_half_to_the_others() {
        let shares = Shares::new(4);
        let (first, _second) = (shares.take("a").unwrap(), shares.take("a").unwrap());
        assert!(shares.take("a").is_none());
        assert!(shares.take("b").is_some());
        drop(first);
        assert!(shares.take("a").is_some());
        assert!(Shares::new(1).take("a").is_some());
    }
}
