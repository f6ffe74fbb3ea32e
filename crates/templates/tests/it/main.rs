//! The words as their readers see them.

mod defaults;
mod own;
