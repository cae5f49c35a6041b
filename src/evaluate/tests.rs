use super::*;
use crate::model::{DataSource, Precision};

fn sample(name: &str, values: Vec<f32>) -> Sample {
    let source =
        DataSource { file: format!("{name}.arrow"), sha256: "ab".to_owned(), events: values.len() as u64 };
    Sample::new(name, source, values)
}

fn model() -> Model {
    Model {
        name: "l1_ae".to_owned(),
        encoding: "l1_57".to_owned(),
        engine: "onnx".to_owned(),
        precision: Precision::Float,
        model_sha256: "cd".to_owned(),
    }
}

fn ramp(events: u32) -> Vec<f32> {
    (0..events).map(|score| score as f32).collect()
}

fn json(background: Sample, signals: &[Sample]) -> serde_json::Value {
    serde_json::to_value(evaluate(model(), &background, signals).unwrap()).unwrap()
}

#[test]
fn metrics_have_the_contracts_layout() {
    let mut background = ramp(2000);
    background.push(f32::NAN);
    let metrics = json(sample("background", background), &[sample("a", vec![1990.5; 10])]);
    assert_eq!(metrics["model"], "l1_ae");
    assert_eq!(metrics["precision"], "float");
    assert_eq!(metrics["background"]["events"], 2001);
    assert_eq!(metrics["background"]["invalid"], 1);
    let signal = &metrics["signals"]["a"];
    assert_eq!(signal["events"], 10);
    // Above 1991 of 2000 background events.
    assert_eq!(signal["auc"], 1991.0 / 2000.0);
    assert!(signal["auc_error"].is_number());
    let tight = &signal["efficiency"]["1e-2"];
    assert_eq!((&tight["value"], &tight["high"]), (&1.0.into(), &1.0.into()));
    assert!((tight["low"].as_f64().unwrap() - 0.831_850_813_862).abs() < 1e-9);
    assert_eq!(tight["background_events_passing"], 20);
    assert_eq!(tight["note"], serde_json::Value::Null);
    // 9 background events lie above the signal, so the best counted point is at 10.
    let best = signal["max_significance_improvement"].as_f64().unwrap();
    assert!((best - 1.0 / (10.0f64 / 2000.0).sqrt()).abs() < 1e-12, "{best}");
    assert_eq!(signal["max_significance_improvement_at"]["background_events_passing"], 10);
}

#[test]
fn few_background_events_are_noted_and_too_few_give_null() {
    let metrics = json(sample("background", ramp(2000)), &[sample("a", ramp(3000))]);
    let efficiency = &metrics["signals"]["a"]["efficiency"];
    assert_eq!(efficiency["1e-3"]["background_events_passing"], 2);
    assert!(efficiency["1e-3"]["value"].is_number());
    assert!(efficiency["1e-3"]["note"].as_str().unwrap().starts_with("2 of 2000 background events pass"));
    for key in ["value", "low", "high", "background_events_passing"] {
        assert!(efficiency["1e-4"][key].is_null(), "{key}");
    }
    assert!(efficiency["1e-4"]["note"].as_str().unwrap().contains("too few"));
}

#[test]
fn the_cards_metrics_leave_out_what_is_not_known() {
    let background = sample("background", ramp(2000));
    let card = evaluate(model(), &background, &[sample("a", ramp(10))]).unwrap().card();
    assert_eq!(card.background, background.source);
    let signal = &card.signals["a"];
    assert_eq!(signal.efficiency.keys().collect::<Vec<_>>(), ["1e-2", "1e-3"]);
}

#[test]
fn samples_without_valid_events_and_of_one_name_are_refused() {
    let good = || sample("good", ramp(5));
    let bad = || sample("bad", vec![f32::NAN; 3]);
    for (background, signal) in [(good(), bad()), (bad(), good()), (good(), sample("bad", vec![]))] {
        let error = evaluate(model(), &background, &[signal]).unwrap_err().to_string();
        assert!(error.contains("bad.arrow: no valid event"), "{error}");
    }
    let error = evaluate(model(), &good(), &[good(), good()]).unwrap_err().to_string();
    assert!(error.contains("the name `good`"), "{error}");
}
