//! trigsieve scores collision events with a small network trained on background alone and keeps those that
//! look unlike it, with the latency of every decision.
//!
//! The modules follow the way of an event; ARCHITECTURE.md walks through them.

pub mod bench;
pub mod compare;
mod contain;
pub mod convert;
pub mod evaluate;
pub mod event;
pub mod latency;
pub mod model;
pub mod pipeline;
pub mod plot;
pub mod score;
pub mod send;
pub mod serve;
pub mod sink;
pub mod source;
pub mod statistics;
pub mod trigger;

pub use trigsieve_files::{durable, message};
