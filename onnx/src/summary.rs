//! What a model file says about itself, read before any runtime sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use prost::Message;

use crate::proto::{
    AttributeProto, DATA_LOCATION_EXTERNAL, DimensionProto, DimensionValue, GraphProto, ModelProto,
    NodeProto, OperatorSetIdProto, SparseTensorProto, TensorProto, TensorTypeProto, ValueInfoProto,
};
use crate::{ElementType, Error};

/// Largest model file that is read, in bytes.
///
/// Decoded messages take up to some 150 times the bytes of a file made of empty messages, so the limit bounds
/// what a hostile file can ask for. Trigger models have some ten kilobytes.
pub const MAX_MODEL_BYTES: usize = 64 << 20;

/// Name, element type and shape of a graph input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueSummary {
    /// The value's name.
    pub name: String,
    /// Element type.
    pub element_type: ElementType,
    /// One entry per axis, `None` where the size is dynamic.
    pub shape: Vec<Option<i64>>,
}

impl ValueSummary {
    /// Whether the elements are single-precision floats.
    #[must_use]
    pub fn is_float(&self) -> bool {
        self.element_type == ElementType::F32
    }
}

/// `name: type [axes]` with `N` for a dynamic axis, as in `inputs: float32 [N, 57]`.
impl fmt::Display for ValueSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axis = |size: &Option<i64>| size.map_or_else(|| "N".to_owned(), |size| size.to_string());
        let axes = self.shape.iter().map(axis).collect::<Vec<_>>().join(", ");
        write!(f, "{}: {} [{axes}]", self.name, self.element_type)
    }
}

/// What an ONNX model contains.
///
/// ```
/// use trigsieve_onnx::{Dimension, ElementType, GraphBuilder, ModelInfo, ModelSummary};
///
/// let mut graph = GraphBuilder::new("positive_part");
/// let inputs = graph.input("inputs", ElementType::F32, &[Dimension::Symbol("N"), Dimension::Size(3)])?;
/// let score = graph.node("Relu", &[&inputs], "score", vec![])?;
/// graph.output(&score, ElementType::F32, &[Dimension::Symbol("N"), Dimension::Size(3)])?;
/// let bytes = graph.finish(&ModelInfo::default())?;
///
/// let summary = ModelSummary::from_bytes(&bytes)?;
/// assert_eq!(summary.opset, 17);
/// assert_eq!(summary.inputs[0].shape, [None, Some(3)]);
/// summary.check_deployable()?;
/// # Ok::<(), trigsieve_onnx::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSummary {
    /// Version of the ONNX file format; 0 where the file has none.
    pub ir_version: i64,
    /// Version of the default operator set, `ai.onnx`.
    pub opset: i64,
    /// Domains other than the default that are imported, used by a node, or defined by a function.
    pub other_domains: BTreeSet<String>,
    /// Inputs that the caller provides (initialisers listed as inputs, as old files do, are left out).
    pub inputs: Vec<ValueSummary>,
    /// Outputs.
    pub outputs: Vec<ValueSummary>,
    /// How often each operator occurs, subgraphs and functions included. Operators outside the default domain
    /// are named `domain::Operator`.
    pub operators: BTreeMap<String, usize>,
    /// Number of elements in all initialisers and tensor attributes.
    pub parameters: u64,
    /// Names of all tensors whose data is not in the file, wherever they hide.
    pub external_data: Vec<String>,
    /// Number of sparse initialisers and sparse attributes.
    pub sparse_tensors: usize,
    /// Number of model-local functions.
    pub functions: usize,
    /// Whether the file carries training graphs.
    pub has_training_info: bool,
    /// `metadata_props` of the model.
    pub metadata: BTreeMap<String, String>,
}

impl ModelSummary {
    /// Decodes a model and summarises it. Nothing outside `bytes` is read.
    ///
    /// # Errors
    /// Any byte sequence gives a summary or an error, never a panic: nesting deeper than prost's limit of 100
    /// messages is [`Error::Decode`], which also bounds the recursion here; absurd dimensions are [`Error::Shape`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_MODEL_BYTES {
            return Err(Error::TooLarge { bytes: bytes.len(), limit: MAX_MODEL_BYTES });
        }
        Self::from_model(&ModelProto::decode(bytes)?)
    }

    /// Summarises a decoded model.
    ///
    /// # Errors
    /// As [`ModelSummary::from_bytes`], less what concerns the bytes.
    pub fn from_model(model: &ModelProto) -> Result<Self, Error> {
        let graph = model.graph.as_ref().ok_or(Error::NoGraph)?;
        let mut contents = Contents::default();
        contents.model(model)?;
        Ok(Self {
            ir_version: model.ir_version.unwrap_or(0),
            opset: default_opset(model)?,
            other_domains: contents.other_domains,
            inputs: graph_inputs(graph)?,
            outputs: graph
                .output
                .iter()
                .map(|value| value_summary(value, "output"))
                .collect::<Result<_, _>>()?,
            operators: contents.operators,
            parameters: contents.parameters,
            external_data: contents.external_data,
            sparse_tensors: contents.sparse_tensors,
            functions: model.functions.len(),
            has_training_info: !model.training_info.is_empty(),
            metadata: metadata(model),
        })
    }

    /// Refuses what trigsieve's engines must not or cannot run.
    ///
    /// # Errors
    /// External data, other operator domains, sparse tensors, model-local functions and training graphs, in this order.
    pub fn check_deployable(&self) -> Result<(), Error> {
        if let Some(tensor) = self.external_data.first() {
            return Err(Error::ExternalData { tensor: tensor.clone() });
        }
        if let Some(domain) = self.other_domains.first() {
            return Err(Error::OtherDomain { domain: domain.clone() });
        }
        let unsupported = [
            (self.sparse_tensors > 0, "sparse tensors"),
            (self.functions > 0, "functions of its own"),
            (self.has_training_info, "training graphs"),
        ];
        match unsupported.into_iter().find(|(present, _)| *present) {
            Some((_, what)) => Err(Error::Unsupported { what }),
            None => Ok(()),
        }
    }
}

fn is_default(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

fn default_opset(model: &ModelProto) -> Result<i64, Error> {
    let default =
        model.opset_import.iter().find(|import| is_default(import.domain.as_deref().unwrap_or_default()));
    default.map(|import| import.version.unwrap_or(0)).ok_or(Error::NoOpset)
}

fn metadata(model: &ModelProto) -> BTreeMap<String, String> {
    let entry = |text: &Option<String>| text.clone().unwrap_or_default();
    model.metadata_props.iter().map(|property| (entry(&property.key), entry(&property.value))).collect()
}

fn graph_inputs(graph: &GraphProto) -> Result<Vec<ValueSummary>, Error> {
    let constants: BTreeSet<&str> =
        graph.initializer.iter().filter_map(|tensor| tensor.name.as_deref()).collect();
    graph
        .input
        .iter()
        .filter(|value| !constants.contains(value.name.as_deref().unwrap_or_default()))
        .map(|value| value_summary(value, "input"))
        .collect()
}

fn value_summary(value: &ValueInfoProto, side: &'static str) -> Result<ValueSummary, Error> {
    let name = value.name.clone().unwrap_or_default();
    let Some(tensor) = value.r#type.as_ref().and_then(|r#type| r#type.tensor_type.as_ref()) else {
        return Err(Error::NotATensor { side, name });
    };
    let shape = value_shape(&name, tensor)?;
    Ok(ValueSummary { name, element_type: ElementType::from_code(tensor.elem_type.unwrap_or(0)), shape })
}

fn value_shape(name: &str, tensor: &TensorTypeProto) -> Result<Vec<Option<i64>>, Error> {
    let Some(shape) = &tensor.shape else { return Err(Error::NoShape { name: name.to_owned() }) };
    let size = |dimension: &DimensionProto| match dimension.value {
        Some(DimensionValue::Size(size)) if size < 0 => {
            Err(Error::Shape { name: name.to_owned(), dims: vec![size] })
        }
        Some(DimensionValue::Size(size)) => Ok(Some(size)),
        Some(DimensionValue::Symbol(_)) | None => Ok(None),
    };
    shape.dim.iter().map(size).collect()
}

/// What is counted while walking the graph and everything nested in it.
#[derive(Default)]
struct Contents {
    operators: BTreeMap<String, usize>,
    other_domains: BTreeSet<String>,
    parameters: u64,
    external_data: Vec<String>,
    sparse_tensors: usize,
}

impl Contents {
    fn model(&mut self, model: &ModelProto) -> Result<(), Error> {
        let training =
            model.training_info.iter().flat_map(|info| [&info.initialization, &info.algorithm]).flatten();
        self.imports(&model.opset_import);
        model.graph.iter().chain(training).try_for_each(|graph| self.graph(graph))?;
        for function in &model.functions {
            self.domain(function.domain.as_deref().unwrap_or_default());
            function
                .opset_import
                .iter()
                .for_each(|import| self.domain(import.domain.as_deref().unwrap_or_default()));
            function.attribute_proto.iter().try_for_each(|attribute| self.attribute(attribute))?;
            function.node.iter().try_for_each(|node| self.node(node))?;
        }
        Ok(())
    }

    fn graph(&mut self, graph: &GraphProto) -> Result<(), Error> {
        graph.initializer.iter().try_for_each(|tensor| self.tensor(tensor))?;
        graph.sparse_initializer.iter().try_for_each(|tensor| self.sparse_tensor(tensor))?;
        graph.node.iter().try_for_each(|node| self.node(node))
    }

    fn node(&mut self, node: &NodeProto) -> Result<(), Error> {
        let operator = node.op_type.as_deref().unwrap_or_default();
        let domain = node.domain.as_deref().unwrap_or_default();
        self.domain(domain);
        let key = if is_default(domain) { operator.to_owned() } else { format!("{domain}::{operator}") };
        *self.operators.entry(key).or_insert(0) += 1;
        node.attribute.iter().try_for_each(|attribute| self.attribute(attribute))
    }

    fn attribute(&mut self, attribute: &AttributeProto) -> Result<(), Error> {
        attribute.t.iter().chain(&attribute.tensors).try_for_each(|tensor| self.tensor(tensor))?;
        let mut sparse = attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors);
        sparse.try_for_each(|tensor| self.sparse_tensor(tensor))?;
        attribute.g.iter().chain(&attribute.graphs).try_for_each(|graph| self.graph(graph))
    }

    fn sparse_tensor(&mut self, tensor: &SparseTensorProto) -> Result<(), Error> {
        self.sparse_tensors += 1;
        tensor.values.iter().chain(&tensor.indices).try_for_each(|tensor| self.tensor(tensor))
    }

    fn tensor(&mut self, tensor: &TensorProto) -> Result<(), Error> {
        let name = || tensor.name.clone().unwrap_or_default();
        if tensor.data_location == Some(DATA_LOCATION_EXTERNAL) || !tensor.external_data.is_empty() {
            self.external_data.push(name());
        }
        let count = element_count(&tensor.dims).and_then(|count| self.parameters.checked_add(count));
        self.parameters = count.ok_or_else(|| Error::Shape { name: name(), dims: tensor.dims.clone() })?;
        Ok(())
    }

    fn imports(&mut self, imports: &[OperatorSetIdProto]) {
        imports.iter().for_each(|import| self.domain(import.domain.as_deref().unwrap_or_default()));
    }

    fn domain(&mut self, domain: &str) {
        if !is_default(domain) {
            self.other_domains.insert(domain.to_owned());
        }
    }
}

fn element_count(dims: &[i64]) -> Option<u64> {
    dims.iter().try_fold(1_u64, |count, &dim| count.checked_mul(u64::try_from(dim).ok()?))
}

#[cfg(test)]
mod tests;
