//! `velodrome token`: signs a token for a client.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use velodrome_dataflows::ClassId;

use super::key::KeyArgs;
use super::{output, parse};
use crate::auth::{Claims, Scope, now};

/// The maximum validity of a token: a leap year.
const TTL_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Sign a token for a client, and print it
///
/// A service that uses the same keys accepts the token. Clients send it in the header Authorization:
/// Bearer TOKEN.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  velodrome token --key-file keys.pem --scope ingest --ttl 30d
  velodrome token --key-file keys.pem --scope read --classes 1,2 --projects intro --ttl 12h")]
pub struct Args {
    #[command(flatten)]
    keys: KeyArgs,
    /// Permissions of the token, separated by commas
    #[arg(long, env = "VELODROME_TOKEN_SCOPE", required = true, value_delimiter = ',')]
    scope: Vec<Scope>,
    /// Restrict the token to these classes, separated by commas
    ///
    /// With --classes or --projects, the token is valid only for what they name.
    #[arg(long, env = "VELODROME_TOKEN_CLASSES", value_name = "ID", value_delimiter = ',',
        value_parser = parse::whole_number(1, ClassId::MAX))]
    classes: Vec<ClassId>,
    /// Restrict the token to these projects, separated by commas
    ///
    /// With --classes or --projects, the token is valid only for what they name.
    #[arg(long, env = "VELODROME_TOKEN_PROJECTS", value_name = "ID", value_delimiter = ',')]
    projects: Vec<String>,
    /// How long the token is valid, from 1s to 366d, such as 90s, 15m, 12h or 30d
    #[arg(long, env = "VELODROME_TOKEN_TTL", value_name = "DURATION", value_parser = ttl)]
    ttl: Duration,
    /// Name of the token's owner, for your own reference
    #[arg(long, env = "VELODROME_TOKEN_SUBJECT", value_name = "NAME")]
    subject: Option<String>,
}

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = humantime::parse_duration(text).ok();
    let is_valid = |ttl: &Duration| (Duration::from_secs(1)..=TTL_MAX).contains(ttl);
    ttl.filter(is_valid).ok_or_else(|| "give a duration from 1s to 366d".to_owned())
}

/// Signs a token.
///
/// # Errors
/// If the keys cannot be read, or none of them is private.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let keyring = args.keys.load()?;
    let keyring = keyring.context(
        "there is no key to sign with; create one with 'velodrome key FILE' and give it as --key-file",
    )?;
    let issued = now();
    let scope = args.scope.into_iter().collect();
    let claims = Claims {
        sub: args.subject,
        classes: (!args.classes.is_empty()).then(|| args.classes.into_iter().collect()),
        projects: (!args.projects.is_empty()).then(|| args.projects.into_iter().collect()),
        ..Claims::new(scope, issued, issued.saturating_add(args.ttl.as_secs()))
    };
    output::print(keyring.issue(&claims)?)?;
    Ok(ExitCode::SUCCESS)
}
