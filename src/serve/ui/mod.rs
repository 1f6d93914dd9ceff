//! The web page: files that are a part of the binary. They hold no data, so that no token is asked for, and
//! they are there while the service starts; what the page shows it asks of the API, as every client does.
//!
//! A file has its name below `/ui/`. The page itself is at several paths, and knows by the path what to show.

use std::io::{self, Write};
use std::sync::OnceLock;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use xxhash_rust::xxh3::xxh3_128;

use super::error::ApiError;
use super::etag;
use super::fallback::unknown_path;
use super::params::PathParams;

/// Where the page is.
const PAGES: [&str; 5] = ["/", "/results", "/racer", "/views", "/operations"];
/// The file that it is.
const PAGE: &str = "index.html";

/// What the page may load and run: its own files, and nothing of other sites, which may not frame it either.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";

macro_rules! files {
    ($($name:literal,)*) => {
        /// All files, by their names in this directory.
        static FILES: [File; [$($name),*].len()] = [$(File::new($name, include_bytes!($name)),)*];
    };
}

files! {
    "api.js",
    "format.js",
    "html.js",
    "icon.svg",
    "index.html",
    "live.js",
    "main.js",
    "models.js",
    "page.js",
    "parts.css",
    "ranking.js",
    "session.js",
    "style.css",
    "trophy.svg",
    "pages/operations.js",
    "pages/race.js",
    "pages/racer.js",
    "pages/results.js",
    "pages/sign-in.js",
    "pages/views.js",
    "parts/board.js",
    "parts/chart.js",
    "parts/classes.js",
    "parts/clock.js",
    "parts/following.js",
    "parts/interval.js",
    "parts/odometer.js",
    "parts/sparkline.js",
    "parts/table.js",
    "vendor/errors.js",
    "vendor/eventsource-parser.js",
    "vendor/htm.js",
    "vendor/preact.js",
    "vendor/uplot.css",
    "vendor/uplot.js",
}

/// A file of the page.
struct File {
    name: &'static str,
    bytes: &'static [u8],
    /// As it is sent, once it is asked for.
    forms: OnceLock<Forms>,
}

/// A file plain and compressed.
struct Forms {
    plain: Form,
    gzip: Option<Form>,
}

/// Bytes and their entity tag, which is another one for each form (RFC 9110, 8.8.3.3).
struct Form {
    bytes: Bytes,
    etag: String,
}

impl Form {
    fn new(bytes: Bytes) -> Self {
        let etag = etag::from_hash(xxh3_128(&bytes));
        Self { bytes, etag }
    }
}

impl File {
    const fn new(name: &'static str, bytes: &'static [u8]) -> Self {
        Self { name, bytes, forms: OnceLock::new() }
    }

    fn named(name: &str) -> Option<&'static Self> {
        FILES.iter().find(|file| file.name == name)
    }

    fn kind(&self) -> &'static str {
        match self.name.rsplit_once('.') {
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "html")) => "text/html; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml; charset=utf-8",
            _ => "application/octet-stream",
        }
    }

    fn forms(&self) -> &Forms {
        self.forms.get_or_init(|| Forms {
            plain: Form::new(Bytes::from_static(self.bytes)),
            gzip: gzip(self.bytes).ok().map(|bytes| Form::new(bytes.into())),
        })
    }

    fn reply(&self, headers: &HeaderMap) -> Response {
        let forms = self.forms();
        let gzip = forms.gzip.as_ref().filter(|_| takes_gzip(headers));
        let form = gzip.unwrap_or(&forms.plain);
        let of_both = [
            (header::ETAG, &*form.etag),
            (header::CACHE_CONTROL, "no-cache"),
            (header::VARY, "accept-encoding"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ];
        if etag::matches(headers, &form.etag) {
            return (StatusCode::NOT_MODIFIED, of_both).into_response();
        }
        let kind = [(header::CONTENT_TYPE, self.kind())];
        let mut response = (of_both, kind, form.bytes.clone()).into_response();
        if gzip.is_some() {
            let coding = header::HeaderValue::from_static("gzip");
            response.headers_mut().insert(header::CONTENT_ENCODING, coding);
        }
        response
    }
}

/// The routes of the page, which are for everybody and not in the description.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let files = Router::new().route("/ui/{*name}", get(file));
    PAGES.into_iter().fold(files, |routes, path| routes.route(path, get(page)))
}

async fn page(uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    reply(PAGE, uri, &headers).await
}

async fn file(
    uri: Uri,
    PathParams(name): PathParams<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    reply(&name, uri, &headers).await
}

async fn reply(name: &str, uri: Uri, headers: &HeaderMap) -> Result<Response, ApiError> {
    match File::named(name) {
        Some(file) => Ok(file.reply(headers)),
        None => Err(unknown_path(uri).await),
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Whether the client takes gzip (RFC 9110, 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let given = headers.get_all(header::ACCEPT_ENCODING).iter();
    let given: Vec<_> = given.filter_map(|value| value.to_str().ok()).collect();
    let takes = |name: &str| {
        let mut codings = given.iter().flat_map(|value| value.split(','));
        codings.find_map(|coding| {
            let (coding, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
            coding.trim().eq_ignore_ascii_case(name).then(|| is_more_than_none(weight))
        })
    };
    takes("gzip").or_else(|| takes("*")).unwrap_or(false)
}

/// Whether a weight `q=0.5` is not zero.
fn is_more_than_none(weight: &str) -> bool {
    let weight = weight.trim().to_ascii_lowercase();
    let weight = weight.strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
    weight.is_some_and(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The names of the files below a directory of the page that are to be served, with `/` between.
    fn names(directory: &Path, prefix: &str, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let (path, name) = {
                let entry = entry.unwrap();
                (entry.path(), format!("{prefix}{}", entry.file_name().to_str().unwrap()))
            };
            let is_of_vendor = name.ends_with(".LICENSE") || name == "vendor/packages.json";
            match path.is_dir() {
                true => self::names(&path, &format!("{name}/"), names),
                false if name.ends_with(".rs") || is_of_vendor => {}
                false => drop(names.insert(name)),
            }
        }
    }

    #[test]
    fn each_file_of_the_directory_is_served_once_and_as_what_it_is() {
        let mut expected = BTreeSet::new();
        names(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve/ui"), "", &mut expected);
        let served: BTreeSet<_> = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(served, expected, "name it in `FILES`");
        assert_eq!(served.len(), FILES.len());
        for file in &FILES {
            assert_ne!(file.kind(), "application/octet-stream", "{}", file.name);
        }
    }

    #[test]
    fn the_page_has_all_modules_loaded_at_once() {
        let page = File::named(PAGE).map(|file| str::from_utf8(file.bytes).unwrap()).unwrap();
        let scripts = FILES.iter().map(|file| file.name).filter(|name| name.ends_with(".js"));
        for name in scripts.filter(|name| *name != "main.js") {
            let link = format!("<link rel=\"modulepreload\" href=\"/ui/{name}\">");
            assert!(page.contains(&link), "{name} would be waited for once more");
        }
    }

    #[test]
    fn gzip_is_for_who_says_to_take_it() {
        let takes = |values: &[&str]| {
            let value = |value: &&str| (header::ACCEPT_ENCODING, value.parse().unwrap());
            takes_gzip(&values.iter().map(value).collect())
        };
        for values in [
            &["gzip"][..],
            &["gzip, deflate, br, zstd"],
            &["br", "GZIP"],
            &["br;q=1.0, gzip;q=0.001"],
            &["*"],
            &["identity;q=0, * ; Q=0.5"],
        ] {
            assert!(takes(values), "{values:?}");
        }
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
            assert!(!takes(values), "{values:?}");
        }
    }
}
