//! Combinations of bundles: one graph with the members' graphs inside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use trigsieve::model::{MemberCard, ModelBundle, Precision};

use crate::bundle::{Contents, scores};
use crate::data::Split;
use crate::graph::{EfficiencyTable, combination_graph};
use crate::recipe::{Combination, RecipeFile};
use crate::{TrainError, card};

/// Graphs and card of a combination; the members' tables are those of the validation events.
///
/// # Errors
/// [`TrainError::Member`] for a bundle of another encoding or K, and for one whose scores give no table;
/// [`TrainError::Bundle`] for one that cannot be opened.
pub fn build(
    file: &RecipeFile,
    settings: &Combination,
    split: &Split,
    folder: &Path,
) -> Result<Contents, TrainError> {
    let open = |path: &PathBuf| member(split, &folder.join(path));
    let bundles = settings.members.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let mut graphs = Vec::new();
    for precision in [Precision::Float, Precision::Int8] {
        let members = bundles.iter().map(|bundle| with_table(bundle, precision, split));
        let members = members.collect::<Result<Vec<_>, _>>()?;
        let name = &file.recipe.name;
        let graph = combination_graph(name, &split.encoding, split.training.k(), &members, settings.rule)?;
        graphs.push((precision, graph));
    }
    let members: Vec<MemberCard> = bundles.iter().map(member_card).collect::<Result<_, _>>()?;
    let card = card::of_combination(file, settings, members, split);
    Ok(Contents { graphs, card })
}

fn member(split: &Split, path: &Path) -> Result<ModelBundle, TrainError> {
    let bundle = ModelBundle::open(path)?;
    let (card, encoding, k) = (bundle.card(), &split.encoding, split.training.k());
    if (&card.encoding, card.inputs) != (encoding, k) {
        let reason = format!(
            "the bundle is for {} of {} inputs, the combination for {encoding} of {k}; combine bundles of one encoding",
            card.encoding, card.inputs
        );
        return Err(TrainError::Member { path: path.to_owned(), reason });
    }
    Ok(bundle)
}

fn with_table(
    bundle: &ModelBundle,
    precision: Precision,
    split: &Split,
) -> Result<(Vec<u8>, EfficiencyTable), TrainError> {
    let table = EfficiencyTable::fit(scores(bundle, precision, &split.validation)?);
    let refused = || TrainError::Member {
        path: bundle.folder().to_owned(),
        reason: format!("its {precision} scores of the validation events are all alike, or not finite"),
    };
    Ok((bundle.graph(precision)?.bytes, table.ok_or_else(refused)?))
}

fn member_card(bundle: &ModelBundle) -> Result<MemberCard, TrainError> {
    let card = bundle.card();
    let training = card.training.as_ref().ok_or_else(|| TrainError::Member {
        path: bundle.folder().to_owned(),
        reason: "the bundle was imported, not trained: its card says nothing of a training".to_owned(),
    })?;
    let used = [Precision::Float, Precision::Int8].map(Precision::file);
    let files = card.files.iter().filter(|(file, _)| used.contains(&file.as_str()));
    Ok(MemberCard {
        name: card.name.clone(),
        files: files.map(|(file, sha256)| (file.clone(), sha256.clone())).collect::<BTreeMap<_, _>>(),
        epochs: training.epochs,
        best_epoch: training.best_epoch,
        validation_loss: training.validation_loss,
    })
}
