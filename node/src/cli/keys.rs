//! `keys`: makes, shows and moves key files.
//!
//! Invariant: only a confirmed `export` prints a secret.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use color_eyre::eyre::{Result, WrapErr, bail};
use serde::Serialize;
use vostro_crypto::{PublicKey, SecretKey};
use zeroize::Zeroizing;

use crate::keystore::{self, Cost, KeyBook, KeyFile, own_account};
use crate::output::{Output, Usage, pairs, table};

/// Where a password comes from.
#[derive(Args, Clone, Debug, Default)]
pub struct PasswordArgs {
    /// Read the password from the first line of this file (else VOSTRO_PASSWORD, else ask)
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// Where key files live.
#[derive(Args, Clone, Debug)]
pub struct DirArgs {
    /// Directory of key files [default: ~/.vostro/keys]
    #[arg(long, env = "VOSTRO_KEYS", value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

impl DirArgs {
    fn resolve(&self) -> Result<PathBuf> {
        match (&self.dir, std::env::var_os("HOME")) {
            (Some(dir), _) => Ok(dir.clone()),
            (None, Some(home)) => Ok(Path::new(&home).join(".vostro/keys")),
            (None, None) => Err(Usage("neither --dir, VOSTRO_KEYS nor HOME says where keys are".into()).into()),
        }
    }
}

/// How a new key file is protected.
#[derive(Args, Clone, Debug)]
pub struct ProtectionArgs {
    #[command(flatten)]
    #[allow(missing_docs)] // its fields are documented where they stand
    pub password: PasswordArgs,
    /// Store the key without encryption; for throw-away keys only
    #[arg(long, conflicts_with = "password_file")]
    pub insecure_plaintext: bool,
}

/// The verbs of `keys`.
#[derive(Subcommand, Debug)]
pub enum KeysCommand {
    /// Make a key from the system's randomness
    New {
        /// Name of the key and of its file
        name: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        dir: DirArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        protection: ProtectionArgs,
    },
    /// List the key files of a directory
    List {
        #[command(flatten)]
        #[allow(missing_docs)]
        dir: DirArgs,
    },
    /// Show a key's public half and the account it opens for itself
    Show {
        /// A key's name, a path, or BOOK.json#NAME
        key: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        dir: DirArgs,
    },
    /// Print a secret, after confirmation
    Export {
        /// A key's name, a path, or BOOK.json#NAME
        key: String,
        /// Print 24 BIP-39 words (the encoding of the seed itself) instead of hex
        #[arg(long)]
        words: bool,
        /// Confirm without being asked
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        #[allow(missing_docs)]
        dir: DirArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        password: PasswordArgs,
    },
    /// Store a secret read from standard input or typed: 64 hex digits or 24 words
    Import {
        /// Name of the key and of its file
        name: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        dir: DirArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        protection: ProtectionArgs,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyView {
    name: String,
    public: String,
    account: String,
    encrypted: bool,
    path: String,
}

impl KeyView {
    fn of(file: &KeyFile, path: &Path) -> Result<Self> {
        let public = file.public(path)?;
        Ok(KeyView {
            name: file.name().to_string(),
            public: public.to_string(),
            account: own_account(public).to_string(),
            encrypted: file.encrypted(),
            path: path.display().to_string(),
        })
    }

    fn text(&self) -> String {
        let form = if self.encrypted { "encrypted" } else { "PLAIN TEXT" };
        pairs([
            ("name", self.name.clone()),
            ("public key", self.public.clone()),
            ("account", self.account.clone()),
            ("file", format!("{} ({form})", self.path)),
        ])
    }
}

/// Runs a verb of `keys`.
///
/// # Errors
/// What the key store or the terminal refuses.
pub fn run(command: KeysCommand, output: Output) -> Result<()> {
    match command {
        KeysCommand::New { name, dir, protection } => {
            store(&name, &keystore::generate()?, &dir.resolve()?, &protection, output)
        }
        KeysCommand::Import { name, dir, protection } => {
            keystore::check_name(&name)?;
            let secret = read_secret()?;
            store(&name, &secret, &dir.resolve()?, &protection, output)
        }
        KeysCommand::List { dir } => list(&dir.resolve()?, output),
        KeysCommand::Show { key, dir } => show(&key, &dir, output),
        KeysCommand::Export { key, words, yes, dir, password } => export(&key, words, yes, &dir, &password, output),
    }
}

fn store(name: &str, secret: &SecretKey, dir: &Path, protection: &ProtectionArgs, output: Output) -> Result<()> {
    keystore::check_name(name)?;
    let path = dir.join(format!("{name}.json"));
    if path.exists() {
        // asked before the password is: the write itself would refuse too
        return Err(keystore::KeystoreError::Exists { path }.into());
    }
    let file = seal(name, secret, protection)?;
    if !file.encrypted() {
        output.note("warning: this key is stored WITHOUT encryption; use it for nothing of value");
    }
    file.save(&path)?;
    let view = KeyView::of(&file, &path)?;
    output.show(&view, || view.text())
}

/// A key file protected as asked, not yet written.
///
/// # Errors
/// A bad name or no password.
pub fn seal(name: &str, secret: &SecretKey, protection: &ProtectionArgs) -> Result<KeyFile> {
    if protection.insecure_plaintext {
        return Ok(KeyFile::plaintext(name, secret)?);
    }
    let password = new_password(&protection.password)?;
    Ok(KeyFile::encrypt(name, secret, &password, Cost::STANDARD)?)
}

fn list(dir: &Path, output: Output) -> Result<()> {
    let mut views = Vec::new();
    let mut paths = Vec::new();
    match std::fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        entries => {
            for entry in entries.wrap_err_with(|| dir.display().to_string())? {
                let path = entry?.path();
                if path.extension().is_some_and(|e| e == "json") {
                    paths.push(path);
                }
            }
        }
    }
    paths.sort();
    for path in paths {
        match KeyFile::load(&path).map_err(Into::into).and_then(|file| KeyView::of(&file, &path)) {
            Ok(view) => views.push(view),
            Err(error) => eprintln!("warning: {}", crate::output::one_sentence(&error)),
        }
    }
    output.show(&views, || {
        if views.is_empty() {
            return format!("no keys in {}", dir.display());
        }
        let form = |v: &KeyView| if v.encrypted { "encrypted" } else { "PLAIN TEXT" }.to_string();
        let row = |v: &KeyView| [v.name.clone(), v.account.clone(), form(v)];
        table(["name", "account", "stored"], views.iter().map(row))
    })
}

fn show(key: &str, dir: &DirArgs, output: Output) -> Result<()> {
    let view = match locate(key, dir)? {
        Located::File(path) => KeyView::of(&KeyFile::load(&path)?, &path)?,
        Located::Book(path, name) => {
            let public = KeyBook::load(&path)?.find(&name)?.public();
            KeyView {
                name,
                public: public.to_string(),
                account: own_account(public).to_string(),
                encrypted: false,
                path: path.display().to_string(),
            }
        }
    };
    output.show(&view, || view.text())
}

fn export(key: &str, words: bool, yes: bool, dir: &DirArgs, password: &PasswordArgs, output: Output) -> Result<()> {
    if !yes {
        if output.json || !std::io::stdin().is_terminal() {
            return Err(Usage("exporting prints the secret: confirm with --yes".into()).into());
        }
        eprint!("This prints the secret of {key:?}: whoever sees it owns the key. Type yes to go on: ");
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if answer.trim() != "yes" {
            bail!("not confirmed, nothing was printed");
        }
    }
    let secret = open(key, dir, password)?;
    let text = match words {
        true => keystore::to_words(&secret),
        false => Zeroizing::new(hex::encode(secret.to_seed().as_ref())),
    };
    let form = if words { "words" } else { "seed" };
    let value = serde_json::json!({ "public": secret.public().to_string(), form: text.as_str() });
    output.show(&value, || text.to_string())
}

/// Reads hex or words from a terminal (without echo) or from standard input.
fn read_secret() -> Result<SecretKey> {
    let text = Zeroizing::new(if std::io::stdin().is_terminal() {
        rpassword::prompt_password("Secret (64 hex digits or 24 words): ")?
    } else {
        let mut line = String::new();
        std::io::Read::take(std::io::stdin().lock(), 4096).read_line(&mut line)?;
        line
    });
    let text = text.trim();
    Ok(if text.contains(' ') { keystore::from_words(text)? } else { keystore::from_seed_hex(text)? })
}

enum Located {
    File(PathBuf),
    Book(PathBuf, String),
}

/// What a person means by a key: `BOOK.json#NAME`, a path, or the name of a file in the key directory.
fn locate(text: &str, dir: &DirArgs) -> Result<Located> {
    if let Some((path, name)) = text.split_once('#') {
        return Ok(Located::Book(path.into(), name.to_string()));
    }
    if text.contains('/') || text.ends_with(".json") {
        return Ok(Located::File(text.into()));
    }
    keystore::check_name(text)?;
    Ok(Located::File(dir.resolve()?.join(format!("{text}.json"))))
}

/// Opens the secret of a key that a person names, asking for its password if it has one.
///
/// # Errors
/// What the key store refuses.
pub fn open(text: &str, dir: &DirArgs, password: &PasswordArgs) -> Result<SecretKey> {
    match locate(text, dir)? {
        Located::Book(path, name) => Ok(KeyBook::load(&path)?.find(&name)?),
        Located::File(path) => {
            let file = KeyFile::load(&path)?;
            let password = match file.encrypted() {
                true => Some(old_password(&path, password)?),
                false => None,
            };
            Ok(file.open(&path, password.as_ref().map(|p| p.as_str()))?)
        }
    }
}

/// The public half of a key that a person names; 64 hex digits stand for themselves.
///
/// # Errors
/// What the key store refuses.
pub fn public(text: &str, dir: &DirArgs) -> Result<PublicKey> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    match locate(text, dir)? {
        Located::Book(path, name) => Ok(KeyBook::load(&path)?.find(&name)?.public()),
        Located::File(path) => Ok(KeyFile::load(&path)?.public(&path)?),
    }
}

/// The password that does not need asking, if there is one.
fn given_password(args: &PasswordArgs) -> Result<Option<Zeroizing<String>>> {
    if let Some(path) = &args.password_file {
        let text = Zeroizing::new(std::fs::read_to_string(path).wrap_err_with(|| path.display().to_string())?);
        return Ok(Some(Zeroizing::new(text.lines().next().unwrap_or_default().to_string())));
    }
    Ok(std::env::var("VOSTRO_PASSWORD").ok().map(Zeroizing::new))
}

fn ask(prompt: &str) -> Result<Zeroizing<String>> {
    if !std::io::stdin().is_terminal() {
        return Err(
            Usage("a password is needed: --password-file, VOSTRO_PASSWORD or a terminal to ask on".into()).into()
        );
    }
    Ok(Zeroizing::new(rpassword::prompt_password(prompt)?))
}

fn old_password(path: &Path, args: &PasswordArgs) -> Result<Zeroizing<String>> {
    match given_password(args)? {
        Some(password) => Ok(password),
        None => ask(&format!("Password of {}: ", path.display())),
    }
}

fn new_password(args: &PasswordArgs) -> Result<Zeroizing<String>> {
    let password = match given_password(args)? {
        Some(password) => password,
        None => {
            let first = ask("New password: ")?;
            if *ask("The same again: ")? != *first {
                bail!("the two passwords differ");
            }
            first
        }
    };
    if password.is_empty() {
        return Err(
            Usage("an empty password protects nothing; use --insecure-plaintext for throw-away keys".into()).into()
        );
    }
    Ok(password)
}
