//! Many models against many signals: the results table, the six rankings and the total improvement of the Dark
//! Machines challenge (arXiv:2105.14027), a report with plots, and the runner that trains a list of recipes and
//! fills the table.
//!
//! The way of an arena: an [`ArenaFile`] names recipes, channels and signals; [`run`] has a [`Trainer`] train and
//! evaluate each entry, keeps what is finished, and gives a [`Table`]; [`write_report`] ranks it. The rankings
//! alone need no training:
//!
//! ```
//! use std::path::Path;
//! use trigsieve_arena::{Definition, Metric, Table, TotalImprovements, Values};
//!
//! let text = "Signal,Model,Chan,AUC,1e-2,1e-3,1e-4\n\
//!             stop,shallow,1,0.7,0.10,0.02,0.001\n\
//!             stop,deep,1,0.8,0.20,0.05,0.020\n";
//! let table = Table::from_reader(text.as_bytes(), Path::new("results.csv"))?;
//! let by_mean = Values::of(&table, Metric::Auc).rank(Definition::Mean);
//! assert_eq!(by_mean.standings[0].model, "deep");
//! assert_eq!(TotalImprovements::of(&table).models[0].summary.median, 2.0);
//! # Ok::<(), trigsieve_arena::ArenaError>(())
//! ```

#![forbid(unsafe_code)]

mod config;
mod durable;
mod error;
mod improvement;
mod metric;
mod ranking;
mod report;
mod runner;
mod statistics;
mod table;

pub use config::{ArenaFile, Channel, Job, Sample};
pub use error::ArenaError;
pub use improvement::{SignalImprovement, TotalImprovement, TotalImprovements};
pub use metric::{MIN_BACKGROUND_EVENTS, Metric, WorkingPoint};
pub use ranking::{Definition, Rank, Ranking, Standing, Values};
pub use report::{MODELS_SHOWN, REPORT, write_report};
pub use runner::{Failure, Measurement, Outcome, TrainFailure, Trainer, run};
pub use statistics::Summary;
pub use table::{COLUMNS, ChannelSignal, Entry, Table};
