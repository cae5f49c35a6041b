//! `trigsieve import-hls`: a bundle or nothing.

use super::*;

const DEFINES: &str = "\
typedef ap_fixed<8,4> input_t;
typedef ap_fixed<12,6> layer2_t;
typedef ap_fixed<4,1> weight2_t;
typedef ap_ufixed<6,3,AP_RND,AP_SAT> result_t;
weight2_t w2[6] = {0.5, -0.5, 0.25, 0.125, 0, -1.0};
weight2_t b2[2] = {0.5, 0};
struct config2 : nnet::dense_config {
    static const unsigned n_in = 3;
    static const unsigned n_out = 2;
    typedef layer2_t accum_t;
};
struct relu_config3 : nnet::activ_config {
    static const unsigned n_in = 2;
};
";

const TOP: &str = "\
#include \"defines.h\"
void myproject(input_t x[3], result_t y[2]) {
    layer2_t layer2_out[2];
    nnet::dense<input_t, layer2_t, config2>(x, layer2_out, w2, b2);
    nnet::relu<layer2_t, result_t, relu_config3>(layer2_out, y);
}
";

impl Desk {
    /// A project in the folder `project`.
    fn write_project(&self, top: &str) {
        std::fs::create_dir_all(self.path("project/firmware")).unwrap();
        std::fs::write(self.path("project/firmware/defines.h"), DEFINES).unwrap();
        std::fs::write(self.path("project/firmware/myproject.cpp"), top).unwrap();
    }

    fn import(&self, flags: &[&str]) -> Output {
        let arguments = ["import-hls", "project", "-o", "models/toy", "--encoding", "three_numbers"];
        self.trigsieve(&[&arguments, flags].concat())
    }
}

#[test]
fn a_project_becomes_a_bundle_that_can_be_inspected() {
    let desk = Desk::new();
    desk.write_project(TOP);
    let report = succeeded(&desk.import(&["--score", "sum-of-squares"]));
    for line in [
        "network  myproject (firmware/myproject.cpp:2)",
        "firmware/myproject.cpp:4: dense",
        "sum-of-squares of `y`",
    ] {
        assert!(report.contains(line), "{report}");
    }
    let shown = succeeded(&desk.trigsieve(&["inspect", "models/toy"]));
    for word in ["toy", "three_numbers", "fixed.json", "myproject", "ap_ufixed<6,3,AP_RND,AP_SAT>"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let again = desk.import(&["--score", "sum-of-squares"]);
    failed(&again, 1, &["models/toy: holds a model bundle; pass --force to replace it"]);
    let card = std::fs::read(desk.path("models/toy/model.toml")).unwrap();
    succeeded(&desk.import(&["--score", "sum-of-squares", "--force", "--score-format", "ap_ufixed<10,5>"]));
    assert_ne!(
        std::fs::read(desk.path("models/toy/model.toml")).unwrap(),
        card,
        "another score, another sha256"
    );
    assert_eq!(desk.path("models").read_dir().unwrap().count(), 1, "nothing is left beside the bundle");
}

#[test]
fn what_is_not_understood_leaves_nothing() {
    let desk = Desk::new();
    desk.write_project(TOP);
    failed(&desk.import(&[]), 1, &["firmware/myproject.cpp:2: the network has 2 outputs", "sum-of-squares"]);
    desk.write_project(&TOP.replace("nnet::relu<", "nnet::softmax<"));
    let unknown = desk.import(&["--score", "sum-of-squares"]);
    failed(&unknown, 1, &["project/firmware/myproject.cpp:5: the layer nnet::softmax is not supported"]);
    desk.write_project(TOP);
    let encoding =
        desk.trigsieve(&["import-hls", "project", "-o", "models/toy", "--score", "sum-of-squares"]);
    failed(&encoding, 1, &["takes 3 inputs and the encoding l1_57 has 57", "--encoding"]);
    assert!(!desk.path("models").exists(), "nothing was written");
}
