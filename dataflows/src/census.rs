//! A census: how much two sides hold, which their differences do not tell.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow::Continue;

use serde::{Deserialize, Serialize};

use crate::event::{ClassId, Clock, RacerId};
use crate::sides::Side;
use crate::traces::read;

/// How much of a class two sides hold, the old one first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Distinct (second, racer).
    pub records: [u64; 2],
    /// Racers with a record.
    pub racers: [u64; 2],
    /// Racers with a record on the old side alone.
    pub gone: u64,
    /// Racers with a record on the new side alone.
    pub came: u64,
    /// Racers on the leaderboard.
    pub leaders: [u64; 2],
    /// Rides with a result.
    pub rides: [u64; 2],
    /// Seconds at which either side has a record: its boards.
    pub seconds: BTreeSet<u16>,
}

impl Census {
    /// Takes the share of another worker, who has other racers.
    pub fn add(&mut self, other: Self) {
        let add = |ours: &mut [u64; 2], theirs: [u64; 2]| {
            ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours += theirs);
        };
        add(&mut self.records, other.records);
        add(&mut self.racers, other.racers);
        add(&mut self.leaders, other.leaders);
        add(&mut self.rides, other.rides);
        self.gone += other.gone;
        self.came += other.came;
        self.seconds.extend(other.seconds);
    }
}

/// This worker's share, by class.
pub fn census(sides: &mut [Side; 2]) -> BTreeMap<ClassId, Census> {
    let mut classes: BTreeMap<ClassId, Census> = BTreeMap::new();
    // A set would be asked for each record.
    let mut seconds: BTreeMap<ClassId, Vec<bool>> = BTreeMap::new();
    let mut racers: BTreeMap<(ClassId, RacerId), [bool; 2]> = BTreeMap::new();
    for (index, side) in sides.iter_mut().enumerate() {
        let count = |counts: &mut [u64; 2], by| {
            counts.iter_mut().skip(index).take(1).for_each(|count| *count += by);
        };
        read(&mut side.records, Clock::MAX, None, |(class, racer), (), record| {
            let census = classes.entry(*class).or_default();
            let mut records = 0;
            let seconds = seconds.entry(*class).or_default();
            seconds.resize(seconds.len().max(usize::from(record.seconds())), false);
            for (second, _) in record.outputs() {
                let slot = usize::from(second).saturating_sub(1);
                seconds.iter_mut().skip(slot).take(1).for_each(|is_there| *is_there = true);
                records += 1;
            }
            count(&mut census.records, records);
            count(&mut census.racers, 1);
            let sides = racers.entry((*class, *racer)).or_default();
            sides.iter_mut().skip(index).take(1).for_each(|is_there| *is_there = true);
            Continue(())
        });
        read(&mut side.leaderboard, Clock::MAX, None, |(class, _), (), _| {
            count(&mut classes.entry(*class).or_default().leaders, 1);
            Continue(())
        });
        read(&mut side.results, Clock::MAX, None, |(class, _), _, _| {
            count(&mut classes.entry(*class).or_default().rides, 1);
            Continue(())
        });
    }
    for (class, seconds) in seconds {
        let there = (1..).zip(seconds).filter(|(_, is_there)| *is_there);
        classes.entry(class).or_default().seconds = there.map(|(second, _)| second).collect();
    }
    for ((class, _), sides) in racers {
        let census = classes.entry(class).or_default();
        census.gone += u64::from(sides == [true, false]);
        census.came += u64::from(sides == [false, true]);
    }
    classes
}
