//! Small files of the LHC Olympics' layouts, written by hdf5-pure.

use hdf5_pure::FileBuilder;

/// Names of the features, and of the label after them.
pub const NAMES: [&str; 15] = [
    "pxj1", "pyj1", "pzj1", "mj1", "tau1j1", "tau2j1", "tau3j1", "pxj2", "pyj2", "pzj2", "mj2", "tau1j2",
    "tau2j2", "tau3j2", "label",
];
/// Values of the particles of an event.
pub const PARTICLE_VALUES: usize = 2100;

/// A file in the making; every part can be changed.
pub struct Fixture {
    /// Values of an event, the label among them.
    pub width: usize,
    pub values: Vec<f32>,
    /// Names of the columns, of features.
    pub names: Option<Vec<&'static str>>,
    /// Where pandas writes it, in f64; else f32 in chunks, deflated.
    pub pandas: bool,
    /// A column of another type beside it.
    pub other_type: bool,
}

impl Fixture {
    /// Features of `events` events, of which every third is signal; the jets' masses are not in order.
    pub fn features(events: usize) -> Self {
        let event = |number: usize| {
            (0..14).map(move |column| match column {
                3 | 10 => 100.0 + ((number + column) % 5) as f32 * 30.0,
                4..7 | 11..14 => 40.0 / (column % 7) as f32 + number as f32,
                _ => (number * 7 + column) as f32 - 20.0,
            })
        };
        let values = (0..events).flat_map(|number| event(number).chain([label(number)])).collect();
        Self { width: 15, values, names: Some(NAMES.to_vec()), pandas: false, other_type: false }
    }

    /// Particles of `events` events, of which every third is signal; event n has n + 3.
    pub fn particles(events: usize) -> Self {
        let event = |number: usize| {
            let value = move |at: usize| match (at / 3 < number + 3, at % 3) {
                (false, _) => 0.0,
                (true, 0) => 200.0 / (1 + at / 3) as f32 + number as f32,
                (true, quantity) => (at % 17) as f32 / 10.0 - quantity as f32 / 2.0,
            };
            (0..PARTICLE_VALUES).map(value)
        };
        let values = (0..events).flat_map(|number| event(number).chain([label(number)])).collect();
        Self { width: PARTICLE_VALUES + 1, values, names: None, pandas: false, other_type: false }
    }

    /// Takes the label out, as in the files of which nobody was to know it.
    pub fn without_truth(mut self) -> Self {
        self.values = self
            .values
            .chunks_exact(self.width)
            .flat_map(|event| &event[..self.width - 1])
            .copied()
            .collect();
        self.width -= 1;
        if let Some(names) = &mut self.names {
            names.truncate(self.width);
        }
        self
    }

    /// The values of an event.
    pub fn event(&self, number: usize) -> &[f32] {
        &self.values[number * self.width..][..self.width]
    }

    /// A value of an event.
    pub fn value(&mut self, number: usize, column: usize) -> &mut f32 {
        &mut self.values[number * self.width + column]
    }

    pub fn bytes(&self) -> Vec<u8> {
        let shape = [(self.values.len() / self.width) as u64, self.width as u64];
        let mut file = FileBuilder::new();
        if self.pandas {
            let mut frame = file.create_group("df");
            let wide: Vec<f64> = self.values.iter().copied().map(f64::from).collect();
            frame.create_dataset("block0_values").with_f64_data(&wide).with_shape(&shape);
            if let Some(names) = &self.names {
                frame.create_dataset("block0_items").with_ascii_strings(names).unwrap();
            }
            if self.other_type {
                let labels = vec![0; shape[0] as usize];
                frame.create_dataset("block1_values").with_i64_data(&labels).with_shape(&[shape[0], 1]);
            }
            file.add_group(frame.finish());
        } else {
            let name = if self.width > 15 { "events" } else { "features" };
            let values = file.create_dataset(name);
            values.with_f32_data(&self.values).with_shape(&shape).with_chunks(&[2, shape[1]]).with_deflate(6);
            if let Some(names) = &self.names {
                file.create_dataset("columns").with_ascii_strings(names).unwrap();
            }
        }
        file.finish().unwrap()
    }
}

/// 1 for every third event.
pub fn label(number: usize) -> f32 {
    f32::from(u8::from(number % 3 == 1))
}
