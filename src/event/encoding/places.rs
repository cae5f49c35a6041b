use crate::event::ObjectSymbol;

/// Most places that an encoding may give to a kind of object: more would make rows of tens of kilobytes.
pub const MAX_PLACES: u8 = 200;

/// How many places each symbol has in `dm_static`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places([u8; ObjectSymbol::ALL.len()]);

impl Places {
    /// The places of each symbol, in the order of [`ObjectSymbol::ALL`]; `None` if one has more than [`MAX_PLACES`].
    #[must_use]
    pub fn new(places: [u8; ObjectSymbol::ALL.len()]) -> Option<Self> {
        places.iter().all(|places| *places <= MAX_PLACES).then_some(Self(places))
    }

    /// Places of a symbol.
    #[must_use]
    pub fn of(self, symbol: ObjectSymbol) -> usize {
        usize::from(self.0[usize::from(symbol.code())])
    }

    /// Places of all symbols.
    #[must_use]
    pub fn total(self) -> usize {
        self.0.iter().copied().map(usize::from).sum()
    }

    /// Parses `j=12,b=4,...`: in any order, 0 for a symbol that is not named. The error is for people.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut places = [None; ObjectSymbol::ALL.len()];
        for part in text.split(',') {
            let (symbol, count) = part.split_once('=').ok_or_else(|| expected(part))?;
            let symbol = ObjectSymbol::from_symbol(symbol.as_bytes()).ok_or_else(|| expected(part))?;
            let count = number(count).ok_or_else(|| expected(part))?;
            if places[usize::from(symbol.code())].replace(count).is_some() {
                return Err(format!("`{}` is there twice", symbol.symbol()));
            }
        }
        Ok(Self(places.map(Option::unwrap_or_default)))
    }
}

impl std::fmt::Display for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, symbol) in ObjectSymbol::ALL.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}={}", symbol.symbol(), self.of(symbol))?;
        }
        Ok(())
    }
}

/// A number of places: decimal digits without a sign, at most [`MAX_PLACES`].
pub(super) fn number(text: &str) -> Option<u8> {
    digits(text).filter(|places| *places <= MAX_PLACES)
}

/// A number of decimal digits without a sign, if it fits.
pub(super) fn digits<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn expected(part: &str) -> String {
    let symbols = ObjectSymbol::ALL.map(ObjectSymbol::symbol).join(", ");
    format!("`{part}` is not SYMBOL=PLACES, with a symbol of {symbols} and 0 to {MAX_PLACES} places")
}
