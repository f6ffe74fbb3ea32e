//! What all services of Amazon's have in common: how a call is signed, and how reports come through SNS.

pub(crate) mod sigv4;
pub(crate) mod sns;
