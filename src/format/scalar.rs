//! The types of single values, and their 64-bit words.

/// The type of a number, a flag or a text, as a schema states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Scalar {
    /// Unsigned, 8 bits.
    U8 = 1,
    /// Unsigned, 16 bits.
    U16 = 2,
    /// Unsigned, 32 bits.
    U32 = 3,
    /// Unsigned, 64 bits.
    U64 = 4,
    /// Signed, 8 bits.
    I8 = 5,
    /// Signed, 16 bits.
    I16 = 6,
    /// Signed, 32 bits.
    I32 = 7,
    /// Signed, 64 bits.
    I64 = 8,
    /// IEEE 754 binary32.
    F32 = 9,
    /// IEEE 754 binary64.
    F64 = 10,
    /// 0 or 1.
    Bool = 11,
    /// UTF-8: a word with the length in bytes, then the bytes.
    Text = 12,
}

impl Scalar {
    /// The type with this code, if there is one.
    pub const fn from_code(code: u8) -> Option<Scalar> {
        Some(match code {
            1 => Scalar::U8,
            2 => Scalar::U16,
            3 => Scalar::U32,
            4 => Scalar::U64,
            5 => Scalar::I8,
            6 => Scalar::I16,
            7 => Scalar::I32,
            8 => Scalar::I64,
            9 => Scalar::F32,
            10 => Scalar::F64,
            11 => Scalar::Bool,
            12 => Scalar::Text,
            _ => return None,
        })
    }

    /// Bytes of one value in a compound; 0 for a text.
    pub const fn size(self) -> usize {
        match self {
            Scalar::U8 | Scalar::I8 | Scalar::Bool => 1,
            Scalar::U16 | Scalar::I16 => 2,
            Scalar::U32 | Scalar::I32 | Scalar::F32 => 4,
            Scalar::U64 | Scalar::I64 | Scalar::F64 => 8,
            Scalar::Text => 0,
        }
    }

    /// The number that a word holds in its low bytes, little-endian.
    pub fn number(self, word: u64) -> Number {
        match self {
            Scalar::U8 | Scalar::Bool => Number::Int(i128::from(word as u8)),
            Scalar::U16 => Number::Int(i128::from(word as u16)),
            Scalar::U32 => Number::Int(i128::from(word as u32)),
            Scalar::U64 | Scalar::Text => Number::Int(i128::from(word)),
            Scalar::I8 => Number::Int(i128::from(word as i8)),
            Scalar::I16 => Number::Int(i128::from(word as i16)),
            Scalar::I32 => Number::Int(i128::from(word as i32)),
            Scalar::I64 => Number::Int(i128::from(word as i64)),
            Scalar::F32 => Number::Float(f64::from(f32::from_bits(word as u32))),
            Scalar::F64 => Number::Float(f64::from_bits(word)),
        }
    }

    /// The word of a number, if this type can represent it.
    pub fn word(self, number: Number) -> Option<u64> {
        match (self, number) {
            (Scalar::F32, n) => Some(u64::from((n.as_f64() as f32).to_bits())),
            (Scalar::F64, n) => Some(n.as_f64().to_bits()),
            (_, Number::Float(_)) => None,
            (_, Number::Int(n)) => {
                let word = n as u64;
                (self.number(word) == number).then_some(word)
            }
        }
    }
}

/// A number of any [`Scalar`] type, or a sum of such numbers.
///
/// Integers stay integers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An integer. Sums of 64-bit values from fewer than 2⁶³ files fit.
    Int(i128),
    /// A floating-point number.
    Float(f64),
}

impl Number {
    /// The nearest f64.
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Int(n) => n as f64,
            Number::Float(x) => x,
        }
    }

    /// The u64, if it is one.
    pub fn as_u64(self) -> Option<u64> {
        match self {
            Number::Int(n) => n.try_into().ok(),
            Number::Float(_) => None,
        }
    }

    /// The i64, if it is one.
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Number::Int(n) => n.try_into().ok(),
            Number::Float(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_agree_at_the_ends_of_every_type() {
        for (scalar, least, most) in [
            (Scalar::U8, 0, i128::from(u8::MAX)),
            (Scalar::U16, 0, i128::from(u16::MAX)),
            (Scalar::U32, 0, i128::from(u32::MAX)),
            (Scalar::U64, 0, i128::from(u64::MAX)),
            (Scalar::I8, i128::from(i8::MIN), i128::from(i8::MAX)),
            (Scalar::I16, i128::from(i16::MIN), i128::from(i16::MAX)),
            (Scalar::I32, i128::from(i32::MIN), i128::from(i32::MAX)),
            (Scalar::I64, i128::from(i64::MIN), i128::from(i64::MAX)),
        ] {
            for n in [least, most] {
                let word = scalar.word(Number::Int(n)).unwrap();
                assert_eq!(scalar.number(word), Number::Int(n));
            }
            assert_eq!(scalar.word(Number::Int(least - 1)), None);
            assert_eq!(scalar.word(Number::Int(most + 1)), None);
            assert_eq!(Scalar::from_code(scalar as u8), Some(scalar));
        }
        assert_eq!(
            Scalar::F32.number(Scalar::F32.word(Number::Float(1.5)).unwrap()),
            Number::Float(1.5)
        );
    }
}
