//! What goes over the wire between widget, backend and other people's programs (api.md).

pub mod admin_site;
pub mod article;
pub mod cohort;
pub mod copying;
pub mod course;
pub mod enrollment;
pub mod grading;
pub mod guest;
pub mod merge;
pub mod quiz;
pub mod recalculation;
pub mod site;
pub mod track;
pub mod webhook;
