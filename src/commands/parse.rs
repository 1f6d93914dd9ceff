//! Parsers of argument values, whose errors say what is valid.

use std::fmt::Display;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;

/// A parser of whole numbers from `min` to `max`.
pub(super) fn whole_number<T>(
    min: T,
    max: T,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text| {
        let number = text.parse().ok().filter(|number| (&min..=&max).contains(&number));
        number.ok_or_else(|| format!("give a whole number from {min} to {max}"))
    }
}

/// Parses a count of at least one.
pub(super) fn count(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "give a whole number of at least 1".to_owned())
}

/// Parses a rate per second.
pub(super) fn rate(text: &str) -> Result<NonZeroU32, String> {
    whole_number(NonZeroU32::MIN, NonZeroU32::MAX)(text)
}

/// Parses an address and port.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "give an IP address and a port, such as 127.0.0.1:7070".to_owned())
}

/// Parses a decimal number.
pub(super) fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "give a number, such as 0.5".to_owned())
}
