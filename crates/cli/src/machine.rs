//! CPU and memory as they are to be used.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use anyhow::Result;
use efficientad::{CpuEngine, InstructionSet};

use crate::args::CpuArgs;

/// Threads to use, as given or as many as the CPU runs at once.
pub fn threads(args: &CpuArgs) -> usize {
    args.threads.map_or_else(|| available_parallelism().map_or(1, NonZero::get), usize::from)
}

/// The CPU engine.
///
/// # Errors
/// When it lacks the instruction set, or threads cannot be started.
pub fn cpu(args: &CpuArgs) -> Result<Arc<CpuEngine>> {
    let set = args.instruction_set.unwrap_or_else(InstructionSet::best);
    Ok(Arc::new(CpuEngine::new(threads(args), set)?))
}

/// Has large blocks of memory returned to the system as soon as they are free, where glibc decides.
///
/// It would keep what reading a model took for a thread that never needs it again. Work that takes
/// and frees large blocks all the time, such as running a backbone, becomes slower by it.
pub fn return_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number; a value that it does not like leaves everything as it is.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20)
    };
}
