//! An EVM address: any right form in, the EIP-55 checksum out.

use std::{fmt, str::FromStr};

use crate::Invalid;

/// Twenty bytes. `Display` is the EIP-55 form for people; [`Address::to_lower`] is the form for wires and text columns.
///
/// ```
/// let a: ids::Address = "0xF39FD6E51AAD88F6F4CE6AB8827279CFFFB92266".parse().unwrap();
/// assert_eq!(a.to_string(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
/// assert_eq!(a.to_lower(), "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
/// assert!("0xF39fd6e51aad88F6F4ce6aB8827279cffFb92266".parse::<ids::Address>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address([u8; 20]);

impl Address {
    /// The address that mints come from and burns go to.
    pub const ZERO: Address = Address([0; 20]);

    /// From the bytes as a node or a `bytea` column gives them.
    pub const fn new(bytes: [u8; 20]) -> Address {
        Address(bytes)
    }

    /// From a slice of a row or a topic; anything but twenty bytes is refused.
    pub fn from_slice(bytes: &[u8]) -> Result<Address, Invalid> {
        bytes.try_into().map(Address).map_err(|_| Invalid::new("address", "must be 20 bytes"))
    }

    /// The bytes.
    pub const fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Lower-case with `0x`: the form of routing keys, protos and text columns.
    pub fn to_lower(&self) -> String {
        alloy_primitives::hex::encode_prefixed(self.0)
    }

    /// Whether this is the zero address.
    pub fn is_zero(&self) -> bool {
        *self == Address::ZERO
    }
}

impl FromStr for Address {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Address, Invalid> {
        let digits = text.strip_prefix("0x").ok_or(Invalid::new("address", "must begin with 0x"))?;
        if digits.len() != 40 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Invalid::new("address", "must be 0x and 40 hexadecimal digits"));
        }
        let parsed = alloy_primitives::Address::from_str(text)
            .map_err(|_| Invalid::new("address", "must be 0x and 40 hexadecimal digits"))?;
        let is_mixed =
            digits.bytes().any(|b| b.is_ascii_lowercase()) && digits.bytes().any(|b| b.is_ascii_uppercase());
        // A checksum can only be wrong where there is one: uniform case carries none.
        if is_mixed && parsed.to_checksum(None) != text {
            return Err(Invalid::new("address", "its EIP-55 checksum is wrong"));
        }
        Ok(Address(parsed.into_array()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&alloy_primitives::Address::from(self.0).to_checksum(None))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<alloy_primitives::Address> for Address {
    fn from(address: alloy_primitives::Address) -> Address {
        Address(address.into_array())
    }
}

impl From<Address> for alloy_primitives::Address {
    fn from(address: Address) -> alloy_primitives::Address {
        alloy_primitives::Address::from(address.0)
    }
}

// Events and protos are wires between our own processes: they carry the lower-case form.
impl serde::Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_lower())
    }
}

impl<'de> serde::Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

crate::hash::as_bytea!(Address, 20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eight_vectors_of_eip_55_are_read_and_written_back() {
        for text in [
            "0x52908400098527886E0F7030069857D2E4169EE7",
            "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
            "0xde709f2102306220921060314715629080e2fb77",
            "0x27b1fdb04752bbc536007a920d24acb045561c26",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            let parsed: Address = text.parse().unwrap();
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn one_letter_of_the_wrong_case_is_refused() {
        let wrong = "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        assert_eq!(wrong.parse::<Address>().unwrap_err().why, "its EIP-55 checksum is wrong");
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for text in [
            "",
            "0x",
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0X5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
