//! The forms that images come in: one archive, or layers listed by Docker's or OCI's manifests.
//! What a manifest names by digest has that digest, or the image is refused.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crypto::hash::HashAlgorithm;
use serde::Deserialize;

use super::archive::{BYTES_MAX, DESCRIPTION_MAX, Unpacker, refused};
use super::compression::{Metered, decompress};

/// A manifest or an index.
const MANIFEST_MAX: u64 = 4 * 1024 * 1024;
/// Layers of one image; Docker itself stops at 127.
const LAYERS_MAX: usize = 512;

/// Docker's list of the images of an archive.
#[derive(Deserialize)]
struct DockerImage {
    #[serde(rename = "Layers")]
    layers: Vec<PathBuf>,
    #[serde(rename = "Config")]
    config: PathBuf,
}

/// The part of an image's configuration that says what its layers are, unpacked.
#[derive(Deserialize)]
struct ImageConfig {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

#[derive(Deserialize)]
struct OciIndex {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct OciManifest {
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    architecture: String,
}

/// Unpacks an archive of whatever form. `scratch` is a folder for what has to be seen twice.
pub(super) fn unpack(path: &Path, scratch: &Path, into: &mut Unpacker) -> io::Result<()> {
    let layered = is_layered(path)?;
    if !layered {
        return into.unpack(decompress(File::open(path)?)?, false);
    }
    // The members come in any order and refer to each other.
    std::fs::create_dir(scratch)?;
    let mut members = Unpacker::new(scratch)?;
    members.unpack(decompress(File::open(path)?)?, false)?;
    let members = Members { folder: scratch };
    match members.json::<Vec<DockerImage>>(Path::new("manifest.json")) {
        Ok(images) => members.docker(&images, into),
        Err(error) if error.kind() == io::ErrorKind::NotFound => members.oci(into),
        Err(error) => Err(error),
    }
}

/// Whether manifests or blobs are among the first members.
fn is_layered(path: &Path) -> io::Result<bool> {
    let (metered, allowance) = Metered::new(decompress(File::open(path)?)?);
    let mut outer = tar::Archive::new(metered);
    let mut entries = outer.entries()?;
    for _ in 0..64 {
        let Some(Ok(entry)) = entries.next() else { break };
        // To be passed over before the next one is there.
        allowance.set(entry.size().saturating_add(DESCRIPTION_MAX));
        let Ok(path) = entry.path() else { continue };
        let path = path.strip_prefix("./").unwrap_or(&path);
        if ["manifest.json", "index.json", "oci-layout"].iter().any(|name| path == Path::new(name))
            || path.starts_with("blobs/sha256")
        {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Members<'a> {
    folder: &'a Path,
}

impl Members<'_> {
    /// A member by the name that a manifest has for it: inside, a file, and no link.
    fn open(&self, name: &Path) -> io::Result<File> {
        use rustix::fs::{Mode, OFlags, ResolveFlags};
        let folder = File::open(self.folder)?;
        let file = rustix::fs::openat2(
            &folder,
            name,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
            Mode::empty(),
            // Older archives of Docker have links among their layers, which stay inside.
            ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
        )?;
        Ok(File::from(file))
    }

    fn text(&self, name: &Path) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        self.open(name)?.take(MANIFEST_MAX + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MANIFEST_MAX {
            return Err(refused("its manifest is too large"));
        }
        Ok(text)
    }

    fn json<T: for<'a> Deserialize<'a>>(&self, name: &Path) -> io::Result<T> {
        parse(&self.text(name)?)
    }

    fn docker(&self, images: &[DockerImage], into: &mut Unpacker) -> io::Result<()> {
        let [image] = images else {
            return Err(refused("it has not exactly one image (docker save IMAGE)"));
        };
        let config: ImageConfig = self.json(&image.config)?;
        if config.rootfs.diff_ids.len() != image.layers.len() || image.layers.len() > LAYERS_MAX {
            return Err(refused("its layers and their digests do not fit together"));
        }
        for (layer, digest) in image.layers.iter().zip(&config.rootfs.diff_ids) {
            let mut file = decompress(self.open(layer)?)?;
            check(&mut file, digest)?;
            into.unpack(decompress(self.open(layer)?)?, true)?;
        }
        Ok(())
    }

    fn oci(&self, into: &mut Unpacker) -> io::Result<()> {
        let index: OciIndex = self.json(Path::new("index.json"))?;
        let manifest = self.manifest(index, 0)?;
        if manifest.layers.len() > LAYERS_MAX {
            return Err(refused("it has too many layers"));
        }
        for layer in &manifest.layers {
            let name = blob(&layer.digest)?;
            check(&mut self.open(&name)?, &layer.digest)?;
            into.unpack(decompress(self.open(&name)?)?, true)?;
        }
        Ok(())
    }

    /// The manifest for this machine; indexes may name further indexes.
    fn manifest(&self, index: OciIndex, depth: u8) -> io::Result<OciManifest> {
        let fits = |one: &&Descriptor| {
            one.platform.as_ref().is_none_or(|platform| platform.architecture == architecture())
        };
        let chosen = index
            .manifests
            .iter()
            .find(fits)
            .ok_or_else(|| refused("it has no image for this machine's processor"))?;
        let name = blob(&chosen.digest)?;
        let text = self.text(&name)?;
        check(&mut text.as_slice(), &chosen.digest)?;
        match parse::<OciManifest>(&text) {
            Ok(manifest) => Ok(manifest),
            Err(error) if depth > 3 => Err(error),
            Err(_) => self.manifest(parse(&text)?, depth + 1),
        }
    }
}

fn parse<T: for<'a> Deserialize<'a>>(text: &[u8]) -> io::Result<T> {
    serde_json::from_slice(text).map_err(|error| refused(&format!("its manifest: {error}")))
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn blob(digest: &str) -> io::Result<PathBuf> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(refused(&format!("{digest} is not a SHA-256 digest")));
    }
    Ok(Path::new("blobs/sha256").join(hex))
}

/// Whether what is read has this digest.
fn check(file: &mut impl Read, digest: &str) -> io::Result<()> {
    let found = format!("sha256:{}", sha256(file)?);
    if found.eq_ignore_ascii_case(digest) {
        return Ok(());
    }
    Err(refused(&format!("it was changed: a part has the digest {found}, not {digest}")))
}

/// The SHA-256 of all that is read, in hexadecimal.
pub(super) fn sha256(file: &mut impl Read) -> io::Result<String> {
    let mut hasher = HashAlgorithm::Sha256.hasher().ok_or_else(|| io::Error::other("SHA-256"))?;
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0_u64;
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        total += length as u64;
        if total > BYTES_MAX {
            return Err(refused("it is too large"));
        }
        hasher.update(buffer.get(..length).unwrap_or_default());
    }
    Ok(super::hexadecimal(hasher.finish().as_ref()))
}
