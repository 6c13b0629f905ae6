//! A recording, run on a [`Disk`].

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use rand::{SeedableRng, rngs::StdRng};

use super::{
    Recording, Talk,
    disk::{Disk, Luck, Remains},
    syscalls::Call,
};

/// A moment at which the power may fail.
#[derive(Debug)]
pub struct Moment<'a> {
    /// What was said and heard until then.
    pub talk: &'a [Talk],
    /// What the disk has.
    pub remains: &'a Remains,
    /// Which of the unsynced changes it has.
    pub luck: Luck,
}

/// What a call was for the disk.
enum Effect {
    /// Nothing that could be seen after a failure.
    Nothing,
    /// A change that is not safe yet.
    Changed,
    /// Something became safe.
    Synced,
}

impl Recording {
    /// Lets the power fail before and after every sync and every time the process says something, and after
    /// every change. With nothing unsynced surviving at the first two, with everything and, `torn` times, with
    /// chance before each sync, and with chance at every fourth change. States that were seen are left out; gives
    /// the number of those that were not.
    ///
    /// # Errors
    /// A change of a file that the model does not know.
    pub fn replay(&self, seed: u64, torn: usize, mut look: impl FnMut(&Moment<'_>)) -> Result<usize, String> {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut disk, mut descriptors, mut talk) = (Disk::new(), HashMap::new(), Vec::new());
        let mut seen = HashSet::new();
        let mut fail = |disk: &Disk, talk: &[Talk], luck: Luck| {
            let remains = disk.fail(luck, &mut random);
            let mut hasher = DefaultHasher::new();
            (&remains, talk.len()).hash(&mut hasher);
            if seen.insert(hasher.finish()) {
                look(&Moment { talk, remains: &remains, luck });
            }
        };
        let mut order: Vec<&Call> = self.calls.iter().collect();
        // A promise is made when its call begins, everything else has happened when its call ends.
        order.sort_by_key(|call| if is_send(call) { call.began } else { call.ended });
        let mut changes = 0;
        for call in order {
            if let Some(one) = self.talk(call) {
                let sent = one.sent;
                talk.push(one);
                if sent {
                    fail(&disk, &talk, Luck::None);
                }
                continue;
            }
            if is_sync(call) {
                fail(&disk, &talk, Luck::All);
                for _ in 0..torn {
                    fail(&disk, &talk, Luck::Torn);
                }
            }
            match self.run(call, &mut disk, &mut descriptors)? {
                Effect::Nothing => {}
                Effect::Synced => fail(&disk, &talk, Luck::None),
                Effect::Changed => {
                    changes += 1;
                    if changes % 4 == 0 {
                        fail(&disk, &talk, Luck::Torn);
                    }
                }
            }
        }
        Ok(seen.len())
    }

    /// Bytes on a socket.
    fn talk(&self, call: &Call) -> Option<Talk> {
        let heard = matches!(call.name.as_str(), "read" | "recvfrom" | "recvmsg");
        if !heard && !is_send(call) {
            return None;
        }
        let (_, path) =
            call.descriptor().filter(|(_, path)| path.to_string_lossy().starts_with("socket:"))?;
        let bytes = call.data().filter(|bytes| !bytes.is_empty())?;
        Some(Talk { socket: path.clone(), sent: !heard, bytes: bytes.to_vec() })
    }

    /// Does a call. `positions` are those of the open descriptors, `None` for those that append.
    fn run(
        &self,
        call: &Call,
        disk: &mut Disk,
        positions: &mut HashMap<i64, Option<usize>>,
    ) -> Result<Effect, String> {
        let at = call.ended;
        // A path that the call names, and the file behind its descriptor, when they are ours.
        let named = |n| self.below(&self.resolve(call, n)?);
        let open = call.descriptor().and_then(|(number, path)| Some((number, self.below(path)?)));
        let unknown = || Err(format!("{} is not modelled (line {})", call.name, at + 1));
        let result = usize::try_from(call.result).unwrap_or_default();
        match (call.name.as_str(), open) {
            ("open" | "openat" | "creat", _) => {
                positions.insert(call.result, (!call.has_flag("O_APPEND")).then_some(0));
                let Some(path) = call.opened.as_deref().and_then(|path| self.below(path)) else {
                    return Ok(Effect::Nothing);
                };
                match disk.find(&path) {
                    None if call.has_flag("O_CREAT") => disk.create_file(&path, at),
                    None => return Err(format!("{} was never made (line {})", path.display(), at + 1)),
                    Some(node) if call.has_flag("O_TRUNC") => disk.resize(node, 0, at),
                    Some(_) => return Ok(Effect::Nothing),
                }
                Ok(Effect::Changed)
            }
            ("mkdir" | "mkdirat", _) => Ok(named(0).map_or(Effect::Nothing, |path| {
                disk.create_folder(&path, at);
                Effect::Changed
            })),
            ("rename" | "renameat" | "renameat2", _) => match (named(0), named(1)) {
                (Some(from), Some(to)) => {
                    disk.rename(&from, &to, at);
                    Ok(Effect::Changed)
                }
                (None, None) => Ok(Effect::Nothing),
                _ => unknown(),
            },
            ("unlink" | "unlinkat" | "rmdir", _) => Ok(named(0).map_or(Effect::Nothing, |path| {
                disk.remove(&path, at);
                Effect::Changed
            })),
            ("link" | "linkat" | "symlink" | "symlinkat" | "truncate", _) => {
                if named(0).or_else(|| named(1)).is_some() { unknown() } else { Ok(Effect::Nothing) }
            }
            (_, None) => Ok(Effect::Nothing),
            ("read", Some((number, _))) => {
                if let Some(Some(position)) = positions.get_mut(&number) {
                    *position += result;
                }
                Ok(Effect::Nothing)
            }
            ("lseek", Some((number, _))) => {
                if let Some(Some(position)) = positions.get_mut(&number) {
                    *position = result;
                }
                Ok(Effect::Nothing)
            }
            ("mmap", Some((_, path))) => {
                let writes = call.has_flag("PROT_WRITE") && call.has_flag("MAP_SHARED");
                if writes && !path.to_string_lossy().ends_with("-shm") {
                    unknown()
                } else {
                    Ok(Effect::Nothing)
                }
            }
            (name, Some((number, path))) => {
                let Some(node) = disk.find(&path) else { return unknown() };
                match name {
                    "fsync" | "fdatasync" => {
                        disk.sync(node, call.began);
                        return Ok(Effect::Synced);
                    }
                    "write" | "writev" => {
                        let position = positions.get_mut(&number).ok_or("a descriptor nobody opened")?;
                        let offset = position.unwrap_or_else(|| disk.size(node));
                        disk.write(node, offset, call.data().unwrap_or_default(), at);
                        *position = position.map(|offset| offset + result);
                    }
                    "pwrite64" => {
                        let offset = call.number(3).and_then(|offset| usize::try_from(offset).ok());
                        let offset = offset.ok_or("a write without an offset")?;
                        disk.write(node, offset, call.data().unwrap_or_default(), at);
                    }
                    "ftruncate" => {
                        let size = call.number(1).and_then(|size| usize::try_from(size).ok());
                        disk.resize(node, size.ok_or("a size that is none")?, at);
                    }
                    _ => return unknown(),
                }
                Ok(Effect::Changed)
            }
        }
    }

    /// The path below the root; `None` for everything else.
    fn below(&self, path: &Path) -> Option<PathBuf> {
        path.strip_prefix(&self.root).ok().map(Path::to_owned)
    }

    /// The n-th path that a call names; the process works in the root.
    fn resolve(&self, call: &Call, n: usize) -> Option<PathBuf> {
        let path = call.path(n)?;
        let folder = call.descriptor().map_or(&self.root, |(_, folder)| folder);
        Some(folder.join(path))
    }
}

fn is_send(call: &Call) -> bool {
    let sends = matches!(call.name.as_str(), "write" | "writev" | "sendto" | "sendmsg");
    sends && call.descriptor().is_some_and(|(_, path)| path.to_string_lossy().starts_with("socket:"))
}

fn is_sync(call: &Call) -> bool {
    matches!(call.name.as_str(), "fsync" | "fdatasync")
}
