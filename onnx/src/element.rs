//! Element types of tensors.

use std::fmt;

/// Element type of a tensor; the numbers are those of `TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision.
    F64,
    /// Unsigned, 8 bits.
    U8,
    /// Signed, 8 bits.
    I8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// Any other type, by its ONNX number.
    Other(i32),
}

impl ElementType {
    /// The type's number in `onnx.proto`.
    pub fn code(self) -> i32 {
        match self {
            Self::F32 => 1,
            Self::U8 => 2,
            Self::I8 => 3,
            Self::I16 => 5,
            Self::I32 => 6,
            Self::I64 => 7,
            Self::F64 => 11,
            Self::Other(code) => code,
        }
    }

    /// The type with this number in `onnx.proto`.
    pub fn from_code(code: i32) -> Self {
        match code {
            1 => Self::F32,
            2 => Self::U8,
            3 => Self::I8,
            5 => Self::I16,
            6 => Self::I32,
            7 => Self::I64,
            11 => Self::F64,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32 => f.write_str("float32"),
            Self::F64 => f.write_str("float64"),
            Self::U8 => f.write_str("uint8"),
            Self::I8 => f.write_str("int8"),
            Self::I16 => f.write_str("int16"),
            Self::I32 => f.write_str("int32"),
            Self::I64 => f.write_str("int64"),
            Self::Other(code) => write!(f, "ONNX type {code}"),
        }
    }
}
