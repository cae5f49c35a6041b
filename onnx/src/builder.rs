//! Writes graphs.

use std::collections::BTreeSet;

use prost::Message;

use crate::proto::{
    AttributeProto, DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
    attribute_type,
};
use crate::{ElementType, Error, ModelSummary};

/// IR version written: the newest that every ONNX Runtime since 1.10 loads (1.20 stops at IR version 10).
pub const IR_VERSION: i64 = 8;

/// Version of the default operator set written.
pub const OPSET_VERSION: i64 = 17;

/// Size of one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// A fixed size.
    Size(u32),
    /// Any size; equal names mean equal sizes.
    Symbol(&'static str),
}

/// Values of a constant tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorData {
    /// Single precision.
    F32(Vec<f32>),
    /// Unsigned 8-bit integers.
    U8(Vec<u8>),
    /// Signed 8-bit integers.
    I8(Vec<i8>),
    /// Signed 32-bit integers.
    I32(Vec<i32>),
    /// Signed 64-bit integers: axes and shapes.
    I64(Vec<i64>),
}

impl TensorData {
    fn element_type(&self) -> ElementType {
        match self {
            Self::F32(_) => ElementType::F32,
            Self::U8(_) => ElementType::U8,
            Self::I8(_) => ElementType::I8,
            Self::I32(_) => ElementType::I32,
            Self::I64(_) => ElementType::I64,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::U8(values) => values.len(),
            Self::I8(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::I64(values) => values.len(),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::U8(values) => values.clone(),
            Self::I8(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::I32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::I64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }
}

/// An attribute of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute(AttributeProto);

impl Attribute {
    /// An integer attribute, such as `axis`.
    pub fn int(name: &str, value: i64) -> Self {
        Self(AttributeProto {
            name: Some(name.to_owned()),
            r#type: Some(attribute_type::INT),
            i: Some(value),
            ..Default::default()
        })
    }

    /// A text attribute, such as `rounding_mode`.
    pub fn text(name: &str, value: &str) -> Self {
        Self(AttributeProto {
            name: Some(name.to_owned()),
            r#type: Some(attribute_type::STRING),
            s: Some(value.as_bytes().to_vec()),
            ..Default::default()
        })
    }

    /// A float attribute, such as `alpha`.
    pub fn float(name: &str, value: f32) -> Self {
        Self(AttributeProto {
            name: Some(name.to_owned()),
            r#type: Some(attribute_type::FLOAT),
            f: Some(value),
            ..Default::default()
        })
    }
}

/// A value of the graph under construction: an input, a constant, or a node's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(String);

impl Value {
    /// The value's name in the file.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// What a model file says about its making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelInfo {
    /// Version of the program that writes the model.
    pub producer_version: String,
    /// Documentation of the graph: inputs, outputs, formula.
    pub documentation: String,
    /// Key and value pairs that travel with the model, in this order.
    pub metadata: Vec<(String, String)>,
}

/// Builds a graph node by node, in the order in which the nodes run.
///
/// A [`Value`] can only come from a call made before, so nodes are sorted and every input exists by
/// construction. [`GraphBuilder::finish`] refuses anything that nothing reads: a written graph has no dead node
/// and no spare constant. See [`crate::ModelSummary`] for an example.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: GraphProto,
    names: BTreeSet<String>,
    domains: BTreeSet<String>,
}

impl GraphBuilder {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Self {
            graph: GraphProto { name: Some(name.to_owned()), ..Default::default() },
            names: BTreeSet::new(),
            domains: BTreeSet::new(),
        }
    }

    /// Declares an input.
    ///
    /// # Errors
    /// [`Error::DuplicateName`].
    pub fn input(
        &mut self,
        name: &str,
        element_type: ElementType,
        shape: &[Dimension],
    ) -> Result<Value, Error> {
        let value = self.claim(name)?;
        self.graph.input.push(value_info(name, element_type, shape));
        Ok(value)
    }

    /// Adds a constant tensor with its values in row-major order.
    ///
    /// # Errors
    /// [`Error::DuplicateName`]; [`Error::TensorSize`] where `data` does not fill `shape`.
    pub fn constant(&mut self, name: &str, shape: &[usize], data: TensorData) -> Result<Value, Error> {
        if Some(data.len()) != shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size)) {
            return Err(Error::TensorSize {
                name: name.to_owned(),
                values: data.len(),
                shape: shape.to_vec(),
            });
        }
        let value = self.claim(name)?;
        self.graph.initializer.push(TensorProto {
            dims: shape.iter().map(|&size| size as i64).collect(),
            data_type: Some(data.element_type().code()),
            name: Some(name.to_owned()),
            raw_data: Some(data.to_bytes()),
            ..Default::default()
        });
        Ok(value)
    }

    /// Adds a node of the default operator set with one output, which also names the node.
    ///
    /// # Errors
    /// [`Error::DuplicateName`].
    pub fn node(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        output: &str,
        attributes: Vec<Attribute>,
    ) -> Result<Value, Error> {
        self.node_of(None, operator, inputs, output, attributes)
    }

    /// Adds a node of an operator set of another domain, version 1, such as QONNX's `qonnx.custom_op.general`. Only tools
    /// that know the domain read such a graph; [`ModelSummary::check_deployable`] refuses it.
    ///
    /// # Errors
    /// [`Error::DuplicateName`].
    pub fn custom_node(
        &mut self,
        domain: &str,
        operator: &str,
        inputs: &[&Value],
        output: &str,
        attributes: Vec<Attribute>,
    ) -> Result<Value, Error> {
        self.domains.insert(domain.to_owned());
        self.node_of(Some(domain.to_owned()), operator, inputs, output, attributes)
    }

    fn node_of(
        &mut self,
        domain: Option<String>,
        operator: &str,
        inputs: &[&Value],
        output: &str,
        attributes: Vec<Attribute>,
    ) -> Result<Value, Error> {
        let value = self.claim(output)?;
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|input| input.0.clone()).collect(),
            output: vec![output.to_owned()],
            name: Some(output.to_owned()),
            op_type: Some(operator.to_owned()),
            attribute: attributes.into_iter().map(|attribute| attribute.0).collect(),
            domain,
        });
        Ok(value)
    }

    /// Writes the graph of a model into this one: every name of it gets `prefix`, its inputs become the values given
    /// here by their names in the model. Gives its output of the name `output`.
    ///
    /// # Errors
    /// What [`ModelSummary::from_bytes`] and [`ModelSummary::check_deployable`] refuse; [`Error::Unsupported`] for
    /// another operator set than [`OPSET_VERSION`] and for graphs inside nodes; [`Error::NoValue`] for an input that
    /// is not given and an output that the model has not; [`Error::DuplicateName`].
    pub fn embed(
        &mut self,
        model: &[u8],
        prefix: &str,
        inputs: &[(&str, &Value)],
        output: &str,
    ) -> Result<Value, Error> {
        let summary = ModelSummary::from_bytes(model)?;
        summary.check_deployable()?;
        if summary.opset != OPSET_VERSION {
            return Err(Error::Unsupported {
                what: "another operator set than the graph it should be part of",
            });
        }
        let graph = ModelProto::decode(model)?.graph.ok_or(Error::NoGraph)?;
        let given =
            |name: &str| inputs.iter().find(|(input, _)| *input == name).map(|(_, value)| value.0.clone());
        let missing = |name: &str| Error::NoValue { name: name.to_owned() };
        if let Some(input) = summary.inputs.iter().find(|input| given(&input.name).is_none()) {
            return Err(missing(&input.name));
        }
        // An empty name is an optional input that is left out.
        let renamed = |name: &str| match given(name) {
            Some(value) => value,
            None if name.is_empty() => String::new(),
            None => format!("{prefix}{name}"),
        };
        for mut tensor in graph.initializer {
            let name = renamed(tensor.name.as_deref().unwrap_or_default());
            self.claim(&name)?;
            tensor.name = Some(name);
            self.graph.initializer.push(tensor);
        }
        for node in graph.node {
            self.embed_node(node, &renamed)?;
        }
        let name = renamed(output);
        if summary.outputs.iter().any(|value| value.name == output) {
            Ok(Value(name))
        } else {
            Err(missing(output))
        }
    }

    fn embed_node(&mut self, mut node: NodeProto, renamed: &dyn Fn(&str) -> String) -> Result<(), Error> {
        if node.attribute.iter().any(|attribute| attribute.g.is_some() || !attribute.graphs.is_empty()) {
            return Err(Error::Unsupported { what: "graphs inside nodes" });
        }
        node.name = node.name.map(|name| renamed(&name));
        node.input.iter_mut().for_each(|input| *input = renamed(input));
        for output in &mut node.output {
            *output = renamed(output);
            if !output.is_empty() {
                self.claim(output)?;
            }
        }
        self.graph.node.push(node);
        Ok(())
    }

    /// Declares a value to be an output of the graph.
    ///
    /// # Errors
    /// [`Error::DuplicateName`] where it is an output already.
    pub fn output(
        &mut self,
        value: &Value,
        element_type: ElementType,
        shape: &[Dimension],
    ) -> Result<(), Error> {
        if self.graph.output.iter().any(|output| output.name.as_deref() == Some(value.name())) {
            return Err(Error::DuplicateName { name: value.0.clone() });
        }
        self.graph.output.push(value_info(&value.0, element_type, shape));
        Ok(())
    }

    /// Checks the graph and encodes the model: the bytes of a `.onnx` file. Equal graphs give equal bytes.
    ///
    /// # Errors
    /// [`Error::Unused`] for an input, constant or node that nothing reads.
    pub fn finish(self, info: &ModelInfo) -> Result<Vec<u8>, Error> {
        self.check_all_used()?;
        let own = OperatorSetIdProto { domain: Some(String::new()), version: Some(OPSET_VERSION) };
        let others = self.domains.into_iter();
        let others = others.map(|domain| OperatorSetIdProto { domain: Some(domain), version: Some(1) });
        let opset_import = std::iter::once(own).chain(others).collect();
        let mut graph = self.graph;
        graph.doc_string = Some(info.documentation.clone());
        let model = ModelProto {
            ir_version: Some(IR_VERSION),
            opset_import,
            producer_name: Some("trigsieve".to_owned()),
            producer_version: Some(info.producer_version.clone()),
            graph: Some(graph),
            metadata_props: info.metadata.iter().map(metadata_entry).collect(),
            ..Default::default()
        };
        Ok(model.encode_to_vec())
    }

    fn claim(&mut self, name: &str) -> Result<Value, Error> {
        if !self.names.insert(name.to_owned()) {
            return Err(Error::DuplicateName { name: name.to_owned() });
        }
        Ok(Value(name.to_owned()))
    }

    fn check_all_used(&self) -> Result<(), Error> {
        let read = self.graph.node.iter().flat_map(|node| &node.input).map(String::as_str);
        let written = self.graph.output.iter().filter_map(|output| output.name.as_deref());
        let used: BTreeSet<&str> = read.chain(written).collect();
        match self.names.iter().find(|name| !used.contains(name.as_str())) {
            Some(name) => Err(Error::Unused { name: name.clone() }),
            None => Ok(()),
        }
    }
}

fn metadata_entry((key, value): &(String, String)) -> StringStringEntryProto {
    StringStringEntryProto { key: Some(key.clone()), value: Some(value.clone()) }
}

fn value_info(name: &str, element_type: ElementType, shape: &[Dimension]) -> ValueInfoProto {
    let dim =
        shape.iter().map(|&dimension| DimensionProto { value: Some(dimension_value(dimension)) }).collect();
    let tensor =
        TensorTypeProto { elem_type: Some(element_type.code()), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { tensor_type: Some(tensor) }),
        doc_string: None,
    }
}

fn dimension_value(dimension: Dimension) -> DimensionValue {
    match dimension {
        Dimension::Size(size) => DimensionValue::Size(i64::from(size)),
        Dimension::Symbol(symbol) => DimensionValue::Symbol(symbol.to_owned()),
    }
}

#[cfg(test)]
mod tests;
