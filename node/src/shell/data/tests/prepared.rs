//! Room that is prepared behind small appends.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

fn length(home: &Home) -> u64 {
    std::fs::metadata(home.file(FIRST)).unwrap().len()
}

#[test]
fn small_appends_lengthen_the_file_seldom() {
    let home = Home::new().prepared();
    let (store, _) = home.open();
    let groups = row(400, 200);
    let mut lengths = std::collections::BTreeSet::new();
    for group in &groups {
        wait(store.append(vec![Arc::clone(group)])).unwrap();
        lengths.insert(length(&home));
    }
    assert!(lengths.len() < 10, "{lengths:?}");
    assert_whole(&read(&store, &[], 10_000).0, &groups);
}

#[test]
fn prepared_room_is_no_torn_end_and_is_used_after_a_start() {
    let home = Home::new().prepared();
    let groups = row(40, 200);
    put_each(&home.open().0, &groups[..15]);
    let before = length(&home);
    let (store, opened) = home.open();
    assert_eq!((opened.torn, opened.holes), (vec![], vec![]));
    put_each(&store, &groups[15..16]);
    assert_eq!(length(&home), before);
    put_each(&store, &groups[16..30]);
    assert!(length(&home) >= before + (4 << 10));
    put_each(&store, &groups[30..]);
    assert_whole(&read(&store, &[], 10_000).0, &groups);
}

#[test]
fn large_appends_and_full_segments_get_no_room() {
    let home = Home::with_segments_of(SMALL_SEGMENT).prepared();
    let (store, _) = home.open();
    let groups = row(60, LARGE);
    wait(store.append(groups[..12].to_vec())).unwrap();
    let head_and_room = 8 << 10;
    assert!(length(&home) <= 12 * (LARGE as u64 + 400) + head_and_room, "{}", length(&home));
    put_each(&store, &groups[12..]);
    assert!(home.files().values().all(|file| file.len() as u64 <= SMALL_SEGMENT));
}

/// The file system, with room for files of so many bytes.
struct Small {
    disk: Disk,
    bytes: Arc<AtomicU64>,
}

impl Files for Small {
    fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        self.disk.make_folder(folder)
    }

    fn create(&mut self, file: &Path) -> io::Result<()> {
        self.disk.create(file)
    }

    fn length(&mut self, file: &Path) -> io::Result<u64> {
        self.disk.length(file)
    }

    fn write(&mut self, file: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        let room = self.bytes.load(Ordering::Relaxed).saturating_sub(offset) as usize;
        let (fits, rest) = bytes.split_at(room.min(bytes.len()));
        self.disk.write(file, fits, offset)?;
        if rest.is_empty() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn sync(&mut self, file: &Path) -> io::Result<()> {
        self.disk.sync(file)
    }

    fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        self.disk.sync_folder(folder)
    }

    fn cut(&mut self, file: &Path, len: u64) -> io::Result<()> {
        self.disk.cut(file, len)
    }

    fn remove(&mut self, file: &Path) -> io::Result<()> {
        self.disk.remove(file)
    }
}

#[test]
fn zeros_do_not_take_the_last_room() {
    let home = Home::new().prepared();
    let bytes = Arc::new(AtomicU64::new(10 << 10));
    let (store, _) = home.open_on(Small { disk: Disk::default(), bytes: Arc::clone(&bytes) });
    let groups = row(60, 200);
    // Whether the file holds zeros behind its last group after one more.
    let has_room = |group: &Arc<VerifiedGroup>| {
        wait(store.append(vec![Arc::clone(group)])).unwrap();
        length(&home) > wait(store.state(author())).unwrap().unwrap().bytes
    };
    let without = groups.iter().position(|group| !has_room(group)).unwrap();
    assert!(without > 0 && length(&home) < 10 << 10, "{} bytes", length(&home));
    bytes.store(u64::MAX, Ordering::Relaxed);
    assert!(!groups[without + 1..].iter().any(has_room), "it is not tried again");
    store.close_blocking();
    let (store, opened) = home.open();
    assert_eq!((opened.torn, opened.holes), (vec![], vec![]));
    assert_whole(&read(&store, &[], 10_000).0, &groups);
}
