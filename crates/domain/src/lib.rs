//! The words of the service and the rules between them.
//!
//! | Word | Where |
//! | --- | --- |
//! | request, signer | [`request`], [`signer`]: states and transitions |
//! | contact | [`contact`] |
//! | document | [`document`] |
//! | event | [`event`]: the closed set of kinds |
//! | endpoint, subscription | [`endpoint`], [`subscription`] |
//! | delivery, attempt | [`delivery`] |
//! | call, ending, outcome | [`call`] |
//! | profile, verdict | [`retry`] |
//! | what events say | [`facts`] |
//! | health | [`health`] |
//! | chain, entry, link | [`chain`] |
//! | replay | [`replay`] |
//! | key, scope | [`key`] |
//! | message, receipt, report | [`message`] |
//! | provider | [`provider`] |
//! | source, vendor | [`source`] |
//! | what a vendor told | [`told`] |
//! | mirror | [`mirror`] |
//! | notice, rule, occasion | [`notice`] |
//! | workflow | [`mod@workflow`]: commands and changes |
//! | ids, chance | [`id`] |
//! | moments, clocks | [`time`] |
//!
//! Invariant: this room does no IO, reads no clock, draws no chance and knows no other room.

#![warn(missing_docs)]

pub mod call;
pub mod chain;
pub mod contact;
pub mod delivery;
pub mod document;
pub mod endpoint;
pub mod event;
pub mod facts;
pub mod health;
pub mod id;
pub mod key;
pub mod message;
pub mod mirror;
pub mod notice;
pub mod provider;
mod reminder;
pub mod replay;
pub mod request;
pub mod retention;
pub mod retry;
pub mod secret;
pub mod signer;
pub mod source;
pub mod subscription;
pub mod time;
pub mod told;
pub mod workflow;
