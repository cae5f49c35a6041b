//! A trained model as export needs it.

use trigsieve::event::Encoding;

use crate::network::DenseNetwork;
use crate::preprocessing::Preprocessing;

/// A fitted autoencoder: everything that its graphs contain.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedModel {
    /// Name of the bundle.
    pub name: String,
    /// What the inputs are.
    pub encoding: Encoding,
    /// Scales and weights.
    pub preprocessing: Preprocessing,
    /// From network inputs to their reconstruction.
    pub network: DenseNetwork,
}
