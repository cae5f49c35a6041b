//! The events on which firmware is compared.

use std::fmt::Write as _;

use trigsieve_fixed::{CheckedProgram, Interpreter, interpreter};

/// Events as the firmware's inputs: raw values of the program's first tensor, K an event, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// Inputs an event.
    pub k: usize,
    /// The raw values.
    pub inputs: Vec<i64>,
    /// Raw scores of the fixed-point engine.
    pub scores: Vec<i64>,
}

impl Events {
    /// No events of K inputs.
    #[must_use]
    pub fn none(k: usize) -> Self {
        Self { k, inputs: Vec::new(), scores: Vec::new() }
    }

    /// Adds events of hardware integers with the scores that the engine gave them.
    pub fn add_i16(&mut self, program: &CheckedProgram, rows: &[i16], scores: &[i64]) {
        let raw = rows.iter().map(|value| interpreter::from_hardware(&program.input, *value) as i64);
        self.inputs.extend(raw);
        self.scores.extend(scores);
    }

    /// Adds events of physical values likewise.
    pub fn add_f32(&mut self, program: &CheckedProgram, rows: &[f32], scores: &[i64]) {
        for row in rows.chunks_exact(self.k) {
            let raw = row.iter().enumerate();
            self.inputs
                .extend(raw.map(|(at, value)| interpreter::from_physical(&program.input, at, *value) as i64));
        }
        self.scores.extend(scores);
    }

    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// The first events of these.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        let count = count.min(self.len());
        Self {
            k: self.k,
            inputs: self.inputs[..count * self.k].to_vec(),
            scores: self.scores[..count].to_vec(),
        }
    }

    /// As `golden.txt` has them, a line an event: raw inputs, raw score, whether it is accepted.
    pub(crate) fn text(&self, program: &CheckedProgram, threshold: i64) -> String {
        let signed = program.format(program.score_tensor()).signed;
        let mut text = String::new();
        for (row, score) in self.inputs.chunks_exact(self.k).zip(&self.scores) {
            let row: Vec<String> = row.iter().map(ToString::to_string).collect();
            let accepted = i32::from(accepts(*score, threshold, signed));
            // Writing to a string does not fail.
            let _ = writeln!(text, "{} {score} {accepted}", row.join(" "));
        }
        text
    }

    /// Events of `rows` with scores by the interpreter, for tests and golden vectors.
    #[must_use]
    pub fn interpreted(program: &CheckedProgram, rows: &[i16]) -> Self {
        let mut interpreter = Interpreter::new(program);
        let scores: Vec<i64> =
            rows.chunks_exact(program.k()).map(|row| interpreter.run_i16(row) as i64).collect();
        let mut events = Self::none(program.k());
        events.add_i16(program, rows, &scores);
        events
    }
}

/// Whether a raw score reaches the threshold; those of an unsigned format of 64 bits are in two's complement.
pub(crate) const fn accepts(score: i64, threshold: i64, signed: bool) -> bool {
    if signed { score >= threshold } else { score as u64 >= threshold as u64 }
}

/// Rows that a detector rarely gives: nothing at all; each input alone at its ends and at every power of two; a single object
/// in each of the slots of three inputs; everything at one end; mixtures of ends; noise of every size. Of `count` rows, as many
/// as there is room for come in this order, and noise fills up the rest.
#[must_use]
pub fn stress_rows(k: usize, count: usize, seed: u64) -> Vec<i16> {
    let mut random = SplitMix(seed);
    let mut rows: Vec<Vec<i16>> =
        vec![vec![0; k], vec![i16::MAX; k], vec![i16::MIN; k], vec![1; k], vec![-1; k]];
    for input in 0..k {
        let alone = |value: i16| {
            let mut row = vec![0; k];
            row[input] = value;
            row
        };
        rows.extend([i16::MAX, i16::MIN].map(alone));
        rows.extend((0..15).flat_map(|bit| [alone(1 << bit), alone(-1 << bit)]));
    }
    for slot in 0..k / 3 {
        for _ in 0..8 {
            let mut row = vec![0; k];
            (0..3).for_each(|input| row[3 * slot + input] = random.small(9));
            rows.push(row);
        }
    }
    rows.truncate(count);
    while rows.len() < count {
        let bits = random.next() % 16 + 1;
        let (ends, sparse) = (random.next().is_multiple_of(4), random.next().is_multiple_of(2));
        let one = |random: &mut SplitMix| match random.next() % 4 {
            0 if ends => i16::MAX,
            1 if ends => i16::MIN,
            2 if sparse => 0,
            _ => random.small(bits as u32),
        };
        rows.push((0..k).map(|_| one(&mut random)).collect());
    }
    rows.concat()
}

/// A small, seeded generator.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of at most `bits` bits, 1 to 16, the sign included.
    fn small(&mut self, bits: u32) -> i16 {
        (self.next() >> 48) as i16 >> (16 - bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_rows_have_every_kind() {
        let k = 57;
        let rows = stress_rows(k, 4000, 1);
        let rows: Vec<&[i16]> = rows.chunks_exact(k).collect();
        assert_eq!(rows.len(), 4000);
        assert!(rows.iter().any(|row| row.iter().all(|value| *value == 0)), "an empty event");
        for end in [i16::MIN, i16::MAX] {
            assert!(rows.iter().any(|row| row.iter().all(|value| *value == end)), "everything at {end}");
            for input in 0..k {
                let alone = |row: &&&[i16]| (0..k).all(|at| row[at] == if at == input { end } else { 0 });
                assert!(rows.iter().any(|row| alone(&row)), "input {input} alone at {end}");
            }
        }
        for slot in 0..k / 3 {
            let alone =
                |row: &&&[i16]| (0..k).all(|at| (at / 3 == slot) || row[at] == 0) && row[3 * slot] != 0;
            assert!(rows.iter().filter(alone).count() >= 3, "an object in slot {slot} alone");
        }
    }

    #[test]
    fn an_unsigned_score_of_64_bits_is_above_every_smaller_one() {
        assert!(accepts(-1, 5, false) && !accepts(-1, 5, true));
        assert!(accepts(5, 5, true) && !accepts(4, 5, false));
    }
}
