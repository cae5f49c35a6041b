//! Progress bars: on a terminal only, never when piped.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use trigsieve::convert::Work;

use super::Context;

/// A bar over `total` events, hidden when standard error is no terminal or the user asked for quiet.
pub fn events_bar(context: Context, total: u64, what: &str) -> ProgressBar {
    bar(context, total, what, "{msg} [{bar:40}] {human_pos}/{human_len} events, {per_sec}, {eta} left")
}

/// A bar over `total` steps, hidden as [`events_bar`].
pub fn steps_bar(context: Context, total: u64, what: &str) -> ProgressBar {
    bar(context, total, what, "{msg} [{bar:40}] {pos}/{len}, {eta} left")
}

/// A bar over the work of a conversion, hidden as [`events_bar`].
pub fn work_bar(context: Context, work: Work, what: &str) -> ProgressBar {
    match work {
        Work::Events(total) => events_bar(context, total, what),
        Work::Bytes(total) => {
            let template =
                "{msg} [{bar:40}] {binary_bytes}/{binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
            bar(context, total, what, template)
        }
    }
}

fn bar(context: Context, total: u64, what: &str, template: &str) -> ProgressBar {
    let hidden = context.quiet || !std::io::stderr().is_terminal();
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(what.to_owned());
    bar
}
