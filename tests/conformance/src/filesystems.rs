//! File systems: made in an image, copied to the served disk, copied back, checked, and their files compared. No tool mounts
//! anything.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{child, report::Row};

const PATIENCE: Duration = Duration::from_mins(3);
/// Bytes of an image.
const SIZE: u64 = 48 << 20;

type Step = Result<(), String>;

/// Runs a tool; its output, if it ended with 0.
fn tool(program: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = child::command(program);
    // A dirty tool directory or locale must not change what is parsed.
    command.env("LC_ALL", "C").args(arguments);
    let finished = child::run(&mut command, PATIENCE).map_err(|error| format!("{program}: {error}"))?;
    finished.good(program)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// Files of many sizes, with reproducible bytes.
fn files(folder: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut random = fastrand::Rng::with_seed(6);
    let sizes = [0, 1, 511, 512, 513, 4095, 4096, 4097, 65_536, 1 << 20, 5 << 20];
    let mut files = Vec::new();
    for size in sizes {
        let mut bytes = vec![0; size];
        random.fill(&mut bytes);
        let name = format!("file-{size}.bin");
        fs::write(folder.join(&name), &bytes)?;
        files.push((name, bytes));
    }
    Ok(files)
}

/// Where the images and files of a file system are.
struct Place {
    files: PathBuf,
    image: PathBuf,
    back: PathBuf,
    out: PathBuf,
    contents: Vec<(String, Vec<u8>)>,
}

impl Place {
    fn new(folder: &Path, name: &str) -> io::Result<Self> {
        let folder = folder.join(name);
        let place = Self {
            files: folder.join("files"),
            image: folder.join("image"),
            back: folder.join("back"),
            out: folder.join("out"),
            contents: Vec::new(),
        };
        fs::create_dir_all(&place.files)?;
        fs::create_dir_all(&place.out)?;
        fs::File::create(&place.image)?.set_len(SIZE)?;
        fs::File::create(&place.back)?.set_len(0)?;
        let contents = files(&place.files)?;
        Ok(Self { contents, ..place })
    }

    /// To the disk, over another connection back, and compared. The disk is larger: what is behind the image is not looked at.
    fn there_and_back(&self, uri: &str) -> Step {
        tool("nbdcopy", &["--flush", text(&self.image), uri])?;
        tool("nbdcopy", &[uri, text(&self.back)])?;
        let there = fs::read(&self.image).map_err(|error| error.to_string())?;
        let back = fs::read(&self.back).map_err(|error| error.to_string())?;
        match back.get(..there.len()) {
            Some(part) if part == there => {
                // Tools look at a file of the size that they made.
                fs::write(&self.back, part).map_err(|error| error.to_string())
            }
            Some(part) => {
                let at = part.iter().zip(&there).position(|(a, b)| a != b).unwrap_or(0);
                Err(format!("byte {at} is another one when it comes back"))
            }
            None => Err(format!("only {} bytes came back", back.len())),
        }
    }

    fn compare(&self, read: impl Fn(&str) -> Result<Vec<u8>, String>) -> Step {
        for (name, bytes) in &self.contents {
            if read(name)? != *bytes {
                return Err(format!("{name} has other bytes"));
            }
        }
        Ok(())
    }
}

/// Makes, copies and checks both file systems on a served disk.
pub(crate) fn judge(
    uri: &str,
    folder: &Path,
    block: u32,
    row: &mut Row,
    tell: &dyn Fn(&str),
) -> io::Result<()> {
    tell("nbdinfo");
    row.judge(
        "nbdinfo: the list of exports",
        tool("nbdinfo", &["--list", uri]).map(drop),
    );
    row.judge("nbdinfo: block size", offers(uri, block));
    let place = Place::new(folder, "ext4")?;
    tell("ext4");
    ext4(&place, uri, row);
    let place = Place::new(folder, "ntfs")?;
    tell("ntfs");
    ntfs(&place, uri, block, row);
    Ok(())
}

fn offers(uri: &str, block: u32) -> Step {
    let json = tool("nbdinfo", &["--json", uri])?;
    let json: serde_json::Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    let export = &json["exports"][0];
    let told = export["block_size_minimum"].as_u64();
    if told != Some(block.into()) {
        return Err(format!("it tells {told:?}, the disk has {block}"));
    }
    for what in ["can_flush", "can_fua", "can_multi_conn", "can_zero"] {
        if export[what] != true {
            return Err(format!("{what} is {}", export[what]));
        }
    }
    Ok(())
}

fn ext4(place: &Place, uri: &str, row: &mut Row) {
    let made = tool(
        "mke2fs",
        &[
            "-q",
            "-F",
            "-t",
            "ext4",
            "-b",
            "4096",
            "-d",
            text(&place.files),
            text(&place.image),
        ],
    );
    let there = made.map(drop).and_then(|()| place.there_and_back(uri));
    let checked = there
        .clone()
        .and_then(|()| tool("e2fsck", &["-f", "-n", text(&place.back)]).map(drop));
    let compared = checked.clone().and_then(|()| {
        tool(
            "debugfs",
            &["-R", &format!("rdump / {}", text(&place.out)), text(&place.back)],
        )?;
        place.compare(|name| fs::read(place.out.join(name)).map_err(|error| format!("{name}: {error}")))
    });
    row.judge("ext4: copied to the disk and back", there);
    row.judge("ext4: e2fsck finds nothing", checked);
    row.judge("ext4: files are the same", compared);
}

fn ntfs(place: &Place, uri: &str, block: u32, row: &mut Row) {
    let sector = block.to_string();
    let made = tool(
        "mkntfs",
        &[
            "-q",
            "-F",
            "-Q",
            "-s",
            &sector,
            "-c",
            "4096",
            "-H",
            "255",
            "-S",
            "63",
            "-p",
            "0",
            text(&place.image),
        ],
    );
    let filled = made.and_then(|_| {
        place
            .contents
            .iter()
            .filter(|(_, bytes)| !bytes.is_empty())
            .try_for_each(|(name, _)| {
                tool(
                    "ntfscp",
                    &["-q", text(&place.image), text(&place.files.join(name)), name],
                )
                .map(drop)
            })
    });
    let there = filled.and_then(|()| place.there_and_back(uri));
    let checked = there
        .clone()
        .and_then(|()| tool("ntfsfix", &["-n", text(&place.back)]).map(drop));
    let listed = checked.clone().and_then(|()| {
        let listing = tool("ntfsls", &[text(&place.back)])?;
        let missing = place
            .contents
            .iter()
            .find(|(name, bytes)| !bytes.is_empty() && !listing.lines().any(|line| line.trim() == name));
        missing.map_or(Ok(()), |(name, _)| Err(format!("{name} is not listed")))
    });
    let compared = listed.clone().and_then(|()| {
        place.compare(|name| {
            if name == "file-0.bin" {
                // ntfscp copies no empty file.
                return Ok(Vec::new());
            }
            // What it prints is the file, no text.
            let mut command = child::command("ntfscat");
            let output = command.args([text(&place.back), name]).output();
            output
                .map(|output| output.stdout)
                .map_err(|error| error.to_string())
        })
    });
    row.judge("NTFS: copied to the disk and back", there);
    row.judge("NTFS: ntfsfix finds nothing", checked);
    row.judge("NTFS: files are listed", listed);
    row.judge("NTFS: files are the same", compared);
}
