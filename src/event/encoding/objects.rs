use std::ops::Range;

use super::places::{MAX_PLACES, Places, number};
use super::{InputMeaning, Quantity, leading_first};
use crate::event::{CollisionEvent, ObjectSymbol, PhysicsObject};

/// The names with their parameters, for messages.
pub(super) const KNOWN: [&str; 3] =
    ["simple_ae_34", "dm_static[j=N,b=N,e-=N,e+=N,m-=N,m+=N,g=N]", "dm_dynamic[objects=N]"];

/// Leading objects in `simple_ae_34`.
const SIMPLE_AE_OBJECTS: usize = 8;

/// An encoding of physics objects with symbols, as the methods of the Dark Machines challenge (arXiv:2105.14027)
/// use them. GeV and rad. "Leading" is by pT; objects of the same pT keep their order. A place without an object
/// is all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectEncoding {
    /// `simple_ae_34` (section 4.1): MET, its phi, then (pT, eta, phi, E) of the 8 leading objects of any symbol.
    SimpleAe34,
    /// `dm_static[j=..,b=..,...]` (section 4.2, "static"): MET, its phi, then for each symbol in the order of
    /// [`ObjectSymbol::ALL`] its places, each (present, pT, eta, phi), filled with the leading objects of the symbol.
    /// The paper takes as many places as an event of the training data has objects.
    Static(Places),
    /// `dm_dynamic[objects=N]` (sections 4.2, "dynamic", and 4.13): the number of objects of the event, MET, its phi,
    /// then (pT, eta, phi) of each of the N leading objects, then for each of them 7 inputs of which one is 1, that of
    /// its symbol. What is regressed lies in one run and what is classified in another: see [`DynamicBlocks`].
    Dynamic {
        /// N, from 1 to [`MAX_PLACES`]. The paper names no number for the method; its other one with symbols (section
        /// 4.3) has 20, which is the default.
        objects: u8,
    },
}

/// Where the parts of `dm_dynamic` lie among the inputs, for the loss of section 4.13 (eq. 4.18): x_n, x_r, x_c.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicBlocks {
    /// x_n, the number of objects.
    pub count: usize,
    /// x_r: MET, its phi, and (pT, eta, phi) of each object.
    pub regression: Range<usize>,
    /// x_c: one of 7 for each object, all zero for a place without an object.
    pub categories: Range<usize>,
}

impl ObjectEncoding {
    /// Objects of `dm_dynamic` if nothing else is asked for.
    pub const DEFAULT_DYNAMIC_OBJECTS: u8 = 20;

    /// Inputs per event.
    #[must_use]
    pub fn k(self) -> usize {
        match self {
            Self::SimpleAe34 => 2 + 4 * SIMPLE_AE_OBJECTS,
            Self::Static(places) => 2 + 4 * places.total(),
            Self::Dynamic { objects } => DynamicBlocks::of(objects).categories.end,
        }
    }

    /// What each input is, in order.
    pub(super) fn meanings(self) -> Vec<InputMeaning> {
        use Quantity::{Count, Energy, Eta, Is, Phi, Presence, Pt};
        let of = |object: &str, quantities: &[Quantity]| {
            let meaning =
                |quantity: &Quantity| InputMeaning { object: object.to_owned(), quantity: *quantity };
            quantities.iter().map(meaning).collect::<Vec<_>>()
        };
        let numbered = |name: &str, places: usize, quantities: &[Quantity]| -> Vec<InputMeaning> {
            (0..places).flat_map(|place| of(&format!("{name}{place}"), quantities)).collect()
        };
        let met = of("met", &[Pt, Phi]);
        match self {
            Self::SimpleAe34 => {
                [met, numbered("object", SIMPLE_AE_OBJECTS, &[Pt, Eta, Phi, Energy])].concat()
            }
            Self::Static(places) => {
                let objects = ObjectSymbol::ALL
                    .map(|symbol| numbered(symbol.name(), places.of(symbol), &[Presence, Pt, Eta, Phi]));
                [met, objects.concat()].concat()
            }
            Self::Dynamic { objects } => {
                let objects = usize::from(objects);
                let categories = numbered("object", objects, &ObjectSymbol::ALL.map(Is));
                [of("object", &[Count]), met, numbered("object", objects, &[Pt, Eta, Phi]), categories]
                    .concat()
            }
        }
    }
}

impl DynamicBlocks {
    /// The parts for a number of objects.
    #[must_use]
    pub fn of(objects: u8) -> Self {
        let objects = usize::from(objects);
        let regression = 1..3 + 3 * objects;
        let end = regression.end + ObjectSymbol::ALL.len() * objects;
        Self { count: 0, categories: regression.end..end, regression }
    }
}

impl std::fmt::Display for ObjectEncoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SimpleAe34 => f.write_str("simple_ae_34"),
            Self::Static(places) => write!(f, "dm_static[{places}]"),
            Self::Dynamic { objects } => write!(f, "dm_dynamic[objects={objects}]"),
        }
    }
}

/// The encoding of a name, an error for people when its parameters are wrong, or nothing for another name.
pub(super) fn parse(name: &str) -> Option<Result<ObjectEncoding, String>> {
    let (family, parameters) = match name.split_once('[') {
        Some((family, rest)) => (family, Some(rest.strip_suffix(']')?)),
        None => (name, None),
    };
    match (family, parameters) {
        ("simple_ae_34", None) => Some(Ok(ObjectEncoding::SimpleAe34)),
        ("dm_static", None) => Some(Err(format!("it has no sizes; the name of a layout is {}", KNOWN[1]))),
        ("dm_static", Some(places)) => Some(Places::parse(places).map(ObjectEncoding::Static)),
        ("dm_dynamic", None) => {
            Some(Ok(ObjectEncoding::Dynamic { objects: ObjectEncoding::DEFAULT_DYNAMIC_OBJECTS }))
        }
        ("dm_dynamic", Some(parameters)) => Some(parse_dynamic(parameters)),
        _ => None,
    }
}

fn parse_dynamic(parameters: &str) -> Result<ObjectEncoding, String> {
    let objects = parameters.strip_prefix("objects=").and_then(number).filter(|objects| *objects > 0);
    match objects {
        Some(objects) => Ok(ObjectEncoding::Dynamic { objects }),
        None => Err(format!("`{parameters}` is not objects=N with N from 1 to {MAX_PLACES}")),
    }
}

/// Encodes events one after another, without an allocation once it has seen the largest.
#[derive(Clone, Debug)]
pub struct ObjectEncoder {
    encoding: ObjectEncoding,
    /// Positions of the objects, leading first.
    order: Vec<u32>,
}

impl ObjectEncoder {
    /// An encoder.
    #[must_use]
    pub fn new(encoding: ObjectEncoding) -> Self {
        Self { encoding, order: Vec::new() }
    }

    /// Appends the K inputs of an event. Returns how many of its objects found no place.
    pub fn encode(&mut self, event: &CollisionEvent, inputs: &mut Vec<f32>) -> usize {
        self.sort(&event.objects);
        let start = inputs.len();
        inputs.resize(start + self.encoding.k(), 0.0);
        let inputs = &mut inputs[start..];
        match self.encoding {
            ObjectEncoding::SimpleAe34 => self.encode_simple(event, inputs),
            ObjectEncoding::Static(places) => self.encode_static(event, places, inputs),
            ObjectEncoding::Dynamic { objects } => self.encode_dynamic(event, objects, inputs),
        }
    }

    fn sort(&mut self, objects: &[PhysicsObject]) {
        self.order.clear();
        self.order.extend((0_u32..).take(objects.len()));
        leading_first(&mut self.order, |position| objects[position as usize].pt_gev);
    }

    fn leading<'a>(&'a self, event: &'a CollisionEvent) -> impl Iterator<Item = &'a PhysicsObject> {
        self.order.iter().map(|position| &event.objects[*position as usize])
    }

    fn encode_simple(&self, event: &CollisionEvent, inputs: &mut [f32]) -> usize {
        inputs[..2].copy_from_slice(&met(event));
        for (place, object) in inputs[2..].chunks_exact_mut(4).zip(self.leading(event)) {
            place[..3].copy_from_slice(&direction(object));
            place[3] = object.energy_gev as f32;
        }
        event.objects.len().saturating_sub(SIMPLE_AE_OBJECTS)
    }

    fn encode_static(&self, event: &CollisionEvent, places: Places, inputs: &mut [f32]) -> usize {
        let (head, mut rest) = inputs.split_at_mut(2);
        head.copy_from_slice(&met(event));
        let mut blocks = ObjectSymbol::ALL.map(|symbol| {
            let (block, after) = std::mem::take(&mut rest).split_at_mut(4 * places.of(symbol));
            rest = after;
            block.chunks_exact_mut(4)
        });
        let mut left_out = 0;
        for object in self.leading(event) {
            match blocks[usize::from(object.symbol.code())].next() {
                Some(place) => {
                    place[0] = 1.0;
                    place[1..].copy_from_slice(&direction(object));
                }
                None => left_out += 1,
            }
        }
        left_out
    }

    fn encode_dynamic(&self, event: &CollisionEvent, objects: u8, inputs: &mut [f32]) -> usize {
        let blocks = DynamicBlocks::of(objects);
        inputs[blocks.count] = event.objects.len() as f32;
        let (regression, categories) =
            inputs[blocks.regression.start..].split_at_mut(blocks.regression.len());
        regression[..2].copy_from_slice(&met(event));
        let places = regression[2..].chunks_exact_mut(3);
        let categories = categories.chunks_exact_mut(ObjectSymbol::ALL.len());
        for ((place, category), object) in places.zip(categories).zip(self.leading(event)) {
            place.copy_from_slice(&direction(object));
            category[usize::from(object.symbol.code())] = 1.0;
        }
        event.objects.len().saturating_sub(usize::from(objects))
    }
}

fn met(event: &CollisionEvent) -> [f32; 2] {
    [event.met_gev as f32, event.met_phi as f32]
}

/// pT, eta and phi.
fn direction(object: &PhysicsObject) -> [f32; 3] {
    [object.pt_gev as f32, object.eta as f32, object.phi as f32]
}
