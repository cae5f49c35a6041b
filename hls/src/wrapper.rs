//! The class around the network, as the emulators of CMS's triggers have it: `prepare_input` takes the event in and
//! scales it, `predict` runs the network and makes one score of its outputs.
//!
//! Both methods, and what they call, are run on symbols: arrays are tensors of the program, loops over elements become
//! operations. Everything in them has to be understood.

mod elements;

use std::collections::BTreeMap;

use trigsieve_fixed::check::MAX_ELEMENTS;
use trigsieve_fixed::program::SumOrder;
use trigsieve_fixed::{Format, Kind};

use crate::builder::{Builder, Place};
use crate::error::{At, Result, Trouble};
use crate::network::{Call, call};
use crate::scope::{Function, Names, Struct, Variable, placed, variable};
use crate::search::Wrapper;
use crate::token::{Token, partner, shown};
use crate::{Report, Top, types};

/// Deepest nesting of calls.
const MAX_CALLS: usize = 16;

/// What the class comes to.
pub(crate) struct Run {
    pub builder: Builder,
    pub outputs: Vec<Place>,
    /// The number that `predict` makes of the outputs, if it makes one.
    pub score: Option<Place>,
}

/// A variable or an array, member or local.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    name: String,
    format: Format,
    len: usize,
    content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing was written to it.
    Nothing,
    /// Set to 0, as a sum before its loop.
    Zero,
    /// The event as it comes in.
    Event,
    Tensor(Place),
}

/// The names that a function sees: indices of slots.
type Local<'p> = BTreeMap<&'p str, usize>;

pub(super) struct Machine<'a, 's, 'p> {
    top: &'a Top<'s, 'p>,
    top_name: &'a str,
    class: &'a Struct<'p>,
    names: Names<'a, 'p>,
    hardware_fraction: i32,
    report: &'a mut Report,
    slots: Vec<Slot>,
    members: Local<'p>,
    /// None until an element of the event is read.
    builder: Option<Builder>,
    outputs: Vec<Place>,
    calls: usize,
}

/// Runs the class.
pub(crate) fn run<'p>(
    top: &Top<'_, 'p>,
    wrapper: &Wrapper<'p>,
    top_name: &str,
    hardware_fraction: i32,
    report: &mut Report,
) -> Result<Run> {
    let class = wrapper.found().ok_or_else(|| Trouble::of_project("the class around the network is gone"))?;
    let names = Names::of(&wrapper.unit, &wrapper.scope).inside(class);
    let mut machine = Machine {
        top,
        top_name,
        class,
        names,
        hardware_fraction,
        report,
        slots: Vec::new(),
        members: Local::new(),
        builder: None,
        outputs: Vec::new(),
        calls: 0,
    };
    machine.method("prepare_input", wrapper)?;
    machine.method("predict", wrapper)?;
    let score = machine.score()?;
    let builder =
        machine.builder.ok_or_else(|| Trouble::of_project("the class around the network reads no event"))?;
    Ok(Run { builder, outputs: machine.outputs, score })
}

impl<'p> Machine<'_, '_, 'p> {
    fn method(&mut self, name: &str, wrapper: &Wrapper<'p>) -> Result<()> {
        let function = self.function(name).ok_or_else(|| {
            let reason = format!(
                "class {} around the network has no method `{name}`: take the network alone with --network-only",
                wrapper.class
            );
            Trouble::of_project(reason)
        })?;
        let function = function.clone();
        self.body(&function, Local::new()).map(|_| ())
    }

    fn function(&self, name: &str) -> Option<&'_ Function<'p>> {
        self.class.scope.functions.iter().find(|function| function.name == name)
    }

    /// The scalar member that was written after the network ran.
    fn score(&self) -> Result<Option<Place>> {
        let last = self.outputs.iter().max().copied().unwrap_or_default();
        let written = self.members.iter().filter_map(|(name, slot)| match self.slots[*slot].content {
            Content::Tensor(place) if self.slots[*slot].len == 1 && !self.outputs.contains(&place) => {
                (place > last).then_some((*name, place))
            }
            _ => None,
        });
        let written: Vec<(&str, Place)> = written.collect();
        match written[..] {
            [] => Ok(None),
            [(_, place)] => Ok(Some(place)),
            _ => {
                let names: Vec<&str> = written.iter().map(|(name, _)| *name).collect();
                Err(Trouble::of_project(format!(
                    "the class around the network makes several numbers: {}",
                    names.join(", ")
                )))
            }
        }
    }

    /// Runs a function's statements; what it returns.
    fn body(&mut self, function: &Function<'p>, mut local: Local<'p>) -> Result<Option<usize>> {
        self.calls += 1;
        if self.calls > MAX_CALLS {
            return Err(Trouble::at(function.at, "too many calls, or calls in a circle"));
        }
        let body = function.body.clone();
        let mut rest = &body[..];
        while let Some(first) = rest.first() {
            if first.is(";") {
                rest = &rest[1..];
                continue;
            }
            if first.is("for") {
                rest = self.for_loop(rest, &local)?;
                continue;
            }
            let end = rest.iter().position(|token| token.is(";"));
            let end = end.ok_or_else(|| Trouble::at(first.at, "a `;` is missing after this"))?;
            let (words, after) = (&rest[..end], &rest[end + 1..]);
            if first.is("return") {
                return self.value(&words[1..], &local, None, first.at).map(Some);
            }
            self.statement(words, &mut local)?;
            rest = after;
        }
        Ok(None)
    }

    fn statement(&mut self, words: &[Token<'p>], local: &mut Local<'p>) -> Result<()> {
        let first = words[0];
        let unknown =
            || Trouble::at(first.at, format!("`{}` around the network is not understood", shown(words)));
        // nnet::Op_add<T> op;
        if words.iter().any(|token| token.text.starts_with("Op_")) && !words.iter().any(|token| token.is("("))
        {
            return Ok(());
        }
        if let Some(call) = call(words)? {
            return self.call(&call, local).map(|_| ());
        }
        let equals = words.iter().position(|token| token.is("="));
        if let Some((name, declared)) = variable(words) {
            let slot = self.declare(name, &declared)?;
            local.insert(name, slot);
            return match (&declared.value, equals) {
                (Some(value), _) => self.assign(slot, value, local, first.at),
                _ => Ok(()),
            };
        }
        match (words, equals) {
            ([name, ..], Some(1)) => {
                let slot = self.slot(name, local)?;
                self.assign(slot, &words[2..], local, first.at)
            }
            _ => Err(unknown()),
        }
    }

    fn declare(&mut self, name: &'p str, variable: &Variable<'p>) -> Result<usize> {
        let kind: Vec<Token<'p>> = variable.kind.iter().filter(|token| !token.is("*")).copied().collect();
        let format = types::format(&kind, &self.names, variable.at).map_err(|t| placed(t, variable.at))?;
        let len = self.names.length(variable)?;
        let name = name.trim_matches('_').to_owned();
        self.slots.push(Slot { name, format, len, content: Content::Nothing });
        Ok(self.slots.len() - 1)
    }

    /// A local variable, or a member, which is declared when it is first met.
    fn slot(&mut self, name: &Token<'p>, local: &Local<'p>) -> Result<usize> {
        if let Some(slot) = local.get(name.text).or_else(|| self.members.get(name.text)) {
            return Ok(*slot);
        }
        let Some(declared) = self.class.scope.variables.get(name.text).and_then(|found| found.first()) else {
            return Err(Trouble::at(name.at, format!("`{}` is declared nowhere", name.text)));
        };
        let slot = self.declare(name.text, declared)?;
        self.members.insert(name.text, slot);
        Ok(slot)
    }

    fn assign(&mut self, slot: usize, value: &[Token<'p>], local: &Local<'p>, at: At) -> Result<()> {
        if value.iter().any(|token| token.is("any_cast")) {
            self.slots[slot].content = Content::Event;
            return Ok(());
        }
        if matches!(value, [zero] if zero.is("0")) {
            self.slots[slot].content = Content::Zero;
            return Ok(());
        }
        let target = (self.slots[slot].name.clone(), self.slots[slot].format);
        let found = self.value(value, local, Some(target), at)?;
        let content = self.converted(found, slot, at)?;
        self.slots[slot].content = content;
        Ok(())
    }

    /// The content of one slot in the format of another.
    fn converted(&mut self, from: usize, to: usize, at: At) -> Result<Content> {
        let Content::Tensor(place) = self.slots[from].content else {
            return Err(Trouble::at(at, format!("`{}` is read before it is written", self.slots[from].name)));
        };
        let (name, format) = (self.slots[to].name.clone(), self.slots[to].format);
        let builder = self.builder(at)?;
        if builder.tensor(place).format == format {
            return Ok(Content::Tensor(place));
        }
        Ok(Content::Tensor(builder.push(&name, Kind::Requantise {}, &[place], (&name, format))))
    }

    fn builder(&mut self, at: At) -> Result<&mut Builder> {
        self.builder.as_mut().ok_or_else(|| Trouble::at(at, "no event was read before this"))
    }

    /// A call, a variable or an element, as a slot. `target`: what it is for, a name and a format.
    fn value(
        &mut self,
        words: &[Token<'p>],
        local: &Local<'p>,
        target: Option<(String, Format)>,
        at: At,
    ) -> Result<usize> {
        if let Some(call) = call(words)? {
            let returned = match call.name {
                "reduce" => Some(self.reduce(&call, local, target)?),
                _ => self.call(&call, local)?,
            };
            return returned.ok_or_else(|| Trouble::at(at, format!("`{}` returns nothing", call.name)));
        }
        match words {
            [name] if name.is_name() => self.slot(name, local),
            [name, open, index @ .., close] if name.is_name() && open.is("[") && close.is("]") => {
                let index = self.names.number(index).map_err(|t| placed(t, at))?;
                let slot = self.slot(name, local)?;
                self.element(slot, index, target, at)
            }
            _ => Err(Trouble::at(at, format!("`{}` around the network is not understood", shown(words)))),
        }
    }

    fn element(
        &mut self,
        slot: usize,
        index: i64,
        target: Option<(String, Format)>,
        at: At,
    ) -> Result<usize> {
        let one = self.slots[slot].clone();
        let inside = u32::try_from(index).ok().filter(|index| (*index as usize) < one.len);
        let (Some(index), Content::Tensor(place)) = (inside, one.content) else {
            return Err(Trouble::at(at, format!("there is no element {index} of `{}` here", one.name)));
        };
        let (name, format) = target.unwrap_or((one.name, one.format));
        let kind = Kind::Select { indices: vec![index] };
        let place = if one.len == 1 && one.format == format {
            place
        } else {
            self.builder(at)?.push_shaped(&name, kind, &[place], (&name, format), vec![1])
        };
        Ok(self.temporary(name, format, 1, place))
    }

    fn temporary(&mut self, name: String, format: Format, len: usize, place: Place) -> usize {
        self.slots.push(Slot { name, format, len, content: Content::Tensor(place) });
        self.slots.len() - 1
    }

    /// `nnet::reduce<T, N, nnet::Op_add<T>>(x, op)`: a tree of additions in T.
    fn reduce(
        &mut self,
        call: &Call<'p>,
        local: &Local<'p>,
        target: Option<(String, Format)>,
    ) -> Result<usize> {
        let unknown =
            || Trouble::at(call.at, "only nnet::reduce<T, N, nnet::Op_add<T>>(x, op) is understood");
        let ([kind, count, operator], Some([array])) =
            (&call.types[..], call.arguments.first().map(Vec::as_slice))
        else {
            return Err(unknown());
        };
        if !operator.iter().any(|token| token.is("Op_add")) {
            return Err(unknown());
        }
        let accumulator = types::format(kind, &self.names, call.at)?;
        let count = self.names.number(count).map_err(|t| placed(t, call.at))?;
        let slot = self.slot(array, local)?;
        let one = self.slots[slot].clone();
        let Content::Tensor(place) = one.content else { return Err(unknown()) };
        if one.format != accumulator || usize::try_from(count).ok() != Some(one.len) {
            return Err(Trouble::at(call.at, format!("`{}` is no array of {count} {accumulator}", one.name)));
        }
        let (name, format) = target.unwrap_or(("sum".to_owned(), accumulator));
        let kind = Kind::Sum { accumulator, order: SumOrder::Tree };
        let place = self.builder(call.at)?.push_shaped(&name, kind, &[place], (&name, format), vec![1]);
        Ok(self.temporary(name, format, 1, place))
    }

    /// The network, or a method of the class: its parameters stand for the arguments.
    fn call(&mut self, call: &Call<'p>, local: &Local<'p>) -> Result<Option<usize>> {
        let mut slots = Vec::new();
        for argument in &call.arguments {
            match &argument[..] {
                [name] if name.is_name() => slots.push(self.slot(name, local)?),
                other => {
                    return Err(Trouble::at(
                        call.at,
                        format!("the argument `{}` is not understood", shown(other)),
                    ));
                }
            }
        }
        if call.name == self.top_name {
            return self.network(call, &slots).map(|()| None);
        }
        let function = self.function(call.name).cloned();
        let function = function
            .ok_or_else(|| Trouble::at(call.at, format!("`{}` is no method of the class", call.name)))?;
        if function.parameters.len() != slots.len() {
            return Err(Trouble::at(
                call.at,
                format!("`{}` takes {} arguments", call.name, function.parameters.len()),
            ));
        }
        let mut inner = Local::new();
        for ((name, declared), slot) in function.parameters.iter().zip(slots) {
            let wanted = types::format(&declared.kind, &self.names, declared.at)?;
            if wanted != self.slots[slot].format {
                let reason = format!("`{name}` is {wanted}, but {} is given", self.slots[slot].format);
                return Err(Trouble::at(call.at, reason));
            }
            inner.insert(*name, slot);
        }
        let returned = self.body(&function, inner)?;
        let Some(returned) = returned else { return Ok(None) };
        // A function returns its own type.
        let kind: Vec<Token<'p>> =
            function.returns.iter().filter(|token| !token.is("virtual")).copied().collect();
        let format = types::format(&kind, &self.names, function.at)?;
        let slot = Slot { format, content: Content::Nothing, ..self.slots[returned].clone() };
        self.slots.push(slot);
        let last = self.slots.len() - 1;
        let content = self.converted(returned, last, call.at)?;
        self.slots[last].content = content;
        Ok(Some(last))
    }

    fn network(&mut self, call: &Call<'p>, slots: &[usize]) -> Result<()> {
        let parameters = &self.top.network.parameters;
        if parameters.len() != slots.len() || !self.outputs.is_empty() {
            return Err(Trouble::at(
                call.at,
                "the network is called with other arguments than it has, or twice",
            ));
        }
        let (input, outputs) = self.top.ends(call.at)?;
        let slot_of =
            |name: &str| parameters.iter().position(|other| *other == name).map_or(0, |index| slots[index]);
        for name in outputs.iter().chain([&input]) {
            let (buffer, slot) = (self.top.buffer(name), &self.slots[slot_of(name)]);
            if (buffer.format, buffer.len) != (slot.format, slot.len) {
                let reason = format!(
                    "`{}` is {} numbers of {}, but the network's `{name}` {} of {}",
                    slot.name, slot.len, slot.format, buffer.len, buffer.format
                );
                return Err(Trouble::at(call.at, reason));
            }
        }
        let Content::Tensor(place) = self.slots[slot_of(input)].content else {
            return Err(Trouble::at(call.at, "the network's input was never written"));
        };
        let builder =
            self.builder.take().ok_or_else(|| Trouble::at(call.at, "no event was read before this"))?;
        let (builder, places) = self.top.run(builder, place, self.report)?;
        self.builder = Some(builder);
        for (name, place) in outputs.iter().zip(&places) {
            self.slots[slot_of(name)].content = Content::Tensor(*place);
        }
        self.outputs = places;
        Ok(())
    }

    /// `for (int i = 0; i < N; i++) { ... }`: element by element.
    fn for_loop<'t>(&mut self, tokens: &'t [Token<'p>], local: &Local<'p>) -> Result<&'t [Token<'p>]> {
        let at = tokens[0].at;
        let broken = || Trouble::at(at, "only loops `for (int i = 0; i < N; i++)` are understood");
        let close = partner(tokens, 1).ok_or_else(broken)?;
        let head: Vec<&[Token<'p>]> = tokens[2..close].split(|token| token.is(";")).collect();
        let [start, condition, step] = head[..] else { return Err(broken()) };
        let ([.., index, equals, zero], [tested, less, count @ ..]) = (start, condition) else {
            return Err(broken());
        };
        let steps = step.len() == 2
            && step.iter().any(|token| token.is("++"))
            && step.iter().any(|t| t.is(index.text));
        if !(steps && equals.is("=") && zero.is("0") && tested.is(index.text) && less.is("<")) {
            return Err(broken());
        }
        let count = self.names.number(count).map_err(|t| placed(t, at))?;
        let count = usize::try_from(count).ok().filter(|count| *count <= MAX_ELEMENTS).ok_or_else(broken)?;
        let after = &tokens[close + 1..];
        let (body, rest) = match after.first() {
            Some(open) if open.is("{") => {
                let end = partner(after, 0).ok_or_else(broken)?;
                (&after[1..end], &after[end + 1..])
            }
            _ => {
                let end = after.iter().position(|token| token.is(";")).ok_or_else(broken)?;
                (&after[..end], &after[end + 1..])
            }
        };
        elements::run(self, body, index.text, count, local)?;
        Ok(rest)
    }
}
