//! `velodrome token`: a signed token for a client.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use velodrome_dataflows::ClassId;

use super::key::KeySource;
use crate::auth::{Claims, Scope, now};

/// The longest that a token is valid: a year of any length.
const TTL_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Sign a token that opens a service to a client, and print it
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    keys: KeySource,
    /// What it lets do, one or several separated by commas
    #[arg(long, env = "VELODROME_TOKEN_SCOPE", required = true, value_delimiter = ',')]
    scope: Vec<Scope>,
    /// Classes that it is for, separated by commas; with these or --projects it is for nothing else
    #[arg(long, env = "VELODROME_TOKEN_CLASSES", value_name = "ID", value_delimiter = ',',
        value_parser = clap::value_parser!(ClassId).range(1..))]
    classes: Vec<ClassId>,
    /// Projects that it is for, separated by commas; with these or --classes it is for nothing else
    #[arg(long, env = "VELODROME_TOKEN_PROJECTS", value_name = "ID", value_delimiter = ',')]
    projects: Vec<String>,
    /// How long it is valid, such as 30d, 12h, 15m or 90s; at most 366d
    #[arg(long, env = "VELODROME_TOKEN_TTL", value_name = "DURATION", value_parser = ttl)]
    ttl: Duration,
    /// Whom it is for: a name for people
    #[arg(long, env = "VELODROME_TOKEN_SUBJECT", value_name = "NAME")]
    subject: Option<String>,
}

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let is_valid = (Duration::from_secs(1)..=TTL_MAX).contains(&ttl);
    is_valid.then_some(ttl).ok_or_else(|| "it must be 1s to 366d".to_owned())
}

/// Signs a token.
///
/// # Errors
/// Keys that cannot be read, or none of them private.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let keyring = args.keys.load()?;
    let keyring = keyring.context(
        "there is no key to sign with; give --key-file, and make one with 'velodrome key FILE'",
    )?;
    let issued = now();
    let scope = args.scope.into_iter().collect();
    let claims = Claims {
        sub: args.subject,
        classes: (!args.classes.is_empty()).then(|| args.classes.into_iter().collect()),
        projects: (!args.projects.is_empty()).then(|| args.projects.into_iter().collect()),
        ..Claims::new(scope, issued, issued.saturating_add(args.ttl.as_secs()))
    };
    super::print(keyring.issue(&claims)?)?;
    Ok(ExitCode::SUCCESS)
}
