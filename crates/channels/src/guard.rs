//! Which addresses may be called at all.
//!
//! Invariants: a verdict follows from the address and the allow-list alone; every range of the IANA special-purpose
//! registries is refused, reachable or not, since no receiver lives in any; an IPv4 address inside an IPv6 one is
//! vetted too.
//! Left to others: resolving names ([`crate::resolve`]), and dialling only what was vetted ([`crate::http`]).
//! Network-specific NAT64 prefixes (RFC 6052, section 2.2) look like any other address and are for the firewall.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// Says which targets may be called.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allowed: Vec<IpNet>,
    schemes: Schemes,
}

/// Which schemes a target may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Schemes {
    /// Only `https`.
    #[default]
    HttpsOnly,
    /// `https`, and `http` as well.
    HttpToo,
}

/// Why a target may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The address lies in a special-purpose range.
    #[error("the target is in {range} ({purpose}), which is not called")]
    Range {
        /// The range that was hit; for an embedded address, the range of that.
        range: IpNet,
        /// What the range is for.
        purpose: &'static str,
    },
    /// The address is outside what is given out to the public internet (`2000::/3`).
    #[error("the target is outside 2000::/3, the public part of IPv6, and is not called")]
    Unassigned,
    /// The scheme is neither `http` nor `https`.
    #[error("only http and https targets are called")]
    Scheme,
    /// The scheme is `http`, and only `https` is allowed.
    #[error("only https targets are called")]
    PlainHttp,
    /// The URL carries a user name or a password.
    #[error("a target may not carry a user name or a password")]
    UserInfo,
    /// The URL names no host.
    #[error("a target must name a host")]
    NoHost,
}

impl Guard {
    /// Makes a guard that lets the ranges of the allow-list pass, on top of public addresses.
    pub fn new(allowed: Vec<IpNet>, schemes: Schemes) -> Self {
        Self { allowed, schemes }
    }

    /// Vets an address before it is dialled.
    pub fn vet(&self, address: IpAddr) -> Result<(), Refused> {
        if self.allows(address) {
            return Ok(());
        }
        match address {
            IpAddr::V4(address) => vet_v4(address),
            // A mapped address is dialled as the IPv4 one inside, so the allow-list speaks about that as well.
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(mapped) if self.allows(IpAddr::V4(mapped)) => Ok(()),
                Some(mapped) => vet_v4(mapped),
                None => vet_v6(address),
            },
        }
    }

    /// Checks a URL as far as that is possible without resolving its name: at registration, and before each attempt.
    pub fn check_url(&self, url: &Url) -> Result<(), Refused> {
        match (url.scheme(), self.schemes) {
            ("https", _) | ("http", Schemes::HttpToo) => {}
            ("http", Schemes::HttpsOnly) => return Err(Refused::PlainHttp),
            _ => return Err(Refused::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::UserInfo);
        }
        match url.host() {
            None => Err(Refused::NoHost),
            Some(Host::Domain(_)) => Ok(()),
            Some(Host::Ipv4(address)) => self.vet(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => self.vet(IpAddr::V6(address)),
        }
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|range| range.contains(&address))
    }
}

fn vet_v4(address: Ipv4Addr) -> Result<(), Refused> {
    match RANGES_V4.iter().find(|(range, _)| range.contains(&address)) {
        Some((range, purpose)) => Err(Refused::Range { range: IpNet::V4(*range), purpose }),
        None => Ok(()),
    }
}

fn vet_v6(address: Ipv6Addr) -> Result<(), Refused> {
    if let Some((range, purpose)) = RANGES_V6.iter().find(|(range, _)| range.contains(&address)) {
        return Err(Refused::Range { range: IpNet::V6(*range), purpose });
    }
    if let Some(embedded) = embedded_v4(address) {
        vet_v4(embedded)?;
    }
    if PUBLIC_V6.contains(&address) || NAT64.contains(&address) {
        Ok(())
    } else {
        Err(Refused::Unassigned)
    }
}

/// Finds the IPv4 address inside an IPv6 one, in the forms that are not refused as a whole.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [_, _, _, _, isatap_flags, isatap_mark, high, low] = address.segments();
    // The 0x0200 bit says "unique", which an ISATAP interface may or may not claim.
    let isatap = isatap_flags & !0x0200 == 0 && isatap_mark == 0x5efe;
    (isatap || NAT64.contains(&address))
        .then(|| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

const fn v4(a: u8, b: u8, c: u8, prefix_bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), prefix_bits)
}

const fn v6(a: u16, b: u16, c: u16, prefix_bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix_bits)
}

/// The public part of IPv6.
const PUBLIC_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// What DNS64 answers for names that have IPv4 addresses only.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

/// <https://www.iana.org/assignments/iana-ipv4-special-registry>, multicast, and the narrower range first.
const RANGES_V4: &[(Ipv4Net, &str)] = &[
    (v4(0, 0, 0, 8), "this network"),
    (v4(10, 0, 0, 8), "private use"),
    (v4(100, 64, 0, 10), "carriers' shared space"),
    (v4(127, 0, 0, 8), "loopback"),
    // Public by the registry, but the host's own on Azure, without encryption or a password:
    // <https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16>.
    (Ipv4Net::new_assert(Ipv4Addr::new(168, 63, 129, 16), 32), "cloud metadata"),
    (v4(169, 254, 0, 16), "link-local, cloud metadata"),
    (v4(172, 16, 0, 12), "private use"),
    (v4(192, 0, 0, 24), "protocol assignments"),
    (v4(192, 0, 2, 24), "documentation"),
    (v4(192, 31, 196, 24), "AS112"),
    (v4(192, 52, 193, 24), "multicast tunnelling"),
    (v4(192, 88, 99, 24), "6to4 relays"),
    (v4(192, 168, 0, 16), "private use"),
    (v4(192, 175, 48, 24), "AS112"),
    (v4(198, 18, 0, 15), "benchmarking"),
    (v4(198, 51, 100, 24), "documentation"),
    (v4(203, 0, 113, 24), "documentation"),
    (v4(224, 0, 0, 4), "multicast"),
    (Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32), "broadcast"),
    (v4(240, 0, 0, 4), "reserved"),
];

/// <https://www.iana.org/assignments/iana-ipv6-special-registry>, multicast, and what was deprecated.
/// The forms that embed IPv4 and lead nowhere today (compatible, local NAT64, 6to4, Teredo) are refused whole.
const RANGES_V6: &[(Ipv6Net, &str)] = &[
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), "unspecified"),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback"),
    (v6(0, 0, 0, 96), "IPv4-compatible"),
    (Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96), "IPv4-translated"),
    (v6(0x64, 0xff9b, 1, 48), "local NAT64"),
    (v6(0x100, 0, 0, 64), "discard only"),
    (Ipv6Net::new_assert(Ipv6Addr::new(0x100, 0, 0, 1, 0, 0, 0, 0), 64), "dummy prefix"),
    (v6(0x2001, 0, 0, 23), "protocol assignments, Teredo"),
    (v6(0x2001, 0xdb8, 0, 32), "documentation"),
    (v6(0x2002, 0, 0, 16), "6to4"),
    (v6(0x2620, 0x4f, 0x8000, 48), "AS112"),
    (v6(0x3fff, 0, 0, 20), "documentation"),
    (v6(0x5f00, 0, 0, 16), "segment routing"),
    (v6(0xfc00, 0, 0, 7), "private use"),
    (v6(0xfe80, 0, 0, 10), "link-local"),
    (v6(0xfec0, 0, 0, 10), "site-local"),
    (v6(0xff00, 0, 0, 8), "multicast"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop_assert, proptest};
    use proptest::sample::select;

    use super::*;

    fn refusal(address: &str) -> Option<String> {
        match Guard::default().vet(address.parse().unwrap()) {
            Err(Refused::Range { range, .. }) => Some(range.to_string()),
            Err(other) => Some(other.to_string()),
            Ok(()) => None,
        }
    }

    #[test]
    fn every_special_purpose_range_is_refused_at_both_its_ends() {
        for (first, last, range) in [
            ("0.0.0.0", "0.255.255.255", "0.0.0.0/8"),
            ("10.0.0.0", "10.255.255.255", "10.0.0.0/8"),
            ("100.64.0.0", "100.127.255.255", "100.64.0.0/10"),
            ("127.0.0.0", "127.255.255.255", "127.0.0.0/8"),
            ("169.254.0.0", "169.254.169.254", "169.254.0.0/16"),
            ("172.16.0.0", "172.31.255.255", "172.16.0.0/12"),
            ("192.0.0.0", "192.0.0.255", "192.0.0.0/24"),
            ("192.0.2.0", "192.0.2.255", "192.0.2.0/24"),
            ("192.31.196.0", "192.31.196.255", "192.31.196.0/24"),
            ("192.52.193.0", "192.52.193.255", "192.52.193.0/24"),
            ("192.88.99.0", "192.88.99.255", "192.88.99.0/24"),
            ("192.168.0.0", "192.168.255.255", "192.168.0.0/16"),
            ("192.175.48.0", "192.175.48.255", "192.175.48.0/24"),
            ("198.18.0.0", "198.19.255.255", "198.18.0.0/15"),
            ("198.51.100.0", "198.51.100.255", "198.51.100.0/24"),
            ("203.0.113.0", "203.0.113.255", "203.0.113.0/24"),
            ("224.0.0.0", "239.255.255.255", "224.0.0.0/4"),
            ("240.0.0.0", "255.255.255.254", "240.0.0.0/4"),
            ("255.255.255.255", "255.255.255.255", "255.255.255.255/32"),
            ("::", "::", "::/128"),
            ("::1", "::1", "::1/128"),
            ("::2", "::ffff:ffff", "::/96"),
            ("::ffff:0:0:0", "::ffff:0:ffff:ffff", "::ffff:0:0:0/96"),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "64:ff9b:1::/48"),
            ("100::", "100::ffff:ffff:ffff:ffff", "100::/64"),
            ("100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", "100:0:0:1::/64"),
            ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::/23"),
            ("2001:db8::", "2001:db8:ffff::", "2001:db8::/32"),
            ("2002::", "2002:ffff:ffff::", "2002::/16"),
            ("2620:4f:8000::", "2620:4f:8000:ffff::", "2620:4f:8000::/48"),
            ("3fff::", "3fff:fff:ffff::", "3fff::/20"),
            ("5f00::", "5f00:ffff::", "5f00::/16"),
            ("fc00::", "fdff:ffff::", "fc00::/7"),
            ("fe80::", "febf:ffff::", "fe80::/10"),
            ("fec0::", "feff:ffff::", "fec0::/10"),
            ("ff00::", "ffff:ffff::", "ff00::/8"),
        ] {
            assert_eq!(refusal(first).as_deref(), Some(range), "{first}");
            assert_eq!(refusal(last).as_deref(), Some(range), "{last}");
        }
    }

    #[test]
    fn what_lies_outside_the_public_part_of_ipv6_is_refused() {
        for address in
            ["1::", "200::1", "4000::1", "8000::1", "e000::1", "64:ff9b:0:1::808:808", "0:0:0:1::1"]
        {
            assert_eq!(
                Guard::default().vet(address.parse().unwrap()),
                Err(Refused::Unassigned),
                "{address}"
            );
        }
    }

    #[test]
    fn public_addresses_pass_bare_and_embedded() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2001:200::1",
            "2606:4700:4700::1111",
            "2a00:1450::5efe:8.8.8.8",
            "3ffe::1",
        ] {
            assert_eq!(refusal(address), None, "{address}");
        }
    }

    #[test]
    fn an_embedded_private_address_is_refused_by_its_own_range() {
        for address in [
            "::ffff:10.1.2.3",
            "64:ff9b::10.1.2.3",
            "2a00:1450::5efe:10.1.2.3",
            "2a00:1450::200:5efe:10.1.2.3",
            "2a00:1450:1:2:0:5efe:10.1.2.3",
        ] {
            assert_eq!(refusal(address).as_deref(), Some("10.0.0.0/8"), "{address}");
        }
    }

    #[test]
    fn the_allow_list_opens_the_address_as_dialled_and_as_mapped() {
        let guard = Guard::new(
            vec!["127.0.0.0/8".parse().unwrap(), "fd00:1::/32".parse().unwrap()],
            Schemes::HttpToo,
        );
        for (address, passes) in [
            ("127.0.0.1", true),
            ("::ffff:127.0.0.1", true),
            ("fd00:1::1", true),
            ("10.0.0.1", false),
            ("::1", false),
            ("::127.0.0.1", false),
            ("64:ff9b::127.0.0.1", false),
            ("fd00:2::1", false),
        ] {
            assert_eq!(guard.vet(address.parse().unwrap()).is_ok(), passes, "{address}");
        }
    }

    fn check(url: &str, schemes: Schemes) -> Option<String> {
        Guard::new(Vec::new(), schemes).check_url(&Url::parse(url).unwrap()).err().map(|refused| {
            match refused {
                Refused::Range { range, .. } => range.to_string(),
                other @ (Refused::Unassigned
                | Refused::Scheme
                | Refused::PlainHttp
                | Refused::UserInfo
                | Refused::NoHost) => other.to_string(),
            }
        })
    }

    #[test]
    fn every_spelling_of_a_private_address_in_a_url_is_refused() {
        for host in [
            "127.0.0.1",
            "2130706433",
            "0177.0.0.1",
            "0x7f.1",
            "0x7f000001",
            "127.1",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "127。0。0。1",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
        ] {
            assert_eq!(
                check(&format!("http://{host}/"), Schemes::HttpToo).as_deref(),
                Some("127.0.0.0/8"),
                "{host}"
            );
        }
    }

    #[test]
    fn a_url_needs_a_scheme_that_is_called_a_host_and_no_user() {
        for (url, schemes, refusal) in [
            ("https://example.com/hook?a=b", Schemes::HttpsOnly, None),
            ("http://example.com/", Schemes::HttpToo, None),
            ("http://example.com/", Schemes::HttpsOnly, Some(Refused::PlainHttp)),
            ("ftp://example.com/", Schemes::HttpToo, Some(Refused::Scheme)),
            ("file:///etc/passwd", Schemes::HttpToo, Some(Refused::Scheme)),
            ("gopher://example.com:25/", Schemes::HttpToo, Some(Refused::Scheme)),
            ("https://user@example.com/", Schemes::HttpsOnly, Some(Refused::UserInfo)),
            ("https://:secret@example.com/", Schemes::HttpsOnly, Some(Refused::UserInfo)),
        ] {
            assert_eq!(check(url, schemes), refusal.map(|refused| refused.to_string()), "{url}");
        }
    }

    fn special() -> impl Strategy<Value = Ipv4Addr> {
        (select(RANGES_V4), any::<u32>()).prop_map(|((range, _), host)| {
            let mask = range.netmask().to_bits();
            Ipv4Addr::from_bits(range.network().to_bits() & mask | host & !mask)
        })
    }

    proptest! {
        #[test]
        fn a_special_ipv4_address_is_refused_in_every_embedding(address in special(), prefix in any::<u32>()) {
            let [a, b, c, d] = address.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let site = u16::try_from(prefix >> 16).unwrap();
            for v6 in [
                address.to_ipv6_mapped(),
                address.to_ipv6_compatible(),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, site, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, site, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, site, site, 0, 0, !high, !low),
                Ipv6Addr::new(0x2a00, site, 0, 0, 0, 0x5efe, high, low),
                Ipv6Addr::new(0x2a00, site, 0, 0, 0x200, 0x5efe, high, low),
            ] {
                prop_assert!(Guard::default().vet(IpAddr::V6(v6)).is_err(), "{}", v6);
            }
            prop_assert!(Guard::default().vet(IpAddr::V4(address)).is_err(), "{}", address);
        }
    }
}
