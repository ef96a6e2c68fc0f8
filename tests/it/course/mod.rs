//! Courses.

mod example;
