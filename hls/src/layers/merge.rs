//! Layers of two inputs.

use trigsieve_fixed::Kind;

use super::config::Config;
use super::{Layers, Step};
use crate::builder::Place;
use crate::error::{Result, Trouble};
use crate::network::Call;

impl<'p> Layers<'_, 'p> {
    pub(super) fn merge(&mut self, call: &Call<'p>) -> Result<()> {
        let step = self.step(call, 4)?;
        let config = self.config(call)?;
        let count = config.count("n_elem")?;
        self.check_len(call, "the output", step.target.len, count)?;
        let first = self.repeated(&step, &config, "n_elem1", step.source)?;
        let other = self.source(call, 1)?;
        let second = self.repeated(&step, &config, "n_elem2", other)?;
        let kind = match call.name {
            "add" => Kind::Add {},
            "subtract" => Kind::Subtract {},
            _ => Kind::Multiply {},
        };
        self.write(&step, kind, &[first, second]);
        Ok(())
    }

    /// An input with fewer elements than the output comes again and again.
    fn repeated(
        &mut self,
        step: &Step<'_, 'p>,
        config: &Config<'_, 'p>,
        field: &str,
        place: Place,
    ) -> Result<Place> {
        let (found, wanted) = (self.len(place), step.target.len);
        self.check_len(step.call, "an input", found, config.count_or(field, wanted)?)?;
        if found == wanted {
            return Ok(place);
        }
        let tensor = self.builder.tensor(place);
        let (name, format) = (format!("{}_repeated", tensor.name), tensor.format);
        let indices = (0..wanted).map(|index| (index % found) as u32).collect();
        Ok(self.builder.push_shaped(
            step.name,
            Kind::Select { indices },
            &[place],
            (&name, format),
            vec![wanted],
        ))
    }

    pub(super) fn dot(&mut self, call: &Call<'p>) -> Result<()> {
        let step = self.step(call, 4)?;
        let config = self.config(call)?;
        let other = self.source(call, 1)?;
        let count = config.count("n_in")?;
        self.check_len(call, "the first input", self.len(step.source), count)?;
        self.check_len(call, "the second input", self.len(other), count)?;
        self.check_len(call, "the output", step.target.len, 1)?;
        config.product()?;
        let kind = Kind::Dot { accumulator: config.format("accum_t")? };
        self.write_shaped(&step, kind, &[step.source, other], vec![1]);
        Ok(())
    }

    /// Along an axis of up to three; both inputs are first put one after the other.
    pub(super) fn concatenate(&mut self, call: &Call<'p>) -> Result<()> {
        let step = self.step(call, 4)?;
        let config = self.config(call)?;
        let other = self.source(call, 1)?;
        let axes = usize::from(call.name.as_bytes()[11] - b'0');
        let shape = |input: usize| {
            (0..axes)
                .map(|axis| config.count(&format!("n_elem{input}_{axis}")))
                .collect::<Result<Vec<usize>>>()
        };
        let shapes = [shape(1)?, shape(2)?];
        let product = |shape: &[usize]| shape.iter().fold(1_usize, |length, one| length.saturating_mul(*one));
        self.check_len(call, "the first input", self.len(step.source), product(&shapes[0]))?;
        self.check_len(call, "the second input", self.len(other), product(&shapes[1]))?;
        self.check_len(call, "the output", step.target.len, self.len(step.source) + self.len(other))?;
        let axis = match config.optional("axis")?.unwrap_or(-1) {
            _ if axes == 1 => 0,
            axis @ 1.. => axis as usize - 1,
            axis => usize::try_from(axis + axes as i64).unwrap_or(usize::MAX),
        };
        let Some(indices) = interleaved(&shapes, axis) else {
            return Err(Trouble::at(
                call.at,
                format!("the inputs, {shapes:?}, can't be joined along axis {axis}"),
            ));
        };
        let joined = vec![step.target.len];
        if axis == 0 {
            self.write_shaped(&step, Kind::Concatenate {}, &[step.source, other], joined);
            return Ok(());
        }
        let output = (format!("{}_joined", step.name), step.target.format);
        let output = (output.0.as_str(), output.1);
        let place = self.builder.push_shaped(
            step.name,
            Kind::Concatenate {},
            &[step.source, other],
            output,
            joined.clone(),
        );
        self.write_shaped(&step, Kind::Select { indices }, &[place], joined);
        Ok(())
    }
}

/// Where each element of the result stands among the first input's elements followed by the second's.
fn interleaved([first, second]: &[Vec<usize>; 2], axis: usize) -> Option<Vec<u32>> {
    let differs = |(index, (a, b)): (usize, (&usize, &usize))| index != axis && a != b;
    if axis >= first.len() || first.iter().zip(second).enumerate().any(differs) {
        return None;
    }
    let outer: usize = first[..axis].iter().product();
    let run = |shape: &[usize]| shape[axis..].iter().product::<usize>();
    let (a, b) = (run(first), run(second));
    let mut indices = Vec::with_capacity(outer * (a + b));
    for row in 0..outer {
        indices.extend((row * a..(row + 1) * a).map(|index| index as u32));
        indices.extend((outer * a + row * b..outer * a + (row + 1) * b).map(|index| index as u32));
    }
    Some(indices)
}

#[cfg(test)]
mod tests {
    use super::interleaved;

    #[test]
    fn axes_are_joined_in_rows() {
        let shapes = [vec![2, 1], vec![2, 2]];
        assert_eq!(interleaved(&shapes, 1), Some(vec![0, 2, 3, 1, 4, 5]));
        assert_eq!(interleaved(&shapes, 0), None);
        assert_eq!(interleaved(&[vec![2], vec![1]], 0), Some(vec![0, 1, 2]));
    }
}
