//! Functions of numbers. The same library computes them on every platform, so that replays agree to the bit.

use super::super::number::Num;
use super::super::value::{Error, Val, ValR};
use super::{Native, native, of_input, of_two};

/// A function of the input as a double.
macro_rules! float {
    ($name:ident) => {
        float!(stringify!($name), libm::$name)
    };
    ($name:expr, $f:expr) => {
        of_input!($name, |val: Val| float_of(&val).map(|x| Val::float($f(x))))
    };
}

/// A function of two arguments as doubles; the input does not matter.
macro_rules! floats {
    ($name:ident) => {
        floats!(stringify!($name), libm::$name)
    };
    ($name:expr, $f:expr) => {
        of_two!($name, |_, a: Val, b: Val| Ok(Val::float($f(float_of(&a)?, float_of(&b)?))))
    };
}

pub(super) fn natives() -> Vec<Native> {
    let mut natives = vec![
        of_input!("nan", |_| Ok(Val::float(f64::NAN))),
        of_input!("infinite", |_| Ok(Val::float(f64::INFINITY))),
        of_input!("isnan", |val: Val| Ok(Val::Bool(number(&val)?.is_nan()))),
        of_input!("isinfinite", |val: Val| Ok(Val::Bool(float_of(&val)?.is_infinite()))),
        of_input!("isnormal", |val: Val| Ok(Val::Bool(float_of(&val)?.is_normal()))),
        of_input!("abs", |val: Val| Ok(Val::Num(number(&val)?.abs()))),
        of_input!("floor", |val: Val| whole(&val, libm::floor)),
        of_input!("ceil", |val: Val| whole(&val, libm::ceil)),
        of_input!("round", |val: Val| whole(&val, libm::round)),
        of_input!("trunc", |val: Val| whole(&val, libm::trunc)),
        of_input!("rint", |val: Val| whole(&val, libm::rint)),
        of_input!("nearbyint", |val: Val| whole(&val, libm::rint)),
        of_input!("frexp", |val: Val| {
            let (mantissa, exponent) = libm::frexp(float_of(&val)?);
            Ok(Val::list(vec![Val::float(mantissa), Val::float(exponent.into())]))
        }),
        of_input!("modf", |val: Val| {
            let (fraction, whole) = libm::modf(float_of(&val)?);
            Ok(Val::list(vec![Val::float(fraction), Val::float(whole)]))
        }),
        of_two!("ldexp", |_, a: Val, b: Val| {
            let exponent = i32::try_from(number(&b)?.truncate().clamp(-5000, 5000)).unwrap_or(0);
            Ok(Val::float(libm::ldexp(float_of(&a)?, exponent)))
        }),
        native!("fma", jaq_core::native::v(3), |mut cv| {
            let c = cv.0.pop_var();
            let b = cv.0.pop_var();
            let a = cv.0.pop_var();
            let fma = || Ok(Val::float(libm::fma(float_of(&a)?, float_of(&b)?, float_of(&c)?)));
            jaq_core::native::bome(fma())
        }),
        floats!(pow),
        floats!(atan2),
        floats!(copysign),
        floats!(fdim),
        floats!(fmax),
        floats!(fmin),
        floats!(fmod),
        floats!(hypot),
        floats!(nextafter),
        floats!("drem", libm::remainder),
        floats!("scalb", |x: f64, e: f64| x * libm::exp2(e)),
        floats!("scalbln", |x: f64, e: f64| x * libm::exp2(libm::trunc(e))),
    ];
    natives.extend([
        float!(acos),
        float!(acosh),
        float!(asin),
        float!(asinh),
        float!(atan),
        float!(atanh),
        float!(cbrt),
        float!(cos),
        float!(cosh),
        float!(exp),
        float!(exp10),
        float!(exp2),
        float!(expm1),
        float!(fabs),
        float!(log),
        float!(log10),
        float!(log1p),
        float!(log2),
        float!(sin),
        float!(sinh),
        float!(sqrt),
        float!(tan),
        float!(tanh),
        float!(tgamma),
        float!("gamma", libm::lgamma),
        float!("lgamma", libm::lgamma),
        float!("pow10", libm::exp10),
        float!("logb", |x: f64| {
            if x == 0.0 || !x.is_finite() { libm::log(x.abs()) } else { f64::from(libm::ilogb(x)) }
        }),
        float!("significand", |x: f64| {
            if x == 0.0 || !x.is_finite() { x } else { libm::scalbn(x, -libm::ilogb(x)) }
        }),
    ]);
    natives
}

fn number(val: &Val) -> Result<Num, Error> {
    match val {
        Val::Num(n) => Ok(*n),
        other => Err(Error::str(format_args!("{} ({other}) is not a number", other.type_name()))),
    }
}

fn float_of(val: &Val) -> Result<f64, Error> {
    number(val).map(Num::as_f64)
}

/// Rounding, which leaves integers exact.
fn whole(val: &Val, round: fn(f64) -> f64) -> ValR {
    Ok(match number(val)? {
        Num::Float(float) => Val::float(round(float)),
        integer => Val::Num(integer),
    })
}
