//! The table of all files of the page.

use super::asset::Asset;

/// The file that is the page.
pub(super) const INDEX: &str = "index.html";

macro_rules! assets {
    ($($name:literal,)*) => {
        /// All files, named relative to this directory.
        pub(super) static ASSETS: [Asset; [$($name),*].len()] =
            [$(Asset::new($name, include_bytes!($name)),)*];
    };
}

assets! {
    "api.js",
    "format.js",
    "html.js",
    "icon.svg",
    "index.html",
    "main.js",
    "models.js",
    "page.js",
    "parts.css",
    "ranking.js",
    "session.js",
    "stream.js",
    "style.css",
    "trophy.svg",
    "pages/operations.js",
    "pages/race.js",
    "pages/racer.js",
    "pages/results.js",
    "pages/sign-in.js",
    "pages/views.js",
    "parts/between-races.js",
    "parts/board.js",
    "parts/chart.js",
    "parts/classes.js",
    "parts/clock.js",
    "parts/following.js",
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Collects the names of the files below `directory` that must be served, separated by `/`.
    fn collect_names(directory: &Path, prefix: &str, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            let is_vendor_metadata = name.ends_with(".LICENSE") || name == "vendor/packages.json";
            if entry.path().is_dir() {
                collect_names(&entry.path(), &format!("{name}/"), names);
            } else if !name.ends_with(".rs") && !is_vendor_metadata {
                names.insert(name);
            }
        }
    }

    #[test]
    fn lists_each_file_of_the_directory_once_with_its_content_type() {
        let mut expected = BTreeSet::new();
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve/ui");
        collect_names(&directory, "", &mut expected);
        let listed: BTreeSet<_> = ASSETS.iter().map(|asset| asset.name().to_owned()).collect();
        assert_eq!(listed, expected, "list each file in `ASSETS`");
        assert_eq!(listed.len(), ASSETS.len());
        for asset in &ASSETS {
            assert_ne!(asset.content_type(), "application/octet-stream", "{}", asset.name());
        }
    }

    #[test]
    fn the_page_preloads_all_modules() {
        let page = include_str!("index.html");
        let scripts = ASSETS.iter().map(Asset::name).filter(|name| name.ends_with(".js"));
        for name in scripts.filter(|name| *name != "main.js") {
            let link = format!("<link rel=\"modulepreload\" href=\"/ui/{name}\">");
            assert!(page.contains(&link), "{name} is not preloaded");
        }
    }
}
