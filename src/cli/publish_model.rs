//! `trigsieve publish-model`: a bundle into an object store, from where services load it.

use std::path::PathBuf;

use clap::Args;
use trigsieve::serve::{NatsAddress, publish_model};

use super::Context;
use super::output::print;

/// Put a model bundle into a JetStream object store; services that watch it deploy it between two frames.
#[derive(Args, Debug)]
#[command(after_help = "Example: the model that workers load as nats://127.0.0.1:4222/MODELS/l1_vae\n  \
    trigsieve publish-model models/l1_vae --to nats://127.0.0.1:4222/MODELS/l1_vae --create")]
pub struct PublishModelArgs {
    /// The bundle.
    #[arg(value_name = "BUNDLE")]
    model: PathBuf,
    /// nats://HOST:PORT/BUCKET/NAME (tls:// where it must be encrypted).
    #[arg(long, value_name = "ADDRESS")]
    to: NatsAddress,
    /// Make the bucket if it is missing.
    #[arg(long)]
    create: bool,
}

/// Runs the command.
pub fn run(args: &PublishModelArgs, context: Context) -> anyhow::Result<()> {
    let sha256 = publish_model(&args.model, &args.to, args.create)?;
    if !context.quiet {
        print(format!("card {sha256}"))?;
    }
    Ok(())
}
