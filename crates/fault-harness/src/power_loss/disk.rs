//! A disk as POSIX promises it, and no more.
//!
//! Bytes of a file are safe once an `fsync` or `fdatasync` of that file has ended that began after they were
//! written. Names are safe once the folder they stand in was synced. Of everything else any part may be lost:
//! sectors of a write one by one, sizes, names of one folder and not of another.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use rand::{Rng, rngs::StdRng};

/// What a power failure leaves, below the root: files by path; folders are `None`.
pub type Remains = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// Which of the unsynced changes a power failure lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Luck {
    /// None.
    None,
    /// All.
    All,
    /// Each sector and each folder's names by chance.
    Torn,
}

/// The disk at one moment.
#[derive(Debug)]
pub(super) struct Disk {
    nodes: Vec<Node>,
}

/// A file or a folder, whatever its name.
#[derive(Debug)]
enum Node {
    File { safe: Vec<u8>, pending: Vec<Pending<Change>> },
    Folder { now: HashMap<PathBuf, usize>, safe: HashMap<PathBuf, usize>, pending: Vec<Pending<Entry>> },
}

/// A change that is not safe yet.
#[derive(Debug)]
struct Pending<C> {
    change: C,
    /// The line of the log at which it had been made.
    ended: usize,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize(usize),
}

/// A name gets this node, or none.
#[derive(Debug)]
struct Entry {
    name: PathBuf,
    node: Option<usize>,
}

impl Disk {
    /// A disk with an empty, safe root folder.
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::folder()] }
    }

    /// The node of a path below the root, as running processes see it.
    pub(super) fn find(&self, path: &Path) -> Option<usize> {
        path.iter().try_fold(ROOT, |node, name| match self.nodes.get(node)? {
            Node::Folder { now, .. } => now.get(Path::new(name)).copied(),
            Node::File { .. } => None,
        })
    }

    pub(super) fn create_file(&mut self, path: &Path, ended: usize) {
        let node = self.add(Node::File { safe: Vec::new(), pending: Vec::new() });
        self.enter(path, Some(node), ended);
    }

    pub(super) fn create_folder(&mut self, path: &Path, ended: usize) {
        let node = self.add(Node::folder());
        self.enter(path, Some(node), ended);
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path, ended: usize) {
        let node = self.find(from);
        self.enter(to, node, ended);
        self.enter(from, None, ended);
    }

    pub(super) fn remove(&mut self, path: &Path, ended: usize) {
        self.enter(path, None, ended);
    }

    pub(super) fn write(&mut self, node: usize, offset: usize, bytes: &[u8], ended: usize) {
        self.change(node, Change::Write { offset, bytes: bytes.to_vec() }, ended);
    }

    pub(super) fn resize(&mut self, node: usize, size: usize, ended: usize) {
        self.change(node, Change::Resize(size), ended);
    }

    /// How long a file is for running processes.
    pub(super) fn size(&self, node: usize) -> usize {
        match self.nodes.get(node) {
            Some(Node::File { safe, pending }) => {
                pending.iter().fold(safe.len(), |size, one| match &one.change {
                    Change::Write { offset, bytes } => size.max(offset + bytes.len()),
                    Change::Resize(size) => *size,
                })
            }
            Some(Node::Folder { .. }) | None => 0,
        }
    }

    /// Everything that was changed before line `began` is safe now.
    pub(super) fn sync(&mut self, node: usize, began: usize) {
        match self.nodes.get_mut(node) {
            Some(Node::File { safe, pending }) => {
                for done in pending.extract_if(.., |one| one.ended < began) {
                    done.change.apply(safe);
                }
            }
            Some(Node::Folder { safe, pending, .. }) => {
                for done in pending.extract_if(.., |one| one.ended < began) {
                    done.change.apply(safe);
                }
            }
            None => {}
        }
    }

    /// What a power failure now would leave.
    pub(super) fn fail(&self, luck: Luck, random: &mut StdRng) -> Remains {
        let mut remains = Remains::new();
        self.leave(ROOT, Path::new(""), luck, random, &mut remains);
        remains
    }

    fn leave(&self, node: usize, path: &Path, luck: Luck, random: &mut StdRng, remains: &mut Remains) {
        match self.nodes.get(node) {
            Some(Node::File { safe, pending }) => {
                let mut content = safe.clone();
                for one in pending {
                    match luck {
                        Luck::None => {}
                        Luck::All => one.change.apply(&mut content),
                        Luck::Torn => one.change.tear(&mut content, random),
                    }
                }
                remains.insert(path.to_owned(), Some(content));
            }
            Some(Node::Folder { safe, pending, .. }) => {
                // The names of one folder come through in the order in which they were made.
                let through = match luck {
                    Luck::None => 0,
                    Luck::All => pending.len(),
                    Luck::Torn => random.random_range(0..=pending.len()),
                };
                let mut names = safe.clone();
                for one in pending.iter().take(through) {
                    one.change.apply(&mut names);
                }
                if path != Path::new("") {
                    remains.insert(path.to_owned(), None);
                }
                // Sorted, or chance would not be the same twice.
                let sorted: BTreeMap<_, _> = names.into_iter().collect();
                for (name, node) in sorted {
                    self.leave(node, &path.join(name), luck, random, remains);
                }
            }
            None => {}
        }
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn enter(&mut self, path: &Path, node: Option<usize>, ended: usize) {
        let folder = self.find(path.parent().unwrap_or(Path::new("")));
        let (Some(folder), Some(name)) = (folder, path.file_name()) else { return };
        if let Some(Node::Folder { now, pending, .. }) = self.nodes.get_mut(folder) {
            let entry = Entry { name: name.into(), node };
            entry.apply(now);
            pending.push(Pending { change: entry, ended });
        }
    }

    fn change(&mut self, node: usize, change: Change, ended: usize) {
        if let Some(Node::File { pending, .. }) = self.nodes.get_mut(node) {
            pending.push(Pending { change, ended });
        }
    }
}

impl Node {
    fn folder() -> Self {
        Self::Folder { now: HashMap::new(), safe: HashMap::new(), pending: Vec::new() }
    }
}

impl Entry {
    fn apply(&self, names: &mut HashMap<PathBuf, usize>) {
        match self.node {
            Some(node) => names.insert(self.name.clone(), node),
            None => names.remove(&self.name),
        };
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => put(content, *offset, bytes),
            Self::Resize(size) => content.resize(*size, 0),
        }
    }

    /// Lets some sectors through.
    fn tear(&self, content: &mut Vec<u8>, random: &mut StdRng) {
        match self {
            Self::Write { offset, bytes } => {
                let mut place = *offset;
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    let length = (SECTOR - place % SECTOR).min(rest.len());
                    let (sector, after) = rest.split_at(length);
                    if random.random() {
                        put(content, place, sector);
                    }
                    place += length;
                    rest = after;
                }
            }
            Self::Resize(_) => {
                if random.random() {
                    self.apply(content);
                }
            }
        }
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

const ROOT: usize = 0;

/// What a disk writes as a whole.
const SECTOR: usize = 512;

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn left(disk: &Disk, luck: Luck) -> Remains {
        disk.fail(luck, &mut StdRng::seed_from_u64(1))
    }

    #[test]
    fn a_file_is_safe_when_it_and_its_folder_are_synced() {
        let mut disk = Disk::new();
        let path = Path::new("a");
        disk.create_file(path, 1);
        let node = disk.find(path).expect("there");
        disk.write(node, 0, b"one", 2);
        assert!(left(&disk, Luck::None).is_empty());
        disk.sync(node, 3);
        assert!(left(&disk, Luck::None).is_empty(), "its name is not safe");
        disk.sync(ROOT, 4);
        assert_eq!(left(&disk, Luck::None), Remains::from([("a".into(), Some(b"one".to_vec()))]));
        disk.write(node, 3, b"two", 5);
        disk.sync(node, 5);
        assert_eq!(
            left(&disk, Luck::None).get(path),
            Some(&Some(b"one".to_vec())),
            "the sync had begun before"
        );
        assert_eq!(left(&disk, Luck::All).get(path), Some(&Some(b"onetwo".to_vec())));
    }

    #[test]
    fn a_renamed_file_that_was_not_synced_may_be_empty() {
        let mut disk = Disk::new();
        disk.create_file(Path::new("new"), 1);
        let node = disk.find(Path::new("new")).expect("there");
        disk.write(node, 0, b"body", 2);
        disk.rename(Path::new("new"), Path::new("old"), 3);
        disk.sync(ROOT, 4);
        assert_eq!(left(&disk, Luck::None), Remains::from([("old".into(), Some(Vec::new()))]));
    }

    #[test]
    fn a_folder_that_was_not_synced_takes_everything_with_it() {
        let mut disk = Disk::new();
        disk.create_folder(Path::new("f"), 1);
        disk.create_file(Path::new("f/a"), 2);
        let (folder, file) = (disk.find(Path::new("f")), disk.find(Path::new("f/a")));
        disk.sync(folder.expect("there"), 3);
        disk.sync(file.expect("there"), 3);
        assert!(left(&disk, Luck::None).is_empty());
        disk.sync(ROOT, 4);
        assert_eq!(left(&disk, Luck::None).len(), 2);
    }

    #[test]
    fn a_torn_write_leaves_some_of_its_sectors() {
        let mut disk = Disk::new();
        disk.create_file(Path::new("a"), 1);
        disk.sync(ROOT, 2);
        let node = disk.find(Path::new("a")).expect("there");
        disk.write(node, 0, &[1; 64 * SECTOR], 3);
        let remains = left(&disk, Luck::Torn);
        let Some(Some(content)) = remains.get(Path::new("a")) else { panic!("a file") };
        let whole = content.chunks(SECTOR).filter(|sector| sector.iter().all(|&byte| byte == 1)).count();
        assert!((1..64).contains(&whole), "{whole}");
    }
}
