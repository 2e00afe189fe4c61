//! What stands behind an address at one block: EIP-1967 with implementation or beacon, and the clones of EIP-1167.

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes, b256, hex},
    rpc::types::TransactionRequest,
};
use evm::{Node, NodeError};
use futures::try_join;

/// Proxies behind proxies are followed so far.
const DEEPEST: usize = 4;

const IMPLEMENTATION: B256 = b256!("0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc");
const BEACON: B256 = b256!("0xa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50");
const ADMIN: B256 = b256!("0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103");

/// `implementation()`.
const IMPLEMENTATION_OF: [u8; 4] = hex!("5c60da1b");

/// What is before the target in a clone's code, and what is behind it: the standard's own, the shorter one that leaves a
/// zero less to clean up, and the one with PUSH0.
const CLONES: [(&[u8], &[u8]); 3] = [
    (&hex!("363d3d373d3d3d363d73"), &hex!("5af43d82803e903d91602b57fd5bf3")),
    (&hex!("3d3d3d3d363d3d37363d73"), &hex!("5af43d3d93803e602a57fd5bf3")),
    (&hex!("5f5f365f5f37365f73"), &hex!("5af43d5f5f3e6029573d5ffd5b3d5ff3")),
];

/// How a contract hands its calls on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProxyKind {
    /// Not at all: it has code of its own, or none.
    None,
    /// To what its implementation slot names.
    Eip1967,
    /// To what the beacon in its beacon slot names.
    Beacon,
    /// To what is in its code.
    Eip1167,
}

/// A contract as it was at a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(crate) kind: ProxyKind,
    /// Where the calls end. None where there is no proxy, and where a beacon names nothing.
    pub(crate) implementation: Option<Address>,
    pub(crate) beacon: Option<Address>,
    pub(crate) admin: Option<Address>,
}

/// Follows a proxy to its last implementation. Each question is of the same block.
pub(crate) async fn find_proxy(node: &Node, address: Address, block: BlockId) -> Result<Proxy, NodeError> {
    let mut proxy = look(node, address, block).await?;
    let mut seen = vec![address];
    while let Some(next) = proxy.implementation {
        if seen.contains(&next) || seen.len() >= DEEPEST {
            break;
        }
        seen.push(next);
        match look(node, next, block).await?.implementation {
            // A circle leads nowhere: what is known before it is closed is the end.
            Some(further) if !seen.contains(&further) => proxy.implementation = Some(further),
            _ => break,
        }
    }
    Ok(proxy)
}

/// One step.
async fn look(node: &Node, address: Address, block: BlockId) -> Result<Proxy, NodeError> {
    let (code, implementation, beacon, admin) = try_join!(
        node.code(address, block),
        node.storage(address, IMPLEMENTATION, block),
        node.storage(address, BEACON, block),
        node.storage(address, ADMIN, block),
    )?;
    let none = Proxy { kind: ProxyKind::None, implementation: None, beacon: None, admin: None };
    if code.is_empty() {
        return Ok(none);
    }
    if let Some(implementation) = clone_of(&code) {
        return Ok(Proxy { kind: ProxyKind::Eip1167, implementation: Some(implementation), ..none });
    }
    let admin = address_in(admin);
    if let Some(implementation) = address_in(implementation) {
        let implementation = Some(implementation);
        return Ok(Proxy { kind: ProxyKind::Eip1967, implementation, admin, ..none });
    }
    let Some(beacon) = address_in(beacon) else { return Ok(none) };
    let implementation = ask_beacon(node, beacon, block).await?;
    Ok(Proxy { kind: ProxyKind::Beacon, implementation, beacon: Some(beacon), admin })
}

/// What a beacon names; None where it is none.
async fn ask_beacon(node: &Node, beacon: Address, block: BlockId) -> Result<Option<Address>, NodeError> {
    let ask = TransactionRequest::default().to(beacon).input(Bytes::from(IMPLEMENTATION_OF).into());
    match node.call(&ask, block, None).await {
        Ok(answer) => Ok(<[u8; 32]>::try_from(answer.as_ref()).ok().and_then(|word| address_in(word.into()))),
        Err(err) if err.is_revert() => Ok(None),
        Err(err) => Err(err),
    }
}

/// The target of the minimal proxy that this code is. What comes after it is never executed: clones keep what they were
/// created with there.
fn clone_of(code: &[u8]) -> Option<Address> {
    CLONES.iter().find_map(|(head, tail)| {
        let (target, behind) = code.strip_prefix(*head)?.split_first_chunk::<20>()?;
        behind.starts_with(tail).then(|| Address::from(*target))
    })
}

/// The address that a word holds: twelve zero bytes, and not only zeros behind them.
fn address_in(word: B256) -> Option<Address> {
    let (head, tail) = word.split_at(12);
    let address = Address::from_slice(tail);
    (head.iter().all(|byte| *byte == 0) && address != Address::ZERO).then_some(address)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{U256, keccak256};

    use super::*;

    #[test]
    fn the_slots_are_those_of_the_standard() {
        let slot = |name: &str| B256::from(U256::from_be_bytes(keccak256(name).0) - U256::from(1));
        assert_eq!(IMPLEMENTATION, slot("eip1967.proxy.implementation"));
        assert_eq!(BEACON, slot("eip1967.proxy.beacon"));
        assert_eq!(ADMIN, slot("eip1967.proxy.admin"));
        assert_eq!(IMPLEMENTATION_OF, keccak256("implementation()")[..4]);
    }

    #[test]
    fn each_form_of_a_clone_is_known_by_its_whole_code_and_may_carry_arguments() {
        let target = Address::repeat_byte(0x5a);
        let forms = [
            "363d3d373d3d3d363d735a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5af43d82803e903d91602b57fd5bf3",
            "3d3d3d3d363d3d37363d735a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5af43d3d93803e602a57fd5bf3",
            "5f5f365f5f37365f735a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5af43d5f5f3e6029573d5ffd5b3d5ff3",
        ];
        for form in forms {
            let code = hex::decode(form).unwrap();
            assert_eq!(clone_of(&code), Some(target), "{form}");
            assert_eq!(clone_of(&[&code[..], &[7; 64]].concat()), Some(target), "with arguments: {form}");
            for length in [0, 9, 20, 30, code.len() - 1] {
                assert_eq!(clone_of(&code[..length]), None, "{length} of {form}");
            }
            assert_eq!(clone_of(&[&[0], &code[..]].concat()), None, "{form}");
            let mut other = code;
            let last = other.len() - 1;
            other[last] ^= 1;
            assert_eq!(clone_of(&other), None, "{form}");
        }
    }

    #[test]
    fn a_word_with_anything_before_the_address_names_none() {
        assert_eq!(address_in(B256::ZERO), None);
        assert_eq!(address_in(B256::repeat_byte(1)), None);
        assert_eq!(address_in(Address::repeat_byte(1).into_word()), Some(Address::repeat_byte(1)));
    }
}
