//! `trigsieve nats-setup`: streams, consumer and bucket of a farm.

use clap::Args;
use trigsieve::serve::{NatsAddress, NatsOutlet, NatsReceiver, ReceiveLimits};

use super::Context;
use super::output::print;

/// Make the streams and the consumer that senders and workers of a farm use; what is there stays as it is.
#[derive(Args, Debug)]
#[command(after_help = "Example: three copies of everything, results kept for a month\n  \
    trigsieve nats-setup --source 'nats://127.0.0.1:4222/FRAMES/trigger?replicas=3' \\\n    \
    --sink 'nats://127.0.0.1:4222/RESULTS?replicas=3&max_age=30days'")]
pub struct NatsSetupArgs {
    /// nats://HOST:PORT/STREAM/CONSUMER, as of `serve`, with the settings to make them with.
    #[arg(long, value_name = "ADDRESS")]
    source: Option<NatsAddress>,
    /// nats://HOST:PORT/STREAM, as of `serve`.
    #[arg(long, value_name = "ADDRESS")]
    sink: Option<NatsAddress>,
}

/// Runs the command.
pub fn run(args: &NatsSetupArgs, context: Context) -> anyhow::Result<()> {
    if args.source.is_none() && args.sink.is_none() {
        return Err(super::exit::usage("give --source, --sink or both"));
    }
    if let Some(source) = &args.source {
        NatsReceiver::open(source, true, ReceiveLimits::default(), 1)?;
    }
    if let Some(sink) = &args.sink {
        NatsOutlet::open(sink, true)?;
    }
    if !context.quiet {
        print("streams and consumer are there".to_owned())?;
    }
    Ok(())
}
