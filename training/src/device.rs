//! The device that a training computes on.

use burn::tensor::Device as BurnDevice;
use trigsieve::score::Device;

use crate::TrainError;

/// burn's device, with gradients and without.
#[derive(Clone, Debug)]
pub struct Devices {
    /// For training steps.
    pub training: BurnDevice,
    /// For validation.
    pub plain: BurnDevice,
}

impl Devices {
    /// The devices of a choice.
    ///
    /// # Errors
    /// [`TrainError::Device`] for one that this build has not: CUDA needs the cargo feature `cuda`.
    pub fn new(choice: Device) -> Result<Self, TrainError> {
        let plain = match choice {
            Device::Cpu => BurnDevice::flex(),
            Device::Cuda(number) => cuda(number)?,
        };
        Ok(Self { training: plain.clone().autodiff(), plain })
    }
}

#[cfg(feature = "cuda")]
fn cuda(number: i32) -> Result<BurnDevice, TrainError> {
    let index = usize::try_from(number);
    index.map(BurnDevice::cuda).map_err(|_| TrainError::Device { device: Device::Cuda(number) })
}

#[cfg(not(feature = "cuda"))]
fn cuda(number: i32) -> Result<BurnDevice, TrainError> {
    Err(TrainError::Device { device: Device::Cuda(number) })
}
