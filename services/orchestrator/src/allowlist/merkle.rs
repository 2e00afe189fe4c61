//! The tree over a list: the same root and the same proofs as OpenZeppelin's `StandardMerkleTree` over `["address"]`.
//!
//! A leaf is `keccak256(bytes.concat(keccak256(abi.encode(address))))`; hashing twice keeps a node from passing for a
//! leaf. A pair is hashed in order of value, so that a proof needs no directions.

use alloy::{
    primitives::{B256, keccak256},
    sol_types::SolValue,
};
use ids::{Address, Hash32};

/// A binary tree in one array: node 0 is the root, the children of node `n` are `2n + 1` and `2n + 2`, and the leaves
/// are at the end, the smallest hash last.
pub(crate) struct Tree {
    nodes: Vec<B256>,
    leaves: Vec<i32>,
}

impl Tree {
    /// The tree over the addresses, which must differ from each other. None where there are none.
    pub(crate) fn over(addresses: &[Address]) -> Option<Tree> {
        let mut hashed: Vec<(B256, usize)> =
            addresses.iter().enumerate().map(|(at, address)| (leaf(*address), at)).collect();
        hashed.sort_unstable();
        let last = (2 * hashed.len()).checked_sub(2)?;
        let mut nodes = vec![B256::ZERO; last + 1];
        let mut leaves = vec![0; hashed.len()];
        for (place, (hash, at)) in hashed.iter().enumerate() {
            nodes[last - place] = *hash;
            leaves[*at] = i32::try_from(last - place).ok()?;
        }
        for at in (0..hashed.len() - 1).rev() {
            nodes[at] = pair(nodes[2 * at + 1], nodes[2 * at + 2]);
        }
        Some(Tree { nodes, leaves })
    }

    /// What the contract is told.
    pub(crate) fn root(&self) -> Hash32 {
        self.nodes[0].into()
    }

    /// All nodes in one piece, as they are stored.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.nodes.concat()
    }

    /// Where the leaf of each address is, in the order in which they were given.
    pub(crate) fn leaves(&self) -> &[i32] {
        &self.leaves
    }
}

/// The nodes that prove a leaf: the sibling of each node on its way to the root.
pub(crate) fn path(leaf: i32) -> Vec<i32> {
    let mut siblings = Vec::new();
    let mut at = leaf;
    while at > 0 {
        siblings.push(if at % 2 == 1 { at + 1 } else { at - 1 });
        at = (at - 1) / 2;
    }
    siblings
}

fn leaf(address: Address) -> B256 {
    keccak256(keccak256(alloy::primitives::Address::from(address).abi_encode()))
}

fn pair(a: B256, b: B256) -> B256 {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    keccak256([low.0, high.0].concat())
}

/// Whether the proof leads from the wallet to the root, as OpenZeppelin's `MerkleProof` goes; to a root of zero none does.
pub(crate) fn is_proved(root: B256, wallet: Address, proof: &[B256]) -> bool {
    root != B256::ZERO && proof.iter().fold(leaf(wallet), |at, sibling| pair(at, *sibling)) == root
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_set, prelude::*};

    use super::*;

    impl Tree {
        fn proof(&self, leaf: i32) -> Vec<B256> {
            path(leaf).into_iter().map(|at| self.nodes[usize::try_from(at).unwrap()]).collect()
        }
    }

    /// 0x00..01, 0x00..02 and so on.
    fn first(count: u64) -> Vec<Address> {
        let address = |n: u64| {
            let mut bytes = [0; 20];
            bytes[12..].copy_from_slice(&n.to_be_bytes());
            Address::new(bytes)
        };
        (1..=count).map(address).collect()
    }

    /// Roots as `StandardMerkleTree.of(addresses, ["address"]).root` of npm @openzeppelin/merkle-tree 1.0.8 gives them
    /// for the addresses 0x00..01 up to the number.
    const ROOTS: [(u64, &str); 10] = [
        (1, "0xb5d9d894133a730aa651ef62d26b0ffa846233c74177a591a4a896adfda97d22"),
        (2, "0xe685571b7e25a4a0391fb8daa09dc8d3fbb3382504525f89a2334fbbf8f8e92c"),
        (3, "0x6115218373392d12cc18a3d50ad2a53a2c99b391060070dfc0ebbbbe158ec944"),
        (4, "0x4c8ce3926f0293b1d281eac81d8f773dc2a9333e951e7b199adeebc7d7a2ed66"),
        (5, "0x21abd2f655ded75d91fbd5e0b1ad35171a675fd315a077efa7f2d555a26e7094"),
        (7, "0x30bdc5af9506c48acd14f3c4abaed9c8f2c530174653a20624cff023bd0a7d45"),
        (8, "0x61067c4379bac00d29e8e8ddbc412848e77a47df1b73d5a5c7b904874018a180"),
        (13, "0x598ceffc2785887cbf553c10ebf89542927298fa1b3452b0623cea65850c25a1"),
        (100, "0xd763564eca9dc776b4411204640fd14c886b8a193e63080cab6d323b8e72c1a4"),
        (1000, "0xf022299fcf648d29b98eec0530710ca88de163fb9051b9c59c6fb37e8e1f94af"),
    ];

    /// The same package's `getProof`: how many addresses, which of them, its proof.
    const PROOFS: [(u64, usize, &[&str]); 4] = [
        (2, 1, &["0x1ab0c6948a275349ae45a06aad66a8bd65ac18074615d53676c09b67809099e0"]),
        (
            3,
            2,
            &[
                "0x2584db4a68aa8b172f70bc04e2e74541617c003374de6eb4b295e823e5beab01",
                "0xb5d9d894133a730aa651ef62d26b0ffa846233c74177a591a4a896adfda97d22",
            ],
        ),
        (
            5,
            4,
            &[
                "0x161691c7185a37ff918e70bebef716ddd87844ac47f419ea23eaf4fe983fbf2c",
                "0x1a6dbeb0d179031e5261494ac4b6ee4e284665e8d2ea3ff44f7a2ddf5ca07bb7",
            ],
        ),
        (
            13,
            13,
            &[
                "0x410c2796757c1866e144712b649ab035b22d7295530f125d2b7bc17fa7b793b5",
                "0xb9952a6509c58ead6ad0966beae36a76c0b08da802583a334f547b78273e0cab",
                "0xa8c55090c3e7d22b113227cd13d734c7d07045189c173ccf5b95aff00b39a450",
                "0x443a7cd39aa888dab7b8de707ef628c15ce2245e23931fbc4afc6df4c62e1ec4",
            ],
        ),
    ];

    #[test]
    fn roots_and_proofs_are_those_of_openzeppelins_own_library() {
        for (count, root) in ROOTS {
            assert_eq!(Tree::over(&first(count)).unwrap().root().to_string(), root, "{count}");
        }
        for (count, which, proof) in PROOFS {
            let tree = Tree::over(&first(count)).unwrap();
            let ours: Vec<String> =
                tree.proof(tree.leaves()[which - 1]).iter().map(B256::to_string).collect();
            assert_eq!(ours, proof, "{count} {which}");
        }
    }

    #[test]
    fn no_addresses_are_no_tree_and_one_is_its_own_root() {
        assert!(Tree::over(&[]).is_none());
        let one = Tree::over(&first(1)).unwrap();
        assert_eq!((one.root(), one.leaves(), path(0)), (leaf(first(1)[0]).into(), &[0][..], vec![]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_members_proof_verifies_and_nobody_elses(
            members in btree_set(any::<[u8; 20]>(), 1..60),
            others in btree_set(any::<[u8; 20]>(), 1..4),
            seed in any::<u64>(),
        ) {
            let addresses: Vec<Address> = members.iter().copied().map(Address::new).collect();
            let tree = Tree::over(&addresses).unwrap();
            let proofs: Vec<_> = tree.leaves().iter().map(|leaf| tree.proof(*leaf)).collect();
            for (address, proof) in addresses.iter().zip(&proofs) {
                prop_assert!(is_proved(tree.root().into(), *address, proof));
            }
            for other in others.difference(&members).copied().map(Address::new) {
                for proof in &proofs {
                    prop_assert!(!is_proved(tree.root().into(), other, proof));
                }
            }
            // Nor does a member's proof serve another member.
            let (one, two) = (seed as usize % addresses.len(), (seed >> 32) as usize % addresses.len());
            prop_assert_eq!(is_proved(tree.root().into(), addresses[one], &proofs[two]), one == two);
            // The order in which they are given changes nothing.
            let mut turned = addresses.clone();
            turned.rotate_left(one);
            prop_assert_eq!(Tree::over(&turned).unwrap().to_bytes(), tree.to_bytes());
        }
    }
}
