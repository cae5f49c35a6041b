use std::path::Path;

use super::{ConvertError, SourceLayout};
use crate::event::{DijetEncoding, Encoding, EventTable, ObjectEncoding, ParticleEncoding, UnknownEncoding};
use crate::model::ModelBundle;

/// Which encoding a conversion is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodingChoice {
    /// This one.
    Exact(Encoding),
    /// `dm_static`, with as many places as the events need.
    FitStatic,
}

impl EncodingChoice {
    /// The encoding of `reference`, an event table or the folder of a model, if it is what was asked for, if anything.
    ///
    /// # Errors
    /// [`ConvertError::Reference`] when it cannot be read or has an encoding that this build does not know,
    /// [`ConvertError::OtherLayout`] when it has another than was asked for.
    pub fn of_reference(reference: &Path, asked: Option<Self>) -> Result<Self, ConvertError> {
        let found = encoding_of(reference)?;
        let agrees = match asked {
            None => true,
            Some(Self::Exact(asked)) => asked == found,
            Some(Self::FitStatic) => matches!(found, Encoding::Objects(ObjectEncoding::Static(_))),
        };
        match asked {
            Some(asked) if !agrees => Err(ConvertError::OtherLayout {
                path: reference.to_owned(),
                found: found.name(),
                asked: asked.to_string(),
            }),
            _ => Ok(Self::Exact(found)),
        }
    }
}

impl SourceLayout {
    /// What a conversion from the layout has if nothing else is asked for.
    #[must_use]
    pub fn default_encoding(self) -> EncodingChoice {
        EncodingChoice::Exact(match self {
            Self::Adc2021 => Encoding::L1x57,
            Self::DarkMachines => Encoding::Objects(ObjectEncoding::SimpleAe34),
            Self::Lhco => Encoding::Particles(ParticleEncoding::ALL),
            Self::LhcoFeatures => Encoding::Dijet(DijetEncoding::All),
        })
    }
}

impl std::str::FromStr for EncodingChoice {
    type Err = UnknownEncoding;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "dm_static" => Ok(Self::FitStatic),
            _ => name.parse().map(Self::Exact),
        }
    }
}

impl std::fmt::Display for EncodingChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(encoding) => encoding.fmt(f),
            Self::FitStatic => f.write_str("dm_static"),
        }
    }
}

fn encoding_of(reference: &Path) -> Result<Encoding, ConvertError> {
    let refuse = |reason: String| ConvertError::Reference { path: reference.to_owned(), reason };
    let name = if reference.is_dir() {
        ModelBundle::open(reference).map(|bundle| bundle.card().encoding.clone())?
    } else {
        EventTable::open(reference).map(|table| table.schema().encoding.clone())?
    };
    name.parse().map_err(|error: UnknownEncoding| refuse(error.to_string()))
}
