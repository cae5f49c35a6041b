//! Columns and metadata of the event table: the contract that pyarrow, polars and awkward users see.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use super::{ElementType, Encoding, EventError, HardwareUnit, HardwareUnits, ObjectSymbol};

/// Most inputs of an event. Trigger networks have tens to hundreds; a number far beyond is no event table, and what is kept of each
/// input would take the memory of the machine.
pub const MAX_INPUTS: usize = 1 << 16;

/// Version of the event table's contract that this build writes and reads.
pub const SCHEMA_VERSION: &str = "1";
/// Metadata key of the contract's version.
pub const KEY_SCHEMA: &str = "trigsieve.schema";
/// Metadata key of the encoding's name.
pub const KEY_ENCODING: &str = "trigsieve.encoding";
/// Metadata key of the features: JSON, name and unit of each of the K inputs.
pub const KEY_FEATURES: &str = "trigsieve.features";
/// Metadata key of the provenance: JSON, a list of [`Source`].
pub const KEY_SOURCE: &str = "trigsieve.source";

/// `event_id`, u64: unique in the data set.
pub const EVENT_ID: &str = "event_id";
/// `bunch_crossing`, u64: absolute crossing counter, 25 ns units.
pub const BUNCH_CROSSING: &str = "bunch_crossing";
/// `inputs`, FixedSizeList of f32 or i16 with K entries: what the model sees.
pub const INPUTS: &str = "inputs";
/// `label`, u8, optional: 0 background, 1 signal.
pub const LABEL: &str = "label";
/// `process`, dictionary of utf8, optional.
pub const PROCESS: &str = "process";
/// `weight`, f32, optional: event weight.
pub const WEIGHT: &str = "weight";
/// `met`, f32, optional: missing transverse momentum in GeV.
pub const MET: &str = "met";
/// `met_phi`, f32, optional: its azimuth in rad.
pub const MET_PHI: &str = "met_phi";
/// `objects`, list of structs, optional: the physics objects from which the inputs were made.
pub const OBJECTS: &str = "objects";
/// `source_event_id`, u64, optional: the number that the source gave to the event.
pub const SOURCE_EVENT_ID: &str = "source_event_id";
/// Metadata key of the field `kind` of an object: JSON, the symbol of each kind from 0 on.
pub const KEY_KINDS: &str = "trigsieve.kinds";

/// Name and unit of one input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// For example `jet3_pt`.
    pub name: String,
    /// `GeV`, `rad`, or empty for a pure number; of hardware integers a [`HardwareUnit`], such as `0.5 GeV`.
    pub unit: String,
}

/// Where events came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// File name without its folder.
    pub file: String,
    /// Name and version of the converter.
    pub converter: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// Events taken from it.
    pub events: u64,
}

/// What a table's schema says about its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSchema {
    /// Name of the feature encoding. A name that this build does not know is kept: the file can be inspected,
    /// and scored by a model of the same encoding.
    pub encoding: String,
    /// Inputs per event.
    pub k: usize,
    /// Element type of the inputs.
    pub element: ElementType,
    /// Name and unit of each input: empty when the file has none, else K of them.
    pub features: Vec<Feature>,
    /// Provenance, one entry a source file.
    pub sources: Vec<Source>,
}

impl EventSchema {
    /// The schema of a table of `encoding` with float inputs.
    #[must_use]
    pub fn of(encoding: Encoding, sources: Vec<Source>) -> Self {
        Self {
            encoding: encoding.name(),
            k: encoding.k(),
            element: ElementType::F32,
            features: encoding.features(),
            sources,
        }
    }

    /// The same events, counted in hardware integers.
    #[must_use]
    pub fn in_hardware_units(mut self, units: &HardwareUnits) -> Self {
        self.element = ElementType::I16;
        for (feature, unit) in self.features.iter_mut().zip(units.units()) {
            feature.unit = unit.to_string();
        }
        self
    }

    /// What a count of each input is worth, where the inputs are hardware integers and the schema says so.
    pub fn hardware_units(&self) -> impl Iterator<Item = (&str, Option<HardwareUnit>)> {
        let integers = self.element == ElementType::I16;
        self.features
            .iter()
            .map(move |feature| (&*feature.name, feature.unit.parse().ok().filter(|_| integers)))
    }

    /// Reads and checks the contract's part of an Arrow schema; `path` is for the error message.
    ///
    /// # Errors
    /// [`EventError::Metadata`] for an unknown version or a missing encoding, [`EventError::Column`] for a
    /// missing column or one of another type. Both sides are named.
    pub fn from_arrow(schema: &Schema, path: &Path) -> Result<Self, EventError> {
        check_version(schema, path)?;
        check_column(schema, path, EVENT_ID, &DataType::UInt64)?;
        check_column(schema, path, BUNCH_CROSSING, &DataType::UInt64)?;
        check_optional(schema, path, LABEL, &DataType::UInt8)?;
        check_optional(schema, path, WEIGHT, &DataType::Float32)?;
        check_process(schema, path)?;
        let (k, element) = inputs_type(schema, path)?;
        let features: Vec<Feature> = json_metadata(schema, path, KEY_FEATURES)?;
        check_feature_count(path, &features, k)?;
        Ok(Self {
            encoding: required_metadata(schema, path, KEY_ENCODING, "the name of the feature encoding")?
                .to_owned(),
            k,
            element,
            features,
            sources: json_metadata(schema, path, KEY_SOURCE)?,
        })
    }

    /// The Arrow schema: `event_id`, `bunch_crossing`, `inputs`, then `extra` columns.
    #[must_use]
    pub fn to_arrow(&self, extra: impl IntoIterator<Item = Field>) -> SchemaRef {
        let element = match self.element {
            ElementType::F32 => DataType::Float32,
            ElementType::I16 => DataType::Int16,
        };
        let item = Arc::new(Field::new("item", element, false));
        let k = i32::try_from(self.k).unwrap_or(i32::MAX);
        let mut fields = vec![
            Field::new(EVENT_ID, DataType::UInt64, false),
            Field::new(BUNCH_CROSSING, DataType::UInt64, false),
            Field::new(INPUTS, DataType::FixedSizeList(item, k), false),
        ];
        fields.extend(extra);
        let json = |value: serde_json::Result<String>| value.unwrap_or_default();
        let metadata = [
            (KEY_SCHEMA.to_owned(), SCHEMA_VERSION.to_owned()),
            (KEY_ENCODING.to_owned(), self.encoding.clone()),
            (KEY_FEATURES.to_owned(), json(serde_json::to_string(&self.features))),
            (KEY_SOURCE.to_owned(), json(serde_json::to_string(&self.sources))),
        ];
        Arc::new(Schema::new_with_metadata(fields, HashMap::from(metadata)))
    }
}

/// The optional `label` column's field.
#[must_use]
pub fn label_field() -> Field {
    Field::new(LABEL, DataType::UInt8, false)
}

/// The optional `process` column's field.
#[must_use]
pub fn process_field() -> Field {
    Field::new(PROCESS, DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)), false)
}

/// The field of an optional column of f32.
#[must_use]
pub fn float_field(name: &str) -> Field {
    Field::new(name, DataType::Float32, false)
}

/// The optional `source_event_id` column's field.
#[must_use]
pub fn source_event_id_field() -> Field {
    Field::new(SOURCE_EVENT_ID, DataType::UInt64, false)
}

/// The optional `objects` column's field.
#[must_use]
pub fn objects_field() -> Field {
    Field::new(OBJECTS, DataType::List(Arc::new(object_item_field())), false)
}

/// The field of one object in the list.
#[must_use]
pub fn object_item_field() -> Field {
    Field::new("item", DataType::Struct(object_fields()), false)
}

/// What an object has: `kind` (u8, the [`ObjectSymbol::code`]), `pt` and `energy` (f32, GeV), `eta` and `phi` (f32, rad).
#[must_use]
pub fn object_fields() -> Fields {
    let kinds = serde_json::to_string(&ObjectSymbol::ALL.map(ObjectSymbol::symbol)).unwrap_or_default();
    let metadata = HashMap::from([(KEY_KINDS.to_owned(), kinds)]);
    let kind = Field::new("kind", DataType::UInt8, false).with_metadata(metadata);
    [kind].into_iter().chain(["pt", "eta", "phi", "energy"].map(float_field)).collect()
}

fn check_version(schema: &Schema, path: &Path) -> Result<(), EventError> {
    let found = required_metadata(schema, path, KEY_SCHEMA, &format!("version {SCHEMA_VERSION}"))?;
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    Err(EventError::Metadata {
        path: path.to_owned(),
        key: KEY_SCHEMA,
        expected: format!("version {SCHEMA_VERSION}, the one this build reads"),
        found: format!("version {found}"),
    })
}

fn required_metadata<'a>(
    schema: &'a Schema,
    path: &Path,
    key: &'static str,
    expected: &str,
) -> Result<&'a str, EventError> {
    schema.metadata().get(key).map(String::as_str).ok_or_else(|| EventError::Metadata {
        path: path.to_owned(),
        key,
        expected: expected.to_owned(),
        found: "no such key".to_owned(),
    })
}

fn json_metadata<T: serde::de::DeserializeOwned + Default>(
    schema: &Schema,
    path: &Path,
    key: &'static str,
) -> Result<T, EventError> {
    let Some(text) = schema.metadata().get(key) else { return Ok(T::default()) };
    serde_json::from_str(text).map_err(|error| EventError::Metadata {
        path: path.to_owned(),
        key,
        expected: "JSON as ARCHITECTURE.md describes it".to_owned(),
        found: error.to_string(),
    })
}

fn check_column(
    schema: &Schema,
    path: &Path,
    column: &'static str,
    expected: &DataType,
) -> Result<(), EventError> {
    let found = schema.field_with_name(column).map(Field::data_type).ok();
    if found == Some(expected) {
        return Ok(());
    }
    Err(column_error(path, column, expected.to_string(), found))
}

fn check_optional(
    schema: &Schema,
    path: &Path,
    column: &'static str,
    expected: &DataType,
) -> Result<(), EventError> {
    if schema.field_with_name(column).is_err() {
        return Ok(());
    }
    check_column(schema, path, column, expected)
}

fn check_process(schema: &Schema, path: &Path) -> Result<(), EventError> {
    match schema.field_with_name(PROCESS).map(Field::data_type) {
        Err(_) => Ok(()),
        Ok(DataType::Dictionary(_, values)) if matches!(**values, DataType::Utf8 | DataType::LargeUtf8) => {
            Ok(())
        }
        Ok(found) => Err(column_error(path, PROCESS, "a dictionary of Utf8".to_owned(), Some(found))),
    }
}

fn column_error(path: &Path, column: &'static str, expected: String, found: Option<&DataType>) -> EventError {
    EventError::Column {
        path: path.to_owned(),
        column,
        expected,
        found: found.map_or_else(|| "no such column".to_owned(), ToString::to_string),
    }
}

fn inputs_type(schema: &Schema, path: &Path) -> Result<(usize, ElementType), EventError> {
    let found = schema.field_with_name(INPUTS).map(Field::data_type);
    if let Ok(DataType::FixedSizeList(item, k)) = found
        && let Some(k) = usize::try_from(*k).ok().filter(|k| (1..=MAX_INPUTS).contains(k))
    {
        match item.data_type() {
            DataType::Float32 => return Ok((k, ElementType::F32)),
            DataType::Int16 => return Ok((k, ElementType::I16)),
            _ => {}
        }
    }
    let expected = format!("FixedSizeList of K Float32 or Int16, K from 1 to {MAX_INPUTS}");
    Err(column_error(path, INPUTS, expected, found.ok()))
}

fn check_feature_count(path: &Path, features: &[Feature], k: usize) -> Result<(), EventError> {
    if features.is_empty() || features.len() == k {
        return Ok(());
    }
    Err(EventError::Metadata {
        path: path.to_owned(),
        key: KEY_FEATURES,
        expected: format!("{k} features, the K of `{INPUTS}`"),
        found: format!("{} features", features.len()),
    })
}
