//! Accounts whose sum stays the same, also if a process dies in the middle of a transfer.

use crossdock::bytemuck::{Pod, Zeroable};

use crate::torture::in_this_order;

pub(crate) const ACCOUNTS: usize = 16;
const FIRST: i64 = 1000;
const SUM: i64 = 16_000;

/// Accounts, and what the transfer under way has found: the intent.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Accounts {
    accounts: [i64; ACCOUNTS],
    transfers: u64,
    /// 1 while the words below it say what was there before the transfer.
    under_way: u64,
    from: u64,
    to: u64,
    from_before: i64,
    to_before: i64,
    transfers_before: u64,
}
crossdock::payload!(Accounts, "crossdock-verify.accounts/1");

impl Accounts {
    pub(crate) fn new() -> Self {
        Self {
            accounts: [FIRST; ACCOUNTS],
            ..Self::zeroed()
        }
    }

    pub(crate) fn are_balanced(&self) -> bool {
        let sum = self.accounts.iter().sum::<i64>();
        sum == SUM && self.under_way == 0
    }

    pub(crate) fn transfers(&self) -> u64 {
        self.transfers
    }

    /// Moves an amount; calls `dawdle` in the middle.
    pub(crate) fn transfer(&mut self, from: usize, to: usize, amount: i64, dawdle: impl FnOnce()) {
        (self.from, self.to) = (from as u64, to as u64);
        self.from_before = self.accounts[from];
        self.to_before = self.accounts[to];
        self.transfers_before = self.transfers;
        in_this_order();
        self.under_way = 1;
        in_this_order();
        self.accounts[from] -= amount;
        in_this_order();
        dawdle();
        self.accounts[to] += amount;
        in_this_order();
        self.transfers += 1;
        in_this_order();
        self.under_way = 0;
    }

    /// Undoes a transfer that was cut off; may be cut off itself, and begun again.
    pub(crate) fn repair(&mut self) {
        if self.under_way == 0 {
            return;
        }
        let index = |number: u64| usize::try_from(number).unwrap_or(0) % ACCOUNTS;
        self.accounts[index(self.from)] = self.from_before;
        self.accounts[index(self.to)] = self.to_before;
        self.transfers = self.transfers_before;
        in_this_order();
        self.under_way = 0;
    }
}
