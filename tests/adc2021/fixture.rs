//! Small files of the ADC2021 layout, written by hdf5-pure.

use hdf5_pure::{Datatype, DatatypeByteOrder, FileBuilder, FloatingPointLayout};

pub const PLACES: usize = 19;
pub const COLUMNS: usize = 4;
pub const NAMES: [&str; 4] = ["Pt", "Eta", "Phi", "Class"];
pub const CLASSES: [&str; 4] = ["MET_class_1", "Four_Ele_class_2", "Four_Mu_class_3", "Ten_Jet_class_4"];

/// How the particles are stored.
#[derive(Clone, Copy, Debug)]
pub enum Storage {
    /// f32 in one piece.
    Contiguous,
    /// f32 in chunks of whole events, shuffled and deflated, as the samples are.
    Chunked(u64),
    /// f64 in chunks of one column of one object, deflated, as h5py chooses for the published files.
    Columns(u64),
    /// Big-endian f32 in one piece.
    BigEndian,
}

/// A file in the making; every part can be changed.
pub struct Fixture {
    pub particles: Vec<f32>,
    pub names: Option<Vec<&'static str>>,
    pub classes: Option<Vec<&'static str>>,
    pub storage: Storage,
    /// Labels in chunks of so many, deflated.
    pub label_chunk: Option<u64>,
}

impl Fixture {
    /// `events` events, each value different, with one to all objects present.
    pub fn of(events: usize, storage: Storage) -> Self {
        let particles = (0..events).flat_map(event).collect();
        Self {
            particles,
            names: Some(NAMES.to_vec()),
            classes: Some(CLASSES.to_vec()),
            storage,
            label_chunk: None,
        }
    }

    /// The value of a column of an object.
    pub fn value(&mut self, event: usize, place: usize, column: usize) -> &mut f32 {
        &mut self.particles[(event * PLACES + place) * COLUMNS + column]
    }

    /// The inputs that `l1_57` makes of it.
    pub fn expected(&self) -> Vec<f32> {
        let mut inputs: Vec<f32> =
            self.particles.chunks_exact(COLUMNS).flat_map(|row| row[..3].to_vec()).collect();
        inputs.chunks_exact_mut(57).for_each(|event| event[1] = 0.0);
        inputs
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut file = FileBuilder::new();
        let events = (self.particles.len() / (PLACES * COLUMNS)) as u64;
        let particles = file.create_dataset("Particles");
        match self.storage {
            Storage::Contiguous => particles.with_f32_data(&self.particles),
            Storage::Chunked(rows) => particles
                .with_f32_data(&self.particles)
                .with_chunks(&[rows, 19, 4])
                .with_shuffle()
                .with_deflate(6),
            Storage::Columns(rows) => {
                let wide: Vec<f64> = self.particles.iter().copied().map(f64::from).collect();
                particles.with_f64_data(&wide).with_chunks(&[rows, 1, 1]).with_deflate(4)
            }
            Storage::BigEndian => {
                let bytes = self.particles.iter().flat_map(|value| value.to_be_bytes()).collect();
                particles.with_raw_data(big_endian(), bytes, self.particles.len() as u64)
            }
        };
        particles.with_shape(&[events, 19, 4]);
        for (name, labels) in [("Particles_Names", &self.names), ("Particles_Classes", &self.classes)] {
            if let Some(labels) = labels {
                let dataset = file.create_dataset(name).with_ascii_strings(labels).unwrap();
                self.label_chunk.map(|labels| dataset.with_chunks(&[labels]).with_deflate(6));
            }
        }
        file.finish().unwrap()
    }
}

fn big_endian() -> Datatype {
    Datatype::FloatingPoint {
        size: 4,
        byte_order: DatatypeByteOrder::BigEndian,
        layout: FloatingPointLayout::IEEE754_BINARY32,
    }
}

fn event(number: usize) -> impl Iterator<Item = f32> {
    (0..PLACES).flat_map(move |place| {
        let present = place == 0 || !(number + place).is_multiple_of(3);
        let base = (number * PLACES + place) as f32;
        let eta = if place == 0 { 0.0 } else { (base % 500.0) * 0.01 - 2.5 };
        let object = [base * 0.25 + 1.0, eta, (base % 600.0) * 0.01 - 3.0, class_of(place)];
        if present { object } else { [0.0; COLUMNS] }
    })
}

fn class_of(place: usize) -> f32 {
    match place {
        0 => 1.0,
        1..=4 => 2.0,
        5..=8 => 3.0,
        _ => 4.0,
    }
}
