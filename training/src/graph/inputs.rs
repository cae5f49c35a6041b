use trigsieve_onnx::{Attribute, ElementType, Error, GraphBuilder, TensorData, Value};

use super::{BATCH, dimension};
use crate::layout::Layout;
use crate::preprocessing::Preprocessing;
use crate::recipe::PtTransform;

/// The graph's input and what is computed of it once, however many members read it.
pub struct Inputs {
    /// [N, K], physical units.
    pub physical: Value,
    /// z, [N, K].
    network: Option<Value>,
    /// z within the saturation, [N, K].
    read: Option<Value>,
    /// Presence of objects, [N, objects].
    present: Option<Value>,
    /// Inputs that logarithms or presences are taken of, divided by the logarithm's scale, by their numbers.
    selected: Option<(Vec<usize>, Value)>,
}

impl Inputs {
    pub fn new(builder: &mut GraphBuilder, k: usize) -> Result<Self, Error> {
        let physical = builder.input("inputs", ElementType::F32, &[BATCH, dimension(k)])?;
        Ok(Self { physical, network: None, read: None, present: None, selected: None })
    }

    /// Network inputs z, [N, K].
    pub fn network(
        &mut self,
        builder: &mut GraphBuilder,
        preprocessing: &Preprocessing,
    ) -> Result<Value, Error> {
        if self.network.is_none() {
            self.network = Some(self.compute_network(builder, preprocessing)?);
        }
        Ok(self.network.clone().unwrap_or_else(|| self.physical.clone()))
    }

    /// What the networks read, [N, K]: z, within the saturation if there is one.
    pub fn read(&mut self, b: &mut GraphBuilder, preprocessing: &Preprocessing) -> Result<Value, Error> {
        let network = self.network(b, preprocessing)?;
        let Some(limit) = preprocessing.saturation() else { return Ok(network) };
        if let Some(read) = &self.read {
            return Ok(read.clone());
        }
        let least = b.constant("least_input", &[], TensorData::F32(vec![-limit]))?;
        let greatest = b.constant("greatest_input", &[], TensorData::F32(vec![limit]))?;
        let read = b.node("Clip", &[&network, &least, &greatest], "saturated_inputs", vec![])?;
        self.read = Some(read.clone());
        Ok(read)
    }

    fn compute_network(
        &mut self,
        b: &mut GraphBuilder,
        preprocessing: &Preprocessing,
    ) -> Result<Value, Error> {
        let shifted = preprocessing.offset().iter().any(|offset| *offset != 0.0);
        let PtTransform::Log1p { .. } = preprocessing.pt() else {
            let scaled = if shifted { "scaled_inputs" } else { "network_inputs" };
            let scaled = self.scaled(b, scaled, preprocessing.scale().to_vec())?;
            return offset(b, scaled, preprocessing, shifted);
        };
        let (mut scale, k) = (preprocessing.scale().to_vec(), preprocessing.layout().inputs);
        let energies = preprocessing.layout().energies.clone();
        let mut place = vec![0.0; energies.len() * k];
        for (index, &input) in energies.iter().enumerate() {
            place[index * k + input] = std::mem::take(&mut scale[input]);
        }
        let shape = [energies.len(), k];
        let momenta = self.select(b, preprocessing, energies, "momenta")?;
        let others = self.scaled(b, "scaled_angles", scale)?;
        let one = b.constant("one", &[], TensorData::F32(vec![1.0]))?;
        let plus_one = b.node("Add", &[&momenta, &one], "momenta_plus_one", vec![])?;
        let logarithms = b.node("Log", &[&plus_one], "log_momenta", vec![])?;
        let place = b.constant("place_pt", &shape, TensorData::F32(place))?;
        let scaled = b.node("MatMul", &[&logarithms, &place], "scaled_momenta", vec![])?;
        let name = if shifted { "scaled_inputs" } else { "network_inputs" };
        let sum = b.node("Add", &[&others, &scaled], name, vec![])?;
        offset(b, sum, preprocessing, shifted)
    }

    fn scaled(&self, b: &mut GraphBuilder, name: &str, scale: Vec<f32>) -> Result<Value, Error> {
        let scale = b.constant("input_scale", &[scale.len()], TensorData::F32(scale))?;
        b.node("Mul", &[&self.physical, &scale], name, vec![])
    }

    /// 1 where an object is present, else 0: [N, objects]. An object that is always present has 1.
    pub fn present(&mut self, b: &mut GraphBuilder, preprocessing: &Preprocessing) -> Result<Value, Error> {
        if self.present.is_none() {
            self.present = Some(self.compute_present(b, preprocessing)?);
        }
        Ok(self.present.clone().unwrap_or_else(|| self.physical.clone()))
    }

    fn compute_present(
        &mut self,
        b: &mut GraphBuilder,
        preprocessing: &Preprocessing,
    ) -> Result<Value, Error> {
        let layout = preprocessing.layout();
        let flags: Option<Vec<usize>> = layout.objects.iter().map(|object| object.presence).collect();
        let (values, limit) = match flags {
            // Not Sign, which gives 1 for 0 in rten 0.27.
            Some(flags) => {
                let values = self.select(b, preprocessing, flags, "presence")?;
                (values, b.constant("zero", &[], TensorData::F32(vec![0.0]))?)
            }
            None => self.with_always_present(b, layout)?,
        };
        let is_present = b.node("Greater", &[&values, &limit], "is_present", vec![])?;
        let to_float = vec![Attribute::int("to", i64::from(ElementType::F32.code()))];
        b.node("Cast", &[&is_present], "present", to_float)
    }

    /// The column of an object without a flag is 0 and its limit -1.
    fn with_always_present(&self, b: &mut GraphBuilder, layout: &Layout) -> Result<(Value, Value), Error> {
        let objects = layout.objects.len();
        let mut select = vec![0.0; layout.inputs * objects];
        let mut limit = vec![-1.0; objects];
        for (place, object) in layout.objects.iter().enumerate() {
            if let Some(input) = object.presence {
                select[input * objects + place] = 1.0;
                limit[place] = 0.0;
            }
        }
        let select = b.constant("select_presence", &[layout.inputs, objects], TensorData::F32(select))?;
        let values = b.node("MatMul", &[&self.physical, &select], "presence", vec![])?;
        Ok((values, b.constant("presence_limit", &[objects], TensorData::F32(limit))?))
    }

    /// Some inputs, [N, columns]. Those in GeV are divided by the logarithm's scale: a positive factor changes no
    /// presence, and so the logarithm and the mask can share the product where they want the same inputs.
    fn select(
        &mut self,
        b: &mut GraphBuilder,
        preprocessing: &Preprocessing,
        columns: Vec<usize>,
        name: &str,
    ) -> Result<Value, Error> {
        if let Some((known, value)) = &self.selected
            && *known == columns
        {
            return Ok(value.clone());
        }
        let factor = match preprocessing.pt() {
            PtTransform::Linear => 1.0,
            PtTransform::Log1p { scale_gev } => scale_gev.recip(),
        };
        let k = preprocessing.layout().inputs;
        let mut select = vec![0.0; k * columns.len()];
        for (place, input) in columns.iter().enumerate() {
            select[input * columns.len() + place] = factor;
        }
        let constant = b.constant(&format!("select_{name}"), &[k, columns.len()], TensorData::F32(select))?;
        let value = b.node("MatMul", &[&self.physical, &constant], name, vec![])?;
        self.selected = Some((columns, value.clone()));
        Ok(value)
    }
}

fn offset(
    b: &mut GraphBuilder,
    values: Value,
    preprocessing: &Preprocessing,
    shifted: bool,
) -> Result<Value, Error> {
    if !shifted {
        return Ok(values);
    }
    let offset = preprocessing.offset().to_vec();
    let offset = b.constant("input_offset", &[offset.len()], TensorData::F32(offset))?;
    b.node("Add", &[&values, &offset], "network_inputs", vec![])
}
