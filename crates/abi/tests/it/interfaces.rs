//! Every word of the interfaces against the compiled ABI: functions with their answers and mutability, events with what
//! is indexed, errors.

use std::collections::BTreeSet;

use abi::launchpad::{self, PlainERC721, VitrineCollection, VitrineERC721, VitrineERC1155, VitrineFactory};
use abi::seaport::{Seaport, WrappedNative};
use abi::standards::{
    AccessControl, Erc20, Erc165, Erc173, Erc721, Erc1155, Erc2981, Erc4906, Erc7572, Pausable,
};
use alloy::json_abi::{EventParam, JsonAbi, Param};
use alloy::primitives::{B256, Bytes, address, b256, hex};
use alloy::sol_types::{SolConstructor, SolError, SolEvent, SolValue};

/// Types and what is indexed, without names of parameters, which a caller never sees.
fn words(of: &JsonAbi) -> BTreeSet<String> {
    let types = |params: &[Param]| params.iter().map(|p| p.selector_type().into_owned()).collect::<Vec<_>>();
    let marked = |p: &EventParam| format!("{}{}", p.selector_type(), if p.indexed { " indexed" } else { "" });
    let functions = of.functions().map(|f| {
        let (inputs, outputs) = (types(&f.inputs), types(&f.outputs));
        format!(
            "function {}({}) {:?} -> ({})",
            f.name,
            inputs.join(","),
            f.state_mutability,
            outputs.join(",")
        )
    });
    let events = of.events().map(|e| {
        let inputs: Vec<String> = e.inputs.iter().map(marked).collect();
        format!("event {}({})", e.name, inputs.join(","))
    });
    let errors = of.errors().map(|e| format!("error {}({})", e.name, types(&e.inputs).join(",")));
    let constructor = of.constructor().map(|c| format!("constructor({})", types(&c.inputs).join(",")));
    functions.chain(events).chain(errors).chain(constructor).collect()
}

fn compiled(name: &str) -> BTreeSet<String> {
    words(&abi::json_abi(name).expect("a compiled contract"))
}

fn missing(said: &JsonAbi, compiled: &BTreeSet<String>) -> Vec<String> {
    let said = words(said);
    assert!(!said.is_empty());
    said.difference(compiled).cloned().collect()
}

#[test]
fn the_factory_is_word_for_word_what_was_compiled() {
    let (said, real) = (words(&VitrineFactory::abi::contract()), compiled("VitrineFactory"));
    let unsaid: Vec<&String> = real.difference(&said).collect();
    // OpenZeppelin's cloning could fail this way if it sent value along; ours does not.
    assert_eq!(unsaid, ["error InsufficientBalance(uint256,uint256)"]);
    assert_eq!(said.difference(&real).count(), 0, "{:?}", said.difference(&real));
}

#[test]
fn both_collections_have_the_shared_functions_and_events() {
    let mut shared = VitrineCollection::abi::contract();
    let errors = std::mem::take(&mut shared.errors);
    for name in ["VitrineERC721", "VitrineERC1155"] {
        assert_eq!(missing(&shared, &compiled(name)), Vec::<String>::new(), "{name}");
    }
    let either: BTreeSet<String> =
        compiled("VitrineERC721").union(&compiled("VitrineERC1155")).cloned().collect();
    let errors = JsonAbi { errors, ..JsonAbi::default() };
    assert_eq!(missing(&errors, &either), Vec::<String>::new());
}

#[test]
fn each_collection_has_its_own_functions_and_its_standards() {
    let everywhere = [
        Erc165::abi::contract(),
        Erc173::abi::contract(),
        Erc2981::abi::contract(),
        Erc4906::abi::contract(),
        Erc7572::abi::contract(),
        AccessControl::abi::contract(),
        Pausable::abi::contract(),
    ];
    let own = [
        ("VitrineERC721", VitrineERC721::abi::contract(), Erc721::abi::contract()),
        ("VitrineERC1155", VitrineERC1155::abi::contract(), Erc1155::abi::contract()),
    ];
    for (name, interface, standard) in own {
        let real = compiled(name);
        for said in everywhere.iter().chain([&interface, &standard]) {
            assert_eq!(missing(said, &real), Vec::<String>::new(), "{name}");
        }
    }
    assert_eq!(missing(&PlainERC721::abi::contract(), &compiled("PlainERC721")), Vec::<String>::new());
}

#[test]
fn the_exchange_and_the_wrapped_currency_have_every_word_that_is_used() {
    let exchange = compiled("Seaport");
    assert_eq!(missing(&Seaport::abi::contract(), &exchange), Vec::<String>::new());
    let wrapped = compiled("WrappedEther");
    for said in [Erc20::abi::contract(), WrappedNative::abi::contract()] {
        assert_eq!(missing(&said, &wrapped), Vec::<String>::new());
    }
    // A name of a field is hashed when an order is signed: each is the contract's own, in its place.
    let real = abi::json_abi("Seaport").expect("a compiled contract");
    let names = |params: &[Param]| {
        fn deep(field: &Param) -> String {
            let inner: Vec<String> = field.components.iter().map(deep).collect();
            format!("{} {} [{}]", field.ty, field.name, inner.join(", "))
        }
        params.first().map(|tuple| tuple.components.iter().map(deep).collect::<Vec<_>>())
    };
    for name in ["getOrderHash", "fulfillAdvancedOrder", "matchAdvancedOrders"] {
        let said = &Seaport::abi::contract().functions[name][0];
        assert_eq!(names(&said.inputs), names(&real.functions[name][0].inputs), "{name}");
    }
}

#[test]
fn no_event_of_a_collection_is_unknown_here() {
    let known: BTreeSet<B256> = [
        VitrineCollection::abi::contract(),
        Erc721::abi::contract(),
        Erc1155::abi::contract(),
        Erc173::abi::contract(),
        Erc4906::abi::contract(),
        Erc7572::abi::contract(),
        AccessControl::abi::contract(),
        Pausable::abi::contract(),
    ]
    .iter()
    .flat_map(|interface| interface.events().map(|event| event.selector()).collect::<Vec<_>>())
    .collect();
    // These two are of no use to a reader: a clone is initialized once, and nobody changes who administers a role.
    let ignored = ["Initialized", "RoleAdminChanged"];
    for name in ["VitrineERC721", "VitrineERC1155"] {
        for event in abi::json_abi(name).expect("a compiled contract").events() {
            assert!(
                known.contains(&event.selector()) || ignored.contains(&event.name.as_str()),
                "{}",
                event.name
            );
        }
    }
}

#[test]
fn the_shared_tuples_have_the_compiled_order() {
    let real = abi::json_abi("VitrineERC721").expect("a compiled contract");
    let shape = |params: &[Param]| {
        let Some(Param { components, .. }) = params.first() else { panic!("no tuple") };
        components.iter().map(|field| format!("{} {}", field.ty, field.name)).collect::<Vec<_>>()
    };
    let ours = VitrineCollection::abi::contract();
    for name in ["mintInfo", "stages"] {
        let (said, compiled) = (&ours.functions[name][0], &real.functions[name][0]);
        assert_eq!(shape(&said.outputs), shape(&compiled.outputs), "{name}");
    }
    let factory = abi::json_abi("VitrineFactory").expect("a compiled contract");
    let said = &VitrineFactory::abi::contract().functions["createERC721Collection"][0];
    assert_eq!(shape(&said.inputs), shape(&factory.functions["createERC721Collection"][0].inputs));
}

#[test]
fn the_salt_is_the_one_that_the_factory_computes() {
    // The same vector is asked of the deployed factory by contracts/test.mjs.
    let creator = address!("1111111111111111111111111111111111111111");
    let intent = B256::repeat_byte(0x22);
    let expected = b256!("f4f69ba108f6504dc58f181a5b843d353a4b9b2ec8149a50e0822656df2c3a8c");
    assert_eq!(launchpad::salt(creator, intent), expected);
    assert_ne!(launchpad::salt(address!("1111111111111111111111111111111111111112"), intent), expected);
}

#[test]
fn a_revert_tells_what_was_due() {
    use VitrineCollection::{VitrineCollectionErrors, WrongPayment};
    use alloy::primitives::U256;
    use alloy::sol_types::SolInterface;

    let error = WrongPayment { expected: U256::from(20), sent: U256::from(7) };
    let decoded = VitrineCollectionErrors::abi_decode(&error.abi_encode()).expect("a known error");
    assert_eq!(decoded, VitrineCollectionErrors::WrongPayment(error));
    assert!(VitrineCollectionErrors::abi_decode(&hex!("deadbeef")).is_err());
}

#[test]
fn the_factory_event_survives_a_log() {
    let event = VitrineFactory::CollectionCreated {
        collection: address!("00000000000000000000000000000000000000c0"),
        creator: address!("00000000000000000000000000000000000000c1"),
        salt: B256::repeat_byte(3),
        standard: launchpad::STANDARD_ERC1155,
        name: "Name".into(),
        symbol: "SYM".into(),
        contractURI: String::new(),
        maxSupply: alloy::primitives::U256::MAX,
        royaltyRecipient: address!("00000000000000000000000000000000000000c2"),
        royaltyBps: alloy::primitives::aliases::U96::from(750),
    };
    let log = event.encode_log_data();
    assert_eq!(log.topics().len(), 4);
    assert_eq!(VitrineFactory::CollectionCreated::decode_log_data(&log).expect("our own log"), event);
}

#[test]
fn the_constructor_takes_the_two_implementations() {
    let (one, two) = (
        address!("0000000000000000000000000000000000000001"),
        address!("0000000000000000000000000000000000000002"),
    );
    let encoded: Bytes = VitrineFactory::constructorCall { erc721: one, erc1155: two }.abi_encode().into();
    assert_eq!(encoded, (one, two).abi_encode());
}
