//! `velodrome key`: creates a key that signs tokens. Also defines the argument for a command's keys.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use super::output;
use crate::auth::{KeyError, Keyring, create_key};

/// The environment variable that contains keys. There is no flag for it, because other users can see
/// the arguments of a process.
const KEYS: &str = "VELODROME_KEYS";

/// Create a key that signs tokens, and print its id
///
/// To replace a key, append a new one to the key file of the service, which reads it within a second. The last
/// key of the file signs new tokens, and all keys of the file verify tokens. Remove the old key when its
/// tokens are no longer needed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File to create
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Creates a key.
///
/// # Errors
/// If the file already exists or cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    output::print(create_key(&args.file)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Where the keys are.
#[derive(Debug, clap::Args)]
pub(super) struct KeyArgs {
    /// PEM file of the Ed25519 keys that sign and verify tokens
    ///
    /// Instead of a file, the environment variable VELODROME_KEYS can contain the text of the keys.
    #[arg(long, env = "VELODROME_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl KeyArgs {
    /// The keys, if any are given.
    pub(super) fn load(&self) -> Result<Option<Keyring>, KeyError> {
        match (&self.key_file, env::var_os(KEYS)) {
            (Some(file), _) => Keyring::from_file(file).map(Some),
            (None, Some(text)) => Keyring::from_pem(text.as_encoded_bytes(), KEYS).map(Some),
            (None, None) => Ok(None),
        }
    }
}
