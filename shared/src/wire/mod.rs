//! What goes over the wire between widget, backend and other people's programs (api.md).

pub mod enrollment;
pub mod merge;
pub mod quiz;
pub mod track;
