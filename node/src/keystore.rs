//! Key files: a secret encrypted under a password, or a book of throw-away keys for demonstrations.
//!
//! Invariant: a file written here has mode 0600 and is either wholly there or not at all; an encrypted file opens only
//! with its password and only if none of its fields was changed.
//!
//! Layout of an encrypted file: Argon2id (RFC 9106) makes a key from password and salt, ChaCha20-Poly1305 (RFC 8439)
//! seals the 32-byte Ed25519 seed under it, and name, public key and derivation parameters are authenticated with it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use serde::{Deserialize, Serialize};
use vostro_crypto::{PublicKey, SecretKey, sha256};
use vostro_types::{AccountId, AccountKind, KeyPolicy};
use zeroize::{Zeroize, Zeroizing};

/// Version of the layout of key files and books.
pub const KEY_FILE_VERSION: u32 = 1;
/// Largest key file in bytes.
const MAX_KEY_FILE: u64 = 64 << 10;
/// Largest key book in bytes.
const MAX_BOOK: u64 = 64 << 20;
/// What a plain-text file says of itself.
const PLAINTEXT_WARNING: &str = "NOT ENCRYPTED: whoever reads this file owns the key; for throw-away keys only";

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file exists and must not be replaced.
    #[error("{path} exists already and is not replaced")]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// The content is not a key file.
    #[error("{path} is not a key file: {reason}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Wrong password, or the file was changed; the two cannot be told apart.
    #[error("{path}: wrong password, or the file was changed")]
    WrongPassword {
        /// Which file.
        path: PathBuf,
    },
    /// The file is encrypted and no password was given.
    #[error("{path} is encrypted and needs a password")]
    PasswordNeeded {
        /// Which file.
        path: PathBuf,
    },
    /// A plain-text secret that others may read.
    #[error("{path} holds a secret in plain text and has mode {mode:04o}; it must be 0600")]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A name that cannot serve as a file name.
    #[error("a key's name is 1 to 64 of a-z, A-Z, 0-9, '.', '_' and '-', not beginning with '.', not {name:?}")]
    Name {
        /// What was given.
        name: String,
    },
    /// Words that stand for no key.
    #[error("not a key in 24 words: {reason}")]
    Words {
        /// What is wrong.
        reason: String,
    },
    /// A seed that is not 64 hex digits.
    #[error("a secret key is 64 hex digits")]
    Seed,
    /// The book has no such key.
    #[error("the key book has no key named {name:?}; buyers are buyer/NAME, creators creator/NAME")]
    NotInBook {
        /// What was asked for.
        name: String,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(String),
}

type Result<T> = std::result::Result<T, KeystoreError>;

/// What deriving a key from a password costs an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// RFC 9106 §4, second recommended option.
    pub const STANDARD: Cost = Cost { memory_kib: 64 << 10, iterations: 3, lanes: 4 };
    /// What a file may ask of the machine that opens it, at most.
    const MOST: Cost = Cost { memory_kib: 1 << 20, iterations: 16, lanes: 16 };

    fn bearable(&self) -> bool {
        self.memory_kib <= Self::MOST.memory_kib
            && self.iterations <= Self::MOST.iterations
            && self.lanes <= Self::MOST.lanes
    }
}

/// How the secret stands in a key file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum Stored {
    /// Argon2id and ChaCha20-Poly1305.
    Encrypted { kdf: String, cost: Cost, salt: String, cipher: String, nonce: String, ciphertext: String },
    /// The seed itself.
    Plaintext { warning: String, seed: String },
}

/// A key file as it stands on disk.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyFile {
    version: u32,
    name: String,
    public: String,
    secret: Stored,
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFile({}, {})", self.name, self.public)
    }
}

const KDF: &str = "argon2id";
const CIPHER: &str = "chacha20poly1305";

impl KeyFile {
    /// Seals a secret under a password.
    ///
    /// # Errors
    /// A bad name, or no randomness.
    pub fn encrypt(name: &str, secret: &SecretKey, password: &str, cost: Cost) -> Result<Self> {
        check_name(name)?;
        let (salt, nonce) = (random::<16>()?, random::<12>()?);
        let mut file = KeyFile {
            version: KEY_FILE_VERSION,
            name: name.to_string(),
            public: secret.public().to_string(),
            secret: Stored::Plaintext { warning: String::new(), seed: String::new() },
        };
        let key =
            derive(password, &salt, cost).map_err(|reason| KeystoreError::Malformed { path: "".into(), reason })?;
        let seed = secret.to_seed();
        let aad = file.authenticated(cost, &salt);
        let sealed = ChaCha20Poly1305::new(&Key::from(*key))
            .encrypt(&Nonce::from(nonce), Payload { msg: seed.as_ref(), aad: &aad })
            .expect("32 bytes are within the cipher's limit");
        file.secret = Stored::Encrypted {
            kdf: KDF.into(),
            cost,
            salt: hex::encode(salt),
            cipher: CIPHER.into(),
            nonce: hex::encode(nonce),
            ciphertext: hex::encode(sealed),
        };
        Ok(file)
    }

    /// A file with the bare secret, for throw-away keys only.
    ///
    /// # Errors
    /// A bad name.
    pub fn plaintext(name: &str, secret: &SecretKey) -> Result<Self> {
        check_name(name)?;
        Ok(KeyFile {
            version: KEY_FILE_VERSION,
            name: name.to_string(),
            public: secret.public().to_string(),
            secret: Stored::Plaintext {
                warning: PLAINTEXT_WARNING.into(),
                seed: hex::encode(secret.to_seed().as_ref()),
            },
        })
    }

    /// Bytes bound to the ciphertext, fixed-width fields first.
    fn authenticated(&self, cost: Cost, salt: &[u8]) -> Vec<u8> {
        let mut bytes = b"vostro/keyfile/1".to_vec();
        for number in [self.version, cost.memory_kib, cost.iterations, cost.lanes] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(salt);
        bytes.extend_from_slice(self.public.as_bytes());
        bytes.extend_from_slice(self.name.as_bytes());
        bytes
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half.
    ///
    /// # Errors
    /// If the file's text is no key.
    pub fn public(&self, path: &Path) -> Result<PublicKey> {
        self.public.parse().map_err(|_| malformed(path, "its public key is not 64 hex digits"))
    }

    /// Whether opening it takes a password.
    pub fn encrypted(&self) -> bool {
        matches!(self.secret, Stored::Encrypted { .. })
    }

    /// Opens the secret. `path` is for messages.
    ///
    /// # Errors
    /// [`KeystoreError::PasswordNeeded`], [`KeystoreError::WrongPassword`] or [`KeystoreError::Malformed`].
    pub fn open(&self, path: &Path, password: Option<&str>) -> Result<SecretKey> {
        let mut seed = [0; 32];
        match &self.secret {
            Stored::Plaintext { seed: text, .. } => {
                hex::decode_to_slice(text, &mut seed).map_err(|_| malformed(path, "its seed is not 64 hex digits"))?;
            }
            Stored::Encrypted { kdf, cost, salt, cipher, nonce, ciphertext } => {
                let password = password.ok_or_else(|| KeystoreError::PasswordNeeded { path: path.into() })?;
                if kdf != KDF || cipher != CIPHER {
                    return Err(malformed(path, format!("it uses {kdf} and {cipher}, not {KDF} and {CIPHER}")));
                }
                if !cost.bearable() {
                    return Err(malformed(path, "its derivation parameters ask too much of this machine"));
                }
                let bad = |what: &str| malformed(path, format!("its {what} has the wrong length or is not hex"));
                let (mut salt_bytes, mut nonce_bytes) = ([0; 16], [0; 12]);
                hex::decode_to_slice(salt, &mut salt_bytes).map_err(|_| bad("salt"))?;
                hex::decode_to_slice(nonce, &mut nonce_bytes).map_err(|_| bad("nonce"))?;
                let sealed = hex::decode(ciphertext).map_err(|_| bad("ciphertext"))?;
                let key = derive(password, &salt_bytes, *cost).map_err(|reason| malformed(path, reason))?;
                let aad = self.authenticated(*cost, &salt_bytes);
                let opened = ChaCha20Poly1305::new(&Key::from(*key))
                    .decrypt(&Nonce::from(nonce_bytes), Payload { msg: &sealed, aad: &aad })
                    .map(Zeroizing::new)
                    .map_err(|_| KeystoreError::WrongPassword { path: path.into() })?;
                if opened.len() != seed.len() {
                    return Err(bad("ciphertext"));
                }
                seed.copy_from_slice(&opened);
            }
        }
        let secret = SecretKey::from_seed(seed);
        seed.zeroize();
        if secret.public().to_string() != self.public {
            return Err(malformed(path, "its public key is not that of its secret"));
        }
        Ok(secret)
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// I/O, a malformed file, or a plain-text secret that others may read.
    pub fn load(path: &Path) -> Result<Self> {
        let (text, mode) = read_capped(path, MAX_KEY_FILE)?;
        let file = Self::parse(path, &text)?;
        if !file.encrypted() {
            require_private(path, mode)?;
        }
        Ok(file)
    }

    /// Reads the text of a key file. `path` is for messages.
    ///
    /// # Errors
    /// [`KeystoreError::Malformed`].
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let file: KeyFile = serde_json::from_str(text).map_err(|e| malformed(path, e.to_string()))?;
        if file.version != KEY_FILE_VERSION {
            return Err(malformed(path, format!("version {} is not {KEY_FILE_VERSION}", file.version)));
        }
        Ok(file)
    }

    /// Writes the file; an existing one is never replaced.
    ///
    /// # Errors
    /// I/O, or [`KeystoreError::Exists`].
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("a key file has a JSON form");
        write_atomic(path, format!("{text}\n").as_bytes(), Replace::Never)
    }
}

/// The account a key opens for itself: the key alone, salt of zeros.
pub fn own_account(key: PublicKey) -> AccountId {
    KeyPolicy::single(key).account_id(&[0; 16])
}

/// A new key from the operating system's randomness.
///
/// # Errors
/// [`KeystoreError::Randomness`].
pub fn generate() -> Result<SecretKey> {
    Ok(SecretKey::from_seed(random()?))
}

/// The key as 24 words: the BIP-39 encoding of the 32-byte Ed25519 seed itself, without passphrase and without a
/// derivation path, so every key has its words and the words give back that key.
pub fn to_words(secret: &SecretKey) -> Zeroizing<String> {
    let words = bip39::Mnemonic::from_entropy(secret.to_seed().as_ref()).expect("32 bytes make 24 words");
    Zeroizing::new(words.to_string())
}

/// The key of 24 words made by [`to_words`].
///
/// # Errors
/// [`KeystoreError::Words`] for unknown words, a wrong checksum or a wrong number of words.
pub fn from_words(words: &str) -> Result<SecretKey> {
    let normal = Zeroizing::new(words.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase());
    let parsed = bip39::Mnemonic::parse_in(bip39::Language::English, normal.as_str())
        .map_err(|e| KeystoreError::Words { reason: e.to_string() })?;
    let entropy = Zeroizing::new(parsed.to_entropy());
    let seed = <[u8; 32]>::try_from(entropy.as_slice())
        .map_err(|_| KeystoreError::Words { reason: format!("{} words, not 24", parsed.word_count()) })?;
    Ok(SecretKey::from_seed(seed))
}

/// The key of a seed in hex.
///
/// # Errors
/// [`KeystoreError::Seed`].
pub fn from_seed_hex(text: &str) -> Result<SecretKey> {
    let mut seed = [0; 32];
    hex::decode_to_slice(text.trim(), &mut seed).map_err(|_| KeystoreError::Seed)?;
    Ok(SecretKey::from_seed(seed))
}

/// A key of a book.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BookKey {
    kind: String,
    seed: String,
}

/// Many throw-away keys in one plain-text file: named ones for platforms and gateways, and a master from which the
/// keys of any number of buyers and creators follow, so that nothing needs to be written when a new name appears.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyBook {
    version: u32,
    warning: String,
    master: String,
    keys: BTreeMap<String, BookKey>,
}

impl fmt::Debug for KeyBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyBook({} named keys)", self.keys.len())
    }
}

impl KeyBook {
    /// A book with new keys for accounts with these names and kinds.
    ///
    /// # Errors
    /// No randomness.
    pub fn generate<'a>(names: impl IntoIterator<Item = (&'a str, AccountKind)>) -> Result<Self> {
        let mut book = KeyBook {
            version: KEY_FILE_VERSION,
            warning: PLAINTEXT_WARNING.into(),
            master: hex::encode(random::<32>()?),
            keys: BTreeMap::new(),
        };
        for (name, kind) in names {
            book.insert(name, kind, &generate()?);
        }
        Ok(book)
    }

    /// Adds or replaces a named key.
    pub fn insert(&mut self, name: &str, kind: AccountKind, secret: &SecretKey) {
        let seed = hex::encode(secret.to_seed().as_ref());
        self.keys.insert(name.to_string(), BookKey { kind: kind.name().into(), seed });
    }

    /// Reads a book.
    ///
    /// # Errors
    /// I/O, a malformed file, or one that others may read.
    pub fn load(path: &Path) -> Result<Self> {
        let (text, mode) = read_capped(path, MAX_BOOK)?;
        let book = Self::parse(path, &text)?;
        require_private(path, mode)?;
        Ok(book)
    }

    /// Reads the text of a book. `path` is for messages.
    ///
    /// # Errors
    /// [`KeystoreError::Malformed`].
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let book: KeyBook = serde_json::from_str(text).map_err(|e| malformed(path, e.to_string()))?;
        if book.version != KEY_FILE_VERSION {
            return Err(malformed(path, format!("version {} is not {KEY_FILE_VERSION}", book.version)));
        }
        from_seed_hex(&book.master).map_err(|_| malformed(path, "its master is not 64 hex digits"))?;
        for (name, key) in &book.keys {
            let bad = |what: &str| malformed(path, format!("{name}: {what}"));
            from_seed_hex(&key.seed).map_err(|_| bad("its seed is not 64 hex digits"))?;
            AccountKind::from_name(&key.kind).ok_or_else(|| bad("unknown kind"))?;
        }
        Ok(book)
    }

    /// Writes the book, replacing an older one at once.
    ///
    /// # Errors
    /// I/O.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("a key book has a JSON form");
        write_atomic(path, format!("{text}\n").as_bytes(), Replace::Atomically)
    }

    /// The key of an account of this kind: a named one, or for users and creators the one that follows from the master.
    pub fn key(&self, kind: AccountKind, name: &str) -> Option<SecretKey> {
        if let Some(named) = self.keys.get(name).filter(|k| k.kind == kind.name()) {
            return from_seed_hex(&named.seed).ok();
        }
        if !matches!(kind, AccountKind::User | AccountKind::Creator) {
            return None;
        }
        let mut bytes = Zeroizing::new(b"vostro/keybook/1".to_vec());
        bytes.extend_from_slice(&hex::decode(&self.master).ok()?);
        bytes.push(if kind == AccountKind::User { 0 } else { 1 });
        bytes.extend_from_slice(name.as_bytes());
        Some(SecretKey::from_seed(sha256(&bytes).0))
    }

    /// The key a person names: a named one, `buyer/NAME` or `creator/NAME`.
    ///
    /// # Errors
    /// [`KeystoreError::NotInBook`].
    pub fn find(&self, name: &str) -> Result<SecretKey> {
        let missing = || KeystoreError::NotInBook { name: name.chars().take(100).collect() };
        if let Some(named) = self.keys.get(name) {
            return from_seed_hex(&named.seed).map_err(|_| missing());
        }
        match name.split_once('/') {
            Some(("buyer" | "user", rest)) => self.key(AccountKind::User, rest),
            Some(("creator", rest)) => self.key(AccountKind::Creator, rest),
            _ => None,
        }
        .ok_or_else(missing)
    }

    /// Names and kinds of the named keys.
    pub fn names(&self) -> impl Iterator<Item = (&str, AccountKind)> {
        self.keys.iter().filter_map(|(name, key)| Some((name.as_str(), AccountKind::from_name(&key.kind)?)))
    }
}

/// Whether a write may take the place of an older file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// An existing file is an error.
    Never,
    /// The new content takes its place in one step.
    Atomically,
}

/// Writes a file of mode 0600 so that after a crash it is there whole or not at all.
///
/// # Errors
/// I/O, or [`KeystoreError::Exists`] under [`Replace::Never`].
pub fn write_atomic(path: &Path, bytes: &[u8], replace: Replace) -> Result<()> {
    let io = |source| KeystoreError::Io { path: path.to_path_buf(), source };
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(io)?;
    let temporary = directory.join(format!(".{}.tmp", hex::encode(random::<8>()?)));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        match replace {
            Replace::Atomically => fs::rename(&temporary, path)?,
            // a hard link fails if the name is taken, where a rename would replace
            Replace::Never => fs::hard_link(&temporary, path)?,
        }
        File::open(directory)?.sync_all()
    })();
    if replace == Replace::Never || written.is_err() {
        // the name is gone already if the rename succeeded
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => KeystoreError::Exists { path: path.into() },
        _ => io(e),
    })
}

/// Checks that a name can be a file's name on every system.
///
/// # Errors
/// [`KeystoreError::Name`].
pub fn check_name(name: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(good) {
        return Err(KeystoreError::Name { name: name.chars().take(100).collect() });
    }
    Ok(())
}

fn malformed(path: &Path, reason: impl Into<String>) -> KeystoreError {
    KeystoreError::Malformed { path: path.into(), reason: reason.into() }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| KeystoreError::Randomness(e.to_string()))?;
    Ok(bytes)
}

fn derive(password: &str, salt: &[u8], cost: Cost) -> std::result::Result<Zeroizing<[u8; 32]>, String> {
    let params = Params::new(cost.memory_kib, cost.iterations, cost.lanes, Some(32)).map_err(|e| e.to_string())?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, key.as_mut())
        .map_err(|e| e.to_string())?;
    Ok(key)
}

fn read_capped(path: &Path, cap: u64) -> Result<(Zeroizing<String>, u32)> {
    let io = |source| KeystoreError::Io { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    let mut text = Zeroizing::new(String::new());
    file.take(cap + 1).read_to_string(&mut text).map_err(io)?;
    if text.len() as u64 > cap {
        return Err(malformed(path, format!("it is longer than {cap} bytes")));
    }
    Ok((text, mode))
}

fn require_private(path: &Path, mode: u32) -> Result<()> {
    if mode & 0o077 != 0 { Err(KeystoreError::Exposed { path: path.into(), mode }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const CHEAP: Cost = Cost { memory_kib: 64, iterations: 1, lanes: 1 };

    fn secret() -> SecretKey {
        SecretKey::from_seed([42; 32])
    }

    fn seed(key: &SecretKey) -> [u8; 32] {
        *key.to_seed()
    }

    #[test]
    fn encrypted_file_round_trip_and_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/alice.json");
        KeyFile::encrypt("alice", &secret(), "correct horse", CHEAP).unwrap().save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&hex::encode([42; 32])), "the seed stands in the file");
        let file = KeyFile::load(&path).unwrap();
        assert_eq!(seed(&file.open(&path, Some("correct horse")).unwrap()), [42; 32]);
        assert!(matches!(file.open(&path, Some("wrong")), Err(KeystoreError::WrongPassword { .. })));
        assert!(matches!(file.open(&path, None), Err(KeystoreError::PasswordNeeded { .. })));
        assert!(matches!(file.save(&path), Err(KeystoreError::Exists { .. })));
        let left: Vec<_> = fs::read_dir(dir.path().join("deep")).unwrap().collect();
        assert_eq!(left.len(), 1, "no temporary file is left behind");
    }

    #[test]
    fn two_files_of_one_key_share_no_salt_nonce_or_ciphertext() {
        let fields = |f: KeyFile| match f.secret {
            Stored::Encrypted { salt, nonce, ciphertext, .. } => [salt, nonce, ciphertext],
            Stored::Plaintext { .. } => unreachable!("encrypted above"),
        };
        let a = fields(KeyFile::encrypt("a", &secret(), "p", CHEAP).unwrap());
        let b = fields(KeyFile::encrypt("a", &secret(), "p", CHEAP).unwrap());
        assert!(a.iter().zip(&b).all(|(x, y)| x != y));
    }

    #[test]
    fn every_tampered_hex_digit_is_noticed() {
        let path = Path::new("k.json");
        let text = serde_json::to_string(&KeyFile::encrypt("alice", &secret(), "p", CHEAP).unwrap()).unwrap();
        let good = text.clone().into_bytes();
        let mut noticed = 0;
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] = match bytes[at] {
                b'0' => b'1',
                b if b.is_ascii_hexdigit() => b'0',
                b => b ^ 1,
            };
            let Ok(text) = String::from_utf8(bytes) else { continue };
            let Ok(file) = serde_json::from_str::<KeyFile>(&text) else { continue };
            assert!(file.version != KEY_FILE_VERSION || file.open(path, Some("p")).is_err(), "byte {at}: {text}");
            noticed += 1;
        }
        assert!(noticed > 200, "most changes must reach the cipher, not only the parser: {noticed}");
    }

    #[test]
    fn a_file_cannot_ask_for_all_memory() {
        let file = KeyFile::encrypt("a", &secret(), "p", CHEAP).unwrap();
        let text = serde_json::to_string(&file).unwrap().replace("\"memoryKib\":64", "\"memoryKib\":4294967295");
        let file: KeyFile = serde_json::from_str(&text).unwrap();
        assert!(matches!(file.open(Path::new("a"), Some("p")), Err(KeystoreError::Malformed { .. })));
    }

    #[test]
    fn plaintext_says_so_and_must_be_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("demo.json");
        KeyFile::plaintext("demo", &secret()).unwrap().save(&path).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("NOT ENCRYPTED"));
        assert_eq!(seed(&KeyFile::load(&path).unwrap().open(&path, None).unwrap()), [42; 32]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(KeyFile::load(&path), Err(KeystoreError::Exposed { mode: 0o644, .. })));
    }

    #[test]
    fn a_public_key_of_another_secret_is_refused() {
        let mut file = KeyFile::plaintext("demo", &secret()).unwrap();
        file.public = SecretKey::from_seed([1; 32]).public().to_string();
        assert!(matches!(file.open(Path::new("x"), None), Err(KeystoreError::Malformed { .. })));
    }

    #[test]
    fn names_cannot_leave_the_directory() {
        for bad in ["", "../x", "a/b", ".hidden", "a b", "ü", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        check_name("northwind-2.gateway_A").unwrap();
    }

    #[test]
    fn words_are_bip39_of_the_seed() {
        // BIP-39 reference vector: 32 zero bytes of entropy.
        let zero = to_words(&SecretKey::from_seed([0; 32]));
        assert_eq!(zero.as_str(), format!("{}art", "abandon ".repeat(23)));
        assert_eq!(seed(&from_words(&to_words(&secret()).to_uppercase()).unwrap()), [42; 32]);
        assert!(from_words(&"abandon ".repeat(24)).is_err(), "checksum");
        assert!(from_words(&format!("{}about", "abandon ".repeat(11))).is_err(), "twelve words");
        assert!(from_words("vostro").is_err());
    }

    #[test]
    fn book_keys_follow_from_the_master_and_differ_by_kind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("book.json");
        let book =
            KeyBook::generate([("northwind", AccountKind::Platform), ("gateway", AccountKind::Gateway)]).unwrap();
        book.save(&path).unwrap();
        book.save(&path).unwrap();
        let again = KeyBook::load(&path).unwrap();
        let buyer = book.key(AccountKind::User, "c1").unwrap();
        assert_eq!(buyer.public(), again.key(AccountKind::User, "c1").unwrap().public());
        assert_ne!(buyer.public(), book.key(AccountKind::Creator, "c1").unwrap().public());
        assert_ne!(buyer.public(), book.key(AccountKind::User, "c2").unwrap().public());
        assert_eq!(buyer.public(), again.find("buyer/c1").unwrap().public());
        assert!(book.key(AccountKind::Platform, "quill").is_none());
        assert_ne!(
            book.key(AccountKind::User, "northwind").unwrap().public(),
            book.key(AccountKind::Platform, "northwind").unwrap().public()
        );
        assert!(matches!(book.find("quill"), Err(KeystoreError::NotInBook { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(KeyBook::load(&path), Err(KeystoreError::Exposed { .. })));
        assert!(!format!("{book:?}").contains(&book.master));
    }

    proptest! {
        #[test]
        fn any_text_is_refused_without_a_panic(text in "\\PC{0,200}") {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x.json");
            fs::write(&path, &text).unwrap();
            prop_assert!(KeyFile::load(&path).is_err());
            prop_assert!(KeyBook::load(&path).is_err());
        }
    }
}
