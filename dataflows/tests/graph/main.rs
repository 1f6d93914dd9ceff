//! The graph against a sequential oracle, on random streams, with 1, 2 and 4 workers.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod as_of;
#[cfg(test)]
mod bans;
#[cfg(test)]
mod comparison;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod outcome;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod replay_run;
#[cfg(test)]
mod service;
#[cfg(test)]
mod service_run;
#[cfg(test)]
mod stream;
