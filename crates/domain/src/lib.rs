//! The words of the service and the rules between them.

#![warn(missing_docs)]

pub mod call;
