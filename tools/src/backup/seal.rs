//! The pieces of a backup: each sealed by itself (ChaCha20-Poly1305, RFC 8439), so that a file of any
//! length is written and read with little memory, and none of it is believed before it was checked.
//!
//! The key comes from the passphrase and the file's own salt, so it seals this one file. A nonce is the
//! piece's number and whether it is the last: pieces cannot be left out, put elsewhere, or cut off.

use std::io::{self, BufRead, BufReader, Read, Write};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use gearmesh_protocol::refusal::Refusal;
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::keyring::stretch::Stretch;

const HEAD: &str = "gearmesh-backup 1";

/// How backups of any version begin.
const MARK: &[u8] = b"gearmesh-backup ";

/// Bytes of a piece, before it is sealed.
const PIECE_BYTES: usize = 64 * 1024;

/// What sealing adds to each.
const TAG_BYTES: usize = 16;

/// Bytes of the two lines in front at most.
const HEAD_BYTES_MAX: u64 = 256;

/// Whether a file begins as backups do.
pub(crate) fn is_backup(start: &[u8]) -> bool {
    start.starts_with(MARK)
}

fn nonce(number: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    nonce[11] = u8::from(is_last);
    Nonce::from(nonce)
}

/// Seals what is written to it.
pub(super) struct Sealing<W> {
    out: W,
    cipher: ChaCha20Poly1305,
    head: String,
    piece: Zeroizing<Vec<u8>>,
    number: u64,
}

impl<W: Write> Sealing<W> {
    /// Begins a file.
    pub(super) fn begin(mut out: W, passphrase: &str) -> Result<Self, Failure> {
        let stretch = Stretch::draw()?;
        let head = format!("{HEAD}\n{}\n", stretch.line());
        let key = stretch.key(passphrase).map_err(Failure::system)?;
        let cipher = ChaCha20Poly1305::new(&Key::from(*key));
        out.write_all(head.as_bytes()).map_err(Failure::system)?;
        let piece = Zeroizing::new(Vec::with_capacity(PIECE_BYTES));
        Ok(Self { out, cipher, head, piece, number: 0 })
    }

    /// Seals the last piece, and gives the file back.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.put(true)?;
        Ok(self.out)
    }

    fn put(&mut self, is_last: bool) -> io::Result<()> {
        let payload = Payload { msg: &self.piece, aad: self.head.as_bytes() };
        let sealed = self.cipher.encrypt(&nonce(self.number, is_last), payload);
        self.out.write_all(&sealed.map_err(io::Error::other)?)?;
        self.piece.clear();
        self.number += 1;
        Ok(())
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() == PIECE_BYTES {
            self.put(false)?;
        }
        let now = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..now]);
        Ok(now)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives out what was sealed, each piece once it was checked.
pub(super) struct Opening<R> {
    from: BufReader<R>,
    cipher: ChaCha20Poly1305,
    head: String,
    piece: Zeroizing<Vec<u8>>,
    at: usize,
    number: u64,
    is_over: bool,
}

impl<R: Read> Opening<R> {
    /// Opens a file, and its first piece.
    pub(super) fn open(
        file: R,
        passphrase: impl FnOnce() -> Result<Zeroizing<String>, Failure>,
    ) -> Result<Self, Failure> {
        let mut from = BufReader::with_capacity(PIECE_BYTES + TAG_BYTES, file);
        let unreadable = |what: &str| Failure::from(Refusal::BackupUnreadable).saying(what);
        let mut head = String::new();
        for _ in 0..2 {
            let read = from.by_ref().take(HEAD_BYTES_MAX).read_line(&mut head);
            read.map_err(|_| unreadable("this is no backup"))?;
        }
        let (first, second) = head.split_once('\n').unwrap_or_default();
        if first != HEAD {
            return Err(unreadable(match is_backup(first.as_bytes()) {
                true => "this is a backup of another release",
                false => "this is no backup",
            }));
        }
        let stretch = Stretch::read(second.trim_end())
            .ok_or_else(|| unreadable("the second line of this backup is damaged"))?;
        let key = stretch.key(&passphrase()?).map_err(Failure::system)?;
        let cipher = ChaCha20Poly1305::new(&Key::from(*key));
        let piece = Zeroizing::new(Vec::new());
        let mut opening = Self { from, cipher, head, piece, at: 0, number: 0, is_over: false };
        opening.next().map_err(|_| Refusal::BackupWrong)?;
        Ok(opening)
    }

    fn next(&mut self) -> io::Result<()> {
        let mut sealed = Vec::new();
        let most = PIECE_BYTES + TAG_BYTES;
        self.from.by_ref().take(most as u64).read_to_end(&mut sealed)?;
        self.is_over = self.from.fill_buf()?.is_empty();
        let payload = Payload { msg: &sealed, aad: self.head.as_bytes() };
        let opened = self.cipher.decrypt(&nonce(self.number, self.is_over), payload);
        let wrong = |_| io::Error::new(io::ErrorKind::InvalidData, "it was changed or cut off");
        self.piece = Zeroizing::new(opened.map_err(wrong)?);
        self.at = 0;
        self.number += 1;
        Ok(())
    }
}

impl<R: Read> Read for Opening<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() && !self.is_over {
            self.next()?;
        }
        let now = into.len().min(self.piece.len() - self.at);
        into[..now].copy_from_slice(&self.piece[self.at..self.at + now]);
        self.at += now;
        Ok(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "correct horse";

    fn sealed(bytes: &[u8]) -> Vec<u8> {
        let mut sealing = Sealing::begin(Vec::new(), WORDS).expect("begun");
        sealing.write_all(bytes).expect("written");
        sealing.finish().expect("finished")
    }

    fn opened(file: &[u8], words: &str) -> Result<Vec<u8>, u16> {
        let words = Zeroizing::new(words.to_owned());
        let mut opening = Opening::open(file, || Ok(words)).map_err(|e| e.body().code.code())?;
        let mut bytes = Vec::new();
        opening.read_to_end(&mut bytes).map_err(|_| 0_u16)?;
        Ok(bytes)
    }

    #[test]
    fn what_was_sealed_is_opened_whole_or_not_at_all() {
        let bytes: Vec<u8> = (0..2 * PIECE_BYTES).map(|at| at as u8).collect();
        let file = sealed(&bytes);
        assert!(is_backup(&file));
        assert_eq!(opened(&file, WORDS), Ok(bytes));
        assert_eq!(opened(&file, "correct horsf"), Err(411));
        let body = file.len() - 2 * (PIECE_BYTES + TAG_BYTES);
        let piece =
            |at: usize| &file[body + at * (PIECE_BYTES + TAG_BYTES)..][..PIECE_BYTES + TAG_BYTES];
        let cut = &file[..file.len() - 1];
        let first_alone = &file[..body + PIECE_BYTES + TAG_BYTES];
        assert_eq!(opened(cut, WORDS), Err(0));
        assert_eq!(opened(first_alone, WORDS), Err(411), "the last piece is missing");
        let turned = [&file[..body], piece(1), piece(0)].concat();
        assert_eq!(opened(&turned, WORDS), Err(411));
        let longer = [&file[..], b"x"].concat();
        assert_eq!(opened(&longer, WORDS), Err(0));
        assert_eq!(opened(b"gearmesh-backup 2\nx\n", WORDS), Err(410));
        assert_eq!(opened(b"{}", WORDS), Err(410));
    }
}
