//! The anomaly score, where the project does not compute it itself.

use trigsieve_fixed::arithmetic::Wide;
use trigsieve_fixed::program::SumOrder;
use trigsieve_fixed::{Format, Kind};

use crate::builder::{Builder, Place};
use crate::error::{At, Result, Trouble};
use crate::layers::exact;

/// What the score of an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Score {
    /// What the project computes around its network; else the network's output, if that is one number.
    #[default]
    Project,
    /// The network's output, which is one number.
    Output,
    /// Sum of the squares of the network's outputs: the KL-like score of a variational encoder's means.
    SumOfSquares,
    /// Sum of the squares of output minus input: the reconstruction error of an autoencoder.
    SquaredDistance,
    /// Sum of the absolute values of output minus input.
    AbsoluteDistance,
}

impl Score {
    /// Each of them by its name on the command line.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Project, "project"),
        (Self::Output, "output"),
        (Self::SumOfSquares, "sum-of-squares"),
        (Self::SquaredDistance, "squared-distance"),
        (Self::AbsoluteDistance, "absolute-distance"),
    ];

    /// The score of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, each)| *each == name).map(|(score, _)| *score)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(each, _)| *each == self).map_or("", |(_, name)| name)
    }
}

/// Adds the score to a program whose network ends in `output`. `format`: of squares, absolute values and their sum, as
/// firmware would have it; absent, wide enough to be exact.
pub(crate) fn add(
    builder: &mut Builder,
    score: Score,
    output: Place,
    format: Option<Format>,
    at: At,
) -> Result<Place> {
    let count = builder.tensor(output).len();
    match score {
        Score::Project | Score::Output if count == 1 => Ok(output),
        Score::Project | Score::Output => {
            let reason = format!(
                "the network has {count} outputs and nothing here makes one score of them: choose --score sum-of-squares, \
                 squared-distance or absolute-distance"
            );
            Err(Trouble::at(at, reason))
        }
        Score::SumOfSquares => squares(builder, output, format, at),
        Score::SquaredDistance => {
            let difference = difference(builder, output, at)?;
            squares(builder, difference, format, at)
        }
        Score::AbsoluteDistance => {
            let difference = difference(builder, output, at)?;
            let wide = Wide::from(builder.tensor(difference).format);
            let one = pick(format, Wide { signed: false, ..wide }, at)?;
            let absolute = builder.push("score", Kind::Absolute {}, &[difference], ("distances", one));
            sum(builder, absolute, format, at)
        }
    }
}

fn difference(builder: &mut Builder, output: Place, at: At) -> Result<Place> {
    let (input, count) = (builder.input.tensor.clone(), builder.tensor(output).len());
    if input.len() != count {
        let reason =
            format!("a distance to the input needs {} outputs, and the network has {count}", input.len());
        return Err(Trouble::at(at, reason));
    }
    let wide = Wide::from(builder.tensor(output).format).minus(input.format.into());
    let format = exact(wide, at)?;
    Ok(builder.push("score", Kind::Subtract {}, &[output, 0], ("differences", format)))
}

fn squares(builder: &mut Builder, place: Place, format: Option<Format>, at: At) -> Result<Place> {
    let wide = Wide::from(builder.tensor(place).format);
    // (-2^(W-1))^2 = 2^(2W-2) fits into 2W - 1 unsigned bits.
    let bits = wide.times(wide);
    let square = Wide { signed: false, integer: bits.integer - i32::from(wide.signed), ..bits };
    let one = pick(format, square, at)?;
    let squares = builder.push("score", Kind::Multiply {}, &[place, place], ("squares", one));
    sum(builder, squares, format, at)
}

fn sum(builder: &mut Builder, place: Place, format: Option<Format>, at: At) -> Result<Place> {
    let tensor = builder.tensor(place);
    let wide = Wide::from(tensor.format);
    let carry = tensor.len().next_power_of_two().ilog2() as i32;
    let accumulator = pick(format, Wide { integer: wide.integer + carry, ..wide }, at)?;
    let kind = Kind::Sum { accumulator, order: SumOrder::Tree };
    Ok(builder.push_shaped("score", kind, &[place], ("score", accumulator), vec![1]))
}

fn pick(format: Option<Format>, wide: Wide, at: At) -> Result<Format> {
    match format {
        Some(format) => Ok(format),
        None => exact(wide, at).map_err(|trouble| Trouble {
            reason: format!(
                "the exact score is too wide ({}): choose a --score-format, as ap_ufixed<18,14>",
                trouble.reason
            ),
            ..trouble
        }),
    }
}
