/// Element type of the `inputs` column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// IEEE 754 single precision, physical units.
    F32,
    /// 16-bit hardware integers.
    I16,
}

impl std::fmt::Display for ElementType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::I16 => "i16",
        })
    }
}

/// The numbers behind [`Rows`], row-major.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Single-precision inputs in physical units.
    F32(&'a [f32]),
    /// Hardware integers.
    I16(&'a [i16]),
}

/// A run of consecutive events as the model sees them: `len` rows of `k` inputs, row-major, borrowed
/// from wherever they lie (usually the mapped file).
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    values: Values<'a>,
    k: usize,
}

impl<'a> Rows<'a> {
    /// Views `values` as rows of `k` inputs.
    ///
    /// # Panics
    /// When `k` is zero or the number of values is not a multiple of it.
    #[must_use]
    pub fn new(values: Values<'a>, k: usize) -> Self {
        let count = match values {
            Values::F32(v) => v.len(),
            Values::I16(v) => v.len(),
        };
        assert!(k > 0 && count.is_multiple_of(k), "{count} values are not rows of {k}");
        Self { values, k }
    }

    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.values {
            Values::F32(v) => v.len() / self.k,
            Values::I16(v) => v.len() / self.k,
        }
    }

    /// Whether there is no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Inputs per event.
    #[must_use]
    pub fn k(&self) -> usize {
        self.k
    }

    /// The values, row-major.
    #[must_use]
    pub fn values(&self) -> Values<'a> {
        self.values
    }

    /// Element type of the values.
    #[must_use]
    pub fn element_type(&self) -> ElementType {
        match self.values {
            Values::F32(_) => ElementType::F32,
            Values::I16(_) => ElementType::I16,
        }
    }

    /// The events `first .. first + len` of this run.
    ///
    /// # Panics
    /// When the range leaves the run.
    #[must_use]
    pub fn slice(&self, first: usize, len: usize) -> Rows<'a> {
        let range = first * self.k..(first + len) * self.k;
        let values = match self.values {
            Values::F32(v) => Values::F32(&v[range]),
            Values::I16(v) => Values::I16(&v[range]),
        };
        Rows { values, k: self.k }
    }
}
