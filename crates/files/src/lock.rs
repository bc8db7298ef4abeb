use std::fs::{File, TryLockError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A program that another thread starts has a copy of every open file, and with it the lock, until
/// it has begun. So a lock that was just released may be held for a moment longer.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);

/// Locks a file for this process alone, as long as `file` lives; waits two seconds at most.
///
/// # Errors
/// `WouldBlock` when somebody else holds the lock, and the operating system's own errors.
pub fn lock_alone(file: &File) -> Result<(), TryLockError> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => sleep(PAUSE),
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_released_meanwhile_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let open = || File::create(folder.path().join("lock")).unwrap();
        let (held, wanted) = (open(), open());
        held.lock().unwrap();
        std::thread::scope(|scope| {
            let taking = scope.spawn(|| lock_alone(&wanted));
            sleep(PAUSE * 5);
            assert!(!taking.is_finished());
            drop(held);
            taking.join().unwrap().unwrap();
        });
        assert!(matches!(lock_alone(&open()), Err(TryLockError::WouldBlock)));
    }
}
