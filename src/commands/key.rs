//! `velodrome key`: a key that signs tokens; and where commands find theirs.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::auth::{KeyError, Keyring, new_key};

/// The variable that holds keys where no file does. It is no flag, as arguments are there to be seen.
const KEYS: &str = "VELODROME_KEYS";

/// Make a key that signs tokens, and print its id
///
/// To change keys, append a new one to the file that the service reads: it signs from then on, and
/// tokens of the old one are valid until that is deleted. Restart the service after either.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File to write the key to, which must not be there
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Makes a key.
///
/// # Errors
/// A file that is there already or cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    super::print(new_key(&args.file)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Where the keys are.
#[derive(Debug, clap::Args)]
pub(super) struct KeySource {
    /// PEM file of Ed25519 keys that sign and verify tokens; without it, VELODROME_KEYS holds the text
    #[arg(long, env = "VELODROME_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl KeySource {
    /// The keys, where some are given.
    pub(super) fn load(&self) -> Result<Option<Keyring>, KeyError> {
        match (&self.key_file, env::var_os(KEYS)) {
            (Some(file), _) => Keyring::from_file(file).map(Some),
            (None, Some(text)) => Keyring::from_pem(text.as_encoded_bytes(), KEYS).map(Some),
            (None, None) => Ok(None),
        }
    }
}
