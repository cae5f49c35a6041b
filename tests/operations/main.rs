//! A running service as operations see it: metrics, health, reload, the live page.

mod browser;
mod budget;
#[path = "../common/mod.rs"]
mod common;
mod http;
mod live_page;
mod log;
mod running;
