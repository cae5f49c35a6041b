//! Which input is what: the physics objects behind the K numbers of an encoding, read off the names of its features.
//!
//! A feature is named `<object>_<quantity>`, as in `jet3_pt`. The quantities with a meaning here are `pt`, `eta`, `phi`,
//! `count`, `present` (1 where there is an object, else 0) and `is_<type>` (one-hot type of the object, all 0 where there is none).
//! Any other quantity is a number like pT. A name without `_`, as in `met`, is the object's pT.

use trigsieve::event::Feature;

/// Where an object's quantities lie among the inputs of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectInputs {
    /// For example `jet3`.
    pub name: String,
    /// Input that is above 0 where the object is present: its pT, or a flag. `None`: it is always present.
    pub presence: Option<usize>,
    /// Numbers that are neither angles nor counts.
    pub numbers: Vec<usize>,
    /// Numbers of objects.
    pub counts: Vec<usize>,
    /// Pseudorapidity and azimuth (rad).
    pub angles: Vec<usize>,
    /// One-hot type.
    pub types: Vec<usize>,
}

/// What the inputs of an encoding are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// K.
    pub inputs: usize,
    /// The objects, in the order of the encoding.
    pub objects: Vec<ObjectInputs>,
    /// Inputs in GeV.
    pub energies: Vec<usize>,
}

impl Layout {
    /// The layout of these features.
    #[must_use]
    pub fn of(features: &[Feature]) -> Self {
        let mut objects: Vec<ObjectInputs> = Vec::new();
        for (input, feature) in features.iter().enumerate() {
            let (object, quantity) = split(&feature.name);
            let place = objects.iter().position(|other| other.name == object).unwrap_or_else(|| {
                objects.push(ObjectInputs { name: object.to_owned(), ..ObjectInputs::default() });
                objects.len() - 1
            });
            objects[place].add(input, quantity);
        }
        let gev = |(input, feature): (usize, &Feature)| (feature.unit == "GeV").then_some(input);
        Self {
            inputs: features.len(),
            objects,
            energies: features.iter().enumerate().filter_map(gev).collect(),
        }
    }

    /// Objects with a one-hot type.
    pub fn typed_objects(&self) -> impl Iterator<Item = &ObjectInputs> {
        self.objects.iter().filter(|object| !object.types.is_empty())
    }
}

impl ObjectInputs {
    fn add(&mut self, input: usize, quantity: &str) {
        match quantity {
            // The pseudorapidity of missing transverse momentum has no meaning and is always 0.
            "eta" if self.name == "met" => {}
            "eta" | "phi" => self.angles.push(input),
            "count" => self.counts.push(input),
            "present" => {
                self.presence = Some(input);
                self.numbers.push(input);
            }
            quantity if quantity.starts_with("is_") => self.types.push(input),
            "pt" => {
                self.presence.get_or_insert(input);
                self.numbers.push(input);
            }
            _ => self.numbers.push(input),
        }
    }

    /// The inputs that are numbers: what a reconstruction error is the difference of.
    pub fn continuous(&self) -> impl Iterator<Item = usize> + '_ {
        self.numbers.iter().chain(&self.counts).chain(&self.angles).copied()
    }

    /// Whether the object belongs to a group: it has the group's name and a number. Underscores do not count.
    #[must_use]
    pub fn is_of(&self, group: &str) -> bool {
        let name = self.name.trim_end_matches(|c: char| c.is_ascii_digit());
        name.chars().filter(|c| *c != '_').eq(group.chars().filter(|c| *c != '_'))
    }

    /// Whether the object is there in this event.
    #[must_use]
    pub fn is_present(&self, row: &[f32]) -> bool {
        self.presence.is_none_or(|input| row[input] > 0.0)
    }
}

/// Object and quantity; `jet0_is_b` is the quantity `is_b` of `jet0`.
fn split(name: &str) -> (&str, &str) {
    if let Some(at) = name.find("_is_") {
        return (&name[..at], &name[at + 1..]);
    }
    name.rsplit_once('_').unwrap_or((name, "pt"))
}

#[cfg(test)]
mod tests {
    use trigsieve::event::Encoding;

    use super::*;

    fn feature(name: &str, unit: &str) -> Feature {
        Feature { name: name.to_owned(), unit: unit.to_owned() }
    }

    #[test]
    fn the_trigger_objects_are_found() {
        let layout = Layout::of(&Encoding::L1x57.features());
        assert_eq!((layout.inputs, layout.objects.len(), layout.energies.len()), (57, 19, 19));
        let met = &layout.objects[0];
        assert_eq!(
            (met.presence, met.numbers.as_slice(), met.angles.as_slice()),
            (Some(0), &[0][..], &[2][..])
        );
        let last = &layout.objects[18];
        assert_eq!(
            (last.name.as_str(), last.presence, last.angles.as_slice()),
            ("jet9", Some(54), &[55, 56][..])
        );
    }

    #[test]
    fn types_and_flags_are_no_momenta() {
        let features = [
            feature("met", "GeV"),
            feature("met_phi", "rad"),
            feature("object0_pt", "GeV"),
            feature("object0_e", "GeV"),
            feature("object0_is_b", ""),
            feature("object0_is_e_plus", ""),
            feature("jet0_present", ""),
            feature("jet0_pt", "GeV"),
        ];
        let layout = Layout::of(&features);
        let names: Vec<_> = layout.objects.iter().map(|object| object.name.as_str()).collect();
        assert_eq!(names, ["met", "object0", "jet0"]);
        assert_eq!(layout.objects[1].types, [4, 5]);
        assert_eq!((layout.objects[1].presence, layout.objects[2].presence), (Some(2), Some(6)));
        assert_eq!(layout.energies, [0, 2, 3, 7]);
        assert_eq!(layout.typed_objects().count(), 1);
        assert!(layout.objects[2].is_present(&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]));
    }
}
