//! Amounts of money: whole numbers of the currency's smallest unit as the provider counts it, never a float.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A currency code, ISO 4217, upper case as Cello wants it. Providers differ: Stripe writes lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Currency(String);

impl Currency {
    /// `None` unless `code` is three letters.
    pub fn parse(code: &str) -> Option<Self> {
        let code = code.trim();
        (code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic()))
            .then(|| Self(code.to_ascii_uppercase()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `amount × part / whole`, rounded half away from zero, in 128 bits. `None` when `whole` is 0 or the result does
/// not fit.
pub fn share(amount: i64, part: i64, whole: i64) -> Option<i64> {
    if whole == 0 {
        return None;
    }
    let product = i128::from(amount) * i128::from(part);
    let whole = i128::from(whole);
    let (quotient, remainder) = (product / whole, product % whole);
    let away = if product.is_negative() == whole.is_negative() { 1 } else { -1 };
    let rounded = if remainder.abs() * 2 >= whole.abs() { quotient + away } else { quotient };
    i64::try_from(rounded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_three_letters_in_upper_case() {
        assert_eq!(Currency::parse("eur").unwrap().as_str(), "EUR");
        assert_eq!(Currency::parse(" usd ").unwrap().as_str(), "USD");
        for wrong in ["", "eu", "euro", "e1r", "€"] {
            assert_eq!(Currency::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_share_is_rounded_half_away_from_zero_without_floats() {
        assert_eq!(share(11900, 10000, 11900), Some(10000));
        assert_eq!(share(5, 1, 2), Some(3));
        assert_eq!(share(-5, 1, 2), Some(-3));
        assert_eq!(share(5, 1, -2), Some(-3));
        assert_eq!(share(-5, 1, -2), Some(3));
        assert_eq!(share(1, 1, 3), Some(0));
        assert_eq!(share(0, 1, 3), Some(0));
        assert_eq!(share(i64::MAX, i64::MAX, i64::MAX), Some(i64::MAX));
        assert_eq!(share(i64::MAX, 2, 1), None);
        assert_eq!(share(1, 1, 0), None);
    }
}
