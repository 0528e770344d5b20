//! Numbers as jq has them (doubles), except that 64-bit integers stay exact until arithmetic leaves their range.

use std::cmp::Ordering;

use serde_json::Number as Json;

/// A number. Invariant: `Big` holds only what `Int` cannot.
#[derive(Debug, Clone, Copy)]
pub(super) enum Num {
    Int(i64),
    Big(u64),
    Float(f64),
}

/// Up to here jq prints whole numbers with all their digits and no exponent.
const WHOLE_MAX: f64 = 1e17;

impl Num {
    /// The result of arithmetic: whole numbers become integers, as jq prints them.
    pub(super) fn from_f64(float: f64) -> Self {
        let negative_zero = float == 0.0 && float.is_sign_negative();
        if float.fract() == 0.0 && float.abs() <= WHOLE_MAX && !negative_zero {
            // In range by the line above.
            Self::Int(float as i64)
        } else {
            Self::Float(float)
        }
    }

    pub(super) fn from_usize(n: usize) -> Self {
        Self::from_i128(n as i128)
    }

    fn from_i128(n: i128) -> Self {
        if let Ok(int) = i64::try_from(n) {
            Self::Int(int)
        } else if let Ok(big) = u64::try_from(n) {
            Self::Big(big)
        } else {
            Self::Float(n as f64)
        }
    }

    pub(super) fn from_json(number: &Json) -> Self {
        if let Some(int) = number.as_i64() {
            Self::Int(int)
        } else if let Some(big) = number.as_u64() {
            Self::Big(big)
        } else {
            Self::Float(number.as_f64().unwrap_or(f64::NAN))
        }
    }

    /// None for what JSON does not have: not a number, and the infinities.
    pub(super) fn to_json(self) -> Option<Json> {
        match self {
            Self::Int(int) => Some(int.into()),
            Self::Big(big) => Some(big.into()),
            Self::Float(float) => Json::from_f64(float),
        }
    }

    /// Reads a literal of the language or of JSON.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(int) = text.parse() {
            return Some(Self::Int(int));
        }
        if let Ok(big) = text.parse() {
            return Some(Self::Big(big));
        }
        text.parse().ok().map(Self::from_f64)
    }

    pub(super) fn as_f64(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Big(big) => big as f64,
            Self::Float(float) => float,
        }
    }

    fn as_i128(self) -> Option<i128> {
        match self {
            Self::Int(int) => Some(int.into()),
            Self::Big(big) => Some(big.into()),
            Self::Float(_) => None,
        }
    }

    /// The number without its fraction, at the ends of `i64` when beyond; zero for "not a number".
    pub(super) fn truncate(self) -> i64 {
        match self {
            Self::Int(int) => int,
            Self::Big(_) => i64::MAX,
            // Casting saturates.
            Self::Float(float) => float as i64,
        }
    }

    /// The largest whole number not above it, as indices are read.
    pub(super) fn floor(self) -> i64 {
        match self {
            Self::Float(float) => float.floor() as i64,
            other => other.truncate(),
        }
    }

    pub(super) fn is_nan(self) -> bool {
        matches!(self, Self::Float(float) if float.is_nan())
    }

    pub(super) fn abs(self) -> Self {
        match self {
            Self::Int(int) => Self::from_i128(i128::from(int).abs()),
            Self::Float(float) => Self::Float(float.abs()),
            big => big,
        }
    }

    pub(super) fn negate(self) -> Self {
        match self {
            Self::Float(float) => Self::Float(-float),
            other => other.as_i128().map_or(other, |n| Self::from_i128(-n)),
        }
    }

    pub(super) fn add(self, other: Self) -> Self {
        self.calculate(other, i128::checked_add, |a, b| a + b)
    }

    pub(super) fn subtract(self, other: Self) -> Self {
        self.calculate(other, i128::checked_sub, |a, b| a - b)
    }

    pub(super) fn multiply(self, other: Self) -> Self {
        self.calculate(other, i128::checked_mul, |a, b| a * b)
    }

    /// None when dividing by zero.
    pub(super) fn divide(self, other: Self) -> Option<Self> {
        if other.as_f64() == 0.0 {
            return None;
        }
        match (self.as_i128(), other.as_i128()) {
            (Some(a), Some(b)) if a % b == 0 => Some(Self::from_i128(a / b)),
            _ => Some(Self::from_f64(self.as_f64() / other.as_f64())),
        }
    }

    /// The remainder of the whole parts, with the sign of the first, as jq has it. None when dividing by zero.
    pub(super) fn remainder(self, other: Self) -> Option<Self> {
        if self.is_nan() || other.is_nan() {
            return Some(Self::Float(f64::NAN));
        }
        let whole = |n: Self| n.as_i128().unwrap_or_else(|| n.truncate().into());
        let (a, b) = (whole(self), whole(other));
        (b != 0).then(|| Self::from_i128(a % b))
    }

    fn calculate(
        self,
        other: Self,
        exact: fn(i128, i128) -> Option<i128>,
        float: fn(f64, f64) -> f64,
    ) -> Self {
        let exact = self.as_i128().zip(other.as_i128()).and_then(|(a, b)| exact(a, b));
        exact.map_or_else(|| Self::from_f64(float(self.as_f64(), other.as_f64())), Self::from_i128)
    }

    /// The order for sorting: total, with "not a number" below all numbers and equal to itself.
    pub(super) fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(&b),
            (Self::Float(a), Self::Float(b)) => order_floats(a, b),
            (Self::Float(a), b) => order_mixed(b.as_i128().unwrap_or_default(), a).reverse(),
            (a, Self::Float(b)) => order_mixed(a.as_i128().unwrap_or_default(), b),
            (a, b) => a.as_i128().cmp(&b.as_i128()),
        }
    }

    /// As `tostring` writes it.
    pub(super) fn write(self, out: &mut String) {
        use std::fmt::Write;
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Int(int) => write!(out, "{int}"),
            Self::Big(big) => write!(out, "{big}"),
            // JSON has no word for these; jq writes null, and the outermost doubles.
            Self::Float(float) if float.is_nan() => write!(out, "null"),
            Self::Float(float) => {
                let float = float.clamp(f64::MIN, f64::MAX);
                Json::from_f64(float).map_or(Ok(()), |json| write!(out, "{json}"))
            }
        };
    }
}

fn order_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// Exact, so that the order stays transitive where neighbouring integers round to the same double.
fn order_mixed(int: i128, float: f64) -> Ordering {
    if float.is_nan() {
        return Ordering::Greater;
    }
    // Saturates far outside of the integers' range, on the right side.
    let whole = float.trunc() as i128;
    int.cmp(&whole).then_with(|| 0.0_f64.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal))
}
