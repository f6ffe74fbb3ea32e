//! Hostile bytes as webhooks and answers of FintechOS.

#![no_main]

use domain::source::Vendor;
use fuzz::catch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| catch(Vendor::Fintechos, data));
