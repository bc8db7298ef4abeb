//! The CPU as the kernels use it: an instruction set and threads.

use crate::simd::{InstructionSet, SimdToken};
use rayon::prelude::*;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

/// Threads that share work which is cut into tasks.
///
/// Work is cut by shapes alone and every task writes its own part of the result, so results do not
/// depend on the number of threads or on their timing.
#[derive(Clone)]
pub struct Threads {
    pool: Option<Arc<rayon::ThreadPool>>,
}

/// The operating system refused to start threads.
#[derive(Debug)]
pub struct ThreadsError(rayon::ThreadPoolBuildError);

impl fmt::Display for ThreadsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start the worker threads: {}", self.0)
    }
}

impl std::error::Error for ThreadsError {}

impl Threads {
    /// A pool of `count` threads; 0 and 1 stand for the calling thread.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn new(count: usize) -> Result<Self, ThreadsError> {
        let pool = (count > 1)
            .then(|| rayon::ThreadPoolBuilder::new().num_threads(count).build())
            .transpose()
            .map_err(ThreadsError)?;
        Ok(Self { pool: pool.map(Arc::new) })
    }

    /// The calling thread alone.
    pub const fn calling() -> Self {
        Self { pool: None }
    }

    /// Their number.
    pub fn count(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.current_num_threads())
    }

    /// Runs `work` as one of the threads, so that the parallel parts within it need not wake them one
    /// by one.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Runs `task(0)` … `task(tasks - 1)`, in any order and on any thread.
    pub fn for_each(&self, tasks: usize, task: impl Fn(usize) + Sync + Send) {
        match &self.pool {
            Some(pool) if tasks > 1 => {
                pool.install(|| (0..tasks).into_par_iter().with_max_len(1).for_each(task));
            }
            _ => (0..tasks).for_each(task),
        }
    }

    /// Runs `task(i, chunk)` for every chunk of `size` elements of `data` (the last may be shorter).
    pub fn for_each_chunk<T: Send>(
        &self,
        data: &mut [T],
        size: usize,
        task: impl Fn(usize, &mut [T]) + Sync + Send,
    ) {
        let chunks = data.len().div_ceil(size);
        let shared = Disjoint::new(data);
        self.for_each(chunks, |i| {
            let start = i * size;
            let len = size.min(shared.len - start);
            // SAFETY: chunks of different `i` do not overlap.
            task(i, unsafe { shared.slice(start, len) });
        });
    }

    /// Runs `task(i, chunk)` as [`Threads::for_each_chunk`] does and returns what each chunk gave, in
    /// order: for sums that do not depend on the number of threads.
    pub fn map_chunks<T: Send, R: Send + Default + Clone>(
        &self,
        data: &mut [T],
        size: usize,
        task: impl Fn(usize, &mut [T]) -> R + Sync + Send,
    ) -> Vec<R> {
        let mut results = vec![R::default(); data.len().div_ceil(size)];
        let shared = Disjoint::new(&mut results);
        self.for_each_chunk(data, size, |i, chunk| {
            let result = task(i, chunk);
            // SAFETY: one result per chunk.
            let place = unsafe { shared.slice(i, 1) };
            place[0] = result;
        });
        results
    }
}

/// An instruction set, and threads that use it.
pub struct Cpu {
    simd: SimdToken,
    threads: Threads,
}

/// Why a [`Cpu`] could not be set up.
#[derive(Debug)]
#[non_exhaustive]
pub enum CpuError {
    /// This CPU does not have the instruction set.
    Unavailable(InstructionSet),
    /// The operating system refused to start the threads.
    Threads(ThreadsError),
}

impl fmt::Display for CpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(set) => write!(f, "this CPU does not have {set} instructions"),
            Self::Threads(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CpuError {}

impl Cpu {
    /// A pool of `threads` threads (0 is taken as 1) that uses `instruction_set`.
    ///
    /// # Errors
    /// When the CPU does not have the instruction set or threads cannot be started.
    pub fn new(threads: usize, instruction_set: InstructionSet) -> Result<Self, CpuError> {
        let simd =
            SimdToken::detect(instruction_set).ok_or(CpuError::Unavailable(instruction_set))?;
        let threads = Threads::new(threads).map_err(CpuError::Threads)?;
        Ok(Self { simd, threads })
    }

    /// The same instruction set on the calling thread alone.
    pub fn on_calling_thread(&self) -> Self {
        Self { simd: self.simd, threads: Threads::calling() }
    }

    /// The instruction set in use.
    pub fn instruction_set(&self) -> InstructionSet {
        self.simd.instruction_set()
    }

    /// What runs kernels compiled for the instruction set in use.
    pub(crate) fn simd(&self) -> SimdToken {
        self.simd
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads.count()
    }
}

/// Work on a CPU is work on its threads.
impl Deref for Cpu {
    type Target = Threads;

    fn deref(&self) -> &Threads {
        &self.threads
    }
}

/// A mutable slice that several tasks write at once, each in its own places.
pub(crate) struct Disjoint<'a, T> {
    data: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: handing out parts is `unsafe`; whoever does so promises that they do not overlap.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}
// SAFETY: it stands for a `&mut [T]`, which may be sent where `T` may be.
unsafe impl<T: Send> Send for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    /// Shares `slice`.
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { data: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// The part of `len` elements from `start`.
    ///
    /// # Safety
    /// Parts in use at the same time must not overlap.
    #[expect(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    #[inline(always)]
    pub(crate) unsafe fn slice(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start + len <= self.len, "part {start}+{len} of {}", self.len);
        // SAFETY: in bounds by the assertion, unaliased by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(start), len) }
    }

    /// A pointer to element `start`, of which `len` elements may be used.
    #[inline(always)]
    pub(crate) fn pointer(&self, start: usize, len: usize) -> *mut T {
        assert!(start + len <= self.len, "part {start}+{len} of {}", self.len);
        // SAFETY: in bounds by the assertion.
        unsafe { self.data.add(start) }
    }
}
