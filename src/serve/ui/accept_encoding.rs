//! The request header `Accept-Encoding`.

use axum::http::{HeaderMap, header};

/// Whether the client accepts gzip (RFC 9110, 12.5.3).
pub(in crate::serve) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let values: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
    let accepts = |name: &str| {
        let mut codings = values.iter().flat_map(|value| value.split(','));
        codings.find_map(|coding| {
            let (coding, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
            coding.trim().eq_ignore_ascii_case(name).then(|| is_nonzero_weight(weight))
        })
    };
    accepts("gzip").or_else(|| accepts("x-gzip")).or_else(|| accepts("*")).unwrap_or(false)
}

/// Whether a weight such as `q=0.5` is greater than zero.
fn is_nonzero_weight(weight: &str) -> bool {
    let weight = weight.trim().to_ascii_lowercase();
    let weight = weight.strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
    weight.is_some_and(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(values: &[&str]) -> bool {
        let value = |value: &&str| (header::ACCEPT_ENCODING, value.parse().unwrap());
        accepts_gzip(&values.iter().map(value).collect())
    }

    #[test]
    fn accepts_gzip_with_a_nonzero_weight() {
        for values in [
            &["gzip"][..],
            &["gzip, deflate, br, zstd"],
            &["br", "GZIP"],
            &["x-gzip"],
            &["br;q=1.0, gzip;q=0.001"],
            &["*"],
            &["identity;q=0, * ; Q=0.5"],
        ] {
            assert!(accepts(values), "{values:?}");
        }
    }

    #[test]
    fn rejects_gzip_without_a_nonzero_weight() {
        for values in [
            &[][..],
            &[""],
            &["br"],
            &["gzip;q=0"],
            &["gzip; q=0.000, *"],
            &["*;q=0"],
            &["gzip;q=x"],
            &["gzipped"],
        ] {
            assert!(!accepts(values), "{values:?}");
        }
    }
}
