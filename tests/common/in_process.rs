//! A service in the process of the test.

use std::path::PathBuf;
use std::time::Instant;

use trigsieve::model::Precision;
use trigsieve::score::{Device, Engine, ScorerSpec};
use trigsieve::serve::{
    Admission, Decided, DeploymentSpec, MenuSource, Operations, Outlet, Receiver, ServeError, ServiceConfig,
    Window,
};

/// Keeps nothing; everything is durable at once, until it is to fail.
#[derive(Default)]
pub struct Nowhere(u64);

impl Outlet for Nowhere {
    fn take(&mut self, block: &Decided) -> Result<(), ServeError> {
        if block.arrived.frame.header().run == FAILING_RUN {
            return Err(ServeError::Outlet("the disk is full".to_owned()));
        }
        self.0 += 1;
        Ok(())
    }

    fn tend(&mut self, _: Instant) -> Result<(), ServeError> {
        Ok(())
    }

    fn settled(&self) -> u64 {
        self.0
    }

    fn finish(&mut self) -> Result<(), ServeError> {
        Ok(())
    }
}

/// A run that the outlet cannot keep.
pub const FAILING_RUN: u32 = 666;

/// One model and a menu on two workers.
fn spec(model: PathBuf, menu: PathBuf) -> DeploymentSpec {
    let scorer = ScorerSpec {
        engine: Engine::Rten,
        precision: Precision::Float,
        device: Device::Cpu,
        onnxruntime: None,
        simd: None,
    };
    DeploymentSpec {
        models: vec![model],
        menu: MenuSource::File(menu),
        scorer,
        workers: 2,
        layout: None,
        admission: Admission::default(),
    }
}

/// A service with one source and one sink.
pub fn config(
    model: PathBuf,
    menu: PathBuf,
    receiver: Box<dyn Receiver>,
    outlet: Box<dyn Outlet>,
) -> ServiceConfig {
    ServiceConfig {
        deployment: spec(model, menu),
        receivers: vec![receiver],
        outlets: vec![outlet],
        queue_frames: 64,
        queue_bytes: 64 << 20,
        batch: 256,
        window: Window::default(),
        operations: Operations::default(),
    }
}
