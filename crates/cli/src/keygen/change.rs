//! Changing a private key file in place: `-p` and `-c`.

use std::fs;
use std::process::ExitCode;

use keys::PrivateFileFormat;
use zeroize::Zeroizing;

use super::{Failure, Options, load, public_path, save};
use crate::text::reason;
use crate::ui::clean;
use crate::ui::prompt::{self, Place};

/// `-p`: another passphrase, or none.
pub fn passphrase(options: &Options) -> Result<ExitCode, Failure> {
    let path = options.file_or_ask("Enter file in which the key is")?;
    fs::metadata(&path).map_err(|source| format!("{}: {}", path.display(), reason(&source)))?;
    let loaded =
        load::private_asking(options, &path, "Enter old passphrase: ", "Failed to load key")?;
    if !loaded.key.comment().is_empty() {
        println!("Key has comment '{}'", clean::visible(loaded.key.comment()));
    }
    let Some(new) = new_passphrase(options)? else {
        println!("Pass phrases do not match.  Try again.");
        return Ok(ExitCode::from(1));
    };
    let text = save::private_text(options, &loaded.key, &new, Some(loaded.format))
        .map_err(|failure| save::failed(&path, failure))?;
    save::changed_private(&path, &text)?;
    println!("Your identification has been saved with the new passphrase.");
    Ok(ExitCode::SUCCESS)
}

/// `-N`, or asked for twice; nothing when the answers differ.
fn new_passphrase(options: &Options) -> Result<Option<Zeroizing<String>>, Failure> {
    if let Some(new) = &options.new_passphrase {
        return Ok(Some(new.clone()));
    }
    let nobody = "A passphrase is needed, and there is nobody to ask; give it with -N.";
    let ask = |question: &str| prompt::secret(question, Place::StandardInput).ok_or(nobody);
    let new = ask("Enter new passphrase (empty for no passphrase): ")?;
    let again = ask("Enter same passphrase again: ")?;
    Ok((*new == *again).then_some(new))
}

/// `-c`: another comment, in both files.
pub fn comment(options: &Options) -> Result<ExitCode, Failure> {
    let path = options.file_or_ask("Enter file in which the key is")?;
    fs::metadata(&path).map_err(|source| format!("{}: {}", path.display(), reason(&source)))?;
    let question = "Enter passphrase: ";
    let loaded = load::private_asking(options, &path, question, "Cannot load private key")?;
    if matches!(options.format, Some(save::Format::Pem | save::Format::Pkcs8))
        && loaded.format != PrivateFileFormat::OpenSsh
    {
        eprintln!("Comments are only supported for keys stored in the new format (-o).");
        return Ok(ExitCode::from(1));
    }
    match loaded.key.comment() {
        "" => println!("No existing comment"),
        old => println!("Old comment: {}", clean::visible(old)),
    }
    let new = match &options.comment {
        Some(new) => new.clone(),
        None => prompt::plain_line("New comment: ").ok_or("No comment was given.")?,
    };
    if new == loaded.key.comment() {
        println!("No change to comment");
        return Ok(ExitCode::SUCCESS);
    }
    let key = loaded.key.with_comment(&new);
    let text = save::private_text(options, &key, &loaded.passphrase, Some(loaded.format))
        .map_err(|failure| save::failed(&path, failure))?;
    save::changed_private(&path, &text)?;
    save::public(&public_path(&path), key.public(), &new)?;
    if new.is_empty() {
        println!("Comment removed");
    } else {
        println!("Comment '{}' applied", clean::visible(&new));
    }
    Ok(ExitCode::SUCCESS)
}
