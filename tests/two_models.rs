//! A replay with two models: a score column each, and a menu whose paths cut on either.

mod common;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type, UInt64Type};
use common::{ENCODING, Fixture, K, failure, graph, report, success, trigsieve, write_bundle};
use trigsieve::event::EventTable;
use trigsieve_onnx::{Attribute, TensorData};

const EVENTS: usize = 5000;

/// The fixture with a second bundle, whose score is the sum of the inputs, and a menu on both.
fn fixture(menu: &str) -> Fixture {
    let fixture = Fixture::new(EVENTS);
    let sum = graph(K, |graph, inputs| {
        let axes = graph.constant("axes", &[1], TensorData::I64(vec![1])).unwrap();
        graph.node("ReduceSum", &[inputs, &axes], "score", vec![Attribute::int("keepdims", 0)]).unwrap()
    });
    write_bundle(&fixture.path("sum"), "sum", &sum);
    std::fs::write(fixture.path("menu.toml"), menu).unwrap();
    fixture
}

const MENU: &str = r#"
[[path]]
name = "large_sum"
model = "sum"
threshold = 6.0
prescale = 3

[[path]]
name = "large_squares"
model = "squares"
threshold = 20.0
"#;

/// The same scores in f64: sums of numbers of three digits, so that no threshold lies within an ulp of one.
fn expected(id: u64) -> (f32, f32) {
    let inputs: Vec<f32> = (0..K).map(|input| id as f32 / (1 << input) as f32 * 1e-3).collect();
    (inputs.iter().map(|x| x * x).sum(), inputs.iter().sum())
}

#[test]
fn each_path_cuts_on_its_model() {
    let fixture = fixture(MENU);
    for (workers, models) in [("1", ["model", "sum"]), ("3", ["sum", "model"])] {
        let out = fixture.path(&format!("out{workers}"));
        let models = models.map(|model| fixture.path(model).to_string_lossy().into_owned()).join(",");
        let mut command = trigsieve(&["replay", "--engine", "rten", "--workers", workers, "--batch", "100"]);
        command.arg(&fixture.events).args(["--model", &models]).arg("--menu").arg(fixture.path("menu.toml"));
        success(command.arg("-o").arg(&out));

        let mut sums = 0_u64;
        let decisions = (0..EVENTS as u64).filter_map(|id| {
            let (squares, sum) = expected(id);
            let passes_sum = sum >= 6.0;
            let kept = passes_sum && sums.is_multiple_of(3);
            sums += u64::from(passes_sum);
            let decision = u32::from(kept) | u32::from(squares >= 20.0) << 1;
            (decision != 0).then_some((id, decision, squares, sum))
        });
        let expected: Vec<_> = decisions.collect();
        assert!(expected.len() > 100);

        let table = EventTable::open(&out.join("tagged.arrow")).unwrap();
        assert_eq!(table.schema().encoding, ENCODING);
        let mut found = Vec::new();
        for batch in table.batches() {
            let batch = batch.record_batch();
            let ids = batch["event_id"].as_primitive::<UInt64Type>().values();
            let decisions = batch["decision"].as_primitive::<UInt32Type>().values();
            let squares = batch["score_squares"].as_primitive::<Float32Type>().values();
            let sums = batch["score_sum"].as_primitive::<Float32Type>().values();
            let rows = ids.iter().zip(decisions).zip(squares).zip(sums);
            found.extend(rows.map(|(((id, decision), squares), sum)| (*id, *decision, *squares, *sum)));
        }
        assert_eq!(found, expected);
        assert_eq!(report(&out, "/events_accepted/0/passed"), sums);
        assert_eq!(report(&out, "/events_accepted/0/model"), "sum");
        assert_eq!(report(&out, "/events_accepted/1/model"), "squares");
    }
}

#[test]
fn a_path_of_a_model_that_is_not_there() {
    let fixture = fixture(MENU);
    let mut command = trigsieve(&["replay", "--engine", "rten"]);
    command
        .arg(&fixture.events)
        .arg("--model")
        .arg(&fixture.model)
        .arg("--menu")
        .arg(fixture.path("menu.toml"));
    failure(command.arg("-o").arg(fixture.path("out"))).expect(1, &["`large_sum`", "`sum`", "squares"]);
}
