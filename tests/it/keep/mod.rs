//! Promise 8: it can be kept. Upgrades, backups, erasure, expiry.

mod upgrade;
