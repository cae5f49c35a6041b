//! A bounded, lock-free ring between one producer and one consumer.
//!
//! The ring moves values and never blocks: how a stage waits is the stage's affair. A full ring hands the value
//! back, and each end notices when the other is gone. It is the one place of the pipeline with `unsafe`; loom
//! explores its interleavings (`RUSTFLAGS="--cfg loom" cargo test -p trigsieve-ring --release`).

mod ring;
mod sync;

pub use ring::{Consumer, Producer, PushError, ring};
