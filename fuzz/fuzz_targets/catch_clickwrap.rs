//! Hostile bytes as webhooks and answers of Ironclad Clickwrap.

#![no_main]

use domain::source::Vendor;
use fuzz::catch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| catch(Vendor::Clickwrap, data));
