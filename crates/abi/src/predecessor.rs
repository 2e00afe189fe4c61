//! The factory events of the public predecessor. Its factory makes plain clones, logs these and nothing more, so the
//! name, the symbol and the supply of such a collection are read from the collection.

use alloy::sol;

sol! {
    #![sol(abi, all_derives)]

    interface PredecessorFactory {
        event ERC721CollectionCreated(address indexed collection, address indexed creator);
        event ERC1155CollectionCreated(address indexed collection, address indexed creator);
        event ImplementationDeployed(address implementation);
    }
}
