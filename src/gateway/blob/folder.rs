//! Blobs in a folder: for each a file of its content and a file of what is known of it.
//!
//! The second one is written last and makes the blob exist; a start that was cut short leaves files that nobody finds.

use super::{About, Blobs, Found, Incoming};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

/// Longest id.
const ID_MAX_BYTES: usize = 128;

/// A folder of blobs; made with the first one.
#[derive(Debug, Clone)]
pub struct Folder {
    dir: PathBuf,
}

impl Folder {
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf() }
    }

    /// Whether blobs could be kept here; nothing is made and nothing stays.
    ///
    /// # Errors
    /// A sentence that names what stands in the way.
    pub fn try_out(&self) -> std::result::Result<(), String> {
        try_out(&self.dir)
    }

    /// Ids become file names, so nothing but letters, digits and `-` passes.
    fn place(&self, id: &str) -> Option<(PathBuf, PathBuf)> {
        let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let fits = plain && (1..=ID_MAX_BYTES).contains(&id.len());
        fits.then(|| (self.dir.join(id), self.dir.join(format!("{id}.json"))))
    }
}

/// Whether files can be made in `folder`, or the folder itself where there is none yet.
///
/// # Errors
/// A sentence that names what stands in the way and says what to do.
pub fn try_out(folder: &Path) -> std::result::Result<(), String> {
    let here = Path::new(".");
    let nearest = folder.ancestors().find(|above| above.symlink_metadata().is_ok()).unwrap_or(here);
    if !nearest.is_dir() {
        return Err(format!("{} is no folder: remove it, or name another folder", nearest.display()));
    }
    let probe = nearest.join(format!(".rushdesk-probe-{}", std::process::id()));
    let tried = std::fs::write(&probe, b"probe").and_then(|()| std::fs::remove_file(&probe));
    tried.map_err(|error| {
        format!(
            "{} cannot be written ({error}): give it to the user that runs the desk, or name another folder",
            nearest.display()
        )
    })
}

impl Blobs for Folder {
    fn begin(&self, id: &str) -> Result<Box<dyn Incoming>> {
        let (content, about) =
            self.place(id).ok_or_else(|| std::io::Error::new(ErrorKind::InvalidInput, "no blob's id"))?;
        std::fs::create_dir_all(&self.dir)?;
        let file = OpenOptions::new().write(true).create_new(true).open(&content)?;
        Ok(Box::new(Writing { file, content, about, kept: false }))
    }

    fn find(&self, id: &str) -> Result<Option<Found>> {
        let Some((content, about)) = self.place(id) else { return Ok(None) };
        let about = match std::fs::read(about) {
            Ok(about) => serde_json::from_slice(&about)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(Found { about, content: Box::new(File::open(content)?) }))
    }
}

struct Writing {
    file: File,
    content: PathBuf,
    about: PathBuf,
    kept: bool,
}

impl Incoming for Writing {
    fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.file.write_all(piece)
    }

    fn keep(mut self: Box<Self>, about: &About) -> Result<()> {
        self.file.sync_all()?;
        let mut file = OpenOptions::new().write(true).create_new(true).open(&self.about)?;
        file.write_all(&serde_json::to_vec(about)?)?;
        file.sync_all()?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for path in [&self.about, &self.content] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::warn!(path = %path.display(), %error, "a broken upload could not be removed");
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use std::io::Read;

    fn about(size_bytes: u64) -> About {
        let created_at = Timestamp::from_millis(7);
        About {
            name: Some("a.png".to_owned()),
            mime: "image/png".to_owned(),
            as_said: true,
            size_bytes,
            created_at,
        }
    }

    #[test]
    fn what_was_kept_is_found_and_what_was_dropped_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(&dir.path().join("blobs"));
        let mut one = folder.begin("one").unwrap();
        one.write(b"half").unwrap();
        one.write(b" and half").unwrap();
        one.keep(&about(13)).unwrap();
        drop(folder.begin("two").unwrap());
        let mut found = folder.find("one").unwrap().unwrap();
        let mut content = String::new();
        found.content.read_to_string(&mut content).unwrap();
        assert_eq!((found.about, content.as_str()), (about(13), "half and half"));
        assert!(folder.find("two").unwrap().is_none());
        assert_eq!(std::fs::read_dir(dir.path().join("blobs")).unwrap().count(), 2);
        assert!(folder.begin("one").is_err(), "an id is used once");
    }

    #[test]
    fn a_folder_that_can_be_made_is_fine_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(try_out(&dir.path().join("a/b")), Ok(()));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(try_out(Path::new("not-there/b")), Ok(()), "a path from here");
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_or_above_it_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        for folder in [file.clone(), file.join("below")] {
            let told = Folder::new(&folder).try_out().unwrap_err();
            assert!(told.contains("file is no folder"), "{told}");
        }
    }

    #[test]
    fn an_id_never_leads_out_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(&dir.path().join("blobs"));
        std::fs::write(dir.path().join("secret.json"), "{}").unwrap();
        for id in ["../secret", "", "a/b", "..", "a.json"] {
            assert!(folder.find(id).unwrap().is_none(), "{id}");
            assert!(folder.begin(id).is_err(), "{id}");
        }
    }
}
