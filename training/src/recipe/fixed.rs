use std::fmt;
use std::path::PathBuf;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use trigsieve_fixed::{Format, Overflow, Rounding};

/// The fixed-point program: formats, hardware units, fine-tuning.
///
/// A format is written `ap_fixed<W,I>` (or `ap_ufixed`), or as a number of bits W alone; then I is fitted: to the
/// weights, or to training background. Every format but the accumulator's rounds by `AP_RND_CONV` and saturates
/// (`AP_SAT`): that is what the fine-tuning computes with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fixed {
    /// What a step of each input's hardware integer is worth.
    pub units: Units,
    /// Network inputs, after the shift.
    pub input: Width,
    /// Weights, layer by layer or of all layers.
    pub weights: PerLayer,
    /// Biases, layer by layer or of all layers.
    pub biases: PerLayer,
    /// What each hidden layer writes after its ReLU; by a number of bits, unsigned.
    pub activations: PerLayer,
    /// What the last layer writes.
    pub output: Width,
    /// Sums of every layer; absent: as wide as needed. One that is not proven wide enough is refused.
    pub accumulator: Option<Format>,
    /// What a reconstruction is compared with: the inputs without the network inputs' saturation.
    pub target: Format,
    /// Difference of reconstruction and target.
    pub error: Format,
    /// Difference times the root of its weight, in units in which the score at background efficiency 1e-3 is between 1 and 2.
    pub term: Format,
    /// Epochs of fine-tuning with quantised weights and activations; 0: quantisation of the trained weights alone.
    pub qat_epochs: usize,
    /// Learning rate of the fine-tuning's first step; half a cosine from there to zero.
    pub learning_rate: f64,
    /// Training events to which formats are fitted.
    pub calibration_events: usize,
    /// Search for the least bits.
    pub search: Option<Search>,
}

/// A search for the least bits of weights and activations that keep the efficiency at a working point.
///
/// Without `signals` the criterion looks at background alone: the fraction of the events above the float model's
/// threshold that the fixed-point program's threshold at the same background efficiency misses.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Bits of weights to try.
    #[serde(default = "weight_bits")]
    pub weights: Vec<u32>,
    /// Bits of activations to try.
    #[serde(default = "activation_bits")]
    pub activations: Vec<u32>,
    /// Background efficiency of the working point.
    #[serde(default = "working_point")]
    pub background_efficiency: f64,
    /// Largest loss at the working point: of signal efficiency relative to the float model's, or of shared background events.
    pub largest_loss: f64,
    /// Event table of background for the efficiencies, where the data starts; absent: the validation events.
    #[serde(default)]
    pub background: Option<PathBuf>,
    /// Event tables of the signals that the choice may look at; relative paths start where the data's do.
    #[serde(default)]
    pub signals: Vec<PathBuf>,
}

fn weight_bits() -> Vec<u32> {
    vec![4, 5, 6, 7, 8, 10]
}

fn activation_bits() -> Vec<u32> {
    vec![5, 6, 8, 10]
}

fn working_point() -> f64 {
    1e-3
}

/// Size of a hardware integer's step, input by input.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Units {
    /// Those of the CMS global trigger.
    #[default]
    Cms,
    /// In the unit of each of the K inputs.
    Steps(Vec<f64>),
}

/// A format, or its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// W; I is fitted.
    Bits(u32),
    /// The format.
    Format(Format),
}

/// A format for all layers, or one for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PerLayer {
    /// For all.
    All(Width),
    /// For each, from input to output.
    Each(Vec<Width>),
}

impl Default for Fixed {
    fn default() -> Self {
        let all = |bits| PerLayer::All(Width::Bits(bits));
        Self {
            units: Units::default(),
            input: Width::Format(saturating(Format::signed(8, 3))),
            weights: all(8),
            biases: all(16),
            activations: all(8),
            output: Width::Bits(14),
            accumulator: None,
            target: saturating(Format::signed(16, 9)),
            error: saturating(Format::signed(14, 7)),
            term: saturating(Format::signed(13, 5)),
            qat_epochs: 10,
            learning_rate: 2e-4,
            calibration_events: 20_000,
            search: None,
        }
    }
}

impl Fixed {
    /// Every format rounds and saturates as the fine-tuning does; the recipe's checks have refused other modes.
    #[must_use]
    pub fn with_modes(mut self) -> Self {
        let score = [&mut self.target, &mut self.error, &mut self.term];
        score.into_iter().for_each(|format| *format = with_modes(*format));
        self
    }

    /// Every format of a number that is rounded, with its key.
    pub fn formats(&self) -> impl Iterator<Item = (&'static str, Format)> + '_ {
        let widths = [
            ("fixed.input", vec![self.input]),
            ("fixed.weights", self.weights.widths().collect()),
            ("fixed.biases", self.biases.widths().collect()),
            ("fixed.activations", self.activations.widths().collect()),
            ("fixed.output", vec![self.output]),
        ];
        let given = widths.into_iter().flat_map(|(key, widths)| {
            widths.into_iter().filter_map(move |width| match width {
                Width::Bits(_) => None,
                Width::Format(format) => Some((key, format)),
            })
        });
        let score = [("fixed.target", self.target), ("fixed.error", self.error), ("fixed.term", self.term)];
        given.chain(score)
    }
}

impl PerLayer {
    /// The format of a layer.
    #[must_use]
    pub fn at(&self, layer: usize) -> Option<Width> {
        match self {
            Self::All(width) => Some(*width),
            Self::Each(widths) => widths.get(layer).copied(),
        }
    }

    /// For how many layers there is a format; `None`: for any number.
    #[must_use]
    pub fn layers(&self) -> Option<usize> {
        match self {
            Self::All(_) => None,
            Self::Each(widths) => Some(widths.len()),
        }
    }

    /// The formats, one after the other.
    pub fn widths(&self) -> impl Iterator<Item = Width> + '_ {
        match self {
            Self::All(width) => std::slice::from_ref(width).iter().copied(),
            Self::Each(widths) => widths.iter().copied(),
        }
    }
}

impl Width {
    /// W.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Self::Bits(bits) => bits,
            Self::Format(format) => format.width,
        }
    }
}

/// A format as written without modes, which is that of the HLS headers' defaults, gets those of the fine-tuning.
fn with_modes(format: Format) -> Format {
    if (format.rounding, format.overflow) == (Rounding::default(), Overflow::default()) {
        saturating(format)
    } else {
        format
    }
}

/// The format with the modes that the fine-tuning computes with.
#[must_use]
pub const fn saturating(format: Format) -> Format {
    format.with(Rounding::RoundConvergent, Overflow::Saturate)
}

struct Widths;

fn bits<E: de::Error>(value: i64) -> Result<Width, E> {
    u32::try_from(value).map(Width::Bits).map_err(|_| E::custom(format!("{value} is no number of bits")))
}

fn format<E: de::Error>(text: &str) -> Result<Width, E> {
    text.parse().map(Width::Format).map_err(E::custom)
}

impl<'de> Visitor<'de> for Widths {
    type Value = PerLayer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bits, a format as \"ap_fixed<8,3>\", or a list of them, one a layer")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<PerLayer, E> {
        bits(value).map(PerLayer::All)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<PerLayer, E> {
        bits(i64::try_from(value).unwrap_or(-1)).map(PerLayer::All)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<PerLayer, E> {
        format(text).map(PerLayer::All)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<PerLayer, A::Error> {
        let mut widths = Vec::new();
        while let Some(width) = sequence.next_element()? {
            widths.push(width);
        }
        Ok(PerLayer::Each(widths))
    }
}

impl<'de> Deserialize<'de> for PerLayer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Widths)
    }
}

impl<'de> Deserialize<'de> for Width {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match PerLayer::deserialize(deserializer)? {
            PerLayer::All(width) => Ok(width),
            PerLayer::Each(_) => Err(de::Error::custom("a list where one format is expected")),
        }
    }
}

struct UnitsVisitor;

impl<'de> Visitor<'de> for UnitsVisitor {
    type Value = Units;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"cms\", or a list of K steps in the units of the inputs")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Units, E> {
        if text == "cms" { Ok(Units::Cms) } else { Err(E::invalid_value(de::Unexpected::Str(text), &self)) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Units, A::Error> {
        let mut steps = Vec::new();
        while let Some(step) = sequence.next_element()? {
            steps.push(step);
        }
        Ok(Units::Steps(steps))
    }
}

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UnitsVisitor)
    }
}
