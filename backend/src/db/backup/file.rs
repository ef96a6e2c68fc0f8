//! A file that has its name only when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::BackupError;

/// A file being written beside where it will be; removed unless it is kept.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    kept: bool,
}

impl Part {
    /// Makes it, readable by nobody but us: it will hold secrets.
    pub(super) fn create(to: &Path) -> Result<Self, BackupError> {
        let Some(name) = to.file_name() else {
            return super::refused(format!("{} is no file's name", to.display()));
        };
        let mut part = std::ffi::OsString::from(".");
        part.push(name);
        part.push(format!(".{}.part", std::process::id()));
        let path = to.with_file_name(part);
        // Left by a process of our number that was killed.
        fs::remove_file(&path).ok();
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(at(&path))?;
        Ok(Self { path, kept: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until it is on the disk.
    pub(super) fn sync(&self) -> Result<(), BackupError> {
        File::open(&self.path).and_then(|file| file.sync_all()).map_err(at(&self.path))
    }

    /// Gives it its name, for good.
    pub(super) fn keep(mut self, to: &Path) -> Result<(), BackupError> {
        fs::rename(&self.path, to).map_err(at(to))?;
        self.kept = true;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.kept {
            fs::remove_file(&self.path).ok();
        }
    }
}

/// Whether both names are of one file that is there.
pub(super) fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupError + use<> {
    let path = path.to_owned();
    move |source| BackupError::File { path, source }
}
