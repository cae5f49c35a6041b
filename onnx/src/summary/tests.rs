use super::*;
use crate::proto::{
    DimensionProto, FunctionProto, StringStringEntryProto, TensorShapeProto, TrainingInfoProto, TypeProto,
};

fn opset(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto { domain: Some(domain.into()), version: Some(version) }
}

fn minimal() -> ModelProto {
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![opset("", 17)],
        graph: Some(GraphProto::default()),
        ..Default::default()
    }
}

fn summary_of(model: &ModelProto) -> Result<ModelSummary, Error> {
    ModelSummary::from_bytes(&model.encode_to_vec())
}

fn external(name: &str) -> TensorProto {
    let location =
        StringStringEntryProto { key: Some("location".into()), value: Some("../../etc/passwd".into()) };
    TensorProto {
        name: Some(name.into()),
        dims: vec![4],
        data_type: Some(1),
        external_data: vec![location],
        data_location: Some(DATA_LOCATION_EXTERNAL),
        ..Default::default()
    }
}

fn node_with(attribute: AttributeProto) -> NodeProto {
    NodeProto { op_type: Some("If".into()), attribute: vec![attribute], ..Default::default() }
}

#[test]
fn what_is_no_model_is_refused() {
    assert!(matches!(ModelSummary::from_bytes(&[]), Err(Error::NoGraph)));
    assert!(matches!(ModelSummary::from_bytes(b"PK\x03\x04"), Err(Error::Decode(_))));
    let no_opset = ModelProto { opset_import: vec![opset("ai.onnx.ml", 3)], ..minimal() };
    assert!(matches!(summary_of(&no_opset), Err(Error::NoOpset)));
}

#[test]
fn a_file_over_the_limit_is_refused_unread() {
    let bytes = vec![0xff; MAX_MODEL_BYTES + 1];
    assert!(matches!(ModelSummary::from_bytes(&bytes), Err(Error::TooLarge { .. })));
}

#[test]
fn external_data_is_found_wherever_it_hides() -> Result<(), Error> {
    let inner = GraphProto { initializer: vec![external("in_subgraph")], ..Default::default() };
    let branch = node_with(AttributeProto { g: Some(inner), ..Default::default() });
    let nested = GraphProto { node: vec![branch], ..Default::default() };
    let sparse = SparseTensorProto {
        values: Some(external("sparse_values")),
        indices: Some(external("sparse_indices")),
        dims: vec![9],
    };
    let graph = GraphProto {
        initializer: vec![external("top")],
        sparse_initializer: vec![sparse],
        node: vec![
            node_with(AttributeProto { graphs: vec![nested], ..Default::default() }),
            node_with(AttributeProto { t: Some(external("attribute")), ..Default::default() }),
            node_with(AttributeProto { tensors: vec![external("attributes")], ..Default::default() }),
        ],
        ..Default::default()
    };
    let function = FunctionProto {
        attribute_proto: vec![AttributeProto { t: Some(external("default_value")), ..Default::default() }],
        node: vec![node_with(AttributeProto { t: Some(external("in_function")), ..Default::default() })],
        ..Default::default()
    };
    let step = GraphProto { initializer: vec![external("in_training")], ..Default::default() };
    let model = ModelProto {
        graph: Some(graph),
        functions: vec![function],
        training_info: vec![TrainingInfoProto { algorithm: Some(step), ..Default::default() }],
        ..minimal()
    };

    let summary = summary_of(&model)?;
    let mut found = summary.external_data.clone();
    found.sort();
    let expected = [
        "attribute",
        "attributes",
        "default_value",
        "in_function",
        "in_subgraph",
        "in_training",
        "sparse_indices",
        "sparse_values",
        "top",
    ];
    assert_eq!(found, expected);
    assert!(matches!(summary.check_deployable(), Err(Error::ExternalData { .. })));
    Ok(())
}

#[test]
fn an_external_location_without_the_flag_counts_too() -> Result<(), Error> {
    let sly = TensorProto { data_location: None, ..external("sly") };
    let graph = GraphProto { initializer: vec![sly], ..Default::default() };
    let summary = summary_of(&ModelProto { graph: Some(graph), ..minimal() })?;
    assert_eq!(summary.external_data, ["sly"]);
    Ok(())
}

#[test]
fn other_domains_are_named() -> Result<(), Error> {
    let gelu = NodeProto {
        op_type: Some("Gelu".into()),
        domain: Some("com.microsoft".into()),
        ..Default::default()
    };
    let graph = GraphProto { node: vec![gelu], ..Default::default() };
    let opset_import = vec![opset("", 17), opset("ai.onnx.ml", 3), opset("my.lab", 1)];
    let summary = summary_of(&ModelProto { graph: Some(graph), opset_import, ..minimal() })?;
    assert_eq!(summary.other_domains.iter().collect::<Vec<_>>(), ["ai.onnx.ml", "com.microsoft", "my.lab"]);
    assert_eq!(summary.operators["com.microsoft::Gelu"], 1);
    assert!(
        matches!(summary.check_deployable(), Err(Error::OtherDomain { domain }) if domain == "ai.onnx.ml")
    );
    Ok(())
}

#[test]
fn sparse_tensors_functions_and_training_are_refused() -> Result<(), Error> {
    let sparse = GraphProto { sparse_initializer: vec![SparseTensorProto::default()], ..Default::default() };
    let models = [
        ModelProto { graph: Some(sparse), ..minimal() },
        ModelProto { functions: vec![FunctionProto::default()], ..minimal() },
        ModelProto { training_info: vec![TrainingInfoProto::default()], ..minimal() },
    ];
    for model in &models {
        assert!(matches!(summary_of(model)?.check_deployable(), Err(Error::Unsupported { .. })));
    }
    summary_of(&minimal())?.check_deployable()
}

#[test]
fn impossible_shapes_are_errors() {
    for dims in [vec![-1], vec![i64::MAX, i64::MAX, 3], vec![i64::MIN]] {
        let tensor = TensorProto { dims, ..Default::default() };
        let graph = GraphProto { initializer: vec![tensor.clone()], ..Default::default() };
        assert!(matches!(
            summary_of(&ModelProto { graph: Some(graph), ..minimal() }),
            Err(Error::Shape { .. })
        ));
    }
    let many = TensorProto { dims: vec![i64::MAX], ..Default::default() };
    let graph = GraphProto { initializer: vec![many; 3], ..Default::default() };
    assert!(matches!(summary_of(&ModelProto { graph: Some(graph), ..minimal() }), Err(Error::Shape { .. })));
}

#[test]
fn inputs_leave_out_initialisers_and_must_be_tensors() -> Result<(), Error> {
    let shape = TensorShapeProto { dim: vec![DimensionProto::default()] };
    let tensor = TypeProto { tensor_type: Some(TensorTypeProto { elem_type: Some(1), shape: Some(shape) }) };
    let value = |name: &str, r#type| ValueInfoProto { name: Some(name.into()), r#type, doc_string: None };
    let weight = TensorProto { name: Some("weight".into()), ..Default::default() };
    let mut graph = GraphProto {
        initializer: vec![weight],
        input: vec![value("inputs", Some(tensor.clone())), value("weight", Some(tensor))],
        ..Default::default()
    };
    let summary = summary_of(&ModelProto { graph: Some(graph.clone()), ..minimal() })?;
    assert_eq!(summary.inputs.len(), 1);
    assert_eq!(summary.inputs[0].shape, [None]);
    assert_eq!(summary.inputs[0].to_string(), "inputs: float32 [N]");
    assert!(summary.inputs[0].is_float());

    let rankless = TypeProto { tensor_type: Some(TensorTypeProto { elem_type: Some(1), shape: None }) };
    graph.output = vec![value("score", Some(rankless))];
    let error = summary_of(&ModelProto { graph: Some(graph.clone()), ..minimal() }).unwrap_err();
    assert!(matches!(error, Error::NoShape { .. }));

    graph.output = vec![value("sequence", Some(TypeProto { tensor_type: None }))];
    let error = summary_of(&ModelProto { graph: Some(graph), ..minimal() }).unwrap_err();
    assert!(matches!(error, Error::NotATensor { side: "output", .. }));
    Ok(())
}

/// Wraps graphs into graphs by hand, because the encoder of a value this deep would itself recurse.
fn nested_graphs(depth: usize) -> Vec<u8> {
    let field = |tag: u8, body: &[u8]| {
        let mut bytes = vec![tag << 3 | 2];
        prost::encoding::encode_varint(body.len() as u64, &mut bytes);
        bytes.extend_from_slice(body);
        bytes
    };
    let graph = (0..depth).fold(Vec::new(), |graph, _| field(1, &field(5, &field(6, &graph))));
    let mut bytes = field(7, &graph);
    bytes.extend(field(8, &opset("", 17).encode_to_vec()));
    bytes
}

#[test]
fn deep_nesting_is_an_error_not_a_stack_overflow() -> Result<(), Error> {
    assert_eq!(ModelSummary::from_bytes(&nested_graphs(30))?.operators[""], 30);
    assert!(matches!(ModelSummary::from_bytes(&nested_graphs(20_000)), Err(Error::Decode(_))));
    Ok(())
}

/// Truncated and bit-flipped models: any answer will do, as long as there is one.
#[test]
fn damaged_models_never_panic() {
    let graph = GraphProto {
        initializer: vec![external("weight")],
        node: vec![node_with(AttributeProto { ints: vec![1, 2], floats: vec![0.5], ..Default::default() })],
        ..Default::default()
    };
    let bytes = ModelProto { graph: Some(graph), ..minimal() }.encode_to_vec();
    for length in 0..bytes.len() {
        let _ = ModelSummary::from_bytes(&bytes[..length]);
    }
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let _ = ModelSummary::from_bytes(&damaged);
    }
}
