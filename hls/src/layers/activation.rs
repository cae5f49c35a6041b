//! Layers that work element by element.

use trigsieve_fixed::arithmetic::Wide;
use trigsieve_fixed::{Format, Kind};

use super::config::Config;
use super::{Layers, Step};
use crate::error::{At, Result, Trouble};
use crate::network::Call;
use crate::scope::placed;
use crate::types;
use crate::weights::{literal, numbers, raw_of};

/// Largest table; hls4ml's default has 1024 entries.
const MAX_TABLE: usize = 1 << 22;

impl<'p> Layers<'_, 'p> {
    /// A step whose configuration says how many elements it has.
    fn elementwise<'c>(&self, call: &'c Call<'p>, types: usize) -> Result<(Step<'c, 'p>, Config<'_, 'p>)> {
        let step = self.step(call, types)?;
        let config = self.config(call)?;
        let count = config.count("n_in")?;
        self.check_len(call, "the input", self.len(step.source), count)?;
        self.check_len(call, "the output", step.target.len, count)?;
        Ok((step, config))
    }

    pub(super) fn linear(&mut self, call: &Call<'p>) -> Result<()> {
        let step = self.elementwise(call, 3)?.0;
        self.write(&step, Kind::Requantise {}, &[step.source]);
        Ok(())
    }

    pub(super) fn relu(&mut self, call: &Call<'p>) -> Result<()> {
        let types = if call.name == "relu_max" { 4 } else { 3 };
        let (step, config) = self.elementwise(call, types)?;
        let maximum = match call.name {
            "relu1" => Some(1),
            "relu6" => Some(6),
            "relu_max" => {
                let value = config.names().number(&call.types[2]).map_err(|t| placed(t, call.at))?;
                let value = u32::try_from(value).ok().filter(|value| *value <= i32::MAX as u32);
                Some(value.ok_or_else(|| Trouble::at(call.at, "this maximum is no positive int"))?)
            }
            _ => None,
        };
        self.write(&step, Kind::Relu { maximum }, &[step.source]);
        Ok(())
    }

    /// With or without a type of its own for the slope; without, it has that of the input.
    pub(super) fn leaky_relu(&mut self, call: &Call<'p>) -> Result<()> {
        let (step, config) = self.elementwise(call, call.types.len().clamp(3, 4))?;
        let slope_type = if call.types.len() == 4 { &call.types[1] } else { &call.types[0] };
        let slope_format = types::format(slope_type, config.names(), call.at)?;
        let slope = self.scalar(call, 1, slope_format)?;
        self.write(&step, Kind::LeakyRelu { slope, slope_format }, &[step.source]);
        Ok(())
    }

    /// An argument that is a number.
    fn scalar(&self, call: &Call<'p>, index: usize, format: Format) -> Result<i64> {
        let tokens = self.argument(call, index)?;
        match *numbers(tokens, format)? {
            [one] => Ok(one),
            _ => Err(Trouble::at(
                call.at,
                format!("argument {} of {} is not one number", index + 1, call.name),
            )),
        }
    }

    pub(super) fn normalise(&mut self, call: &Call<'p>) -> Result<()> {
        let (step, config) = self.elementwise(call, 3)?;
        config.product()?;
        let count = match config.optional("n_filt")? {
            None | Some(-1) => step.target.len,
            Some(_) => config.count("n_filt")?,
        };
        if count == 0 || !step.target.len.is_multiple_of(count) {
            return Err(Trouble::at(call.at, format!("{count} scales for {} elements", step.target.len)));
        }
        let (scale_t, bias_t) = (config.format("scale_t").ok(), config.format("bias_t").ok());
        let scales = self.weights(call, 2, count, scale_t)?;
        let biases = self.weights(call, 3, count, bias_t)?;
        let kind = Kind::Normalise {
            scales: scales.raw,
            scale_format: scales.format,
            biases: biases.raw,
            bias_format: biases.format,
        };
        self.write(&step, kind, &[step.source]);
        Ok(())
    }

    pub(super) fn table(&mut self, call: &Call<'p>) -> Result<()> {
        let (step, config) = self.elementwise(call, 3)?;
        let size = config.count("table_size")?;
        if !(2..=MAX_TABLE).contains(&size) {
            return Err(Trouble::at(call.at, format!("a table of {size} entries is not supported")));
        }
        let table_format = config.format("table_t")?;
        let range: u32 = if call.name == "tanh" { 8 } else { 16 };
        let table = entries(call.name, size, range, table_format, call.at)?;
        // The products are those of C++, in unsigned numbers of 32 bits, which MAX_TABLE keeps from wrapping.
        let offset = ((range / 2) as usize * size / range as usize) as i32;
        self.write(&step, Kind::Table { range, offset, table, table_format }, &[step.source]);
        Ok(())
    }

    /// `hard_sigmoid`: slope x + shift, kept within 0 and 1; `hard_tanh`: twice that less 1.
    pub(super) fn hard(&mut self, call: &Call<'p>) -> Result<()> {
        let (step, config) = self.elementwise(call, 3)?;
        let (slope, slope_format) = constant(&config, "slope", call.at)?;
        let (shift, shift_format) = constant(&config, "shift", call.at)?;
        let input = Wide::from(self.builder.tensor(step.source).format);
        let line = input.times(slope_format.into()).plus(shift_format.into());
        // C++ sets the number to 1 in its own type, which has to have a 1.
        let line_format = exact(line, call.at)?;
        if line_format.max_raw() < 1 << line_format.fraction().max(0) {
            return Err(Trouble::at(call.at, format!("{line_format} has no 1 to stop at")));
        }
        let kind = Kind::Normalise {
            scales: vec![slope],
            scale_format: slope_format,
            biases: vec![shift],
            bias_format: shift_format,
        };
        let line = self.builder.push(step.name, kind, &[step.source], ("hard_line", line_format));
        if call.name == "hard_sigmoid" {
            self.write(&step, Kind::Relu { maximum: Some(1) }, &[line]);
            return Ok(());
        }
        let kept = self.builder.push(
            step.name,
            Kind::Relu { maximum: Some(1) },
            &[line],
            ("hard_kept", line_format),
        );
        let whole = Format::signed(3, 3);
        let kind =
            Kind::Normalise { scales: vec![2], scale_format: whole, biases: vec![-1], bias_format: whole };
        self.write(&step, kind, &[kept]);
        Ok(())
    }
}

fn constant(config: &Config<'_, '_>, field: &str, at: At) -> Result<(i64, Format)> {
    let missing = || Trouble::at(at, format!("the configuration has no `{field}` with a value"));
    let (kind, value, place) = config.constant(field).ok_or_else(missing)?;
    let format = types::format(kind, config.names(), place)?;
    match value {
        [minus, number] if minus.is("-") => Ok((raw_of(-literal(number)?, format, place)?, format)),
        [number] => Ok((raw_of(literal(number)?, format, place)?, format)),
        _ => Err(missing()),
    }
}

/// The format of an exact result.
pub(crate) fn exact(wide: Wide, at: At) -> Result<Format> {
    let text = |format: &Format| format.to_string().parse::<Format>();
    let width = u32::try_from(wide.width()).unwrap_or(u32::MAX);
    let plain =
        if wide.signed { Format::signed(width, wide.integer) } else { Format::unsigned(width, wide.integer) };
    text(&plain).map_err(|error| Trouble::at(at, format!("an intermediate result is too wide: {error}")))
}

/// The entries as hls4ml computes them, in its own precision (`init_tanh_table` and its like).
fn entries(name: &str, size: usize, range: u32, format: Format, at: At) -> Result<Vec<i64>> {
    let entry = |index: usize| {
        let size = f64::from(size as f32);
        let x = (f64::from(range) * (index as f64 - size / 2.0) / size) as f32;
        let y = match name {
            "tanh" => x.tanh(),
            "sigmoid" => (1.0 / f64::from(1.0 + (-x).exp())) as f32,
            "softplus" => (f64::from(x.exp()) + 1.0).ln() as f32,
            _ => (f64::from(x) / (f64::from(x.abs()) + 1.0)) as f32,
        };
        raw_of(f64::from(y), format, at)
    };
    (0..size).map(entry).collect()
}
