//! Reads keys and certificates again when their files change, and at SIGHUP.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::health::{Component, Health};
use crate::serve;
use crate::serve::auth::Auth;
use crate::serve::tls::Certificate;

/// The interval at which files are compared and hangups noticed. Three files cost some microseconds.
const INTERVAL: Duration = Duration::from_millis(200);

/// Files in use, and how they are read again.
struct Files {
    paths: Vec<PathBuf>,
    known: Vec<Option<Version>>,
    reload: Box<dyn Fn() -> Result<(), String> + Send>,
    component: Component,
    /// Whether the last attempt failed.
    has_failed: bool,
}

/// What differs when a file was changed or replaced.
type Version = (SystemTime, u64, u64);

/// The files of a service that can change.
pub(super) struct Reloader(Vec<Files>);

impl Reloader {
    /// The key file of `config`, and the files of its `certificate`, as far as there are any.
    pub(super) fn new(
        config: &serve::Config,
        certificate: Option<&Certificate>,
        health: &Health,
    ) -> Self {
        let mut files = Vec::new();
        if let Auth::On(keyring) = &config.auth
            && let Some(path) = keyring.file()
        {
            let (keyring, component) = (keyring.clone(), health.component("keys"));
            let reload = move || keyring.reload().map_err(|error| error.to_string());
            files.push(Files::new(vec![path.to_owned()], reload, component));
        }
        if let Some(certificate) = certificate.cloned() {
            let paths = certificate.files().map(Path::to_owned).to_vec();
            let reload = move || certificate.reload().map_err(|error| error.to_string());
            files.push(Files::new(paths, reload, health.component("certificate")));
        }
        Self(files)
    }

    /// Reads what changed, until `stopped` disconnects, and everything when `hangups` changes.
    pub(super) fn run(mut self, mut hangups: watch::Receiver<u64>, stopped: &Receiver<()>) {
        while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            let is_requested = hangups.has_changed().unwrap_or_default();
            hangups.mark_unchanged();
            self.0.iter_mut().for_each(|files| files.check(is_requested));
        }
    }
}

impl Files {
    fn new(
        paths: Vec<PathBuf>,
        reload: impl Fn() -> Result<(), String> + Send + 'static,
        component: Component,
    ) -> Self {
        let known = versions(&paths);
        Self { paths, known, reload: Box::new(reload), component, has_failed: false }
    }

    /// Reads the files again if they changed, or if that `is_requested`. If they cannot be used, what was read before
    /// stays in use, and the next check tries again: one of two files may be replaced later.
    fn check(&mut self, is_requested: bool) {
        let found = versions(&self.paths);
        if !is_requested && !self.has_failed && found == self.known {
            return;
        }
        self.known = found;
        match (self.reload)() {
            Ok(()) => {
                tracing::info!(files = ?self.paths, "read again");
                self.component.set_ok();
                self.has_failed = false;
            }
            Err(reason) => {
                self.component.warn(format_args!("the previous ones stay in use: {reason}"));
                self.has_failed = true;
            }
        }
    }
}

fn versions(paths: &[PathBuf]) -> Vec<Option<Version>> {
    let version = |path: &PathBuf| {
        let file = fs::metadata(path).ok()?;
        Some((file.modified().ok()?, file.len(), file.ino()))
    };
    paths.iter().map(version).collect()
}
