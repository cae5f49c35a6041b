//! Combinations of bundles: one graph that says what the rule says of the members' own scores.

mod common;

use common::{FAMILIES, K, Workbench, background};
use trigsieve::model::{ModelBundle, Precision};
use trigsieve::score::{Engine, ScorerSpec};
use trigsieve_train::TrainError;
use trigsieve_train::bundle::scores;
use trigsieve_train::data::{self, EventMatrix};
use trigsieve_train::graph::EfficiencyTable;

const MEMBERS: [&str; 3] = ["plain", "vae_r_z", "svdd"];

/// A folder with trained members in `members/`.
fn bench() -> Workbench {
    let bench = Workbench::new();
    for name in MEMBERS {
        let family = FAMILIES.iter().find(|(other, _)| *other == name).unwrap().1;
        let member = bench.clone().family(family).set("name = \"tiny\"", &format!("name = \"{name}\""));
        member.train_to(&bench.folder.path().join("members").join(name)).unwrap();
    }
    bench
}

fn combination(bench: &Workbench, rule: &str) -> Workbench {
    let members = MEMBERS.map(|name| format!("members/{name}"));
    let network = format!("[network]\nfamily = \"combination\"\nmembers = {members:?}\nrule = \"{rule}\"\n");
    bench.clone().family(&network)
}

fn expected(rule: &str, rarities: &[f32]) -> f32 {
    let efficiencies = rarities.iter().map(|rarity| 10.0_f64.powf(-f64::from(*rarity)));
    let combined = match rule {
        "and" => efficiencies.fold(0.0, f64::max),
        "or" => efficiencies.fold(1.0, f64::min),
        "product" => efficiencies.product(),
        _ => efficiencies.sum::<f64>() / rarities.len() as f64,
    };
    -combined.log10() as f32
}

#[test]
fn the_graph_combines_the_members_efficiencies() {
    let bench = bench();
    let split = data::load(&bench.recipe().unwrap().recipe, bench.folder.path()).unwrap();
    let mut inputs = background(300, 99);
    // Far beyond all background.
    inputs[K] = 1e5;
    inputs[2 * K] = 1e7;
    let events = EventMatrix::new(inputs, K);
    for precision in [Precision::Float, Precision::Int8] {
        let members = MEMBERS.map(|name| {
            let bundle = ModelBundle::open(&bench.folder.path().join("members").join(name)).unwrap();
            let table = EfficiencyTable::fit(scores(&bundle, precision, &split.validation).unwrap()).unwrap();
            scores(&bundle, precision, &events)
                .unwrap()
                .into_iter()
                .map(|score| table.value(score))
                .collect::<Vec<_>>()
        });
        for rule in ["and", "or", "product", "average"] {
            let combined = combination(&bench, rule);
            combined.train().unwrap();
            let bundle = ModelBundle::open(&combined.bundle()).unwrap();
            for engine in [Engine::Rten, Engine::Onnx] {
                let spec = ScorerSpec { engine, precision, ..ScorerSpec::default() };
                let mut found = vec![0.0; events.len()];
                spec.scorer(&bundle).unwrap().score(events.rows(), &mut found).unwrap();
                let mut off = 0;
                for (event, found) in found.iter().enumerate() {
                    let rarities: Vec<f32> = members.iter().map(|member| member[event]).collect();
                    let expected = expected(rule, &rarities);
                    assert!(found.is_finite(), "{rule}, {engine:?}, event {event}");
                    if (found - expected).abs() > 1e-3 * expected.abs().max(0.1) {
                        off += 1;
                    }
                }
                // Between int8 engines a rounding may fall to the other side.
                let allowed = if precision == Precision::Float { 0 } else { events.len() / 50 };
                assert!(off <= allowed, "{rule}, {precision}, {engine:?}: {off} events differ");
            }
        }
    }
}

#[test]
fn the_card_names_the_members() {
    let combined = combination(&bench(), "and");
    let card = combined.train().unwrap().card;
    assert_eq!((card.family.as_str(), card.score.name.as_str()), ("combination", "combined_efficiency_and"));
    let training = card.training.as_ref().unwrap();
    let names: Vec<&str> = training.members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, MEMBERS);
    let bundle = ModelBundle::open(&combined.folder.path().join("members/plain")).unwrap();
    assert_eq!(training.members[0].files, bundle.card().files);
    assert!(!card.thresholds[&Precision::Float].is_empty());
    let first = card.files.clone();
    assert_eq!(combined.train().unwrap().card.files, first, "the same bits again");
}

#[test]
fn members_that_do_not_fit_are_refused() {
    let bench = Workbench::new();
    let missing = combination(&bench, "and").train().unwrap_err();
    assert!(matches!(missing, TrainError::Bundle(_)) && missing.to_string().contains("plain"), "{missing}");
    let other = self::bench();
    let card = other.folder.path().join("members/svdd/model.toml");
    let text = std::fs::read_to_string(&card).unwrap().replace("\"l1_57\"", "\"simple_ae_34\"");
    std::fs::write(&card, text).unwrap();
    let refused = combination(&other, "or").train().unwrap_err();
    assert!(
        matches!(refused, TrainError::Member { .. }) && refused.to_string().contains("simple_ae_34"),
        "{refused}"
    );
}
