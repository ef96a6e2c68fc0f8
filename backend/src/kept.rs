//! A cache with a bound in bytes, shared by all sites.
//!
//! Every cache that a stranger, a learner or an author can fill is one of these. No crate that was weighed
//! (`moka`, `quick_cache`, `lru`) knows owners: in them one site with many entries evicts all others'. Here the
//! owner that holds the most bytes loses its own entries first, so that filling the cache costs whoever does it.
//!
//! A hit takes a read lock and writes nothing unless something was added since the entry's last hit: what is used
//! is remembered by the number of additions, not by time.

use std::{
    borrow::Borrow,
    collections::HashMap,
    fmt::{Debug, Write as _},
    hash::Hash,
    sync::{
        PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use jalon_shared::SiteId;

/// What an entry weighs besides its key's and value's own bytes: its place in the table.
const FRAME: usize = 64;

/// Entries of all sites, up to a number of bytes. The newest entry stays even where it alone is larger.
pub struct Kept<K, V> {
    bound: usize,
    table: RwLock<Table<K, V>>,
    /// Entries added since the start.
    added: AtomicU64,
    evicted: AtomicU64,
}

struct Table<K, V> {
    entries: HashMap<K, Entry<V>>,
    owners: HashMap<SiteId, Share>,
    all: Share,
}

/// Bytes held.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Share {
    bytes: usize,
    /// Those of them that are not lasting.
    passing: usize,
}

struct Entry<V> {
    value: V,
    owner: SiteId,
    bytes: usize,
    lasting: bool,
    /// How many entries had been added when it was used last.
    used: AtomicU64,
}

/// How full a cache is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Filling {
    /// Bytes held, by estimate.
    pub bytes: usize,
    /// The bound.
    pub bound: usize,
    /// Entries held.
    pub entries: usize,
    /// Entries evicted since the start.
    pub evicted: u64,
}

impl<K, V> Debug for Kept<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("bound", &self.bound).finish_non_exhaustive()
    }
}

impl Share {
    fn add(&mut self, bytes: usize, lasting: bool) {
        self.bytes += bytes;
        self.passing += if lasting { 0 } else { bytes };
    }

    fn take(&mut self, bytes: usize, lasting: bool) {
        self.bytes -= bytes;
        self.passing -= if lasting { 0 } else { bytes };
    }
}

impl<K, V> Table<K, V> {
    fn add(&mut self, owner: SiteId, bytes: usize, lasting: bool) {
        self.all.add(bytes, lasting);
        self.owners.entry(owner).or_default().add(bytes, lasting);
    }

    fn take(&mut self, owner: SiteId, bytes: usize, lasting: bool) {
        self.all.take(bytes, lasting);
        if let Some(share) = self.owners.get_mut(&owner) {
            share.take(bytes, lasting);
            if share.bytes == 0 {
                self.owners.remove(&owner);
            }
        }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Kept<K, V> {
    /// Empty; holds so many bytes. Entries that are not lasting hold half of them at most.
    pub fn new(bound: usize) -> Self {
        let table = Table { entries: HashMap::new(), owners: HashMap::new(), all: Share::default() };
        Self { bound, table: RwLock::new(table), added: AtomicU64::new(0), evicted: AtomicU64::new(0) }
    }

    fn read(&self) -> RwLockReadGuard<'_, Table<K, V>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table<K, V>> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a key, if it is here.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let table = self.read();
        let entry = table.entries.get(key)?;
        let now = self.added.load(Ordering::Relaxed);
        if entry.used.load(Ordering::Relaxed) != now {
            entry.used.store(now, Ordering::Relaxed);
        }
        Some(entry.value.clone())
    }

    /// Keeps a value that takes so many bytes, key included. A lasting one goes after those of the same owner
    /// that are not.
    pub fn put(&self, key: &K, owner: SiteId, bytes: usize, lasting: bool, value: V) {
        let bytes = bytes + FRAME + size_of::<K>() + size_of::<Entry<V>>();
        let used = AtomicU64::new(self.added.fetch_add(1, Ordering::Relaxed) + 1);
        let mut table = self.write();
        table.add(owner, bytes, lasting);
        let before = table.entries.insert(key.clone(), Entry { value, owner, bytes, lasting, used });
        if let Some(before) = &before {
            table.take(before.owner, before.bytes, before.lasting);
        }
        let evicted = shrink(&mut table, self.bound, key);
        // Nobody waits while what was evicted is freed.
        drop(table);
        self.evicted.fetch_add(whole(evicted.len()), Ordering::Relaxed);
    }

    /// Says anew which of an owner's entries are lasting; `None` leaves one as it is.
    pub fn rank(&self, owner: SiteId, lasting: impl Fn(&K) -> Option<bool>) {
        let table = &mut *self.write();
        let mut all = table.all;
        let Some(share) = table.owners.get_mut(&owner) else { return };
        for (key, entry) in table.entries.iter_mut().filter(|(_, entry)| entry.owner == owner) {
            if let Some(now) = lasting(key).filter(|now| *now != entry.lasting) {
                for sum in [&mut all, &mut *share] {
                    sum.take(entry.bytes, entry.lasting);
                    sum.add(entry.bytes, now);
                }
                entry.lasting = now;
            }
        }
        table.all = all;
    }

    /// How full it is.
    pub fn filling(&self) -> Filling {
        let table = self.read();
        Filling {
            bytes: table.all.bytes,
            bound: self.bound,
            entries: table.entries.len(),
            evicted: self.evicted.load(Ordering::Relaxed),
        }
    }
}

/// Evicts until all fits, a little more than needed: so one look at all entries serves several additions.
fn shrink<K: Clone + Eq + Hash, V>(table: &mut Table<K, V>, bound: usize, newest: &K) -> Vec<Entry<V>> {
    let mut evicted = Vec::new();
    loop {
        // Where those that don't last are too many, they go; else the owner's that don't last before its others.
        let passing = table.all.passing > bound / 2;
        if table.all.bytes <= bound && !passing {
            return evicted;
        }
        let of = |share: &Share| if passing { share.passing } else { share.bytes };
        let enough = if passing { bound / 2 } else { bound } / 16 * 15;
        let Some((owner, _)) = table.owners.iter().max_by_key(|(_, share)| of(share)) else { return evicted };
        let owner = *owner;
        let next = table.owners.iter().filter(|(other, _)| **other != owner).map(|(_, share)| of(share)).max();
        let next = next.unwrap_or(0);
        let its =
            |(key, entry): &(&K, &Entry<V>)| entry.owner == owner && *key != newest && !(passing && entry.lasting);
        let mut oldest: Vec<(bool, u64, K)> = table
            .entries
            .iter()
            .filter(its)
            .map(|(key, entry)| (entry.lasting, entry.used.load(Ordering::Relaxed), key.clone()))
            .collect();
        oldest.sort_unstable_by_key(|(lasting, used, _)| (*lasting, *used));
        let before = evicted.len();
        for (.., key) in oldest {
            if let Some(entry) = table.entries.remove(&key) {
                table.take(owner, entry.bytes, entry.lasting);
                evicted.push(entry);
            }
            let left = table.owners.get(&owner).map_or(0, of);
            if of(&table.all) <= enough || left < next {
                break;
            }
        }
        if evicted.len() == before {
            // Only the newest is left of the largest owner.
            return evicted;
        }
    }
}

fn whole(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Writes the figures of caches for Prometheus.
pub fn render(text: &mut String, caches: &[(&str, Filling)]) {
    type Figure = (&'static str, &'static str, &'static str, fn(&Filling) -> u64);
    let figures: [Figure; 4] = [
        ("jalon_cache_bytes", "gauge", "Bytes that a cache holds, by estimate.", |one| whole(one.bytes)),
        ("jalon_cache_limit_bytes", "gauge", "Bytes that a cache may hold.", |one| whole(one.bound)),
        ("jalon_cache_entries", "gauge", "Entries that a cache holds.", |one| whole(one.entries)),
        ("jalon_cache_evictions_total", "counter", "Entries that gave way to others.", |one| one.evicted),
    ];
    for (name, kind, help, figure) in figures {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (cache, filling) in caches {
            let _ = writeln!(text, "{name}{{cache=\"{cache}\"}} {}", figure(filling));
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn site(number: u128) -> SiteId {
        SiteId(Uuid::from_u128(number))
    }

    fn check(kept: &Kept<u32, u32>) {
        let table = kept.read();
        let mut owners: HashMap<SiteId, Share> = HashMap::new();
        for entry in table.entries.values() {
            owners.entry(entry.owner).or_default().add(entry.bytes, entry.lasting);
        }
        assert_eq!(owners, table.owners);
        assert_eq!(owners.values().map(|share| share.bytes).sum::<usize>(), table.all.bytes);
        assert_eq!(owners.values().map(|share| share.passing).sum::<usize>(), table.all.passing);
    }

    #[test]
    fn c15_a_cache_holds_its_bytes_and_what_was_used_last() {
        let kept = Kept::new(100_000);
        for number in 0..1000 {
            kept.put(&number, site(1), 1000, true, number);
            assert_eq!(kept.get(&0), Some(0), "what is used stays");
            check(&kept);
        }
        let filling = kept.filling();
        assert!(filling.bytes <= 100_000 && filling.bytes > 80_000, "{filling:?}");
        assert_eq!(filling.entries + usize::try_from(filling.evicted).unwrap_or(0), 1000);
        assert_eq!((kept.get(&999), kept.get(&500)), (Some(999), None));
    }

    #[test]
    fn c15_who_holds_the_most_gives_way_and_no_other() {
        let kept = Kept::new(100_000);
        for number in 0..20 {
            kept.put(&number, site(u128::from(number)), 1000, true, number);
        }
        for number in 1000..3000 {
            kept.put(&number, site(99), 1000, number % 2 == 0, number);
            check(&kept);
        }
        assert!((0..20).all(|number| kept.get(&number).is_some()), "one site evicted others' entries");
        assert!(kept.get(&2999).is_some());
    }

    #[test]
    fn c15_what_does_not_last_goes_first_and_holds_half_at_most() {
        let kept = Kept::new(100_000);
        for number in 0..40 {
            kept.put(&number, site(1), 1000, true, number);
        }
        for number in 100..1000 {
            kept.put(&number, site(2), 1000, false, number);
            kept.put(&(number + 1000), site(1), 1000, false, number);
            check(&kept);
        }
        assert!((0..40).all(|number| kept.get(&number).is_some()), "old versions evicted a current one");
        let passing = kept.read().all.passing;
        assert!(passing <= 50_000, "{passing}");
        // A new version is published: the current one of before does not last any more.
        kept.rank(site(1), |number| (*number < 40).then_some(*number >= 20));
        check(&kept);
        for number in 5000..5200 {
            kept.put(&number, site(1), 1000, false, number);
        }
        assert!((20..40).all(|number| kept.get(&number).is_some()));
        assert!((0..20).all(|number| kept.get(&number).is_none()));
        check(&kept);
    }

    #[test]
    fn c15_an_entry_larger_than_all_is_kept_alone() {
        let kept = Kept::new(1000);
        kept.put(&1, site(1), 5000, false, 1);
        assert_eq!(kept.get(&1), Some(1), "else each request would make it anew");
        kept.put(&2, site(2), 5000, true, 2);
        kept.put(&3, site(3), 10, true, 3);
        assert_eq!((kept.get(&1), kept.get(&2), kept.get(&3)), (None, None, Some(3)));
        check(&kept);
    }
}
