//! The type of the arrangements.

/// An arrangement within the scope of its dataflow, with the trace `Tr`.
pub(super) type Arrangement<'scope, Tr> =
    differential_dataflow::operators::arrange::Arranged<'scope, Tr>;
