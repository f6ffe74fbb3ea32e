//! The words in which people are told: templates, languages, looks.

#![warn(missing_docs)]
