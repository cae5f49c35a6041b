use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Binds the calling thread to the core of this number among those the process may use, counted around.
///
/// # Errors
/// The system's.
pub fn bind_to_core(number: usize) -> io::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect();
    let mut set = CpuSet::new();
    set.set(cores[number % cores.len()]);
    Ok(sched_setaffinity(None, &set)?)
}
