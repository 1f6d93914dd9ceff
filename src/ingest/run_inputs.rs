//! The inputs of a run: one partition in the order of the paths, or several that are merged.

use std::ops::Range;

use super::inputs::Input;
use super::missing_segments::{MissingSegments, missing_segments};

/// The inputs of a run in the order of their paths, in one or several partitions.
///
/// A *partition* is a sequence of events in their order. Several partitions overlap in time and are
/// merged by their event clocks.
#[derive(Debug)]
pub struct RunInputs {
    /// All inputs, partition after partition.
    pub inputs: Vec<Input>,
    /// The inputs of each partition, as ranges of `inputs`. Together they cover it.
    pub partitions: Vec<Range<usize>>,
    /// Segments of a service's log that are missing among the inputs.
    pub missing: Vec<MissingSegments>,
}

impl RunInputs {
    /// The inputs of all `paths` as one partition, or those of each path as one if they are merged.
    pub fn new(paths: Vec<Vec<Input>>, is_merged: bool) -> Self {
        let missing = missing_segments(&paths);
        let (mut inputs, mut partitions) = (Vec::new(), Vec::new());
        for path in paths {
            let start = inputs.len();
            inputs.extend(path);
            partitions.push(start..inputs.len());
        }
        if !is_merged {
            partitions = vec![Range { start: 0, end: inputs.len() }];
        }
        Self { inputs, partitions, missing }
    }
}
