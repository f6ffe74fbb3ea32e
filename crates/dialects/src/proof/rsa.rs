//! RSA keys of 2048 bits, as Ironclad signs its webhooks with: made, read, signed with, shown.
//!
//! Invariants: a key has no `Debug` text; the same seed makes the same key, the same key and message the same signature.
//! The private key is worked with by the one library for signatures; only the search for its primes is done here, once in
//! the life of a service, from a seed that is handed in.
//!
//! Sources: RFC 8017, sections 3, 8.2 and A.1 (the key, the signature, the encodings); FIPS 186-5, appendix A.1.3 and table B.1
//! (how primes are found, how often they are tried).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::chain::sha256;
use domain::id::Chance;
use domain::secret::Secret;
use num_bigint::BigUint;
use ring::error::KeyRejected;
use ring::rand::SystemRandom;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};

/// An RSA key of 2048 bits.
pub struct RsaKey {
    pair: RsaKeyPair,
}

/// A key that is none.
#[derive(Debug, thiserror::Error)]
pub enum BadRsaKey {
    /// It is no base64.
    #[error("the rsa key is no base64")]
    Base64,
    /// It is no RSA key, or too small a one.
    #[error("the rsa key cannot be used")]
    Key {
        /// What the library says.
        source: KeyRejected,
    },
}

impl RsaKey {
    /// Makes a key of 32 bytes that nobody can foretell: the base64 of its form in PKCS#1.
    ///
    /// `None` where no primes are found, which no seed is known to come to. Takes a good part of a second.
    pub fn generate(seed: &[u8; 32]) -> Option<Secret> {
        Self::search(&mut Drawn { seed: *seed, count: 0 })
    }

    fn search(chance: &mut dyn Chance) -> Option<Secret> {
        let exponent = BigUint::from(PUBLIC_EXPONENT);
        for _ in 0..PAIRS_MAX {
            let (first, second) = (prime(chance)?, prime(chance)?);
            let (p, q) = if first > second { (first, second) } else { (second, first) };
            // Primes that begin alike would be found from their product.
            if (&p - &q).bits() <= PRIME_BITS - 100 {
                continue;
            }
            let (p_less, q_less) = (&p - 1_u32, &q - 1_u32);
            let Some(d) = exponent.modinv(&(&p_less * &q_less)) else { continue };
            let Some(inverse) = q.modinv(&p) else { continue };
            let (d_p, d_q) = (&d % &p_less, &d % &q_less);
            let n = &p * &q;
            let parts = [&BigUint::ZERO, &n, &exponent, &d, &p, &q, &d_p, &d_q, &inverse];
            let der = element(SEQUENCE, &parts.map(integer).concat());
            return Some(Secret::new(STANDARD.encode(der)));
        }
        None
    }

    /// Reads what [`RsaKey::generate`] made.
    pub fn read(key: &Secret) -> Result<Self, BadRsaKey> {
        let der = STANDARD.decode(key.expose()).ok().ok_or(BadRsaKey::Base64)?;
        let pair = RsaKeyPair::from_der(&der).map_err(|source| BadRsaKey::Key { source })?;
        Ok(Self { pair })
    }

    /// Gives the public half as PEM, `BEGIN PUBLIC KEY`.
    pub fn public_pem(&self) -> String {
        let bits = [&[0], self.pair.public_key().as_ref()].concat();
        let info = [RSA_ENCRYPTION, &element(BIT_STRING, &bits)].concat();
        let text = STANDARD.encode(element(SEQUENCE, &info));
        let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
        for (at, digit) in text.chars().enumerate() {
            if at > 0 && at % PEM_LINE_CHARS == 0 {
                pem.push('\n');
            }
            pem.push(digit);
        }
        pem.push_str("\n-----END PUBLIC KEY-----\n");
        pem
    }

    /// Signs a message by RSASSA-PKCS1-v1_5 with SHA-256: the base64 of 256 bytes. `None` where the library cannot.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<String> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        // This padding draws nothing.
        let chance = SystemRandom::new();
        self.pair.sign(&RSA_PKCS1_SHA256, &chance, message, &mut signature).ok()?;
        Some(STANDARD.encode(signature))
    }
}

impl fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RsaKey(…)")
    }
}

/// Chance drawn out of a seed: the digests of it and a count.
#[derive(Debug)]
struct Drawn {
    seed: [u8; 32],
    count: u64,
}

impl Chance for Drawn {
    fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(32) {
            let drawn = sha256(&[&self.seed[..], &self.count.to_be_bytes()].concat());
            self.count = self.count.wrapping_add(1);
            part.iter_mut().zip(drawn).for_each(|(byte, new)| *byte = new);
        }
    }
}

const PUBLIC_EXPONENT: u32 = 65_537;
const PRIME_BITS: u64 = 1_024;
const PRIME_BYTES: usize = 128;
/// Pairs of primes that are tried; nearly every first one fits.
const PAIRS_MAX: u32 = 100;
/// Numbers that are tried for a prime; one in 355 odd ones of that size is.
const NUMBERS_MAX: u32 = 100_000;
/// Random numbers of which each shows a composite for one with a chance of three in four, and in truth nearly surely.
const WITNESSES: u32 = 8;
/// Composites are mostly shown by a prime below this.
const SMALL_PRIMES_END: u32 = 2_000;
/// Source: RFC 7468, section 2.
const PEM_LINE_CHARS: usize = 64;

/// Finds a prime with its two highest bits set, so that the product of two has twice as many bits.
fn prime(chance: &mut dyn Chance) -> Option<BigUint> {
    let is_prime = |n: &u32| (2_u32..*n).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    let small: Vec<u32> = (3..SMALL_PRIMES_END).filter(is_prime).collect();
    for _ in 0..NUMBERS_MAX {
        let mut bytes = [0; PRIME_BYTES];
        chance.fill(&mut bytes);
        let [first, .., last] = &mut bytes;
        *first |= 0b1100_0000;
        *last |= 1;
        let number = BigUint::from_bytes_be(&bytes);
        let is_candidate = small.iter().all(|prime| &number % prime != BigUint::ZERO)
            && (&number - 1_u32) % PUBLIC_EXPONENT != BigUint::ZERO;
        if is_candidate && passes(&number, chance) {
            return Some(number);
        }
    }
    None
}

/// Tells whether no witness shows that an odd number is composite: the test of Miller and Rabin.
fn passes(number: &BigUint, chance: &mut dyn Chance) -> bool {
    let one = BigUint::from(1_u32);
    let less = number - 1_u32;
    let twos = less.trailing_zeros().unwrap_or(0);
    let odd = &less >> twos;
    (0..WITNESSES).all(|_| {
        let mut bytes = [0; PRIME_BYTES];
        chance.fill(&mut bytes);
        let witness = BigUint::from_bytes_be(&bytes) % (number - 3_u32) + 2_u32;
        let mut power = witness.modpow(&odd, number);
        if power == one || power == less {
            return true;
        }
        for _ in 1..twos {
            power = &power * &power % number;
            if power == less {
                return true;
            }
        }
        false
    })
}

/// Writes a whole number as DER does: a byte of zero in front of one that would look negative.
fn integer(number: &BigUint) -> Vec<u8> {
    let mut bytes = number.to_bytes_be();
    if bytes.first().is_some_and(|first| *first >= 0x80) {
        bytes.insert(0, 0);
    }
    element(INTEGER, &bytes)
}

/// Writes an element of DER of less than 64 KiB.
fn element(kind: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    let length: &[u8] = match (high, low) {
        (0, 0..=0x7f) => &[low],
        (0, _) => &[0x81, low],
        _ => &[0x82, high, low],
    };
    [&[kind], length, content].concat()
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// The algorithm that a key is for, as an element: RFC 8017, appendix C.
const RSA_ENCRYPTION: &[u8] =
    &[0x30, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_for_the_same_seed_and_another_for_another() {
        let [a, b, c] = [1, 1, 2].map(|seed| {
            let key = RsaKey::generate(&[seed; 32]).unwrap();
            RsaKey::read(&key).unwrap().public_pem()
        });
        assert_eq!(a, b);
        assert_ne!(a, c);
        // As the vendor's own: 2048 bits, with a final newline.
        assert_eq!(a.len(), 451);
    }

    #[test]
    fn no_composite_passes_that_fools_a_weaker_test() {
        let passes =
            |number: u64| passes(&BigUint::from(number), &mut Drawn { seed: [3; 32], count: 0 });
        for prime in [101_u64, 65_537, 4_294_967_291, 18_446_744_073_709_551_557] {
            assert!(passes(prime), "{prime}");
        }
        // Carmichael numbers, a square, and a product of two primes.
        for composite in [561_u64, 41_041, 825_265, 4_295_098_369, 1_000_036_000_099] {
            assert!(!passes(composite), "{composite}");
        }
    }

    #[test]
    fn chance_that_gives_no_primes_makes_no_key() {
        #[derive(Debug)]
        struct Always(u8);
        impl Chance for Always {
            fn fill(&mut self, bytes: &mut [u8]) {
                bytes.fill(self.0);
            }
        }
        assert!(RsaKey::search(&mut Always(0xff)).is_none());
    }

    #[test]
    fn a_key_never_shows_itself_and_nonsense_is_none() {
        let key = RsaKey::generate(&[9; 32]).unwrap();
        assert_eq!(format!("{:?}", RsaKey::read(&key).unwrap()), "RsaKey(…)");
        for bad in ["", "AAAA", "no base64!"] {
            assert!(RsaKey::read(&Secret::new(bad)).is_err(), "{bad}");
        }
    }
}
