//! One lane: what an endpoint has waiting and under way here, and how much of it may be.
//!
//! Invariant: a lane that only fails is held to what it may have under way.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::endpoint::Endpoint;
use store::Lease;
use url::Url;

use super::Rate;
use crate::share::Share;

/// A lane that succeeds may hold so many leases for each attempt it may have under way.
const WINDOW_PER_ATTEMPT: u32 = 48;
/// So many failures in a row close a lane's window.
const STRIKES_MAX: u32 = 10;

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) endpoint: Arc<Endpoint>,
    /// This node's share of what the endpoint may have under way; none is left to other nodes.
    pub(super) share: u32,
    /// Among so many nodes the endpoint's rate is divided.
    pub(super) sharers: u32,
    pub(super) url: Option<Arc<Url>>,
    pub(super) queue: VecDeque<Lease>,
    pub(super) reserved: u32,
    pub(super) in_flight: u32,
    pub(super) unsettled: u32,
    /// The memory that all of these stand for.
    pub(super) bytes: usize,
    pub(super) allowance: u32,
    /// Failures since the last success.
    pub(super) strikes: u32,
    /// Grows with every success: how far the window has opened.
    credit: u32,
    /// The store was told that there was no room.
    pub(super) refused: bool,
    /// The memory that the last one it was refused would have taken.
    pub(super) wants: usize,
    /// It holds nothing, since there was no memory.
    pub(super) starves: bool,
    pub(super) has_turn: bool,
    pub(super) rate: Rate,
}

impl Lane {
    pub(super) fn new(endpoint: &Arc<Endpoint>, share: &Share) -> Self {
        let bound = endpoint.max_in_flight.max(1);
        Self {
            endpoint: Arc::clone(endpoint),
            share: share.of(endpoint.id, bound),
            sharers: share.sharers(bound),
            url: Url::parse(&endpoint.url).ok().map(Arc::new),
            queue: VecDeque::new(),
            reserved: 0,
            in_flight: 0,
            unsettled: 0,
            bytes: 0,
            allowance: share.of(endpoint.id, bound),
            strikes: 0,
            credit: 0,
            refused: false,
            wants: 0,
            starves: false,
            has_turn: false,
            rate: Rate::default(),
        }
    }

    pub(super) fn held(&self) -> u32 {
        let queued = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        queued
            .saturating_add(self.reserved)
            .saturating_add(self.in_flight)
            .saturating_add(self.unsettled)
    }

    pub(super) const fn is_flowing(&self) -> bool {
        self.strikes < STRIKES_MAX
    }

    /// How many leases the lane may hold. It opens slowly, so that a new endpoint that hangs holds little.
    pub(super) fn window(&self) -> u32 {
        if !self.is_flowing() {
            return self.allowance;
        }
        let open = self.credit.min(self.allowance.saturating_mul(WINDOW_PER_ATTEMPT));
        self.allowance.saturating_mul(2).saturating_add(open)
    }

    /// Takes an attempt's ending into account.
    pub(super) fn judge(&mut self, accepted: bool) {
        if accepted {
            self.strikes = 0;
            self.credit = self.credit.saturating_add(2);
            self.allowance = (self.allowance + 1).min(self.share);
        } else {
            self.strikes = self.strikes.saturating_add(1);
            if !self.is_flowing() {
                self.credit = 0;
                self.allowance = (self.allowance / 2).max(1).min(self.share);
            }
        }
    }

    /// Takes what has changed of the endpoint, or of the node's share.
    pub(super) fn renew(&mut self, endpoint: &Arc<Endpoint>, share: &Share) {
        let Self { url, share, sharers, allowance, .. } = Self::new(endpoint, share);
        self.endpoint = Arc::clone(endpoint);
        (self.url, self.share, self.sharers, self.allowance) = (url, share, sharers, allowance);
    }

    /// Tells whether it would be refused more, as far as it knows.
    pub(super) fn is_full(&self) -> bool {
        self.starves || self.held() > 0 && (self.refused || self.held() >= self.window())
    }

    pub(super) fn is_idle(&self) -> bool {
        self.held() == 0 && !self.refused
    }
}
