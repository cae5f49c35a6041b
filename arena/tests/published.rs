//! The published results of the Dark Machines challenge, ranked: arXiv:2105.14027, Table 23 and Figures 15 to 17.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use trigsieve_arena::{Definition, Metric, Table, TotalImprovements, Values, WorkingPoint};

fn published() -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/darkmachines.csv.gz");
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_string(&mut text).unwrap();
    Table::from_reader(text.as_bytes(), &path).unwrap()
}

/// Table 23, from the highest median down: model, then minimum, median and maximum of the total improvement.
const TABLE_23: [(&str, &str, &str, &str); 27] = [
    ("Flow-Efficient_Likelihood", "0.90", "15.00", "54.00"),
    ("Combined-AND-DeepSVDD-Flow", "0.32", "10.00", "79.00"),
    ("Combined-AVG-DeepSVDD-Flow", "0.80", "10.00", "97.00"),
    ("Flow-Efficient-No-E_Likelihood", "0.32", "8.00", "53.00"),
    ("Combined-PROD-DeepSVDD-Flow", "0.00", "7.91", "24.00"),
    ("Combined-AND-VAE_beta1_z21-Flow", "0.10", "7.00", "66.00"),
    ("Combined-OR-DeepSVDD-Flow", "0.50", "6.30", "31.00"),
    ("Combined-OR-VAE_beta1_z21-Flow", "0.30", "6.30", "22.00"),
    ("Combined-AVG-VAE_beta1_z21-Flow", "0.10", "6.00", "69.00"),
    ("Combined-PROD-VAE_beta1_z21-Flow", "0.10", "6.00", "69.00"),
    ("DeepSetVAE_beta_1.0_weight_10.0", "0.08", "3.75", "18.81"),
    ("DeepSetVAE_beta_1.0_weight_1.0", "0.03", "3.50", "16.91"),
    ("ALAD_ld10_lr1e-5_bs500_epoch2000_enc512_F_sc", "0.19", "2.85", "14.63"),
    ("DAGMM_10_1e-07_1000_0.01_0.01_50_15_8", "0.00", "2.31", "6.51"),
    ("DAGMM_10_1e-07_1000_0.001_0.01_50_15_8", "0.00", "2.31", "6.51"),
    ("VAE_PlanarFlow", "0.12", "2.28", "3.45"),
    ("VAE-dynamic-beta1-z13_Radius", "0.00", "2.20", "28.00"),
    ("ALAD_ld10_lr1e-5_bs5000_epoch2000_enc512_F_sc", "0.28", "2.20", "17.40"),
    ("KDE_PCA_D=9", "0.00", "1.43", "12.25"),
    ("ALAD_ld10_lr1e-5_bs5000_epoch2000_enc512_L_1", "0.00", "1.40", "24.27"),
    ("ALAD_ld10_lr1e-5_bs5000_epoch2000_enc512_L_2", "0.00", "1.21", "20.73"),
    ("ALAD_ld10_lr1e-5_bs5000_epoch2000_enc512_L_sc", "0.00", "1.06", "36.94"),
    ("ALAD_ld10_lr1e-5_bs500_epoch2000_enc512_L_1", "0.03", "1.06", "28.27"),
    ("ALAD_ld10_lr1e-5_bs500_epoch2000_enc512_L_sc", "0.22", "1.04", "38.17"),
    ("SimpleAE", "0.20", "0.98", "39.60"),
    ("ALAD_ld10_lr1e-5_bs500_epoch2000_enc512_L_2", "0.17", "0.91", "21.49"),
    ("VAE_ConvolutionalFlow", "0.06", "0.12", "0.21"),
];

/// Models of the table whose median is above this are all that have such a median.
const TABLE_23_COMPLETE_ABOVE: f64 = 2.0;

#[test]
fn table_23_of_the_total_improvement() {
    let improvements = TotalImprovements::of(&published());
    assert_eq!(improvements.models.len(), 1040);
    let left_out = improvements.left_out.iter();
    assert!(left_out.clone().all(|model| model.starts_with("DeepSVDD_") && model.ends_with("_d377")));
    assert_eq!(left_out.count(), 8);

    let by_name: BTreeMap<&str, _> =
        improvements.models.iter().map(|model| (model.model.as_str(), model)).collect();
    for (name, minimum, median, maximum) in TABLE_23 {
        let summary = &by_name[name].summary;
        let found = [summary.minimum, summary.median, summary.maximum].map(|value| format!("{value:.2}"));
        assert_eq!(found, [minimum, median, maximum], "{name}");
        assert_eq!(by_name[name].signals.len(), 19, "{name}");
    }
    // The published order is by the median; it says nothing between equals, which share a place here.
    let places: Vec<usize> = TABLE_23.iter().map(|(name, ..)| by_name[name].place).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(places[..18], [1, 2, 2, 4, 5, 6, 7, 7, 9, 9, 11, 12, 13, 14, 14, 16, 17, 18]);
    let above = improvements.models.iter().filter(|model| model.summary.median > TABLE_23_COMPLETE_ABOVE);
    let above: BTreeSet<&str> = above.map(|model| model.model.as_str()).collect();
    assert_eq!(above, TABLE_23[..18].iter().map(|(name, ..)| *name).collect());
}

const FLOW: &str = "Flow-Efficient_Likelihood";
const FLOW_NO_E: &str = "Flow-Efficient-No-E_Likelihood";
const AND_SVDD: &str = "Combined-AND-DeepSVDD-Flow";
const OR_SVDD: &str = "Combined-OR-DeepSVDD-Flow";
const AVG_SVDD: &str = "Combined-AVG-DeepSVDD-Flow";
const PROD_SVDD: &str = "Combined-PROD-DeepSVDD-Flow";
const AND_VAE: &str = "Combined-AND-VAE_beta1_z21-Flow";
const OR_VAE: &str = "Combined-OR-VAE_beta1_z21-Flow";
const AVG_VAE: &str = "Combined-AVG-VAE_beta1_z21-Flow";
const PROD_VAE: &str = "Combined-PROD-VAE_beta1_z21-Flow";
const ALAD_F: &str = "ALAD_ld20_lr1e-5_bs500_epoch2000_enc512_F_sc";

const AT_1E2: Metric = Metric::SignalEfficiency(WorkingPoint::OneIn100);
const AT_1E3: Metric = Metric::SignalEfficiency(WorkingPoint::OneIn1000);
const AT_1E4: Metric = Metric::SignalEfficiency(WorkingPoint::OneIn10000);

/// The best of a ranking, in their order, with their values.
type Best = (Metric, Definition, &'static [(&'static str, f64)]);

/// The ranking of `table` starts with these models and values; equals share a place.
fn assert_best(table: &Table, (metric, definition, best): &Best) {
    let ranking = Values::of(table, *metric).rank(*definition);
    assert_eq!(ranking.standings.len(), 1040);
    let by_name: BTreeMap<&str, _> =
        ranking.standings.iter().map(|standing| (standing.model.as_str(), standing)).collect();
    let better = |a: f64, b: f64| if definition.lower_is_better() { a < b } else { a > b };
    for (model, value) in *best {
        let standing = by_name[model];
        assert!((standing.value - value).abs() < 1e-6, "{metric}, {definition}: {standing:?}, not {value}");
        // Nobody but those before it in the list is better.
        let place = 1 + best.iter().filter(|(_, other)| better(*other, *value)).count();
        assert_eq!(standing.place, place, "{metric}, {definition}: {standing:?}");
    }
}

/// The order is that of Figures 15 to 17; the values are what numpy finds in the table.
const BY_VALUE: [Best; 11] = [
    (
        Metric::Auc,
        Definition::Mean,
        &[
            (FLOW, 0.922941),
            (OR_SVDD, 0.917059),
            (OR_VAE, 0.909118),
            (AVG_SVDD, 0.898529),
            (FLOW_NO_E, 0.884118),
        ],
    ),
    (
        AT_1E2,
        Definition::Mean,
        &[
            (FLOW, 0.594706),
            (OR_SVDD, 0.545882),
            (OR_VAE, 0.531765),
            (AVG_SVDD, 0.495294),
            (FLOW_NO_E, 0.438529),
        ],
    ),
    (
        AT_1E3,
        Definition::Mean,
        &[
            (AVG_SVDD, 0.304118),
            (AND_SVDD, 0.264118),
            (FLOW_NO_E, 0.247941),
            (AVG_VAE, 0.164706),
            (PROD_VAE, 0.164706),
        ],
    ),
    (
        AT_1E4,
        Definition::Mean,
        &[
            (AVG_SVDD, 0.182941),
            (AND_SVDD, 0.162647),
            (FLOW, 0.132647),
            (FLOW_NO_E, 0.107353),
            (AND_VAE, 0.088235),
        ],
    ),
    (
        Metric::Auc,
        Definition::Median,
        &[(FLOW, 0.970), (OR_VAE, 0.960), (OR_SVDD, 0.960), (AVG_SVDD, 0.950), (FLOW_NO_E, 0.945)],
    ),
    (
        AT_1E2,
        Definition::Median,
        &[(FLOW, 0.670), (OR_SVDD, 0.590), (OR_VAE, 0.575), (FLOW_NO_E, 0.465), (AVG_SVDD, 0.460)],
    ),
    (
        AT_1E3,
        Definition::Median,
        &[(AVG_SVDD, 0.185), (AND_SVDD, 0.165), (FLOW_NO_E, 0.160), (AVG_VAE, 0.105), (PROD_VAE, 0.105)],
    ),
    (
        AT_1E4,
        Definition::Median,
        &[(FLOW, 0.090), (AVG_SVDD, 0.070), (AND_SVDD, 0.065), (FLOW_NO_E, 0.055), (AVG_VAE, 0.040)],
    ),
    (
        Metric::Auc,
        Definition::Minimum,
        &[
            (FLOW_NO_E, 0.67),
            ("VAE_OrthogonalSNF", 0.666274),
            ("VAE_IAF", 0.655265),
            ("VAE_HouseholderSNF", 0.634438),
            (FLOW, 0.63),
        ],
    ),
    (AT_1E2, Definition::Minimum, &[(FLOW, 0.03), (FLOW_NO_E, 0.02), ("SimpleAE", 0.013274)]),
    (AT_1E3, Definition::Minimum, &[(ALAD_F, 0.001033)]),
];

#[test]
fn rankings_by_mean_median_and_minimum_have_the_order_of_the_figures() {
    let table = published();
    BY_VALUE.iter().for_each(|best| assert_best(&table, best));
}

/// The first of the rankings that count ranks, as a separate count in numpy finds them on all 34 pairs.
const BY_RANK: [Best; 12] = [
    (
        Metric::Auc,
        Definition::TopScorer,
        &[(FLOW, 12.0), (OR_SVDD, 11.0), (FLOW_NO_E, 11.0), (AVG_SVDD, 10.0), (OR_VAE, 3.0)],
    ),
    (AT_1E2, Definition::TopScorer, &[(AVG_SVDD, 10.0), (PROD_SVDD, 9.0), (FLOW_NO_E, 8.0), (FLOW, 7.0)]),
    (AT_1E3, Definition::TopScorer, &[(AVG_SVDD, 12.0), (FLOW_NO_E, 10.0), (FLOW, 4.0)]),
    (AT_1E4, Definition::TopScorer, &[(FLOW_NO_E, 11.0), (AVG_SVDD, 9.0), (FLOW, 9.0)]),
    (
        Metric::Auc,
        Definition::TopFive,
        &[(FLOW, 28.0), (OR_SVDD, 27.0), (OR_VAE, 26.0), (AVG_SVDD, 22.0), (FLOW_NO_E, 20.0)],
    ),
    (
        AT_1E2,
        Definition::TopFive,
        &[(FLOW, 28.0), (OR_SVDD, 23.0), (AVG_SVDD, 22.0), (OR_VAE, 19.0), (FLOW_NO_E, 15.0)],
    ),
    (
        AT_1E3,
        Definition::TopFive,
        &[(AVG_SVDD, 24.0), (AND_SVDD, 23.0), (FLOW_NO_E, 18.0), (AVG_VAE, 15.0), (PROD_VAE, 15.0)],
    ),
    (
        AT_1E4,
        Definition::TopFive,
        &[(AVG_SVDD, 25.0), (AND_SVDD, 22.0), (FLOW_NO_E, 18.0), (FLOW, 17.0), (AND_VAE, 13.0)],
    ),
    (
        Metric::Auc,
        Definition::AverageRank,
        &[
            (OR_SVDD, 16.529412),
            (AVG_SVDD, 18.897059),
            (OR_VAE, 21.617647),
            (AVG_VAE, 25.294118),
            (FLOW, 25.882353),
        ],
    ),
    (
        AT_1E2,
        Definition::AverageRank,
        &[
            (OR_SVDD, 24.661765),
            (AVG_SVDD, 34.514706),
            (FLOW, 34.779412),
            (OR_VAE, 56.573529),
            (AND_SVDD, 58.102941),
        ],
    ),
    (
        AT_1E3,
        Definition::AverageRank,
        &[
            (AND_SVDD, 69.117647),
            (AND_VAE, 104.794118),
            (AVG_VAE, 118.235294),
            (PROD_VAE, 118.235294),
            (AVG_SVDD, 118.852941),
        ],
    ),
    (
        AT_1E4,
        Definition::AverageRank,
        &[
            (AND_SVDD, 97.882353),
            (AVG_SVDD, 103.485294),
            ("ALAD_ld40_lr1e-5_bs100_epoch2000_enc512_F_sc", 127.926471),
            ("ALAD_ld10_lr1e-5_bs100_epoch2000_enc512_F_sc", 135.911765),
            (AVG_VAE, 140.764706),
        ],
    ),
];

#[test]
fn rankings_by_rank_are_those_of_a_separate_count() {
    let table = published();
    BY_RANK.iter().for_each(|best| assert_best(&table, best));
}

#[test]
fn the_report_on_all_published_models_is_readable() {
    let folder = tempfile::tempdir().unwrap();
    trigsieve_arena::write_report(&published(), folder.path()).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("rankings.csv").lines().count(), 1 + 4 * 6 * 1040);
    assert_eq!(read("total_improvement.csv").lines().count(), 1 + 1040);
    assert_eq!(read("total_improvement_signals.csv").lines().count(), 1 + 19 * 1040);
    let report = read("report.md");
    assert!(report.contains("1048 models, 19 physics signals in 4 channels (34 channel-signal pairs)"));
    assert!(report.contains(r"| 1 | Flow-Efficient\_Likelihood | 0.90 | 15.00 | 54.00 |"), "{report}");
    for plot in ["auc", "efficiency_1e-2", "efficiency_1e-3", "efficiency_1e-4", "total_improvement"] {
        let svg = read(&format!("{plot}.svg"));
        assert!(svg.trim_end().ends_with("</svg>"), "{plot}");
        assert!(svg.contains("best 40 of 1040 models"), "{plot}");
        assert!(svg.contains("Flow-Efficient_Likelihood"), "{plot}");
    }
}
