//! What can't be taken is refused with the file, the line and the text; and both halves of the truth are tested: the same
//! project without the fault is taken.

use std::path::Path;

use trigsieve_hls::{ImportError, Imported, Options, Project, Score, import_project};

const DEFINES: &str = "\
#ifndef DEFINES_H_
#define DEFINES_H_
#define N_IN 3
static const int N_OUT = 2;
typedef ap_fixed<8,4> input_t;
typedef ap_fixed<12,6> accum_t;
typedef accum_t layer2_t;
typedef ap_fixed<4,1> weight2_t;
typedef ap_uint<1> bias2_t;
typedef ap_ufixed<6,3,AP_RND,AP_SAT> result_t;
#endif
";

const PARAMETERS: &str = "\
#include \"defines.h\"
#include \"weights/w2.h\"
#include \"weights/b2.h\"
struct config2 : nnet::dense_config {
    static const unsigned n_in = N_IN;
    static const unsigned n_out = N_OUT;
    static const unsigned strategy = nnet::latency;
    static const unsigned reuse_factor = 1;
    typedef ::accum_t accum_t;
    typedef weight2_t weight_t;
    typedef bias2_t bias_t;
};
struct relu_config3 : nnet::activ_config {
    static const unsigned n_in = 2;
};
";

const TOP: &str = "\
#include \"parameters.h\"
void myproject(
    input_t x[N_IN],
    result_t layer3_out[N_OUT]
) {
    #pragma HLS PIPELINE
    layer2_t layer2_out[N_OUT];
    nnet::dense<input_t, layer2_t, config2>(x, layer2_out, w2, b2); // dense
    nnet::relu<layer2_t, result_t, relu_config3>(layer2_out, layer3_out);
}
";

const W2: &str = "weight2_t w2[6] = {0.5, -0.5, 0.25,\n    0.125, 0, -1.0};\n";
const B2: &str = "bias2_t b2[2] = {1, 0};\n";

fn project(changes: &[(&str, &str, &str)]) -> Project {
    let mut files: Vec<(String, String)> = [
        ("defines.h", DEFINES),
        ("parameters.h", PARAMETERS),
        ("myproject.cpp", TOP),
        ("weights/w2.h", W2),
        ("weights/b2.h", B2),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into();
    for (path, from, to) in changes {
        let file = files.iter_mut().find(|(other, _)| other == path).expect("a file");
        assert!(file.1.contains(from), "{path} has no {from}");
        file.1 = file.1.replacen(from, to, 1);
    }
    Project::of_files(Path::new("P"), files)
}

fn squares() -> Options {
    Options { score: Score::SumOfSquares, ..Options::default() }
}

fn taken(changes: &[(&str, &str, &str)]) -> Imported {
    import_project(&project(changes), &squares()).unwrap_or_else(|error| panic!("{error}"))
}

/// The message of a refusal, which is one line.
fn refused(changes: &[(&str, &str, &str)], options: &Options) -> String {
    let error: ImportError = match import_project(&project(changes), options) {
        Ok(_) => return "was taken".to_owned(),
        Err(error) => error,
    };
    let message = error.to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn the_project_without_a_fault_is_taken() {
    let imported = taken(&[]);
    assert_eq!(imported.program.k(), 3);
    assert_eq!(imported.program.operations.len(), 4);
    assert_eq!(imported.report.place, "myproject.cpp:2");
    assert_eq!(imported.report.layers[0], "myproject.cpp:8: dense (weights/w2.h:1, weights/b2.h:1)");
}

#[test]
fn faults_are_refused_where_they_stand() {
    let relu = "nnet::relu<layer2_t, result_t, relu_config3>(layer2_out, layer3_out);";
    let cases: &[(&str, &str, &str, &str)] = &[
        (
            "myproject.cpp",
            "nnet::relu<",
            "nnet::softmax<",
            "P/myproject.cpp:9: the layer nnet::softmax is not supported",
        ),
        (
            "myproject.cpp",
            relu,
            "layer3_out[0] = layer2_out[0];",
            "P/myproject.cpp:9: `layer3_out[0]=layer2_out[0]` in the network",
        ),
        (
            "myproject.cpp",
            "(layer2_out, layer3_out)",
            "(layer4_out, layer3_out)",
            "P/myproject.cpp:9: no array `layer4_out`",
        ),
        (
            "myproject.cpp",
            relu,
            "nnet::relu<layer2_t, result_t, relu_config3>(layer2_out, layer3_out);\n    nnet::relu<layer2_t, result_t, relu_config3>(layer2_out, layer3_out);",
            "P/myproject.cpp:10: relu writes `layer3_out`, which has been written before",
        ),
        (
            "myproject.cpp",
            "relu<layer2_t,",
            "relu<input_t,",
            "P/myproject.cpp:9: relu takes ap_fixed<8,4>, but `layer2_out` holds ap_fixed<12,6>",
        ),
        (
            "myproject.cpp",
            "layer2_out[N_OUT]",
            "layer2_out[N_NOTHING]",
            "P/myproject.cpp:7: `N_NOTHING` is no constant",
        ),
        ("myproject.cpp", "input_t x[N_IN]", "hls::stream<input_t> &x", "io_parallel"),
        (
            "defines.h",
            "typedef ap_fixed<8,4> input_t;",
            "",
            "P/myproject.cpp:3: no typedef says what `input_t` is",
        ),
        (
            "defines.h",
            "<12,6>",
            "<65,6>",
            "P/defines.h:6: `ap_fixed<65,6>` is no fixed-point format: its width is not from 1 to 64",
        ),
        (
            "defines.h",
            "ap_fixed<8,4> input_t",
            "layer2_t input_t;\ntypedef input_t layer2_t",
            "`layer2_t` is `input_t` and also `accum_t`",
        ),
        (
            "defines.h",
            "typedef accum_t layer2_t",
            "typedef layer2_t layer2_t",
            "P/defines.h:7: the typedefs go in a circle",
        ),
        (
            "defines.h",
            "ap_fixed<8,4>",
            "nnet::array<ap_fixed<8,4>, 3>",
            "P/defines.h:5: streams and nnet::array come of io_stream",
        ),
        ("defines.h", "ap_fixed<4,1>", "float", "P/defines.h:8: `float` is no fixed-point type"),
        ("defines.h", "#endif\n", "", "P/defines.h:1: this #if has no #endif"),
        (
            "parameters.h",
            "n_in = N_IN",
            "n_in = 4",
            "P/myproject.cpp:8: the input has 3 elements where the configuration says 4",
        ),
        ("parameters.h", "n_in = N_IN", "n_in = n_in", "P/parameters.h:5: this goes in a circle"),
        (
            "parameters.h",
            "nnet::latency",
            "nnet::resource_unrolled",
            "P/myproject.cpp:8: the strategy `resource_unrolled` of config2",
        ),
        (
            "parameters.h",
            "struct config2",
            "struct config4",
            "P/myproject.cpp:8: no struct `config2` is defined",
        ),
        ("parameters.h", "typedef ::accum_t accum_t;", "", "config2 has no `accum_t`"),
        (
            "weights/w2.h",
            "0.125, 0, ",
            "",
            "P/weights/w2.h:1: `w2` holds too few numbers: 4, where the layer takes 6",
        ),
        (
            "weights/w2.h",
            "-1.0}",
            "-1.0, 2}",
            "P/weights/w2.h:1: `w2` holds too many numbers: 7, where the layer takes 6",
        ),
        ("weights/w2.h", "0.125", "nan", "P/weights/w2.h:2: `nan` is no number"),
        ("weights/w2.h", "};", "", "P/weights/w2.h:1: this is not closed"),
        (
            "weights/w2.h",
            "weight2_t w2",
            "weight2_t w3",
            "P/myproject.cpp:8: the weights `w2` are in no header",
        ),
    ];
    let mut wrong = Vec::new();
    for (path, from, to, expected) in cases {
        let message = refused(&[(path, from, to)], &squares());
        if !message.contains(expected) {
            wrong.push(format!("{to}: {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_array_that_nothing_writes_is_refused() {
    let declared =
        ("myproject.cpp", "layer2_t layer2_out[N_OUT];", "layer2_t layer2_out[N_OUT], layer4_out[N_OUT];");
    let message = refused(&[declared], &squares());
    assert!(message.contains("P/myproject.cpp:7: "), "{message}");
    let declared = (
        "myproject.cpp",
        "layer2_t layer2_out[N_OUT];",
        "layer2_t layer2_out[N_OUT]; layer2_t layer4_out[N_OUT];",
    );
    let read = ("myproject.cpp", "(layer2_out, layer3_out)", "(layer4_out, layer3_out)");
    let message = refused(&[declared, read], &squares());
    assert!(
        message.contains("P/myproject.cpp:9: relu reads `layer4_out`, which nothing has written before"),
        "{message}"
    );
}

#[test]
fn a_reuse_factor_that_hardware_does_not_have_is_refused() {
    let resource = ("parameters.h", "nnet::latency", "nnet::resource");
    taken(&[resource]);
    taken(&[resource, ("parameters.h", "reuse_factor = 1", "reuse_factor = 3")]);
    let message = refused(&[resource, ("parameters.h", "reuse_factor = 1", "reuse_factor = 4")], &squares());
    assert!(
        message.contains("P/myproject.cpp:8: a reuse factor of 4 is not allowed for 3 inputs and 2 outputs"),
        "{message}"
    );
}

#[test]
fn several_outputs_without_a_score_name_the_choices() {
    let message = refused(&[], &Options::default());
    assert!(message.contains("P/myproject.cpp:2: the network has 2 outputs"), "{message}");
    for choice in ["sum-of-squares", "squared-distance", "absolute-distance"] {
        assert!(message.contains(choice), "{message}");
    }
    let distance = Options { score: Score::SquaredDistance, ..Options::default() };
    assert!(refused(&[], &distance).contains("needs 3 outputs"), "a distance to an input of another length");
}

#[test]
fn weights_come_from_text_where_no_header_has_them() {
    let headers = taken(&[]);
    let text = |name: &str, text: &str| {
        let mut files = vec![(format!("weights/{name}.txt"), text.to_owned())];
        let without = [
            ("defines.h", DEFINES),
            ("parameters.h", PARAMETERS),
            ("myproject.cpp", TOP),
            ("weights/b2.h", B2),
        ];
        files.extend(without.map(|(path, text)| (path.to_owned(), text.to_owned())));
        import_project(&Project::of_files(Path::new("P"), files), &squares())
    };
    let same = text("w2", "0.5, -0.5, 0.25, 0.125, 0, -1.0").expect("weights of a text file");
    assert_eq!(same.program, headers.program);
    let short = text("w2", "0.5, -0.5,\n0.25").expect_err("too short").to_string();
    assert!(short.contains("P/weights/w2.txt:2: ") && short.contains("too few numbers: 3"), "{short}");
    for number in ["nan", "-inf", "1e999"] {
        let refused = text("w2", &format!("0.5, {number}, 0.25, 0.125, 0, -1.0")).expect_err("no number");
        assert!(refused.to_string().contains("is no finite number"), "{refused}");
    }
    let none = text("w3", "1").expect_err("no weights").to_string();
    assert!(
        none.contains("P/myproject.cpp:8: the weights `w2` are in no header, and there is no w2.txt"),
        "{none}"
    );
}

#[test]
fn a_class_around_the_network_has_to_be_understood() {
    let class = |predict: &str| {
        let text = format!(
            "#include \"defines.h\"\nclass Around {{\n    input_t _in[3];\n    result_t _out[2];\n    result_t _loss;\n\
             void prepare_input(std::any input) {{\n        input_t *p = std::any_cast<input_t*>(input);\n\
             for (int i = 0; i < 3; i++) _in[i] = p[i];\n    }}\n    void predict() {{\n        myproject(_in, _out);\n        {predict}\n    }}\n}};\n"
        );
        let mut files: Vec<(String, String)> = vec![("around.cpp".to_owned(), text)];
        for (path, text) in [
            ("defines.h", DEFINES),
            ("parameters.h", PARAMETERS),
            ("myproject.cpp", TOP),
            ("weights/w2.h", W2),
            ("weights/b2.h", B2),
        ] {
            files.push((path.to_owned(), text.to_owned()));
        }
        import_project(&Project::of_files(Path::new("P"), files), &Options::default())
    };
    let taken = class("_loss = _out[1];").expect("a score");
    assert_eq!(taken.program.score, "loss");
    let refused = class("_loss = std::exp(_out[1]);").expect_err("an exponential").to_string();
    assert!(refused.contains("P/around.cpp:12: ") && refused.contains("exp"), "{refused}");
}

#[test]
fn several_networks_in_one_folder_are_named() {
    let twice = ["a", "b"].into_iter().flat_map(|folder| {
        [("defines.h", DEFINES), ("parameters.h", PARAMETERS), ("myproject.cpp", TOP)]
            .map(|(path, text)| (format!("{folder}/{path}"), text.to_owned()))
    });
    let error =
        import_project(&Project::of_files(Path::new("P"), twice.collect()), &squares()).expect_err("two");
    assert!(
        error
            .to_string()
            .contains("2 networks here, give the folder of one: a/myproject.cpp:2, b/myproject.cpp:2"),
        "{error}"
    );
    let nothing =
        import_project(&Project::of_files(Path::new("P"), Vec::new()), &squares()).expect_err("nothing");
    assert!(nothing.to_string().contains("no source file here"), "{nothing}");
}
