use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::ServeError;
use crate::event::{ElementType, Encoding, EventSchema, Rows, Values};
use crate::model::{ModelBundle, VerifyKey};
use crate::score::{ScoreError, Scorer, ScorerFactory, ScorerSpec, TrialEvents, self_test};
use crate::statistics::ScoreDistribution;
use crate::trigger::{Decider, Menu, ResolvedPath};
use trigsieve_frame::{Element, Header, encoding_checksum};

/// Where the trigger paths come from.
#[derive(Clone, Debug)]
pub enum MenuSource {
    /// A menu file, read anew by every load.
    File(PathBuf),
    /// A path for each model, all with this threshold.
    Threshold(f32),
    /// A path for each model at this rate.
    TargetRate {
        /// Accepted background events a second.
        target_hz: f64,
        /// Rate of background that this is a share of, Hz.
        input_hz: f64,
    },
}

/// What to deploy: everything that a (re)load looks at.
#[derive(Clone, Debug)]
pub struct DeploymentSpec {
    /// Model bundles, in the order of the scores.
    pub models: Vec<PathBuf>,
    /// The trigger paths.
    pub menu: MenuSource,
    /// The engine.
    pub scorer: ScorerSpec,
    /// Sets of scorers to make.
    pub workers: usize,
    /// Schema of a table like the events that will come: features and units of the output, and, for hardware integers, what
    /// the frames' checksum of the encoding is held to.
    pub layout: Option<EventSchema>,
    /// What a model has to be.
    pub admission: Admission,
}

/// What a model has to be before it decides on anything, at the start and at every reload.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// Every bundle's card has to be signed by this key.
    pub key: Option<VerifyKey>,
    /// Take a model whose scores are all the same, or not finite.
    pub allow_degenerate: bool,
    /// Events like those that will come, which a model is tried on; without them, ones made for its encoding.
    pub events: Option<TrialEvents>,
}

impl Admission {
    /// Has the scorer of the model `name` show that it tells events apart.
    fn try_model(
        &self,
        scorer: &mut dyn Scorer,
        name: &str,
        (factory, encoding): (&ScorerFactory, &str),
        takes: &[ElementType],
    ) -> Result<(), ScoreError> {
        if self.allow_degenerate {
            return Ok(());
        }
        let given = self.events.as_ref().filter(|events| takes.contains(&events.element_type()));
        match given {
            Some(events) => self_test(scorer, name, events),
            None => {
                let has_integers = factory.program().is_some();
                self_test(scorer, name, &TrialEvents::generated(encoding, factory.k(), has_integers))
            }
        }
    }
}

/// A model as it runs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ModelId {
    /// Name of the bundle.
    pub name: String,
    /// SHA-256 of the graph or program.
    pub sha256: String,
}

/// Models and trigger paths in force together. A frame is decided by exactly one deployment, the one in force when it arrived.
pub struct Deployment {
    /// 1 at the start, one more with every load.
    pub generation: u64,
    /// The models, in the order of the scores.
    pub models: Vec<ModelId>,
    /// The trigger paths, in the order of their bits.
    pub paths: Vec<ResolvedPath>,
    /// Their prescales.
    pub prescales: Arc<[u32]>,
    /// The menu that the paths were made of.
    pub menu: Menu,
    /// Name of the feature encoding.
    pub encoding: String,
    /// Inputs per event.
    pub k: usize,
    /// Engine, version and device.
    pub engine: String,
    /// By model, how the scores of background were distributed when a path was calibrated; none where the menu does not say.
    pub references: Vec<Option<ScoreDistribution>>,
    layout: Option<EventSchema>,
    decider: Decider,
    takes: Vec<ElementType>,
    ready: Mutex<Vec<Vec<Box<dyn Scorer>>>>,
}

impl std::fmt::Debug for Deployment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deployment")
            .field("generation", &self.generation)
            .field("models", &self.models)
            .finish()
    }
}

impl Deployment {
    /// Loads models and menu, makes the workers' scorers and tries them; signatures and self-tests as the spec asks for.
    ///
    /// # Errors
    /// [`ServeError`] with the file, model or path; whatever was in force before is not touched.
    pub fn load(spec: &DeploymentSpec, generation: u64) -> Result<Self, ServeError> {
        let admission = &spec.admission;
        let open = |folder: &PathBuf| ModelBundle::open_signed(folder, admission.key.as_ref());
        let bundles = spec.models.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let factories =
            bundles.iter().map(|bundle| spec.scorer.load(bundle)).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<String> = bundles.iter().map(|bundle| bundle.card().name.clone()).collect();
        let menu = menu_of(&spec.menu, &names)?;
        let paths = menu.resolve(&bundles, spec.scorer.precision)?;
        let (encoding, k) = common_inputs(&bundles, &factories)?;
        check_layout(spec.layout.as_ref(), &encoding, k)?;
        let mut ready = Vec::with_capacity(spec.workers);
        for _ in 0..spec.workers {
            ready.push(factories.iter().map(ScorerFactory::scorer).collect::<Result<Vec<_>, _>>()?);
        }
        let takes = try_scorers(&mut ready, k)?;
        for ((scorer, name), factory) in ready.iter_mut().take(1).flatten().zip(&names).zip(&factories) {
            admission.try_model(scorer.as_mut(), name, (factory, &encoding), &takes)?;
        }
        let engine =
            ready.first().and_then(|of| of.first()).map(|scorer| scorer.describe()).unwrap_or_default();
        let models = names
            .into_iter()
            .zip(&factories)
            .map(|(name, factory)| ModelId { name, sha256: factory.sha256().to_owned() })
            .collect::<Vec<_>>();
        let precision = spec.scorer.precision;
        let references =
            bundles.iter().map(|bundle| menu.reference(bundle.card(), precision).cloned()).collect();
        let decider = Decider::new(&paths, models.len());
        let (layout, ready) = (spec.layout.clone(), Mutex::new(ready));
        Ok(Self {
            generation,
            models,
            prescales: paths.iter().map(|path| path.prescale).collect(),
            paths,
            menu,
            encoding,
            k,
            engine,
            references,
            layout,
            decider,
            takes,
            ready,
        })
    }

    /// Whether these models take such a frame.
    ///
    /// # Errors
    /// In words: what the frame has, and what the models take.
    pub fn check(&self, header: &Header) -> Result<(), String> {
        if header.k as usize != self.k {
            return Err(format!("{} inputs per event, the model takes {}", header.k, self.k));
        }
        let element = element_type(header.element);
        if !self.takes.contains(&element) {
            return Err(format!(
                "inputs of type {element}, the engine takes {:?} with this model",
                self.takes
            ));
        }
        match self.expected_checksum(element) {
            Some(expected) if header.encoding != 0 && header.encoding != expected => Err(format!(
                "the checksum of the encoding is {:08x}, that of {} is {expected:08x}",
                header.encoding, self.encoding
            )),
            _ => Ok(()),
        }
    }

    /// The schema of events of this element type.
    #[must_use]
    pub fn schema(&self, element: ElementType) -> EventSchema {
        if let Some(layout) = self.layout.as_ref().filter(|layout| layout.element == element) {
            return EventSchema { sources: Vec::new(), ..layout.clone() };
        }
        let features = match self.encoding.parse::<Encoding>() {
            Ok(encoding) if element == ElementType::F32 => encoding.features(),
            _ => Vec::new(),
        };
        EventSchema { encoding: self.encoding.clone(), k: self.k, element, features, sources: Vec::new() }
    }

    /// Compares scores with the thresholds.
    #[must_use]
    pub fn decider(&self) -> &Decider {
        &self.decider
    }

    /// Says in the log what is in force now.
    pub(super) fn log(&self) {
        let (generation, engine) = (self.generation, &*self.engine);
        for ModelId { name, sha256 } in &self.models {
            tracing::info!(
                generation,
                model = name,
                sha256,
                engine,
                "deployment {generation}: model {name}, {sha256}"
            );
        }
        for path in &self.paths {
            let (name, threshold, prescale) = (&*path.name, path.threshold, path.prescale);
            tracing::info!(
                generation,
                path = name,
                threshold,
                prescale,
                "deployment {generation}: path {name}"
            );
        }
    }

    /// A set of scorers, one a model; none when all have been taken.
    pub(super) fn scorers(&self) -> Option<Vec<Box<dyn Scorer>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// What frames must state if they state anything; none where this is not known: units of integers are the layout's.
    fn expected_checksum(&self, element: ElementType) -> Option<u32> {
        let layout = self.layout.as_ref().filter(|layout| layout.element == element);
        match (element, layout) {
            (ElementType::F32, _) => Some(encoding_checksum(&self.encoding, [])),
            (ElementType::I16, Some(layout)) => Some(checksum_of(layout)),
            (ElementType::I16, None) => None,
        }
    }
}

/// The checksum that frames of a table state.
#[must_use]
pub fn checksum_of(schema: &EventSchema) -> u32 {
    let integers = schema.element == ElementType::I16;
    let units = schema.features.iter().map(|feature| &*feature.unit).filter(|_| integers);
    encoding_checksum(&schema.encoding, units)
}

/// The same, in the engine's words.
pub(super) fn element_type(element: Element) -> ElementType {
    match element {
        Element::F32 => ElementType::F32,
        Element::I16 => ElementType::I16,
    }
}

fn menu_of(source: &MenuSource, names: &[String]) -> Result<Menu, ServeError> {
    Ok(match source {
        MenuSource::File(path) => Menu::load(path)?,
        MenuSource::Threshold(threshold) => Menu::of_threshold(names, *threshold),
        MenuSource::TargetRate { target_hz, input_hz } => Menu::of_target_rate(names, *target_hz, *input_hz),
    })
}

fn common_inputs(
    bundles: &[ModelBundle],
    factories: &[ScorerFactory],
) -> Result<(String, usize), ServeError> {
    let mut all = bundles.iter().zip(factories).map(|(bundle, factory)| (bundle.card(), factory.k()));
    let Some((first, k)) = all.next() else {
        return Err(ServeError::Deployment("there is no model".to_owned()));
    };
    let mut names = vec![&first.name];
    for (card, other_k) in all {
        if card.encoding != first.encoding || other_k != k {
            return Err(ServeError::Deployment(format!(
                "model `{}` takes {k} inputs of {}, model `{}` takes {other_k} of {}: one stream cannot serve both",
                first.name, first.encoding, card.name, card.encoding
            )));
        }
        if names.contains(&&card.name) {
            let reason = format!("two bundles are named `{}`: their scores would share a column", card.name);
            return Err(ServeError::Deployment(reason));
        }
        names.push(&card.name);
    }
    Ok((first.encoding.clone(), k))
}

fn check_layout(layout: Option<&EventSchema>, encoding: &str, k: usize) -> Result<(), ServeError> {
    match layout {
        Some(layout) if layout.encoding != encoding || layout.k != k => Err(ServeError::Deployment(format!(
            "the layout has {} inputs of {}, the model takes {k} of {encoding}",
            layout.k, layout.encoding
        ))),
        _ => Ok(()),
    }
}

/// Scores an event without objects with every scorer: first-call work is over, and which element types are taken is known.
fn try_scorers(ready: &mut [Vec<Box<dyn Scorer>>], k: usize) -> Result<Vec<ElementType>, ServeError> {
    let (floats, integers) = (vec![0.0_f32; k], vec![0_i16; k]);
    let rows = [Rows::new(Values::F32(&floats), k), Rows::new(Values::I16(&integers), k)];
    let mut takes = vec![ElementType::F32, ElementType::I16];
    for scorer in ready.iter_mut().flatten() {
        for rows in rows {
            match scorer.score(rows, &mut [0.0]) {
                Ok(()) => {}
                Err(ScoreError::Element { .. }) => takes.retain(|element| *element != rows.element_type()),
                Err(error) => return Err(error.into()),
            }
        }
    }
    if takes.is_empty() {
        return Err(ServeError::Deployment("the models take no common element type".to_owned()));
    }
    Ok(takes)
}
