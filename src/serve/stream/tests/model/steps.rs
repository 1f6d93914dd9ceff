//! Generated scenarios.

use super::*;
use crate::live_state::LiveTables;

/// One step of a scenario.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Runs `times` ticks with these changes in turn. The hub runs after each of them, or only after the
    /// last.
    Ticks { changes: Vec<GeneratedChange>, times: u8, is_hub_run_each_tick: bool },
    /// Runs the hub `after_ms` milliseconds later.
    RunHub { after_ms: u16 },
    /// A client reads up to `chunks` chunks.
    Read { client: usize, chunks: u8 },
    /// A client loses its connection, and reconnects with or without its last id.
    Reconnect { client: usize, with_id: bool },
}

/// A generated change. [`live_change`] adapts it to the current rides.
#[derive(Clone, Copy, Debug)]
pub(super) enum GeneratedChange {
    Ride { class: u16, race: u64, racer: u32, output: u8, has_name: bool, ends: bool },
    Views { is_project_a: bool },
    Records(u16),
}

/// Converts a generated change to a possible change of `live`.
pub(super) fn live_change(live: &LiveTables, change: GeneratedChange) -> LiveChange {
    match change {
        GeneratedChange::Views { is_project_a } => {
            viewed(if is_project_a { "a" } else { "b" }, 1, 3)
        }
        GeneratedChange::Records(class) => LiveChange::Records(class),
        GeneratedChange::Ride { class, race, racer, output, has_name, ends } => {
            let ride = (class, race, racer);
            let running = live.standing(ride);
            let started_at = running.map_or(4_000 + race, |standing| standing.started_at);
            let stage = match running {
                Some(_) if ends => Stage::Finished { started_at },
                _ => {
                    let name = has_name.then(|| "Al".into());
                    let (second, output) = (output.into(), Output(output.into()));
                    Stage::Running(Standing { second, output, name, started_at }, Vec::new())
                }
            };
            LiveChange::Stage(ride, stage)
        }
    }
}

fn generated_change() -> impl Strategy<Value = GeneratedChange> {
    let ride = (1..3u16, 6..10u64, 1..6u32, 0..50u8, prop::bool::weighted(0.8), 0..6u8);
    let ride = ride.prop_map(|(class, race, racer, output, has_name, ends)| {
        GeneratedChange::Ride { class, race, racer, output, has_name, ends: ends == 0 }
    });
    prop_oneof![
        6 => ride,
        2 => any::<bool>().prop_map(|is_project_a| GeneratedChange::Views { is_project_a }),
        1 => (1..3u16).prop_map(GeneratedChange::Records),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENT_TOPICS.len();
    let ticks = |times, changes_max| {
        (prop::collection::vec(generated_change(), 0..changes_max), times, any::<bool>()).prop_map(
            |(changes, times, is_hub_run_each_tick)| Step::Ticks {
                changes,
                times,
                is_hub_run_each_tick,
            },
        )
    };
    let delay_ms = prop_oneof![Just(1u16), 1..100u16, Just(1_100)];
    prop_oneof![
        8 => ticks(1..4u8, 6),
        // More frames than fit into a ring.
        1 => ticks(250..255u8, 4),
        4 => delay_ms.prop_map(|after_ms| Step::RunHub { after_ms }),
        6 => (client.clone(), prop_oneof![1..5u8, Just(255)])
            .prop_map(|(client, chunks)| Step::Read { client, chunks }),
        3 => (client, any::<bool>())
            .prop_map(|(client, with_id)| Step::Reconnect { client, with_id }),
    ]
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..60)
}
