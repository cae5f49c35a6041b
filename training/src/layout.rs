//! Which input is what: the physics objects behind the K numbers of an encoding.

use trigsieve::event::{Encoding, L1_OBJECTS, ObjectKind, Quantity};

/// Where an object's quantities lie among the inputs of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectInputs {
    /// Transverse momentum in GeV; the object is absent unless it is above 0.
    pub pt: usize,
    /// Pseudorapidity, `None` for an object that has none (missing transverse momentum).
    pub eta: Option<usize>,
    /// Azimuth in rad.
    pub phi: usize,
}

/// The objects of an encoding, in its order.
#[must_use]
pub fn objects_of(encoding: Encoding) -> Vec<ObjectInputs> {
    match encoding {
        Encoding::L1x57 => l1_objects(),
        Encoding::Objects(_) => objects_by_meaning(encoding),
    }
}

/// An object for each pT.
fn objects_by_meaning(encoding: Encoding) -> Vec<ObjectInputs> {
    let meanings = encoding.meanings();
    let find = |object: &str, quantity: Quantity| {
        meanings.iter().position(|input| input.object == object && input.quantity == quantity)
    };
    let momenta = meanings.iter().enumerate().filter(|(_, input)| input.quantity == Quantity::Pt);
    let inputs = momenta.filter_map(|(pt, input)| {
        let phi = find(&input.object, Quantity::Phi)?;
        Some(ObjectInputs { pt, eta: find(&input.object, Quantity::Eta), phi })
    });
    inputs.collect()
}

fn l1_objects() -> Vec<ObjectInputs> {
    let kinds = L1_OBJECTS.into_iter().flat_map(|(kind, places)| std::iter::repeat_n(kind, places));
    let inputs = |(place, kind): (usize, ObjectKind)| {
        let pt = 3 * place;
        ObjectInputs { pt, eta: (kind != ObjectKind::Met).then_some(pt + 1), phi: pt + 2 }
    };
    kinds.enumerate().map(inputs).collect()
}
