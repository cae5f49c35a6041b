//! Where events come from and when: the replayed files and the bunch clock.

mod clock;
mod filling;
mod set;
#[cfg(test)]
mod tests;

pub use clock::{CROSSING_NS, Clock, ORBIT_CROSSINGS};
pub use filling::{FillingError, FillingScheme};
pub use set::{Cursor, EventSet, Run};
