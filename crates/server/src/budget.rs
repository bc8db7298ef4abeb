//! The memory that requests and results may take, all together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// How many bytes may be held at once. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Account>);

#[derive(Debug)]
struct Account {
    taken: AtomicUsize,
    limit: usize,
}

/// Bytes that are held; given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    account: Arc<Account>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Account { taken: AtomicUsize::new(0), limit }))
    }

    /// Bytes that are held now.
    pub(crate) fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Nothing yet, to be grown.
    pub(crate) fn nothing(&self) -> Reservation {
        Reservation { account: Arc::clone(&self.0), bytes: 0 }
    }

    /// So many bytes; `None` if they are not to be had.
    pub(crate) fn reserve(&self, bytes: usize) -> Option<Reservation> {
        let mut reservation = self.nothing();
        reservation.grow(bytes).then_some(reservation)
    }
}

impl Reservation {
    /// Takes so many bytes more; false, and none are taken, if they are not to be had.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let limit = self.account.limit;
        let more = |taken: usize| taken.checked_add(bytes).filter(|&sum| sum <= limit);
        let taken = &self.account.taken;
        let has_grown = taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        self.bytes += if has_grown { bytes } else { 0 };
        has_grown
    }

    /// What was reserved for, which holds the reservation as long as it lives.
    pub(crate) fn hold(self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Held { bytes, _reservation: Arc::new(self) })
    }

    /// A part of what was reserved for: the last one gives the whole back.
    pub(crate) fn hold_part(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _reservation: Arc::clone(self) })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.account.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct Held<T> {
    bytes: T,
    _reservation: Arc<Reservation>,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_given_back() {
        let budget = Budget::new(10);
        let mut first = budget.reserve(4).unwrap();
        assert!(first.grow(6) && !first.grow(1));
        assert!(budget.reserve(1).is_none());
        let held = first.hold(vec![0; 10]);
        let part = held.slice(3..5);
        drop(held);
        assert_eq!(budget.taken(), 10, "a part keeps the whole");
        drop(part);
        assert_eq!(budget.taken(), 0);
        assert!(budget.nothing().grow(10));
        assert!(!budget.nothing().grow(usize::MAX));
    }
}
