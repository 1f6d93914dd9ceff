//! Drives the built binary: a module a behaviour.

#[cfg(test)]
mod bad_lines;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod results;
#[cfg(test)]
mod run;
#[cfg(test)]
mod simulate;
#[cfg(test)]
mod verify;
