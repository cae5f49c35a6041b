//! The service's HTTP side: metrics, health, the live page; read-only but for a reload, which needs a token.
//!
//! Everything is bounded: connections, their lifetime, the size and number of headers and the time they take; bodies are not
//! read. There is no TLS here: what is beyond the host belongs behind a proxy that has it.

mod metrics;
mod routes;
mod server;
mod status;
mod token;

pub use server::{HttpDoor, HttpLimits, HttpServer};
pub use token::Token;
