//! Rounding, so that a partner sees no more digits than were agreed.

/// Rounds half away from zero to so many decimal places. Where the places lie beyond what the
/// number can hold, it stays as it is.
pub(super) fn float(value: f64, places: i8) -> f64 {
    let scale = 10_f64.powi(i32::from(places));
    let scaled = value * scale;
    if !scaled.is_finite() {
        return value;
    }
    let rounded = scaled.round() / scale;
    if rounded.is_finite() { rounded } else { value }
}

/// Rounds half away from zero to tens, hundreds and so on, which negative places stand for.
pub(super) fn integer(value: i64, places: i8) -> i64 {
    let Some(digits) = u32::try_from(-i32::from(places)).ok().filter(|digits| *digits > 0) else {
        return value;
    };
    // Nineteen digits are all that there are; half of that unit is more than any value.
    let unit = 10_i128.pow(digits.min(20));
    let rounded = (i128::from(value).abs() + unit / 2) / unit * unit * i128::from(value.signum());
    i64::try_from(rounded).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_keep_the_agreed_places() {
        for (value, places, wanted) in [
            (2.34159, 2, 2.34),
            (-2.5, 0, -3.0),
            (1234.5, -2, 1200.0),
            (1e300, 127, 1e300),
            (5.0, -128, 0.0),
            (0.1 + 0.2, 15, 0.3),
        ] {
            assert!((float(value, places) - wanted).abs() < 1e-12 * wanted.abs().max(1.0));
        }
    }

    #[test]
    fn integers_round_to_tens_and_hundreds() {
        for (value, places, wanted) in [
            (1249, -2, 1200),
            (1250, -2, 1300),
            (-1250, -2, -1300),
            (7, 3, 7),
            (i64::MAX, -1, i64::MAX),
            (i64::MAX, -19, i64::MAX),
            (4, -128, 0),
        ] {
            assert_eq!(integer(value, places), wanted, "{value} to {places}");
        }
    }
}
