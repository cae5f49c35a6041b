use std::path::Path;

use super::ArenaFile;
use crate::ChannelSignal;

const RECIPE: &str = "name = \"ae\"\nseed = 1\n[training]\nbatch = 1024\nmax_epochs = 60\n";

/// Reads a configuration in a folder with a recipe `ae.toml` and a few event tables; an error without the folder's
/// name.
fn read(config: &str) -> Result<ArenaFile, String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("ae.toml", RECIPE);
    write("broken.toml", "name = \n");
    for name in ["b1", "b2", "s1", "s2"] {
        write(name, name);
    }
    write("arena.toml", config);
    let prefix = format!("{}/", folder.path().display());
    ArenaFile::read(&folder.path().join("arena.toml"), folder.path())
        .map_err(|error| error.to_string().replace(&prefix, ""))
}

fn refused(config: &str, reason: &str) {
    let error = read(config).unwrap_err();
    assert!(error.contains(reason), "{error}");
}

const CHANNELS: &str = r#"
background = "b1"
[[channel]]
name = "1"
signals = { stop = "s1", gluino = "s2" }
[[channel]]
name = "2b"
background = "b2"
signals = { stop = "s1" }
"#;

#[test]
fn a_recipe_that_is_the_same_for_all_channels_is_trained_once() {
    let arena = read(&format!("{CHANNELS}[[recipe]]\npath = \"ae.toml\"\n")).unwrap();
    let [job] = arena.jobs.as_slice() else { panic!("{:?}", arena.jobs) };
    assert_eq!((job.name.as_str(), job.model.as_str()), ("ae", "ae"));
    assert_eq!(job.recipe, toml::from_str(RECIPE).unwrap());
    assert!(job.channels[0].background.ends_with("b1") && job.channels[1].background.ends_with("b2"));
    let place =
        |channel: &str, signal: &str| ChannelSignal { channel: channel.into(), signal: signal.into() };
    assert!(job.places().into_iter().eq([place("1", "gluino"), place("1", "stop"), place("2b", "stop")]));
}

#[test]
fn overrides_of_channel_and_recipe_are_laid_over_it_in_this_order() {
    let config = format!(
        "{CHANNELS}overrides.seed = 5\noverrides.training.batch = 10\n\
         [[recipe]]\npath = \"ae.toml\"\nname = \"small\"\noverrides.training.batch = 20\noverrides.pt.scale = 1.5\n"
    );
    let arena = read(&config).unwrap();
    let names: Vec<&str> = arena.jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["small@1", "small@2b"]);
    assert!(arena.jobs.iter().all(|job| job.model == "small"));
    let [one, two] = [&arena.jobs[0].recipe, &arena.jobs[1].recipe];
    assert_eq!((one["seed"].as_integer(), two["seed"].as_integer()), (Some(1), Some(5)));
    for recipe in [one, two] {
        assert_eq!(recipe["training"]["batch"].as_integer(), Some(20));
        assert_eq!(recipe["training"]["max_epochs"].as_integer(), Some(60));
        assert_eq!(recipe["pt"]["scale"].as_float(), Some(1.5));
    }
}

#[test]
fn a_recipe_may_be_for_some_channels() {
    let arena = read(&format!("{CHANNELS}[[recipe]]\npath = \"ae.toml\"\nchannels = [\"2b\"]\n")).unwrap();
    assert_eq!(arena.jobs[0].channels.len(), 1);
    refused(
        &format!("{CHANNELS}[[recipe]]\npath = \"ae.toml\"\nchannels = [\"3\"]\n"),
        "arena.toml: recipe `ae`: there is no channel `3`, only `1`, `2b`",
    );
    refused(&format!("{CHANNELS}[[recipe]]\npath = \"ae.toml\"\nchannels = []\n"), "empty list of channels");
}

#[test]
fn what_cannot_be_is_refused_with_the_file_and_the_reason() {
    let recipe = "[[recipe]]\npath = \"ae.toml\"\n";
    refused("channel = []\nrecipe = []\n", "arena.toml: no [[channel]]");
    refused(&format!("recipe = []\n{CHANNELS}"), "no [[recipe]]");
    refused(&format!("{CHANNELS}{recipe}sed = 1\n"), "unknown field `sed`");
    refused(&format!("colour = 1\n{CHANNELS}{recipe}"), "line 1");
    refused(&format!("{CHANNELS}{recipe}{recipe}"), "two of name `ae`: each model needs its own");
    refused(&format!("{CHANNELS}{recipe}name = \"../ae\"\n"), "`../ae` is no name for a model");
    refused(&format!("{CHANNELS}[[recipe]]\npath = \"none.toml\"\n"), "none.toml: No such file");
    refused(
        &format!("{CHANNELS}[[recipe]]\npath = \"broken.toml\"\n"),
        "broken.toml: TOML parse error at line 1",
    );
    let channel = |rest: &str| format!("{recipe}[[channel]]\nname = \"1\"\n{rest}");
    refused(&channel("signals = { a = \"s1\" }\n"), "channel `1` has no background");
    refused(&channel("background = \"b1\"\nsignals = {}\n"), "channel `1` has no signals");
    refused(&channel("background = \"b9\"\nsignals = { a = \"s1\" }\n"), "b9: No such file");
    refused(&channel("background = \".\"\nsignals = { a = \"s1\" }\n"), "is not a file");
    assert!(ArenaFile::read(Path::new("/nonexistent/arena.toml"), Path::new(".")).is_err());
}
