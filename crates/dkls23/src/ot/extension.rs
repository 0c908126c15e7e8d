//! OT extension: 416 correlated OTs from 128 seeds, checked.
//!
//! Source: Keller, Orsini, Scholl (eprint 2015/546) with the linear check of Roy, *SoftSpokenOT*
//! (eprint 2022/192) for one base OT a row, made non-interactive; `docs/protocols/dkls23.md` §2.2,
//! §2.3 and §5.

use quorate_kernels::{Block, Check, CheckHash, Row, Tccr, mask, transpose};
use quorate_types::{Digest32, Reader, Writer};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::ids;
use crate::ot::{BASE_OTS, ReceiverSeeds, SenderSeeds};

/// OTs of one extension: ξ = κ + 2·λ_s = 256 + 2·80, one for each bit of the gadget.
pub(crate) const OTS: usize = 416;
/// Bytes of a row on the wire: 416 bits, and 208 that mask its check.
const ROW: usize = 78;
/// Bytes of the matrix.
pub(crate) const MATRIX: usize = BASE_OTS * ROW;
/// Bytes of the check value.
pub(crate) const CHECK: usize = 26;
/// Bytes of a [`Matrix`].
pub(crate) const MESSAGE: usize = MATRIX + CHECK + 32;

/// Hash domain of rows; that of pads is in `product`.
const ROWS_DOMAIN: u32 = 1;

/// The receiver's message: its choices under every row's pad, and proof that they are the same in
/// all of them.
pub(crate) struct Matrix {
    rows: Box<[u8; MATRIX]>,
    choices_check: [u8; CHECK],
    rows_check: [u8; 32],
}

impl Matrix {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.fixed(self.rows.as_slice())
            .fixed(&self.choices_check)
            .fixed(&self.rows_check);
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, quorate_types::DecodeError> {
        let rows = input.take("matrix", MATRIX)?.to_vec().into_boxed_slice();
        Ok(Self {
            rows: rows.try_into().expect("that many bytes were taken"),
            choices_check: input.array("choices check")?,
            rows_check: input.array("rows check")?,
        })
    }

    /// Digest of the whole message. `transcript` comes from the challenge and stands for the rows.
    fn digest(&self, transcript: &Digest32) -> Digest32 {
        ids::matrix(transcript, &self.choices_check, &self.rows_check)
    }
}

/// What the receiver holds: its choices, and for each the pad that it chose.
pub(crate) struct Received {
    pub(crate) choices: Row,
    pub(crate) pads: Zeroizing<Vec<Block>>,
    /// Digest of the message.
    pub(crate) matrix: Digest32,
}

impl Drop for Received {
    fn drop(&mut self) {
        self.choices.zeroize();
    }
}

/// What the sender holds: with `pads[m]` the receiver's pad where it chose 0, and `pads[m] ⊕ Δ`
/// where it chose 1.
pub(crate) struct Sent {
    pub(crate) pads: Zeroizing<Vec<Block>>,
    /// Digest of the receiver's message.
    pub(crate) matrix: Digest32,
}

/// The check failed: the receiver used different choices in different rows. Tells one bit of Δ for
/// each row that it guessed, so it may happen once (row C12).
pub(crate) struct Inconsistent;

/// Step 2.2: extends as receiver.
///
/// - `id`: of this extension; it covers 32 fresh bytes of ours.
/// - `choices`: 416 random bits, then 208 random bits that mask the check.
pub(crate) fn receive(seeds: &ReceiverSeeds, id: &Digest32, choices: &Row) -> (Matrix, Received) {
    let hash = Tccr::new(key(id));
    let zeros = expand(&hash, &seeds.zeros);
    let ones = expand(&hash, &seeds.ones);
    let mut rows = Box::new([0; MATRIX]);
    let pairs = zeros.0.iter().zip(ones.0.iter());
    for (out, (zero, one)) in rows.as_chunks_mut::<ROW>().0.iter_mut().zip(pairs) {
        let mut masked = [0_u128; 5];
        for (out, ((zero, one), choice)) in masked.iter_mut().zip(zero.iter().zip(one).zip(choices))
        {
            *out = zero ^ one ^ choice;
        }
        write_row(out, &masked);
    }
    let Challenge { check, transcript } = Challenge::new(id, &rows);
    let mut hashes = Zeroizing::new([[0; 2]; BASE_OTS]);
    check.fold_all(zeros.0.as_slice(), hashes.as_mut_slice());
    let rows_check = rows_check(id, hashes.iter().copied());
    let matrix = Matrix {
        rows,
        choices_check: check_bytes(check.fold(choices)),
        rows_check,
    };
    let received = Received {
        choices: *choices,
        pads: columns(&zeros.0),
        matrix: matrix.digest(&transcript),
    };
    (matrix, received)
}

/// Step 2.3: extends as sender, and checks.
///
/// # Errors
/// [`Inconsistent`]: a ban.
pub(crate) fn send(
    seeds: &SenderSeeds,
    id: &Digest32,
    matrix: &Matrix,
) -> Result<Sent, Inconsistent> {
    let hash = Tccr::new(key(id));
    let mut rows = expand(&hash, &seeds.chosen);
    let masked = matrix.rows.as_chunks::<ROW>().0;
    for (number, (row, masked)) in rows.0.iter_mut().zip(masked).enumerate() {
        let chosen = bit_mask(seeds.delta, number);
        for (word, masked) in row.iter_mut().zip(read_row(masked)) {
            *word ^= masked & chosen;
        }
    }
    let Challenge { check, transcript } = Challenge::new(id, &matrix.rows);
    let choices = read_check(&matrix.choices_check);
    let mut hashes = Zeroizing::new([[0; 2]; BASE_OTS]);
    check.fold_all(rows.0.as_slice(), hashes.as_mut_slice());
    let expected = hashes.iter().enumerate().map(|(number, [first, second])| {
        let chosen = bit_mask(seeds.delta, number);
        let [x_first, x_second] = choices;
        [first ^ x_first & chosen, second ^ x_second & chosen]
    });
    let expected = rows_check(id, expected);
    if bool::from(expected.ct_eq(&matrix.rows_check)) {
        Ok(Sent {
            pads: columns(&rows.0),
            matrix: matrix.digest(&transcript),
        })
    } else {
        Err(Inconsistent)
    }
}

/// The session's key of the hash: the first half of its id.
pub(crate) fn key(id: &Digest32) -> Block {
    let bytes: &[u8; 16] = id.as_bytes().first_chunk().expect("32 bytes start with 16");
    u128::from_le_bytes(*bytes)
}

/// Each seed's row. The tweak has the row's number, so equal seeds give different rows.
fn expand(hash: &Tccr, seeds: &[Block; BASE_OTS]) -> Rows {
    let mut rows = Rows(Box::new([[0; 5]; BASE_OTS]));
    hash.hash(ROWS_DOMAIN, 0, seeds, rows.0.as_mut_slice());
    rows
}

/// Expanded rows; wiped on drop.
struct Rows(Box<[Row; BASE_OTS]>);

impl Drop for Rows {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

fn columns(rows: &[Row; BASE_OTS]) -> Zeroizing<Vec<Block>> {
    let mut columns = Zeroizing::new(vec![0; OTS]);
    transpose(rows, &mut columns);
    columns
}

/// The challenge covers the whole matrix, so it is known only after that is fixed (row A13).
struct Challenge {
    check: CheckHash,
    /// Comes from the same hash, so it stands for extension and matrix.
    transcript: Digest32,
}

impl Challenge {
    fn new(id: &Digest32, rows: &[u8; MATRIX]) -> Self {
        let mut hasher = ids::oracle(b"OT check", id);
        hasher.update(rows);
        let mut output = hasher.finalize_xof();
        let mut keys = [[0; 16]; 2];
        output.fill(keys.as_flattened_mut());
        let mut transcript = [0; 32];
        output.fill(&mut transcript);
        Self {
            check: CheckHash::new(keys.map(u128::from_le_bytes)),
            transcript: Digest32::from_array(transcript),
        }
    }
}

/// A digest of all rows' hashes stands for them: the sender can compute each.
fn rows_check(id: &Digest32, hashes: impl Iterator<Item = Check>) -> [u8; 32] {
    let mut bytes = Zeroizing::new([0; CHECK * BASE_OTS]);
    for (place, hash) in bytes.as_chunks_mut::<CHECK>().0.iter_mut().zip(hashes) {
        *place = check_bytes(hash);
    }
    let mut hasher = ids::oracle(b"OT rows", id);
    hasher.update(bytes.as_slice());
    let digest = *hasher.finalize().as_bytes();
    hasher.zeroize();
    digest
}

/// All ones if that bit of Δ is one.
pub(crate) fn bit_mask(delta: u128, number: usize) -> u128 {
    let [bit, ..] = (delta >> number).to_le_bytes();
    let half = u128::from(mask(u64::from(bit & 1)));
    half << 64 | half
}

fn check_bytes([first, second]: Check) -> [u8; CHECK] {
    let mut out = [0; CHECK];
    let (low, high) = out.split_at_mut(16);
    low.copy_from_slice(&first.to_le_bytes());
    let bytes: [u8; 16] = second.to_le_bytes();
    high.copy_from_slice(bytes.split_at(CHECK - 16).0);
    out
}

fn read_check(bytes: &[u8; CHECK]) -> Check {
    let mut words = [[0; 16]; 2];
    words
        .as_flattened_mut()
        .split_at_mut(CHECK)
        .0
        .copy_from_slice(bytes);
    words.map(u128::from_le_bytes)
}

fn write_row(out: &mut [u8; ROW], row: &Row) {
    let words = row.map(u128::to_le_bytes);
    out.copy_from_slice(words.as_flattened().split_at(ROW).0);
}

fn read_row(bytes: &[u8; ROW]) -> Row {
    let mut words = [[0; 16]; 5];
    words
        .as_flattened_mut()
        .split_at_mut(ROW)
        .0
        .copy_from_slice(bytes);
    words.map(u128::from_le_bytes)
}
