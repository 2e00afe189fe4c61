//! The compiled contracts of `contracts/out`, carried inside the binary so that nothing is read at run time.

use alloy::json_abi::JsonAbi;
use alloy::primitives::Bytes;

/// `{abi, bytecode, deployedBytecode}` of the factory.
pub static FACTORY: &str = include_str!("../../../contracts/out/VitrineFactory.json");
/// `{abi, bytecode, deployedBytecode}` of the ERC-721 implementation behind the factory's clones.
pub static ERC721: &str = include_str!("../../../contracts/out/VitrineERC721.json");
/// `{abi, bytecode, deployedBytecode}` of the ERC-1155 implementation behind the factory's clones.
pub static ERC1155: &str = include_str!("../../../contracts/out/VitrineERC1155.json");
/// `{abi, bytecode, deployedBytecode}` of a collection that no factory of ours made; for tests.
pub static PLAIN_ERC721: &str = include_str!("../../../contracts/out/PlainERC721.json");
/// `{abi, bytecode, deployedBytecode}` of what asks a contract account about a signature; run by `eth_call`, never deployed.
pub static SIGNATURE_VALIDATOR: &str = include_str!("../../../contracts/out/SignatureValidator.json");
/// `{abi, bytecode, deployedBytecode}` of what tries the one above on a chain; run by `eth_call`, never deployed.
pub static SIGNATURE_VALIDATOR_PROBE: &str =
    include_str!("../../../contracts/out/SignatureValidatorProbe.json");
/// `{abi, bytecode, deployedBytecode}` of Seaport 1.6, the exchange; somebody else's, see `contracts/vendor`.
pub static SEAPORT: &str = include_str!("../../../contracts/out/Seaport.json");
/// `{abi, bytecode, deployedBytecode}` of what Seaport's constructor wants.
pub static LOCAL_CONDUIT_CONTROLLER: &str =
    include_str!("../../../contracts/out/LocalConduitController.json");
/// `{abi, bytecode, deployedBytecode}` of ether as an ERC-20, for chains that have none.
pub static WRAPPED_ETHER: &str = include_str!("../../../contracts/out/WrappedEther.json");

/// The creation bytecode of a compiled contract, by its Solidity name; constructor arguments are appended to it.
pub fn artifact(name: &str) -> Option<Bytes> {
    let file = parsed(name)?;
    let code = file["bytecode"].as_str().expect("the compile script writes a bytecode into each file");
    Some(code.parse().expect("the compile script writes hex"))
}

/// The JSON ABI of a compiled contract, by its Solidity name.
pub fn json_abi(name: &str) -> Option<JsonAbi> {
    let mut file = parsed(name)?;
    Some(serde_json::from_value(file["abi"].take()).expect("the compile script writes a JSON ABI"))
}

fn parsed(name: &str) -> Option<serde_json::Value> {
    let text = match name {
        "VitrineFactory" => FACTORY,
        "VitrineERC721" => ERC721,
        "VitrineERC1155" => ERC1155,
        "PlainERC721" => PLAIN_ERC721,
        "SignatureValidator" => SIGNATURE_VALIDATOR,
        "SignatureValidatorProbe" => SIGNATURE_VALIDATOR_PROBE,
        "Seaport" => SEAPORT,
        "LocalConduitController" => LOCAL_CONDUIT_CONTROLLER,
        "WrappedEther" => WRAPPED_ETHER,
        _ => return None,
    };
    Some(serde_json::from_str(text).expect("the compile script writes JSON"))
}
