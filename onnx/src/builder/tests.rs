use super::*;
use crate::ModelSummary;

const BATCH: Dimension = Dimension::Symbol("N");

fn linear(graph: &mut GraphBuilder) -> Result<Value, Error> {
    let inputs = graph.input("inputs", ElementType::F32, &[BATCH, Dimension::Size(2)])?;
    let weight = graph.constant("weight", &[2, 1], TensorData::F32(vec![1.0, -1.0]))?;
    let product = graph.node("MatMul", &[&inputs, &weight], "product", vec![])?;
    let axes = graph.constant("axes", &[1], TensorData::I64(vec![1]))?;
    graph.node("ReduceSum", &[&product, &axes], "score", vec![Attribute::int("keepdims", 0)])
}

#[test]
fn a_graph_reads_back_as_it_was_written() -> Result<(), Error> {
    let mut graph = GraphBuilder::new("linear");
    let score = linear(&mut graph)?;
    graph.output(&score, ElementType::F32, &[BATCH])?;
    let info = ModelInfo { metadata: vec![("encoding".into(), "l1_57".into())], ..Default::default() };
    let bytes = graph.finish(&info)?;

    let summary = ModelSummary::from_bytes(&bytes)?;
    assert_eq!((summary.ir_version, summary.opset), (IR_VERSION, OPSET_VERSION));
    assert_eq!(summary.inputs.len(), 1);
    assert_eq!(summary.inputs[0].shape, [None, Some(2)]);
    assert_eq!(summary.outputs[0].name, "score");
    assert_eq!(summary.outputs[0].shape, [None]);
    assert_eq!(summary.parameters, 3);
    assert_eq!(
        summary.operators.into_iter().collect::<Vec<_>>(),
        [("MatMul".into(), 1), ("ReduceSum".into(), 1)]
    );
    assert_eq!(summary.metadata["encoding"], "l1_57");
    Ok(())
}

#[test]
fn a_value_that_nothing_reads_is_refused() -> Result<(), Error> {
    let mut graph = GraphBuilder::new("dead");
    let score = linear(&mut graph)?;
    graph.node("Relu", &[&score], "dead_end", vec![])?;
    graph.output(&score, ElementType::F32, &[BATCH])?;
    let error = graph.finish(&ModelInfo::default()).unwrap_err();
    assert!(matches!(error, Error::Unused { name } if name == "dead_end"));
    Ok(())
}

#[test]
fn an_operator_of_another_domain_is_declared_and_not_deployable() -> Result<(), Error> {
    let mut graph = GraphBuilder::new("custom");
    let score = linear(&mut graph)?;
    let mode = Attribute::text("rounding_mode", "ROUND");
    let quantised =
        graph.custom_node("qonnx.custom_op.general", "Quant", &[&score], "quantised", vec![mode])?;
    graph.output(&quantised, ElementType::F32, &[BATCH])?;
    let summary = ModelSummary::from_bytes(&graph.finish(&ModelInfo::default())?)?;
    assert!(summary.other_domains.iter().eq(["qonnx.custom_op.general"]));
    assert!(summary.check_deployable().is_err());
    Ok(())
}

#[test]
fn names_and_outputs_are_unique() -> Result<(), Error> {
    let mut graph = GraphBuilder::new("twice");
    let score = linear(&mut graph)?;
    let again = graph.constant("weight", &[1], TensorData::U8(vec![0]));
    assert!(matches!(again, Err(Error::DuplicateName { name }) if name == "weight"));
    graph.output(&score, ElementType::F32, &[BATCH])?;
    let again = graph.output(&score, ElementType::F32, &[BATCH]);
    assert!(matches!(again, Err(Error::DuplicateName { name }) if name == "score"));
    Ok(())
}

#[test]
fn data_must_fill_the_shape() {
    let mut graph = GraphBuilder::new("short");
    let short = graph.constant("weight", &[2, 2], TensorData::I8(vec![1, 2, 3]));
    assert!(matches!(short, Err(Error::TensorSize { values: 3, .. })));
    let overflow = graph.constant("weight", &[usize::MAX, 2], TensorData::I32(vec![]));
    assert!(matches!(overflow, Err(Error::TensorSize { .. })));
}

#[test]
fn tensors_are_little_endian() {
    assert_eq!(TensorData::F32(vec![1.0]).to_bytes(), [0, 0, 0x80, 0x3f]);
    assert_eq!(TensorData::I32(vec![-2]).to_bytes(), [0xfe, 0xff, 0xff, 0xff]);
    assert_eq!(TensorData::I8(vec![-1]).to_bytes(), [0xff]);
    assert_eq!(TensorData::I64(vec![1]).to_bytes(), [1, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_model_becomes_part_of_another() -> Result<(), Error> {
    let mut inner = GraphBuilder::new("inner");
    let score = linear(&mut inner)?;
    inner.output(&score, ElementType::F32, &[BATCH])?;
    let inner = inner.finish(&ModelInfo::default())?;
    let mut graph = GraphBuilder::new("outer");
    let inputs = graph.input("inputs", ElementType::F32, &[BATCH, Dimension::Size(2)])?;
    let given = [("inputs", &inputs)];
    graph.embed(&inner, "first_", &given, "score")?;
    let second = graph.embed(&inner, "second_", &given, "score")?;
    assert_eq!(second.name(), "second_score");
    assert!(matches!(graph.embed(&inner, "first_", &given, "score"), Err(Error::DuplicateName { .. })));
    assert!(
        matches!(graph.embed(&inner, "third_", &[], "score"), Err(Error::NoValue { name }) if name == "inputs")
    );
    assert!(matches!(graph.embed(&[], "third_", &given, "score"), Err(Error::NoGraph)));
    let mut graph = GraphBuilder::new("outer");
    let inputs = graph.input("inputs", ElementType::F32, &[BATCH, Dimension::Size(2)])?;
    let given = [("inputs", &inputs)];
    assert!(matches!(graph.embed(&inner, "", &given, "mu"), Err(Error::NoValue { name }) if name == "mu"));
    Ok(())
}

#[test]
fn embedded_models_make_a_complete_graph() -> Result<(), Error> {
    let mut inner = GraphBuilder::new("inner");
    let score = linear(&mut inner)?;
    inner.output(&score, ElementType::F32, &[BATCH])?;
    let inner = inner.finish(&ModelInfo::default())?;
    let mut graph = GraphBuilder::new("outer");
    let inputs = graph.input("inputs", ElementType::F32, &[BATCH, Dimension::Size(2)])?;
    let members =
        ["first_", "second_"].map(|prefix| graph.embed(&inner, prefix, &[("inputs", &inputs)], "score"));
    let [first, second] = members;
    let score = graph.node("Sum", &[&first?, &second?], "score", vec![])?;
    graph.output(&score, ElementType::F32, &[BATCH])?;
    let summary = ModelSummary::from_bytes(&graph.finish(&ModelInfo::default())?)?;
    assert_eq!((summary.operators["MatMul"], summary.operators["Sum"], summary.parameters), (2, 1, 6));
    summary.check_deployable()
}
