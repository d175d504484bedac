//! A checksum over words that are written once: a flipped byte is seen, an attacker is not.

/// FNV-1a over whole words, with a final mix so that every bit reaches every bit.
pub(super) fn checksum(words: impl IntoIterator<Item = u64>) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for word in words {
        hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        hash ^= hash >> 29;
    }
    hash
}
